"""Table 8: embeddings of a real (small) CLIP on the demo's pictures, cached and joined."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitecli.errors import MissingWeights, NoExamples, UsageProblem
from fitecli.pictures import open_picture
from fitecli.pipeline.classify import ClassifyJob
from fitecli.pipeline.evaluating import EvaluateOptions, evaluate
from fitecli.pipeline.examples import read_dataset
from fitecli.pipeline.exporting import ExportOptions, export_model
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.learning import train
from fitecli.pipeline.plan import TrainOptions
from fitecli.pipeline.predicting import ClassifyOptions
from fitecli.pipeline.variants import Variant
from fitecli.pipeline.visuals import visual_size, with_visuals
from fitecli.records import Example
from fitecli.settings import Settings
from fitecli.store import FacesFound, FeatureSetRow, Scope, Store, open_store, run_query
from tests.conftest import DEMO

PICTURES = ("grace_hopper.jpg", "joined.jpg", None)
NAMES = ("Grace Hopper", "Eileen Collins")


def silent(message: str) -> None:
    """Say nothing."""


class World:
    """Labelled tweets about the demo's pictures, their features and embeddings."""

    def __init__(self, folder: Path, models: Path) -> None:
        self.folder = folder
        self.settings = Settings(models=models, offline=True)
        self.store: Store = open_store(folder / "fite.db")
        lines = []
        for number in range(24):
            picture = PICTURES[number % 3]
            aspects = [
                {"text": name, "label": ("positive", "negative")[number % 2]} for name in NAMES
            ]
            text = f"{NAMES[0]} is {('great', 'awful')[number % 2]} , {NAMES[1]} {number}"
            line = {"id": str(number), "text": text, "aspects": aspects}
            line |= {"images": [picture] if picture else []}
            lines.append(line | {"split": ("train", "dev")[number % 4 == 3]})
        source = io.BytesIO("\n".join(map(json.dumps, lines)).encode())
        ingest(self.store, source, dataset="d", images=DEMO / "pictures")
        self.extractor = self.extract("clip")
        self.extractor.run(Scope())

    def extract(self, aligner: str) -> Extractor:
        options = ExtractOptions(captioner="none", aligner=aligner)
        return Extractor(self.store, options, self.settings, silent)

    @property
    def features(self) -> FeatureSetRow:
        return self.extractor.features

    def examples(self) -> list[Example]:
        return list(read_dataset(self.store, "d", None, self.features))

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in run_query(self.store.place, sql)[1]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, small_clip: Path) -> World:
    made = World(tmp_path_factory.mktemp("visuals"), small_clip)
    with pytest.raises(NoExamples, match="--only embeddings"):
        train(made.store, _options(made, "x", Variant(visual="face")), made.settings)
    faces, embedded = made.extractor.run(Scope(), only="embeddings")
    assert (faces.done, embedded.done, embedded.failed) == (0, 2, 0)
    return made


def _options(world: World, preset: str, variant: Variant) -> TrainOptions:
    output = world.folder / variant.name.replace("/", "-")
    preset = "fite-mini" if preset == "x" else preset
    return TrainOptions(("d",), preset, variant, output=output, device="cpu", threads=1)


def test_pictures_and_faces_are_embedded_once(world: World) -> None:
    rows = world.ask(
        "select image.name, region from image_embedding join image on image.id = image_id "
        "join worker on worker.id = worker_id where kind = 'embeddings' order by 1, 2"
    )
    faces = world.ask("select name, box_left, box_top, box_width, box_height from face join image "
                      "on image.id = image_id")  # fmt: skip
    boxes = {(name, ",".join(map(str, box))) for name, *box in faces}
    assert len(boxes) == 3  # one face and two
    assert set(rows) == boxes | {("grace_hopper.jpg", "image"), ("joined.jpg", "image")}
    assert [again.done for again in world.extractor.run(Scope(), only="embeddings")] == [0, 0]


def test_each_aspect_gets_its_own_face(world: World) -> None:
    examples = with_visuals(world.store, world.examples(), world.features, "face", 8)
    assert visual_size(world.store, world.features) == 8
    clip, joined = world.extractor.aligner, DEMO / "pictures" / "joined.jpg"
    rows = world.ask(
        "select aspect, box_left, box_top, box_width, box_height from face_descriptions "
        "where picture = 'joined.jpg' and aspect is not null limit 1"
    )
    ((aspect, *box),) = rows
    crop = open_picture(joined).crop(tuple(box))
    assert (crop.width, crop.height) == (box[2], box[3])
    expected = clip.encoder.encode_pictures([crop])[0]  # type: ignore[union-attr]
    item = next(e for e in examples if e.aspect == aspect and e.faces == 2)
    assert np.allclose(item.visual, expected, atol=2e-3)  # kept as float16
    assert all((e.visual is None) == (e.faces == 0) for e in examples)
    whole = with_visuals(world.store, world.examples(), world.features, "image", 8)
    assert {e.visual for e in whole if e.faces == 2}.isdisjoint({item.visual})


@pytest.mark.parametrize(
    "variant", [Variant(system="text", visual="image"), Variant(visual="face")]
)
def test_a_model_with_embeddings_is_trained_evaluated_and_exported(
    world: World, tiny_preset: Path, variant: Variant
) -> None:
    (model,) = train(world.store, _options(world, str(tiny_preset), variant), world.settings)
    report = evaluate(world.store, EvaluateOptions(str(model.path), "d", "dev"), world.settings)
    assert report["n"] == 12
    assert report["accuracy"] == pytest.approx(model.dev_accuracy)
    output = world.folder / "exported" / model.path.parent.name
    parity = export_model(world.store, ExportOptions(str(model.path), output), world.settings)
    assert parity.max_probability_difference < 1e-4
    with pytest.raises(UsageProblem, match="fite evaluate"):
        ClassifyJob(world.store, ClassifyOptions(str(output)), world.settings, silent)


def test_new_faces_want_new_crops(tmp_path: Path, small_clip: Path) -> None:
    made = World(tmp_path, small_clip)
    worker = made.store.worker(made.extractor.embedding_worker_id or 0)
    made.extractor.run(Scope(), only="embeddings")
    (first,) = made.ask("select id from image where name = 'joined.jpg'")
    made.store.save_faces(made.extractor.face_worker_id, {first[0]: FacesFound(())})
    assert worker.kind == "embeddings"
    _, embedded = made.extractor.run(Scope(), only="embeddings")
    assert embedded.done == 1


def test_embeddings_of_another_size_are_refused(world: World) -> None:
    with pytest.raises(NoExamples, match="of another CLIP"):
        with_visuals(world.store, world.examples(), world.features, "image", 512)


def test_equal_aspects_share_a_face(world: World) -> None:
    line = {"id": "twice", "text": "NASA and NASA", "images": ["joined.jpg"],
            "aspects": [{"text": "NASA", "start": 0, "end": 4, "label": "neutral"},
                        {"text": "NASA", "start": 9, "end": 13, "label": "neutral"},
                        {"text": "Eileen Collins", "label": "neutral"}]}  # fmt: skip
    source = io.BytesIO(json.dumps(line).encode())
    ingest(world.store, source, dataset="twice", images=DEMO / "pictures")
    world.extractor.run(Scope("twice"))
    examples = list(read_dataset(world.store, "twice", None, world.features))
    read = with_visuals(world.store, examples, world.features, "face", 8)
    assert len({item.visual for item in read if item.aspect == "NASA"}) == 1


def test_without_clip_there_are_no_embeddings(world: World) -> None:
    with pytest.raises(MissingWeights, match="--aligner clip"):
        world.extract("prominence").run(Scope(), only="embeddings")
