"""Train, evaluate, export and classify over the store: every step leaves its rows."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fitecli.errors import MissingWeights, NoExamples, NotAModel, UsageProblem
from fitecli.fusion.checkpoint import CheckpointPredictor
from fitecli.fusion.run_folder import held
from fitecli.pipeline.classify import ClassifyJob
from fitecli.pipeline.distilling import UNDECIDED, taught_examples, with_opinions
from fitecli.pipeline.evaluating import (
    EvaluateOptions,
    evaluate,
    read_cases,
    read_vectors,
    seen_splits,
)
from fitecli.pipeline.exporting import ExportOptions, export_model
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.learning import find_trained, plan, train
from fitecli.pipeline.models import exported_folders, locate_model
from fitecli.pipeline.plan import Plan, TrainOptions, training_examples
from fitecli.pipeline.predicting import ClassifyOptions
from fitecli.pipeline.variants import Variant
from fitecli.processes import name_of_this
from fitecli.records import Example, FeatureSet, Worker
from fitecli.settings import Settings
from fitecli.store import Scope, Store, open_store, run_query
from tests.conftest import DEMO, labelled_lines


class World:
    """A store with labelled tweets, and where models go."""

    def __init__(self, folder: Path, preset: Path) -> None:
        self.folder = folder
        self.settings = Settings(models=folder / "models", offline=True)
        self.store: Store = open_store(folder / "fite.db")
        self.preset = str(preset)
        self.told: list[str] = []

    def ingest(self, lines: str, dataset: str = "d", **more: Any) -> None:
        ingest(self.store, io.BytesIO(lines.encode()), dataset=dataset, **more)
        options = ExtractOptions(captioner="none", aligner="prominence")
        Extractor(self.store, options, self.settings, self.told.append).run(Scope())

    def train(self, **more: Any) -> list[Any]:
        options = TrainOptions(
            preset=self.preset, output=self.folder / "runs", device="cpu", **more
        )
        return train(self.store, options, self.settings, tell=self.told.append)

    def plan(self, **more: Any) -> dict[str, Any]:
        options = TrainOptions(preset=self.preset, device="cpu", **more)
        return plan(self.store, options, self.settings, tell=self.told.append)

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in run_query(self.store.place, sql)[1]]


@pytest.fixture
def world(tmp_path: Path, tiny_preset: Path) -> World:
    return World(tmp_path, tiny_preset)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_preset: Path) -> World:
    """Two seeds trained and the first exported, once for the tests that only look."""
    world = World(tmp_path_factory.mktemp("trained"), tiny_preset)
    world.ingest("\n".join(labelled_lines(60)))
    world.train(seeds=(0, 1))
    checkpoints = [str(world.folder / "runs" / f"seed-{seed}") for seed in (0, 1)]
    for checkpoint in checkpoints:
        options = EvaluateOptions(checkpoint, "d", "train", device="cpu")
        evaluate(world.store, options, world.settings)
    exporting = ExportOptions(
        checkpoints[0], world.folder / "models" / "tiny", "int8", measure=("d/train", "d/dev")
    )
    export_model(world.store, exporting, world.settings, tell=world.told.append)
    return world


def test_every_run_and_epoch_is_a_row(trained: World) -> None:
    assert trained.ask("select seed, status, best_epoch is null, device from run") == [
        (0, "done", 0, "cpu"),
        (1, "done", 0, "cpu"),
    ]
    assert trained.ask("select run_id, number from epoch order by 1, 2") == [
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
    ]
    assert trained.ask("select count(*) from model where precision = 'fp32'") == [(2,)]
    assert any("epoch 2/2" in message for message in trained.told)


def test_a_finished_training_is_not_done_again(trained: World) -> None:
    before = trained.ask("select count(*) from run")
    models = trained.train(seeds=(0, 1))
    assert [model.seed for model in models] == [0, 1]
    assert trained.ask("select count(*) from run") == before


def test_a_training_begins_with_another_model(world: World) -> None:
    def options(encoder: Path | str, output: str = "next") -> TrainOptions:
        return TrainOptions(
            preset=world.preset,
            encoder=str(encoder),
            output=world.folder / output,
            device="cpu",
            epochs=1,
        )

    def key(encoder: Path) -> str:
        return Plan.make(world.store, options(encoder), world.settings, world.told.append).key

    world.ingest("\n".join(labelled_lines(60)))
    first, second = (model.path for model in world.train(seeds=(0, 1), epochs=1))
    elsewhere = Path(shutil.copytree(first, world.folder / "elsewhere"))
    assert key(elsewhere) == key(first) != key(second)
    (made,) = train(world.store, options(first), world.settings)
    assert json.loads((made.path / "config.json").read_text())["recipe"]["encoder"] == str(first)
    with pytest.raises(MissingWeights, match="The language model 'no/such' is not on disk"):
        train(world.store, options("no/such", "never"), world.settings)


def test_seeds_lie_in_one_folder_named_after_the_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.folder)
    world.ingest("\n".join(labelled_lines(60)))
    options = TrainOptions(preset=world.preset, seeds=(0, 1), device="cpu", epochs=1)
    first, second = train(world.store, options, world.settings)
    assert first.path.parent == second.path.parent
    assert first.path.parent.parent == world.folder / "runs"
    assert sorted(path.name for path in first.path.iterdir()) == [
        "config.json", "model.safetensors", "tokenizer.json", "training.json"
    ]  # fmt: skip


def test_two_processes_do_not_train_into_one_folder(world: World) -> None:
    world.ingest("\n".join(labelled_lines(60)))
    output = world.folder / "runs" / "seed-0"
    with held(output), pytest.raises(UsageProblem, match=r"Another process trains into .*seed-0"):
        world.train()
    owner = output / "checkpoints" / "owner"
    owner.parent.mkdir(parents=True)
    owner.write_text(f"{name_of_this().partition('-')[0]}-{2**30}-1")  # a process that has ended
    (model,) = world.train()
    assert model.path == output
    assert not owner.parent.exists()


@pytest.mark.parametrize("seed", [-1, 2**32, "0", 0.5])
def test_what_is_no_seed_is_told(seed: Any) -> None:
    with pytest.raises(UsageProblem, match="A seed is a whole number from 0 to 4294967295, not"):
        TrainOptions(seeds=(0, seed))


def test_evaluation_keeps_predictions_and_compares(trained: World) -> None:
    options = EvaluateOptions(
        str(trained.folder / "runs" / "seed-0"), "d", "dev", against="tiny", device="cpu"
    )
    report = evaluate(trained.store, options, trained.settings, tell=trained.told.append)
    assert report["n"] == 12
    assert (report["dataset"], report["split"]) == ("d", "dev")
    assert 0 <= report["accuracy"] <= 1
    assert report["against"]["model"] == "tiny"
    assert report["against"]["p_value"] == pytest.approx(1, abs=0.99)
    count = trained.ask(
        "select count(*) from predictions where model like '%seed-0' and split='dev'"
    )
    assert count == [(12,)]
    json.dumps(report)


def add_faces(world: World) -> None:
    """A dataset `faces` of two labelled tweets, one of them with a picture of two people."""
    lines = [
        {
            "id": str(number),
            "text": f"Grace Hopper and Eileen Collins {number}",
            "aspects": [
                {"text": "Grace Hopper", "label": "positive"},
                {"text": "Eileen Collins", "label": "neutral"},
            ],
            "images": ["joined.jpg"] * number,
        }
        for number in (0, 1)
    ]
    world.ingest("\n".join(map(json.dumps, lines)), "faces", images=DEMO / "pictures")


def test_cases_have_the_face_of_their_aspect(trained: World) -> None:
    add_faces(trained)
    checkpoint = str(trained.folder / "runs" / "seed-0")
    options = EvaluateOptions(checkpoint, "faces", None, device="cpu")
    cases, about = read_cases(trained.store, options, trained.settings, tell=trained.told.append)
    assert (about["dataset"], len(cases)) == ("faces", 4)
    given = {case.example.aspect: case.face for case in cases if case.example.faces}
    for name, face in given.items():
        assert face is not None
        sentence = next(c.example.face for c in cases if c.example.aspect == name and c.face)
        assert sentence == f"{name} with a {face.emotion} expression. "
    assert all(case.face is None for case in cases if not case.example.faces)


def test_parts_are_withheld_from_an_evaluation(trained: World) -> None:
    add_faces(trained)
    checkpoint = str(trained.folder / "runs" / "seed-0")

    def report(*withhold: str) -> dict[str, Any]:
        options = EvaluateOptions(checkpoint, "faces", None, device="cpu", withhold=withhold)
        return evaluate(trained.store, options, trained.settings)

    assert report("captions")["withheld"] == ["captions"]
    assert report("captions")["ece"] == report()["ece"]  # there are none here
    whole, without = report(), report("pictures")
    assert without["ece"] != whole["ece"]
    assert "whole" not in whole
    found = without["whole"]
    assert found["accuracy"] == whole["accuracy"]
    assert 0 < found["moved"] < 1
    changed = found["labels_changed"] * whole["n"]
    assert changed == round(changed)
    assert report("captions")["whole"]["moved"] == 0
    with pytest.raises(UsageProblem, match="captions, faces, pictures"):
        report("text")


@pytest.mark.parametrize(
    ("dataset", "split", "seen"),
    [
        ("d", "train", ["train"]),
        ("d", "dev", ["dev"]),
        ("d", "test", []),
        ("d", None, ["dev", "train"]),
        ("faces", None, []),
    ],
)
def test_what_training_saw_is_told(
    trained: World, dataset: str, split: str | None, seen: list[str]
) -> None:
    add_faces(trained)
    checkpoint = trained.folder / "runs" / "seed-0"
    options = EvaluateOptions(str(checkpoint), dataset, split)
    assert seen_splits(trained.store, checkpoint, options) == seen


def test_vectors_are_those_that_the_classifier_reads(trained: World) -> None:
    options = [
        EvaluateOptions(str(trained.folder / "runs" / f"seed-{seed}"), "d", "dev", device="cpu")
        for seed in (0, 1)
    ]
    vectors, gold = read_vectors(trained.store, options, trained.settings, tell=print)
    assert list(vectors) == [option.model for option in options]
    assert gold.shape == (12,)
    for option in options:
        network = CheckpointPredictor(Path(option.model), device="cpu").model
        logits = network.classifier(torch.from_numpy(vectors[option.model]))
        report = evaluate(trained.store, option, trained.settings)
        assert (logits.argmax(-1).numpy() == gold).mean() == pytest.approx(report["accuracy"])
    exported = [replace(options[0], model="tiny")]
    with pytest.raises(UsageProblem, match="name its checkpoint"):
        read_vectors(trained.store, exported, trained.settings, tell=print)


def test_the_card_tells_recipe_scores_and_seeds(trained: World) -> None:
    folder = trained.folder / "models" / "tiny"
    config = json.loads((folder / "config.json").read_text())
    own = {row["data"]: row for row in config["measured"]}
    assert [row["n"] for row in own.values()] == [48, 12]
    (seeds,) = config["seeds"]  # dev was not predicted with the second one
    assert (seeds["data"], seeds["count"], seeds["n"]) == ("d/train", 2, 48)
    card = (folder / "README.md").read_text()
    assert f"| this model | d/dev | 12 | {own['d/dev']['accuracy']:.4f} |" in card
    assert "| 2 seeds of the recipe, as trained | d/train | 48 |" in card
    for word in ("learning_rate 0.005", "- Seed 0, epoch", "## Intended use", "guesses"):
        assert word in card


def test_a_student_learns_what_teachers_say(trained: World) -> None:
    lines = [json.loads(line) for line in labelled_lines(12)]
    for line in lines:
        line["aspects"][0].pop("label")
    trained.ingest("\n".join(map(json.dumps, lines)), "more")
    features = trained.store.feature_set("bundled+prominence")
    assert features is not None
    models = [str(trained.folder / "runs" / f"seed-{seed}") for seed in (0, 1)]
    given = (models, ["more"], features, trained.settings, trained.told.append)
    undecided = taught_examples(trained.store, *given, ask=False)
    assert {item.target for item in undecided} == {UNDECIDED}
    taught = taught_examples(trained.store, *given)
    assert taught_examples(trained.store, *given, ask=False) == taught
    assert len(taught) == 10  # two of twelve are dev
    aspects = [item.aspect_id or 0 for item in taught]
    rows = trained.ask(
        "select aspect_id, avg(positive), count(*) from prediction "
        f"where aspect_id in ({', '.join(map(str, aspects))}) group by 1"
    )
    for item in taught:
        assert item.label is None
        assert item.target is not None
        assert sum(item.target) == pytest.approx(1)
    found = {item.aspect_id: item.target[2] for item in taught if item.target}
    assert found == pytest.approx({number: mean for number, mean, _ in rows})
    assert {count for *_, count in rows} == {2}
    planned = trained.plan(datasets=("d",), teachers=tuple(models), taught=("more",))
    assert planned["train"] == 48 + 10
    (student,) = trained.train(
        datasets=("d",),
        teachers=tuple(models),
        taught=("more",),
        seeds=(7,),
        epochs=1,
        changes={"withhold_pictures": 0.5, "withhold_captions": 0.5},
    )
    assert (student.path / "model.safetensors").is_file()
    exporting = ExportOptions(
        str(student.path), trained.folder / "models" / "student", measure=("d/dev",)
    )
    export_model(trained.store, exporting, trained.settings, tell=trained.told.append)
    card = (trained.folder / "models" / "student" / "README.md").read_text()
    assert "Taught by 2 models what they think of the training tweets of more" in card
    assert "withhold_pictures 0.5" in card
    for part in ("d/dev", "d/dev without captions", "d/dev without pictures"):
        assert f"| this model | {part} | 12 |" in card
    assert "have to be named again" in card  # the teachers' preset is a file of the test's own
    config = json.loads((trained.folder / "models" / "student" / "config.json").read_text())
    teacher = {"preset": None, "datasets": ["d"], "hold_out": False, "taught": []}
    assert config["teachers"] == [teacher | {"seed": 0}, teacher | {"seed": 1}]
    with pytest.raises(UsageProblem, match="go together"):
        trained.plan(datasets=("d",), teachers=tuple(models))
    with pytest.raises(NoExamples, match="no dataset 'nowhere'"):
        trained.plan(datasets=("d",), teachers=tuple(models), taught=("nowhere",))


def test_labels_and_opinions_are_mixed_and_dev_is_not_learnt() -> None:
    def item(number: int, label: str | None = None) -> Example:
        return Example("$T$", "Ann", label=label, aspect_id=number)

    train, dev = [item(1, "positive"), item(2, "neutral")], [item(3, "neutral")]
    opinions = [replace(item(number), target=(0.5, 0.5, 0.0)) for number in (1, 3, 4)]
    found = with_opinions(train, dev, opinions, 0.25)
    assert [(e.aspect_id, e.label, e.target) for e in found] == [
        (1, "positive", (0.125, 0.125, 0.75)),
        (2, "neutral", None),
        (4, None, (0.5, 0.5, 0.0)),
    ]


def test_a_models_recipe_trains_the_same_again(trained: World) -> None:
    def key(preset: str) -> str:
        options = TrainOptions(("d",), preset, device="cpu")
        return Plan.make(trained.store, options, trained.settings, trained.told.append).key

    exported = str(trained.folder / "models" / "tiny")
    assert key(exported) == key(str(trained.folder / "runs" / "seed-0")) == key(trained.preset)
    assert key(exported) != key("fite-mini")
    assert sorted(find_trained(trained.store, key(exported), (0, 1, 2))) == [0, 1]


def test_a_folder_of_another_recipe_is_left_alone(trained: World) -> None:
    for changes in ({"epochs": 1}, {"variant": Variant(system="text")}):
        with pytest.raises(UsageProblem, match="of another recipe or other data"):
            trained.train(datasets=("d",), seeds=(0,), **changes)


def test_a_dataset_that_is_named_twice_counts_once(trained: World) -> None:
    assert trained.plan(datasets=("d", "d"))["train"] == 48


def test_a_model_reads_new_tweets_as_it_was_trained(trained: World) -> None:
    options = TrainOptions(
        ("d",), trained.preset, Variant(without=("emotion",)), device="cpu", epochs=1,
        output=trained.folder / "unmoved",
    )  # fmt: skip
    (model,) = train(trained.store, options, trained.settings)
    line = b'{"id": "1", "text": "Eileen Collins", "images": ["eileen_collins.jpg"]}'
    work = ClassifyJob(
        trained.store, ClassifyOptions(str(model.path)), trained.settings, trained.told.append
    )
    (found,) = work.file(io.BytesIO(line), dataset="unmoved", images=DEMO / "pictures")
    assert found["features"] == "bundled+prominence/without-emotion"
    assert found["aspects"][0]["face"].startswith("Eileen Collins, a ")


def test_models_are_found_by_name(trained: World) -> None:
    assert locate_model("tiny", trained.settings) == trained.folder / "models" / "tiny"
    names = [folder.name for folder in exported_folders(trained.settings)]
    assert "tiny" in names
    with pytest.raises(NotAModel, match="no model 'huge'"):
        locate_model("huge", trained.settings)


def test_the_plan_of_a_training(trained: World) -> None:
    found = trained.plan(datasets=("d",), seeds=(5,), epochs=9)
    assert (found["train"], found["dev"], found["seeds"]) == (48, 12, [5])
    assert found["preset"]["epochs"] == 9
    assert found["about_seconds"] >= 0
    assert trained.ask("select count(*) from run where seed = 5") == [(0,)]


def job(world: World, **more: Any) -> ClassifyJob:
    options = ClassifyOptions(model=str(world.folder / "models" / "tiny"), **more)
    return ClassifyJob(world.store, options, world.settings, world.told.append)


def test_new_tweets_are_described_as_derived_features_are(trained: World) -> None:
    derived = "bundled+prominence/without-emotion"
    trained.plan(variant=Variant(without=("emotion",)))  # which derives them
    line = {"id": "1", "text": "Grace Hopper", "images": ["grace_hopper.jpg"]}
    source = io.BytesIO(json.dumps(line).encode())
    work = job(trained, features=derived)
    (answer,) = work.file(source, dataset="later", format="jsonl", images=DEMO / "pictures")
    assert answer["features"] == derived
    assert "expression" not in answer["aspects"][0]["face"]


def test_every_line_gets_its_answer_in_order(trained: World) -> None:
    lines = [
        {"id": "a", "text": "Grace Hopper is great", "aspects": ["Grace Hopper", "Nobody"]},
        {"id": "b", "text": 3},
        {"id": "c", "text": "what about Eileen Collins?", "images": ["eileen_collins.jpg"]},
        {"id": "a", "text": "another text"},
        {"id": "d", "text": "nothing to see"},
        {"id": "e", "text": "NASA", "aspects": ["NASA"], "images": ["../x.jpg"]},
        {"id": "f", "text": "NASA", "aspects": ["NASA"], "images": ["missing.jpg"]},
    ]
    source = io.BytesIO("\n".join(map(json.dumps, lines)).encode())
    work = job(trained)
    found = list(work.file(source, dataset="new", format="jsonl", images=DEMO / "pictures"))
    assert [line.get("id", line.get("line")) for line in found] == ["a", 2, "c", 4, "d", 6, "f"]
    first = found[0]["aspects"]
    assert [(a["text"], a["start"], a["end"]) for a in first] == [
        ("Grace Hopper", 0, 12),
        ("Nobody", None, None),
    ]
    for aspect in first:
        assert sum(aspect["scores"].values()) == pytest.approx(1, abs=1e-5)
        assert aspect["sentiment"] == max(aspect["scores"], key=aspect["scores"].__getitem__)
        assert 0 <= aspect["gate"] <= 1
    assert found[0]["aligner"] == "prominence (guess)"
    assert found[2]["aspects"][0]["face"].strip() == "Eileen Collins with a happy expression."
    assert "another text" in found[3]["error"]
    assert found[4]["aspects"] == []
    assert "outside of --images" in found[5]["error"]
    assert found[6]["aspects"][0]["face"] is None
    assert (work.failed, work.predictor.failed_pictures) == (3, 1)
    assert list(found[6]["failed_pictures"]) == ["missing.jpg"]
    assert "failed_pictures" not in found[0]
    assert trained.ask("select count(*) from predictions where dataset = 'new'") == [(4,)]


def test_what_is_not_sure_gets_no_sentiment(trained: World) -> None:
    source = b'{"id": "1", "text": "Grace Hopper is great", "aspects": ["Grace Hopper"]}'
    for min_score, sure in ((0.0, True), (1.0, False)):
        work = job(trained, min_score=min_score)
        (line,) = work.file(io.BytesIO(source), dataset="sure", format="jsonl")
        (aspect,) = line["aspects"]
        assert (aspect["sentiment"] is not None) == sure
        assert sum(aspect["scores"].values()) == pytest.approx(1, abs=1e-5)


def test_only_the_aspects_of_the_line_are_answered(trained: World) -> None:
    def once(*aspects: str) -> list[str]:
        line = json.dumps({"id": "1", "text": "Ann met Bob", "aspects": list(aspects)}).encode()
        (found,) = job(trained).file(io.BytesIO(line), dataset="twice", format="jsonl")
        return [aspect["text"] for aspect in found["aspects"]]

    assert once("Ann") == ["Ann"]
    assert once("Bob") == ["Bob"]
    assert once("Bob", "Ann") == ["Ann", "Bob"]


def test_a_dataset_of_the_store_is_classified_with_cached_features(trained: World) -> None:
    work = job(trained)
    found = list(work.dataset("d", "dev"))
    assert len(found) == 12
    assert all(len(line["aspects"]) == 1 for line in found)
    assert work.predictor._extractor is None  # nothing was computed
    assert found[0]["features"] == "bundled+prominence"


def test_a_dataset_without_aspects_gets_found_ones(trained: World) -> None:
    ingest(trained.store, io.BytesIO(b'{"id": "1", "text": "we met Ann"}'), dataset="bare")
    (line,) = job(trained).dataset("bare", None)
    assert [aspect["text"] for aspect in line["aspects"]] == ["Ann"]
    assert trained.ask("select origin from tweet_aspects where dataset = 'bare'") == [("found",)]


def test_what_is_predicted_already_is_not_computed_again(trained: World) -> None:
    source = "\n".join(labelled_lines(6)).encode()

    def once() -> tuple[list[dict[str, Any]], int]:
        work = job(trained)
        rows: list[int] = []
        original = work.predictor.model.run

        def counted(batch: dict[str, Any]) -> Any:
            rows.append(len(batch["face_input_ids"]))
            return original(batch)

        work.predictor.model.run = counted  # type: ignore[attr-defined]
        return list(work.file(io.BytesIO(source), dataset="again")), sum(rows)

    (first, computed), (second, computed_again) = once(), once()
    assert first == second
    assert computed > 0
    assert computed_again == 0


def test_named_features_are_made_or_refused(trained: World) -> None:
    options = ExtractOptions(captioner="none", aligner="prominence", theta=0.9, name="strict")
    extractor = Extractor(trained.store, options, trained.settings, trained.told.append)
    extractor.run(Scope("d"))
    plain = replace(options, theta=0.4, name=None)
    Extractor(trained.store, plain, trained.settings, trained.told.append).run(Scope("d"))
    line = b'{"id": "1", "text": "we met Ann", "images": ["eileen_collins.jpg"]}'
    work = job(trained, features="strict")
    (found,) = work.file(io.BytesIO(line), dataset="n", images=DEMO / "pictures")
    assert found["features"] == "strict"
    default = trained.store.feature_set(datasets=("d",))
    assert default is not None
    assert default.name == "bundled+prominence"  # classify changes no default
    ids = trained.store.register_worker(Worker("faces", "elsewhere", "1"))
    made = FeatureSet("foreign", trained.store.worker(ids).fingerprint, None,
                      extractor.aligner.worker.fingerprint)  # fmt: skip
    trained.store.register_worker(extractor.aligner.worker)
    trained.store.register_feature_set(made)
    with pytest.raises(NoExamples, match="cannot be made here: There is no face analyser"):
        list(job(trained, features="foreign").file(io.BytesIO(line), dataset="n"))


def test_without_dev_split_some_tweets_are_held_out(world: World) -> None:
    lines = (json.dumps(json.loads(line) | {"split": None}) for line in labelled_lines(90))
    world.ingest("\n".join(lines))
    found = world.plan()
    assert found["train"] + found["dev"] == 90
    assert 2 <= found["dev"] <= 20
    assert any("held out" in message for message in world.told)


def test_test_splits_are_never_trained_on(world: World) -> None:
    world.ingest("\n".join(labelled_lines(30)))
    world.ingest("\n".join(labelled_lines(30)), dataset="t", split="test")
    assert world.plan()["train"] == 24


def test_too_little_data_is_told(world: World) -> None:
    with pytest.raises(NoExamples, match="fite extract"):
        world.train()
    world.ingest('{"text": "Ann", "aspects": ["Ann"]}')
    with pytest.raises(NoExamples, match="Too few labelled examples"):
        world.train()
    with pytest.raises(NoExamples, match="no feature set 'x'"):
        world.train(features="x")
    with pytest.raises(UsageProblem, match="no preset"):
        train(world.store, TrainOptions(preset="x"), world.settings)


def test_held_out_pictures_leave_dev_unseen(world: World) -> None:
    lines = [json.loads(line) for line in labelled_lines(60)]
    for number, line in enumerate(lines):
        line["images"] = [f"{number // 2}.jpg"]  # two tweets share a picture
    world.ingest("\n".join(map(json.dumps, lines)))
    features = world.store.feature_set(datasets=("d",))
    assert features is not None
    told: list[str] = []
    train, held = training_examples(world.store, ["d"], features, told.append, hold_out=True)
    assert len(train) + len(held) == 48  # of 60, a fifth is dev
    assert 0 < len(held) < 16
    assert {item.picture for item in train}.isdisjoint({item.picture for item in held})
    assert any("held out" in message for message in told)
    plain = training_examples(world.store, ["d"], features, told.append)
    assert [len(part) for part in plain] == [48, 12]


def test_an_interrupted_training_goes_on(world: World) -> None:
    world.ingest("\n".join(labelled_lines(30)))

    class Stop(KeyboardInterrupt):
        pass

    def stop(message: str) -> None:
        if "epoch 1/" in message:
            raise Stop

    options = TrainOptions(preset=world.preset, output=world.folder / "runs", device="cpu")
    with pytest.raises(Stop):
        train(world.store, options, world.settings, tell=stop)
    assert world.ask("select status from run") == [("interrupted",)]
    (model,) = world.train()
    assert world.ask("select status, id from run") == [("done", 1)]
    assert any("Going on with seed 0" in message for message in world.told)
    assert (model.path / "model.safetensors").is_file()


def test_nothing_to_evaluate_or_export_on_is_told(trained: World) -> None:
    checkpoint = str(trained.folder / "runs" / "seed-0")
    with pytest.raises(NoExamples, match="no dataset 'none'"):
        evaluate(trained.store, EvaluateOptions(checkpoint, "none", None), trained.settings)
    ingest(trained.store, io.BytesIO(b'{"id": "1", "text": "Ann"}'), dataset="unlabelled")
    with pytest.raises(NoExamples, match="no complete features of unlabelled"):
        evaluate(trained.store, EvaluateOptions(checkpoint, "unlabelled", None), trained.settings)
    exporting = ExportOptions(checkpoint, trained.folder / "x", split="none")
    with pytest.raises(NoExamples, match="no split 'none'"):
        export_model(trained.store, exporting, trained.settings)
    exporting = ExportOptions(checkpoint, trained.folder / "x", measure=("d",))
    with pytest.raises(UsageProblem, match="DATASET/SPLIT"):
        export_model(trained.store, exporting, trained.settings)


def test_named_models_are_never_ignored_for_cached_rows(trained: World) -> None:
    with pytest.raises(NoExamples, match="no feature set 'zz'"):
        job(trained, features="zz")
    for more, computed in (
        ({}, False),
        ({"features": "bundled+prominence"}, False),
        ({"fresh": True}, True),
    ):
        work = job(trained, **more)
        list(work.dataset("d", "dev"))
        assert (work.predictor._extractor is not None) is computed


def test_a_repeated_aspect_shares_its_face(trained: World) -> None:
    line = {
        "text": "Eileen Collins, yes, Eileen Collins",
        "aspects": ["Eileen Collins"],
        "images": ["eileen_collins.jpg"],
    }
    source = io.BytesIO(json.dumps(line).encode())
    (found,) = job(trained).file(source, dataset="r", images=DEMO / "pictures")
    sentences = [aspect["face"] for aspect in found["aspects"]]
    assert sentences == ["Eileen Collins with a happy expression."] * 2
