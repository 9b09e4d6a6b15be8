"""Examples as torch batches: encoded once, grouped by length, padded to the longest of each batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import distributed
from torch.utils.data import Dataset, RandomSampler, Sampler, SequentialSampler

from fitecli.describe import leave_out
from fitecli.fusion.presets import Preset
from fitecli.inputs import EncodedExample, InputBuilder
from fitecli.records import LABELS, Example

Target = tuple[float, ...]  # probabilities of LABELS
LEFT_OUT = ("age", "race", "gender")
POOL = 8  # batches that are sorted by length together


class EncodedDataset(Dataset[tuple[EncodedExample, Target]]):
    """Encoded examples with the probabilities of their labels: 1 for a label that is known.

    withhold: takes a part of an example away each time it is read; then it is encoded anew.
    """

    def __init__(
        self,
        builder: InputBuilder,
        examples: Sequence[Example],
        withhold: Callable[[Example], Example] | None = None,
    ) -> None:
        self.encoded = builder.encode(examples)
        self.targets = [_target(example) for example in examples]
        self._builder, self._examples, self._withhold = builder, examples, withhold

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[EncodedExample, Target]:
        encoded = self.encoded[index]
        if self._withhold is not None:
            (encoded,) = self._builder.encode([self._withhold(self._examples[index])])
        return encoded, self.targets[index]


def _target(example: Example) -> Target:
    """What a model is to say of an example: what teachers say, or else its label."""
    if example.target is not None:
        return example.target
    place = LABELS.index(example.label or "")
    return tuple(float(place == index) for index in range(len(LABELS)))


@dataclass(frozen=True)
class Withholding:
    """Takes parts of examples away at random, so that a model learns to do without them.

    pictures: chance that neither caption nor description is there, as of a tweet without picture.
    captions: chance that the caption is not. attributes: chance that the description's persons are
    told without age, and the same for race and for gender. The draws are torch's.
    """

    pictures: float = 0.0
    captions: float = 0.0
    attributes: float = 0.0

    @classmethod
    def of(cls, preset: Preset) -> Withholding | None:
        """The withholding of a preset, None where it withholds nothing."""
        chances = (preset.withhold_pictures, preset.withhold_captions, preset.withhold_attributes)
        return cls(*chances) if any(chances) else None

    def __call__(self, example: Example) -> Example:
        """The example with what is left of it."""
        picture, caption, *attributes = torch.rand(2 + len(LEFT_OUT)).tolist()
        if picture < self.pictures:
            return replace(example, caption="", description="")
        out = {n for n, x in zip(LEFT_OUT, attributes, strict=True) if x < self.attributes}
        return replace(
            example,
            caption="" if caption < self.captions else example.caption,
            description=leave_out(example.description, out) if out else example.description,
        )


class LengthGroupedSampler(Sampler[int]):
    """Shuffles, then sorts by length inside pools of a few batches, then shuffles the batches.

    Little is padded, and the order of the batches does not depend on their length: long batches
    first, as in transformers' own sampler of this kind, teach the model in cycles.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int) -> None:
        self._lengths = torch.tensor(lengths)
        self._batch_size = batch_size

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(len(self._lengths))
        pools = torch.split(order, POOL * self._batch_size)
        grouped = [pool[self._lengths[pool].argsort(stable=True)] for pool in pools]
        batches = list(torch.split(torch.cat(grouped), self._batch_size))
        last = [batches.pop()] if len(order) % self._batch_size else []  # only it may be short
        shuffled = [batches[place] for place in torch.randperm(len(batches)).tolist()]
        for batch in [*shuffled, *last]:
            yield from batch.tolist()


class SharedBatchSampler(Sampler[list[int]]):
    """The share that one of several processes has of each batch.

    All take the order that the first process draws, so a batch holds the same examples as in a
    single process. Shares differ by one example at most; of a last batch with fewer examples than
    processes some have the same one.
    """

    def __init__(self, order: Sampler[int], batch_size: int) -> None:
        self._order = order
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[list[int]]:
        rank, processes = distributed.get_rank(), distributed.get_world_size()
        drawn = [list(self._order)]
        distributed.broadcast_object_list(drawn)
        for start in range(0, len(drawn[0]), self._batch_size):
            batch = drawn[0][start : start + self._batch_size]
            yield batch[rank::processes] or [batch[rank % len(batch)]]


def sampler(order: str, dataset: EncodedDataset, batch_size: int) -> Sampler[int]:
    """The order of the training data: "grouped", "shuffled", or "file", as it comes."""
    if order == "file":
        return SequentialSampler(dataset)
    if order == "shuffled":
        return RandomSampler(dataset)
    return LengthGroupedSampler([item.length for item in dataset.encoded], batch_size)


@dataclass(frozen=True)
class Collator:
    """Pads encoded examples and adds their labels (B,) and targets (B, 3)."""

    builder: InputBuilder

    def __call__(self, items: Sequence[tuple[EncodedExample, Target]]) -> dict[str, torch.Tensor]:
        arrays = self.builder.collate([encoded for encoded, _ in items])
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        batch["targets"] = torch.tensor([target for _, target in items])
        batch["labels"] = batch["targets"].argmax(dim=-1)
        return batch
