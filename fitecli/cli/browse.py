"""fite browse"""

from __future__ import annotations

from typing import Annotated

import typer

from fitecli.cli.console import say, tell


def browse(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of 127.0.0.1; 0 takes a free one.")
    ] = 8001,
    open: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = False,
    blur: Annotated[bool, typer.Option("--blur", help="Blur the faces in the pictures.")] = False,
) -> None:
    """Look at the store in a browser: views, queries, faces, tweets; read-only, on this machine."""
    from fitecli.browsing import BrowseOptions
    from fitecli.browsing import browse as serve

    def ready(address: str) -> None:
        say(address)
        tell("Ctrl-C ends it.")
        if open:
            import webbrowser
            from threading import Thread

            Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    serve(ctx.obj.db, BrowseOptions(port, blur), ready)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(browse)
