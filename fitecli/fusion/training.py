"""Training with transformers' Trainer: CPU, one GPU or torchrun; lengths grouped, epochs told."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from transformers import EvalPrediction, Trainer, TrainerCallback, TrainingArguments, logging

from fitecli.errors import MissingWeights, NoExamples, UsageProblem
from fitecli.fusion.batches import Collator, EncodedDataset, Withholding
from fitecli.fusion.events import EVENTS, EventWriter
from fitecli.fusion.network import FiteModel
from fitecli.fusion.presets import Preset
from fitecli.fusion.run_folder import (
    CHECKPOINTS,
    EPOCHS,
    RECIPE,
    RESULT,
    EpochResult,
    TrainingResult,
    best_epoch,
    known_epochs,
    last_checkpoint,
    read_result,
    recipe_in,
)
from fitecli.fusion.trainer import FiteTrainer
from fitecli.inputs import InputBuilder, InputFormat, load_tokeniser
from fitecli.metrics import accuracy, macro_f1
from fitecli.outputs import write_json
from fitecli.records import Example
from fitecli.weights import torch_device


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
            dev_loss=float(metrics["eval_cross_entropy"]),
            dev_accuracy=float(metrics["eval_accuracy"]),
            dev_macro_f1=float(metrics["eval_macro_f1"]),
            seconds=time.monotonic() - self._began,
        )
        self.results.append(result)
        if state.is_world_process_zero:
            write_json(Path(args.output_dir) / EPOCHS, [asdict(r) for r in self.results])
            self._tell(result)


def input_builder(folder: Path, config: Any) -> InputBuilder:
    """The input builder that belongs to a model, with the tokeniser of a folder."""
    return InputBuilder(load_tokeniser(folder), InputFormat.of(config.input), config.segments)


def build(
    encoders: Sequence[Path],
    preset: Preset,
    *,
    seed: int,
    record: Mapping[str, Any] | None = None,
) -> FiteModel:
    """Build an untrained network on pretrained encoders (one folder, or face and scene).

    record: what its configuration keeps of its data, see FiteConfig.
    """
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
            recipe=preset.to_dict(),
            **(record or {}),
        )
    except (OSError, ValueError) as exc:
        raise MissingWeights(
            f"{encoders[0]} holds no language model that transformers can load ({exc}). Bring it "
            "again, or name another preset."
        ) from exc


def train(
    train_examples: Sequence[Example],
    dev_examples: Sequence[Example],
    encoders: Sequence[Path],
    preset: Preset,
    *,
    seed: int,
    output: Path,
    record: Mapping[str, Any] | None = None,
    recipe: str | None = None,
    device: str = "auto",
    threads: int = 0,
    on_epoch: Callable[[EpochResult], None] = lambda result: None,
    tensorboard: bool = False,
) -> TrainingResult:
    """Train one model and leave its best epoch in output, ready for `from_pretrained`.

    encoders: folder of the language model, or of the face and the scene encoder, which must have
    the same tokeniser (the first folder's is used). A run that was interrupted goes on after its
    last finished epoch; a finished one is returned as it is. record: what the model's configuration
    keeps of its data. recipe: what tells one recipe and its
    data from another; a folder that holds another one's run is left alone. Every example needs a
    label. tensorboard: also write event files into the run's folder of that name.
    Raises NoExamples where train or dev is empty, MissingWeights where an encoder cannot be
    loaded, UsageProblem where the folder is another recipe's.
    """
    if recipe is not None and recipe_in(output) not in (None, recipe):
        raise UsageProblem(
            f"{output} holds a run of another recipe or other data; choose another --output."
        )
    if (output / RESULT).is_file():
        return read_result(output / RESULT)
    for name, examples in (("train", train_examples), ("dev", dev_examples)):
        if not examples:
            raise NoExamples(
                f"There are no labelled examples in the {name} part of the data; "
                "`fite stats` shows what is there."
            )
    model = build(encoders, preset, seed=seed, record=record)
    builder = input_builder(encoders[0], model.config)
    builder.tokeniser.save(_made(output))
    write_json(output / CHECKPOINTS / RECIPE, {"recipe": recipe})
    arguments = _arguments(output / CHECKPOINTS, preset, seed, torch_device(device, threads))
    watch = _EpochWatch(known_epochs(output / CHECKPOINTS), on_epoch)
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
    if tensorboard:
        trainer.add_callback(EventWriter(output / EVENTS, trainer))
    trainer.train(resume_from_checkpoint=last_checkpoint(output / CHECKPOINTS))
    result = _result(trainer, watch.results, seed, preset.selection, recipe)
    return _finish(trainer, output, result)


def _printer(trainer: Trainer) -> Any:
    from transformers import PrinterCallback, ProgressCallback

    kinds = (PrinterCallback, ProgressCallback)
    return next(c for c in trainer.callback_handler.callbacks if isinstance(c, kinds))


def _result(
    trainer: FiteTrainer,
    epochs: Sequence[EpochResult],
    seed: int,
    selection: str,
    recipe: str | None,
) -> TrainingResult:
    best = best_epoch(epochs, selection)
    return TrainingResult(
        seed=seed,
        best_epoch=best.number,
        dev_accuracy=best.dev_accuracy,
        dev_macro_f1=best.dev_macro_f1,
        device=str(trainer.args.device),
        epochs=tuple(epochs),
        recipe=recipe,
    )


def _finish(trainer: FiteTrainer, output: Path, result: TrainingResult) -> TrainingResult:
    """Leave the best epoch in output and remove the others."""
    trainer.save_model(str(output))
    if trainer.is_world_process_zero():
        (output / "training_args.bin").unlink(missing_ok=True)  # a pickle: nothing reads it
        write_json(output / RESULT, asdict(result))
        shutil.rmtree(output / CHECKPOINTS)
    return result


def _arguments(folder: Path, preset: Preset, seed: int, device: torch.device) -> TrainingArguments:
    cuda = device.type == "cuda"
    many = torch.distributed.is_torchelastic_launched()
    settled = TrainingArguments(
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
        bf16=torch.cuda.is_bf16_supported() if cuda else cpu_multiplies_bf16(),
        remove_unused_columns=False,
        label_names=["labels"],
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=cuda,
    )
    settled._n_gpu = min(settled.n_gpu, 1)  # a process uses one GPU: several are torchrun's
    return settled


def cpu_multiplies_bf16() -> bool:
    """Whether bfloat16 is faster than float32 here: emulated, it is many times slower."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _measure(prediction: EvalPrediction) -> dict[str, float]:
    outputs = prediction.predictions
    logits = outputs[0] if isinstance(outputs, tuple) else outputs
    logits, gold = np.asarray(logits, np.float32), np.asarray(prediction.label_ids)
    predicted = logits.argmax(axis=-1)
    right, f1 = accuracy(gold, predicted), macro_f1(gold, predicted)
    loss = functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(gold))
    return {
        "accuracy": right,
        "macro_f1": f1,
        "mean": (right + f1) / 2,
        "cross_entropy": float(loss),  # Trainer's own is a mean of batches, not of examples
    }


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
