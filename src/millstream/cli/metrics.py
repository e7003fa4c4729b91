"""``millstream metrics``: which metrics there are, and what sets Prometheus and Grafana up.

in      nothing of a pipeline: all of it is made from the table of metrics
out     texts on standard output, or the files in a folder
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from millstream.cli.failure import told
from millstream.errors import PlanError

app = typer.Typer(
    help="Metrics: which there are; rules and a dashboard for Prometheus and Grafana.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Form(str, Enum):  # noqa: UP042 (typer shows the values of a str Enum)
    """How metrics are printed."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


@app.command("list")
def list_metrics(
    form: Annotated[Form, typer.Option("--format", help="How they are printed.")] = Form.TABLE,
) -> None:
    """List every metric with its kind, unit, labels and meaning."""
    with told():
        from millstream.serve.metrics.table import METRICS, PROCESS

        found: list[dict[str, Any]] = [
            {"name": m.name, "kind": m.kind.value, "unit": m.unit, "labels": list(m.labels),
             "help": m.help}
            for m in METRICS
        ] + [
            {"name": m.name, "kind": "gauge", "unit": m.unit, "labels": list(m.labels),
             "help": m.help}
            for m in PROCESS
        ]  # fmt: skip
        if form is Form.JSON:
            print(json.dumps(found, indent=2, ensure_ascii=False))
        elif form is Form.MARKDOWN:
            print(as_markdown(found), end="")
        else:
            _print_table(found)


@app.command()
def rules() -> None:
    """Print recording and alert rules for Prometheus."""
    with told():
        from millstream.serve.metrics import rules as making

        print(making.rules(), end="")


@app.command()
def scrape(
    targets: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="HOST:PORT", help="Where it serves; may be repeated."),
    ] = None,
    token_file: Annotated[
        str | None,
        typer.Option("--token-file", metavar="FILE", help="Where Prometheus finds the token."),
    ] = None,
    https: Annotated[bool, typer.Option("--https", help="The server speaks TLS.")] = False,
) -> None:
    """Print a configuration of Prometheus that scrapes Millstream."""
    with told():
        from millstream.serve.metrics import rules as making

        where = targets or [f"localhost:{making.PORT}"]
        print(making.scrape_config(where, token_file=token_file, https=https), end="")


@app.command()
def grafana() -> None:
    """Print a dashboard for Grafana."""
    with told():
        from millstream.serve.metrics.grafana import dashboard

        print(dashboard(), end="")


@app.command()
def write(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where; files there are replaced.")],
) -> None:
    """Write all of it: prometheus/ and grafana/ with the files that provision it."""
    with told():
        from millstream.serve.metrics import shipped

        try:
            for place in shipped.write(folder):
                print(place)
        except OSError as error:
            reason = error.strerror or str(error)
            raise PlanError(f"'{folder}' cannot be written: {reason}.") from None


def as_markdown(found: list[dict[str, Any]]) -> str:
    """Return metrics as a table of Markdown."""
    lines = ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    for m in found:
        labels = ", ".join(f"`{label}`" for label in m["labels"])
        lines.append(f"| `{m['name']}` | {m['kind']} | {labels} | {m['help']} |")
    return "\n".join(lines) + "\n"


def _print_table(found: list[dict[str, Any]]) -> None:
    width = max(len(m["name"]) for m in found)
    for m in found:
        print(f"{m['name']:<{width}}  {m['kind']:<9}  {m['help']}  [{', '.join(m['labels'])}]")
