"""The options of ``millstream dlq``; what its commands do is in :mod:`millstream.cli.dlq`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from millstream.cli.failure import leave, told

app = typer.Typer(
    help="Dead letters: rows that could not be used. Look at them, put them through again.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Form(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """How letters are printed."""

    TABLE = "table"
    JSON = "json"


Place = Annotated[
    str,
    typer.Argument(
        metavar="DIR", help="The folder or address of the checkpoints, or of the dead letters."
    ),
]
Operator = Annotated[
    str | None, typer.Option("--operator", help="Of this step, or this table.", metavar="NAME")
]
Kinds = Annotated[
    str | None,
    typer.Option("--kind", help="undecodable, rejected, late or refused.", metavar="KIND"),
]
Reason = Annotated[
    str | None, typer.Option("--reason", help="With this in the reason.", metavar="TEXT")
]
Since = Annotated[
    str | None,
    typer.Option("--since", help="That came since: '2026-11-21T10:00', or '2 h' ago."),
]
Epoch = Annotated[int | None, typer.Option("--epoch", help="Of this epoch.")]
State = Annotated[
    str | None,
    typer.Option("--state", help="new, asked, replayed or 'failed again'.", metavar="STATE"),
]
Format = Annotated[Form, typer.Option("--format", help="How they are printed.")]
Pairs = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, as SET in SQL; may be repeated."),
]


@app.command("list")
def list_(
    place: Place,
    operator: Operator = None,
    kind: Kinds = None,
    reason: Reason = None,
    since: Since = None,
    epoch: Epoch = None,
    state: State = None,
    form: Format = Form.TABLE,
    pairs: Pairs = None,
) -> None:
    """Count letters by step, kind, reason and state."""
    with told():
        from millstream.cli.dlq import filter_of, list_letters

        wanted = filter_of(operator, kind, reason, since, epoch)
        leave(list_letters(place, wanted, state, form.value, pairs or []))


@app.command()
def show(  # noqa: PLR0913, PLR0917 (each is an option)
    place: Place,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]…", help="As '12:5'.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most letters shown.")] = 10,
    operator: Operator = None,
    kind: Kinds = None,
    reason: Reason = None,
    since: Since = None,
    epoch: Epoch = None,
    state: State = None,
    form: Format = Form.TABLE,
    pairs: Pairs = None,
) -> None:
    """Show letters with their bytes or columns, and where they came from."""
    with told():
        from millstream.cli.dlq import filter_of, show_letters

        wanted = filter_of(operator, kind, reason, since, epoch)
        leave(show_letters(place, ids or [], wanted, state, limit, form.value, pairs or []))


@app.command()
def export(
    place: Place,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .parquet, .jsonl or .csv file.")],
    operator: Operator = None,
    kind: Kinds = None,
    reason: Reason = None,
    since: Since = None,
    epoch: Epoch = None,
    state: State = None,
    pairs: Pairs = None,
) -> None:
    """Write letters to a file."""
    with told():
        from millstream.cli.dlq import export_letters, filter_of

        wanted = filter_of(operator, kind, reason, since, epoch)
        leave(export_letters(place, file, wanted, state, pairs or []))


@app.command()
def replay(  # noqa: PLR0913, PLR0917 (each is an option)
    place: Place,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The pipeline, mended.")],
    only: Annotated[
        bool, typer.Option("--only", help="Put the letters through, read no source, then stop.")
    ] = False,
    operator: Operator = None,
    kind: Kinds = None,
    reason: Reason = None,
    since: Since = None,
    epoch: Epoch = None,
    pairs: Pairs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress line.")] = False,
) -> None:
    """Put letters through a pipeline again, exactly once."""
    with told():
        from millstream.cli.dlq import filter_of, replay_letters

        wanted = filter_of(operator, kind, reason, since, epoch)
        leave(replay_letters(place, file, wanted, only=only, pairs=pairs or [], quiet=quiet))


@app.command()
def purge(
    place: Place,
    everything: Annotated[
        bool, typer.Option("--all", help="Whatever was done with them; else say which.")
    ] = False,
    operator: Operator = None,
    kind: Kinds = None,
    reason: Reason = None,
    since: Since = None,
    epoch: Epoch = None,
    state: State = None,
    pairs: Pairs = None,
) -> None:
    """Remove letters for good: those that pass the filters, whole epochs of them at a time."""
    with told():
        from millstream.cli.dlq import filter_of, purge_letters
        from millstream.errors import PlanError

        given = (operator, kind, reason, since, epoch, state)
        if not everything and all(value is None for value in given):
            raise PlanError("Which letters?", hint="Say --state replayed, or --all.")
        wanted = filter_of(operator, kind, reason, since, epoch)
        leave(purge_letters(place, wanted, state, pairs or []))
