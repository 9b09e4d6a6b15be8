"""What the folder of a training run holds: its epochs, its checkpoints, its result."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fitecli.errors import UsageProblem
from fitecli.processes import is_gone, name_of_this

CHECKPOINTS = "checkpoints"  # of the epochs; removed when the run is done
RESULT = "training.json"
RECIPE = "recipe.json"  # in the folder of the checkpoints
EPOCHS = "epochs.json"  # there, too
OWNER = "owner"  # there, too: the process that trains
CHECKPOINT = "checkpoint-"  # then the steps; so transformers' Trainer calls them
STATE = "trainer_state.json"  # of a checkpoint; the last of its files


@dataclass(frozen=True)
class EpochResult:
    """One pass over the training data, measured on dev."""

    number: int  # from 1
    train_loss: float
    dev_loss: float
    dev_accuracy: float
    dev_macro_f1: float
    seconds: float

    @property
    def dev_mean(self) -> float:
        """The mean of accuracy and macro-F1, which a model that gives up a class does not win."""
        return (self.dev_accuracy + self.dev_macro_f1) / 2


@dataclass(frozen=True)
class TrainingResult:
    """A finished run; best_epoch is the first with the best dev score (the preset's selection)."""

    seed: int
    best_epoch: int
    dev_accuracy: float
    dev_macro_f1: float
    device: str
    epochs: tuple[EpochResult, ...]
    recipe: str | None = None  # fingerprint of recipe and data


@contextmanager
def held(output: Path) -> Iterator[None]:
    """Keep other processes from training into a run's folder meanwhile.

    Raises UsageProblem where one does already; one that is known to have ended does not count.
    """
    owner = output / CHECKPOINTS / OWNER
    owner.parent.mkdir(parents=True, exist_ok=True)
    try:
        with owner.open("x", encoding="utf-8") as file:
            file.write(name_of_this())
    except FileExistsError:
        if not is_gone(owner.read_text("utf-8")):
            raise UsageProblem(
                f"Another process trains into {output}: wait for it, then run the same command again, "
                f"or choose another --output. If none does any more, remove {owner}."
            ) from None
        owner.write_text(name_of_this(), "utf-8")
    try:
        yield
    finally:
        owner.unlink(missing_ok=True)
        with suppress(OSError):  # epochs are there
            owner.parent.rmdir()


def best_epoch(epochs: Sequence[EpochResult], selection: str) -> EpochResult:
    """The first epoch with the highest of a dev score: accuracy, macro_f1 or their mean."""
    return max(epochs, key=lambda epoch: (getattr(epoch, f"dev_{selection}"), -epoch.number))


def recipe_in(output: Path) -> str | None:
    """The fingerprint of the recipe whose run a folder holds, finished or not, if it is told."""
    for path in (output / RESULT, output / CHECKPOINTS / RECIPE):
        if path.is_file():
            found: str | None = json.loads(path.read_text("utf-8")).get("recipe")
            return found
    return None


def last_checkpoint(folder: Path) -> str | None:
    """The last checkpoint that was written whole; one that was not is written again."""
    found = [path for path in folder.glob(f"{CHECKPOINT}*") if _is_whole(path)]
    return str(max(found, key=lambda path: int(path.name.rpartition("-")[2]))) if found else None


def _is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint was written to its end, which is the state of the Trainer."""
    try:
        return bool(json.loads((checkpoint / STATE).read_text("utf-8")))
    except (OSError, ValueError):
        return False


def known_epochs(folder: Path) -> list[EpochResult]:
    """Epochs of an interrupted run that have a checkpoint to go on from."""
    last = last_checkpoint(folder)
    if last is None or not (folder / EPOCHS).is_file():
        return []
    state = json.loads((Path(last) / STATE).read_text("utf-8"))
    rows = json.loads((folder / EPOCHS).read_text("utf-8"))
    return [EpochResult(**row) for row in rows if row["number"] <= round(state["epoch"])]


def read_result(path: Path) -> TrainingResult:
    """The result that a finished run left."""
    values = json.loads(path.read_text("utf-8"))
    epochs = tuple(EpochResult(**row) for row in values.pop("epochs"))
    return TrainingResult(**values, epochs=epochs)
