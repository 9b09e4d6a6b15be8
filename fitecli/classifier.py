"""An exported ONNX folder becomes predictions; torch is never loaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from fitecli import int8_network
from fitecli.errors import NotAModel
from fitecli.inputs import (
    PLACEHOLDER,
    EncodedExample,
    InputBuilder,
    InputFormat,
    length_grouped,
    load_tokeniser,
)
from fitecli.int8_network import Int8Network
from fitecli.predictor import Predictor, Scored
from fitecli.processes import cores
from fitecli.records import LABELS, Example
from fitecli.sessions import CPU, FloatNetwork, Network, offers_cuda
from fitecli.settings import resource

FORMAT = "fite-onnx/1"
MODEL = "model.onnx"
TOKENISER_FILES = ("tokenizer.json", "vocab.txt", "bpe.codes", "tokenizer_config.json")
CONFIG = "config.json"
TOKENS_PER_BATCH = 256  # padded tokens of one run: keeps intermediate arrays in the cache
GPU_TOKENS_PER_BATCH = 1024
FLOAT, INT8 = "float32", "int8"
ARITHMETICS = (FLOAT, INT8)
QUESTION = tuple(  # part of the format: config.json has the answer of a model that multiplies int8
    Example(f"{text} {PLACEHOLDER} ...", "NASA", "", "a crowd in front of a rocket")
    for text in ("So proud of", "What a shame,", "They will come by at nine:")
)


@dataclass(frozen=True)
class ExportedConfig:
    """What config.json of an exported folder tells."""

    name: str
    precision: str
    arithmetic: str  # of ARITHMETICS: what the weights were found to agree in
    answer: tuple[tuple[float, ...], ...]  # to QUESTION, in floats: probabilities (B, 3)
    input: InputFormat
    segments: bool
    preset: str | None
    features: str | None
    temperature: float  # already inside the network; 1 where it was not calibrated
    files: Mapping[str, str]  # name -> sha256 of all that is read

    @property
    def sha256(self) -> str:
        """sha256 (hex) of the weights."""
        return self.files[MODEL]

    @classmethod
    def read(cls, folder: Path) -> ExportedConfig:
        """Read and check config.json; raises NotAModel with the reason."""
        path = folder / CONFIG
        try:
            values: dict[str, Any] = json.loads(path.read_text("utf-8"))
            if not isinstance(values, dict):
                raise ValueError("it is no JSON object")
        except (OSError, ValueError, RecursionError) as exc:
            raise NotAModel(
                f"{folder} is no exported model ({CONFIG}: {exc}). {_again(folder)}"
            ) from exc
        if values.get("format") != FORMAT or values.get("labels") != list(LABELS):
            raise NotAModel(f"{path} is not of the format {FORMAT}. {_again(folder)}")
        try:
            return cls(
                name=_text(values, "name"),
                precision=_text(values, "precision"),
                arithmetic=_arithmetic(values),
                answer=_answer(values),
                input=InputFormat.of(values["input"]),
                segments=values["segments"],
                preset=_text(values, "preset") if values.get("preset") else None,
                features=_text(values, "features") if values.get("features") else None,
                temperature=float(values.get("temperature", 1.0)),
                files=_plain_names(values["files"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as exc:
            raise NotAModel(f"{path} is incomplete ({exc}). {_again(folder)}") from exc


def _text(values: Mapping[str, Any], key: str) -> str:
    """A value that must be text; raises KeyError, TypeError."""
    if not isinstance(values[key], str):
        raise TypeError(f"{key} must be text, not {json.dumps(values[key])}")
    return str(values[key])


def _arithmetic(values: Mapping[str, Any]) -> str:
    """One of ARITHMETICS, floats where none is told; raises ValueError for another."""
    name = values.get("arithmetic", FLOAT)
    if name not in ARITHMETICS:
        raise ValueError(f"arithmetic must be one of {', '.join(ARITHMETICS)}")
    return str(name)


def _answer(values: Mapping[str, Any]) -> tuple[tuple[float, ...], ...]:
    """The scores of QUESTION; raises ValueError where int8 is told and they are not."""
    answer = tuple(tuple(map(float, scores)) for scores in values.get("answer", ()))
    if _arithmetic(values) == INT8 and [len(scores) for scores in answer] != [3] * len(QUESTION):
        raise ValueError(f"answer must hold three scores for each of {len(QUESTION)} examples")
    return answer


def _plain_names(files: Mapping[str, str]) -> dict[str, str]:
    """The files of a folder and their sha256; raises ValueError where one is elsewhere, or no model."""
    if MODEL not in files or any(name not in (MODEL, *TOKENISER_FILES) for name in files):
        raise ValueError(
            f"files must tell the sha256 of {MODEL} and of the tokeniser, and no others"
        )
    return dict(files)


def is_exported(folder: Path) -> bool:
    """Whether the folder looks like an exported model (and not like a checkpoint)."""
    return (folder / MODEL).is_file()


class Classifier(Predictor):
    """Predicts the sentiment of examples with ONNX Runtime or OpenVINO.

    One instance holds one network; its batches are grouped by length and run side by side, each on
    one core, which is a fifth faster than one on all; examples that read the same are computed once.
    """

    def __init__(
        self, folder: Path, *, threads: int = 0, device: str = "cpu", verify: bool = True
    ) -> None:
        """Read and check an exported folder; the network is loaded when it is first run.

        threads: batches that run side by side, 0 for as many as there are cores. device: "cpu",
        "cuda" or "auto". Raises NotAModel where a file is missing or was changed since the export,
        UsageProblem where a GPU was named and there is none; the first run raises NotAModel where
        the network cannot be loaded.
        """
        self.folder = folder
        self.config = ExportedConfig.read(folder)
        if verify:
            self._verify()
        self.builder = InputBuilder(load_tokeniser(folder), self.config.input, self.config.segments)
        self._threads, self._device = cores(threads), device
        if device == "cuda":  # one that was named is asked for at once
            _ = self._network

    def _verify(self) -> None:
        """Raise NotAModel where a file that is read is not the exported one."""
        there = [name for name in TOKENISER_FILES if (self.folder / name).exists()]
        for name in dict.fromkeys((*self.config.files, *there)):
            if sha256_of(self.folder / name) != self.config.files.get(name):
                raise NotAModel(
                    f"{self.folder / name} was changed after its export. {_again(self.folder)}"
                )

    @cached_property
    def _network(self) -> Network:
        path = self.folder / MODEL
        on_gpu = self._device == "cuda" or (self._device == "auto" and offers_cuda())
        floats = FloatNetwork(path, self._device) if on_gpu else None
        on_cpu = floats is None or floats.provider == CPU
        if on_cpu and self.config.arithmetic == INT8 and int8_network.is_there():
            question = self.builder.collate(self.builder.encode(QUESTION))
            answer = np.array(self.config.answer)
            with suppress(Exception):  # ONNX Runtime computes the same, or tells what is wrong
                return Int8Network(path, question, answer, self._threads)
        return floats or FloatNetwork(path, "cpu")

    @property
    def name(self) -> str:
        """The exported model's name."""
        return self.config.name

    @property
    def sha256(self) -> str:
        """sha256 (hex) of the weights."""
        return self.config.sha256

    @property
    def features(self) -> str | None:
        """The feature set that the model was trained on."""
        return self.config.features

    @property
    def temperature(self) -> float:
        """The temperature that its probabilities were calibrated with; 1 is none."""
        return self.config.temperature

    @property
    def provider(self) -> str:
        """What computes: an execution provider of ONNX Runtime, or OpenVINO."""
        return self._network.provider

    def _scored(self, encoded: Sequence[EncodedExample], places: Sequence[int]) -> Iterator[Scored]:
        if not places:
            return
        provider = self.provider  # loads the network, before threads ask for it
        on_gpu = provider not in (CPU, Int8Network.provider)
        tokens, threads = (GPU_TOKENS_PER_BATCH, 1) if on_gpu else (TOKENS_PER_BATCH, self._threads)
        step = self._network.step
        ordered = sorted(places, key=lambda place: encoded[place].length)  # of two as long, too
        widths = [-(-encoded[place].longest // step) * step for place in ordered]
        rows = [[ordered[index] for index in group] for group in length_grouped(widths, tokens)]

        def run(row: list[int]) -> tuple[np.ndarray, np.ndarray | None]:
            return self.run(self.builder.collate([encoded[place] for place in row], step))

        with ThreadPoolExecutor(threads) as pool:
            for row, (probabilities, gates) in zip(rows, pool.map(run, rows), strict=True):
                yield row, probabilities, [None] * len(row) if gates is None else gates.tolist()

    def run(self, batch: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray | None]:
        """Run one padded batch: probabilities (B, 3) and gates (B,), float32; None without a gate."""
        probabilities, *gates = self._network.run(batch)
        gate = np.asarray(gates[0], np.float32) if gates else None
        return np.asarray(probabilities, np.float32), gate


def made_again(folder: Path) -> str:
    """What makes an exported folder whole again: the command, or for a shipped one the install."""
    if folder.absolute().is_relative_to(resource("exported")):
        return "Install fite again from where it came (`pip install --force-reinstall --no-deps .`)"
    return (
        f"Export the checkpoint again with `fite export CHECKPOINT --output {quote(str(folder))}`"
    )


def _again(folder: Path) -> str:
    return f"{made_again(folder)}, or name another model by --model."


def sha256_of(path: Path) -> str:
    """The sha256 (hex) of a file; raises NotAModel where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as exc:
        raise NotAModel(
            f"{path} cannot be read: {exc.strerror or exc}. {_again(path.parent)}"
        ) from exc
