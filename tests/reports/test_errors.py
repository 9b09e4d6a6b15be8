"""Mistakes are sorted by the first kind that fits, beside the right ones."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fitecli.evaluation import Case
from fitecli.records import Example, Face, Prediction
from fitecli.reports.errors import page, sort_errors


def case(label: str, predicted: str, face: Face | None = None, sure: float = 0.8) -> Case:
    scores = dict.fromkeys(("negative", "neutral", "positive"), (1 - sure) / 2)
    scores[predicted] = sure
    sentence = None if face is None else f"Ann with a {face.emotion} expression. "
    example = Example("$T$ is here", "Ann", label=label, face=sentence)
    return Case(example, Prediction.from_scores(scores.values(), None), face)


HAPPY = Face(emotion="happy", emotion_score=0.9)
FAINT = Face(emotion="happy", emotion_score=0.5)
NEUTRAL = Face(emotion="neutral", emotion_score=0.9)
CASES = [
    case("positive", "neutral"),
    case("positive", "positive"),
    case("negative", "positive", FAINT),  # against the text before it is doubtful
    case("neutral", "positive", FAINT),
    case("positive", "negative", NEUTRAL, sure=0.7),
    case("positive", "neutral", HAPPY, sure=0.95),
    case("positive", "positive", HAPPY),
    case("neutral", "positive", Face(age=3)),  # a face that tells no emotion is of no use
]


def test_each_case_is_of_one_kind() -> None:
    report = sort_errors(CASES)
    counts = {name: (kind["n"], kind["wrong"]) for name, kind in report["kinds"].items()}
    assert counts == {
        "no useful face": (3, 2),
        "face against text": (1, 1),
        "doubtful attribute": (1, 1),
        "other": (3, 2),
    }
    assert (report["n"], report["wrong"]) == (8, 6)
    assert report["kinds"]["other"]["error_rate"] == pytest.approx(2 / 3)


def test_the_surest_mistakes_are_shown_first() -> None:
    (first, second) = sort_errors(CASES)["kinds"]["other"]["examples"]
    assert (first["score"], second["score"]) == (pytest.approx(0.95), pytest.approx(0.7))
    assert first["text"] == "[Ann] is here"
    assert first["emotion_score"] == 0.9
    assert len(sort_errors(CASES, examples=1)["kinds"]["other"]["examples"]) == 1


def test_the_page_shows_counts_and_examples() -> None:
    about = {"model": "m", "dataset": "d", "split": None, "features": "f"}
    text = page(about | sort_errors(CASES))
    assert "d/all, features f: 6 of 8 examples are wrong." in text
    assert (
        "| no useful face | no face with an emotion was given to the aspect | 3 | 2 | 66.7% |"
        in text
    )
    assert (
        "- \\[Ann\\] is here — **positive**, read as neutral (0.95). Face: Ann with a happy" in text
    )
    empty = page(about | sort_errors([]))
    assert "| other | none of these | 0 | 0 |  |" in empty


def test_the_page_shows_a_tweet_as_text() -> None:
    evil = (
        "<script>a()</script> ![x](http://a.example/x.png)\n\nwww.b.example # `b` | c $T$ <!-- &lt;"
    )
    wrong = replace(CASES[0].example, text=evil, face="<img src=x onerror=a()>")
    about = {"model": "<b>", "dataset": "<i>", "split": "|", "features": "[x](y)"}
    text = page(about | sort_errors([replace(CASES[0], example=wrong)]))
    assert "<" not in text
    assert not re.search(r"(?<!\\)[\[!`$]", text)
    assert (
        "&lt;script&gt;a()&lt;/script&gt; \\!\\[x\\](http&#58;//a.example/x.png) www&#46;b.example "
        "\\# \\`b\\` \\| c" in text
    )
