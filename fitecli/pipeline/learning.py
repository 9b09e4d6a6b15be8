"""Training, evaluation and export over the store: every run, epoch and model becomes a row."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitecli.errors import NoExamples, UsageProblem
from fitecli.evaluation import open_predictor
from fitecli.pipeline.derived import derive_features, rules_of
from fitecli.pipeline.examples import choose_features, present, read_dataset
from fitecli.pipeline.models import register
from fitecli.pipeline.variants import Variant
from fitecli.pipeline.visuals import visual_size, with_visuals
from fitecli.records import Example, fingerprint
from fitecli.settings import Settings
from fitecli.store import EpochRow, FeatureSetRow, Store

if TYPE_CHECKING:
    from fitecli.fusion.presets import Preset

Tell = Callable[[str], None]
HOLD_OUT = 10  # one picture in so many, where dev is not there or not to be seen


@dataclass(frozen=True)
class TrainOptions:
    """What `fite train` is asked for."""

    datasets: tuple[str, ...] = ()
    preset: str = "fite-mini"
    variant: Variant = Variant()
    seeds: tuple[int, ...] = (0,)
    output: Path | None = None
    folder: Path | None = None  # of new runs, where output is not given: runs/TIME
    features: str | None = None
    device: str = "auto"
    threads: int = 0
    epochs: int | None = None
    hold_out: bool = False  # choose the epoch on a part of train, and leave dev unseen


@dataclass(frozen=True)
class TrainedModel:
    """One finished seed."""

    seed: int
    path: Path
    best_epoch: int
    dev_accuracy: float
    dev_macro_f1: float


def training_examples(
    store: Store,
    datasets: Sequence[str],
    features: FeatureSetRow,
    tell: Tell,
    *,
    hold_out: bool = False,
) -> tuple[list[Example], list[Example]]:
    """The labelled examples to train on and to choose the epoch by; test splits stay unseen.

    Where no dataset has a dev split, or hold_out asks for it (dev stays unseen then, too), one
    picture in ten is held out with all its tweets; a tweet without a picture by its text.
    """
    unseen = {"test", "dev"} if hold_out else {"test"}
    train: list[Example] = []
    dev: list[Example] = []
    for dataset in datasets:
        splits = {split for member in present(store, [dataset]) for split in store.splits(member)}
        for split in sorted(split or "" for split in splits - unseen):
            examples = read_dataset(store, dataset, split, features)
            (dev if split == "dev" else train).extend(examples)
    if not dev and train:
        tell("One picture in ten of the training data is held out to choose the epoch.")
        dev = [example for example in train if _held_out(example)]
        train = [example for example in train if not _held_out(example)]
    if not train or not dev:
        names = ", ".join(datasets) or "the store"
        raise NoExamples(
            f"Too few labelled examples in {names} (train {len(train)}, dev {len(dev)}). Ingest "
            "labelled tweets, or add a benchmark by `fite datasets add twitter2015`."
        )
    return train, dev


def _held_out(example: Example) -> bool:
    text = "".join(example.text.replace("$T$", example.aspect).split())
    return int(hashlib.sha256((example.picture or text).encode()).hexdigest(), 16) % HOLD_OUT == 0


@dataclass(frozen=True)
class _Plan:
    """What a training reads: its preset, its data and their features."""

    preset: Preset
    datasets: tuple[str, ...]
    features: FeatureSetRow
    train: list[Example]
    dev: list[Example]

    @classmethod
    def make(cls, store: Store, options: TrainOptions, tell: Tell) -> _Plan:
        """Raises UsageProblem for a wrong preset, NoExamples where data or features are missing."""
        datasets = options.datasets or tuple(store.labelled_datasets())
        options.variant.preset(options.preset)  # a wrong name is told before anything is read
        base = choose_features(store, options.features, tell, datasets)
        rules = options.variant.rules(rules_of(base))
        features = derive_features(store, base, rules, datasets, tell)
        visual = options.variant.visual
        size = visual_size(store, features) if visual else 0
        preset = options.variant.preset(options.preset, visual_size=size)
        if options.epochs is not None:
            preset = replace(preset, epochs=options.epochs)
        train, dev = training_examples(store, datasets, features, tell, hold_out=options.hold_out)
        if visual:
            train, dev = (with_visuals(store, part, features, visual) for part in (train, dev))
        if preset.order == "file":
            train.sort(key=lambda example: example.source_line or 0)
        return cls(preset, datasets, features, train, dev)

    @property
    def key(self) -> str:
        """What makes two trainings the same but for the seed: a preset's name changes nothing."""
        return fingerprint(
            {
                "preset": self.preset.changes(),
                "features": self.features.fingerprint,
                "examples": _digest([*self.train, *self.dev]),
            }
        )

    def encoders(self, settings: Settings) -> list[Path]:
        """The language models on disk, fetched where they must be; raises MissingWeights."""
        from fitecli.fusion import presets

        preset = self.preset
        names = [preset.encoder] + ([preset.scene_encoder] if preset.scene_encoder else [])
        return [
            presets.locate_encoder(name, preset.package, settings.models, offline=settings.offline)
            for name in names
        ]


def train(
    store: Store,
    options: TrainOptions,
    settings: Settings,
    *,
    tell: Tell = lambda message: None,
) -> list[TrainedModel]:
    """Train one model a seed; what is finished is kept, what was interrupted goes on."""
    if settings.processes > 1 and options.output is None:
        raise UsageProblem("Under torchrun all processes need one folder: add --output DIR.")
    made = _Plan.make(store, options, tell)
    preset, encoders = made.preset, made.encoders(settings)
    tell(
        f"Training {preset.name} on {len(made.train)} examples of {', '.join(made.datasets)}, "
        f"choosing the epoch on {len(made.dev)}."
    )
    job = _Job(
        store,
        options,
        preset,
        made.datasets,
        made.features,
        encoders,
        made.key,
        tell,
        settings.rank,
    )
    return [job.run(seed, made.train, made.dev) for seed in options.seeds]


def find_trained(store: Store, options: TrainOptions) -> dict[int, Path]:
    """Seed -> folder of the finished runs of exactly this training, wherever they lie."""
    key = _Plan.make(store, options, lambda message: None).key
    found = {}
    for seed in options.seeds:
        run = store.find_run(key, seed, status="done")
        if run is not None and Path(run.output).is_dir():
            found[seed] = Path(run.output)
    return found


def plan(store: Store, options: TrainOptions, settings: Settings, *, tell: Tell) -> dict[str, Any]:
    """What `train` would do and how long it should take, without doing it."""
    from fitecli.fusion.training import seconds_per_epoch

    made = _Plan.make(store, options, tell)
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
    preset: Any
    datasets: tuple[str, ...]
    features: FeatureSetRow
    encoders: list[Path]
    key: str
    tell: Tell
    rank: int = 0  # only the first process writes to the store

    def run(
        self, seed: int, train_examples: Sequence[Example], dev_examples: Sequence[Example]
    ) -> TrainedModel:
        """Train one seed and keep its rows."""
        from fitecli.fusion import training

        if self.rank and self.options.output is not None:
            run_id, output = 0, _seed(self.options.output, seed)
        else:
            run_id, output = self._start(seed)

        def on_epoch(result: training.EpochResult) -> None:
            self.store.add_epoch(run_id, _epoch_row(result))
            self.tell(
                f"seed {seed} epoch {result.number}/{self.preset.epochs}: loss "
                f"{result.train_loss:.3f}, dev accuracy {result.dev_accuracy:.4f}, macro-F1 "
                f"{result.dev_macro_f1:.4f} ({result.seconds:.0f} s)"
            )

        try:
            result = training.train(
                train_examples,
                dev_examples,
                self.encoders,
                self.preset,
                seed=seed,
                output=output,
                features=self.features.name,
                datasets=self.datasets,
                device=self.options.device,
                threads=self.options.threads,
                on_epoch=on_epoch,
            )
        except BaseException as exc:
            stopped = isinstance(exc, KeyboardInterrupt)
            if not self.rank:
                self.store.finish_run(run_id, "interrupted" if stopped else "failed")
            raise
        if self.rank:
            return _trained(result, output)
        for epoch in result.epochs:
            self.store.add_epoch(run_id, _epoch_row(epoch))
        model_id = register(
            self.store, output, open_predictor(output, device="cpu"), preset=self.preset.name
        )
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

    def _start(self, seed: int) -> tuple[int, Path]:
        """Find the run to go on with, or begin one."""
        output = self.options.output
        known = self.store.find_run(self.key, seed, str(_seed(output, seed)) if output else None)
        if known is not None and Path(known.output).is_dir():
            if known.status != "done":
                self.tell(f"Going on with seed {seed} in {known.output}.")
            return known.id, Path(known.output)
        base = output or self.options.folder
        base = base or Path("runs") / datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = _seed(base, seed)
        run_id = self.store.start_run(
            preset=self.preset.name,
            seed=seed,
            datasets=list(self.datasets),
            feature_set_id=self.features.id,
            settings=self.preset.to_dict(),
            fingerprint=self.key,
            output=str(folder),
        )
        return run_id, folder


def _trained(result: Any, output: Path) -> TrainedModel:
    return TrainedModel(
        result.seed, output, result.best_epoch, result.dev_accuracy, result.dev_macro_f1
    )


def _seed(base: Path, seed: int) -> Path:
    return (base / f"seed-{seed}").resolve()


def _epoch_row(result: Any) -> EpochRow:
    return EpochRow(
        number=result.number,
        train_loss=result.train_loss,
        dev_loss=result.dev_loss,
        dev_accuracy=result.dev_accuracy,
        dev_macro_f1=result.dev_macro_f1,
        seconds=result.seconds,
    )


def _digest(examples: Sequence[Example]) -> str:
    digest = hashlib.sha256()
    for item in examples:
        parts = (
            item.text,
            item.aspect,
            item.description,
            item.caption,
            item.label or "",
            *map(str, item.visual or ()),
        )
        digest.update("\x1f".join(parts).encode() + b"\x1e")
    return digest.hexdigest()
