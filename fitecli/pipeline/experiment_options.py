"""What an experiment is asked for: its table, its data, and the training behind each row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fitecli.errors import NoExamples, UsageProblem
from fitecli.pipeline.examples import present
from fitecli.pipeline.plan import TrainOptions
from fitecli.pipeline.tables import TABLES, TAUGHT, System, Table
from fitecli.store import Store


@dataclass(frozen=True)
class ExperimentOptions:
    """What `fite experiment` is asked for.

    dataset: None for those of the table that the store has. split: None for test, or dev where a
    dataset has no test; then the epoch is chosen on a tenth of train and dev stays unseen.
    against: the row that the others are compared with. known: only read what is there, train
    nothing. record: a file of finished runs: those in it need no training, new ones are added.
    """

    table: str
    dataset: str | None = None
    split: str | None = None
    training: TrainOptions = TrainOptions(seeds=(0, 1, 2))
    fidelity: str = "ours"
    against: str | None = None
    known: bool = False
    record: Path | None = None


def find_table(options: ExperimentOptions) -> Table:
    """The table that is asked for, with its baseline; raises UsageProblem for an unknown name."""
    if options.table not in TABLES:
        raise UsageProblem(
            f"There is no table {options.table!r}; choose one of {', '.join(TABLES)}."
        )
    table = TABLES[options.table]
    names = [system.name for system in table.systems]
    baseline = options.against or table.baseline
    if baseline not in names:
        raise UsageProblem(
            f"{options.table} has no row {baseline!r}; choose one of {', '.join(names)}."
        )
    return replace(table, baseline=baseline)


def datasets_of(store: Store, options: ExperimentOptions, table: Table) -> list[str]:
    """The dataset that is asked for, or those of the table that the store has.

    Raises NoExamples where there is none.
    """
    known = store.datasets()
    if options.dataset:
        store.require(present(store, [options.dataset])[0])
        return [options.dataset]
    found = [name for name in table.datasets if set(present(store, [name])) & set(known)]
    if not found:
        raise NoExamples(
            f"The store has none of {', '.join(table.datasets)}: add one by `fite datasets add`, "
            "or name another with --dataset."
        )
    return found


def has_test(store: Store, dataset: str) -> list[str]:
    """Those of the dataset's members that have a test split."""
    return [name for name in present(store, [dataset]) if "test" in store.splits(name)]


def training_of(
    store: Store,
    options: ExperimentOptions,
    system: System,
    dataset: str,
) -> TrainOptions:
    """The training behind a row, without its teachers."""
    assert system.variant is not None  # noqa: S101 - for mypy: only such rows are trained
    base = options.training.folder or Path("runs") / "experiments"
    variant = system.variant
    if not system.own_fidelity:
        variant = replace(variant, fidelity=options.fidelity)
    preset = system.preset or options.training.preset
    name = "+".join([*filter(None, variant.name.split("/"))]) or "fite"
    parts = (dataset, Path(preset).stem, f"{name}+taught" if system.teachers else name)
    return replace(
        options.training,
        datasets=(dataset,),
        preset=preset,
        variant=variant,
        hold_out=options.split is None and not has_test(store, dataset),
        folder=base.joinpath(*parts),
        changes=system.changes,
    )


def taught_by(training: TrainOptions, teachers: Sequence[Path]) -> TrainOptions:
    """The same training with teachers, who look at the other benchmark's tweets (or the same)."""
    (dataset,) = training.datasets
    taught = TAUGHT.get(dataset, (dataset,))
    return replace(training, teachers=tuple(map(str, teachers)), taught=taught)
