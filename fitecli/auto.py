"""`import fitecli.auto`, and transformers' Auto classes know the models that `fite train` makes.

    import fitecli.auto
    from fitecli.records import Example
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder)  # or a name of the hub
    example = Example("$T$ smiles", "Ann", description="Ann with a happy expression.")
    logits = model(**fitecli.auto.inputs_of(folder, [example])).logits

Logits are of `model.config.id2label`: negative, neutral, positive. `model.push_to_hub(NAME)` works as
for any model; `fite models push FOLDER NAME` brings the tokeniser and a card of its own along.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fitecli.fusion.checkpoint import read_config
from fitecli.fusion.network import FiteConfig, FiteModel
from fitecli.fusion.training import input_builder
from fitecli.records import Example

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Example", "FiteConfig", "FiteModel", "inputs_of"]


def inputs_of(folder: str | Path, examples: Sequence[Example]) -> dict[str, Tensor]:
    """What the checkpoint of a folder reads of examples, as one padded batch for `model(**inputs)`.

    Raises NotAModel for a folder without a checkpoint.
    """
    import torch

    builder = input_builder(Path(folder), read_config(Path(folder)))
    arrays = builder.collate(builder.encode(examples))
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
