"""The objective by hand, the rates by layer, and a perturbation that leaves no trace."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fitecli.fusion.network import FiteModel
from fitecli.fusion.objective import loss_of, parameter_groups, perturbed, twice
from fitecli.fusion.presets import Preset

LOGITS = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0]])
LABELS = torch.tensor([[1.0, 0, 0], [0, 0, 1.0]])  # as probabilities


def preset(**more: float) -> Preset:
    return Preset("p", "e", **more)  # type: ignore[arg-type]


def test_plain_it_is_the_cross_entropy() -> None:
    expected = torch.nn.functional.cross_entropy(LOGITS, LABELS.argmax(-1))
    assert loss_of(LOGITS, LABELS, preset()) == pytest.approx(float(expected))
    smoothed = loss_of(LOGITS, LABELS, preset(label_smoothing=0.2))
    uniform = -LOGITS.log_softmax(-1).mean(-1).mean()
    assert smoothed == pytest.approx(float(0.8 * expected + 0.2 * uniform))


def test_two_equal_passes_do_not_diverge_and_two_different_ones_do() -> None:
    plain = loss_of(LOGITS, LABELS, preset())
    both = torch.cat([LOGITS, LOGITS])
    assert loss_of(both, LABELS, preset(r_drop=3.0)) == pytest.approx(float(plain))
    other = LOGITS + torch.tensor([[0.5, 0, 0], [0, 0, 1.0]])
    p, q = LOGITS.softmax(-1), other.softmax(-1)
    divergence = ((p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)).mean() / 2
    mean = (plain + loss_of(other, LABELS, preset())) / 2
    found = loss_of(torch.cat([LOGITS, other]), LABELS, preset(r_drop=3.0))
    assert found == pytest.approx(float(mean + 3 * divergence), abs=1e-6)


def test_a_batch_is_read_twice() -> None:
    batch = twice({"ids": torch.tensor([[1, 2], [3, 4]])})
    assert batch["ids"].tolist() == [[1, 2], [3, 4], [1, 2], [3, 4]]


@pytest.fixture
def model(tiny_encoder: Path) -> FiteModel:
    return FiteModel.from_encoders(str(tiny_encoder), share_word_embeddings=True)


def test_lower_layers_learn_slower(model: FiteModel) -> None:
    groups = parameter_groups(model, preset(learning_rate=1.0, layer_decay=0.5, weight_decay=0.1))
    rates = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert len(rates) == len(list(model.parameters()))
    encoder = model.face_encoder
    assert rates[id(model.classifier.weight)] == (1.0, 0.1)
    assert rates[id(model.classifier.bias)] == (1.0, 0.0)
    assert rates[id(encoder.encoder.layer[1].output.dense.weight)] == (1.0, 0.1)
    assert rates[id(encoder.encoder.layer[0].output.dense.weight)] == (0.5, 0.1)
    assert rates[id(encoder.embeddings.word_embeddings.weight)] == (0.25, 0.1)
    assert len(parameter_groups(model, preset())) == 1


def test_a_perturbation_follows_the_gradient_and_is_taken_back(model: FiteModel) -> None:
    ids = torch.tensor([[2, 7, 9, 3]])
    mask = torch.ones_like(ids)

    def loss() -> torch.Tensor:
        found = model(ids, mask, ids, mask, labels=torch.tensor([1])).loss
        assert found is not None
        return found

    model.eval()
    before = loss()
    before.backward()  # type: ignore[no-untyped-call]
    table = model.face_encoder.embeddings.word_embeddings.weight
    kept = table.detach().clone()
    with perturbed(model, 0.1):
        assert float((table - kept).detach().norm()) == pytest.approx(0.1, rel=1e-3)
        assert loss() > before
    assert torch.equal(table, kept)
