"""Training learns, resumes after an interruption and tells every epoch."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from fitecli.errors import MissingWeights, NoExamples
from fitecli.fusion import presets
from fitecli.fusion.batches import LengthGroupedSampler, Withholding
from fitecli.fusion.checkpoint import CheckpointPredictor
from fitecli.fusion.network import FiteModel
from fitecli.fusion.run_folder import EpochResult, TrainingResult, best_epoch
from fitecli.fusion.timing import seconds_per_epoch
from fitecli.fusion.training import train
from fitecli.records import Example

WORDS = {"positive": "great", "neutral": "old", "negative": "awful"}
EXAMPLES = [
    Example(f"$T$ is {word} {i % 5}", "NASA", "There are 0 people in the picture. ", "", label)
    for i in range(12)
    for label, word in WORDS.items()
]


def run(tiny: Path, encoder: Path, output: Path, seed: int = 0, **more: object) -> TrainingResult:
    preset = dataclasses.replace(presets.load(str(tiny)), **more.pop("preset", {}))  # type: ignore[arg-type]
    return train(EXAMPLES, EXAMPLES[:18], [encoder], preset, seed=seed, output=output, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("selection", ["accuracy", "mean"])
def test_it_learns_and_leaves_the_best_epoch(
    selection: str, tiny_preset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    told: list[EpochResult] = []
    result = run(
        tiny_preset,
        tiny_encoder,
        tmp_path,
        preset={"epochs": 10, "learning_rate": 3e-3, "selection": selection},
        on_epoch=told.append,
        record={"features": "f", "datasets": ["d"]},
    )
    assert [epoch.number for epoch in told] == list(range(1, 11))
    assert told[-1].train_loss < told[0].train_loss
    best = best_epoch(told, selection)
    assert (result.best_epoch, result.dev_macro_f1) == (best.number, best.dev_macro_f1)
    predictor = CheckpointPredictor(tmp_path, device="cpu")
    found = predictor.predict(EXAMPLES[:18])
    right = sum(p.label == e.label for p, e in zip(found, EXAMPLES[:18], strict=True))
    assert right / 18 == pytest.approx(result.dev_accuracy)
    assert result.dev_accuracy > 0.9
    assert predictor.features == "f"
    assert predictor.model.config.datasets == ["d"]
    assert not (tmp_path / "checkpoints").exists()
    assert not list(tmp_path.glob("*.bin"))


@pytest.mark.parametrize(("selection", "number"), [("accuracy", 1), ("macro_f1", 3), ("mean", 2)])
def test_the_first_epoch_with_the_best_score_is_kept(selection: str, number: int) -> None:
    scores = [(0.70, 0.55), (0.69, 0.64), (0.67, 0.65), (0.70, 0.55), (0.69, 0.64)]
    epochs = [EpochResult(i, 0.5, 0.7, *pair, 1.0) for i, pair in enumerate(scores, start=1)]
    assert best_epoch(epochs, selection).number == number


def test_every_ingredient_learns(tiny_preset: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    ingredients = {
        "r_drop": 1.0,
        "adversarial": 0.5,
        "label_smoothing": 0.1,
        "layer_decay": 0.9,
        "warmup": 0.1,
        "weight_decay": 0.01,
    }
    result = run(
        tiny_preset, tiny_encoder, tmp_path,
        preset={"epochs": 8, "learning_rate": 3e-3, **ingredients},
    )  # fmt: skip
    assert result.dev_accuracy > 0.9
    recipe = CheckpointPredictor(tmp_path, device="cpu").config.recipe
    assert {name: recipe[name] for name in ingredients} == ingredients


@pytest.mark.parametrize(("adversarial", "passes"), [(0.0, 1), (0.5, 2)])
def test_an_epoch_is_timed_with_all_its_passes(
    adversarial: float,
    passes: int,
    tiny_preset: Path,
    tiny_encoder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []
    forward = FiteModel.forward

    def counted(self: FiteModel, *inputs: Any, **more: Any) -> Any:
        read.append(len(more["face_input_ids"]))
        return forward(self, *inputs, **more)

    monkeypatch.setattr(FiteModel, "forward", counted)
    preset = presets.load(str(tiny_preset)).changed({"adversarial": adversarial, "batch_size": 9})
    assert seconds_per_epoch(EXAMPLES, EXAMPLES[:18], [tiny_encoder], preset, device="cpu") > 0
    assert read == [9] * 4 * passes


def test_parts_are_withheld_as_often_as_they_should() -> None:
    full = Example(
        "$T$", "Ann", "There are 1 people in the picture. a 20-year-old white Man. ", "A man."
    )
    assert Withholding.of(presets.Preset("p", "e")) is None
    withhold = Withholding.of(
        presets.Preset(
            "p", "e", withhold_pictures=0.2, withhold_captions=0.5, withhold_attributes=0.25
        )
    )
    assert withhold is not None
    torch.manual_seed(0)
    found = [withhold(full) for _ in range(4000)]
    bare = [item for item in found if not item.description]
    rest = [item for item in found if item.description]
    assert all(not item.caption for item in bare)
    assert len(bare) / 4000 == pytest.approx(0.2, abs=0.02)
    assert sum(not item.caption for item in rest) / len(rest) == pytest.approx(0.5, abs=0.03)
    for word in ("20-year-old", "white", "Man"):
        share = sum(word not in item.description for item in rest) / len(rest)
        assert share == pytest.approx(0.25, abs=0.03)
    assert {item.label for item in found} == {full.label}


def test_a_model_learns_to_do_without(
    tiny_preset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    chances = {"withhold_pictures": 0.5, "withhold_captions": 0.5, "withhold_attributes": 0.5}
    result = run(
        tiny_preset, tiny_encoder, tmp_path,
        preset={"epochs": 8, "learning_rate": 3e-3, **chances},
    )  # fmt: skip
    assert result.dev_accuracy > 0.9


class Stop(Exception):
    """Stands for whatever ends a process in the middle."""


def test_an_interrupted_run_ends_as_an_undisturbed_one(
    tiny_preset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    whole = run(tiny_preset, tiny_encoder, tmp_path / "whole", preset={"epochs": 3})

    def stop(result: EpochResult) -> None:
        if result.number == 2:
            raise Stop

    with pytest.raises(Stop):
        run(tiny_preset, tiny_encoder, tmp_path / "cut", preset={"epochs": 3}, on_epoch=stop)
    assert not (tmp_path / "cut" / "training.json").exists()
    again: list[int] = []
    resumed = run(
        tiny_preset, tiny_encoder, tmp_path / "cut", preset={"epochs": 3},
        on_epoch=lambda result: again.append(result.number),
    )  # fmt: skip
    assert again == [2, 3]  # the second epoch was not saved yet when it was cut
    assert [e.dev_loss for e in resumed.epochs] == pytest.approx(
        [e.dev_loss for e in whole.epochs], abs=1e-6
    )


def test_a_finished_run_is_returned_as_it_is(
    tiny_preset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    first = run(tiny_preset, tiny_encoder, tmp_path)
    told: list[EpochResult] = []
    assert run(tiny_preset, tiny_encoder, tmp_path, on_epoch=told.append) == first
    assert not told


def test_the_seed_settles_the_weights(
    tiny_preset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    losses, weights = [], []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(tiny_preset, tiny_encoder, tmp_path / name, seed, preset={"epochs": 1})
        losses.append(json.loads((tmp_path / name / "training.json").read_text())["epochs"][0])
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    keys = ("train_loss", "dev_loss")
    assert [losses[0][k] for k in keys] == [losses[1][k] for k in keys]
    assert losses[0]["dev_loss"] != losses[2]["dev_loss"]
    assert weights[0] == weights[1] != weights[2]


def test_nothing_to_train_on_is_told(tiny_preset: Path, tiny_encoder: Path, tmp_path: Path) -> None:
    preset = presets.load(str(tiny_preset))
    with pytest.raises(NoExamples, match="dev"):
        train(EXAMPLES, [], [tiny_encoder], preset, seed=0, output=tmp_path)


def test_a_folder_without_model_is_told(tiny_preset: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="no language model"):
        run(tiny_preset, tmp_path, tmp_path / "out")


def test_predictions_do_not_depend_on_the_batch(
    tiny_preset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    run(tiny_preset, tiny_encoder, tmp_path, preset={"epochs": 1})
    predictor = CheckpointPredictor(tmp_path, threads=1, device="cpu")
    long = Example("great " * 30 + "$T$", "Grace Hopper", "x", "y")
    together = predictor.predict([long, *EXAMPLES[:4]])
    alone = [predictor.predict([example])[0] for example in (long, *EXAMPLES[:4])]
    for a, b in zip(together, alone, strict=True):
        assert a.scores == pytest.approx(b.scores, abs=1e-5)
        assert a.gate == pytest.approx(b.gate, abs=1e-5)
    torch.set_num_threads(2)


def test_batches_hold_similar_lengths_in_an_order_that_does_not_depend_on_them() -> None:
    lengths = torch.randint(5, 100, (1003,), generator=torch.Generator().manual_seed(0)).tolist()
    sampler = LengthGroupedSampler(lengths, 16)
    torch.manual_seed(1)
    order = list(sampler)
    assert sorted(order) == list(range(1003))
    assert len(sampler) == 1003
    batches = [[lengths[i] for i in order[s : s + 16]] for s in range(0, 1003, 16)]
    padded = sum(max(batch) * len(batch) for batch in batches)
    assert padded < 1.15 * sum(lengths)
    longest = [max(batch) for batch in batches]
    rank = torch.corrcoef(torch.tensor([list(range(len(longest))), longest]).float())[0, 1]
    assert abs(rank) < 0.35
    assert list(sampler) != order
    torch.manual_seed(1)
    assert list(sampler) == order
