"""The application: its commands, the global options and the one boundary for errors."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from threading import Timer
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fitecli import __version__
from fitecli.cli.console import as_typed, tell
from fitecli.errors import FiteError
from fitecli.outputs import refusal, remedy
from fitecli.settings import Settings

INTERRUPTED = 130
AGAIN = 0.05  # seconds until an interruption that was lost comes again
BROKEN_PIPE = 141  # as the shell reports it of other tools
COMMANDS = (
    "ingest", "datasets", "stats", "extract", "train", "evaluate", "experiment", "export",
    "classify", "sql", "show", "browse", "faces", "report", "plot", "export_tasks", "models", "store",
    "forget", "doctor", "demo",
)  # fmt: skip


class Boundary(TyperGroup):
    """Turns our errors into a message on stderr and their exit code; others stay tracebacks."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command inside the boundary."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except FiteError as error:
            tell(f"fite: {as_typed(ctx, str(error))}")
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            tell("fite: interrupted; finished batches are kept.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            _discard_output()
            raise typer.Exit(BROKEN_PIPE) from None
        except OSError as error:
            raise typer.Exit(_refused(error)) from error

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order of the road, not of the alphabet."""
        return [name.replace("_", "-") for name in COMMANDS]


def _refused(error: OSError) -> int:
    """Tell what the disk refused, and the exit code of that; raises the error where it is another."""
    if (reason := refusal(error)) is None:
        raise error
    _discard_output()
    told = "the output cannot be written" if error.filename is None else error.filename
    tell(f"fite: {told}: {reason}. {remedy(error)}")
    return 1


def _discard_output() -> None:
    """Let what is still buffered go nowhere: the reader is gone, or the disk is full."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    name="fite",
    cls=Boundary,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fite {__version__}")
        raise typer.Exit


@app.callback()
def settings(
    ctx: typer.Context,
    db: Annotated[
        str | None, typer.Option(help="The store: a path or a database URL (also FITE_DB).")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """How does a tweet feel about each entity it mentions? Reads the text and the faces."""
    found = Settings.from_environment()
    ctx.obj = found if db is None else replace(found, db=db)


for _name in COMMANDS:
    import_module(f"fitecli.cli.{_name}").add_to(app)


def _unraisable(lost: Any) -> None:
    """An interruption that came within a destructor, where nothing can be raised, comes again."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        Timer(AGAIN, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(lost)


def _open_streams() -> None:
    """Let streams that are closed from the start lead nowhere; no file may get their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


def run() -> None:
    """Run the command that was typed."""
    sys.unraisablehook = _unraisable
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except OSError as error:  # before a command began, such as from --help
        sys.exit(_refused(error))
