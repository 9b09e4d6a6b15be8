"""How two pooled sentences become one vector: the paper's gate, its authors' code's, or none."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fitecli.errors import UsageProblem

GATES = ("paper", "paper-tanh", "released", "none")


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


class Concatenation(nn.Module):
    """h = [h_D; h_C]: the ablation without a gate. Source: FITE, section 4.4."""

    def forward(self, face: Tensor, scene: Tensor) -> tuple[Tensor, None]:
        """face, scene: (B, H). Returns (B, 2H), and no weight."""
        return torch.cat([face, scene], dim=-1), None


def make_gate(name: str, hidden: int) -> nn.Module:
    """Build the gate by its name; raises UsageProblem for a name that is not in GATES."""
    if name == "none":
        return Concatenation()
    if name == "paper":
        return PaperGate(hidden)
    if name == "paper-tanh":
        return PaperGate(hidden, "tanh")
    if name == "released":
        return ReleasedGate(hidden)
    raise UsageProblem(f"There is no gate {name!r}; choose one of {', '.join(GATES)}.")
