"""What all tests share: a home of their own, no network, small models of the real classes."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fitecli.store import Store, open_store
from tests import postgres as postgresql
from tests.browser import browser, page

__all__ = ["browser", "page"]  # fixtures that live beside

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything reads it
os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest's workers share the cores

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "fitecli" / "demo"
WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] $ t . , ! the a is with in an expression happy sad neutral "
    "angry picture people there are show that grace hopper eileen collins nasa good bad great "
    "awful day love hate man woman year - old white and of at by 0 1 2 3 4 @ # ##s ##ing ##ed"
).split()


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary home; no setting of the machine reaches a test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DEEPFACE_HOME", str(home))
    for name in ("FITE_DB", "FITE_MODELS", "COLUMNS", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    return home


@pytest.fixture(scope="module", autouse=True)
def frozen() -> None:
    """What is there before a module's tests stays: the garbage collector passes it by.

    Every training and export asks for full collections, which take longer the more is imported.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def published() -> Path:
    """The public benchmark, which is not part of the project."""
    folder = Path(os.environ.get("FITE_PUBLISHED") or ROOT.parent / "shared" / "published")
    if not (folder / "TomBERT").is_dir():
        pytest.skip("the public benchmark is not here; name its folder by FITE_PUBLISHED")
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Server]:
    """A PostgreSQL server of the tests' own."""
    pytest.importorskip(
        "psycopg", reason="psycopg is not installed: pip install 'fitecli[postgres]'"
    )
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed: there is no initdb")
    with postgresql.server() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, on SQLite and on PostgreSQL."""
    server = request.param == "postgresql"
    place = request.getfixturevalue("postgres").store() if server else tmp_path / "fite.db"
    with open_store(place) as opened:
        yield opened


@pytest.fixture(scope="session")
def unwatched_exporter() -> Iterator[None]:
    """Coverage looks away while torch's exporter runs, which takes twice as long under its eyes."""
    import torch

    export = torch.onnx.export

    def unwatched(*words: Any, **more: Any) -> Any:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return export(*words, **more)
        finally:
            sys.settrace(tracer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.onnx, "export", unwatched)
        yield


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory, unwatched_exporter: None) -> Path:
    """A BERT of 2 layers of 16 with random weights and a WordPiece vocabulary, on disk."""
    return make_encoder(tmp_path_factory.mktemp("encoder"))


def make_encoder(
    folder: Path, *, hidden: int = 16, positions: int = 64, more_words: int = 0
) -> Path:
    """Save a small BERT and its tokeniser."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, logging

    logging.disable_progress_bar()
    words = [*WORDS, *(f"word{number}" for number in range(more_words))]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    tokenizer.add_special_tokens(words[:5])
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=positions,
        initializer_range=0.3,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=0,
    )
    BertModel(config).save_pretrained(folder)
    return folder


CLIP_PREPROCESS: dict[str, Any] = {
    "size": [32, 32], "mode": "RGB", "mean": [0.48, 0.45, 0.4], "std": [0.27, 0.26, 0.27],
    "interpolation": "bicubic", "resize_mode": "shortest", "fill_color": 0,
}  # fmt: skip


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a small CLIP."""
    return make_clip(tmp_path_factory.mktemp("models"))


def make_clip(models: Path) -> Path:
    """Save a small CLIP of the real class in open_clip's own layout; returns the models folder."""
    import torch
    from open_clip import CLIP
    from safetensors.torch import save_file

    from fitecli.alignment.open_clip import CONFIG, MODEL, WEIGHTS

    vision = {"image_size": 32, "layers": 1, "width": 16, "patch_size": 16, "head_width": 8}
    text = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    config = {"embed_dim": 8, "vision_cfg": vision, "text_cfg": text}
    torch.manual_seed(0)
    model = CLIP(**config)
    folder = models / MODEL
    folder.mkdir()
    save_file(model.state_dict(), str(folder / WEIGHTS))
    values = {"model_cfg": config, "preprocess_cfg": CLIP_PREPROCESS}
    (folder / CONFIG).write_text(json.dumps(values))
    return models


@pytest.fixture(scope="session")
def tiny_preset(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset on the small BERT that is trained within a second."""
    path = tmp_path_factory.mktemp("preset") / "tiny.toml"
    path.write_text(
        f'encoder = "{tiny_encoder}"\nlearning_rate = 5e-3\nbatch_size = 8\nepochs = 2\n'
        "share_word_embeddings = true\nfreeze_word_embeddings = true\n[input]\nmax_tokens = 48\n"
    )
    return path


def labelled_lines(count: int) -> Iterator[str]:
    """JSONL lines whose words give the label away."""
    moods = (("great", "positive"), ("awful", "negative"), ("old", "neutral"))
    names = ("Grace Hopper", "Eileen Collins", "NASA")
    for index in range(count):
        word, label = moods[index % 3]
        name = names[index // 3 % 3]
        text = f"{name} is {word} in the picture {index}"
        aspect = {"text": name, "start": 0, "end": len(name), "label": label}
        split = "dev" if index % 5 == 4 else "train"
        yield json.dumps({"id": str(index), "text": text, "aspects": [aspect], "split": split})


def read_events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What event files for TensorBoard tell: (step, value) of each scalar."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events: Any = EventAccumulator(str(folder))
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
