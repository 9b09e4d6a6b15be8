"""Examples as torch batches: encoded once, grouped by length, padded to the longest of each batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import Dataset, RandomSampler, Sampler, SequentialSampler

from fitecli.inputs import EncodedExample, InputBuilder
from fitecli.records import LABELS, Example

POOL = 8  # batches that are sorted by length together


class EncodedDataset(Dataset[tuple[EncodedExample, int]]):
    """Encoded examples with the index of their label."""

    def __init__(self, builder: InputBuilder, examples: Sequence[Example]) -> None:
        self.encoded = builder.encode(examples)
        self.labels = [LABELS.index(example.label or "") for example in examples]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[EncodedExample, int]:
        return self.encoded[index], self.labels[index]


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


def sampler(order: str, dataset: EncodedDataset, batch_size: int) -> Sampler[int]:
    """The order of the training data: "grouped", "shuffled", or "file", as it comes."""
    if order == "file":
        return SequentialSampler(dataset)
    if order == "shuffled":
        return RandomSampler(dataset)
    return LengthGroupedSampler([item.length for item in dataset.encoded], batch_size)


@dataclass(frozen=True)
class Collator:
    """Pads encoded examples and adds their labels."""

    builder: InputBuilder

    def __call__(self, items: Sequence[tuple[EncodedExample, int]]) -> dict[str, torch.Tensor]:
        arrays = self.builder.collate([encoded for encoded, _ in items])
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        batch["labels"] = torch.tensor([label for _, label in items])
        return batch
