"""Alembic's environment: the connection is given by fitecli.store.database."""

from alembic import context
from sqlmodel import SQLModel

import fitecli.store.tables  # noqa: F401 - fills the metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transactional_ddl=True,
    render_as_batch=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
