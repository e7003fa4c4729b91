"""The options of ``millstream checkpoints`` and ``millstream stop``; what they do is elsewhere."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

from millstream.cli.failure import leave, told


class Deed(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """What to do with a checkpoint folder."""

    LIST = "list"
    VERIFY = "verify"
    PRUNE = "prune"


class Form(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """How epochs are printed."""

    TABLE = "table"
    JSON = "json"


Place = Annotated[
    str, typer.Argument(metavar="DIR", help="The checkpoint folder, or its s3:// address.")
]
Pairs = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, as s3.endpoint."),
]


def checkpoints(
    place: Place,
    deed: Annotated[
        Deed,
        typer.Argument(
            help="list: the epochs there are; verify: check every byte; prune: remove what is "
            "not needed."
        ),
    ] = Deed.LIST,
    form: Annotated[Form, typer.Option("--format", help="How epochs are printed.")] = Form.TABLE,
    retain: Annotated[
        int | None, typer.Option("--retain", min=2, help="prune: epochs that are kept.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="prune: only tell what would be removed.")
    ] = False,
    pairs: Pairs = None,
) -> None:
    """List, verify or prune the checkpoints of a folder."""
    with told():
        from millstream.cli import checkpoints as doing

        if deed is Deed.LIST:
            leave(doing.show(place, form.value, pairs or []))
        if deed is Deed.VERIFY:
            leave(doing.verify(place, pairs or []))
        leave(doing.prune(place, retain, pairs or [], dry_run=dry_run))


def stop(
    place: Place,
    drain: Annotated[
        bool, typer.Option("--drain", help="Close open windows first: no more rows will come.")
    ] = False,
    savepoint: Annotated[
        str | None,
        typer.Option("--savepoint", metavar="TARGET", help="Copy the last epoch to this place."),
    ] = None,
    pairs: Pairs = None,
) -> None:
    """Stop the pipeline that runs on a checkpoint folder, and wait for its end."""
    with told():
        from millstream.cli.stop import stop_pipeline

        leave(stop_pipeline(place, savepoint, pairs or [], drain=drain))


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(checkpoints)
    app.command()(stop)
