"""A checkpoint becomes an ONNX folder with a model card and a parity report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.calibration import rescale
from fitecli.classifier import (
    ARITHMETICS,
    CONFIG,
    FLOAT,
    FORMAT,
    INT8,
    MODEL,
    QUESTION,
    TOKENISER_FILES,
    Classifier,
    ExportedConfig,
    sha256_of,
)
from fitecli.errors import NoExamples, NotAModel, ParityFailure, UsageProblem
from fitecli.export.card import model_card
from fitecli.export.temperature import FEWEST, build_in, calibrate
from fitecli.export.tracing import optimise, quiet, trace
from fitecli.metrics import expected_calibration_error, summary
from fitecli.outputs import folder_beside, take_place, writing
from fitecli.progress import Progress, unwatched, watched
from fitecli.records import LABELS, Example, Prediction

PRECISIONS = ("fp32", "fp16", "int8")
MAX_LABEL_DIFFERENCE = 0.005  # share of the examples whose label may differ
MAX_FP32_DIFFERENCE = 1e-4  # of a probability, in fp32
SAME = 1e-5  # of a probability: so far apart are floats that were added in another order


@dataclass(frozen=True)
class Parity:
    """How the exported model agrees with torch on n examples."""

    n: int
    labels_differ: float
    max_probability_difference: float
    mean_probability_difference: float

    @property
    def labels_agree(self) -> bool:
        """Whether no more labels differ than may."""
        return self.labels_differ <= MAX_LABEL_DIFFERENCE

    def check(self, precision: str) -> None:
        """Raise ParityFailure where the disagreement is more than may be."""
        if not self.labels_agree:
            raise ParityFailure(
                f"The {precision} model gives another label on {self.labels_differ:.2%} of "
                f"{self.n} examples; at most {MAX_LABEL_DIFFERENCE:.1%} may differ. Nothing was "
                "written; try --precision fp32."
            )
        if precision == "fp32" and self.max_probability_difference > MAX_FP32_DIFFERENCE:
            raise ParityFailure(
                f"A probability of the fp32 model differs by {self.max_probability_difference:.1e}"
                f" from torch; at most {MAX_FP32_DIFFERENCE:.0e} may. Nothing was written."
            )


def export(
    checkpoint: Path,
    output: Path,
    examples: Sequence[Example],
    *,
    precision: str = "fp32",
    measure: Mapping[str, Sequence[Example]] | None = None,
    seeds: Sequence[Mapping[str, Any]] = (),
    threads: int = 0,
    tell: Callable[[str], None] = lambda message: None,
    progress: Progress = unwatched,
) -> Parity:
    """Write checkpoint as an ONNX folder: model, config, tokeniser, model card, parity report.

    examples: what parity is measured and the temperature is fitted on, as a rule the dev split of
    the run. measure: labelled examples by name, on which the finished model is measured for its
    card. seeds: what is known of the recipe's other seeds, for the card. The folder is written
    aside and renamed at the end, so a half-written one is never seen. Raises UsageProblem for an
    unknown precision, NotAModel, NoExamples, ParityFailure, Unwritable.
    """
    _check(output, examples, precision)
    from fitecli.fusion.checkpoint import CheckpointPredictor, load

    output = output.resolve()
    with folder_beside(output) as place, writing(output):
        folder = place / "export"
        folder.mkdir()
        reference = CheckpointPredictor(checkpoint, threads=threads, device="cpu")
        tell(f"Tracing the network, optimising it for {precision} …")
        with quiet():
            trace(load(checkpoint, attention="eager"), folder / MODEL)
            optimise(folder / MODEL, precision, reference.config)
        reference.builder.tokeniser.save(folder)
        values = _about(output.name, precision, reference.config, checkpoint)
        tell(f"Comparing with torch on {len(examples)} examples …")
        expected = watched(reference, progress).predict(examples)
        values["answer"] = [prediction.scores for prediction in reference.predict(QUESTION)]

        def opened() -> Classifier:
            return watched(Classifier(folder, threads=threads), progress)

        raw = _settle_arithmetic(folder, values, expected, lambda: opened().predict(examples))
        parity = compare(expected, raw)
        parity.check(precision)
        _calibrate(folder, values, examples, raw, tell)
        finished = opened()
        values["measured"] = [_measure(n, finished, e) for n, e in (measure or {}).items()]
        values["seeds"] = list(seeds)
        _write_config(folder, values)
        report = {"precision": precision, "arithmetic": values["arithmetic"], **asdict(parity)}
        _write_json(folder / "parity.json", report)
        (folder / "README.md").write_text(model_card(values, report), "utf-8")
        take_place(folder, output)
    return parity


def _settle_arithmetic(
    folder: Path,
    values: dict[str, Any],
    expected: Sequence[Prediction],
    predict: Callable[[], list[Prediction]],
) -> list[Prediction]:
    """Choose how the model of a folder is to be multiplied, write it down, and tell what it predicts.

    expected: what torch predicts. predict: opens the folder and predicts the same examples.
    """
    found = {}
    for arithmetic in ARITHMETICS if values["precision"] == INT8 else (FLOAT,):
        values["arithmetic"] = arithmetic
        _write_config(folder, values)
        found[arithmetic] = predict()
    values["arithmetic"] = _chosen(expected, found)
    _write_config(folder, values)
    return found[values["arithmetic"]]


def _calibrate(
    folder: Path,
    values: dict[str, Any],
    examples: Sequence[Example],
    raw: Sequence[Prediction],
    tell: Callable[[str], None],
) -> None:
    """Build a temperature into the model of a folder, where there are labels enough to fit it."""
    calibration = calibrate(examples, raw)
    if calibration is None:
        tell(f"Not calibrated: that takes at least {FEWEST} labelled examples.")
        return
    build_in(folder / MODEL, calibration.temperature)
    values |= {"temperature": calibration.temperature, "calibration": asdict(calibration)}
    values["answer"] = rescale(np.array(values["answer"]), calibration.temperature).tolist()
    _write_config(folder, values)


def _chosen(expected: Sequence[Prediction], found: Mapping[str, Sequence[Prediction]]) -> str:
    """int8, where that is what was computed, and the labels agree; else floats."""
    if INT8 not in found:
        return FLOAT
    really = compare(found[FLOAT], found[INT8]).max_probability_difference > SAME
    return INT8 if really and compare(expected, found[INT8]).labels_agree else FLOAT


def _check(output: Path, examples: Sequence[Example], precision: str) -> None:
    if precision not in PRECISIONS:
        raise UsageProblem(
            f"There is no precision {precision!r}; choose one of {', '.join(PRECISIONS)}."
        )
    if not examples:
        raise NoExamples("Parity needs examples; name labelled data by --dataset and --split.")
    if output.exists() and not _ours(output):
        raise UsageProblem(
            f"{output} exists and is no exported model; it is left alone. Choose another --output."
        )


def _measure(data: str, model: Classifier, examples: Sequence[Example]) -> dict[str, Any]:
    """The scores of a finished model for its card."""
    gold = np.array([LABELS.index(example.label or "") for example in examples])
    scores = np.array([prediction.scores for prediction in model.predict(examples)])
    found = summary(gold, scores.argmax(axis=1))
    return {
        "data": data,
        **{name: found[name] for name in ("n", "accuracy", "macro_f1")},
        "ece": expected_calibration_error(gold, scores),
    }


def compare(reference: Sequence[Prediction], exported: Sequence[Prediction]) -> Parity:
    """Measure how two models' predictions differ on the same examples."""
    ours = np.array([prediction.scores for prediction in exported])
    theirs = np.array([prediction.scores for prediction in reference])
    gap = np.abs(ours - theirs)
    differ = [a.label != b.label for a, b in zip(reference, exported, strict=True)]
    return Parity(
        n=len(differ),
        labels_differ=float(np.mean(differ)),
        max_probability_difference=float(gap.max()),
        mean_probability_difference=float(gap.mean()),
    )


def _about(name: str, precision: str, config: Any, checkpoint: Path) -> dict[str, Any]:
    """What config.json tells of a model, but for its files and what is measured."""
    training = checkpoint / "training.json"
    made = json.loads(training.read_text("utf-8")) if training.is_file() else {}
    run = ("seed", "best_epoch", "dev_accuracy", "dev_macro_f1")
    return {
        "format": FORMAT,
        "name": name,
        "precision": precision,
        "labels": list(LABELS),
        "input": config.input,
        "segments": config.segments,
        "gate": config.gate,
        "preset": config.preset,
        "features": config.features,
        "datasets": config.datasets,
        "hold_out": config.hold_out,
        "taught": config.taught,
        "teachers": config.teachers,
        "recipe": config.recipe,
        **{key: made.get(key) for key in run},
    }


def _write_config(folder: Path, values: Mapping[str, Any]) -> None:
    names = sorted(path for path in folder.iterdir() if path.name in (MODEL, *TOKENISER_FILES))
    files = {path.name: sha256_of(path) for path in names}
    _write_json(folder / CONFIG, {**values, "files": files})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def _ours(path: Path) -> bool:
    """Whether a folder may be replaced: it is empty, or an exported model."""
    try:
        return not any(path.iterdir()) or bool(ExportedConfig.read(path))
    except (NotAModel, OSError):
        return False
