"""Systems and ablations: what each changes in the preset, and in the descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fitecli.describe import Rules
from fitecli.errors import UsageProblem
from fitecli.pipeline.derived import derive_features, features_as_read
from fitecli.pipeline.published import add_published
from fitecli.pipeline.variants import Variant
from fitecli.store import FeatureSetRow, Scope, Store, open_store


@pytest.mark.parametrize(
    ("variant", "name", "branches", "gate", "scene"),
    [
        (Variant(), "fite-mini", ("face", "scene"), "paper", "{aspect}.{caption}"),
        (Variant(system="text"), "fite-mini/text", ("scene",), "paper", "{aspect}"),
        (Variant(system="face"), "fite-mini/face", ("face",), "paper", "{aspect}.{caption}"),
        (
            Variant("released", "caption"),
            "fite-mini/released/caption",
            ("scene",),
            "released",
            "{aspect}.{caption}",
        ),
        (
            Variant(without=("gate", "caption")),
            "fite-mini/without-caption/without-gate",
            ("face", "scene"),
            "none",
            "{aspect}",
        ),
    ],
)
def test_a_variant_changes_the_preset(
    variant: Variant, name: str, branches: tuple[str, ...], gate: str, scene: str
) -> None:
    preset = variant.preset("fite-mini")
    assert (preset.name, preset.gate) == (name, gate)
    assert (preset.input.branches, preset.input.scene) == (branches, scene)
    assert preset.input.face_mask == ("scene" if variant.name == "released" else "own")


def test_only_the_released_network_has_the_wrong_mask() -> None:
    assert Variant("released").preset("fite-mini").input.face_mask == "scene"
    assert Variant("released", "text").preset("fite-mini").input.face_mask == "own"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"system": "bert"}, "text, caption, face, fite"),
        ({"without": ("nose",)}, "no part 'nose'"),
        ({"visual": "video"}, "image, face"),
        ({"system": "text", "without": ("emotion",)}, "'text' has no emotion"),
        ({"system": "face", "without": ("gate",)}, "'face' has no gate"),
        ({"system": "caption", "single_face": True}, "reads no faces"),
        ({"extras": ("smiles",)}, "aligned-first, certainty, distribution"),
        ({"system": "text", "extras": ("certainty",)}, "reads no faces"),
    ],
)
def test_what_does_not_exist_or_go_together_is_told(wrong: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageProblem, match=expected):
        Variant(**wrong)


@pytest.fixture(scope="module")
def benchmark(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_store(tmp_path_factory.mktemp("benchmark") / "fite.db")
    add_published(store, "twitter2015", published, tell=lambda message: None)
    return store


def features(store: Store) -> FeatureSetRow:
    found = store.feature_set("published")
    assert found is not None
    return found


def texts(store: Store, row: FeatureSetRow) -> dict[int, str]:
    ids = store.tweet_ids(Scope("twitter2015"), after=0, limit=10_000)
    return {tweet: item.text for tweet, item in store.descriptions(row.id, ids).items()}


def derived(store: Store, variant: Variant) -> dict[int, str]:
    base = features(store)
    told: list[str] = []
    changes = variant.preset("fite-mini").input.descriptions
    row = features_as_read(store, base, changes, ["twitter2015"], told.append)
    assert row.base_id == base.id
    assert "0 whose faces could not be told apart" in told[0]
    again = features_as_read(store, base, changes, ["twitter2015"], told.append)
    assert (again.id, len(told)) == (row.id, 1)
    return texts(store, row)


def test_the_base_rules_are_the_base_itself(benchmark: Store) -> None:
    base = features(benchmark)
    for variant in (Variant(), Variant("released"), Variant(without=("gate",))):
        changes = variant.preset("fite-mini").input.descriptions
        assert features_as_read(benchmark, base, changes, ["twitter2015"], print) == base


def test_writing_anew_without_changes_gives_the_published_texts(benchmark: Store) -> None:
    base = features(benchmark)
    before = texts(benchmark, base)
    # θ a hair lower changes nothing that is written, and makes another feature set
    rules = Rules(theta=0.399_999_9)
    scopes = [Scope("twitter2015")]
    row = derive_features(benchmark, base, rules, scopes, lambda message: None)
    assert texts(benchmark, row) == before


def test_an_ablation_leaves_out_its_part_and_keeps_the_alignment(benchmark: Store) -> None:
    before = texts(benchmark, features(benchmark))
    without = derived(benchmark, Variant(without=("emotion",)))
    assert without.keys() == before.keys()
    assert not any("expression" in text for text in without.values())
    named = [tweet for tweet, text in before.items() if _given(text)]
    assert len(named) > 500
    for tweet in named:  # the face that had the aspect's name still has it
        name = _given(before[tweet])
        assert f"{name}, a " in without[tweet]


def _given(text: str) -> str | None:
    """The aspect of a description's first sentence about an aspect's face."""
    for part in text.split(". ")[1:]:
        name, expression, _ = part.partition(" with a ")
        if expression and "-year-old" not in name:
            return name
    return None


@pytest.mark.parametrize("part", ["age", "race", "gender"])
def test_other_attributes_leave_no_word(benchmark: Store, part: str) -> None:
    text = " ".join(derived(benchmark, Variant(without=(part,))).values())
    words = {"age": "-year-old", "race": " white ", "gender": " Man with a "}
    assert {name for name, word in words.items() if word not in text} == {part}
    assert (" person with a " in text) == (part == "gender")


def test_the_alignment_the_pattern_and_all_faces_but_one(benchmark: Store) -> None:
    before = texts(benchmark, features(benchmark))
    assert not any(map(_given, derived(benchmark, Variant(without=("alignment",))).values()))
    plain = derived(benchmark, Variant(without=("pattern",)))
    assert not any("people" in text or "expression" in text for text in plain.values())
    single = derived(benchmark, Variant(single_face=True))
    for tweet, text in single.items():
        count = int(before[tweet].split()[2]) if before[tweet] else 0
        assert text == before[tweet] or (count > 1 and text.startswith("There are 1 people"))


def test_extras_keep_what_is_told(benchmark: Store) -> None:
    before = texts(benchmark, features(benchmark))
    first = derived(benchmark, Variant(extras=("aligned-first",)))
    assert {t: sorted(text.split(". ")) for t, text in first.items()} == {
        t: sorted(text.split(". ")) for t, text in before.items()
    }
    assert first != before
    certain = derived(benchmark, Variant(extras=("certainty",)))
    assert 100 < sum("clearly" in text for text in certain.values()) < len(certain)


def test_derived_features_are_no_default(benchmark: Store) -> None:
    derived(benchmark, Variant(fidelity="paper"))
    default = benchmark.feature_set(datasets=("twitter2015",))
    assert default is not None
    assert default.name == "published"
    paper = benchmark.feature_set("published/paper-template")
    assert paper is not None
    assert all("in the image" in text for text in texts(benchmark, paper).values() if text)
