"""Bad documents among good ones, killed again and again: each is kept once, and can be mended.

in      1 000 000 good documents and 100 000 bad ones of many kinds, in one file of lines; a tenth
        of them outside of `make faults`
killed  with -9 whenever two more epochs are durable, in the first run and while letters go through
after   good rows once in the sink, bad ones once among the letters, at their places; then the
        table and the query are mended and the letters put through: what can be read now arrives
        once, what cannot is a letter again
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from millstream.engine.dead_requests import Filter
from millstream.engine.letter_store import Kind, LetterStore
from millstream.engine.letter_views import groups, open_letters

LONG = os.environ.get("MILLSTREAM_FAULTS") == "long"
GOOD = 1_000_000 if LONG else 100_000
BAD_EVERY = 10
"""After so many good documents comes a bad one."""
KILLS = 5 if LONG else 2
ENDED = (0, 3)
"""The exit codes of a run to the end: 3 where its last process itself saw rejected rows."""
TABLE = """
CREATE TABLE src (
  id BIGINT, v {v}, d INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = '{folder}/in.json', 'format' = 'json');
CREATE TABLE dst (id BIGINT, v STRING, q INT)
WITH ('connector' = 'filesystem', 'path' = '{folder}/out', 'format' = 'json');
INSERT INTO dst SELECT id, CAST(v AS STRING), {q} FROM src WHERE id >= 0;
"""
FIRST = {"v": "INT", "q": "100 / d"}
MENDED = {"v": "STRING", "q": "100 / NULLIF(d, 0)"}
TIME = '"ts":"2026-01-01 00:00:00"'


@dataclass
class Corpus:
    """What was written: ids of good rows; of bad lines what they are and where they begin."""

    good: list[int] = field(default_factory=list)
    undecodable: dict[int, bytes] = field(default_factory=dict)
    timeless: list[int] = field(default_factory=list)
    zeros: list[int] = field(default_factory=list)
    mendable: list[int] = field(default_factory=list)
    """Ids of rows that the mended program can use: another type of ``v``, a divisor of 0."""


def _bad(at: int, chance: random.Random) -> bytes:
    """Return a line no schema can read."""
    kinds = (
        lambda: b'{"id":%d,"v":"\xff\xfe","d":1,%s}' % (at, TIME.encode()),
        lambda: b'{"id":' + b"[" * 600 + b"]" * 600 + b"}",
        lambda: b'{"id":%d,"v":1,"d":1,"ts":"2026-01-' % at,
        lambda: b'{"id":"no number","v":1,"d":1,%s}' % TIME.encode(),
        lambda: b'{null:%d,"v":1}' % at,
        lambda: b'{"id":NaN,"v":1,"d":1,%s}' % TIME.encode(),
        lambda: b'{"id":%d,"v":1}{"id":%d}' % (at, at),
        lambda: b"x" + chance.randbytes(chance.randrange(40)).translate(None, b"\r\n"),
    )
    return kinds[at % len(kinds)]()


def _write(path: Path, good: int, seed: int) -> Corpus:
    """Write the file; a loop over documents, as each is written in its own way."""
    corpus, chance = Corpus(), random.Random(seed)
    place, lines = 0, []
    with path.open("wb") as file:

        def put(line: bytes) -> int:
            nonlocal place
            lines.append(line)
            begins = place
            place += len(line) + 1
            return begins

        for at in range(good):
            put(b'{"id":%d,"v":%d,"d":%d,%s}' % (at, at % 1000, at % 7 + 1, TIME.encode()))
            corpus.good.append(at)
            if at % BAD_EVERY:
                continue
            number, bad = good + at, at // BAD_EVERY
            match bad % 10:
                case 0:
                    line = b'{"id":%d,"v":"text %d","d":1,%s}' % (number, bad, TIME.encode())
                    corpus.undecodable[put(line)] = line
                    corpus.mendable.append(number)
                case 1:
                    put(b'{"id":%d,"v":1,"d":0,%s}' % (number, TIME.encode()))
                    corpus.zeros.append(number)
                    corpus.mendable.append(number)
                case 2:
                    put(b'{"id":%d,"v":1,"d":1,"ts":null}' % number)
                    corpus.timeless.append(number)
                case 3 if bad == 3:
                    line = b'{"id":"' + b"y" * (10 << 20) + b'"}'
                    corpus.undecodable[put(line)] = line
                case _:
                    line = _bad(bad, chance)
                    corpus.undecodable[put(line)] = line
            if len(lines) > 10_000:
                file.write(b"\n".join(lines) + b"\n")
                lines.clear()
        file.write(b"".join(line + b"\n" for line in lines))
    return corpus


@dataclass
class Pipeline:
    """One pipeline of the command line, in a folder of its own."""

    folder: Path

    def says(self, **parts: str) -> None:
        """Write the program."""
        (self.folder / "p.sql").write_text(TABLE.format(folder=self.folder, **parts))

    def run(self, *command: str, kills: int) -> int:
        """Run a command to its end, then ``run`` as often as it was killed; the last exit code."""
        code = self._run(command, is_killed=kills > 0)
        for number in range(1, kills + 1):
            code = self._run(self._command(), is_killed=number < kills)
        return code

    def first_run(self, kills: int) -> int:
        """Run from the beginning to the end."""
        return self.run(*self._command(), kills=kills)

    def letters(self) -> LetterStore:
        """Return its letters."""
        return open_letters(self.folder / "ck")

    def frames(self, *kinds: Kind) -> Iterator[pl.DataFrame]:
        """Yield the letters of some kinds."""
        letters = self.letters()
        for head in letters.heads():
            for part in head.parts:
                if part.kind in kinds:
                    yield letters.frame(head.blob, part)

    def rows(self) -> pl.DataFrame:
        """Return what the sink shows."""
        files = sorted((self.folder / "out").glob("[!._]*.json"))
        schema = {"id": pl.Int64, "v": pl.String, "q": pl.Int32}
        return pl.concat([pl.read_ndjson(f, schema=schema) for f in files if f.stat().st_size])

    def _command(self) -> tuple[str, ...]:
        return ("run", "p.sql", "--checkpoint", "ck", *SETTINGS)

    def _run(self, command: tuple[str, ...], *, is_killed: bool) -> int:
        before = self._epoch()
        errors = (self.folder / "stderr.txt").open("ab")
        with errors, subprocess.Popen(
            [sys.executable, "-m", "millstream.cli", *command, "-q"],
            cwd=self.folder, stdout=errors, stderr=errors,
        ) as process:  # fmt: skip
            while process.poll() is None:
                if is_killed and self._epoch() >= before + 2:
                    process.kill()
                try:
                    process.wait(0.01)
                except subprocess.TimeoutExpired:
                    continue
        return process.returncode

    def _epoch(self) -> int:
        manifests = (self.folder / "ck" / "manifests").glob("*.json")
        return max((int(m.stem) for m in manifests if m.stem.isdigit()), default=0)


SETTINGS = (
    "--set", "execution.checkpointing.interval=100ms", "--set", "engine.chunk-rows-max=20000",
)  # fmt: skip


@pytest.mark.faults
def test_f15_bad_documents_are_kept_once_and_put_through_once(tmp_path: Path) -> None:
    """Done-when 5: nothing is lost or doubled by bad rows, kills and mending together."""
    corpus = _write(tmp_path / "in.json", GOOD, seed=15)
    pipeline = Pipeline(tmp_path)
    pipeline.says(**FIRST)
    assert pipeline.first_run(KILLS) in ENDED, (tmp_path / "stderr.txt").read_text()[-3000:]

    rows = pipeline.rows()
    assert rows.height == len(corpus.good)
    assert rows["id"].sort().equals(pl.Series("id", corpus.good))
    undecodable = pl.concat(f.select("offset", "raw") for f in pipeline.frames(Kind.UNDECODABLE))
    assert undecodable.height == len(corpus.undecodable)
    assert dict(undecodable.iter_rows()) == corpus.undecodable
    rejected = list(pipeline.frames(Kind.REJECTED))
    ids = sorted(i for f in rejected for i in f["row"].struct.field("id"))
    assert ids == sorted(corpus.zeros + corpus.timeless)
    assert _at_their_places(tmp_path / "in.json", rejected)

    pipeline.says(**MENDED)
    asked = ("dlq", "replay", "ck", "p.sql", "--only", *SETTINGS)
    assert pipeline.run(*asked, kills=KILLS - 1) in ENDED, (tmp_path / "stderr.txt").read_text()[
        -3000:
    ]
    rows = pipeline.rows()
    expected = pl.Series("id", sorted(corpus.good + corpus.mendable))
    assert rows["id"].sort().equals(expected)
    left = len(corpus.undecodable) + len(corpus.zeros) + len(corpus.timeless)
    found = groups(pipeline.letters(), Filter())
    by_state = {s: sum(g.letters for g in found if g.state == s) for s in {g.state for g in found}}
    assert by_state == {"replayed": left, "failed again": left - len(corpus.mendable)}


def _at_their_places(path: Path, rejected: list[pl.DataFrame]) -> bool:
    """Tell whether rejected rows lie where they say, by looking at some of each frame."""
    with path.open("rb") as file:
        for frame in rejected:
            some = frame.sample(min(50, frame.height), seed=1)
            for offset, row in some.select("offset", "row").iter_rows():
                file.seek(offset)
                if json.loads(file.readline())["id"] != row["id"]:
                    return False
    return True
