"""The systems and ablations of the paper: changes to a preset and to the descriptions it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fitecli.describe import ATTRIBUTES, EXTRAS
from fitecli.errors import UsageProblem

if TYPE_CHECKING:
    from fitecli.fusion.presets import Preset

SYSTEMS: dict[str, dict[str, Any]] = {
    "text": {"branches": ("scene",), "scene": "{aspect}", "face_mask": "own"},
    "caption": {"branches": ("scene",), "face_mask": "own"},  # CapBERT's input
    "face": {"branches": ("face",), "face_mask": "own"},
    "fite": {},
}
PARTS = ("gate", "alignment", "caption", "pattern", *ATTRIBUTES)
VISUALS = ("image", "face")


@dataclass(frozen=True)
class Variant:
    """What is trained: the whole network or a part of it, and how faithfully.

    fidelity: see presets.load. system: one of SYSTEMS. without: parts left out, of PARTS (Tables 6
    and 7). single_face: the description tells of the face whose emotion is surest (Table 7).
    visual: a CLIP embedding that joins the fused vector (Table 8). extras: what descriptions tell
    beyond the paper, see describe.Rules. Raises UsageProblem for what does not exist or does not go
    together.
    """

    fidelity: str = "ours"
    system: str = "fite"
    without: tuple[str, ...] = ()
    single_face: bool = False
    visual: str | None = None
    extras: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("without", "extras"):  # each once, in one order
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))
        if self.system not in SYSTEMS:
            raise UsageProblem(
                f"There is no system {self.system!r}; choose one of {', '.join(SYSTEMS)}."
            )
        for part in self.without:
            if part not in PARTS:
                raise UsageProblem(
                    f"There is no part {part!r} to leave out; choose of {', '.join(PARTS)}."
                )
        if self.visual not in (None, *VISUALS):
            raise UsageProblem(
                f"There is no visual {self.visual!r}; choose one of {', '.join(VISUALS)}."
            )
        missing = {"text": PARTS, "caption": PARTS, "face": ("gate", "caption")}
        for part in self.without:
            if part in missing.get(self.system, ()):
                raise UsageProblem(
                    f"The system {self.system!r} has no {part} to leave out: drop it from "
                    "--without."
                )
        for extra in self.extras:
            if extra not in EXTRAS:
                raise UsageProblem(f"There is no extra {extra!r}; choose of {', '.join(EXTRAS)}.")
        reads_faces = self.single_face or self.extras
        if reads_faces and self.system in ("text", "caption"):
            raise UsageProblem(f"The system {self.system!r} reads no faces: choose face or fite.")

    @property
    def name(self) -> str:
        """The variant as a path, such as "released/text"; empty for the whole network, ours."""
        parts = [self.fidelity] if self.fidelity != "ours" else []
        parts += [self.system] if self.system != "fite" else []
        parts += [f"without-{part}" for part in self.without]
        parts += ["single-face"] if self.single_face else []
        parts += [f"visual-{self.visual}"] if self.visual else []
        parts += self.extras
        return "/".join(parts)

    def _descriptions(self) -> dict[str, Any]:
        """The fields of describe.Rules that this variant changes."""
        without = [part for part in self.without if part not in ("gate", "caption")]
        changes = {"without": without, "extras": list(self.extras), "single_face": self.single_face}
        return {name: value for name, value in changes.items() if value}

    def preset(self, name: str, *, visual_size: int = 0) -> Preset:
        """The preset of that name, changed; its own name tells the variant."""
        from fitecli.fusion import presets

        base = presets.load(name, self.fidelity)
        changes: dict[str, Any] = dict(SYSTEMS[self.system])
        if "caption" in self.without:
            changes["scene"] = "{aspect}"
        if self.visual:
            changes |= {"visual": self.visual, "visual_size": visual_size}
        changes["descriptions"] = {**base.input.descriptions, **self._descriptions()}
        return replace(
            base,
            name="/".join(filter(None, (base.name, self.name))),
            gate="none" if "gate" in self.without else base.gate,
            input=replace(base.input, **changes),
        )
