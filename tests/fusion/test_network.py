"""The network, its configuration and its gates."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModel

from fitecli.errors import NotAModel, ShapeMismatch, UsageProblem
from fitecli.fusion.checkpoint import load
from fitecli.fusion.gates import PaperGate, ReleasedGate, make_gate
from fitecli.fusion.network import (
    FiteConfig,
    FiteModel,
    positions_of,
)
from tests.conftest import make_encoder


def ids(rows: int, width: int) -> torch.Tensor:
    return torch.randint(5, 40, (rows, width), generator=torch.Generator().manual_seed(width))


@pytest.fixture
def model(tiny_encoder: Path) -> FiteModel:
    return FiteModel.from_encoders(str(tiny_encoder), share_word_embeddings=True).eval()


def read(model: FiteModel, face: torch.Tensor, scene: torch.Tensor, **more: object) -> torch.Tensor:
    masks = {
        "face_attention_mask": torch.ones_like(face),
        "scene_attention_mask": torch.ones_like(scene),
    }
    values = masks | more  # type: ignore[operator]
    with torch.no_grad():
        return model(face_input_ids=face, scene_input_ids=scene, **values).logits  # type: ignore[no-any-return]


def test_the_papers_gate_blends_by_coordinate() -> None:
    gate = PaperGate(3)
    face, scene = torch.ones(2, 3), torch.zeros(2, 3)
    with torch.no_grad():
        gate.face.weight.zero_()
        gate.face.bias.copy_(torch.tensor([0.0, 100.0, -100.0]))
        gate.scene.weight.zero_()
    fused, weight = gate(face, scene)
    assert fused[0].tolist() == pytest.approx([0.5, 1, 0])
    assert torch.equal(fused, weight)


def test_the_tanh_gate_can_be_negative() -> None:
    gate = make_gate("paper-tanh", 2)
    with torch.no_grad():
        gate.face.bias.fill_(-100)  # type: ignore[union-attr, operator]
        gate.face.weight.zero_()  # type: ignore[union-attr, operator]
        gate.scene.weight.zero_()  # type: ignore[union-attr, operator]
    assert gate(torch.ones(1, 2), torch.ones(1, 2))[1].tolist() == [[-1, -1]]


def test_the_released_gate_weighs_the_scene() -> None:
    gate = ReleasedGate(2)
    with torch.no_grad():
        for layer, value in ((gate.scene, 1.0), (gate.face, 0.0), (gate.product, 100.0)):
            layer.weight.zero_()
            layer.bias.fill_(value)
    fused, weight = gate(torch.ones(1, 2), torch.ones(1, 2))
    assert fused.tolist() == [[1, 1]]  # g = 1: the projected scene alone
    assert weight.tolist() == [[0, 0]]


def test_an_unknown_gate_is_told() -> None:
    with pytest.raises(UsageProblem, match="paper-tanh"):
        make_gate("open", 2)


def test_a_branch_alone_has_one_encoder_and_no_gate(tiny_encoder: Path, tmp_path: Path) -> None:
    one = {"branches": ["scene"]}
    model = FiteModel.from_encoders(str(tiny_encoder), share_word_embeddings=True, input=one).eval()
    names = {name.split(".")[0] for name, _ in model.named_parameters()}
    assert names == {"scene_encoder", "classifier"}
    scene = ids(2, 6)
    output = model(scene_input_ids=scene, scene_attention_mask=torch.ones_like(scene))
    assert output.gate is None
    assert output.fused.shape == (2, 16)
    model.save_pretrained(tmp_path)
    again = load(tmp_path)(scene_input_ids=scene, scene_attention_mask=torch.ones_like(scene))
    assert torch.equal(again.logits, output.logits)


@pytest.mark.parametrize("branch", ["face", "scene"])
def test_a_model_can_begin_with_the_encoders_of_another(
    model: FiteModel, tiny_encoder: Path, tmp_path: Path, branch: str
) -> None:
    def words(encoder: Any) -> torch.Tensor:
        return encoder.encoder.layer[0].output.dense.weight

    alone = FiteModel.from_encoders(str(tiny_encoder), input={"branches": [branch]})
    with torch.no_grad():
        words(alone.encoders[branch]).add_(1)
        words(model.scene_encoder).add_(2)
    alone.save_pretrained(tmp_path / "alone")
    model.save_pretrained(tmp_path / "both")
    again = FiteModel.from_encoders(str(tmp_path / "alone"), share_word_embeddings=True)
    for encoder in again.encoders.values():
        assert torch.equal(words(encoder), words(alone.encoders[branch]))
    again = FiteModel.from_encoders(str(tmp_path / "both"))
    for name, encoder in again.encoders.items():
        assert torch.equal(words(encoder), words(model.encoders[name]))


def test_without_gate_both_sentences_are_concatenated(tiny_encoder: Path) -> None:
    model = FiteModel.from_encoders(str(tiny_encoder), gate="none").eval()
    face, scene = ids(2, 7), ids(2, 6)
    output = model(face, torch.ones_like(face), scene, torch.ones_like(scene))
    assert output.gate is None
    assert output.fused.shape == (2, 32)
    assert model.classifier.in_features == 32


def test_a_visual_embedding_joins_the_fused_vector(tiny_encoder: Path) -> None:
    kind = {"visual": "image", "visual_size": 4}
    model = FiteModel.from_encoders(str(tiny_encoder), input=kind).eval()
    face, scene = ids(1, 7), ids(1, 6)
    logits = [
        model(face, torch.ones_like(face), scene, torch.ones_like(scene), visual=visual).logits
        for visual in (torch.zeros(1, 4), torch.ones(1, 4))
    ]
    assert not torch.allclose(*logits, atol=1e-4)


def test_the_length_is_lowered_to_the_positions(tiny_encoder: Path) -> None:
    model = FiteModel.from_encoders(str(tiny_encoder), input={"max_tokens": 128})
    assert model.config.input["max_tokens"] == 64


def test_each_encoder_has_the_mask_of_its_own_sentence(model: FiteModel) -> None:
    face, scene = ids(2, 12), ids(2, 6)
    mask = torch.ones_like(face)
    mask[:, 8:] = 0
    short = read(model, face[:, :8], scene)
    assert torch.allclose(read(model, face, scene, face_attention_mask=mask), short, atol=1e-5)
    assert not torch.allclose(read(model, face, scene), short, atol=1e-3)


def test_saved_and_loaded_it_is_the_same(model: FiteModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    again = load(tmp_path)
    words = again.face_encoder.embeddings.word_embeddings.weight
    assert words is again.scene_encoder.embeddings.word_embeddings.weight
    assert torch.equal(read(again, ids(3, 7), ids(3, 9)), read(model, ids(3, 7), ids(3, 9)))
    assert isinstance(AutoModel.from_pretrained(tmp_path), FiteModel)
    assert AutoConfig.from_pretrained(tmp_path).gate == "paper"


def test_embeddings_are_separate_unless_shared(tiny_encoder: Path, tmp_path: Path) -> None:
    model = FiteModel.from_encoders(str(tiny_encoder), gate="released")
    with torch.no_grad():
        model.scene_encoder.embeddings.word_embeddings.weight.add_(1)
    model.save_pretrained(tmp_path)
    again = load(tmp_path)
    faces, scenes = (
        encoder.embeddings.word_embeddings.weight
        for encoder in (again.face_encoder, again.scene_encoder)
    )
    assert torch.allclose(faces + 1, scenes)


def test_frozen_embeddings_get_no_gradient(tiny_encoder: Path) -> None:
    model = FiteModel.from_encoders(
        str(tiny_encoder), share_word_embeddings=True, freeze_word_embeddings=True
    )
    mask = torch.ones(2, 5, dtype=torch.long)
    loss = model(ids(2, 5), mask, ids(2, 5), mask, labels=torch.tensor([0, 2])).loss
    loss.backward()
    assert model.face_encoder.embeddings.word_embeddings.weight.grad is None
    assert model.classifier.weight.grad is not None


def test_encoders_of_two_sizes_are_refused(tiny_encoder: Path, tmp_path: Path) -> None:
    other = make_encoder(tmp_path, hidden=8)
    with pytest.raises(ShapeMismatch, match=r"16 and 8\).*choose another encoder"):
        FiteModel.from_encoders(str(tiny_encoder), str(other))


@pytest.mark.parametrize(
    ("kind", "positions", "expected"), [("bert", 64, 64), ("roberta", 130, 128), ("bert", 512, 128)]
)
def test_the_length_is_what_preset_and_positions_allow(
    kind: str, positions: int, expected: int
) -> None:
    encoder = {"model_type": kind, "pad_token_id": 1, "max_position_embeddings": positions}
    assert min(128, positions_of(encoder)) == expected


def test_segments_need_two_types() -> None:
    assert not FiteConfig(face_encoder={"type_vocab_size": 1}).segments
    assert FiteConfig(face_encoder={"type_vocab_size": 2}).segments


def test_what_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match="fite train"):
        load(tmp_path)
    make_encoder(tmp_path)
    with pytest.raises(NotAModel, match="another kind"):
        load(tmp_path)


def test_a_broken_checkpoint_is_told(model: FiteModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(NotAModel, match="cannot be loaded"):
        load(tmp_path)


def test_code_of_a_language_model_is_never_run_nor_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_encoder(tmp_path)
    (tmp_path / "evil.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\nfrom transformers import BertConfig, BertModel\n"
        "class Config(BertConfig): pass\nclass Model(BertModel): pass\n"
    )
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {
        "model_type": "evil",
        "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))  # transformers would ask
    with pytest.raises(ValueError, match="custom code"):
        FiteModel.from_encoders(str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_language_model_s_pickle_is_never_read(tiny_encoder: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_encoder / "config.json", tmp_path)
    shutil.copy(tiny_encoder / "model.safetensors", tmp_path / "other.safetensors")
    torch.save(load_file(tiny_encoder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(OSError, match="safetensors"):
        FiteModel.from_encoders(str(tmp_path))
