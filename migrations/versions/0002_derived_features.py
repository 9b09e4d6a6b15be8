"""Feature sets that are derived from others, and predictions without a gate

Revision ID: 0002
Revises: 0001
"""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BASE = "fk_feature_set_base_id_feature_set"


@contextmanager
def views_set_aside() -> Iterator[None]:
    """SQLite rebuilds a table to change it, and refuses while a view names it."""
    connection = op.get_bind()
    views: list[tuple[str, str]] = []
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type='view'")
        views = [(row[0], row[1]) for row in found]
    for name, _ in views:
        op.execute(f"DROP VIEW {name}")
    yield
    for _, sql in views:
        op.execute(sql)


def upgrade() -> None:
    with views_set_aside():
        with op.batch_alter_table("feature_set") as table:
            table.add_column(sa.Column("base_id", sa.Integer(), nullable=True))
            table.add_column(
                sa.Column("ablation", sa.JSON(), nullable=False, server_default=sa.text("'{}'"))
            )
            table.create_foreign_key(BASE, "feature_set", ["base_id"], ["id"], ondelete="CASCADE")
        with op.batch_alter_table("prediction") as table:
            table.alter_column("gate", existing_type=sa.Float(), nullable=True)


def downgrade() -> None:
    with views_set_aside():
        op.execute("DELETE FROM prediction WHERE gate IS NULL")
        op.execute("DELETE FROM feature_set WHERE base_id IS NOT NULL")
        with op.batch_alter_table("prediction") as table:
            table.alter_column("gate", existing_type=sa.Float(), nullable=False)
        with op.batch_alter_table("feature_set") as table:
            table.drop_constraint(BASE, type_="foreignkey")
            table.drop_column("ablation")
            table.drop_column("base_id")
