"""The examples of the documentation: found, checked against the real commands, and run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from fitecli.cli import app
from tests.conftest import ROOT

EXAMPLE = ROOT / "examples" / "plugin" / "README.md"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    EXAMPLE,
    *sorted((ROOT / "docs").rglob("*.md")),
]
MARK = re.compile(r"<!-- not run: (.+) -->")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"`(fite [a-z][^`]*)`")
INSTALL = re.compile(r"^python3 -m venv \.venv && \.venv/bin/pip install [^&]*&& ")
Root: Any = typer.main.get_command(app)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page. reason: why it is not run, None where it is. marked: by a comment
    above it."""

    page: Path
    line: int
    language: str
    text: str
    reason: str | None
    marked: bool

    @property
    def place(self) -> str:
        """How a failure names it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for match in FENCE.finditer(text):
        above = text[: match.start()].rstrip().rsplit("\n", 1)[-1]
        mark = MARK.fullmatch(above.strip())
        reason = mark[1] if mark else None
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(page, line, match[1], match[2], reason, mark is not None))
    return found


def lines_of(block: Block) -> list[str]:
    """The commands of a block: continued lines joined, comments left out, the environment's fite."""
    joined = block.text.replace("\\\n", " ")
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [INSTALL.sub("", line).replace(".venv/bin/", "") for line in lines if line]


def check_command(command: str) -> str | None:
    """What is wrong with a `fite …` line: a command or an option that there is not; else None."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("();<>|&"):
            break
        words.append(word)
    return _check(Root, words[1:])


def _check(command: Any, words: list[str]) -> str | None:
    options = {
        name: parameter
        for parameter in command.params
        if parameter.param_type_name == "option"
        for name in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help": None, "-h": None}
    while words:
        word, *words = words
        name = word.split("=")[0]
        if word.startswith("-") and word != "-":
            if name not in options:
                return f"{command.name} has no option {name}"
            takes = options[name] is not None and not options[name].is_flag
            words = words[1:] if takes and "=" not in word else words
        elif hasattr(command, "commands"):
            if word not in command.commands and hasattr(command, "default"):
                words, word = [word, *words], command.default
            inner = command.commands.get(word)
            return f"there is no command {word!r}" if inner is None else _check(inner, words)
    return None


def run_line(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run one line of shell in a folder; `fite` in this process where that is all there is.

    Returns what it prints. Fails the test where the exit code is not 0.
    """
    if line.startswith("export "):
        for setting in shlex.split(line)[1:]:
            monkeypatch.setenv(*setting.split("=", 1))
        return ""
    plain, _, target = line.partition(" > ")
    if not plain.startswith("fite ") or re.search(r"[|;&<$]", re.sub(r'"[^"]*"', "", line)):
        return _in_shell(line, folder)
    result = CliRunner().invoke(app, shlex.split(plain)[1:])
    assert result.exit_code == 0, f"{line}\n{result.output}"
    if target:
        (folder / target.strip()).write_text(result.stdout, "utf-8")
    return result.output


def _in_shell(line: str, folder: Path) -> str:
    """Run a line in bash, where `fite` and `python` are those of this process."""
    tools = folder / ".tools"
    tools.mkdir(exist_ok=True)
    (tools / "fite").write_text(f'#!/bin/sh\nexec {sys.executable} -m fitecli "$@"\n', "utf-8")
    (tools / "fite").chmod(0o755)
    path = os.pathsep.join((str(tools), str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        cwd=folder,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def check_shown(shown: str, printed: str) -> None:
    """Every line of a text block stands in what was printed; numbers may differ by 0.05."""
    found = [line.split() for line in printed.splitlines()]
    for line in filter(None, shown.splitlines()):
        words = line.split()
        assert any(_same(words, other) for other in found), f"not printed: {line}\n{printed}"


def _same(shown: list[str], printed: list[str]) -> bool:
    return len(shown) == len(printed) and all(map(_close, shown, printed))


def _close(shown: str, printed: str) -> bool:
    number = re.compile(r"\d+\.\d+")
    if number.fullmatch(shown) and number.fullmatch(printed):
        return abs(float(shown) - float(printed)) <= 0.05
    return shown == printed
