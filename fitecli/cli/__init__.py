"""The command line: parse, call one function, print."""

from __future__ import annotations

from fitecli.cli.app import app, run

__all__ = ["app", "run"]
