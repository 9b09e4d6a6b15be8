"""What is there already of a row of the paper's tables, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fitecli.errors import NoExamples
from fitecli.pipeline.experiment_options import ExperimentOptions, taught_by, training_of
from fitecli.pipeline.learning import find_trained
from fitecli.pipeline.plan import Plan, TrainOptions
from fitecli.pipeline.recorded import Recorded, RecordedRun
from fitecli.pipeline.tables import System
from fitecli.records import fingerprint
from fitecli.settings import Settings
from fitecli.store import Store

NOT_RUN, NOT_MEASURED = "not run", "not measured"  # it could be; it cannot be with this data


def quiet(message: str) -> None:
    """Tell nobody."""


@dataclass
class RowRuns:
    """What is there of a row: trained models, and runs that are only recorded.

    recipe: the fingerprint of the training and all it reads, but for the seed. note: why what is
    missing cannot be trained.
    """

    training: TrainOptions
    plan: Plan | None = None  # where it can be made
    recipe: str = ""
    trained: dict[int, Path] = field(default_factory=dict)
    recorded: dict[int, RecordedRun] = field(default_factory=dict)
    note: str = ""
    waits: bool = False  # for teachers that can be trained

    @property
    def missing(self) -> list[int]:
        known = self.trained.keys() | self.recorded.keys()
        return [seed for seed in self.training.seeds if seed not in known]

    @property
    def told(self) -> str:
        """What is to be said of the row."""
        if self.missing:
            some = len(self.missing) < len(self.training.seeds)
            which = f"seeds {', '.join(map(str, self.missing))} " if some else ""
            return self.note or f"{which}{NOT_RUN}"
        return "" if set(self.training.seeds) <= self.trained.keys() else "recorded"


@dataclass(frozen=True)
class RunFinder:
    """Finds the runs of rows on one dataset, in the store and among the recorded ones."""

    store: Store
    options: ExperimentOptions
    settings: Settings
    dataset: str
    record: Recorded
    ask: bool = True  # teachers, about what they were not asked yet

    def find(self, system: System, split: str, data: str, teachers: RowRuns | None) -> RowRuns:
        """What is there of a row on a split, whose examples have the digest data.

        teachers: what is there of the row that teaches it.
        """
        found = RowRuns(training_of(self.store, self.options, system, self.dataset))
        try:
            found.plan = self._plan(found.training)
            found.recipe = found.plan.key
            if teachers is not None:
                self._have_taught(found, system, teachers)
        except NoExamples as exc:
            found.note = f"{NOT_MEASURED}: {exc}"
        found.recorded = self.record.find(found.recipe, self.dataset, split, data)
        if found.plan is not None and not found.note:
            found.trained = find_trained(self.store, found.plan.key, found.training.seeds)
        return found

    def _plan(self, training: TrainOptions) -> Plan:
        return Plan.make(self.store, training, self.settings, quiet, ask=self.ask)

    def _have_taught(self, found: RowRuns, system: System, teachers: RowRuns) -> None:
        """Let a row be taught by another one's models, or note that they are not all there."""
        seeds = found.training.seeds
        found.recipe = fingerprint(
            {"student": found.recipe, "teachers": teachers.recipe, "seeds": list(seeds)}
        )
        paths = [teachers.trained[seed] for seed in seeds if seed in teachers.trained]
        found.training = taught_by(found.training, paths)
        if len(paths) < len(seeds):
            found.note = f"{NOT_RUN}: its teachers ({system.teachers}) are not all there"
            rest = set(seeds) - teachers.trained.keys()
            found.waits = not teachers.note and rest <= set(teachers.missing)
        else:
            found.plan = self._plan(found.training)
