"""Training over the store: every run, epoch and model becomes a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from fitecli.errors import UsageProblem
from fitecli.evaluation import open_predictor
from fitecli.fusion.run_folder import EpochResult, TrainingResult, held, recipe_in
from fitecli.outputs import writing
from fitecli.pipeline.models import register
from fitecli.pipeline.plan import Plan, TrainOptions
from fitecli.progress import Progress, unwatched
from fitecli.settings import Settings
from fitecli.store import EpochRow, Store

Tell = Callable[[str], None]


@dataclass(frozen=True)
class TrainedModel:
    """One finished seed."""

    seed: int
    path: Path
    best_epoch: int
    dev_accuracy: float
    dev_macro_f1: float


def train(
    store: Store,
    options: TrainOptions,
    settings: Settings,
    *,
    made: Plan | None = None,
    tell: Tell = lambda message: None,
    progress: Progress = unwatched,
) -> list[TrainedModel]:
    """Train one model a seed; what is finished is kept, what was interrupted goes on.

    made: the plan of these options, where there is one already. Raises MissingPackage where event
    files are asked for and tensorboard is not installed.
    """
    if options.tensorboard:
        from fitecli.fusion.events import require_tensorboard

        require_tensorboard()
    if settings.processes > 1 and options.output is None:
        raise UsageProblem("Under torchrun all processes need one folder: add --output DIR.")
    if settings.rank:
        tell = lambda message: None  # noqa: E731 - the first process speaks
        progress = unwatched
    made = made or Plan.make(store, options, settings, tell)
    encoders = made.encoders(settings)
    tell(
        f"Training {made.preset.name} on {len(made.train)} examples of {', '.join(made.datasets)}, "
        f"choosing the epoch on {len(made.dev)}."
    )
    base = options.output or (options.folder and options.folder / made.key[:8])
    base = base or Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S")
    job = _Job(store, options, made, encoders, base, tell, progress, settings.rank)
    return [job.run(seed) for seed in options.seeds]


def find_trained(store: Store, key: str, seeds: Sequence[int]) -> dict[int, Path]:
    """Seed -> folder of the finished runs of the plan with that key, wherever they lie."""
    found = {}
    for seed in seeds:
        run = store.find_run(key, seed, status="done")
        if run is not None and recipe_in(Path(run.output)) == key:
            found[seed] = Path(run.output)
    return found


def plan(store: Store, options: TrainOptions, settings: Settings, *, tell: Tell) -> dict[str, Any]:
    """What `train` would do and how long it should take, without doing it."""
    from fitecli.fusion.timing import seconds_per_epoch

    made = Plan.make(store, options, settings, tell, ask=False)
    seconds = seconds_per_epoch(
        made.train,
        made.dev,
        made.encoders(settings),
        made.preset,
        device=options.device,
        threads=options.threads,
    )
    return {
        "preset": made.preset.to_dict(),
        "datasets": list(made.datasets),
        "features": made.features.name,
        "seeds": list(options.seeds),
        "train": len(made.train),
        "dev": len(made.dev),
        "about_seconds": round(seconds * made.preset.epochs * len(options.seeds)),
    }


@dataclass(frozen=True)
class _Job:
    store: Store
    options: TrainOptions
    plan: Plan
    encoders: list[Path]
    base: Path  # of the folders of new runs
    tell: Tell
    progress: Progress
    rank: int = 0  # only the first process writes to the store

    def run(self, seed: int) -> TrainedModel:
        """Train one seed and keep its rows."""
        if self.rank:
            return _trained(self._train(seed, 0, _seed(self.base, seed)), _seed(self.base, seed))
        run_id, output = self._start(seed)
        with writing(output), held(output):
            try:
                result = self._train(seed, run_id, output)
            except BaseException as exc:
                stopped = isinstance(exc, KeyboardInterrupt)
                self.store.finish_run(run_id, "interrupted" if stopped else "failed")
                raise
        for epoch in result.epochs:
            self.store.add_epoch(run_id, _epoch_row(epoch))
        name = self.plan.preset.name
        model_id = register(self.store, output, open_predictor(output, device="cpu"), preset=name)
        self.store.finish_run(
            run_id,
            "done",
            model_id=model_id,
            best_epoch=result.best_epoch,
            dev_accuracy=result.dev_accuracy,
            dev_macro_f1=result.dev_macro_f1,
            device=result.device,
        )
        return _trained(result, output)

    def _train(self, seed: int, run_id: int, output: Path) -> TrainingResult:
        from fitecli.fusion import training

        preset, curve = self.plan.preset, Curve()
        self.progress(f"seed {seed}", 0, preset.epochs)

        def on_epoch(result: EpochResult) -> None:
            self.store.add_epoch(run_id, _epoch_row(result))
            self.progress(f"seed {seed}", result.number, preset.epochs, curve.add(result))
            self.tell(
                f"seed {seed} epoch {result.number}/{preset.epochs}: loss "
                f"{result.train_loss:.3f}, dev accuracy {result.dev_accuracy:.4f}, macro-F1 "
                f"{result.dev_macro_f1:.4f} ({result.seconds:.0f} s)"
            )

        return training.train(
            self.plan.train,
            self.plan.dev,
            self.encoders,
            preset,
            seed=seed,
            output=output,
            record=self.plan.record,
            recipe=self.plan.key,
            device=self.options.device,
            threads=self.options.threads,
            on_epoch=on_epoch,
            tensorboard=self.options.tensorboard,
        )

    def _start(self, seed: int) -> tuple[int, Path]:
        """Find the run to go on with, or begin one."""
        output, key = self.options.output, self.plan.key
        known = self.store.find_run(key, seed, str(_seed(output, seed)) if output else None)
        if known is not None and Path(known.output).is_dir():
            if known.status != "done":
                self.tell(f"Going on with seed {seed} in {known.output}.")
            return known.id, Path(known.output)
        folder = _seed(self.base, seed)
        run_id = self.store.start_run(
            preset=self.plan.preset.name,
            seed=seed,
            datasets=list(self.plan.datasets),
            feature_set_id=self.plan.features.id,
            settings=self.plan.preset.to_dict(),
            fingerprint=key,
            output=str(folder),
        )
        return run_id, folder


class Curve:
    """The epochs of a run so far as small curves of text."""

    def __init__(self) -> None:
        self._epochs: list[Any] = []

    def add(self, epoch: Any) -> str:
        """The curves with one more epoch: loss, and accuracy and macro-F1 on dev."""
        self._epochs.append(epoch)
        names = {"loss": "train_loss", "accuracy": "dev_accuracy", "macro-F1": "dev_macro_f1"}
        parts = []
        for name, field in names.items():
            values = [getattr(item, field) for item in self._epochs]
            parts.append(f"{name} {sparkline(values)} {values[-1]:.3f}")
        return ", ".join(parts)


def sparkline(values: Sequence[float]) -> str:
    """Numbers as a row of blocks, the smallest the lowest; one that is no number is a blank."""
    known = [value for value in values if isfinite(value)]
    low, width = min(known, default=0.0), (max(known, default=0.0) - min(known, default=0.0)) or 1
    places = (round((value - low) / width * 7) if isfinite(value) else -1 for value in values)
    return "".join(" " if place < 0 else "▁▂▃▄▅▆▇█"[place] for place in places)


def _trained(result: TrainingResult, output: Path) -> TrainedModel:
    return TrainedModel(
        result.seed, output, result.best_epoch, result.dev_accuracy, result.dev_macro_f1
    )


def _seed(base: Path, seed: int) -> Path:
    return (base / f"seed-{seed}").resolve()


def _epoch_row(result: EpochResult) -> EpochRow:
    return EpochRow(
        number=result.number,
        train_loss=result.train_loss,
        dev_loss=result.dev_loss,
        dev_accuracy=result.dev_accuracy,
        dev_macro_f1=result.dev_macro_f1,
        seconds=result.seconds,
    )
