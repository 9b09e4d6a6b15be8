"""A picture has the name that each tweet gives it

Revision ID: 0004
Revises: 0003
"""

from pathlib import PurePath

import sqlalchemy as sa
from alembic import context, op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BY_IMAGE, BY_TWEET = "image.name AS picture", "tweet_image.name AS picture"


def _renew_view(old: str, new: str) -> None:
    sql = context.script.get_revision("0001").module.VIEWS["face_descriptions"].replace(old, new)
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP VIEW face_descriptions")
        op.execute(sql)
    else:  # views of others may stand upon it
        op.execute(sql.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))


def _name_pictures() -> None:
    """By the first name of their bytes; by that of the file where it was found under another."""
    connection = op.get_bind()
    op.execute("UPDATE tweet_image SET name = (SELECT name FROM image WHERE image.id = image_id)")
    elsewhere = connection.exec_driver_sql(
        "SELECT tweet_id, position, path, name FROM tweet_image "
        "WHERE substr(path, length(path) - length(name) + 1) <> name"
    )
    others = [
        {"tweet": row.tweet_id, "place": row.position, "name": PurePath(row.path).name}
        for row in elsewhere
        if PurePath(row.path).name != PurePath(row.name).name
    ]
    if others:
        own = "UPDATE tweet_image SET name = :name WHERE tweet_id = :tweet AND position = :place"
        connection.execute(sa.text(own), others)


def upgrade() -> None:
    views_set_aside = context.script.get_revision("0002").module.views_set_aside
    with views_set_aside():
        with op.batch_alter_table("tweet_image") as table:
            table.add_column(sa.Column("name", sa.String(), nullable=True))
        _name_pictures()
        with op.batch_alter_table("tweet_image") as table:
            table.alter_column("name", existing_type=sa.String(), nullable=False)
    _renew_view(BY_IMAGE, BY_TWEET)


def downgrade() -> None:
    _renew_view(BY_TWEET, BY_IMAGE)
    views_set_aside = context.script.get_revision("0002").module.views_set_aside
    with views_set_aside(), op.batch_alter_table("tweet_image") as table:
        table.drop_column("name")
