"""The tables of the store; every computed row points to the worker that computed it.

They are SQLAlchemy's own, without classes: the verbs give and take records, and an object mapper is
a quarter of a second at every start. Every column says what it holds: the documentation and
`fite browse` show that.
"""

from __future__ import annotations

from importlib import import_module

from fitecli.store.tables.parts import METADATA

for _subject in ("tweets", "work", "features", "learning"):
    import_module(f"fitecli.store.tables.{_subject}")

__all__ = ["METADATA"]
