"""Tweets of the store, predicted: with the features that it has of them, else with new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fitecli.errors import FiteError, NoExamples, UsageProblem
from fitecli.evaluation import open_predictor
from fitecli.pipeline.derived import derive_features, rules_of
from fitecli.pipeline.examples import choose_features, example_of
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.local import WAITING
from fitecli.pipeline.models import locate_model, register, save
from fitecli.pipeline.remade import options_of
from fitecli.predictor import Predictor
from fitecli.records import Prediction
from fitecli.settings import Settings
from fitecli.store import FeatureSetRow, Scope, Store, StoredAspect
from fitecli.weights import check_machine

Tell = Callable[[str], None]

WITHOUT_TORCH = ExtractOptions(captioner="none", aligner="prominence")


@dataclass(frozen=True)
class ClassifyOptions:
    """What `fite classify` is asked for; the captioner and aligner defaults need no torch.

    fresh: whether only features made by `extract` will do, since its models were named. min_score:
    an aspect whose best score is below it gets no sentiment.
    """

    model: str = "fite-mini"
    features: str | None = None
    extract: ExtractOptions = WITHOUT_TORCH
    fresh: bool = False
    find_aspects: bool = True
    threads: int = 0
    device: str = "cpu"
    min_score: float = 0.0

    def __post_init__(self) -> None:
        """Raises UsageProblem for what no model can do."""
        check_machine(self.threads, self.device)
        if not isinstance(self.min_score, int | float) or not 0 <= self.min_score <= 1:
            raise UsageProblem(
                f"A score is between 0 and 1; {self.min_score!r} is no limit: choose one between."
            )


@dataclass
class Answer:
    """What is known of one tweet: its predictions, and its pictures that cannot be read."""

    features: FeatureSetRow
    aspects: list[tuple[StoredAspect, Prediction]] = field(default_factory=list)
    failed_pictures: dict[str, str] = field(default_factory=dict)  # name -> reason


class TweetPredictor:
    """Predicts all aspects of stored tweets, and counts what it knew and what failed."""

    def __init__(
        self, store: Store, options: ClassifyOptions, settings: Settings, tell: Tell
    ) -> None:
        """Load the model; the vision models are loaded when the first tweet needs them."""
        folder = locate_model(options.model, settings)
        self.store = store
        self.options = options
        self.settings = settings
        self.tell = tell
        self.model: Predictor = open_predictor(
            folder, threads=options.threads, device=options.device
        )
        if self.model.input.visual is not None:
            raise UsageProblem(
                f"{self.model.name} reads CLIP embeddings of pictures, which `fite classify` "
                "does not make; measure it with `fite evaluate`."
            )
        self.known = 0  # answers that the store had
        self.failed_pictures = 0  # of the tweets classified, however long ago they failed
        self._folder = folder
        self._model_id: int | None = None
        self._sets_default = False  # whether new features become the dataset's default
        self._extractor: Extractor | None = None
        self._preferred: FeatureSetRow | None = None  # its rows are used where the store has them
        if options.features is not None:
            self._preferred = choose_features(store, options.features, tell)
        self._aligners: dict[int, str | None] = {}
        self._waited = False  # for another process, and said so

    def begin(self, dataset: str) -> None:
        """Choose the features, unless they or their models are named; make the model a row."""
        default = self.store.feature_set(datasets=(dataset,))
        self._sets_default = default is None
        if self.options.features is None and not self.options.fresh:
            self._preferred = default
        self._model_id = register(self.store, self._folder, self.model)

    def predict(self, ids: Sequence[int]) -> dict[int, Answer]:
        """Predict the aspects of tweets: with the cached features where they are, else with new ones."""
        answers: dict[int, Answer] = {}
        cached: set[int] = set()
        if self._preferred is not None:
            cached = self.store.described(self._preferred.id, ids)
            answers |= self._predict_with(self._preferred, sorted(cached))
        rest = [number for number in ids if number not in cached]
        if rest:
            extractor = self._extract()
            new = extractor.features.completed_at is None
            scope, complete = Scope(tweet_ids=tuple(rest)), new and self._sets_default
            extractor.run(scope, complete=complete, progress=self._waiting)
            answers |= self._predict_with(self._as_named(extractor.features, rest), rest)
        return answers

    def _waiting(self, stage: str, done: int, total: int | None, note: str = "", /) -> None:
        """Progress that tells, once, that another process is waited for; the lines tell of the rest."""
        if WAITING in note and not self._waited:
            self._waited = True
            self.tell(f"{stage}: {note}.")

    def _as_named(self, features: FeatureSetRow, ids: Sequence[int]) -> FeatureSetRow:
        """New features of tweets; derived from them, where such a set was named."""
        if self.options.features is None or self._preferred is None:
            return features
        rules, scope = rules_of(self._preferred), Scope(tweet_ids=tuple(ids))
        return derive_features(self.store, features, rules, [scope], lambda message: None)

    @property
    def new_features(self) -> FeatureSetRow:
        """The features that tweets get which have none; opens their models."""
        return self._extract().features

    def _extract(self) -> Extractor:
        if self._extractor is None:
            named = self._preferred if self.options.features is not None else None
            self._extractor = (
                Extractor(self.store, self.options.extract, self.settings, self.tell)
                if named is None
                else self._extractor_of(named)
            )
        return self._extractor

    def _extractor_of(self, features: FeatureSetRow) -> Extractor:
        """The models that made a feature set, or that which it is derived from, for tweets that lack it;
        raises NoExamples."""
        base = features
        if features.base_id is not None:
            base = next(row for row in self.store.feature_sets() if row.id == features.base_id)
        try:
            options = options_of(self.store, base, self.options.extract)
            extractor = Extractor(self.store, options, self.settings, self.tell)
            reason = "its models have changed since."
        except FiteError as error:
            extractor, reason = None, str(error)
        if extractor is None or extractor.features.id != base.id:
            raise NoExamples(
                f"Some tweets lack the features {features.name}, and they cannot be made here: "
                f"{reason} Leave out --features to make others."
            )
        return extractor

    def _predict_with(self, features: FeatureSetRow, ids: Sequence[int]) -> dict[int, Answer]:
        assert self._model_id is not None  # noqa: S101 - for mypy: settled before the first tweet
        scope = Scope(tweet_ids=tuple(ids))
        rules = rules_of(features).changed(self.model.input.descriptions)
        features = derive_features(self.store, features, rules, [scope], lambda message: None)
        answers = {number: Answer(features) for number in ids}
        rows = list(self.store.stored_aspects(scope, features))
        examples = [example_of(row) for row in rows]
        known = self.store.known_predictions(self._model_id, [row.aspect_id for row in rows])
        pairs = self.model.predict_hashed(examples, known)
        self.known += sum(digest in known for _, digest in pairs)
        save(self.store, self._model_id, features, examples, pairs)
        for row, (prediction, _) in zip(rows, pairs, strict=True):
            answers[row.tweet_id].aspects.append((row, prediction))
        for number, name, reason in self.store.failed_pictures(ids, features):
            answers[number].failed_pictures[name] = reason
            self.failed_pictures += 1
        return answers

    def aligner(self, features: FeatureSetRow) -> str | None:
        """The aligner's name as people should read it: a guess is called one."""
        if features.id not in self._aligners:
            number = features.alignment_worker_id
            name = None if number is None else self.store.worker(number).name
            self._aligners[features.id] = "prominence (guess)" if name == "prominence" else name
        return self._aligners[features.id]
