"""From pictures to descriptions: computes what the store lacks, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fitecli import describe
from fitecli.alignment.open_clip import ClipAligner
from fitecli.alignment.prominence import ProminenceAligner
from fitecli.captions import open_captioner
from fitecli.errors import MissingWeights
from fitecli.faces import asked
from fitecli.pipeline.clip_stage import ClipStage
from fitecli.pipeline.estimates import of_stage
from fitecli.pipeline.extract_options import (
    NO_CLIP,
    ExtractOptions,
    aligner_of,
    analyser_of,
    one_of,
)
from fitecli.pipeline.local import Engine, LocalEngine, Stage, StageReport
from fitecli.pipeline.plugin_stage import PlugInStage
from fitecli.pipeline.stages import CaptionsStage, EmbeddingsStage, FacesStage, ImageStage
from fitecli.pipeline.tweet_stages import DescriptionsStage, ProminenceStage
from fitecli.progress import Progress, unwatched
from fitecli.records import ATTRIBUTES, FeatureSet, Worker
from fitecli.settings import Settings
from fitecli.store import FeatureSetRow, Scope, Store
from fitecli.weights import Loading

STAGES = ("faces", "captions", "alignment", "descriptions", "embeddings")
NOBODY = 0  # the row of what is not registered: no fact points to it
Tell = Callable[[str], None]


class Extractor:
    """The models of one feature set, loaded once and used for any number of scopes."""

    def __init__(
        self,
        store: Store,
        options: ExtractOptions,
        settings: Settings,
        tell: Tell,
        *,
        dry_run: bool = False,
    ) -> None:
        """Open the models, register their workers and the feature set.

        dry_run: nothing is registered, so only `pending` can be asked. Raises MissingWeights where a
        named model cannot be loaded.
        """
        self.store = store
        self.options = options
        self._dry_run = dry_run
        loading = Loading.of(settings, options.threads, options.device, tell)
        self.analyser = analyser_of(options, loading)
        self.captioner = open_captioner(options.captioner, loading)
        self.aligner = aligner_of(options, loading)
        faces: Worker = self.analyser.worker
        captions: Worker | None = self.captioner.worker if self.captioner else None
        alignment = replace(self.aligner.worker, inputs=(faces.fingerprint,))
        self.face_worker_id = self._number(faces)
        self.caption_worker_id = self._number(captions) if captions else None
        self.alignment_worker_id = self._number(alignment)
        self.embedding_worker_id: int | None = None
        if isinstance(self.aligner, ClipAligner):
            embeddings = replace(self.aligner.encoder.worker, inputs=(faces.fingerprint,))
            self.embedding_worker_id = self._number(embeddings)
        self.features = self._features(faces, captions, alignment, tell)

    def _number(self, worker: Worker) -> int:
        """The row of a worker; in a dry run that of nobody where it has none."""
        if self._dry_run:
            return self.store.find_worker(worker) or NOBODY
        return self.store.register_worker(worker)

    def _features(
        self, faces: Worker, captions: Worker | None, alignment: Worker, tell: Tell
    ) -> FeatureSetRow:
        options = self.options
        parts = (
            "-".join((faces.name, *_limits(faces))),
            captions.name.split("/")[-1] if captions else None,
            alignment.name,
            "nobody" if options.nobody else None,
            options.assignment if options.assignment != "paper" else None,
        )
        thresholds = {"theta": options.theta}
        if options.nobody:
            thresholds["nobody"] = options.nobody_margin
        feature_set = FeatureSet(
            name=options.name or "+".join(part for part in parts if part),
            faces=faces.fingerprint,
            captions=captions.fingerprint if captions else None,
            alignment=alignment.fingerprint,
            template=options.template,
            template_version=describe.TEMPLATE_VERSION,
            thresholds=thresholds,
            ablation={} if options.assignment == "paper" else {"assignment": options.assignment},
        )
        if not self._dry_run:
            self.store.register_feature_set(feature_set)
        found = self.store.find_feature_set(feature_set)
        if found is not None and options.name not in (None, found.name):
            tell(f"Features made so are there already, as {found.name}; they keep that name.")
        return found or FeatureSetRow(
            id=NOBODY,
            name=feature_set.name,
            face_worker_id=self.face_worker_id,
            caption_worker_id=self.caption_worker_id,
            alignment_worker_id=self.alignment_worker_id,
            template=feature_set.template,
            template_version=feature_set.template_version,
            thresholds=feature_set.thresholds,
            base_id=None,
            ablation=feature_set.ablation,
            fingerprint=feature_set.fingerprint,
            completed_at=None,
        )

    def stages(self, scope: Scope, only: str | None = None) -> list[Stage]:
        """The stages for a scope, in the order of the flow; only names a single one.

        Embeddings are made only where they are named, after the faces that they are of: no
        description needs them. Raises MissingWeights where they are named and there is no CLIP.
        """
        if only is not None:
            one_of("stage", only, STAGES)
        if only == "embeddings" and self.embedding_worker_id is None:
            raise MissingWeights(NO_CLIP)
        retry = self.options.retry_failed
        stages: list[Stage] = [
            FacesStage(self.store, self.face_worker_id, scope, self.analyser, retry)
        ]
        if self.captioner is not None and self.caption_worker_id is not None:
            stages.append(
                CaptionsStage(self.store, self.caption_worker_id, scope, self.captioner, retry)
            )
        stages.append(self._alignment(scope))
        if only == "embeddings" and isinstance(self.aligner, ClipAligner):
            number = self.embedding_worker_id or 0
            embed = EmbeddingsStage(self.store, number, scope, self.aligner.encoder, retry)
            embed.face_worker_id = self.face_worker_id
            stages.append(embed)
        stages.append(DescriptionsStage(self.store, scope, features=self.features))
        wanted = {"faces", only} if only == "embeddings" else {only}
        return [stage for stage in stages if only is None or stage.name in wanted]

    def _alignment(self, scope: Scope) -> Stage:
        workers: dict[str, Any] = {
            "worker_id": self.alignment_worker_id,
            "face_worker_id": self.face_worker_id,
        }
        if isinstance(self.aligner, ProminenceAligner):
            return ProminenceStage(self.store, scope, **workers, model=self.aligner)
        if not isinstance(self.aligner, ClipAligner):
            return PlugInStage(self.store, scope, **workers, model=self.aligner)
        return ClipStage(
            self.store,
            scope,
            **workers,
            model=self.aligner.encoder,
            mode=self.aligner.mode,
            embedding_worker_id=self.embedding_worker_id or 0,
        )

    def run(
        self,
        scope: Scope,
        *,
        only: str | None = None,
        complete: bool = True,
        progress: Progress = unwatched,
        engine: Engine | None = None,
    ) -> list[StageReport]:
        """Compute what the scope lacks, in this process unless an engine is given.

        A whole run makes the feature set the default one, unless complete is False. A tweet is
        described when its pictures are seen and its faces aligned, so where all are, nothing but
        captions can be lacking; a store of millions is not searched for it.
        """
        engine = engine or LocalEngine(self.options.threads)
        settled = only is None and not self.options.retry_failed
        settled = settled and self.store.all_described(self.features.id, scope)
        reports = []
        for stage in self.stages(scope, only):
            if settled and stage.name != "captions":
                reports.append(StageReport(stage.name, 0, 0))
                continue
            if scope.tweet_ids is None:  # the stage before may have filled tables
                self.store.refresh_statistics()
            told = progress
            if isinstance(stage, ImageStage):
                told = _with_known(progress, partial(self.store.image_count, scope))
            reports.append(engine.run(stage, told))
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
                of_stage(stage, self.options.threads) if isinstance(stage, ImageStage) else None,
            )
            for stage in self.stages(scope, only)
        ]


def _with_known(progress: Progress, count: Callable[[], int]) -> Progress:
    """Progress that also tells how many pictures are known; count: of all, known or not."""
    known: int | None = None

    def told(name: str, finished: int, total: int | None, note: str = "", /) -> None:
        nonlocal known
        if known is None:
            known = count() - total if total else 0
        notes = (f"{known:,} known" if known else "", note)
        progress(name, finished, total, ", ".join(filter(None, notes)))

    return told


def _limits(faces: Worker) -> tuple[str, ...]:
    attributes = asked(faces)[1]
    return () if attributes == ATTRIBUTES else attributes


def failures(reports: Sequence[StageReport]) -> int:
    """How many records failed over all stages."""
    return sum(report.failed for report in reports)
