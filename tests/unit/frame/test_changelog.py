"""Changes from Python: files of changes in and out, rows as changes and changes as rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import millstream as ms
from millstream.frame.figures import summary_lines
from millstream.plan.table import Physical, Table
from millstream.ports.connector import End
from millstream.ports.registry import source_for
from millstream.types import parse_type

if TYPE_CHECKING:
    from pathlib import Path

PETS = {"id": "BIGINT", "name": "STRING"}
TOLD = [
    {"op": "c", "id": 1, "name": "a"},
    {"op": "c", "id": 2, "name": "b"},
    {"op": "u", "id": 1, "name": "x"},
    {"op": "d", "id": 2, "name": None},
]
KINDS = {"c, r": "INSERT", "u": "UPDATE_AFTER", "d": "DELETE"}


def debezium(op: str, before: Any, after: Any) -> str:
    return json.dumps({"before": before, "after": after, "op": op})


def pet(id_: int, name: str) -> dict[str, Any]:
    return {"id": id_, "name": name}


@pytest.fixture
def changes(tmp_path: Path) -> Path:
    path = tmp_path / "pets.json"
    lines = [
        debezium("c", None, pet(1, "a")),
        debezium("u", pet(1, "a"), pet(1, "b")),
        "",
        "{",
        debezium("c", None, pet(2, "c")),
        debezium("u", pet(2, "c"), pet(2, "d")),
        debezium("d", pet(1, "b"), None),
    ]
    path.write_text("\n".join(lines))
    return path


def read_changes(path: Path) -> ms.Stream:
    return ms.read_files(path, format="debezium-json", schema=PETS)


def test_a_file_of_changes_is_the_table_it_leads_to(changes):
    """Counting documents as new rows would be the silent mistake of a format that forgets kinds."""
    pets = read_changes(changes)
    assert pets.collect().rows() == [(2, "d")]
    assert pets.group_by().agg(n=ms.count()).collect().rows() == [(1,)]
    (bad,) = pets.rejected.collect().rows()
    assert bad[4] == b"{"


@pytest.mark.parametrize("max_rows", [1, 2, 3, 100])
def test_chunks_of_changes_are_cut_between_documents(changes, max_rows):
    """A resume between the two rows of an update would lose one of them."""
    table = Table(
        "pets",
        tuple(Physical(name, parse_type(kind)) for name, kind in PETS.items()),
        "filesystem",
        {"path": str(changes), "format": "debezium-json"},
    )
    resume, found, rejected = None, [], 0
    while True:
        reader = source_for(table).open("files", resume=resume)
        try:
            chunk = reader.poll(max_rows=max_rows, timeout_s=1)
        except End:
            break
        finally:
            reader.close()
        assert chunk is not None
        assert chunk.offsets is not None
        found += [
            (place, *row) for place, row in zip(chunk.offsets, chunk.frame.rows(), strict=True)
        ]
        bad = 0 if chunk.rejected is None else chunk.rejected.height
        rejected += bad
        assert len(set(chunk.offsets)) + bad <= max_rows
        resume = chunk.resume
    assert rejected == 1
    assert [row[1:] for row in found] == [
        (1, "a", 0), (1, "a", 1), (1, "b", 2), (2, "c", 0), (2, "c", 1), (2, "d", 2), (1, "b", 3),
    ]  # fmt: skip
    assert len({row[0] for row in found}) == 5


def test_updating_results_go_into_files_of_changes_and_back(changes, tmp_path):
    """A folder of new rows alone refuses such results; with a changelog format it takes them."""
    counts = read_changes(changes).group_by("name").agg(n=ms.count())
    with pytest.raises(ms.PlanError, match="takes only new rows"):
        ms.run(counts.write_files(tmp_path / "no", format="json"))
    ms.run(counts.write_files(tmp_path / "out", format="maxwell-json"))
    schema = {"name": "STRING", "n": "BIGINT"}
    back = ms.read_files(tmp_path / "out", format="maxwell-json", schema=schema)
    assert back.collect().rows() == [("d", 1)]


def test_rows_that_replace_by_key(tmp_path):
    """Systems that send only new rows need a key; what is replaced leaves sums and tables."""
    told = ms.read_memory(TOLD, schema={"op": "STRING", **PETS})
    pets = told.from_changelog(kinds=KINDS, key="id")
    assert pets.collect().rows() == [(1, "x")]
    assert pets.group_by("name").agg(n=ms.count()).collect().rows() == [("x", 1)]
    again = pets.to_changelog("kind").collect().rows()
    assert again == [
        ("INSERT", 1, "a"),
        ("INSERT", 2, "b"),
        ("UPDATE_BEFORE", 1, "a"),
        ("UPDATE_AFTER", 1, "x"),
        ("DELETE", 2, "b"),
    ]


def test_what_cannot_be_is_said_where_it_is_written():
    """A mapping is checked when it is given, not when the first row comes."""
    told = ms.read_memory(TOLD, schema={"op": "STRING", **PETS})
    with pytest.raises(ms.PlanError, match="never take the old one back"):
        told.from_changelog(kinds=KINDS)
    with pytest.raises(ms.UnknownName, match="UPSERT"):
        told.from_changelog(kinds={"u": "UPSERT"}, key="id")
    with pytest.raises(ms.PlanError, match="names INSERT twice"):
        told.from_changelog(kinds={"c": "INSERT", "r": "INSERT"})
    with pytest.raises(ms.PlanError, match="names DELETE twice"):
        told.to_changelog("kind", codes={"DELETE": "d", "INSERT, DELETE": "x"})
    with pytest.raises(ms.PlanError, match="mapping of change kinds is empty"):
        told.to_changelog("kind", codes={})
    with pytest.raises(ms.UnknownName, match="key column 'nr'"):
        told.from_changelog(kinds=KINDS, key="nr")
    with pytest.raises(ms.UnknownName, match="what"):
        told.from_changelog("what")
    with pytest.raises(ms.PlanError, match="'op' is there already"):
        told.to_changelog()
    with pytest.raises(ms.TypeMismatch, match="'id' is BIGINT"):
        told.from_changelog("id")


def test_what_holds_no_row_is_counted(tmp_path):
    """A document that is read and gives nothing would look like one that was lost."""
    made, told = {"type": "CREATE", "data": None}, {"type": "INSERT", "data": [pet(1, "a")]}
    path = tmp_path / "pets.json"
    path.write_text("\n".join(json.dumps(document) for document in (made, told, made)))
    pets = ms.read_files(path, format="canal-json", schema=PETS)
    summary = ms.run(pets.write_table("blackhole"))
    assert summary.progress.documents_skipped == 2
    assert summary_lines(summary)[0].endswith(", 1 out, 0 late, 0 rejected, 2 skipped")
