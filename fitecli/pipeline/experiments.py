"""The paper's tables, measured here: what is missing is trained, what is there is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fitecli.errors import MissingWeights, NoExamples
from fitecli.evaluation import open_predictor
from fitecli.pipeline.comparing import Run, compared, paper_scores, scores_of, spreads
from fitecli.pipeline.evaluating import examples_for, features_for, matched
from fitecli.pipeline.examples import choose_features, present, read_dataset
from fitecli.pipeline.experiment_options import (
    ExperimentOptions,
    datasets_of,
    find_table,
    has_test,
    recipe_of,
    training_of,
)
from fitecli.pipeline.learning import find_trained, train
from fitecli.pipeline.models import register, save
from fitecli.pipeline.plan import TrainOptions, digest
from fitecli.pipeline.recorded import Recorded, RecordedRun, facts
from fitecli.pipeline.tables import System, Table
from fitecli.records import Example, Prediction
from fitecli.settings import Settings
from fitecli.store import Store

Tell = Callable[[str], None]
MANY = 1_000_000
PARTS = {"0": (0, 0), "1": (1, 1), "2+": (2, MANY), "1+": (1, MANY)}  # faces; appendix A.2
NOT_RUN, NOT_MEASURED = "not run", "not measured"  # it could be; it cannot be with this data


def run_experiment(
    store: Store, options: ExperimentOptions, settings: Settings, *, tell: Tell
) -> dict[str, Any]:
    """Measure a table: train what is missing, evaluate every seed, compare with the baseline.

    Returns table, title, preset, fidelity, seeds, notes and results: one entry a dataset with its
    split, the number of examples and the rows. A system that cannot be run (its language model is
    not there, its pictures are not public) has a note in place of figures.
    """
    table = find_table(options)
    record = Recorded(options.record)
    results = [
        _Measurement(store, options, settings, table, dataset, tell, record).run()
        for dataset in datasets_of(store, options, table)
    ]
    record.write()
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
    store: Store, options: ExperimentOptions, settings: Settings, tell: Tell = lambda message: None
) -> list[dict[str, Any]]:
    """The trainings that `run_experiment` would do: dataset, system and seeds of each, or a note
    why it cannot be done with this data."""
    table = find_table(options)
    found: list[dict[str, Any]] = []
    for dataset in datasets_of(store, options, table):
        record = Recorded(options.record)
        measurement = _Measurement(store, options, settings, table, dataset, tell, record)
        split = measurement.split()
        data = digest(measurement.examples(split))
        paths: dict[str, list[Path]] = {}
        for system in table.systems:
            if system.variant is None:
                continue
            row = {"dataset": dataset, "system": system.name}
            try:
                behind = measurement.behind(
                    system, split, data, paths.get(system.teachers or "", [])
                )
            except NoExamples as exc:
                found.append(row | {"note": f"{NOT_MEASURED}: {exc}"})
                continue
            paths[system.name] = list(behind.trained.values())
            if behind.missing:
                found.append(row | {"seeds": list(behind.missing)})
    return found


@dataclass(frozen=True)
class _Behind:
    """What is there of a row's runs: trained models, and what is only recorded."""

    training: TrainOptions
    recipe: str
    trained: dict[int, Path]
    recorded: dict[int, RecordedRun]
    ready: bool  # its teachers, if any, are there

    @property
    def missing(self) -> tuple[int, ...]:
        known = self.trained.keys() | self.recorded.keys()
        return tuple(seed for seed in self.training.seeds if seed not in known)


@dataclass(frozen=True)
class _Measurement:
    """One table on one dataset."""

    store: Store
    options: ExperimentOptions
    settings: Settings
    table: Table
    dataset: str
    tell: Tell
    record: Recorded = field(default_factory=lambda: Recorded(None))

    def run(self) -> dict[str, Any]:
        split = self.split()
        examples = self.examples(split)
        runs: dict[str, list[Run]] = {}
        notes: dict[str, str] = {}
        for system in self.table.systems:
            notes[system.name] = system.note
            if system.variant is None:
                continue
            try:
                teachers = runs.get(system.teachers or "", [])
                runs[system.name] = self._runs(system, examples, split, teachers)
            except NoExamples as exc:
                notes[system.name] = f"{NOT_MEASURED}: {exc}"
                continue
            except MissingWeights as exc:
                notes[system.name] = f"{NOT_RUN}: {exc}"
                continue
            if not runs[system.name]:
                lacks = system.teachers and not runs.get(system.teachers)
                why = f": its teachers ({system.teachers}) are not there" if lacks else ""
                notes[system.name] = f"{NOT_RUN}{why}"
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

    def split(self) -> str:
        """The split that is measured: test, or dev where there is no test."""
        if self.options.split:
            return self.options.split
        if known := has_test(self.store, self.dataset):
            for name in set(present(self.store, [self.dataset])) - set(known):
                self.tell(f"{self.dataset}: {name} has no test split here and is left out.")
            return "test"
        self.tell(
            f"{self.dataset} has no test split here: dev is measured, and the epoch is chosen on a "
            "tenth of train."
        )
        return "dev"

    def examples(self, split: str) -> list[Example]:
        """The labelled examples that every row is measured on."""
        features = choose_features(
            self.store, self.options.training.features, self.tell, (self.dataset,)
        )
        return list(read_dataset(self.store, self.dataset, split, features))

    def behind(self, system: System, split: str, data: str, teachers: Sequence[Path]) -> _Behind:
        """What is there of a row; teachers: the folders of the models that teach it."""
        training = training_of(self.store, self.options, system, self.dataset, teachers)
        recipe = recipe_of(training)
        ready = not system.teachers or len(teachers) == len(training.seeds)
        return _Behind(
            training,
            recipe,
            find_trained(self.store, training, self.settings) if ready else {},
            self.record.find(recipe, self.dataset, split, data),
            ready,
        )

    def _runs(
        self, system: System, examples: Sequence[Example], split: str, teachers: Sequence[Run]
    ) -> list[Run]:
        data = digest(examples)
        paths = [run.path for run in teachers if run.path is not None]
        behind = self.behind(system, split, data, paths)
        found = dict(behind.trained)
        if behind.missing and behind.ready and not self.options.known:
            self.tell(f"{self.dataset}, {system.name}: seeds {', '.join(map(str, behind.missing))}")
            training = replace(behind.training, seeds=behind.missing)
            made = train(self.store, training, self.settings, tell=self.tell)
            found |= {model.seed: model.path for model in made}
        runs = []
        for seed in behind.training.seeds:
            if seed in found:
                runs.append(Run(seed, found[seed], self._predict(found[seed], examples, split)))
                names = (system.name, self.dataset, split, seed, behind.recipe, data)
                self.record.add(RecordedRun(*names, facts(found[seed]), ()), runs[-1].predictions)
            elif seed in behind.recorded:
                runs.append(Run(seed, None, behind.recorded[seed].predictions))
        return runs

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
            {"seed": run.seed, "model": None if run.path is None else str(run.path)}
            | scores_of(examples, run.predictions)
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
