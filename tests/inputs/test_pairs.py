"""Examples become exact token arrays with a mask of their own for each encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitecli.errors import NotAModel
from fitecli.inputs import FastTokeniser, InputBuilder, Wording, length_grouped, load_tokeniser
from fitecli.records import Example
from tests.conftest import WORDS

IDS = {word: index for index, word in enumerate(dict.fromkeys(WORDS))}
EXAMPLES = (
    Example("$T$ is great", "Grace Hopper", "There are 0 people in the picture. ", "A good day."),
    Example("$T$", "NASA"),
    Example("love $T$ !", "Eileen Collins", "Eileen Collins with a happy expression. ", "A man."),
)


@pytest.fixture
def builder(tiny_encoder: Path) -> InputBuilder:
    return InputBuilder(load_tokeniser(tiny_encoder), max_length=32, segments=True)


def ids(text: str) -> list[int]:
    return [IDS[word] for word in text.split()]


def test_three_tweets_become_exact_arrays(builder: InputBuilder) -> None:
    batch = builder.collate(builder.encode(EXAMPLES))
    faces = [
        "[CLS] $ t $ is great [SEP] grace hopper . the picture show that there are 0 people in the "
        "picture . [SEP]",
        "[CLS] $ t $ [SEP] nasa . the picture show that [SEP]",
        "[CLS] love $ t $ ! [SEP] eileen collins . the picture show that eileen collins with a "
        "happy expression . [SEP]",
    ]
    scenes = [
        "[CLS] $ t $ is great [SEP] grace hopper . a good day . [SEP]",
        "[CLS] $ t $ [SEP] nasa . [SEP]",
        "[CLS] love $ t $ ! [SEP] eileen collins . a man . [SEP]",
    ]
    for name, expected in (("face", faces), ("scene", scenes)):
        rows = [ids(text) for text in expected]
        width = max(map(len, rows))
        assert batch[f"{name}_input_ids"].tolist() == [
            row + [0] * (width - len(row)) for row in rows
        ]
        assert batch[f"{name}_attention_mask"].tolist() == [
            [1] * len(row) + [0] * (width - len(row)) for row in rows
        ]
        for row, types in zip(rows, batch[f"{name}_token_type_ids"].tolist(), strict=True):
            second = row.index(IDS["[SEP]"]) + 1
            assert types == [0] * second + [1] * (len(row) - second) + [0] * (width - len(row))
    assert all(array.dtype == np.int64 for array in batch.values())


def test_no_token_types_without_segments(builder: InputBuilder) -> None:
    plain = InputBuilder(builder.tokeniser, 32, segments=False)
    assert set(plain.collate(plain.encode(EXAMPLES))) == {
        "face_input_ids",
        "face_attention_mask",
        "scene_input_ids",
        "scene_attention_mask",
    }


def test_long_pairs_are_cut_to_the_length(builder: InputBuilder) -> None:
    long = Example("great " * 100, "NASA", "happy " * 100, "sad " * 100)
    (encoded,) = builder.encode([long])
    assert len(encoded.face[0]) == len(encoded.scene[0]) == 32
    assert encoded.length == 64
    assert ids("happy")[0] in encoded.face[0]


def test_the_hash_tells_inputs_apart(builder: InputBuilder) -> None:
    hashes = [item.sha256 for item in builder.encode([*EXAMPLES, EXAMPLES[0]])]
    assert hashes[0] == hashes[3]
    assert len(set(hashes)) == 3


def test_words_that_look_like_slots_are_plain_text() -> None:
    face, scene = Wording().pairs(Example("$T$", "{caption}", "{aspect}", "{description}"))
    assert face[1] == "{caption}. The picture show that {aspect}"
    assert scene[1].startswith("{")


def test_a_tokeniser_is_saved_whole(builder: InputBuilder, tmp_path: Path) -> None:
    builder.encode(EXAMPLES)
    builder.tokeniser.save(tmp_path)
    again = load_tokeniser(tmp_path)
    long = [("great " * 60, "sad")]
    assert again.encode_pairs(long, 50) == builder.tokeniser.encode_pairs(long, 50)
    assert again.vocabulary_size == len(IDS)


def test_a_tokeniser_without_padding_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models

    Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(NotAModel, match="padding"):
        FastTokeniser(tmp_path / "tokenizer.json")


@given(st.lists(st.integers(1, 200)), st.integers(1, 500))
def test_groups_hold_every_index_once_within_the_budget(lengths: list[int], budget: int) -> None:
    groups = list(length_grouped(lengths, budget))
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[i] for i in group) <= budget
