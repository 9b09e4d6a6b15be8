"""Examples become exact token arrays with a mask of their own for each encoder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fitecli.errors import NotAModel
from fitecli.inputs import (
    BRANCHES,
    FastTokeniser,
    InputBuilder,
    InputFormat,
    length_grouped,
    load_tokeniser,
)
from fitecli.inputs.pairs import LEAST_TOKENS
from fitecli.inputs.tokenisers import TRUNCATIONS
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
    return InputBuilder(load_tokeniser(tiny_encoder), InputFormat(max_tokens=32))


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
    plain = InputBuilder(builder.tokeniser, builder.format, segments=False)
    assert set(plain.collate(plain.encode(EXAMPLES))) == {
        "face_input_ids",
        "face_attention_mask",
        "scene_input_ids",
        "scene_attention_mask",
    }


def test_long_pairs_are_cut_to_the_length(builder: InputBuilder) -> None:
    long = Example("great " * 100, "NASA", "happy " * 100, "sad " * 100)
    (encoded,) = builder.encode([long])
    assert [len(pair[0]) for pair in encoded.pairs] == [32, 32]
    assert (encoded.length, encoded.longest) == (64, 32)
    assert ids("happy")[0] in encoded.pairs[0][0]


def test_the_hash_tells_inputs_apart(builder: InputBuilder) -> None:
    hashes = [item.sha256 for item in builder.encode([*EXAMPLES, EXAMPLES[0]])]
    assert hashes[0] == hashes[3]
    assert len(set(hashes)) == 3


def test_words_that_look_like_slots_are_plain_text() -> None:
    example = Example("$T$", "{caption}", "{aspect}", "{description}")
    face, scene = (InputFormat().pair(branch, example, "|") for branch in BRANCHES)
    assert face[1] == "{caption}. The picture show that {aspect}"
    assert scene[1] == "{caption}.{description}"


def test_an_aspect_can_be_put_back_and_set_apart(builder: InputBuilder) -> None:
    kind = replace(builder.format, aspect_in_text=True, scene="{aspect}{separator}{caption}")
    (encoded,) = replace(builder, format=kind).encode(EXAMPLES[:1])
    assert encoded.pairs[1][0] == ids(
        "[CLS] grace hopper is great [SEP] grace hopper [SEP] a good day . [SEP]"
    )


@pytest.mark.parametrize(
    ("truncation", "words", "happy"), [("second", 7, 22), ("second", 40, 7), ("longest", 20, 14)]
)
def test_what_is_cut(builder: InputBuilder, truncation: str, words: int, happy: int) -> None:
    builder = replace(builder, format=replace(builder.format, truncation=truncation))
    (pair,) = builder.tokeniser.encode_pairs([("great " * words, "happy " * 90)], 32, truncation)
    assert pair[0].count(IDS["happy"]) == happy
    assert pair[0].count(IDS["great"]) == 29 - happy
    assert [pair[0][place] for place in (0, 30 - happy, 31)] == ids("[CLS] [SEP] [SEP]")
    assert pair[1] == [0] * (31 - happy) + [1] * (happy + 1)


def test_the_released_code_masks_the_face_sentence_like_the_scene(builder: InputBuilder) -> None:
    kind = replace(builder.format, face_mask="scene")
    encoded = replace(builder, format=kind).encode(EXAMPLES)
    batch = replace(builder, format=kind).collate(encoded)
    own = builder.collate(encoded)
    width = own["scene_input_ids"].shape[1]
    assert width < own["face_input_ids"].shape[1]  # so the end of the faces is never seen
    assert np.array_equal(batch["face_attention_mask"], own["scene_attention_mask"])
    assert np.array_equal(batch["face_input_ids"], own["face_input_ids"][:, :width])
    assert np.array_equal(batch["scene_input_ids"], own["scene_input_ids"])


def test_a_branch_alone_and_a_visual_embedding(builder: InputBuilder) -> None:
    kind = InputFormat(("scene",), max_tokens=32, visual="image", visual_size=2)
    single = replace(builder, format=kind)
    encoded = single.encode([replace(EXAMPLES[0], visual=(0.5, -1.0)), EXAMPLES[0]])
    batch = single.collate(encoded)
    assert set(batch) == {
        "scene_input_ids",
        "scene_attention_mask",
        "scene_token_type_ids",
        "visual",
    }
    assert batch["visual"].tolist() == [[0.5, -1.0], [0.0, 0.0]]  # zeros where there is none
    assert batch["visual"].dtype == np.float32
    assert encoded[0].sha256 != encoded[1].sha256


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"branches": ()}, "branches must be"),
        ({"branches": ("text",)}, "branches must be"),
        ({"face_mask": "none"}, "face_mask must be"),
        ({"face_mask": "scene", "branches": ("face",)}, "needs both branches"),
        ({"truncation": "first"}, "truncation must be"),
        ({"max_tokens": 3}, "max_tokens must be at least"),
    ],
)
def test_a_format_that_cannot_be_is_told(wrong: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        InputFormat(**wrong)
    assert InputFormat.of(InputFormat().to_dict()) == InputFormat()


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
    with pytest.raises(NotAModel, match=r"names no padding token .* Bring the model again"):
        FastTokeniser(tmp_path / "tokenizer.json")


def test_widths_come_in_steps_up_to_what_the_model_reads(builder: InputBuilder) -> None:
    chosen = replace(builder, format=InputFormat(max_tokens=30))
    encoded = chosen.encode([Example("great " * 4, "NASA", "", "a day"), EXAMPLES[0]])
    plain, stepped = chosen.collate(encoded), chosen.collate(encoded, step=16)
    for name, rows in plain.items():
        width = rows.shape[1]
        assert stepped[name].shape == (2, 16 if width <= 16 else 30), name
        assert np.array_equal(stepped[name][:, :width], rows)
        assert not stepped[name][:, width:].any()  # padding, unseen
    assert {rows.shape[1] for rows in stepped.values()} == {16, 30}


@given(st.lists(st.integers(1, 200)), st.integers(1, 500))
def test_groups_hold_every_index_once_within_the_budget(lengths: list[int], budget: int) -> None:
    groups = list(length_grouped(lengths, budget))
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(lengths[i] for i in group) <= budget


ANYTHING = st.text(max_size=40) | st.sampled_from(
    [
        "$T$", "[SEP]", "[PAD]" * 9, "{aspect}", "😀" * 30, "ß" * 50, "İ", "e\u0301" * 40, "\u202e",
        "\0", "great " * 60,
    ]
)  # fmt: skip
EXAMPLE = st.builds(Example, ANYTHING, ANYTHING, ANYTHING, ANYTHING)


@given(
    st.lists(EXAMPLE, min_size=1, max_size=5),
    st.sampled_from(TRUNCATIONS),
    st.booleans(),
    st.sampled_from(["own", "scene"]),
    st.integers(LEAST_TOKENS, 40),
)
@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_texts_become_arrays_whose_masks_fit(
    builder: InputBuilder,
    examples: list[Example],
    truncation: str,
    aspect_in_text: bool,
    mask: str,
    most: int,
) -> None:
    kind = InputFormat(
        max_tokens=most, truncation=truncation, aspect_in_text=aspect_in_text, face_mask=mask
    )
    chosen = replace(builder, format=kind)
    encoded = chosen.encode(examples)
    batch = chosen.collate(encoded)
    for place, branch in enumerate(BRANCHES):
        tokens, seen = batch[f"{branch}_input_ids"], batch[f"{branch}_attention_mask"]
        assert tokens.shape == seen.shape == batch[f"{branch}_token_type_ids"].shape
        assert 0 <= tokens.min() <= tokens.max() < builder.tokeniser.vocabulary_size
        for row, item in enumerate(encoded):
            pair = item.pairs[place][0]
            assert len(pair) <= most
            shown = encoded[row].pairs[1][0] if mask == "scene" else pair
            assert seen[row].tolist() == [1] * len(shown) + [0] * (seen.shape[1] - len(shown))
            kept = min(len(pair), tokens.shape[1])
            assert tokens[row, :kept].tolist() == pair[:kept]
            assert set(tokens[row, kept:].tolist()) <= {builder.tokeniser.pad_id}
