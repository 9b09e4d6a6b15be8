"""A model's predictions are kept for each feature set that it read

Revision ID: 0003
Revises: 0002
"""

from alembic import context, op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BEFORE = ["aspect_id", "model_id", "input_sha256"]
NOW = [*BEFORE, "feature_set_id"]


def _name(columns: list[str]) -> str:
    return "uq_prediction_" + "_".join(columns)


def _change(old: list[str], new: list[str]) -> None:
    views_set_aside = context.script.get_revision("0002").module.views_set_aside
    with views_set_aside(), op.batch_alter_table("prediction") as table:
        table.drop_constraint(_name(old), type_="unique")
        table.create_unique_constraint(_name(new), new)


def upgrade() -> None:
    _change(BEFORE, NOW)


def downgrade() -> None:
    op.execute(
        "DELETE FROM prediction WHERE id NOT IN (SELECT max(id) FROM prediction "
        "GROUP BY aspect_id, model_id, input_sha256)"
    )
    _change(NOW, BEFORE)
