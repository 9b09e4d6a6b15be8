"""Models, their training runs and what they predicted."""

from __future__ import annotations

from sqlalchemy import JSON, CheckConstraint, Float, Integer, UniqueConstraint

from fitecli.store.tables.parts import optional, parent, required, row_id, table

table(
    "model",
    "A checkpoint or an exported model; sha256 is that of its weights.",
    row_id(),
    required("name", "Its name: that of its folder."),
    required("path", "Where it was when it was last used."),
    required("sha256", "Of its weights."),
    optional("preset", "The preset that it was trained by."),
    optional("precision", "fp32, fp16 or int8."),
    required("config", "Its configuration.", JSON),
    required("created_at", "When it was first used here (UTC, ISO 8601)."),
    UniqueConstraint("sha256"),
)

table(
    "run",
    "One training run: one seed.",
    row_id(),
    required("preset", "The preset that was trained."),
    required("seed", "The seed of its random numbers.", Integer),
    required("datasets", "The datasets that it learnt from.", JSON),
    optional("feature_set_id", "The features it read.", Integer, parent("feature_set.id")),
    optional("model_id", "The model that it made.", Integer, parent("model.id")),
    required("settings", "All settings of the training.", JSON),
    required("fingerprint", "sha256 over recipe, features and examples.", index=True),
    required("output", "The folder of its checkpoint."),
    optional("device", "The device that it was trained on."),
    required("status", "running, done, interrupted or failed."),
    required("started_at", "When it began (UTC, ISO 8601)."),
    optional("finished_at", "When it ended (UTC, ISO 8601)."),
    optional("best_epoch", "The epoch whose weights were kept, from 1.", Integer),
    optional("dev_accuracy", "Accuracy of that epoch on dev.", Float),
    optional("dev_macro_f1", "Macro-F1 of that epoch on dev.", Float),
)

table(
    "epoch",
    "One pass over the training data.",
    required("run_id", "The run.", Integer, parent("run.id"), primary_key=True),
    required("number", "Its number, from 1.", Integer, primary_key=True),
    required("train_loss", "Mean loss over the training data.", Float),
    optional("dev_loss", "Mean loss on dev.", Float),
    optional("dev_accuracy", "Accuracy on dev.", Float),
    optional("dev_macro_f1", "Macro-F1 on dev.", Float),
    required("seconds", "How long it took.", Float),
    required("finished_at", "When it ended (UTC, ISO 8601)."),
)

table(
    "prediction",
    "A model's reading of one aspect, for one exact input, under the features it was read from.",
    row_id(),
    required("aspect_id", "The aspect.", Integer, parent("aspect.id")),
    required("model_id", "The model.", Integer, parent("model.id"), index=True),
    optional("feature_set_id", "The features it read.", Integer, parent("feature_set.id")),
    required("input_sha256", "Of all that the model read."),
    required("label", "The predicted sentiment: that of the highest probability."),
    required("negative", "Probability of negative.", Float),
    required("neutral", "Probability of neutral.", Float),
    required("positive", "Probability of positive.", Float),
    optional(
        "gate",
        "Mean weight of the face sentence against the scene, 0..1; null without a gate.",
        Float,
    ),
    required("created_at", "When it was predicted (UTC, ISO 8601)."),
    UniqueConstraint("aspect_id", "model_id", "input_sha256", "feature_set_id"),
    CheckConstraint("label IN ('negative', 'neutral', 'positive')", name="label"),
)
