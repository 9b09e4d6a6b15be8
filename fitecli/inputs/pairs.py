"""Text pairs, token ids, masks and batches for the encoders; numpy only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from fitecli.inputs.benchmark_text import PLACEHOLDER
from fitecli.inputs.tokenisers import TRUNCATIONS, Tokeniser, TokenPair
from fitecli.records import Example

Batch = Mapping[str, np.ndarray]
BRANCHES = ("face", "scene")
LEAST_TOKENS = 8  # of a pair: at most four are special
VISUALS = (None, "image", "face")
FACE_MASKS = ("own", "scene")
_SLOT = re.compile(r"\{(aspect|caption|description|separator)\}")


@dataclass(frozen=True)
class InputFormat:
    """How an example becomes token ids and masks; every model records the one it was trained with.

    branches: the sentences that are read, each by an encoder of its own. face, scene: the second
    sentence of each pair, with the slots {aspect}, {caption}, {description} and {separator} (the
    tokeniser's own mark between sentences); the description is lower-cased, as in the authors'
    released code. aspect_in_text: put the aspect back where the text holds `$T$`. max_tokens: of a
    pair, special tokens included. token_types: make them where the encoders know two segments.
    face_mask: "own", or "scene": the released code masks the face sentence as though it had the
    length of the scene sentence. truncation: see tokenisers. visual: None, "image" or "face": the
    embedding that joins the fused vector, of visual_size numbers. descriptions: where their rules
    are not those of the features at hand, the fields of describe.Rules that differ.
    """

    branches: tuple[str, ...] = BRANCHES
    face: str = "{aspect}. The picture show that {description}"
    scene: str = "{aspect}.{caption}"
    aspect_in_text: bool = False
    max_tokens: int = 128
    token_types: bool = True
    face_mask: str = "own"
    truncation: str = "second"
    visual: str | None = None
    visual_size: int = 0
    descriptions: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = set(BRANCHES)
        if not self.branches or not known.issuperset(self.branches):
            raise ValueError(f"branches must be some of {', '.join(BRANCHES)}")
        if self.face_mask not in FACE_MASKS:
            raise ValueError(f"face_mask must be one of {', '.join(FACE_MASKS)}")
        if self.face_mask == "scene" and len(self.branches) < len(BRANCHES):
            raise ValueError("face_mask 'scene' needs both branches")
        if self.max_tokens < LEAST_TOKENS:
            raise ValueError(f"max_tokens must be at least {LEAST_TOKENS}")
        if self.visual not in VISUALS:
            raise ValueError("visual must be image or face, where it is told")
        if self.truncation not in TRUNCATIONS:
            raise ValueError(f"truncation must be one of {', '.join(TRUNCATIONS)}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> InputFormat:
        """Rebuild a format from `to_dict`; raises TypeError or ValueError for what is no format."""
        return cls(**{**values, "branches": tuple(values.get("branches", BRANCHES))})

    def to_dict(self) -> dict[str, Any]:
        """The format as plain values."""
        return {**asdict(self), "branches": list(self.branches)}

    def pair(self, branch: str, example: Example, separator: str) -> tuple[str, str]:
        """The two texts that a branch reads."""
        slots = {
            "aspect": example.aspect,
            "caption": example.caption,
            "description": example.description.strip().lower(),
            "separator": separator,
        }
        second = _SLOT.sub(lambda slot: slots[slot[1]], getattr(self, branch))
        text = example.text
        if self.aspect_in_text:
            text = text.replace(PLACEHOLDER, example.aspect)
        return text, second


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token and segment ids of each branch's pair, not yet padded; the visual embedding, if read."""

    pairs: tuple[TokenPair, ...]
    visual: np.ndarray | None = None  # (visual_size,) float32

    @property
    def length(self) -> int:
        """Tokens that the encoders read together."""
        return sum(len(ids) for ids, _ in self.pairs)

    @property
    def longest(self) -> int:
        """Tokens of the longest pair."""
        return max(len(ids) for ids, _ in self.pairs)

    @property
    def sha256(self) -> str:
        """What makes two inputs the same to a model."""
        digest = hashlib.sha256()
        for ids, segments in self.pairs:
            digest.update(np.asarray([len(ids), *ids, *segments], dtype="<i4").tobytes())
        if self.visual is not None:
            digest.update(self.visual.astype("<f4").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class InputBuilder:
    """Turns examples into batches for one model.

    segments: whether the encoders know two segments; where they do not, no token types are made.
    """

    tokeniser: Tokeniser
    format: InputFormat = InputFormat()
    segments: bool = True

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Tokenise the pairs of every example."""
        kind = self.format
        columns = [
            self.tokeniser.encode_pairs(
                [kind.pair(branch, example, self.tokeniser.separator) for example in examples],
                kind.max_tokens,
                kind.truncation,
            )
            for branch in kind.branches
        ]
        rows = zip(*columns, strict=True)
        return [
            EncodedExample(pairs, self._visual(example))
            for example, pairs in zip(examples, rows, strict=True)
        ]

    def _visual(self, example: Example) -> np.ndarray | None:
        """The embedding that the model joins to the fused vector; zeros where there is none."""
        if self.format.visual is None:
            return None
        if example.visual is None:
            return np.zeros(self.format.visual_size, np.float32)
        return np.asarray(example.visual, np.float32)

    def collate(self, encoded: Sequence[EncodedExample], step: int = 1) -> dict[str, np.ndarray]:
        """Pad to the longest of the batch; each encoder gets the mask of its own sentence.

        step: the width is brought to a multiple of it, where that is within max_tokens.
        Returns int64 arrays BRANCH_input_ids and BRANCH_attention_mask (B, T_branch) for each
        branch, with BRANCH_token_type_ids where the model has segments, and visual (B, D) float32
        where it reads one. With face_mask "scene" the face sentence is brought to the scene's width
        and gets the scene's mask.
        """
        batch: dict[str, np.ndarray] = {}
        for place, branch in enumerate(self.format.branches):
            rows = [item.pairs[place] for item in encoded]
            longest = max(len(ids) for ids, _ in rows)
            width = min(-(-longest // step) * step, self.format.max_tokens)
            batch |= self._padded(branch, rows, width)
        if self.format.face_mask == "scene":
            mask = batch["scene_attention_mask"]
            place = self.format.branches.index("face")
            rows = [item.pairs[place] for item in encoded]
            batch |= self._padded("face", rows, mask.shape[1])
            batch["face_attention_mask"] = mask.copy()
        if self.format.visual is not None:
            batch["visual"] = np.stack([item.visual for item in encoded if item.visual is not None])
        return batch

    def _padded(self, branch: str, rows: Sequence[TokenPair], width: int) -> dict[str, np.ndarray]:
        tokens = np.full((len(rows), width), self.tokeniser.pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        types = np.zeros((len(rows), width), dtype=np.int64)
        for row, (ids, segments) in enumerate(rows):
            length = min(len(ids), width)
            tokens[row, :length] = ids[:length]
            mask[row, :length] = 1
            types[row, :length] = segments[:length]
        made = {f"{branch}_input_ids": tokens, f"{branch}_attention_mask": mask}  # (B, T)
        if self.segments and self.format.token_types:
            made[f"{branch}_token_type_ids"] = types  # (B, T)
        return made


def length_grouped(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Group indices of similar length so that a padded batch holds at most budget tokens.

    lengths: tokens of each example. Every index comes once; a single example longer than the
    budget is a batch of its own.
    """
    group: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda place: (lengths[place], place)):
        if group and lengths[index] * (len(group) + 1) > budget:
            yield group
            group = []
        group.append(index)
    if group:
        yield group
