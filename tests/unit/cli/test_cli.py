"""The command line, as a process: what it prints where, and how it ends."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from millstream.cli.demo_flights import UNUSUAL_MIN

VALUES = "(VALUES ('de', 1, 2.5), ('fr', 2, CAST(NULL AS DOUBLE)), ('de', 3, 4.0)) AS t(k, n, x)"


def millstream(*args: str, given: str | None = None, cwd: Path | None = None, **env: str):
    return subprocess.run(
        [sys.executable, "-m", "millstream", *args],
        capture_output=True,
        text=True,
        input=given if given is not None else "",
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **env},
        timeout=300,
        check=False,
    )


def test_rows_alone_stand_on_standard_output_as_json():
    """`| jq` works: one object a line, numbers as numbers, everything else on standard error."""
    done = millstream("sql", f"SELECT k, n, x FROM {VALUES}", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"k": "de", "n": 1, "x": 2.5},
        {"k": "fr", "n": 2, "x": None},
        {"k": "de", "n": 3, "x": 4.0},
    ]


def test_csv_has_a_head_and_is_read_back():
    """A field with a comma, a quote or a line break must survive."""
    done = millstream("sql", "SELECT 'a,\"b' AS x, 1 AS y", "--format", "csv")
    assert list(csv.reader(done.stdout.splitlines())) == [["x", "y"], ['a,"b', "1"]]


def test_a_bounded_query_prints_its_final_result():
    """Changes on the way are nobody's business unless asked for."""
    text = f"SELECT k, SUM(n) AS total FROM {VALUES} GROUP BY k"
    done = millstream("sql", text, "--format", "json")
    assert sorted(done.stdout.splitlines()) == ['{"k":"de","total":4}', '{"k":"fr","total":2}']


def test_the_changelog_tells_each_change_and_folds_to_the_result():
    """--changelog gives +I -U +U -D; whoever applies them has the final result."""
    text = f"SELECT k, SUM(n) AS total FROM {VALUES} GROUP BY k"
    done = millstream("sql", text, "--format", "json", "--changelog")
    standing: dict[str, int] = {}
    for line in done.stdout.splitlines():
        row = json.loads(line)
        assert row["op"] in ("+I", "-U", "+U", "-D")
        if row["op"] in ("+I", "+U"):
            standing[row["k"]] = row["total"]
    assert standing == {"de": 4, "fr": 2}


def test_a_table_shows_null_and_aligns():
    """The default shape is for eyes."""
    done = millstream("sql", f"SELECT k, x FROM {VALUES}")
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert lines[0] == ["k", "x"]
    assert ["fr", "NULL"] in lines


def test_sql_comes_from_a_file_or_standard_input(tmp_path):
    """-f FILE and a pipe are the same as the argument."""
    script = tmp_path / "q.sql"
    script.write_text("CREATE VIEW v AS SELECT 1 AS x;\nSELECT x + 1 AS y FROM v;\n")
    by_file = millstream("sql", "-f", str(script), "--format", "json")
    by_pipe = millstream("sql", "--format", "json", given=script.read_text())
    assert by_file.stdout == by_pipe.stdout == '{"y":2}\n'


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["sql", "SELECT nothing FROM (VALUES (1)) AS t(x)"], 2, "Unknown column 'nothing'"),
        (["sql", "SELEC 1"], 2, "line 1"),
        (["sql", "SELECT 1", "--set", "pipeline.nam=x"], 2, "Did you mean 'pipeline.name'"),
        (["sql", "SELECT 1", "--set", "pipeline.name"], 2, "is not KEY=VALUE"),
        (["sql", "-f", "no/such.sql"], 2, "There is no file"),
        (["sql", "SELECT 1", "-f", "x.sql"], 2, "Give one of them"),
        (["run", "no/such.py"], 2, "There is no file"),
        (["run", __file__.replace("test_cli.py", "")], 2, "There is no file"),
        (["connectors", "kafak"], 2, "Did you mean 'kafka'"),
        (["demo", "--seconds", "1", "--speed", "1"], 2, "Give one of them"),
        (["nonsense"], 2, "No such command"),
        (["sql", "--format", "xml", "SELECT 1"], 2, "xml"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_users_mistake_is_told_in_one_message(args, code, says):
    """What, where, what next; no traceback; exit code 2 because nothing ran."""
    done = millstream(*args)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_shows_the_traceback():
    """Whoever develops Millstream wants to see where it came from."""
    done = millstream("sql", "SELECT x", MILLSTREAM_DEBUG="1")
    assert done.returncode == 2
    assert "Traceback" in done.stderr


PROGRAM = """\
import millstream as ms
from millstream import col
rows = ms.read_memory([{"x": 1}, {"x": 2}], name="rows")
rows.filter(col("x") > 1).write_print()
"""


def test_a_program_runs_whether_or_not_it_says_run(tmp_path):
    """Sinks declared and not run are run by the command; those it ran are not run twice."""
    file = tmp_path / "app.py"
    for tail in ("", "ms.run()\n"):
        file.write_text(PROGRAM + tail)
        done = millstream("run", str(file), "--quiet")
        assert (done.returncode, done.stdout) == (0, "+I[2]\n"), done.stderr


def test_a_run_sums_up_on_standard_error(tmp_path):
    """The summary says what came in, went out, was late, was rejected, per sink."""
    file = tmp_path / "app.py"
    file.write_text(PROGRAM)
    done = millstream("run", str(file))
    assert "completed" in done.stderr
    assert "2 rows in" in done.stderr
    assert "print: 1 row (" in done.stderr


def test_check_and_explain_run_nothing(tmp_path):
    """They execute the program, but no row is read and nothing is written."""
    file = tmp_path / "app.py"
    file.write_text(PROGRAM + "ms.run()\nopen('ran', 'w').close()\n")
    checked = millstream("check", str(file), cwd=tmp_path)
    assert (checked.returncode, checked.stdout) == (0, "")
    assert "ok (1 sink)" in checked.stderr
    explained = millstream("explain", str(file), cwd=tmp_path)
    assert "Filter (x >" in explained.stdout
    assert "+I[2]" not in explained.stdout


def test_check_finds_what_run_would_refuse(tmp_path):
    """An unknown option is told by check, with its near name, before anything starts."""
    script = tmp_path / "wrong.sql"
    script.write_text(
        "CREATE TABLE t (x INT) WITH ('connector' = 'print', 'print-identifer' = 'a');\n"
        "INSERT INTO t SELECT 1;\n"
    )
    done = millstream("check", str(script))
    assert done.returncode == 2
    assert "Did you mean 'print-identifier'" in done.stderr


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("x = 1 +\n", "is not Python"),
        ("import no_such_module\n", "ModuleNotFoundError"),
        ("x = 1\ny = x + undefined\n", "name 'undefined' is not defined"),
        ("import millstream as ms\nms.run()\n", "nothing to run"),
        ("x = 1\n", "declares nothing to run"),
    ],
)
def test_a_broken_program_is_the_users_own(tmp_path, program, says):
    """An exception of the user's program is shown with its line, not as our traceback."""
    file = tmp_path / "app.py"
    file.write_text(program)
    done = millstream("run", str(file))
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_runs_its_inserts_as_one_job(tmp_path):
    """Two INSERTs of one script share their source and one summary."""
    script = tmp_path / "job.sql"
    script.write_text(
        "CREATE TABLE a (x INT) WITH ('connector' = 'print', 'print-identifier' = 'a');\n"
        "CREATE TABLE b (x INT) WITH ('connector' = 'print', 'print-identifier' = 'b');\n"
        "INSERT INTO a SELECT x FROM (VALUES (1), (2)) AS t(x);\n"
        "INSERT INTO b SELECT x * 10 FROM (VALUES (1), (2)) AS t(x);\n"
    )
    done = millstream("run", str(script))
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["a> +I[1]", "a> +I[2]", "b> +I[10]", "b> +I[20]"]
    assert done.stderr.count("completed") == 1


SLOW = (
    "CREATE TABLE f (origin STRING, scheduled TIMESTAMP(3), WATERMARK FOR scheduled AS scheduled) "
    "WITH ('connector' = 'nycflights', 'seconds' = '6000'); SELECT origin FROM f"
)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
def test_a_signal_ends_a_query_in_order(number, code):
    """Ctrl-C and SIGTERM: rows printed so far are whole, a summary follows, the code says why."""
    process = subprocess.Popen(
        [sys.executable, "-m", "millstream", "sql", SLOW, "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(number)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert all(set(json.loads(line)) == {"origin"} for line in [first, *rest.splitlines()])
    assert "stopped" in errors
    assert "Traceback" not in errors


def test_a_reader_that_leaves_is_no_failure():
    """`millstream sql … | head -1` must not end in a traceback."""
    rows = ", ".join(f"({n})" for n in range(3_000))
    command = (
        f"{sys.executable} -m millstream sql 'SELECT x FROM (VALUES {rows}) AS t(x)' --format csv"
    )
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "x\n"
    assert "Traceback" not in done.stderr


def test_connectors_are_listed_from_their_configs():
    """The list, one connector, and the same for machines."""
    listed = json.loads(millstream("connectors", "--format", "json").stdout)
    assert {"kafka", "filesystem", "memory"} <= {c["name"] for c in listed}
    one = json.loads(millstream("connectors", "print", "--format", "json").stdout)
    assert one["options"][0]["name"] == "print-identifier"
    assert "print-identifier" in millstream("connectors", "print").stdout


def test_the_demo_plays_the_whole_year(tmp_path):
    """336 776 departures in, each in one window of its airport, kept in DuckDB, exit code 0."""
    duckdb = pytest.importorskip("duckdb")
    file = tmp_path / "flights.duckdb"
    done = millstream("demo", "--seconds", "0", "--database", str(file))
    assert done.returncode == 0, done.stderr
    assert "336 776 rows in" in done.stdout
    from millstream.connect.nycflights import departures

    flights = departures(["origin", "dest", "dep_delay", "carrier"])
    with duckdb.connect(str(file), read_only=True) as kept:
        by_origin = kept.execute("SELECT SUM(flights), COUNT(*) FROM by_origin").fetchone()
        routes = kept.execute("SELECT origin, dest, flights, worst_delay FROM routes").fetchall()
        alerts = kept.execute("SELECT COUNT(*) FROM alerts").fetchone()
    assert by_origin == (flights.height, 3 * 365)
    want = duckdb.sql(
        "SELECT origin, dest, COUNT(dep_delay) AS n, MAX(dep_delay) FROM flights "
        "GROUP BY origin, dest HAVING n >= 100"
    ).fetchall()
    assert sorted(routes) == sorted(want)
    limits = pl.col("carrier").replace_strict(UNUSUAL_MIN)
    assert alerts == (flights.filter(pl.col("dep_delay") > limits).height,)


LOSSY = """
CREATE TABLE i (k STRING, v INT)
WITH ('connector' = 'filesystem', 'path' = 'in.json', 'format' = 'json');
CREATE TABLE o (k STRING, v INT)
WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
INSERT INTO o SELECT k, v FROM i;
"""


def test_rejected_rows_that_nobody_reads_are_an_exit_code_of_their_own(tmp_path):
    """The good rows are kept, the bad ones told with reason, and no script takes it for success."""
    (tmp_path / "in.json").write_text('{"k":"a","v":1}\n{"k":"b","v":oops}\n{"k":"c","v":3}\n')
    (tmp_path / "p.sql").write_text(LOSSY)
    done = millstream("run", "p.sql", cwd=tmp_path)
    assert done.returncode == 3
    assert "1 row rejected" in done.stderr
    assert "pipeline.on-reject=fail" in done.stderr
    written = "".join(p.read_text() for p in tmp_path.glob("out/part-*"))
    assert [json.loads(line)["k"] for line in written.splitlines()] == ["a", "c"]


def test_rejected_rows_that_the_program_reads_are_no_failure(tmp_path):
    """Whoever keeps the rejected rows has dealt with them."""
    (tmp_path / "in.json").write_text('{"k":"a","v":1}\n{"k":"b","v":oops}\n')
    (tmp_path / "p.py").write_text(
        "import millstream as ms\n"
        "s = ms.read_json('in.json', schema={'k': 'STRING', 'v': 'INT'})\n"
        "s.write_print()\n"
        "s.rejected.write_print()\n"
        "ms.run()\n"
    )
    done = millstream("run", "p.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no stream of the program reads" not in done.stderr


def test_the_first_bad_row_stops_the_run_if_asked_to(tmp_path):
    """What, where, what next; nothing is written."""
    (tmp_path / "in.json").write_text('{"k":"a","v":1}\n{"k":"b","v":oops}\n')
    (tmp_path / "p.sql").write_text(LOSSY)
    done = millstream("run", "p.sql", "--set", "pipeline.on-reject=fail", cwd=tmp_path)
    assert done.returncode == 1
    assert "A row cannot be used" in done.stderr
    assert "split files" in done.stderr
    assert not list(tmp_path.glob("out/part-*"))
