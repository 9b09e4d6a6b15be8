"""fite extract"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from fitecli.cli.console import Bars, counted, opened, print_json, print_table, tell
from fitecli.cli.options import (
    ALL_ATTRIBUTES,
    RAY_ONLY,
    Attributes,
    Clip,
    Dataset,
    Detector,
    Device,
    DryRun,
    Engine,
    Gpus,
    Json,
    Nobody,
    Split,
    Threads,
    Workers,
    names_of,
    ray_cluster,
)


def extract(
    ctx: typer.Context,
    dataset: Dataset = None,
    split: Split = None,
    only: Annotated[
        str | None,
        typer.Option(help="One stage: faces, captions, alignment, descriptions, embeddings."),
    ] = None,
    faces: Annotated[str, typer.Option(help="auto, bundled, deepface or a plug-in.")] = "auto",
    detector: Detector = None,
    attributes: Attributes = ALL_ATTRIBUTES,
    captioner: Annotated[str, typer.Option(help="auto, none, a model or a plug-in.")] = "auto",
    aligner: Annotated[
        str, typer.Option(help="auto, clip, clip-region, prominence or a plug-in.")
    ] = "auto",
    clip: Clip = None,
    nobody: Nobody = False,
    nobody_margin: Annotated[
        float, typer.Option(min=-2, max=2, help="Cosine by which a face must beat nobody.")
    ] = 0.0,
    assignment: Annotated[
        str, typer.Option(help="Several aspects on one face: paper or one-to-one.")
    ] = "paper",
    template: Annotated[str, typer.Option(help="Wording: published or paper.")] = "published",
    theta: Annotated[
        float, typer.Option(min=0, max=1, help="Attributes less sure than this are left out.")
    ] = 0.4,
    name: Annotated[str | None, typer.Option(help="Name of the feature set.")] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try pictures again that failed.")
    ] = False,
    device: Device = "auto",
    threads: Threads = 0,
    engine: Engine = "local",
    workers: Workers = 0,
    gpus_per_worker: Gpus = 0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Compute the features that the store lacks: faces, captions, alignment, descriptions."""
    from fitecli.errors import Incomplete, UsageProblem
    from fitecli.pipeline.extract import Extractor, failures
    from fitecli.pipeline.extract_options import ExtractOptions
    from fitecli.store import Scope

    if nobody_margin and not nobody:
        raise UsageProblem("--nobody-margin is about --nobody: name both.")
    if engine == "local" and (workers or gpus_per_worker):
        raise UsageProblem(RAY_ONLY)
    options = ExtractOptions(
        faces=faces,
        attributes=names_of(attributes),
        detector=detector,
        captioner=captioner,
        aligner=aligner,
        clip=clip,
        nobody=nobody,
        nobody_margin=nobody_margin,
        assignment=assignment,
        template=template,
        theta=theta,
        name=name,
        threads=threads,
        device=device,
        retry_failed=retry_failed,
    )
    scope = Scope(dataset, split)
    with opened(ctx.obj, create=False) as store, Bars() as bars:
        store.require(dataset, split)
        extractor = Extractor(store, options, ctx.obj, tell, dry_run=dry_run)
        if dry_run:
            columns = ("stage", "items", "about seconds")
            print_table("Would compute", columns, extractor.pending(scope, only))
            return
        if engine == "local":
            reports = extractor.run(scope, only=only, progress=bars)
        else:
            from fitecli.pipeline.ray_engine import RayEngine

            with ray_cluster(workers, threads, gpus_per_worker) as cluster:
                ray = RayEngine(cluster, replace(options, threads=threads or 1), ctx.obj)
                reports = extractor.run(scope, only=only, progress=bars, engine=ray)
    if as_json:
        stages = [vars(report) for report in reports]
        print_json({"features": extractor.features.name, "stages": stages})
    else:
        rows = [(report.name, report.done, report.failed) for report in reports]
        print_table(f"Features {extractor.features.name}", ("stage", "done", "failed"), rows)
    for report in reports:
        for reason in report.reasons:
            tell(f"{report.name}: {reason}")
    if failed := failures(reports):
        raise Incomplete(
            f"{counted(failed, 'record')} failed; all reasons: `fite sql "  # noqa: S608 - a message
            "\"select error, count(*) from analysis where status = 'failed' group by error\"`. "
            "Once mended: `fite extract --retry-failed`; files that were missing or are others by now: "
            "`fite ingest` of their tweets again."
        )


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(extract)
