"""The README.md of an exported folder: what it is, how it was made, what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SELECTED_BY = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "mean": "mean of accuracy and macro-F1",
}
LIMITS = """\
## Intended use

Research and media analysis of many English tweets: how people, places and organisations are spoken
of. Read shares over many tweets, not single ones, and look at the scores.

## Limits

It knows tweets like those it was trained on{benchmark}. The ages, genders, races and emotions of faces are
guesses of other networks about people, and carry their bias; a sentence about a face can be about
the wrong person. Sarcasm is often missed. Do not use it to decide about people, or to find out who
somebody is.

## Licence

The network is MIT, as fite is; the language model it started from has a licence of its own (that of
the package or repository named above). The tweets it was trained on are not part of it.
"""


HEAD = """\
---
license: mit
language: en
library_name: {library}
pipeline_tag: text-classification
tags:
- aspect-based-sentiment-analysis
- multimodal
- fite
---

"""
USE = """\
## Use

```sh
pip install fitecli && fite models pull {repository}
fite {verb} {repository} …
```
"""
USE_TORCH = """
In Python, transformers' Auto classes know it after one import:

```python
import fitecli.auto
from transformers import AutoModelForSequenceClassification

model = AutoModelForSequenceClassification.from_pretrained("{repository}")
```

`fitecli.auto.inputs_of` makes what it reads of texts, aspects and sentences about faces.
"""


def hub_card(card: str, repository: str, *, exported: bool) -> str:
    """A card as the hub wants it: with a head that tells licence and kind, and how it is used."""
    use = USE + ("" if exported else USE_TORCH)
    verb = "classify FILE --model" if exported else "evaluate"
    head = HEAD.format(library="onnxruntime" if exported else "transformers")
    return head + card.rstrip() + "\n\n" + use.format(repository=repository, verb=verb)


def checkpoint_card(name: str, config: Mapping[str, Any]) -> str:
    """The card of a checkpoint that `fite train` made, from its config.json and training.json."""
    recipe, kind = config["recipe"], config["input"]
    lines = [
        f"# {name}",
        "",
        "Tells how a tweet feels about one of its entities (negative, neutral, positive), from its",
        "text, a description of the faces in its picture and a caption of the scene. Trained by",
        "`fite train`.",
        "",
        f"- Language model: {recipe.get('encoder')}; reads text with "
        f"{' and text with '.join(kind['branches'])}; gate `{config['gate']}`; at most "
        f"{kind['max_tokens']} tokens a pair",
        f"- Data: {_data(config['datasets'])}, with the features `{config['features']}`",
    ]
    if config.get("best_epoch") is not None:
        lines.append(
            f"- Seed {config['seed']}, epoch {config['best_epoch']}: on held-out data accuracy "
            f"{config['dev_accuracy']:.4f}, macro-F1 {config['dev_macro_f1']:.4f}"
        )
    lines += ["", *_recipe(config)]
    return "\n".join(lines) + "\n" + _limits(config["datasets"])


def model_card(config: Mapping[str, Any], parity: Mapping[str, Any]) -> str:
    """Write the card from what config.json and parity.json tell."""
    recipe, kind = config["recipe"], config["input"]
    sentences = {("face", "scene"): "text with faces, text with scene"}
    reads = sentences.get(tuple(kind["branches"]), f"text with {kind['branches'][0]}")
    lines = [
        f"# {config['name']}",
        "",
        "Tells how a tweet feels about one of its entities (negative, neutral, positive), from its",
        "text, a description of the faces in its picture and a caption of the scene. Exported by",
        "`fite export`; read by `fite classify` and `fite evaluate` without torch.",
        "",
        f"- Language model: {recipe.get('encoder')}; reads {reads}; gate `{config['gate']}`; at most "
        f"{kind['max_tokens']} tokens a pair; precision {config['precision']}",
        f"- Data: {_data(config['datasets'])}, with the features `{config['features']}`",
    ]
    if config.get("teachers"):
        lines.append(
            f"- Taught by {len(config['teachers'])} models what they think of the training tweets of "
            f"{', '.join(config['taught'])}; their mean probabilities were its targets there"
        )
    if config.get("seed") is not None:
        chosen_by = SELECTED_BY[recipe.get("selection", "accuracy")]
        lines.append(
            f"- Seed {config['seed']}, epoch {config['best_epoch']} (the first best by {chosen_by} on "
            f"held-out data: accuracy {config['dev_accuracy']:.4f}, macro-F1 "
            f"{config['dev_macro_f1']:.4f})"
        )
    lines.append(
        f"- Parity with torch on {parity['n']} examples: labels differ on "
        f"{parity['labels_differ']:.2%}, a probability by at most "
        f"{parity['max_probability_difference']:.1e}, before calibration; multiplied in "
        f"{parity['arithmetic']}"
    )
    if found := config.get("calibration"):
        lines.append(
            f"- Calibrated by a temperature of {found['temperature']:.2f} fitted on those "
            f"{found['n']} examples: expected calibration error {found['ece_before']:.4f} before, "
            f"{found['ece_after']:.4f} after"
        )
    if note := config.get("note"):  # what was done to the model after its export
        lines.append(f"- {note}")
    lines += ["", *_measured(config.get("measured", ()), config.get("seeds", ())), *_recipe(config)]
    return "\n".join(lines) + "\n" + _limits(config["datasets"])


def _limits(datasets: Sequence[str]) -> str:
    known = bool(datasets) and set(datasets) <= {"twitter2015", "twitter2017"}
    return LIMITS.format(benchmark=": English ones of 2014 to 2017" if known else "")


def _data(datasets: Sequence[str]) -> str:
    return f"the training split of {', '.join(datasets)}" if datasets else "not told"


def _measured(own: Sequence[Mapping[str, Any]], seeds: Sequence[Mapping[str, Any]]) -> list[str]:
    """The scores of this model, and of its recipe over seeds."""
    if not own and not seeds:
        return []
    lines = [
        "## Measured",
        "",
        "| what | data | examples | accuracy | macro-F1 | calibration error |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in own:
        scores = f"{row['accuracy']:.4f} | {row['macro_f1']:.4f} | {row['ece']:.4f}"
        lines.append(f"| this model | {row['data']} | {row['n']} | {scores} |")
    for row in seeds:
        scores = " | ".join(_spread(row[name]) for name in ("accuracy", "macro_f1", "ece"))
        count = f"{row['count']} seeds of the recipe, as trained"
        lines.append(f"| {count} | {row['data']} | {row['n']} | {scores} |")
    return [*lines, ""]


def _spread(value: Mapping[str, float | None]) -> str:
    sd = "" if value["sd"] is None else f" ± {value['sd']:.4f}"
    return f"{value['mean']:.4f}{sd}"


def _recipe(config: Mapping[str, Any]) -> list[str]:
    """The settings of the training, as a preset's file has them, and how it is repeated."""
    recipe = config["recipe"]
    plain = {k: v for k, v in recipe.items() if k not in ("name", "input") and v is not None}
    settings = ", ".join(f"{name} {value}" for name, value in plain.items())
    return [
        "## Recipe",
        "",
        f"{settings}.",
        "",
        *_repeated(config),
        "",
    ]


def _repeated(config: Mapping[str, Any]) -> list[str]:
    """How to train it again: its teachers first, then itself; where all of that is known."""
    teachers = config.get("teachers")
    named = ("preset", "datasets", "seed")
    known = teachers is not None and all(
        all(teacher[name] is not None for name in named) and not teacher["taught"]
        for teacher in teachers
    )
    if not known or not config["datasets"]:
        return [
            "`fite train --preset FOLDER` with this folder takes these settings and what it reads; the",
            "data, and teachers where there were some, have to be named again.",
        ]
    groups: dict[str, list[str]] = {}
    for teacher in teachers or ():
        words = _words(teacher, teacher["preset"])
        groups.setdefault(words, []).append(str(teacher["seed"]))
    commands, folders = [], []
    for place, (words, seeds) in enumerate(groups.items(), start=1):
        folders += [f"teachers-{place}/seed-{seed}" for seed in seeds]
        commands.append(f"fite train {words} --seeds {','.join(seeds)} --output teachers-{place}")
    own = f"fite train {_words(config, 'FOLDER')}"
    if folders:
        own += f" --teachers {','.join(folders)} --taught {','.join(config['taught'])}"
    if config.get("seed") is not None:
        own += f" --seeds {config['seed']}"
    return ["Again, with this folder in place of FOLDER:", "", "```sh", *commands, own, "```"]


def _words(made: Mapping[str, Any], preset: str) -> str:
    hold_out = " --hold-out" if made["hold_out"] else ""
    return f"--dataset {','.join(made['datasets'])} --preset {preset}{hold_out}"
