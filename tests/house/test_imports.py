"""What an import costs, counted in modules: time differs between machines, modules do not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "polars", "numpy", "pyarrow", "numba", "pandas", "duckdb", "confluent_kafka", "psycopg",
    "sqlglot", "rich", "prompt_toolkit", "msgspec",
)  # fmt: skip
COUNT = """
import json, runpy, sys
sys.argv = {argv!r}
try:
    {do}
except SystemExit:
    pass
print("\\n@@" + json.dumps(sorted(sys.modules)))
"""


def modules_after(do: str, argv: list[str] | None = None) -> list[str]:
    code = COUNT.format(do=do, argv=argv or ["x"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout.rpartition("@@")[2])
    return found


@pytest.mark.parametrize(
    ("what", "do", "argv", "modules_max"),
    [
        ("import millstream", "import millstream", [], 120),
        ("--help", "from millstream.cli import main; main()", ["millstream", "--help"], 300),
        ("run --help", "from millstream.cli import main; main()", ["millstream", "run", "-h"], 300),
        ("--version", "from millstream.cli import main; main()", ["millstream", "--version"], 300),
        ("errors", "from millstream import PlanError", [], 120),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_first_contact_is_light(what, do, argv, modules_max):
    """`import millstream` and --help answer at once because they load nothing heavy."""
    found = modules_after(do, argv)
    heavy = {name.partition(".")[0] for name in found} & set(HEAVY)
    assert not heavy, f"{what} imports {sorted(heavy)}"
    assert len(found) <= modules_max, f"{what} imports {len(found)} modules"


def test_building_a_plan_loads_no_engine():
    """Expressions and windows are plain data: neither Polars nor Numba is needed to write them."""
    found = modules_after(
        "import millstream as ms; e = ms.col('a').sum() / 2; w = ms.tumble('1m'); repr(e)"
    )
    assert not {"polars", "numba", "pyarrow"} & set(found)
