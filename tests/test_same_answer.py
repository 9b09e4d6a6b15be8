"""The same tweets get the same answers, in whatever order, company and number of threads they come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from fitecli import Classifier, int8_network
from tests.conftest import DEMO, labelled_lines

Answers = dict[tuple[str, str], Mapping[str, Any]]  # tweet's id and aspect


def tweets() -> list[dict[str, Any]]:
    lines = (DEMO / "tweets.jsonl").read_text("utf-8").splitlines()
    made = [json.loads(line) for line in lines]
    for number, line in enumerate(labelled_lines(60)):
        tweet = json.loads(line)
        made.append({"id": tweet["id"], "text": " ".join([tweet["text"]] * (1 + number % 5))})
    return made


def answers(order: list[dict[str, Any]], *, at_once: int = 1000, threads: int = 1) -> Answers:
    def parts() -> Iterator[list[dict[str, Any]]]:
        for start in range(0, len(order), at_once):
            yield order[start : start + at_once]

    with Classifier.load("fite-mini", images=DEMO / "pictures", threads=threads) as classifier:
        lines = [line for part in parts() for line in classifier(part)]
    return {(line["id"], aspect["text"]): aspect for line in lines for aspect in line["aspects"]}


@pytest.fixture(scope="module", params=["floats", "int8"])
def within(request: pytest.FixtureRequest) -> Iterator[float]:
    """How far scores may be apart; the model computes in one or the other."""
    if request.param == "int8":
        if not int8_network.is_there():
            pytest.skip("OpenVINO is not here")
        yield 0.01
        return
    with pytest.MonkeyPatch.context() as without:
        without.setattr(int8_network, "is_there", lambda: False)
        yield 1e-4


@pytest.fixture(scope="module")
def first(within: float) -> Answers:
    return answers(tweets())


def test_the_same_tweets_twice(first: Answers) -> None:
    assert len(first) > 60
    assert len({aspect["sentiment"] for aspect in first.values()}) == 3
    assert answers(tweets()) == first


@pytest.mark.parametrize(
    ("order", "how"),
    [
        (tweets(), {"threads": 4}),
        (tweets()[::-1], {"at_once": 7}),
    ],
    ids=["four threads", "another order in other batches"],
)
def test_order_batches_and_threads_change_nothing(
    order: list[dict[str, Any]], how: dict[str, int], first: Answers, within: float
) -> None:
    found = answers(order, **how)
    assert found.keys() == first.keys()
    for key, aspect in found.items():
        assert aspect["sentiment"] == first[key]["sentiment"], key
        assert aspect["face"] == first[key]["face"], key
        assert aspect["scores"] == pytest.approx(first[key]["scores"], abs=within), key
