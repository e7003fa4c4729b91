"""The commands and their options; what they do is one module each, imported when called."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from millstream.cli import ask, checkpoints_app, top
from millstream.cli.dlq_app import app as dlq_app
from millstream.cli.failure import leave, told
from millstream.cli.logs import LogFormat, LogLevel, set_up
from millstream.cli.metrics import app as metrics_app

EPILOG = (
    "Exit codes: 0 ok, 1 the pipeline failed, 2 something in the program or the options is wrong, "
    "3 it ran but rejected rows that nobody reads, 70 a bug of ours, 130 Ctrl-C, 143 SIGTERM. "
    "MILLSTREAM_DEBUG=1 shows tracebacks."
)

app = typer.Typer(
    name="millstream",
    help="Real-time data processing: SQL and Python over streams, in one package.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


app.add_typer(dlq_app, name="dlq")
app.add_typer(metrics_app, name="metrics")


class RowsFormat(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


class ListFormat(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


class PlanFormat(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """How a comparison or an explanation is printed."""

    TABLE = "table"
    JSON = "json"


class Engine(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """Where a pipeline runs."""

    EMBEDDED = "embedded"


Program = Annotated[Path, typer.Argument(metavar="FILE", help="A .sql or .py file.")]
Pairs = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting, as SET in SQL; may be repeated."),
]


Address = Annotated[
    str | None,
    typer.Option(
        "--ui", metavar="[HOST:PORT]", help="Serve dashboard and API there (127.0.0.1:8042)."
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", metavar="FILE", help="Who asks the server must know this token."),
]
TlsCert = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="Serve https: the certificate.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="And its key.")]
AlertTo = Annotated[
    list[str] | None,
    typer.Option(
        "--alert-to", metavar="CHANNEL", help="Send health alerts there: log, webhook:URL, …"
    ),
]


HowToLog = Annotated[
    LogFormat | None,
    typer.Option(
        "--log-format", help="Log with job, operator, split; as JSON: nothing else on stderr."
    ),
]
WhatToLog = Annotated[
    LogLevel | None,
    typer.Option("--log-level", help="The least that is logged. Without: warning; as JSON: info."),
]


@app.callback(invoke_without_command=True)
def _start(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True)
    ] = False,
) -> None:
    set_up()
    if version:
        from millstream import __version__

        print(__version__)
        raise typer.Exit


@app.command()
def run(  # noqa: PLR0913, PLR0917 (an argument is an option)
    file: Program,
    engine: Annotated[
        Engine, typer.Option("--engine", help="Where it runs: in this process.")
    ] = Engine.EMBEDDED,
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", metavar="DIR", help="Keep checkpoints; go on from the last."),
    ] = None,
    restore: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="PLACE[@EPOCH]", help="Begin from a savepoint or checkpoint folder."
        ),
    ] = None,
    as_new: Annotated[
        bool, typer.Option("--as-new", help="With --from: as a new pipeline, known to no sink.")
    ] = False,
    pairs: Pairs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress line.")] = False,
    allow_lost_state: Annotated[
        bool,
        typer.Option("--allow-lost-state", help="Give up state the changed program cannot use."),
    ] = False,
    ui: Address = None,
    token_file: TokenFile = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    alert_to: AlertTo = None,
    log_format: HowToLog = None,
    log_level: WhatToLog = None,
) -> None:
    """Run a pipeline to its end, or until Ctrl-C."""
    quiet = set_up(log_format, log_level) or quiet
    with told():
        from millstream.cli.run import run_file
        from millstream.cli.serving import wanted

        if restore is not None:
            pairs = [*(pairs or []), f"execution.state-recovery.path={restore}"]
            pairs.append(f"execution.state-recovery.as-new={str(as_new).lower()}")
        if allow_lost_state:
            pairs = [*(pairs or []), "execution.savepoint.ignore-unclaimed-state=true"]
        assert engine is Engine.EMBEDDED, "the only engine of this version"
        server = wanted(ui, token_file, tls_cert, tls_key, alert_to)
        leave(run_file(file, checkpoint, pairs or [], quiet=quiet, server=server))


@app.command()
def serve(  # noqa: PLR0913, PLR0917 (an argument is an option)
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE…", help="Programs: .sql or .py files.")
    ],
    checkpoint: Annotated[
        str | None,
        typer.Option(
            "--checkpoint",
            metavar="DIR",
            help="Keep checkpoints; of several files, one folder each.",
        ),
    ] = None,
    ui: Address = None,
    token_file: TokenFile = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    alert_to: AlertTo = None,
    pairs: Pairs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing.")] = False,
    log_format: HowToLog = None,
    log_level: WhatToLog = None,
) -> None:
    """Run pipelines under one dashboard until Ctrl-C; stop and resume them there."""
    quiet = set_up(log_format, log_level) or quiet
    with told():
        from millstream.cli.serve import serve_files
        from millstream.cli.serving import ADDRESS, wanted

        server = wanted(ui or ADDRESS, token_file, tls_cert, tls_key, alert_to)
        assert server is not None, "an address is given"
        leave(serve_files(files, checkpoint, pairs or [], server, quiet=quiet))


@app.command()
def sql(
    text: Annotated[
        str | None, typer.Argument(metavar="[SQL]", help="Statements; none opens a shell.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read them from a file.")
    ] = None,
    rows_format: Annotated[
        RowsFormat, typer.Option("--format", help="How rows are printed.")
    ] = RowsFormat.TABLE,
    changelog: Annotated[
        bool, typer.Option("--changelog", help="Print each change: +I, -U, +U, -D.")
    ] = False,
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", metavar="DIR", help="Keep checkpoints.")
    ] = None,
    pairs: Pairs = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress line.")] = False,
) -> None:
    """Run SQL and print its rows; without SQL open a shell."""
    with told():
        from millstream.cli.query import query

        leave(
            query(
                text,
                file,
                rows_format.value,
                checkpoint,
                pairs or [],
                changelog=changelog,
                quiet=quiet,
            )
        )


@app.command()
def shell(pairs: Pairs = None) -> None:
    """Open the interactive SQL shell."""
    with told():
        from millstream.cli.shell import open_shell

        leave(open_shell(pairs or []))


@app.command()
def check(file: Program, pairs: Pairs = None) -> None:
    """Validate a pipeline without connecting to anything."""
    with told():
        from millstream.cli.inspect import check_file

        leave(check_file(file, pairs or []))


@app.command()
def explain(
    file: Program,
    pairs: Pairs = None,
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", metavar="DIR", help="Tell what each step keeps there."),
    ] = None,
    analyze: Annotated[
        bool,
        typer.Option(
            "--analyze", help="Run it, writing nothing, and tell what each step takes and does."
        ),
    ] = False,
    for_text: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="10s", help="With --analyze: so long at most; endless ones 10 s."
        ),
    ] = None,
) -> None:
    """Print the plan of a pipeline, with its guarantees."""
    with told():
        from millstream.cli.inspect import explain_file

        leave(explain_file(file, pairs or [], checkpoint, analyze=analyze, for_text=for_text))


@app.command()
def plan(
    file: Program,
    place: Annotated[
        str,
        typer.Option("--from", metavar="DIR", help="The checkpoint folder it would go on from."),
    ],
    epoch: Annotated[
        int | None, typer.Option("--epoch", help="Another epoch than the newest.")
    ] = None,
    plan_format: Annotated[
        PlanFormat, typer.Option("--format", help="How it is printed.")
    ] = PlanFormat.TABLE,
    pairs: Pairs = None,
) -> None:
    """Tell what of a checkpoint a changed program keeps; touches nothing."""
    with told():
        from millstream.cli.plan import plan_file

        leave(plan_file(file, place, epoch, plan_format.value, pairs or []))


@app.command()
def replay(  # noqa: PLR0913, PLR0917 (an argument is an option)
    file: Program,
    checkpoint: Annotated[
        str, typer.Option("--checkpoint", metavar="DIR", help="The folder it ran with.")
    ],
    epoch: Annotated[
        int | None, typer.Option("--epoch", help="The epoch; without, the newest.")
    ] = None,
    until: Annotated[int | None, typer.Option("--until", help="Up to this epoch.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="PLACE", help="Write the rows: a folder, .parquet, .jsonl."
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Print the rows.")] = False,
    explain_row: Annotated[
        str | None,
        typer.Option("--explain-row", metavar="COL=VALUE,…", help="Find the input rows of a row."),
    ] = None,
    sink: Annotated[
        str | None, typer.Option("--sink", help="The sink of that row, where there are several.")
    ] = None,
    plan_format: Annotated[
        PlanFormat, typer.Option("--format", help="How explained rows are printed.")
    ] = PlanFormat.TABLE,
    pairs: Pairs = None,
) -> None:
    """Run epochs again and compare, or explain an output row; touches nothing."""
    with told():
        if explain_row is not None:
            from millstream.cli.explain_row import explain_row_of

            shape = plan_format.value
            leave(explain_row_of(file, checkpoint, epoch, explain_row, sink, shape, pairs or []))
        from millstream.cli.replay import replay_file

        leave(replay_file(file, checkpoint, epoch, until, output, pairs or [], show=show))


@app.command()
def connectors(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show the options of one.")
    ] = None,
    list_format: Annotated[
        ListFormat, typer.Option("--format", help="How the list is printed.")
    ] = ListFormat.TABLE,
) -> None:
    """List the connectors, or the options of one."""
    with told():
        from millstream.cli.listing import list_connectors

        leave(list_connectors(name, list_format.value))


@app.command()
def settings(
    list_format: Annotated[
        ListFormat, typer.Option("--format", help="How the list is printed.")
    ] = ListFormat.TABLE,
) -> None:
    """List the settings of a pipeline."""
    with told():
        from millstream.cli.listing import list_settings

        leave(list_settings(list_format.value))


@app.command()
def demo(
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", min=0, help="Play the year in so many; 0 = as fast as it can."),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0, help="Instead: event seconds per second (3600 = an hour)."),
    ] = None,
    database: Annotated[
        Path, typer.Option("--database", metavar="FILE", help="The DuckDB file of the results.")
    ] = Path("flights.duckdb"),
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a screen.")] = False,
    ui: Address = None,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Without the dashboard.")] = False,
) -> None:
    """Play a year of real departures as a live stream, with its dashboard."""
    with told():
        from millstream.cli.demo import play
        from millstream.cli.serving import ADDRESS, wanted

        server = None if no_ui else wanted(ui or ADDRESS, None, None, None, None)
        leave(play(seconds, speed, database, plain=plain, server=server))


@app.command()
def bench(
    file: Program,
    seconds: Annotated[
        str, typer.Option("--seconds", metavar="5s", help="How long each rate is kept up.")
    ] = "5s",
    rates: Annotated[
        str | None,
        typer.Option(
            "--rates", metavar="1k,50k", help="Events a second; without, up to 80 % of the most."
        ),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", help="So many different rows; given again and again.")
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option("--sample", metavar="FILE", help="Recorded rows: .jsonl or .parquet."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="PLACE", help="Write PLACE.png and PLACE.svg."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    pairs: Pairs = None,
) -> None:
    """Measure a pipeline: the most it can take, and its latency at steady rates."""
    with told():
        from millstream.cli.bench import bench_file

        leave(
            bench_file(
                file, pairs or [], seconds=seconds, rates=rates, rows=rows, sample=sample,
                plot=plot, as_json=as_json,
            )
        )  # fmt: skip


checkpoints_app.register(app)
ask.register(app)
top.register(app)


@app.command()
def warmup() -> None:
    """Compile the kernels into the cache, for images."""
    with told():
        from millstream.cli.warm import warm_up

        leave(warm_up())
