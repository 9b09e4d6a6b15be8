"""Feature sets that are derived from others, and predictions without a gate

Revision ID: 0002
Revises: 0001
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import context, op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BASE = "fk_feature_set_base_id_feature_set"


@contextmanager
def views_set_aside(renewed: Mapping[str, str] | None = None) -> Iterator[None]:
    """SQLite rebuilds a table to change it, and refuses while a view or trigger names it.

    Views and triggers of others come back as they were, those of ours that are renewed by their SQL.
    So do indexes of others, which Alembic would carry to the new table without what it does not know:
    expressions, collations, the order, most conditions.
    """
    connection = op.get_bind()
    found: list[tuple[str, str, str]] = []
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'view') "
            "ORDER BY type, rowid"
        )
        found = [(row[0], row[1], row[2]) for row in rows]
        tables = op.get_context().opts["target_metadata"].tables.values()
        mine = {index.name for table in tables for index in table.indexes}
        rows = connection.exec_driver_sql(
            "SELECT type, name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        )
        found += [(row[0], row[1], row[2]) for row in rows if row[1] not in mine]
    for kind, name, _ in found:
        quoted = name.replace('"', '""')
        connection.exec_driver_sql(f'DROP {kind} "{quoted}"')
    yield
    for kind, name, sql in reversed(found):  # views before triggers: one may be of a view
        anew = (renewed or {}).get(name) if kind == "view" else None
        connection.exec_driver_sql(anew or sql)


def renew_on_server(views: Mapping[str, str]) -> None:
    """Give views their SQL where none was set aside: views of others may stand upon them."""
    if op.get_bind().dialect.name != "sqlite":
        for sql in views.values():
            op.execute(sql.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))


def upgrade() -> None:
    views = context.script.get_revision("0001").module.VIEWS  # the first stores had others
    with views_set_aside(views):
        with op.batch_alter_table("feature_set") as table:
            table.add_column(sa.Column("base_id", sa.Integer(), nullable=True))
            table.add_column(
                sa.Column("ablation", sa.JSON(), nullable=False, server_default=sa.text("'{}'"))
            )
            table.create_foreign_key(BASE, "feature_set", ["base_id"], ["id"], ondelete="CASCADE")
        with op.batch_alter_table("prediction") as table:
            table.alter_column("gate", existing_type=sa.Float(), nullable=True)
    renew_on_server(views)


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
