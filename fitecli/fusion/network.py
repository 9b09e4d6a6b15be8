"""The gated network: two language models read text+faces and text+scene, a gate fuses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from fitecli.errors import ShapeMismatch, UsageProblem
from fitecli.records import LABELS

GATES = ("paper", "paper-tanh", "released")


class FiteConfig(PretrainedConfig):
    """Everything that rebuilds a FiteModel.

    face_encoder, scene_encoder: configurations of the two language models. gate: "paper" (eq. 9-10
    with a sigmoid), "paper-tanh" (the same with the tanh that the paper names) or "released".
    share_word_embeddings: one table of word embeddings for both encoders. max_tokens: tokens of a
    pair that the model was trained on. wording: the second sentences (inputs.Wording). preset,
    features, datasets: how it was made, for the record.
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
        max_tokens: int = 128,
        preset: str | None = None,
        features: str | None = None,
        datasets: list[str] | None = None,
        wording: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        self.face_encoder = dict(face_encoder or {})
        self.scene_encoder = dict(scene_encoder or self.face_encoder)
        self.gate = gate
        self.dropout = dropout
        self.share_word_embeddings = share_word_embeddings
        self.freeze_word_embeddings = freeze_word_embeddings
        self.max_tokens = max_tokens
        self.preset = preset
        self.features = features
        self.datasets = list(datasets or [])
        self.wording = dict(wording or {})
        kwargs.setdefault("tie_word_embeddings", share_word_embeddings)
        kwargs.setdefault("id2label", dict(enumerate(LABELS)))
        kwargs.setdefault("label2id", {label: index for index, label in enumerate(LABELS)})
        super().__init__(**kwargs)

    @property
    def segments(self) -> bool:
        """Whether both encoders know two segments, so that token types are worth making."""
        return all(
            int(encoder.get("type_vocab_size", 0) or 0) >= 2
            for encoder in (self.face_encoder, self.scene_encoder)
        )


@dataclass
class FiteOutput(ModelOutput):
    """loss: scalar, where labels were given. logits: (B, 3). gate: (B,) mean weight of the faces."""

    loss: Tensor | None = None
    logits: Tensor | None = None
    gate: Tensor | None = None


class PaperGate(nn.Module):
    """g = act(W_D h_D + W_C h_C + b); h = g*h_D + (1-g)*h_C. Source: FITE, eq. 9-10."""

    def __init__(self, hidden: int, activation: str = "sigmoid") -> None:
        super().__init__()
        self.face = nn.Linear(hidden, hidden)
        self.scene = nn.Linear(hidden, hidden, bias=False)
        self.activation = torch.tanh if activation == "tanh" else torch.sigmoid

    def forward(self, face: Tensor, scene: Tensor) -> tuple[Tensor, Tensor]:
        """face, scene: (B, H). Returns the blend (B, H) and the weight of the faces (B, H)."""
        weight = self.activation(self.face(face) + self.scene(scene))
        return weight * face + (1 - weight) * scene, weight


class ReleasedGate(nn.Module):
    """c = W1 h_C + b1, f = W2 h_D + b2, g = sigmoid(W3 (c*f) + b3), h = g*c + (1-g)*f.

    The gate of the authors' released code; its g weighs the scene, so 1-g is returned.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.scene = nn.Linear(hidden, hidden)
        self.face = nn.Linear(hidden, hidden)
        self.product = nn.Linear(hidden, hidden)

    def forward(self, face: Tensor, scene: Tensor) -> tuple[Tensor, Tensor]:
        """face, scene: (B, H). Returns the blend (B, H) and the weight of the faces (B, H)."""
        projected_scene, projected_face = self.scene(scene), self.face(face)
        weight = torch.sigmoid(self.product(projected_scene * projected_face))
        return weight * projected_scene + (1 - weight) * projected_face, 1 - weight


def make_gate(name: str, hidden: int) -> nn.Module:
    """Build the gate by its name; raises UsageProblem for a name that is not in GATES."""
    if name == "paper":
        return PaperGate(hidden)
    if name == "paper-tanh":
        return PaperGate(hidden, "tanh")
    if name == "released":
        return ReleasedGate(hidden)
    raise UsageProblem(f"There is no gate {name!r}; choose one of {', '.join(GATES)}.")


def _encoder(config: dict[str, Any], attention: str | None) -> PreTrainedModel:
    settings = dict(config)
    rebuilt = AutoConfig.for_model(settings.pop("model_type"), **settings)
    return cast(PreTrainedModel, AutoModel.from_config(rebuilt, attn_implementation=attention))


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
        self.face_encoder = _encoder(config.face_encoder, attention)
        self.scene_encoder = _encoder(config.scene_encoder, attention)
        hidden = int(self.face_encoder.config.hidden_size)
        if int(self.scene_encoder.config.hidden_size) != hidden:
            raise ShapeMismatch(
                f"The two encoders differ in hidden size ({hidden} and "
                f"{self.scene_encoder.config.hidden_size}); the gate needs them equal."
            )
        self.gate = make_gate(config.gate, hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(hidden, len(LABELS))
        if not config.share_word_embeddings:
            self._tied_weights_keys = {}
        self.post_init()
        self._freeze()

    def _freeze(self) -> None:
        if self.config.freeze_word_embeddings:
            for encoder in (self.face_encoder, self.scene_encoder):
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
        """Build a model on pretrained language models, each a folder or a hub name.

        The gate and the classifier start from the seed. settings go to FiteConfig. Raises OSError
        (from transformers) where a language model cannot be loaded; training translates it.
        """
        face_encoder = AutoModel.from_pretrained(face, dtype=torch.float32)
        scene_encoder = AutoModel.from_pretrained(scene or face, dtype=torch.float32)
        torch.manual_seed(seed)
        config = FiteConfig(
            face_encoder=face_encoder.config.to_dict(),
            scene_encoder=scene_encoder.config.to_dict(),
            **settings,
        )
        model = cls(config)
        model.face_encoder.load_state_dict(face_encoder.state_dict())
        model.scene_encoder.load_state_dict(scene_encoder.state_dict())
        model.tie_weights()
        model._freeze()
        return model

    def forward(
        self,
        face_input_ids: Tensor,
        face_attention_mask: Tensor,
        scene_input_ids: Tensor,
        scene_attention_mask: Tensor,
        face_token_type_ids: Tensor | None = None,
        scene_token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        **_: Any,
    ) -> FiteOutput:
        """Read both sentences, fuse, classify.

        *_input_ids, *_attention_mask, *_token_type_ids: (B, T), T may differ between face and
        scene; each encoder has the mask of its own sentence. labels: (B,) indices into LABELS.
        Source: FITE, section 3.5.
        """
        face = _pooled(self.face_encoder, face_input_ids, face_attention_mask, face_token_type_ids)
        scene = _pooled(
            self.scene_encoder, scene_input_ids, scene_attention_mask, scene_token_type_ids
        )
        fused, weight = self.gate(face, scene)  # (B, H)
        logits = self.classifier(self.dropout(fused))  # (B, 3)
        loss = None if labels is None else nn.functional.cross_entropy(logits.float(), labels)
        return FiteOutput(loss=loss, logits=logits, gate=weight.mean(dim=-1))


def _pooled(encoder: Any, ids: Tensor, mask: Tensor, segments: Tensor | None) -> Tensor:
    more = {} if segments is None else {"token_type_ids": segments}
    output = encoder(input_ids=ids, attention_mask=mask, **more)
    return cast(Tensor, output.pooler_output)  # (B, H)


AutoConfig.register("fite", FiteConfig, exist_ok=True)
AutoModel.register(FiteConfig, FiteModel, exist_ok=True)
