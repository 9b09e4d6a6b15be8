"""fite export-tasks"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fitecli.cli.console import counted, opened, tell
from fitecli.cli.options import Split
from fitecli.cli.writing import write_parts


def export_tasks(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Option(help="Dataset whose tweets are to be looked at.")],
    output: Annotated[Path, typer.Option(help="The file of tasks to write (JSON).")],
    split: Split = None,
    model: Annotated[
        str | None, typer.Option(help="Whose predictions (default: the last model's).")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(help="Read under which features (default: as the last prediction)."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many tweets.")] = None,
    order: Annotated[
        str, typer.Option(help="unsure (least sure first) or id (as they were added).")
    ] = "unsure",
    config: Annotated[
        Path | None, typer.Option(help="Write the labelling configuration (XML) that goes with it.")
    ] = None,
    root: Annotated[
        Path,
        typer.Option(
            help="Folder that Label Studio serves (LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT); the "
            "project needs a local storage of the pictures' folder."
        ),
    ] = Path("/"),
    image_url: Annotated[
        str | None, typer.Option(help="Address before the pictures' names, instead of --root.")
    ] = None,
) -> None:
    """Write tasks for Label Studio with what a model thinks; `fite ingest` reads what comes back."""
    import os.path

    from fitecli.errors import UsageProblem
    from fitecli.pipeline.labelling import CONFIG, TaskOptions, as_array, tasks

    if config is not None and os.path.realpath(config) == os.path.realpath(output):
        raise UsageProblem("--config and --output name one file: choose two.")
    options = TaskOptions(dataset, split, model, features, order, limit, root, image_url)
    with opened(ctx.obj, create=False) as store:
        count = write_parts(as_array(tasks(store, options, tell=tell)), output) - 1
    if config is not None:
        write_parts(iter([CONFIG.encode()]), config)
    there = f"; labelling configuration in {config}" if config else ""
    tell(f"{counted(count, 'task')} in {output}{there}")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("export-tasks")(export_tasks)
