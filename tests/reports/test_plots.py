"""Vectors become pictures of the right size and a score that tells clusters from noise."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from fitecli.errors import MissingPackage, NoExamples
from fitecli.reports.plots import plot_embeddings


def test_distinct_labels_score_higher_and_are_drawn(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    gold = np.repeat([0, 1, 2], 20)
    noise = random.normal(size=(60, 8))
    vectors = {"noise": noise, "clusters": noise + 8 * np.eye(8)[gold]}
    found = plot_embeddings(vectors, gold, tmp_path / "plots")
    scores = found["models"]
    assert scores["clusters"]["silhouette"] > 0.5 > scores["noise"]["silhouette"]
    assert scores["clusters"]["silhouette_2d"] > 0.5 > scores["noise"]["silhouette_2d"]
    from PIL import Image

    names = [Path(file).name for file in found["files"]]
    assert names == ["embeddings-2d.png", "embeddings-3d.png"]
    for file in found["files"]:
        with Image.open(file) as picture:
            assert picture.size == (1350, 675)
            colours = len(picture.convert("RGB").getcolors(1 << 24) or ())
            assert colours > 50


def test_without_scikit_learn_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(MissingPackage, match=r"fitecli\[plots\]"):
        plot_embeddings({"m": np.zeros((4, 2))}, np.array([0, 1, 2, 0]), tmp_path)


@pytest.mark.parametrize("gold", [[0, 1, 2, 0], [1] * 20])
def test_too_few_examples_or_labels_are_told(gold: list[int], tmp_path: Path) -> None:
    with pytest.raises(NoExamples, match="examples of two labels"):
        plot_embeddings({"m": np.eye(len(gold))}, np.array(gold), tmp_path)
