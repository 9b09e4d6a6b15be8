"""The paper's tables, measured here: what is missing is trained, what is there is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fitecli.errors import MissingWeights, NoExamples, UsageProblem
from fitecli.evaluation import open_predictor
from fitecli.pipeline.comparing import Run, row_of
from fitecli.pipeline.examples import choose_features, present, read_dataset
from fitecli.pipeline.experiment_options import (
    ExperimentOptions,
    datasets_of,
    find_table,
    has_test,
)
from fitecli.pipeline.learning import train
from fitecli.pipeline.models import answers
from fitecli.pipeline.plan import digest
from fitecli.pipeline.reading import examples_for, features_for, matched
from fitecli.pipeline.recorded import Recorded, RecordedRun, rounded, trained_facts
from fitecli.pipeline.row_runs import NOT_MEASURED, NOT_RUN, RowRuns, RunFinder, quiet
from fitecli.pipeline.tables import System, Table
from fitecli.progress import Progress, unwatched
from fitecli.records import Example, Prediction
from fitecli.settings import Settings
from fitecli.store import Store

Tell = Callable[[str], None]


def run_experiment(
    store: Store,
    options: ExperimentOptions,
    settings: Settings,
    *,
    tell: Tell,
    progress: Progress = unwatched,
) -> dict[str, Any]:
    """Measure a table: train what is missing, evaluate every seed, compare with the baseline.

    Returns table, title, preset, fidelity, seeds, notes and results: one entry a dataset with its
    split, the number of examples and the rows. A system that cannot be run (its language model is
    not there, its pictures are not public) has a note in place of figures.
    """
    table, record = find_table(options), _recorded(options)
    results = [
        _Measurement(store, options, settings, table, dataset, tell, record, progress).run()
        for dataset in datasets_of(store, options, table)
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
    why it cannot be done with this data. Raises as that does where there are no examples at all."""
    table, record = find_table(options), _recorded(options)
    found: list[dict[str, Any]] = []
    for dataset in datasets_of(store, options, table):
        measurement = _Measurement(
            store, options, settings, table, dataset, quiet, record, ask=False
        )
        split = measurement.split()
        data = digest(measurement.examples(split))
        known: dict[str, RowRuns] = {}
        for system in table.systems:
            if system.variant is None:
                continue
            there = measurement.finder.find(system, split, data, known.get(system.teachers or ""))
            known[system.name] = there
            if there.missing:
                cannot = there.note and not there.waits
                told = {"note": there.note} if cannot else {"seeds": there.missing}
                found.append({"dataset": dataset, "system": system.name} | told)
    return found


def _recorded(options: ExperimentOptions) -> Recorded:
    """The finished runs of a file; raises UsageProblem where there is nothing to read but that."""
    if options.known and options.record is not None and not options.record.is_file():
        raise UsageProblem(
            f"There is no file {options.record} of finished runs to read: name another by --record."
        )
    return Recorded(options.record)


@dataclass(frozen=True)
class _Measurement:
    """One table on one dataset."""

    store: Store
    options: ExperimentOptions
    settings: Settings
    table: Table
    dataset: str
    tell: Tell
    record: Recorded
    progress: Progress = unwatched
    ask: bool = True  # see RunFinder

    @property
    def finder(self) -> RunFinder:
        """Finds the runs that are there."""
        return RunFinder(
            self.store, self.options, self.settings, self.dataset, self.record, self.ask
        )

    def run(self) -> dict[str, Any]:
        split = self.split()
        examples = self.examples(split)
        data = digest(examples)
        known: dict[str, RowRuns] = {}
        runs: dict[str, list[Run]] = {}
        notes: dict[str, str] = {}
        for system in self.table.systems:
            notes[system.name] = system.note
            if system.variant is None:
                continue
            there = self.finder.find(system, split, data, known.get(system.teachers or ""))
            known[system.name], runs[system.name] = there, []
            try:
                for run in self._runs(system, there, examples, split, data):
                    runs[system.name].append(run)
            except NoExamples as exc:
                there.note = f"{NOT_MEASURED}: {exc}"
            except MissingWeights as exc:
                there.note = f"{NOT_RUN}: {exc}"
            notes[system.name] = there.told
        rows = [
            {
                "name": system.name,
                "preset": system.preset or self.options.training.preset,
                **row_of(
                    system.paper,
                    self.dataset,
                    examples,
                    runs.get(system.name, []),
                    runs.get(self.table.baseline, []) if system.name != self.table.baseline else [],
                ),
                "note": notes[system.name],
            }
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

    def _runs(
        self,
        system: System,
        there: RowRuns,
        examples: Sequence[Example],
        split: str,
        data: str,
    ) -> Iterator[Run]:
        """The runs of a row, each trained first where it is missing, and recorded at once."""
        can_train = not there.note and not self.options.known
        for seed in there.training.seeds:
            if can_train and seed in there.missing:
                self.tell(f"{self.dataset}, {system.name}: seed {seed}")
                training = replace(there.training, seeds=(seed,))
                (made,) = train(
                    self.store,
                    training,
                    self.settings,
                    made=there.plan,
                    tell=self.tell,
                    progress=self.progress,
                )
                there.trained[seed] = made.path
            if seed in there.trained:
                path = there.trained[seed]
                facts = trained_facts(path)
                run = Run(seed, path, self._predict(path, examples, split), facts)
                self.record.add(
                    RecordedRun(
                        system.name,
                        self.dataset,
                        split,
                        seed,
                        there.recipe,
                        data,
                        **facts,
                        scores=rounded(run.predictions),
                    )
                )
                yield run
            elif seed in there.recorded:
                kept = there.recorded[seed]
                yield Run(seed, None, kept.predictions, kept.facts)

    def _predict(self, folder: Path, examples: Sequence[Example], split: str) -> list[Prediction]:
        """What a model predicts under its own features, in the order of the examples."""
        training = self.options.training
        predictor = open_predictor(folder, threads=training.threads, device=training.device)
        features = features_for(self.store, predictor, None, (self.dataset,), quiet)
        found = examples_for(self.store, predictor, features, self.dataset, split)
        read = matched(examples, found, features)
        return answers(self.store, folder, predictor, features, read)
