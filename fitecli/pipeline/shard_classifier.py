"""Shards become their files of lines: by workers that each load the models once, with a recipe that says
what made the lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from fitecli.errors import EngineFailed, FiteError, UsageProblem
from fitecli.outputs import writing
from fitecli.pipeline.addresses import asking, files_under, located, named, opened, replaced
from fitecli.pipeline.classify import ClassifyJob, encoded
from fitecli.pipeline.scratch import has_grown, scratch_folder
from fitecli.pipeline.shards import RECIPE, Shard, ShardDone, ShardsPlan
from fitecli.progress import Progress
from fitecli.store import open_store

if TYPE_CHECKING:
    from fitecli.pipeline.ray import Cluster

Tell = Callable[[str], None]


@dataclass
class ShardsReport:
    """What became of all shards. errors: shard -> why there are no lines of it."""

    done: int = 0
    lines: int = 0
    failed: int = 0
    failed_pictures: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    def add(self, shard: Shard, result: ShardDone | FiteError) -> None:
        """Count one shard."""
        if isinstance(result, FiteError):
            self.errors[shard.source] = str(result)
            return
        self.done += 1
        self.lines += result.lines
        self.failed += result.failed
        self.failed_pictures += result.failed_pictures


def settle_recipe(plan: ShardsPlan, tell: Tell) -> dict[str, Any]:
    """What makes the lines of a plan, kept in its output folder.

    Raises UsageProblem where the folder holds lines of another recipe, Unwritable where it cannot be
    written, and what opening the models raises.
    """
    opened = ShardClassifier(plan, tell)
    recipe = opened.recipe()
    opened.close()
    files, base = located(plan.output)
    path = f"{base}/{RECIPE}"
    there = files_under(plan.output)
    lines = [name for name in there - {path} if ".part-" not in PurePosixPath(name).name]
    if path not in there or not lines:
        with replaced(named(files, path)) as stream:
            stream.write(json.dumps(recipe, indent=2).encode())
        return recipe
    with asking(plan.output):
        content = files.cat_file(path)
    try:
        kept = dict(json.loads(content))
    except (ValueError, TypeError) as exc:
        raise UsageProblem(
            f"{named(files, path)}, which tells how the lines beside it were made, is damaged: "
            f"{exc}. Name another --output."
        ) from exc
    if changed := _differences(kept, recipe):
        raise UsageProblem(
            f"{plan.output} holds lines that were made otherwise ({', '.join(changed)}); "
            "name another --output."
        )
    return recipe


def _differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def classify_shards(
    plan: ShardsPlan,
    shards: Sequence[Shard],
    recipe: dict[str, Any],
    cluster: Cluster,
    *,
    progress: Progress,
) -> ShardsReport:
    """Classify shards, each by itself, so that one which fails stops none.

    Raises EngineFailed where a machine of the cluster has other models than the recipe tells.
    """
    report = ShardsReport()
    progress("shards", 0, len(shards))
    todo = iter(shards)
    with cluster.actors(OpenClassifier(plan, recipe), most=len(shards)) as actors:
        for shard, result in actors.map(lambda: next(todo, None)):
            report.add(shard, result)
            progress("shards", report.done + len(report.errors), len(shards))
    return report


@dataclass(frozen=True)
class OpenClassifier:
    """Makes a classifier on the machine of an actor; raises EngineFailed where its models are others."""

    plan: ShardsPlan
    recipe: dict[str, Any]

    def __call__(self) -> ShardClassifier:
        made = ShardClassifier(self.plan)
        if changed := _differences(made.recipe(), self.recipe):
            made.close()
            raise EngineFailed(
                "A machine of the cluster has other models than the one that gave the command "
                f"({', '.join(changed)} differ). `fite doctor` on both tells more."
            )
        return made


class ShardClassifier:
    """Classifies one shard after the other with a model that is loaded once."""

    def __init__(self, plan: ShardsPlan, tell: Tell = lambda message: None) -> None:
        """Open the models and a store: the server that the settings name, else one of its own that is
        thrown away in the end."""
        self._plan = plan
        self._tell = tell
        self._begin()

    def _begin(self) -> None:
        plan = self._plan
        with ExitStack() as started:
            self._scratch = Path(started.enter_context(scratch_folder()))
            place = plan.settings.db if plan.on_server else str(self._scratch / "fite.db")
            store = started.enter_context(open_store(place, create=True))
            self._job = ClassifyJob(store, plan.options, plan.settings, self._tell)
            self._kept = started.pop_all()

    def recipe(self) -> dict[str, Any]:
        """All that decides what the lines are, but for the tweets; as JSON has it."""
        options = asdict(self._plan.options)
        for name in ("threads", "device"):
            del options[name], options["extract"][name]
        predictor, images = self._job.predictor.model, self._plan.images
        recipe = options | {
            "model": predictor.name,
            "sha256": predictor.sha256,
            "features": self._job.predictor.new_features.fingerprint,
            "format": self._plan.format,
            "images": str(images) if images else None,
        }
        return dict(json.loads(json.dumps(recipe)))  # tuples as lists

    def __call__(self, shard: Shard) -> ShardDone | FiteError:
        """Write the lines of a shard, and count them; a FiteError tells why there are none."""
        if has_grown(self._scratch):
            self.close()
            self._begin()
        job, plan = self._job, self._plan
        dataset = plan.dataset or shard.source  # two files of one name are two datasets
        count, failed, pictures = 0, job.failed, job.predictor.failed_pictures
        try:
            with (
                opened(shard.source) as (source, name),
                replaced(shard.output, self._scratch) as stream,
            ):
                lines = job.file(
                    source,
                    dataset=dataset,
                    name=name,
                    format=plan.format,
                    images=plan.images,
                )
                for line in lines:
                    with writing(shard.output):
                        stream.write(encoded(line))
                    count += 1
        except FiteError as error:
            return error
        return ShardDone(count, job.failed - failed, job.predictor.failed_pictures - pictures)

    def close(self) -> None:
        """Throw the worker's own store away."""
        self._kept.close()
