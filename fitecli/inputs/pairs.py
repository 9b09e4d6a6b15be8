"""Text pairs, token ids, masks and batches for the two encoders; numpy only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fitecli.inputs.tokenisers import Tokeniser, TokenPair
from fitecli.records import Example

Batch = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Wording:
    """The second sentence of each pair; `{aspect}`, `{caption}`, `{description}` are filled in.

    As in the authors' released code; the description is lower-cased there.
    """

    scene: str = "{aspect}.{caption}"
    face: str = "{aspect}. The picture show that {description}"

    def pairs(self, example: Example) -> tuple[tuple[str, str], tuple[str, str]]:
        """Return the pair of the face encoder and that of the scene encoder."""
        description = example.description.strip().lower()
        face = self.face.replace("{aspect}", example.aspect).replace("{description}", description)
        scene = self.scene.replace("{aspect}", example.aspect).replace("{caption}", example.caption)
        return (example.text, face), (example.text, scene)


@dataclass(frozen=True, slots=True)
class EncodedExample:
    """Token and segment ids of both pairs, not yet padded."""

    face: TokenPair
    scene: TokenPair

    @property
    def length(self) -> int:
        """Tokens that the two encoders read together."""
        return len(self.face[0]) + len(self.scene[0])

    @property
    def sha256(self) -> str:
        """What makes two inputs the same to a model."""
        digest = hashlib.sha256()
        for ids, segments in (self.face, self.scene):
            digest.update(np.asarray([len(ids), *ids, *segments], dtype="<i4").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class InputBuilder:
    """Turns examples into batches for one model.

    max_length: tokens of a pair, special tokens included. segments: whether the encoders know two
    segments; where they do not, no token types are made.
    """

    tokeniser: Tokeniser
    max_length: int
    segments: bool
    wording: Wording = Wording()

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        """Tokenise both pairs of every example."""
        pairs = [self.wording.pairs(example) for example in examples]
        faces = self.tokeniser.encode_pairs([pair[0] for pair in pairs], self.max_length)
        scenes = self.tokeniser.encode_pairs([pair[1] for pair in pairs], self.max_length)
        return [EncodedExample(*both) for both in zip(faces, scenes, strict=True)]

    def collate(self, encoded: Sequence[EncodedExample]) -> dict[str, np.ndarray]:
        """Pad to the longest of the batch; each encoder gets the mask of its own sentence.

        Returns int64 arrays: face_input_ids, face_attention_mask (B, T_face), scene_input_ids,
        scene_attention_mask (B, T_scene), and the two token_type_ids where the model has segments.
        """
        batch: dict[str, np.ndarray] = {}
        for name in ("face", "scene"):
            rows: list[TokenPair] = [getattr(item, name) for item in encoded]
            width = max(len(ids) for ids, _ in rows)
            tokens = np.full((len(rows), width), self.tokeniser.pad_id, dtype=np.int64)
            mask = np.zeros((len(rows), width), dtype=np.int64)
            types = np.zeros((len(rows), width), dtype=np.int64)
            for row, (ids, segments) in enumerate(rows):
                tokens[row, : len(ids)] = ids
                mask[row, : len(ids)] = 1
                types[row, : len(ids)] = segments
            batch[f"{name}_input_ids"] = tokens  # (B, T)
            batch[f"{name}_attention_mask"] = mask  # (B, T)
            if self.segments:
                batch[f"{name}_token_type_ids"] = types  # (B, T)
        return batch


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
