"""Pictures of what models have learnt: matplotlib and scikit-learn, imported when one is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.errors import MissingPackage, NoExamples
from fitecli.outputs import replacing, writing
from fitecli.records import LABELS

COLOURS = {"positive": "tab:red", "neutral": "tab:blue", "negative": "tab:green"}  # as Figure 4
PERPLEXITY = 30.0
FEWEST = 5  # examples


def plot_embeddings(
    vectors: Mapping[str, np.ndarray], gold: np.ndarray, folder: Path
) -> dict[str, Any]:
    """Draw the vectors that each model classifies, by t-SNE, in two and in three dimensions.

    vectors: model -> (N, D); gold: (N,) indices into LABELS. Writes embeddings-2d.png and
    embeddings-3d.png, one panel a model, and returns their paths and the silhouette of the labels
    (-1..1, higher is more distinct) in the vectors themselves and in the plane. The seed is fixed.
    Raises MissingPackage, and NoExamples for too few examples. Source: FITE, section 4.6 and Figure 4.
    """
    try:
        from sklearn.manifold import TSNE
        from sklearn.metrics import silhouette_score
    except ImportError as exc:
        raise MissingPackage("Plots need scikit-learn: pip install 'fitecli[plots]'.") from exc
    if len(gold) < FEWEST or len(set(gold.tolist())) < 2:
        raise NoExamples(
            f"A plot needs at least {FEWEST} examples of two labels; there are {len(gold)}. Name more by "
            "--dataset and --split."
        )
    with writing(folder):  # before any work
        folder.mkdir(parents=True, exist_ok=True)
    perplexity = min(PERPLEXITY, (len(gold) - 1) / 3)
    planes: dict[int, dict[str, np.ndarray]] = {2: {}, 3: {}}
    models: dict[str, dict[str, float]] = {}
    for name, values in vectors.items():
        for dimensions, points in planes.items():
            tsne = TSNE(dimensions, perplexity=perplexity, init="pca", random_state=0)
            points[name] = tsne.fit_transform(np.asarray(values, np.float64))
        models[name] = {
            "silhouette": float(silhouette_score(values, gold)),
            "silhouette_2d": float(silhouette_score(planes[2][name], gold)),
        }
    files = [
        _draw(points, gold, folder / f"embeddings-{d}d.png", d) for d, points in planes.items()
    ]
    return {"files": [str(file) for file in files], "models": models}


def _draw(points: Mapping[str, np.ndarray], gold: np.ndarray, path: Path, dimensions: int) -> Path:
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingPackage("Plots need matplotlib: pip install 'fitecli[plots]'.") from exc
    figure = Figure(figsize=(4.5 * len(points), 4.5), layout="constrained")
    for place, (name, rows) in enumerate(points.items(), start=1):
        projection = "3d" if dimensions == 3 else None
        axes = figure.add_subplot(1, len(points), place, projection=projection)
        for index, label in enumerate(LABELS):
            mine = rows[gold == index]
            style: dict[str, Any] = {"s": 6, "alpha": 0.7, "color": COLOURS[label]}
            axes.scatter(*mine.T, **style, label=label)
        axes.set_title(name)
        axes.tick_params(labelbottom=False, labelleft=False)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(LABELS)
    )
    with replacing(path) as stream:
        figure.savefig(stream, format="png", dpi=150)
    return path
