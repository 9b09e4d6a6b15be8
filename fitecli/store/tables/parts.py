"""What the tables are made of: names of constraints, and columns that say what they hold."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    text,
)
from sqlalchemy.schema import SchemaItem

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def table(name: str, about: str, *parts: SchemaItem) -> None:
    """Add a table; about: what people are told of it."""
    Table(name, METADATA, *parts, info={"about": about})


def row_id() -> Column[Any]:
    """The number of a row, which other tables point to."""
    return Column("id", Integer, primary_key=True, doc="Number of the row.")


def required(name: str, doc: str, kind: Any = String, *parts: Any, **settings: Any) -> Column[Any]:
    """A column that always holds a value; doc: what people are told of it."""
    return Column(name, kind, *parts, nullable=False, doc=doc, **settings)


def optional(name: str, doc: str, kind: Any = String, *parts: Any, **settings: Any) -> Column[Any]:
    """A column that may be null; doc: what people are told of it."""
    return Column(name, kind, *parts, nullable=True, doc=doc, **settings)


def parent(column: str) -> ForeignKey:
    """A foreign key whose rows vanish with their parent."""
    return ForeignKey(column, ondelete="CASCADE")


def unique_where(condition: str, name: str, *columns: str) -> Index:
    """A unique index over the rows that meet a condition.

    Migrations say it to PostgreSQL, too; here that would import its dialect at every start.
    """
    return Index(name, *columns, unique=True, sqlite_where=text(condition))
