"""A picture has the name that each tweet gives it, and why it cannot be read is told without a place

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

VIEW, BY_IMAGE, BY_TWEET = "face_descriptions", "image.name AS", "tweet_image.picture AS"


def _view() -> str:
    return context.script.get_revision("0001").module.VIEWS[VIEW]


def _told(name: str) -> str:
    """The places of an unreadable picture with which the reason begins."""
    return (
        "FROM tweet_image JOIN image ON image.id = image_id WHERE image_id = subject_id "
        f"AND substr(error, 1, length({name}) + 2) = {name} || ': '"
    )


def _name_pictures() -> None:
    """By the first name of their bytes; where these were found in several files, by that of the file."""
    connection = op.get_bind()
    op.execute(
        "UPDATE tweet_image SET picture = (SELECT name FROM image WHERE image.id = image_id)"
    )
    elsewhere = connection.exec_driver_sql(
        "SELECT tweet_id, position, path, picture FROM tweet_image WHERE path <> picture "
        "AND substr(path, length(path) - length(picture)) <> '/' || picture AND image_id IN "
        "(SELECT image_id FROM tweet_image GROUP BY image_id HAVING count(DISTINCT path) > 1)"
    )
    others = [
        {"tweet": row.tweet_id, "place": row.position, "name": PurePath(row.path).name}
        for row in elsewhere
        if PurePath(row.path).name != PurePath(row.picture).name
    ]
    if others:
        own = "UPDATE tweet_image SET picture = :name WHERE tweet_id = :tweet AND position = :place"
        connection.execute(sa.text(own), others)


def _cut_places() -> None:
    """Leave the path, and the name, of the picture out of why it cannot be read."""
    for name in ("path", "name"):
        found = _told(name)
        rest = f"(SELECT substr(error, length({name}) + 3) {found} LIMIT 1)"
        failed = f"subject_kind = 'image' AND status = 'failed' AND EXISTS (SELECT 1 {found})"
        op.execute(f"UPDATE analysis SET error = {rest} WHERE {failed}")  # noqa: S608


def upgrade() -> None:
    earlier = context.script.get_revision("0002").module
    now = {VIEW: _view().replace(BY_IMAGE, BY_TWEET)}
    with earlier.views_set_aside(now):
        with op.batch_alter_table("tweet_image") as table:
            table.add_column(sa.Column("picture", sa.String(), nullable=True))
        _name_pictures()
        _cut_places()
        with op.batch_alter_table("tweet_image") as table:
            table.alter_column("picture", existing_type=sa.String(), nullable=False)
    earlier.renew_on_server(now)


def downgrade() -> None:
    earlier = context.script.get_revision("0002").module
    before = {VIEW: _view()}
    earlier.renew_on_server(before)
    with earlier.views_set_aside(before), op.batch_alter_table("tweet_image") as table:
        table.drop_column("picture")
