"""Ten queries to begin with: one list for the documentation and for `fite browse`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

LIST = Path(__file__).parent / "queries.toml"


@dataclass(frozen=True)
class Query:
    """A question with its SQL; a `:name` in it stands for the parameter of that name."""

    name: str
    title: str
    sql: str
    parameters: dict[str, str] = field(default_factory=dict)

    @property
    def runnable(self) -> str:
        """The SQL with each parameter as it is where nothing is given: `fite sql` runs it."""
        return self._filled(lambda name: _quoted(self.parameters[name]))

    @property
    def asking(self) -> str:
        """The SQL with parameters left to be given; an empty one is as where nothing is given."""
        return self._filled(
            lambda name: f"coalesce(nullif(:{name}, ''), {_quoted(self.parameters[name])})"
        )

    def _filled(self, value: Callable[[str], str]) -> str:
        return re.sub(r"(?<!:):([a-z]\w*)", lambda found: value(found[1]), self.sql)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def ten_queries() -> tuple[Query, ...]:
    """The ten queries, in the order in which people read them."""
    return tuple(Query(**entry) for entry in tomllib.loads(LIST.read_text("utf-8"))["query"])
