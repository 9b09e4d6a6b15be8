"""The tables and views of the first version

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

FACE_DESCRIPTIONS = """
CREATE VIEW face_descriptions AS
SELECT feature_set.name AS features, tweet.dataset, tweet.split, tweet.source_id AS tweet,
       image.name AS picture, tweet_image.path, face_sentence.position AS face,
       face.box_left, face.box_top, face.box_width, face.box_height, face.detection_score,
       face.age, face.gender, face.gender_score, face.race, face.race_score,
       face.emotion, face.emotion_score, aspect.text AS aspect, aspect.label,
       alignment.similarity, face_sentence.text AS sentence,
       CASE aligner.name WHEN 'prominence' THEN 'prominence (guess)' ELSE aligner.name END
           AS aligner,
       analyser.name AS analyser
FROM description
JOIN feature_set ON feature_set.id = description.feature_set_id
JOIN tweet ON tweet.id = description.tweet_id
JOIN face_sentence ON face_sentence.description_id = description.id
JOIN face ON face.id = face_sentence.face_id
JOIN image ON image.id = face.image_id
JOIN worker AS analyser ON analyser.id = face.worker_id
LEFT JOIN tweet_image ON tweet_image.tweet_id = tweet.id AND tweet_image.image_id = image.id
    AND NOT EXISTS (
        SELECT 1 FROM tweet_image AS earlier
        WHERE earlier.tweet_id = tweet.id AND earlier.image_id = image.id
            AND earlier.position < tweet_image.position
    )
LEFT JOIN aspect ON aspect.id = face_sentence.aspect_id
LEFT JOIN worker AS aligner ON aligner.id = feature_set.alignment_worker_id
LEFT JOIN alignment ON alignment.aspect_id = aspect.id AND alignment.face_id = face.id
    AND alignment.worker_id = feature_set.alignment_worker_id
"""

TWEET_ASPECTS = """
CREATE VIEW tweet_aspects AS
SELECT tweet.dataset, tweet.split, tweet.source_id AS tweet, aspect.text AS aspect,
       aspect.start, aspect."end", aspect.label, aspect.origin, tweet.author, tweet.created_at,
       (SELECT count(*) FROM tweet_image WHERE tweet_image.tweet_id = tweet.id) AS pictures,
       tweet.text, tweet.id AS tweet_id, aspect.id AS aspect_id
FROM aspect
JOIN tweet ON tweet.id = aspect.tweet_id
"""

PREDICTIONS = """
CREATE VIEW predictions AS
SELECT feature_set.name AS features, model.name AS model, tweet.dataset, tweet.split,
       tweet.source_id AS tweet, aspect.text AS aspect, aspect.start, aspect."end",
       aspect.label, prediction.label AS prediction, prediction.negative, prediction.neutral,
       prediction.positive, prediction.gate, face_sentence.text AS face,
       tweet.author, tweet.created_at, tweet.text, prediction.created_at AS predicted_at
FROM prediction
JOIN model ON model.id = prediction.model_id
JOIN aspect ON aspect.id = prediction.aspect_id
JOIN tweet ON tweet.id = aspect.tweet_id
LEFT JOIN feature_set ON feature_set.id = prediction.feature_set_id
LEFT JOIN description ON description.tweet_id = tweet.id
    AND description.feature_set_id = prediction.feature_set_id
LEFT JOIN face_sentence ON face_sentence.description_id = description.id
    AND face_sentence.aspect_id IN (
        SELECT same.id FROM aspect AS same
        WHERE same.tweet_id = aspect.tweet_id AND same.text = aspect.text
    )
"""

VIEWS = {
    "face_descriptions": FACE_DESCRIPTIONS,
    "tweet_aspects": TWEET_ASPECTS,
    "predictions": PREDICTIONS,
}


def upgrade() -> None:
    op.create_table(
        "image",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=True),
        sa.Column("dataset", sa.String(), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image")),
        sa.UniqueConstraint("sha256", name=op.f("uq_image_sha256")),
    )
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.create_index(
            "uq_image_dataset_name",
            ["dataset", "name"],
            unique=True,
            sqlite_where=sa.text("sha256 IS NULL"),
            postgresql_where=sa.text("sha256 IS NULL"),
        )

    op.create_table(
        "model",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("preset", sa.String(), nullable=True),
        sa.Column("precision", sa.String(), nullable=True),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("sha256", name=op.f("uq_model_sha256")),
    )
    op.create_table(
        "reject",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reject")),
        sa.UniqueConstraint(
            "dataset", "source", "line", "reason", name=op.f("uq_reject_dataset_source_line_reason")
        ),
    )
    op.create_table(
        "tweet",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("dataset", sa.String(), nullable=False),
        sa.Column("split", sa.String(), nullable=True),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.String(), nullable=True),
        sa.Column("created_at", sa.String(), nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tweet")),
        sa.UniqueConstraint("dataset", "source_id", name=op.f("uq_tweet_dataset_source_id")),
    )
    with op.batch_alter_table("tweet", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tweet_author"), ["author"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_tweet_dataset_split"), ["dataset", "split"], unique=False
        )

    op.create_table(
        "worker",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("weights_sha256", sa.String(), nullable=True),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worker")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_worker_fingerprint")),
    )
    with op.batch_alter_table("worker", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_worker_kind"), ["kind"], unique=False)

    op.create_table(
        "analysis",
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("finished_at", sa.String(), nullable=False),
        sa.CheckConstraint("status IN ('done', 'failed')", name=op.f("ck_analysis_status")),
        sa.ForeignKeyConstraint(
            ["worker_id"],
            ["worker.id"],
            name=op.f("fk_analysis_worker_id_worker"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "subject_kind", "subject_id", "worker_id", name=op.f("pk_analysis")
        ),
    )
    op.create_table(
        "aspect",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tweet_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=True),
        sa.Column("end", sa.Integer(), nullable=True),
        sa.Column("label", sa.String(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("source_line", sa.Integer(), nullable=True),
        sa.Column("source_text", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "label IN ('negative', 'neutral', 'positive')", name=op.f("ck_aspect_label")
        ),
        sa.CheckConstraint(
            "origin IN ('given', 'found', 'corrected')", name=op.f("ck_aspect_origin")
        ),
        sa.ForeignKeyConstraint(
            ["tweet_id"], ["tweet.id"], name=op.f("fk_aspect_tweet_id_tweet"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_aspect")),
        sa.UniqueConstraint("tweet_id", "key", name=op.f("uq_aspect_tweet_id_key")),
    )
    with op.batch_alter_table("aspect", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_aspect_label"), ["label"], unique=False)

    op.create_table(
        "caption",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name=op.f("fk_caption_image_id_image"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["worker_id"],
            ["worker.id"],
            name=op.f("fk_caption_worker_id_worker"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_caption")),
        sa.UniqueConstraint("image_id", "worker_id", name=op.f("uq_caption_image_id_worker_id")),
    )
    with op.batch_alter_table("caption", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_caption_worker_id"), ["worker_id"], unique=False)

    op.create_table(
        "face",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("box_left", sa.Integer(), nullable=True),
        sa.Column("box_top", sa.Integer(), nullable=True),
        sa.Column("box_width", sa.Integer(), nullable=True),
        sa.Column("box_height", sa.Integer(), nullable=True),
        sa.Column("detection_score", sa.Float(), nullable=True),
        sa.Column("age", sa.Integer(), nullable=True),
        sa.Column("age_score", sa.Float(), nullable=True),
        sa.Column("gender", sa.String(), nullable=True),
        sa.Column("gender_score", sa.Float(), nullable=True),
        sa.Column("race", sa.String(), nullable=True),
        sa.Column("race_score", sa.Float(), nullable=True),
        sa.Column("emotion", sa.String(), nullable=True),
        sa.Column("emotion_score", sa.Float(), nullable=True),
        sa.Column("ages", sa.JSON(), nullable=False),
        sa.Column("genders", sa.JSON(), nullable=False),
        sa.Column("races", sa.JSON(), nullable=False),
        sa.Column("emotions", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["image.id"], name=op.f("fk_face_image_id_image"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["worker.id"], name=op.f("fk_face_worker_id_worker"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_face")),
        sa.UniqueConstraint(
            "image_id", "worker_id", "position", name=op.f("uq_face_image_id_worker_id_position")
        ),
    )
    with op.batch_alter_table("face", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_face_worker_id"), ["worker_id"], unique=False)

    op.create_table(
        "feature_set",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("face_worker_id", sa.Integer(), nullable=False),
        sa.Column("caption_worker_id", sa.Integer(), nullable=True),
        sa.Column("alignment_worker_id", sa.Integer(), nullable=True),
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("template_version", sa.String(), nullable=False),
        sa.Column("thresholds", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.Column("completed_at", sa.String(), nullable=True),
        sa.Column("completed_order", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["alignment_worker_id"],
            ["worker.id"],
            name=op.f("fk_feature_set_alignment_worker_id_worker"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["caption_worker_id"],
            ["worker.id"],
            name=op.f("fk_feature_set_caption_worker_id_worker"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["face_worker_id"],
            ["worker.id"],
            name=op.f("fk_feature_set_face_worker_id_worker"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_set")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_feature_set_fingerprint")),
        sa.UniqueConstraint("name", name=op.f("uq_feature_set_name")),
    )
    op.create_table(
        "image_embedding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("region", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["image.id"],
            name=op.f("fk_image_embedding_image_id_image"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["worker_id"],
            ["worker.id"],
            name=op.f("fk_image_embedding_worker_id_worker"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_embedding")),
        sa.UniqueConstraint(
            "image_id",
            "worker_id",
            "region",
            name=op.f("uq_image_embedding_image_id_worker_id_region"),
        ),
    )
    with op.batch_alter_table("image_embedding", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_image_embedding_worker_id"), ["worker_id"], unique=False
        )

    op.create_table(
        "lease",
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["worker.id"], name=op.f("fk_lease_worker_id_worker"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("subject_kind", "subject_id", "worker_id", name=op.f("pk_lease")),
    )
    with op.batch_alter_table("lease", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_lease_until"), ["until"], unique=False)

    op.create_table(
        "text_embedding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("text_sha256", sa.String(), nullable=False),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["worker_id"],
            ["worker.id"],
            name=op.f("fk_text_embedding_worker_id_worker"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_text_embedding")),
        sa.UniqueConstraint(
            "text_sha256", "worker_id", name=op.f("uq_text_embedding_text_sha256_worker_id")
        ),
    )
    with op.batch_alter_table("text_embedding", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_text_embedding_worker_id"), ["worker_id"], unique=False
        )

    op.create_table(
        "tweet_image",
        sa.Column("tweet_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("image_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["image_id"],
            ["image.id"],
            name=op.f("fk_tweet_image_image_id_image"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tweet_id"],
            ["tweet.id"],
            name=op.f("fk_tweet_image_tweet_id_tweet"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tweet_id", "position", name=op.f("pk_tweet_image")),
    )
    with op.batch_alter_table("tweet_image", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_tweet_image_image_id"), ["image_id"], unique=False)

    op.create_table(
        "alignment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("aspect_id", sa.Integer(), nullable=False),
        sa.Column("face_id", sa.Integer(), nullable=True),
        sa.Column("worker_id", sa.Integer(), nullable=False),
        sa.Column("similarity", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["aspect_id"],
            ["aspect.id"],
            name=op.f("fk_alignment_aspect_id_aspect"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["face_id"], ["face.id"], name=op.f("fk_alignment_face_id_face"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["worker_id"],
            ["worker.id"],
            name=op.f("fk_alignment_worker_id_worker"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alignment")),
        sa.UniqueConstraint(
            "aspect_id",
            "worker_id",
            "face_id",
            name=op.f("uq_alignment_aspect_id_worker_id_face_id"),
        ),
    )
    with op.batch_alter_table("alignment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_alignment_face_id"), ["face_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_alignment_worker_id"), ["worker_id"], unique=False)
        batch_op.create_index(
            "uq_alignment_nobody",
            ["aspect_id", "worker_id"],
            unique=True,
            sqlite_where=sa.text("face_id IS NULL"),
            postgresql_where=sa.text("face_id IS NULL"),
        )

    op.create_table(
        "description",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tweet_id", sa.Integer(), nullable=False),
        sa.Column("feature_set_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("faces", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["feature_set_id"],
            ["feature_set.id"],
            name=op.f("fk_description_feature_set_id_feature_set"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tweet_id"],
            ["tweet.id"],
            name=op.f("fk_description_tweet_id_tweet"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_description")),
        sa.UniqueConstraint(
            "tweet_id", "feature_set_id", name=op.f("uq_description_tweet_id_feature_set_id")
        ),
    )
    with op.batch_alter_table("description", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_description_feature_set_id"), ["feature_set_id"], unique=False
        )

    op.create_table(
        "prediction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("aspect_id", sa.Integer(), nullable=False),
        sa.Column("model_id", sa.Integer(), nullable=False),
        sa.Column("feature_set_id", sa.Integer(), nullable=True),
        sa.Column("input_sha256", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("negative", sa.Float(), nullable=False),
        sa.Column("neutral", sa.Float(), nullable=False),
        sa.Column("positive", sa.Float(), nullable=False),
        sa.Column("gate", sa.Float(), nullable=False),
        sa.Column("created_at", sa.String(), nullable=False),
        sa.CheckConstraint(
            "label IN ('negative', 'neutral', 'positive')", name=op.f("ck_prediction_label")
        ),
        sa.ForeignKeyConstraint(
            ["aspect_id"],
            ["aspect.id"],
            name=op.f("fk_prediction_aspect_id_aspect"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["feature_set_id"],
            ["feature_set.id"],
            name=op.f("fk_prediction_feature_set_id_feature_set"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["model.id"],
            name=op.f("fk_prediction_model_id_model"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction")),
        sa.UniqueConstraint(
            "aspect_id",
            "model_id",
            "input_sha256",
            name=op.f("uq_prediction_aspect_id_model_id_input_sha256"),
        ),
    )
    with op.batch_alter_table("prediction", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_prediction_model_id"), ["model_id"], unique=False)

    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("preset", sa.String(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("datasets", sa.JSON(), nullable=False),
        sa.Column("feature_set_id", sa.Integer(), nullable=True),
        sa.Column("model_id", sa.Integer(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("output", sa.String(), nullable=False),
        sa.Column("device", sa.String(), nullable=True),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started_at", sa.String(), nullable=False),
        sa.Column("finished_at", sa.String(), nullable=True),
        sa.Column("best_epoch", sa.Integer(), nullable=True),
        sa.Column("dev_accuracy", sa.Float(), nullable=True),
        sa.Column("dev_macro_f1", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(
            ["feature_set_id"],
            ["feature_set.id"],
            name=op.f("fk_run_feature_set_id_feature_set"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["model.id"], name=op.f("fk_run_model_id_model"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_run_fingerprint"), ["fingerprint"], unique=False)

    op.create_table(
        "epoch",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("train_loss", sa.Float(), nullable=False),
        sa.Column("dev_loss", sa.Float(), nullable=True),
        sa.Column("dev_accuracy", sa.Float(), nullable=True),
        sa.Column("dev_macro_f1", sa.Float(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk_epoch_run_id_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_epoch")),
    )
    op.create_table(
        "face_sentence",
        sa.Column("description_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("face_id", sa.Integer(), nullable=False),
        sa.Column("aspect_id", sa.Integer(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["aspect_id"],
            ["aspect.id"],
            name=op.f("fk_face_sentence_aspect_id_aspect"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["description_id"],
            ["description.id"],
            name=op.f("fk_face_sentence_description_id_description"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["face_id"], ["face.id"], name=op.f("fk_face_sentence_face_id_face"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("description_id", "position", name=op.f("pk_face_sentence")),
    )
    with op.batch_alter_table("face_sentence", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_face_sentence_aspect_id"), ["aspect_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_face_sentence_face_id"), ["face_id"], unique=False)
    for sql in VIEWS.values():
        op.execute(sql)


def downgrade() -> None:
    for name in VIEWS:
        op.execute(f"DROP VIEW {name}")
    with op.batch_alter_table("face_sentence", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_face_sentence_face_id"))
        batch_op.drop_index(batch_op.f("ix_face_sentence_aspect_id"))

    op.drop_table("face_sentence")
    op.drop_table("epoch")
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_fingerprint"))

    op.drop_table("run")
    with op.batch_alter_table("prediction", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_prediction_model_id"))

    op.drop_table("prediction")
    with op.batch_alter_table("description", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_description_feature_set_id"))

    op.drop_table("description")
    with op.batch_alter_table("alignment", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_alignment_nobody",
            sqlite_where=sa.text("face_id IS NULL"),
            postgresql_where=sa.text("face_id IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_alignment_worker_id"))
        batch_op.drop_index(batch_op.f("ix_alignment_face_id"))

    op.drop_table("alignment")
    with op.batch_alter_table("tweet_image", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tweet_image_image_id"))

    op.drop_table("tweet_image")
    with op.batch_alter_table("text_embedding", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_text_embedding_worker_id"))

    op.drop_table("text_embedding")
    with op.batch_alter_table("lease", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_lease_until"))

    op.drop_table("lease")
    with op.batch_alter_table("image_embedding", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_image_embedding_worker_id"))

    op.drop_table("image_embedding")
    op.drop_table("feature_set")
    with op.batch_alter_table("face", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_face_worker_id"))

    op.drop_table("face")
    with op.batch_alter_table("caption", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_caption_worker_id"))

    op.drop_table("caption")
    with op.batch_alter_table("aspect", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_aspect_label"))

    op.drop_table("aspect")
    op.drop_table("analysis")
    with op.batch_alter_table("worker", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_worker_kind"))

    op.drop_table("worker")
    with op.batch_alter_table("tweet", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_tweet_dataset_split"))
        batch_op.drop_index(batch_op.f("ix_tweet_author"))

    op.drop_table("tweet")
    op.drop_table("reject")
    op.drop_table("model")
    with op.batch_alter_table("image", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_image_dataset_name",
            sqlite_where=sa.text("sha256 IS NULL"),
            postgresql_where=sa.text("sha256 IS NULL"),
        )

    op.drop_table("image")
