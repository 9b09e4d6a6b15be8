"""What a captioner says in a circle is said once; what people say twice stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitecli.captions.repeats import without_repeats


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a man in a suit in a suit in a suit", "a man in a suit"),
        ("a man in a suit in a suit in a", "a man in a suit"),
        ("a man in a suit in a suit in front of a house", "a man in a suit in front of a house"),
        ("a bald bald bald bald man", "a bald man"),
        ("a dog and a dog and a dog and", "a dog"),
        ("a dog, a dog , a dog on a mat", "a dog on a mat"),
        ("a dog, a dog, a dog,", "a dog"),
        ("The picture.  of the picture. of the picture. of the", "the picture."),
        ("new york new york", "new york"),
        ("side by side by side", "side by side"),
        ("more and more and more", "more and more"),
        ("it goes on and on and on", "it goes on"),
        ("no no yes yes yes no no yes yes yes", "no no yes"),
        ("a man and a man and a woman and a woman", "a man and a woman"),
        ("a man that is a man that is a singer", "a man that is a singer"),
    ],
)
def test_a_circle_is_said_once(caption: str, expected: str) -> None:
    assert without_repeats(caption) == expected


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "a man and a woman in front of a house in front of the sea",
        "a very very happy man",
        "a band called Duran Duran in Walla Walla",
        "New York, New York",
        "a sign that says New York, New York, New Jersey",
        "a dog, a dog",
        "a man and a man",
        "a red and white and red and white shirt",
        "what the box is made of",
        "a picture of a",
        "東京東京東京",
    ],
)
def test_what_people_write_stays(caption: str) -> None:
    assert without_repeats(caption) == caption


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("arafed image of a man", "image of a man"),
        ("there is a araffe man and two araffes", "there is a man and two"),
        ("a woman [UNK] [UNK] [UNK]", "a woman"),
        ("a <unk> woman[UNK]", "a woman"),
        ("[UNK] [UNK]", ""),
        ("a carafe and a giraffe", "a carafe and a giraffe"),
    ],
)
def test_what_is_no_word_is_left_out(caption: str, expected: str) -> None:
    assert without_repeats(caption) == expected


@given(st.lists(st.sampled_from(["a", "man", "in", "suit", "suit,", "York"]), max_size=14))
def test_nothing_is_added_and_twice_is_as_once(words: list[str]) -> None:
    cut = without_repeats(" ".join(words))
    assert without_repeats(cut) == cut
    left = iter([word.rstrip(",") for word in words])
    assert all(word.rstrip(",") in left for word in cut.split())  # in the same order
    assert {word.rstrip(",") for word in cut.split()} >= {word.rstrip(",") for word in words} - {
        "a", "in"
    }  # fmt: skip
