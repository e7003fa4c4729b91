"""The public names: sorted, there, documented. Their examples are run by `make check`."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import millstream

NAMES = [name for name in millstream.__all__ if name != "__version__"]
CALLABLES = [n for n in NAMES if inspect.isfunction(getattr(millstream, n))]


def test_all_is_sorted_and_complete():
    """Someone adding a name must add it in both places, and where it is looked for."""
    assert millstream.__all__ == sorted(millstream.__all__)
    assert len(set(millstream.__all__)) == len(millstream.__all__)
    assert dir(millstream) == millstream.__all__
    assert set(NAMES) == set(millstream._HOME_OF)


def test_names_for_type_checkers_are_the_names_at_run_time():
    """The TYPE_CHECKING imports are a second list of the same names; neither may lag behind."""
    source = inspect.getsource(millstream)
    block = source[source.index("if TYPE_CHECKING:") : source.index("# The room")]
    words = {
        w.strip(" ,()") for line in block.splitlines() for w in line.split("import")[-1].split(",")
    }
    assert set(NAMES) <= words


def test_an_unknown_name_is_an_attribute_error():
    """hasattr and autocompletion rely on it."""
    assert not hasattr(millstream, "no_such_name")


def test_sql_stays_a_function_whatever_is_imported_first():
    """The room millstream.sql and the function ms.sql share a name; the function must win."""
    code = (
        "from millstream.sql.script import Session\nimport millstream as ms\n"
        "assert callable(ms.sql), ms.sql\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", CALLABLES)
def test_every_function_says_what_it_takes_and_shows_how(name):
    """A docstring has a first line, its arguments and a runnable example or a pointer to one."""
    function = getattr(millstream, name)
    text = inspect.getdoc(function)
    assert text, f"{name} has no docstring"
    first, _, rest = text.partition("\n")
    assert first.endswith("."), f"{name}: the first line is a sentence"
    has_example = ">>>" in text or "see :func:" in first.lower()
    needs_server = name in ("read_kafka", "read_postgres", "read_socket", "read_stdin")
    on_disk = name in ("read_files", "read_duckdb", "read_sqlite")
    assert has_example or needs_server or on_disk, f"{name} shows no example"
    taken = [
        p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD
    ]
    if len(taken) > 2 and "see :func:" not in text:
        assert "Args:" in rest, f"{name} does not say what it takes"
