"""What a model gets wrong, sorted as in the paper's error analysis (FITE, appendix A.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fitecli.evaluation import Case
from fitecli.reports.markdown import plain, table

DOUBTFUL = 0.6  # an emotion that is less sure is a doubtful attribute
POLARITY = {
    "happy": "positive",
    "angry": "negative",
    "disgust": "negative",
    "fear": "negative",
    "sad": "negative",
}
OPPOSITE = {"positive": "negative", "negative": "positive"}


def _no_useful_face(case: Case) -> bool:
    return case.face is None or case.face.emotion is None


def _face_against_text(case: Case) -> bool:
    polarity = POLARITY.get((case.face.emotion if case.face else None) or "")
    return polarity is not None and OPPOSITE[polarity] == case.example.label


def _doubtful_attribute(case: Case) -> bool:
    score = None if case.face is None else case.face.emotion_score
    return score is not None and score < DOUBTFUL


KINDS: dict[str, tuple[str, Callable[[Case], bool]]] = {
    "no useful face": ("no face with an emotion was given to the aspect", _no_useful_face),
    "face against text": ("the face's expression is opposite to the label", _face_against_text),
    "doubtful attribute": (f"the emotion's score is below {DOUBTFUL}", _doubtful_attribute),
    "other": ("none of these", lambda case: True),
}


def sort_errors(cases: Sequence[Case], *, examples: int = 3) -> dict[str, Any]:
    """Count right and wrong cases of each kind, and show the surest mistakes.

    A case belongs to the first of KINDS that it fits. Returns n, wrong and kinds: for each its
    meaning, n, wrong, error_rate and the examples (tweet, aspect, label, prediction, score, face).
    """
    groups: dict[str, list[Case]] = {kind: [] for kind in KINDS}
    for case in cases:
        groups[next(kind for kind, (_, fits) in KINDS.items() if fits(case))].append(case)
    return {
        "n": len(cases),
        "wrong": sum(case.wrong for case in cases),
        "kinds": {
            kind: _kind(meaning, groups[kind], examples) for kind, (meaning, _) in KINDS.items()
        },
    }


def _kind(meaning: str, cases: Sequence[Case], examples: int) -> dict[str, Any]:
    wrong = [case for case in cases if case.wrong]
    surest = sorted(wrong, key=lambda case: -max(case.prediction.scores))
    return {
        "meaning": meaning,
        "n": len(cases),
        "wrong": len(wrong),
        "error_rate": len(wrong) / len(cases) if cases else None,
        "examples": [
            {
                "text": case.example.text.replace("$T$", f"[{case.example.aspect}]"),
                "aspect": case.example.aspect,
                "label": case.example.label,
                "prediction": case.prediction.label,
                "score": max(case.prediction.scores),
                "face": case.example.face,
                "emotion_score": case.face.emotion_score if case.face else None,
                "caption": case.example.caption,
            }
            for case in surest[:examples]
        ],
    }


def page(report: Mapping[str, Any]) -> str:
    """The report as a page in Markdown."""
    where = f"{report['dataset']}/{report['split'] or 'all'}"
    lines = [
        f"# Errors of {plain(report['model'])}",
        "",
        f"{plain(where)}, features {plain(report['features'])}: "
        f"{report['wrong']} of {report['n']} examples are wrong.",
        "",
        *table(
            ("kind", "meaning", "examples", "wrong", "error rate"),
            (
                (
                    name,
                    kind["meaning"],
                    str(kind["n"]),
                    str(kind["wrong"]),
                    "" if kind["error_rate"] is None else f"{kind['error_rate']:.1%}",
                )
                for name, kind in report["kinds"].items()
            ),
        ),
    ]
    for name, kind in report["kinds"].items():
        lines += ["", f"## {name.capitalize()}", ""] if kind["examples"] else []
        for item in kind["examples"]:
            face = f" Face: {plain(item['face'])}" if item["face"] else ""
            lines.append(
                f"- {plain(item['text'])} — **{item['label']}**, read as {item['prediction']} "
                f"({item['score']:.2f}).{face}"
            )
    return "\n".join(lines) + "\n"
