"""fite classify"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fitecli.cli.classifying import classify_here, classify_on_cluster, tell_work
from fitecli.cli.options import (
    ALL_ATTRIBUTES,
    RAY_ONLY,
    Detector,
    Device,
    DryRun,
    Engine,
    Features,
    Gpus,
    Split,
    Threads,
    Workers,
    answer_file,
    check_file,
    names_of,
    ray_cluster,
)  # fmt: skip


def classify(
    ctx: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help="Files of tweets in any known format; - is stdin. With --engine ray also folders "
            "and addresses (s3://…).",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Classify a dataset of the store instead; or name the file's."),
    ] = None,
    split: Split = None,
    model: Annotated[
        str, typer.Option(help="An exported model, a checkpoint, or a name.")
    ] = "fite-mini",
    images: Annotated[
        Path | None, typer.Option(help="Folder of the pictures (default: the file's).")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(help="File to write (default, or -: stdout); with --engine ray a folder."),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(help="jsonl (default), or parquet (default of a FILE.parquet)."),
    ] = None,
    format: Annotated[str, typer.Option(help="Format of the files.")] = "auto",
    features: Features = None,
    faces: Annotated[
        str | None, typer.Option(help="auto (default), bundled, deepface or a plug-in.")
    ] = None,
    detector: Detector = None,
    attributes: Annotated[
        str | None, typer.Option(help="Compute only these: age, race, gender, emotion (default).")
    ] = None,
    captioner: Annotated[
        str | None, typer.Option(help="none (default), a plug-in, or a model (loads torch).")
    ] = None,
    aligner: Annotated[
        str | None,
        typer.Option(help="prominence (default), a plug-in, clip or clip-region (load torch)."),
    ] = None,
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="No sentiment (null) where no score reaches this.")
    ] = 0.0,
    device: Device = "cpu",
    threads: Threads = 0,
    engine: Engine = "local",
    workers: Workers = 0,
    gpus_per_worker: Gpus = 0,
    dry_run: DryRun = False,
) -> None:
    """Print one JSON line for each tweet: the sentiment of each of its aspects, in order."""
    from fitecli.errors import UnreadableSource, UsageProblem
    from fitecli.pipeline.predicting import ClassifyOptions

    if not inputs and dataset is None:
        raise UsageProblem("Give a file of tweets, or --dataset NAME to classify one of the store.")
    as_parquet = _as_parquet(output_format, output)
    if inputs and split is not None:
        raise UsageProblem(
            "--split chooses tweets of the store; a file is classified whole: leave it out."
        )
    if images is not None and not images.is_dir():
        raise UnreadableSource(
            f"The folder of pictures {images} does not exist; name another by --images."
        )
    options = ClassifyOptions(
        model=model,
        features=features,
        threads=threads or int(engine == "ray"),
        device=device,
        min_score=min_score,
    )
    options = replace(
        options,
        fresh=any(name is not None for name in (faces, detector, attributes, captioner, aligner)),
        extract=replace(
            options.extract,
            faces=faces or "auto",
            detector=detector,
            attributes=names_of(ALL_ATTRIBUTES if attributes is None else attributes),
            captioner=captioner or "none",
            aligner=aligner or "prominence",
            threads=options.threads,
            device=device,
        ),
    )
    if engine == "ray":
        if not inputs or output is None or answer_file(output) is None:
            raise UsageProblem("--engine ray takes files or folders of tweets and --output FOLDER.")
        if as_parquet:
            raise UsageProblem(
                "--engine ray writes JSON Lines into a folder; Parquet is written on one machine: "
                "leave out --output-format."
            )
        from fitecli.pipeline.shards import ShardsPlan

        if Path(model).is_dir():  # a worker's own folder is another one
            options = replace(options, model=str(Path(model).resolve()))
        pictures = images and images.resolve()
        plan = ShardsPlan(tuple(inputs), output, options, ctx.obj, dataset, format, pictures)
        classify_on_cluster(plan, dry_run, lambda: ray_cluster(workers, threads, gpus_per_worker))
        return
    if workers or gpus_per_worker:
        raise UsageProblem(RAY_ONLY)
    for file in inputs or []:  # before any is computed
        check_file(file)
    if (inputs or []).count("-") > 1:
        raise UsageProblem("stdin (-) can be read once only: give - once.")
    if dry_run:
        tell_work(ctx.obj, options, inputs or [], dataset=dataset, split=split, format=format)
    else:
        classify_here(
            ctx.obj,
            options,
            inputs or [],
            dataset=dataset,
            split=split,
            images=images,
            output=answer_file(output),
            format=format,
            as_parquet=as_parquet,
        )


def _as_parquet(format: str | None, output: str | None) -> bool:
    """Whether the answers are to be Parquet: as told, else as the file is called."""
    from fitecli.errors import UsageProblem

    if format not in (None, "jsonl", "parquet"):
        raise UsageProblem(f"There is no output format {format!r}; choose jsonl or parquet.")
    return format == "parquet" or (format is None and str(output).lower().endswith(".parquet"))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(classify)
