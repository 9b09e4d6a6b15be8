"""fite doctor"""

from __future__ import annotations

import typer

from fitecli.cli.console import as_typed, print_json, print_table, say
from fitecli.cli.options import Json


def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Tell what is installed, which device is used, what is wrong and how to mend it."""
    from fitecli.pipeline.checkup import check_up

    findings = check_up(ctx.obj)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        rows = [(f.level, f.subject, f.message) for f in findings]
        print_table(None, ("", "what", "found"), rows)
        for finding in findings:
            if finding.mend:
                mend = as_typed(ctx, f"`{finding.mend}`").strip("`")
                say(f"\n{finding.subject}: {mend}")
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(doctor)
