"""How features are made: the options of `fite extract`, and the models that they name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import isnan

from fitecli import describe
from fitecli.alignment import ROOM as ALIGNERS
from fitecli.alignment import AnyAligner, open_aligner
from fitecli.alignment.open_clip import ClipAligner
from fitecli.captions import open_captioner
from fitecli.errors import MissingWeights, UsageProblem
from fitecli.faces import ROOM as ANALYSERS
from fitecli.faces import FaceAnalyser, open_analyser
from fitecli.pipeline.work import CaptionsWork, EmbeddingsWork, FacesWork, ImageWork
from fitecli.processes import cores
from fitecli.records import ATTRIBUTES
from fitecli.settings import Settings
from fitecli.weights import Loading, check_machine

NO_CLIP = "Embeddings need CLIP: `fite extract --aligner clip` tells more."


@dataclass(frozen=True)
class ExtractOptions:
    """How features are made; "auto" takes the best that works here and says what it took.

    detector: one of DeepFace's. clip: a CLIP other than the paper's. nobody: whether CLIP may leave
    an aspect without a face. assignment, nobody_margin: see `describe.assign`.
    """

    faces: str = "auto"
    detector: str | None = None
    attributes: tuple[str, ...] = ATTRIBUTES
    captioner: str = "auto"
    aligner: str = "auto"
    clip: str | None = None
    nobody: bool = False
    nobody_margin: float = describe.NOBODY_MARGIN
    assignment: str = "paper"
    template: str = "published"
    theta: float = describe.THETA
    name: str | None = None
    threads: int = 2
    device: str = "auto"
    retry_failed: bool = False

    def __post_init__(self) -> None:
        """Raises UsageProblem for a name that there is not, threads or a device that no machine has."""
        check_machine(self.threads, self.device)
        object.__setattr__(self, "threads", cores(self.threads))
        if not isinstance(self.captioner, str):
            raise UsageProblem(
                f"There is no captioner {self.captioner!r}; leave it out, or say 'none'."
            )
        for name in ("theta", "nobody_margin"):
            if not isinstance(value := getattr(self, name), int | float) or isnan(value):
                raise UsageProblem(f"{name} takes a number, not {value!r}.")
        if not 0 <= self.theta <= 1:
            raise UsageProblem(f"theta is between 0 and 1; {self.theta!r} is none: choose another.")
        ANALYSERS.check(self.faces)
        ALIGNERS.check(self.aligner)
        one_of("template", self.template, describe.TEMPLATES)
        one_of("assignment", self.assignment, describe.ASSIGNMENTS)


def open_work(stage: str, options: ExtractOptions, settings: Settings) -> ImageWork:
    """Open the model of one stage that looks at pictures: faces, captions or embeddings.

    Raises MissingWeights where it cannot be loaded.
    """
    loading = Loading.of(settings, options.threads, options.device, lambda message: None)
    if stage == "faces":
        return FacesWork(analyser_of(options, loading))
    if stage == "captions":
        return CaptionsWork(open_captioner(options.captioner, loading))
    aligner = aligner_of(options, loading)
    if not isinstance(aligner, ClipAligner):
        raise MissingWeights(NO_CLIP)
    return EmbeddingsWork(aligner.encoder)


def analyser_of(options: ExtractOptions, loading: Loading) -> FaceAnalyser:
    """The face analyser that the options name; raises MissingWeights where it cannot be loaded."""
    return open_analyser(options.faces, loading, options.detector, options.attributes)


def aligner_of(options: ExtractOptions, loading: Loading) -> AnyAligner:
    """The aligner that the options name; raises MissingWeights where it cannot be loaded."""
    return open_aligner(options.aligner, loading, nobody=options.nobody, model=options.clip)


def one_of(what: str, name: str, known: Collection[str]) -> None:
    """Raise UsageProblem for a name that there is not."""
    if name not in known:
        raise UsageProblem(f"There is no {what} {name!r}; choose one of {', '.join(known)}.")
