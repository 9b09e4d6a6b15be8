"""The gated network: two language models read text+faces and text+scene, a gate fuses them.

Its ablations are the same class: one branch alone, concatenation in place of the gate, and a visual
embedding joined to the fused vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils import ModelOutput

from fitecli.errors import ShapeMismatch
from fitecli.fusion.gates import make_gate
from fitecli.inputs import InputFormat
from fitecli.records import LABELS


class FiteConfig(PretrainedConfig):
    """Everything that rebuilds a FiteModel.

    face_encoder, scene_encoder: configurations of the two language models. gate: "paper" (eq. 9-10
    with a sigmoid), "paper-tanh" (the same with the tanh that the paper names), "released", or
    "none" (concatenation). share_word_embeddings: one table of word embeddings for both encoders.
    input: what the network reads (InputFormat.to_dict). For the record, how it was made: preset,
    recipe (its settings), features, datasets, hold_out (whether the epoch was chosen on a part of
    train), and who its teachers were and the datasets that they looked at (taught); None where it
    is not told.
    """

    model_type = "fite"

    def __init__(
        self,
        face_encoder: dict[str, Any] | None = None,
        scene_encoder: dict[str, Any] | None = None,
        gate: str = "paper",
        dropout: float = 0.1,
        share_word_embeddings: bool = False,
        freeze_word_embeddings: bool = False,
        input: dict[str, Any] | None = None,
        preset: str | None = None,
        features: str | None = None,
        datasets: list[str] | None = None,
        hold_out: bool | None = None,
        taught: list[str] | None = None,
        teachers: list[dict[str, Any]] | None = None,
        recipe: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.face_encoder = dict(face_encoder or {})
        self.scene_encoder = dict(scene_encoder or self.face_encoder)
        self.face_encoder = self.face_encoder or self.scene_encoder
        self.gate = gate
        self.dropout = dropout
        self.share_word_embeddings = share_word_embeddings
        self.freeze_word_embeddings = freeze_word_embeddings
        self.input = InputFormat.of(input or {}).to_dict()
        self.preset = preset
        self.features = features
        self.datasets = list(datasets or [])
        self.hold_out = hold_out
        self.taught = taught
        self.teachers = teachers
        self.recipe = dict(recipe or {})
        kwargs.setdefault("tie_word_embeddings", self.ties)
        kwargs.setdefault("id2label", dict(enumerate(LABELS)))
        kwargs.setdefault("label2id", {label: index for index, label in enumerate(LABELS)})
        super().__init__(**kwargs)

    @property
    def branches(self) -> tuple[str, ...]:
        """The sentences that are read, each by an encoder of its own."""
        return tuple(self.input["branches"])

    @property
    def ties(self) -> bool:
        """Whether two encoders share one table of word embeddings."""
        return self.share_word_embeddings and len(self.branches) > 1

    @property
    def encoders(self) -> dict[str, dict[str, Any]]:
        """Branch -> configuration of its language model."""
        return {branch: getattr(self, f"{branch}_encoder") for branch in self.branches}

    @property
    def segments(self) -> bool:
        """Whether all encoders know two segments, so that token types are worth making."""
        return bool(self.input["token_types"]) and all(
            int(encoder.get("type_vocab_size", 0) or 0) >= 2 for encoder in self.encoders.values()
        )


@dataclass
class FiteOutput(ModelOutput):
    """loss: scalar, where labels were given. logits: (B, 3). gate: (B,) mean weight of the faces,
    where there is a gate. fused: (B, D) what the classifier reads."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    gate: Tensor | None = None
    fused: Tensor | None = None


def _encoder(config: dict[str, Any], attention: str | None) -> PreTrainedModel:
    settings = dict(config)
    rebuilt = AutoConfig.for_model(settings.pop("model_type"), **settings)
    return cast(
        PreTrainedModel,
        AutoModel.from_config(rebuilt, attn_implementation=attention, trust_remote_code=False),
    )


def positions_of(encoder: dict[str, Any]) -> int:
    """Tokens that an encoder has positions for; RoBERTa-type ones (BERTweet) start counting after
    the padding id."""
    offset = encoder["pad_token_id"] + 1 if "roberta" in encoder["model_type"] else 0
    return int(encoder["max_position_embeddings"]) - offset


class FiteModel(PreTrainedModel):
    """The FITE network as a Hugging Face model: logits for negative, neutral, positive."""

    config_class = FiteConfig
    base_model_prefix = "fite"
    main_input_name = "face_input_ids"
    _supports_sdpa = True
    _tied_weights_keys = {  # noqa: RUF012 - transformers reads it from the class
        "scene_encoder.embeddings.word_embeddings.weight": (
            "face_encoder.embeddings.word_embeddings.weight"
        )
    }

    def __init__(self, config: FiteConfig) -> None:
        super().__init__(config)
        attention = config._attn_implementation
        for branch, encoder in config.encoders.items():
            setattr(self, f"{branch}_encoder", _encoder(encoder, attention))
        sizes = {name: int(encoder.config.hidden_size) for name, encoder in self.encoders.items()}
        hidden = next(iter(sizes.values()))
        if set(sizes.values()) != {hidden}:
            raise ShapeMismatch(
                f"The two encoders differ in hidden size ({sizes['face']} and {sizes['scene']}); "
                "the gate needs them equal: choose another encoder or scene_encoder in the preset."
            )
        both = len(sizes) > 1
        if both:
            self.gate = make_gate(config.gate, hidden)
        width = 2 * hidden if both and config.gate == "none" else hidden
        if config.input["visual"]:
            self.visual = nn.Linear(config.input["visual_size"], hidden)
            width += hidden
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(width, len(LABELS))
        if not config.ties:
            self._tied_weights_keys = {}
        self.post_init()
        self._freeze()

    @property
    def encoders(self) -> dict[str, PreTrainedModel]:
        """Branch -> its language model."""
        return {branch: getattr(self, f"{branch}_encoder") for branch in self.config.branches}

    def _freeze(self) -> None:
        if self.config.freeze_word_embeddings:
            for encoder in self.encoders.values():
                encoder.get_input_embeddings().weight.requires_grad_(False)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        else:
            super()._init_weights(module)

    @classmethod
    def from_encoders(
        cls, face: str, scene: str | None = None, *, seed: int = 0, **settings: Any
    ) -> FiteModel:
        """Build a model on pretrained language models, each a folder, a hub name or a checkpoint, of
        which the encoder of the same branch is taken, or its only one.

        The gate and the classifier start from the seed. settings go to FiteConfig; input.max_tokens
        is lowered to what the encoders have positions for. Raises OSError or ValueError (from
        transformers) where a language model cannot be loaded, or only by code or a pickle of its
        own; training translates it.
        """
        read = InputFormat.of(settings.get("input") or {}).branches
        folders = {"face": face, "scene": scene or face}
        pretrained = {branch: cls._language_model(folders[branch], branch) for branch in read}
        torch.manual_seed(seed)
        known = {name: model.config.to_dict() for name, model in pretrained.items()}
        config = FiteConfig(
            **{f"{name}_encoder": value for name, value in known.items()}, **settings
        )
        positions = [positions_of(encoder) for encoder in known.values()]
        config.input["max_tokens"] = min(config.input["max_tokens"], *positions)
        model = cls(config)
        for branch, encoder in model.encoders.items():
            encoder.load_state_dict(pretrained[branch].state_dict())
        model.tie_weights()
        model._freeze()
        return model

    @classmethod
    def _language_model(cls, folder: str, branch: str) -> PreTrainedModel:
        found = AutoModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
        if not isinstance(found, cls):
            return cast(PreTrainedModel, found)
        encoders = found.encoders
        return encoders[branch if branch in encoders else next(iter(encoders))]

    def forward(
        self,
        face_input_ids: Tensor | None = None,
        face_attention_mask: Tensor | None = None,
        scene_input_ids: Tensor | None = None,
        scene_attention_mask: Tensor | None = None,
        face_token_type_ids: Tensor | None = None,
        scene_token_type_ids: Tensor | None = None,
        visual: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Any,
    ) -> FiteOutput:
        """Read the sentences, fuse, classify.

        *_input_ids, *_attention_mask, *_token_type_ids: (B, T) of each branch that the model has;
        T may differ between them, and each encoder has a mask of its own. visual: (B, D), where
        the model reads one. labels: (B,) indices into LABELS. Source: FITE, section 3.5.
        """
        inputs = {
            "face": (face_input_ids, face_attention_mask, face_token_type_ids),
            "scene": (scene_input_ids, scene_attention_mask, scene_token_type_ids),
        }
        pooled = [_pooled(encoder, *inputs[name]) for name, encoder in self.encoders.items()]
        weight = None
        fused = pooled[0]  # (B, H)
        if len(pooled) > 1:
            fused, weight = self.gate(*pooled)
        if self.config.input["visual"]:
            fused = torch.cat([fused, torch.tanh(self.visual(visual))], dim=-1)
        logits = self.classifier(self.dropout(fused))  # (B, 3)
        loss = None if labels is None else nn.functional.cross_entropy(logits.float(), labels)
        gate = None if weight is None else weight.mean(dim=-1)
        return FiteOutput(loss=loss, logits=logits, gate=gate, fused=fused)


def _pooled(encoder: Any, ids: Any, mask: Any, segments: Tensor | None) -> Tensor:
    more = {} if segments is None else {"token_type_ids": segments}
    output = encoder(input_ids=ids, attention_mask=mask, **more)
    return cast(Tensor, output.pooler_output)  # (B, H)


AutoConfig.register("fite", FiteConfig, exist_ok=True)
AutoModel.register(FiteConfig, FiteModel, exist_ok=True)
AutoModelForSequenceClassification.register(FiteConfig, FiteModel, exist_ok=True)
