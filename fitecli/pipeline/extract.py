"""From pictures to descriptions: computes what the store lacks, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fitecli import describe
from fitecli.alignment import open_aligner
from fitecli.alignment.prominence import ProminenceAligner
from fitecli.captions import open_captioner
from fitecli.errors import MissingWeights, UsageProblem
from fitecli.faces import open_analyser
from fitecli.pipeline.estimates import of_stage
from fitecli.pipeline.local import Progress, Stage, StageReport, run_stage
from fitecli.pipeline.stages import CaptionsStage, EmbeddingsStage, FacesStage, ImageStage
from fitecli.pipeline.tweet_stages import ClipStage, DescriptionsStage, ProminenceStage
from fitecli.records import FeatureSet, Worker
from fitecli.settings import Settings
from fitecli.store import FeatureSetRow, Scope, Store
from fitecli.weights import Loading

STAGES = ("faces", "captions", "alignment", "descriptions", "embeddings")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class ExtractOptions:
    """How features are made; "auto" takes the best that works here and says what it took."""

    faces: str = "auto"
    captioner: str = "auto"
    aligner: str = "auto"
    template: str = "published"
    theta: float = describe.THETA
    name: str | None = None
    threads: int = 2
    device: str = "auto"
    retry_failed: bool = False
    detector: str | None = None  # of DeepFace's, if not its default


class Extractor:
    """The models of one feature set, loaded once and used for any number of scopes."""

    def __init__(
        self, store: Store, options: ExtractOptions, settings: Settings, tell: Tell
    ) -> None:
        """Open the models, register their workers and the feature set.

        Raises MissingWeights where a named model cannot be loaded, UsageProblem for a wrong name.
        """
        if options.template not in describe.TEMPLATES:
            raise UsageProblem(
                f"There is no template {options.template!r}; "
                f"choose one of {', '.join(describe.TEMPLATES)}."
            )
        self.store = store
        self.options = options
        loading = Loading(
            options.threads, options.device, settings.models, settings.offline, tell,
            settings.deepface,
        )  # fmt: skip
        self.analyser = open_analyser(options.faces, loading, options.detector)
        self.captioner = open_captioner(options.captioner, loading)
        self.aligner = open_aligner(options.aligner, loading)
        faces: Worker = self.analyser.worker
        captions: Worker | None = self.captioner.worker if self.captioner else None
        alignment = replace(self.aligner.worker, inputs=(faces.fingerprint,))
        self.face_worker_id = store.register_worker(faces)
        self.caption_worker_id = store.register_worker(captions) if captions else None
        self.alignment_worker_id = store.register_worker(alignment)
        self.embedding_worker_id: int | None = None
        if not self.guesses:
            embeddings = replace(alignment, kind="embeddings")
            self.embedding_worker_id = store.register_worker(embeddings)
        self.features = self._register(faces, captions, alignment)

    @property
    def guesses(self) -> bool:
        """Whether the aligner is a guess, without CLIP."""
        return isinstance(self.aligner, ProminenceAligner)

    def _register(self, faces: Worker, captions: Worker | None, alignment: Worker) -> FeatureSetRow:
        parts = (faces.name, captions.name.split("/")[-1] if captions else None, alignment.name)
        feature_set = FeatureSet(
            name=self.options.name or "+".join(part for part in parts if part),
            faces=faces.fingerprint,
            captions=captions.fingerprint if captions else None,
            alignment=alignment.fingerprint,
            template=self.options.template,
            template_version=describe.TEMPLATE_VERSION,
            thresholds={"theta": self.options.theta},
        )
        number = self.store.register_feature_set(feature_set)
        return next(row for row in self.store.feature_sets() if row.id == number)

    def stages(self, scope: Scope, only: str | None = None) -> list[Stage]:
        """The stages for a scope, in the order of the flow; only names a single one.

        Embeddings are made only where they are named, after the faces that they are of: no
        description needs them. Raises
        MissingWeights where they are named and there is no CLIP.
        """
        if only is not None and only not in STAGES:
            raise UsageProblem(f"There is no stage {only!r}; choose one of {', '.join(STAGES)}.")
        if only == "embeddings" and self.embedding_worker_id is None:
            raise MissingWeights("Embeddings need CLIP: `fite extract --aligner clip` tells more.")
        retry = self.options.retry_failed
        stages: list[Stage] = [
            FacesStage(self.store, self.face_worker_id, scope, self.analyser, retry)
        ]
        if self.captioner is not None and self.caption_worker_id is not None:
            stages.append(
                CaptionsStage(self.store, self.caption_worker_id, scope, self.captioner, retry)
            )
        shared: dict[str, Any] = {
            "worker_id": self.alignment_worker_id,
            "face_worker_id": self.face_worker_id,
            "model": self.aligner,
        }
        if self.embedding_worker_id is None:
            stages.append(ProminenceStage(self.store, scope, **shared))
        else:
            number = self.embedding_worker_id
            stages.append(ClipStage(self.store, scope, **shared, embedding_worker_id=number))
            if only == "embeddings":
                embed = EmbeddingsStage(self.store, number, scope, self.aligner, retry)
                embed.face_worker_id = self.face_worker_id
                stages.append(embed)
        stages.append(DescriptionsStage(self.store, scope, features=self.features))
        wanted = {"faces", only} if only == "embeddings" else {only}
        return [stage for stage in stages if only is None or stage.name in wanted]

    def run(
        self,
        scope: Scope,
        *,
        only: str | None = None,
        complete: bool = True,
        progress: Progress = lambda name, finished, total: None,
    ) -> list[StageReport]:
        """Compute what the scope lacks.

        A whole run makes the feature set the default one, unless complete is False.
        """
        reports = [
            run_stage(stage, threads=self.options.threads, progress=progress)
            for stage in self.stages(scope, only)
        ]
        if only is None and complete:
            self.store.complete_feature_set(self.features.id)
        return reports

    def pending(self, scope: Scope, only: str | None = None) -> list[tuple[str, int, float | None]]:
        """Each stage, how many items it lacks now and the seconds they should take.

        Later stages also wait for earlier ones; only stages that look at pictures are timed.
        """
        return [
            (
                stage.name,
                stage.count(),
                of_stage(stage) if isinstance(stage, ImageStage) else None,
            )
            for stage in self.stages(scope, only)
        ]


def options_of(store: Store, features: FeatureSetRow, base: ExtractOptions) -> ExtractOptions:
    """The options that make a feature set of the store; the rest is taken from base."""
    workers = (features.face_worker_id, features.caption_worker_id, features.alignment_worker_id)
    faces, captioner, aligner = (
        "none" if number is None else store.worker(number).name for number in workers
    )
    return replace(
        base,
        faces=faces,
        detector=store.worker(features.face_worker_id).settings.get("detector"),
        captioner=captioner,
        aligner=aligner,
        template=features.template,
        theta=features.thresholds.get("theta", describe.THETA),
    )


def failures(reports: Sequence[StageReport]) -> int:
    """How many records failed over all stages."""
    return sum(report.failed for report in reports)
