"""What a training reads: its preset, its examples, and what makes two trainings the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitecli.errors import NoExamples, UsageProblem
from fitecli.pipeline.derived import features_as_read
from fitecli.pipeline.distilling import taught_examples, with_opinions
from fitecli.pipeline.examples import choose_features, present, read_dataset
from fitecli.pipeline.models import about, locate_model
from fitecli.pipeline.variants import Variant
from fitecli.pipeline.visuals import visual_size, with_visuals
from fitecli.records import Example, fingerprint
from fitecli.settings import Settings
from fitecli.store import FeatureSetRow, Store
from fitecli.weights import folder_sha256

if TYPE_CHECKING:
    from fitecli.fusion.presets import Preset

Tell = Callable[[str], None]
SEEDS = 2**32  # that numpy takes
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
    changes: Mapping[str, Any] = field(default_factory=dict)  # settings unlike the preset's
    teachers: tuple[str, ...] = ()  # models whose opinion of the taught datasets is learnt, too
    taught: tuple[str, ...] = ()
    hold_out: bool = False  # choose the epoch on a part of train, and leave dev unseen
    encoder: str | None = None  # in place of the preset's; a checkpoint's are taken as they are
    tensorboard: bool = False  # write event files, too; the run is the same

    def __post_init__(self) -> None:
        """Raises UsageProblem for what is no seed."""
        for seed in self.seeds:
            if not isinstance(seed, int) or not 0 <= seed < SEEDS:
                raise UsageProblem(
                    f"A seed is a whole number from 0 to {SEEDS - 1}, not {seed!r}: choose one."
                )

    def settled(self, *, visual_size: int = 0) -> Preset:
        """The preset with all that is asked for; raises UsageProblem for a wrong name."""
        preset = self.variant.preset(self.preset, visual_size=visual_size).changed(self.changes)
        if self.encoder is not None:
            preset = replace(preset, encoder=self.encoder, scene_encoder=None, package=None)
        return preset if self.epochs is None else preset.changed({"epochs": self.epochs})


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
    known: set[int | None] = set()  # one dataset may be a part of another
    for dataset in dict.fromkeys(datasets):
        splits = {split for member in present(store, [dataset]) for split in store.splits(member)}
        for split in sorted(split or "" for split in splits - unseen):
            examples = list(read_dataset(store, dataset, split, features))
            new = [example for example in examples if example.aspect_id not in known]
            (dev if split == "dev" else train).extend(new)
            known |= {example.aspect_id for example in new}
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
class Plan:
    """What a training reads: its preset, its data and their features."""

    preset: Preset
    datasets: tuple[str, ...]
    features: FeatureSetRow
    train: list[Example]
    dev: list[Example]
    hold_out: bool = False
    taught: tuple[str, ...] = ()
    teachers: tuple[dict[str, Any], ...] = ()

    @classmethod
    def make(
        cls,
        store: Store,
        options: TrainOptions,
        settings: Settings,
        tell: Tell,
        *,
        ask: bool = True,
    ) -> Plan:
        """Raises UsageProblem for a wrong preset, NoExamples where data or features are missing.

        ask: whether teachers are asked what the store does not know of them yet. Without, the plan is
        as large, but only a finished training's is the same.
        """
        datasets = options.datasets or tuple(store.labelled_datasets())
        kind = options.settled().input  # a wrong name is told at once
        base = choose_features(store, options.features, tell, (*datasets, *options.taught))
        read = (*datasets, *options.taught)
        features = features_as_read(store, base, kind.descriptions, read, tell)
        visual = options.variant.visual
        size = visual_size(store, features) if visual else 0
        preset = options.settled(visual_size=size)
        train, dev = training_examples(store, datasets, features, tell, hold_out=options.hold_out)
        opinions = taught_examples(
            store,
            options.teachers,
            options.taught,
            features,
            settings,
            tell,
            threads=options.threads,
            device=options.device,
            ask=ask,
        )
        train = with_opinions(train, dev, opinions, preset.teacher_share)
        if visual:
            train, dev = (
                with_visuals(store, part, features, visual, size) for part in (train, dev)
            )
        if preset.order == "file":
            train.sort(key=lambda example: example.source_line or 0)
        teachers = tuple(about(locate_model(name, settings)) for name in options.teachers)
        more = (options.hold_out, options.taught, teachers)
        return cls(preset, datasets, features, train, dev, *more)

    @property
    def key(self) -> str:
        """What makes two trainings the same but for the seed: a preset's name changes nothing, nor
        where the folder of a language model lies."""
        recipe = self.preset.changes()
        for name in ("encoder", "scene_encoder"):
            if (folder := Path(recipe.get(name, ""))).name and folder.is_dir():
                recipe[name] = folder_sha256(folder)
        return fingerprint(
            {
                "preset": recipe,
                "features": self.features.fingerprint,
                "examples": digest([*self.train, *self.dev]),
            }
        )

    @property
    def record(self) -> dict[str, Any]:
        """What a model keeps of its data, see FiteConfig."""
        return {
            "features": self.features.name,
            "datasets": list(self.datasets),
            "hold_out": self.hold_out,
            "taught": list(self.taught),
            "teachers": list(self.teachers),
        }

    def encoders(self, settings: Settings) -> list[Path]:
        """The language models on disk, fetched where they must be; raises MissingWeights."""
        from fitecli.fusion import presets

        preset = self.preset
        names = [preset.encoder] + ([preset.scene_encoder] if preset.scene_encoder else [])
        return [
            presets.locate_encoder(name, preset.package, settings.models, offline=settings.offline)
            for name in names
        ]


def digest(examples: Sequence[Example]) -> str:
    """sha256 (hex) of examples as they are read, with their labels, in their order."""
    found = hashlib.sha256()
    for item in examples:
        parts = (
            item.text,
            item.aspect,
            item.description,
            item.caption,
            item.label or "",
            *map(str, item.visual or ()),
            *(f"{share:.6f}" for share in item.target or ()),
        )
        found.update("\x1f".join(parts).encode() + b"\x1e")
    return found.hexdigest()
