"""Training with transformers' Trainer: CPU, one GPU or torchrun; lengths grouped, epochs told."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler
from transformers import EvalPrediction, Trainer, TrainerCallback, TrainingArguments, logging
from transformers.trainer_utils import get_last_checkpoint

from fitecli.errors import MissingWeights, NoExamples
from fitecli.fusion.batches import Collator, EncodedDataset, Withholding, sampler
from fitecli.fusion.network import FiteModel
from fitecli.fusion.objective import loss_of, parameter_groups, perturbed, twice
from fitecli.fusion.presets import Preset
from fitecli.inputs import InputBuilder, InputFormat, load_tokeniser
from fitecli.metrics import accuracy, macro_f1
from fitecli.records import Example
from fitecli.weights import torch_device

CHECKPOINTS = "checkpoints"  # of the epochs; removed when the run is done
RESULT = "training.json"
TIMED_BATCHES = 8


@dataclass(frozen=True)
class EpochResult:
    """One pass over the training data, measured on dev."""

    number: int  # from 1
    train_loss: float
    dev_loss: float
    dev_accuracy: float
    dev_macro_f1: float
    seconds: float


@dataclass(frozen=True)
class TrainingResult:
    """A finished run; best_epoch is the first with the best dev score (the preset's selection)."""

    seed: int
    best_epoch: int
    dev_accuracy: float
    dev_macro_f1: float
    device: str
    epochs: tuple[EpochResult, ...]


class FiteTrainer(Trainer):
    """Trainer with the preset's order, objective and rates."""

    def __init__(self, *, preset: Preset, **settings: Any) -> None:
        super().__init__(**settings)
        self._preset = preset

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int]:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        return sampler(self._preset.order, dataset, self.args.train_batch_size)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, **_: Any
    ) -> Any:
        """The preset's objective in training, plain cross-entropy in evaluation."""
        batch = dict(inputs)
        labels = batch.pop("labels")
        if not model.training:
            outputs = model(**batch)
            loss = torch.nn.functional.cross_entropy(outputs.logits.float(), labels)
        else:
            outputs = model(**(twice(batch) if self._preset.r_drop else batch))
            loss = loss_of(outputs.logits, labels, self._preset)
        return (loss, {"loss": loss, **outputs}) if return_outputs else loss

    def training_step(self, model: Any, inputs: dict[str, Any], *more: Any) -> Any:
        """One backward pass, and an adversarial one where the preset asks for it."""
        loss = super().training_step(model, dict(inputs), *more)
        if self._preset.adversarial:
            with perturbed(self.accelerator.unwrap_model(model), self._preset.adversarial):
                super().training_step(model, inputs, *more)
        return loss

    def create_optimizer(self, model: Any = None) -> Any:
        """AdamW over the preset's parameter groups."""
        groups = parameter_groups(model or self.model, self._preset)
        cls, settings = self.get_optimizer_cls_and_kwargs(self.args)
        self.optimizer: Any = cls(groups, **settings)
        return self.optimizer


class _EpochWatch(TrainerCallback):
    """Turns Trainer's log into one EpochResult an epoch."""

    def __init__(self, known: list[EpochResult], tell: Callable[[EpochResult], None]) -> None:
        self.results = known
        self._tell = tell
        self._began = time.monotonic()
        self._loss = float("nan")

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._began = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self._loss = float((logs or {}).get("loss", self._loss))

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any, **_: Any) -> None:
        number = round(state.epoch)
        if any(result.number == number for result in self.results):
            return
        result = EpochResult(
            number=number,
            train_loss=self._loss,
            dev_loss=float(metrics["eval_loss"]),
            dev_accuracy=float(metrics["eval_accuracy"]),
            dev_macro_f1=float(metrics["eval_macro_f1"]),
            seconds=time.monotonic() - self._began,
        )
        self.results.append(result)
        if state.is_world_process_zero:
            _write_json(Path(args.output_dir) / "epochs.json", [asdict(r) for r in self.results])
            self._tell(result)


def input_builder(folder: Path, config: Any) -> InputBuilder:
    """The input builder that belongs to a model, with the tokeniser of a folder."""
    return InputBuilder(load_tokeniser(folder), InputFormat.of(config.input), config.segments)


def build(
    encoders: Sequence[Path],
    preset: Preset,
    *,
    seed: int,
    features: str | None = None,
    datasets: Sequence[str] = (),
) -> FiteModel:
    """Build an untrained network on pretrained encoders (one folder, or face and scene)."""
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        return FiteModel.from_encoders(
            str(encoders[0]),
            str(encoders[-1]),
            seed=seed,
            gate=preset.gate,
            dropout=preset.dropout,
            share_word_embeddings=preset.share_word_embeddings,
            freeze_word_embeddings=preset.freeze_word_embeddings,
            input=preset.input.to_dict(),
            preset=preset.name,
            features=features,
            datasets=list(datasets),
            recipe=preset.to_dict(),
        )
    except (OSError, ValueError) as exc:
        raise MissingWeights(
            f"{encoders[0]} holds no language model that transformers can load: {exc}"
        ) from exc


def train(
    train_examples: Sequence[Example],
    dev_examples: Sequence[Example],
    encoders: Sequence[Path],
    preset: Preset,
    *,
    seed: int,
    output: Path,
    features: str | None = None,
    datasets: Sequence[str] = (),
    device: str = "auto",
    threads: int = 0,
    on_epoch: Callable[[EpochResult], None] = lambda result: None,
) -> TrainingResult:
    """Train one model and leave its best epoch in output, ready for `from_pretrained`.

    encoders: folder of the language model, or of the face and the scene encoder, which must have
    the same tokeniser (the first folder's is used). A run that was interrupted goes on after its
    last finished epoch; a finished one is returned as it is. Every example needs a label. Raises
    NoExamples where train or dev is empty, MissingWeights where an encoder cannot be loaded.
    """
    if (output / RESULT).is_file():
        return _read_result(output / RESULT)
    for name, examples in (("train", train_examples), ("dev", dev_examples)):
        if not examples:
            raise NoExamples(f"There are no labelled examples in the {name} part of the data.")
    model = build(encoders, preset, seed=seed, features=features, datasets=datasets)
    builder = input_builder(encoders[0], model.config)
    builder.tokeniser.save(_made(output))
    arguments = _arguments(output / CHECKPOINTS, preset, seed, torch_device(device, threads))
    watch = _EpochWatch(_known_epochs(output / CHECKPOINTS), on_epoch)
    trainer = FiteTrainer(
        preset=preset,
        model=model,
        args=arguments,
        train_dataset=EncodedDataset(builder, train_examples, Withholding.of(preset)),
        eval_dataset=EncodedDataset(builder, dev_examples),
        data_collator=Collator(builder),
        compute_metrics=_measure,
        callbacks=[watch],
    )
    trainer.remove_callback(_printer(trainer))
    trainer.train(resume_from_checkpoint=_last_checkpoint(output / CHECKPOINTS))
    return _finish(trainer, output, watch.results, seed, preset.selection)


def seconds_per_epoch(
    train_examples: Sequence[Example],
    dev_examples: Sequence[Example],
    encoders: Sequence[Path],
    preset: Preset,
    *,
    device: str = "auto",
    threads: int = 0,
) -> float:
    """How long one epoch should take, by training on a few batches; dev costs a third a batch."""
    place = torch_device(device, threads)
    model = build(encoders, preset, seed=0).to(place).train()
    builder = input_builder(encoders[0], model.config)
    data = EncodedDataset(builder, train_examples)
    order = list(sampler(preset.order, data, preset.batch_size))
    batches = [
        order[start : start + preset.batch_size]
        for start in range(0, len(order), preset.batch_size)
    ]
    optimiser = torch.optim.AdamW(model.parameters(), lr=preset.learning_rate, fused=True)
    half = place.type == "cuda" or _cpu_multiplies_bf16()
    began = time.perf_counter()
    for number, indices in enumerate(batches[: 1 + TIMED_BATCHES]):
        if number == 1:
            began = time.perf_counter()  # the first batch allocates
        batch = Collator(builder)([data[index] for index in indices])
        with torch.autocast(place.type, torch.bfloat16, enabled=half):
            placed = {name: array.to(place) for name, array in batch.items()}
            labels = placed.pop("labels")
            outputs = model(**(twice(placed) if preset.r_drop else placed))
            loss: Any = loss_of(outputs.logits, labels, preset)
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        loss.item()  # waits for a GPU
    timed = min(TIMED_BATCHES, len(batches) - 1) or 1
    both = len(batches) * (1 + len(dev_examples) / len(train_examples) / 3)
    return (time.perf_counter() - began) * both / timed


def _printer(trainer: Trainer) -> Any:
    from transformers import PrinterCallback, ProgressCallback

    kinds = (PrinterCallback, ProgressCallback)
    return next(c for c in trainer.callback_handler.callbacks if isinstance(c, kinds))


def _finish(
    trainer: FiteTrainer,
    output: Path,
    epochs: Sequence[EpochResult],
    seed: int,
    selection: str,
) -> TrainingResult:
    best = max(epochs, key=lambda epoch: (getattr(epoch, f"dev_{selection}"), -epoch.number))
    result = TrainingResult(
        seed=seed,
        best_epoch=best.number,
        dev_accuracy=best.dev_accuracy,
        dev_macro_f1=best.dev_macro_f1,
        device=str(trainer.args.device),
        epochs=tuple(epochs),
    )
    trainer.save_model(str(output))
    if trainer.is_world_process_zero():
        (output / "training_args.bin").unlink(missing_ok=True)  # a pickle: nothing reads it
        _write_json(output / RESULT, asdict(result))
        shutil.rmtree(output / CHECKPOINTS)
    return result


def _arguments(folder: Path, preset: Preset, seed: int, device: torch.device) -> TrainingArguments:
    cuda = device.type == "cuda"
    many = torch.distributed.is_torchelastic_launched()
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=preset.epochs,
        per_device_train_batch_size=preset.batch_size,
        per_device_eval_batch_size=4 * preset.batch_size,
        learning_rate=preset.learning_rate,
        weight_decay=preset.weight_decay,
        max_grad_norm=preset.gradient_clip,
        lr_scheduler_type="linear",
        warmup_steps=preset.warmup,  # a share of all steps where it is below 1
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
        metric_for_best_model=preset.selection,
        greater_is_better=True,
        seed=seed,
        data_seed=seed,
        use_cpu=not cuda,
        ddp_backend="gloo" if many and not cuda else None,
        bf16=torch.cuda.is_bf16_supported() if cuda else _cpu_multiplies_bf16(),
        remove_unused_columns=False,
        label_names=["labels"],
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=cuda,
    )


def _cpu_multiplies_bf16() -> bool:
    """Whether bfloat16 is faster than float32 here: emulated, it is many times slower."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _measure(prediction: EvalPrediction) -> dict[str, float]:
    outputs = prediction.predictions
    logits = outputs[0] if isinstance(outputs, tuple) else outputs
    predicted = np.asarray(logits).argmax(axis=-1)
    gold = np.asarray(prediction.label_ids)
    return {"accuracy": accuracy(gold, predicted), "macro_f1": macro_f1(gold, predicted)}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_json(path: Path, value: Any) -> None:
    _made(path.parent)
    path.write_text(json.dumps(value, indent=2) + "\n", "utf-8")


def _last_checkpoint(folder: Path) -> str | None:
    return get_last_checkpoint(str(folder)) if folder.is_dir() else None


def _known_epochs(folder: Path) -> list[EpochResult]:
    """Epochs of an interrupted run that have a checkpoint to go on from."""
    last = _last_checkpoint(folder)
    if last is None or not (folder / "epochs.json").is_file():
        return []
    state = json.loads((Path(last) / "trainer_state.json").read_text("utf-8"))
    rows = json.loads((folder / "epochs.json").read_text("utf-8"))
    return [EpochResult(**row) for row in rows if row["number"] <= round(state["epoch"])]


def _read_result(path: Path) -> TrainingResult:
    values = json.loads(path.read_text("utf-8"))
    epochs = tuple(EpochResult(**row) for row in values.pop("epochs"))
    return TrainingResult(**values, epochs=epochs)
