"""What TensorBoard shows of a run: loss and learning rate by step, dev scores by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitecli.errors import MissingPackage

if TYPE_CHECKING:
    from fitecli.fusion.training import EpochResult

EVERY = 10  # steps; a loss that is read waits for the GPU
FOLDER = "tensorboard"  # within the run's


class Board:
    """Writes event files; a run that goes on adds another file."""

    def __init__(self, run: Path) -> None:
        """Raises MissingPackage without tensorboard."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as exc:
            raise MissingPackage(
                "--tensorboard needs its package: pip install 'fitecli[tensorboard]'."
            ) from exc
        self._writer: Any = SummaryWriter(str(run / FOLDER))

    def step(self, number: int, loss: Any, rate: float) -> None:
        """The loss (a scalar tensor) and the learning rate of one step, if it is one that is kept."""
        if number % EVERY == 0:
            self._writer.add_scalar("train/loss", float(loss), number)
            self._writer.add_scalar("train/learning_rate", rate, number)

    def epoch(self, result: EpochResult) -> None:
        """What one epoch reached; its numbers are those of the table `epoch`."""
        for name in ("train_loss", "dev_loss", "dev_accuracy", "dev_macro_f1"):
            part, _, rest = name.partition("_")
            self._writer.add_scalar(f"{part}/{rest}_by_epoch", getattr(result, name), result.number)
        self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
