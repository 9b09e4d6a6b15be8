"""Export over the store: parity, calibration and the card's figures on its labelled examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitecli.errors import NoExamples, UsageProblem
from fitecli.evaluation import judge, open_predictor
from fitecli.metrics import spread
from fitecli.pipeline.models import locate_model, register
from fitecli.pipeline.reading import examples_for, features_for, withheld
from fitecli.predictor import Predictor
from fitecli.progress import Progress, unwatched
from fitecli.records import Example
from fitecli.settings import Settings
from fitecli.store import Store

Tell = Callable[[str], None]


@dataclass(frozen=True)
class ExportOptions:
    """What `fite export` is asked for. measure: DATASET/SPLIT, for the model card."""

    checkpoint: str
    output: Path
    precision: str = "fp32"
    dataset: str | None = None
    split: str = "dev"
    measure: tuple[str, ...] = ()
    features: str | None = None
    threads: int = 0


def export_model(
    store: Store,
    options: ExportOptions,
    settings: Settings,
    *,
    tell: Tell = lambda message: None,
    progress: Progress = unwatched,
) -> Any:
    """Export a checkpoint; parity is measured on the dev split of its own run's data.

    The card also has what the store knows of the recipe's other seeds on the data to measure.
    """
    from fitecli.export import export
    from fitecli.fusion.checkpoint import read_config

    folder = locate_model(options.checkpoint, settings)
    config = read_config(folder)
    predictor = open_predictor(folder, device="cpu", threads=options.threads)
    datasets = [options.dataset] if options.dataset else list(config.datasets)

    def read(dataset: str, split: str) -> list[Example]:
        chosen = features_for(store, predictor, options.features, (dataset,), tell)
        return examples_for(store, predictor, chosen, dataset, split)

    examples = [example for name in datasets for example in read(name, options.split)]
    if not examples:
        raise NoExamples(
            f"Parity is measured on the {options.split} split of "
            f"{', '.join(datasets) or 'no dataset'}, and the store has none of it; name other "
            "labelled data with --dataset and --split."
        )
    measure = {data: read(*_dataset_and_split(data)) for data in options.measure}
    plain = dict(measure)
    for data, found in plain.items():
        if not found:
            raise NoExamples(
                f"There are no labelled examples of {data} to measure on; `fite stats` shows what is there."
            )
        for part in ("captions", "pictures"):  # what it learnt to do without
            if config.recipe.get(f"withhold_{part}"):
                measure[f"{data} without {part}"] = withheld(found, predictor, (part,))
    parity = export(
        folder,
        options.output,
        examples,
        precision=options.precision,
        measure=measure,
        seeds=_seeds(store, folder, predictor, plain),
        threads=options.threads,
        tell=tell,
        progress=progress,
    )
    register(store, options.output, open_predictor(options.output))
    return parity


def _dataset_and_split(data: str) -> tuple[str, str]:
    dataset, slash, split = data.rpartition("/")
    if not slash:
        raise UsageProblem(f"--measure takes DATASET/SPLIT, such as twitter2015/dev, not {data!r}.")
    return dataset, split


def _seeds(
    store: Store, folder: Path, predictor: Predictor, measure: Mapping[str, Sequence[Example]]
) -> list[dict[str, Any]]:
    """The spread of the recipe over the seeds whose predictions the store has, for each data."""
    found = []
    models = store.models_of_recipe(str(folder.resolve()))
    for data, examples in measure.items():
        ids = [example.aspect_id or 0 for example in examples]
        hashes = predictor.hashes(examples)  # one recipe, so the other seeds read the same
        reports = []
        for model in models:
            known = store.known_predictions(model, ids)
            if all(digest in known for digest in hashes):
                reports.append(judge(examples, [known[digest] for digest in hashes]))
        if len(reports) > 1:
            scores = {
                name: spread([report[name] for report in reports])
                for name in ("accuracy", "macro_f1", "ece")
            }
            found.append({"data": data, "n": len(ids), "count": len(reports), **scores})
    return found
