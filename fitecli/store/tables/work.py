"""Who computes facts, what was looked at, and who is working on what just now."""

from __future__ import annotations

from sqlalchemy import JSON, CheckConstraint, Float, Integer, Text, UniqueConstraint

from fitecli.store.tables.parts import optional, parent, required, row_id, table

SUBJECT = "Whose row it is: image, tweet or aspect."

table(
    "worker",
    "Who computes a fact; the fingerprint covers all columns and the workers it builds upon.",
    row_id(),
    required("kind", "faces, captions, embeddings, alignment or descriptions.", index=True),
    required("name", "The analyser, captioner or aligner, such as bundled or clip."),
    required("version", "Its version: another one may give other results."),
    required("settings", "Everything that was set and could change a result.", JSON),
    optional("weights_sha256", "Of the model files that it reads; null where it reads none."),
    required("inputs", "Fingerprints of the workers that it builds upon.", JSON),
    required("fingerprint", "sha256 over all of that: the same worker, the same results."),
    required("created_at", "When it first worked in this store (UTC, ISO 8601)."),
    UniqueConstraint("fingerprint"),
)

table(
    "analysis",
    'A worker has looked at a subject: "done, and found nothing" is a fact, so is "failed".',
    required("subject_kind", SUBJECT, primary_key=True),
    required("subject_id", "The row that was looked at.", Integer, primary_key=True),
    required("worker_id", "Who looked.", Integer, parent("worker.id"), primary_key=True),
    required("status", "done or failed."),
    optional("error", "Why it failed.", Text),
    required("tries", "How often it was tried.", Integer),
    required("finished_at", "When it was last looked at (UTC, ISO 8601)."),
    CheckConstraint("status IN ('done', 'failed')", name="status"),
)

table(
    "lease",
    "Who is working on what, until when (seconds since 1970): a short claim, not a lock.",
    required("subject_kind", SUBJECT, primary_key=True),
    required("subject_id", "The row that is worked on.", Integer, primary_key=True),
    required("worker_id", "For which worker.", Integer, parent("worker.id"), primary_key=True),
    required("owner", "The process that works on it."),
    required("until", "When the claim runs out, in seconds since 1970.", Float, index=True),
)
