"""The options that make a feature set of the store again."""

from __future__ import annotations

from dataclasses import replace

from fitecli.faces import asked
from fitecli.pipeline.derived import rules_of
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.plugins import SETTING
from fitecli.records import ATTRIBUTES, Worker
from fitecli.store import FeatureSetRow, Store


def options_of(store: Store, features: FeatureSetRow, base: ExtractOptions) -> ExtractOptions:
    """The options that make a feature set of the store; the rest is taken from base."""
    faces, captioner, aligner = (
        None if number is None else store.worker(number)
        for number in (
            features.face_worker_id,
            features.caption_worker_id,
            features.alignment_worker_id,
        )
    )
    rules = rules_of(features)
    detector, attributes = asked(faces) if faces else (None, ATTRIBUTES)
    clip = aligner.settings if aligner and SETTING not in aligner.settings else {}
    return replace(
        base,
        faces=_name(faces),
        detector=detector,
        attributes=attributes,
        captioner=_name(captioner),
        aligner=_name(aligner),
        clip=clip.get("model"),
        nobody="nobody" in clip,
        nobody_margin=rules.nobody_margin,
        assignment=rules.assignment,
        template=rules.template,
        theta=rules.theta,
    )


def _name(worker: Worker | None) -> str:
    return "none" if worker is None else worker.name
