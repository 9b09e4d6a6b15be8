"""Event files of a training for TensorBoard, written by the first process alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from fitecli.errors import MissingPackage
from fitecli.fusion.trainer import FiteTrainer

EVENTS = "tensorboard"  # in the folder of the run
EVERY = 10  # batches: reading a loss waits for the device
DEV = {
    "dev/loss": "eval_cross_entropy",
    "dev/accuracy": "eval_accuracy",
    "dev/macro_f1": "eval_macro_f1",
}


def require_tensorboard() -> Any:
    """The class that writes event files; raises MissingPackage where it cannot be had."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as exc:
        raise MissingPackage(
            "--tensorboard needs tensorboard: pip install 'fitecli[tensorboard]'."
        ) from exc
    return SummaryWriter


class EventWriter(TrainerCallback):
    """Writes the loss and the learning rate every EVERY batches, and the dev scores of each epoch.

    It only looks: the run is the same without. A run that goes on replaces what was written after
    its last kept epoch. Steps are batches that were learnt from, counted from 1.
    """

    def __init__(self, folder: Path, trainer: FiteTrainer) -> None:
        self._folder, self._trainer = folder, trainer
        self._writer: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.is_world_process_zero:
            purge = state.global_step + 1 if state.global_step else None
            self._writer = require_tensorboard()(str(self._folder), purge_step=purge)

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        step = state.global_step
        if step % EVERY and step != 1:
            return
        loss = self._trainer.batch_loss()  # every process tells its share
        if self._writer is None:
            return
        self._writer.add_scalar("train/loss", loss, step)
        rate = more["lr_scheduler"].get_last_lr()[0]
        self._writer.add_scalar("train/learning_rate", rate, step)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any, **_: Any) -> None:
        if self._writer is not None:
            for name, key in DEV.items():
                self._writer.add_scalar(name, metrics[key], state.global_step)
            self._writer.flush()

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._writer is not None:
            self._writer.close()
