"""A view, a table or a query as a data frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fitecli.errors import MissingPackage, UsageProblem
from fitecli.store.query import run_query

LIBRARIES = ("pandas", "polars")


def frame(place: str, source: str, library: str) -> Any:
    """All rows of a view, a table or a reading statement as a DataFrame of pandas or Polars.

    Raises QueryRefused for what does not read, MissingPackage without the library.
    """
    if library not in LIBRARIES:
        raise UsageProblem(f"There is no library {library!r}; choose {' or '.join(LIBRARIES)}.")
    named = re.fullmatch(r"\w+", source)
    query = f'SELECT * FROM "{source}"' if named else source  # noqa: S608 - one name, of \w alone
    columns, rows = run_query(place, query)
    try:
        return _pandas(columns, list(rows)) if library == "pandas" else _polars(columns, list(rows))
    except ModuleNotFoundError as exc:
        raise MissingPackage(f"A frame needs {library}: pip install 'fitecli[{library}]'.") from exc


def _pandas(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    from pandas import DataFrame

    return DataFrame(rows, columns=columns)


def _polars(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Any:
    from polars import DataFrame

    return DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)
