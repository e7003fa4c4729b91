"""What is shipped and printed is what the table says: page, files, command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from millstream.cli.app import app
from millstream.serve.metrics import shipped
from millstream.serve.metrics.table import METRICS, NAMES
from millstream.serve.metrics.yaml_text import as_yaml

ROOT = Path(__file__).resolve().parents[3]


def said(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["metrics", *words])
    assert done.exit_code == code, done.output
    return done.output


def test_page_and_files_say_what_the_table_says():
    """Generated means generated: `python tools/metrics_docs.py` writes them."""
    command = [sys.executable, str(ROOT / "tools" / "metrics_docs.py"), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_command_lists_every_metric():
    """A user without the repository finds them all."""
    listed = json.loads(said("list", "--format", "json"))
    assert {m["name"] for m in listed} == NAMES
    for form in ("table", "markdown"):
        text = said("list", "--format", form)
        assert all(m.name in text and m.help in text for m in METRICS)


def test_the_command_prints_what_the_files_hold():
    """A package without its repository is enough to set Prometheus and Grafana up."""
    files = shipped.files()
    assert said("rules") == files["prometheus/millstream.rules.yml"]
    assert said("scrape") == files["prometheus/prometheus.yml"]
    assert said("grafana") == files["grafana/dashboards/millstream.json"]
    assert "- shop-1:8042" in said("scrape", "--target", "shop-1:8042")


def test_the_command_writes_them(tmp_path):
    """Files at once, at the places the configuration looks for them."""
    said("write", str(tmp_path))
    for name, text in shipped.files().items():
        assert (tmp_path / name).read_text("utf-8") == text


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    """A wrong path is a mistake of the user, and no bug of ours."""
    taken = tmp_path / "file"
    taken.write_text("")
    assert "cannot be written" in said("write", str(taken), code=2)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "x", "b": 5, "c": True}, "a: x\nb: 5\nc: true\n"),
        ({"a": "yes", "b": "5s", "c": "", "d": "a: b"}, 'a: "yes"\nb: "5s"\nc: ""\nd: "a: b"\n'),
        ({"a": [], "b": ["x", 1]}, "a: []\nb:\n  - x\n  - 1\n"),
        ([{"a": {"b": 1}, "c": 'é"\\'}], '- a:\n    b: 1\n  c: "é\\"\\\\"\n'),
        ({"a": "one\ntwo"}, "a: |-\n  one\n  two\n"),
        (
            {"a": "x:", "b": "-x", "c": "null", "d": "1.5"},
            'a: "x:"\nb: "-x"\nc: "null"\nd: "1.5"\n',
        ),
    ],
)
def test_yaml_is_what_readers_take(value, text):
    """A text that YAML would read as something else is quoted: "yes" and "5s" stay texts."""
    assert as_yaml(value) == text
