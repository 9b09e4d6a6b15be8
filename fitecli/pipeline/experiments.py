"""The paper's tables, measured here: what is missing is trained, what is there is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fitecli.errors import MissingWeights, NoExamples, UsageProblem
from fitecli.evaluation import open_predictor
from fitecli.pipeline.comparing import Run, compared, paper_scores, scores_of, spreads
from fitecli.pipeline.evaluating import examples_for, features_for, matched
from fitecli.pipeline.examples import choose_features, present, read_dataset
from fitecli.pipeline.learning import find_trained, train
from fitecli.pipeline.models import register, save
from fitecli.pipeline.plan import TrainOptions
from fitecli.pipeline.tables import TABLES, TAUGHT, System, Table
from fitecli.records import Example, Prediction
from fitecli.settings import Settings
from fitecli.store import Store

Tell = Callable[[str], None]
MANY = 1_000_000
PARTS = {"0": (0, 0), "1": (1, 1), "2+": (2, MANY), "1+": (1, MANY)}  # faces; appendix A.2
NOT_RUN, NOT_MEASURED = "not run", "not measured"  # it could be; it cannot be with this data


@dataclass(frozen=True)
class ExperimentOptions:
    """What `fite experiment` is asked for.

    dataset: None for those of the table that the store has. split: None for test, or dev where a
    dataset has no test; then the epoch is chosen on a tenth of train and dev stays unseen.
    against: the row that the others are compared with. known: only read what is there, train
    nothing.
    """

    table: str
    dataset: str | None = None
    split: str | None = None
    training: TrainOptions = TrainOptions(seeds=(0, 1, 2))
    fidelity: str = "ours"
    against: str | None = None
    known: bool = False


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
        raise UsageProblem(f"{options.table} has no row {baseline!r}: {', '.join(names)}.")
    return replace(table, baseline=baseline)


def run_experiment(
    store: Store, options: ExperimentOptions, settings: Settings, *, tell: Tell
) -> dict[str, Any]:
    """Measure a table: train what is missing, evaluate every seed, compare with the baseline.

    Returns table, title, preset, fidelity, seeds, notes and results: one entry a dataset with its
    split, the number of examples and the rows. A system that cannot be run (its language model is
    not there, its pictures are not public) has a note in place of figures.
    """
    table = find_table(options)
    results = [
        _Measurement(store, options, settings, table, dataset, tell).run()
        for dataset in _datasets(store, options, table)
    ]
    return {
        "table": options.table,
        "title": table.title,
        "preset": options.training.preset,
        "fidelity": options.fidelity,
        "seeds": list(options.training.seeds),
        "notes": list(table.notes),
        "results": results,
    }


def missing_runs(
    store: Store, options: ExperimentOptions, settings: Settings
) -> list[dict[str, Any]]:
    """The trainings that `run_experiment` would do: dataset, system and seeds of each, or a note
    why it cannot be done with this data."""
    table = find_table(options)
    found: list[dict[str, Any]] = []
    for dataset in _datasets(store, options, table):
        known: dict[str, dict[int, Path]] = {}
        for system in table.systems:
            if system.variant is None:
                continue
            row = {"dataset": dataset, "system": system.name}
            teachers = known.get(system.teachers or "", {})
            if system.teachers and len(teachers) < len(options.training.seeds):
                found.append(row | {"seeds": list(options.training.seeds)})
                continue
            training = _training(store, options, system, dataset, list(teachers.values()))
            try:
                done = known[system.name] = find_trained(store, training, settings)
            except NoExamples as exc:
                found.append(row | {"note": f"{NOT_MEASURED}: {exc}"})
                continue
            if seeds := [seed for seed in training.seeds if seed not in done]:
                found.append(row | {"seeds": seeds})
    return found


def _datasets(store: Store, options: ExperimentOptions, table: Table) -> list[str]:
    """The dataset that is asked for, or those of the table that the store has."""
    known = store.datasets()
    if options.dataset:
        return [options.dataset]
    found = [name for name in table.datasets if set(present(store, [name])) & set(known)]
    if not found:
        raise NoExamples(
            f"The store has none of {', '.join(table.datasets)}: add one by `fite datasets add`, "
            "or name another with --dataset."
        )
    return found


def _has_test(store: Store, dataset: str) -> list[str]:
    """Those of the dataset's members that have a test split."""
    return [name for name in present(store, [dataset]) if "test" in store.splits(name)]


def _training(
    store: Store,
    options: ExperimentOptions,
    system: System,
    dataset: str,
    teachers: Sequence[Path] = (),
) -> TrainOptions:
    assert system.variant is not None
    base = options.training.folder or Path("runs") / "experiments"
    variant = system.variant
    if not system.own_fidelity:
        variant = replace(variant, fidelity=options.fidelity)
    preset = system.preset or options.training.preset
    name = "+".join([*filter(None, variant.name.split("/"))]) or "fite"
    parts = (dataset, Path(preset).stem, f"{name}+taught" if teachers else name)
    return replace(
        options.training,
        datasets=(dataset,),
        preset=preset,
        variant=variant,
        hold_out=options.split is None and not _has_test(store, dataset),
        folder=base.joinpath(*parts),
        changes=system.changes,
        teachers=tuple(map(str, teachers)),
        taught=TAUGHT.get(dataset, (dataset,)) if teachers else (),
    )


@dataclass(frozen=True)
class _Measurement:
    """One table on one dataset."""

    store: Store
    options: ExperimentOptions
    settings: Settings
    table: Table
    dataset: str
    tell: Tell

    def run(self) -> dict[str, Any]:
        split = self._split()
        features = choose_features(
            self.store, self.options.training.features, self.tell, (self.dataset,)
        )
        examples = list(read_dataset(self.store, self.dataset, split, features))
        runs: dict[str, list[Run]] = {}
        notes: dict[str, str] = {}
        for system in self.table.systems:
            notes[system.name] = system.note
            if system.variant is None:
                continue
            teachers = runs.get(system.teachers or "", [])
            if system.teachers and len(teachers) < len(self.options.training.seeds):
                notes[system.name] = f"{NOT_RUN}: its teachers ({system.teachers}) are not there"
                continue
            try:
                runs[system.name] = self._runs(system, examples, split, teachers)
            except NoExamples as exc:
                notes[system.name] = f"{NOT_MEASURED}: {exc}"
                continue
            except MissingWeights as exc:
                notes[system.name] = f"{NOT_RUN}: {exc}"
                continue
            if not runs[system.name]:
                notes[system.name] = NOT_RUN
        rows = [
            self._row(system, runs.get(system.name, []), runs, examples)
            | {"note": notes[system.name]}
            for system in self.table.systems
        ]
        return {
            "dataset": self.dataset,
            "split": split,
            "chosen_on_split": split == "dev" and self.options.split is not None,  # the epoch, too
            "n": len(examples),
            "against": self.table.baseline,
            "rows": rows,
        }

    def _split(self) -> str:
        if self.options.split:
            return self.options.split
        if known := _has_test(self.store, self.dataset):
            for name in set(present(self.store, [self.dataset])) - set(known):
                self.tell(f"{self.dataset}: {name} has no test split here and is left out.")
            return "test"
        self.tell(
            f"{self.dataset} has no test split here: dev is measured, and the epoch is chosen on a "
            "tenth of train."
        )
        return "dev"

    def _runs(
        self, system: System, examples: Sequence[Example], split: str, teachers: Sequence[Run]
    ) -> list[Run]:
        paths = [run.path for run in teachers]
        training = _training(self.store, self.options, system, self.dataset, paths)
        found = find_trained(self.store, training, self.settings)
        rest = tuple(seed for seed in training.seeds if seed not in found)
        if rest and not self.options.known:
            self.tell(f"{self.dataset}, {system.name}: seeds {', '.join(map(str, rest))}")
            made = train(self.store, replace(training, seeds=rest), self.settings, tell=self.tell)
            found |= {model.seed: model.path for model in made}
        return [
            Run(seed, found[seed], self._predict(found[seed], examples, split))
            for seed in training.seeds
            if seed in found
        ]

    def _predict(self, folder: Path, examples: Sequence[Example], split: str) -> list[Prediction]:
        """What a model predicts under its own features, in the order of the examples.

        Inputs whose prediction the store has are not computed again.
        """
        training = self.options.training
        predictor = open_predictor(folder, threads=training.threads, device=training.device)
        features = features_for(self.store, predictor, None, (self.dataset,), lambda message: None)
        found = examples_for(self.store, predictor, features, self.dataset, split)
        read = matched(examples, found, features)
        model = register(self.store, folder, predictor)
        ids = [item.aspect_id for item in read if item.aspect_id is not None]
        known = self.store.known_predictions(model, ids)
        pairs = predictor.predict_hashed(read, known)
        save(self.store, model, features, read, pairs)
        return [prediction for prediction, _ in pairs]

    def _row(
        self,
        system: System,
        runs: Sequence[Run],
        all_runs: dict[str, list[Run]],
        examples: Sequence[Example],
    ) -> dict[str, Any]:
        row: dict[str, Any] = {
            "name": system.name,
            "preset": system.preset or self.options.training.preset,
            "paper": paper_scores(system, self.dataset),
            "runs": [],
        }
        if not runs:
            return row
        row["runs"] = [
            {"seed": run.seed, "model": str(run.path)} | scores_of(examples, run.predictions)
            for run in runs
        ]
        row |= spreads(row["runs"])
        baseline = all_runs.get(self.table.baseline, [])
        others = [] if system.name == self.table.baseline else baseline
        row |= compared(examples, runs, others)
        row["by_faces"] = {}
        for part, (low, high) in PARTS.items():
            kept = [place for place, item in enumerate(examples) if low <= item.faces <= high]
            if kept:
                some = [examples[place] for place in kept]
                mine, theirs = ([run.only(kept) for run in system] for system in (runs, others))
                found = {"n": len(kept), "paper": paper_scores(system, f"{self.dataset}/{part}")}
                found |= spreads([scores_of(some, run.predictions) for run in mine])
                row["by_faces"][part] = found | compared(some, mine, theirs)
        return row
