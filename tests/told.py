"""The messages of our errors, read from the source: what class, what text, where."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitecli import errors
from tests.conftest import ROOT

PACKAGE = ROOT / "fitecli"
TREE = {
    name: cls
    for name, cls in vars(errors).items()
    if isinstance(cls, type) and issubclass(cls, errors.FiteError)
}
HOLE = "\x00"  # what is filled in when the error is raised


@dataclass(frozen=True)
class Message:
    """A message as the source has it; HOLE stands for each value."""

    place: str
    error: str
    text: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """What the message looks like when it is told."""
        return re.compile(".+".join(map(re.escape, self.text.split(HOLE))), re.S)


def messages() -> list[Message]:
    """All messages that are given to an error of our tree where it is made."""
    return [found for path in sorted(PACKAGE.rglob("*.py")) for found in _of(path)]


def _of(path: Path) -> Iterator[Message]:
    tree = ast.parse(path.read_text("utf-8"))
    known = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in TREE and node.args:
            place = f"{path.relative_to(PACKAGE).as_posix()}:{node.lineno}"
            yield Message(place, node.func.id, _text(node.args[0], known, functions))


def _text(node: Any, known: dict[str, Any], functions: dict[str, Any]) -> str:
    """What a string is put together from; constants and short functions of the file are followed."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(_text(part, known, functions) for part in values)
        case ast.FormattedValue(value=value):
            return _text(value, known, functions)
        case ast.Name(id=name) if name in known:
            return _text(known[name], {}, functions)
        case ast.Call(func=ast.Name(id=name)) if name in functions:
            last = functions[name].body[-1]
            return _text(last.value, known, functions) if isinstance(last, ast.Return) else HOLE
    return HOLE
