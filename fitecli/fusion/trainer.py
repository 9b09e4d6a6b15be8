"""transformers' Trainer with a preset's order, objective and rates."""

from __future__ import annotations

from typing import Any

import torch
from torch import distributed
from torch.nn import functional
from torch.utils.data import DataLoader, Sampler
from transformers import Trainer

from fitecli.fusion.batches import SharedBatchSampler, sampler
from fitecli.fusion.objective import loss_of, parameter_groups, perturbed, twice
from fitecli.fusion.presets import Preset


class FiteTrainer(Trainer):
    """Trainer with the preset's order, objective and rates."""

    def __init__(self, *, preset: Preset, **settings: Any) -> None:
        super().__init__(**settings)
        self._preset = preset
        self._last_loss: Any = None  # of this process's share of the last batch

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        return sampler(self._preset.order, dataset, self._preset.batch_size)

    def get_train_dataloader(self) -> Any:
        """The training data; under torchrun this process's share of each of the preset's batches."""
        if self.args.world_size == 1:
            return super().get_train_dataloader()
        order = self._get_train_sampler()
        return DataLoader(
            self.train_dataset,
            batch_sampler=SharedBatchSampler(order, self._preset.batch_size),
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def _weight(self, examples: int) -> float:
        """By what this process's mean counts, so that the mean over processes is that of the batch."""
        if self.args.world_size == 1:
            return 1.0
        total = torch.tensor(float(examples), device=self.args.device)
        distributed.all_reduce(total)
        return float(examples * self.args.world_size / total)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        """The preset's objective in training, plain cross-entropy in evaluation."""
        batch = dict(inputs)
        labels, targets = batch.pop("labels"), batch.pop("targets")
        if not model.training:
            outputs = model(**batch)
            loss = functional.cross_entropy(outputs.logits.float(), labels)
        else:
            outputs = model(**(twice(batch) if self._preset.r_drop else batch))
            loss = loss_of(outputs.logits, targets, self._preset) * self._weight(len(labels))
        return (loss, {"loss": loss, **outputs}) if return_outputs else loss

    def training_step(self, model: Any, inputs: dict[str, Any], *more: Any) -> Any:
        """One backward pass, and an adversarial one where the preset asks for it."""
        loss = super().training_step(model, dict(inputs), *more)
        if self._preset.adversarial:
            with perturbed(self.accelerator.unwrap_model(model), self._preset.adversarial):
                super().training_step(model, inputs, *more)
        self._last_loss = loss.detach()
        return loss

    def batch_loss(self) -> float:
        """The loss of the last batch; under torchrun all processes must ask at once."""
        loss = self._last_loss
        if self.args.world_size > 1:
            loss = loss.clone()
            distributed.all_reduce(loss)
            loss = loss / self.args.world_size
        return float(loss)

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW over the preset's parameter groups."""
        groups = parameter_groups(model or self.model, self._preset)
        cls, settings = self.get_optimizer_cls_and_kwargs(self.args)
        self.optimizer: Any = cls(groups, **settings)
        return self.optimizer
