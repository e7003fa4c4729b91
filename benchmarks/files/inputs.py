"""Makes the JSON lines all contenders read, once, into the kept folder of the checkout.

in      how many events of which kind: ``nexmark`` (our connector's events as nested rows, two of
        the three NULL) or ``plain`` (flat documents of 102 bytes with their line ends)
out     the same lines three times: one file in the order of time; two files, each in the order of
        time, for peers that read a file per worker; and the one file beside one of a late event
        of each kind, for Spark, which gives a window out only when a later event has come
times   always with three digits of a second, which every peer parses
run     python -m benchmarks.files.inputs KIND EVENTS  (in a process of its own: it takes memory)
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks.harness.contract import CHECKOUT, KEPT

RATE = 10_000
"""Events in a second of event time."""
USERS, ITEMS = 10_000, 1_000
RUN_LINES = 1_000
"""The two files take turns by so many lines: a tenth of a second of event time."""
PLAIN_BYTES = 102
_FAR = "2027-01-01 00:00:00.000"
_SECOND = re.compile(rb'( \d\d:\d\d:\d\d)(?:\.(\d{1,2}))?"')


@dataclass(frozen=True, slots=True)
class Input:
    """Some events on the disk."""

    kind: str
    events: int

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return KEPT / "files" / f"{self.kind}-{self.events}"

    @property
    def file(self) -> Path:
        """All lines in the order of time."""
        return self.folder / "one" / "events.json"

    @property
    def halves(self) -> Path:
        """A folder of two files with half the lines each."""
        return self.folder / "two"

    @property
    def flushed(self) -> Path:
        """A folder of all lines and an event a year later."""
        return self.folder / "flushed"


def made(kind: str, events: int) -> Input:
    """Return the input, making it if it is not there."""
    found = Input(kind, events)
    if not (found.folder / "complete").exists():
        shutil.rmtree(found.folder, ignore_errors=True)
        command = (sys.executable, "-m", "benchmarks.files.inputs", kind, str(events))
        subprocess.run(command, cwd=CHECKOUT, check=True)
    return found


def _make(wanted: Input) -> None:
    wanted.file.parent.mkdir(parents=True)
    write = {"nexmark": _nexmark, "plain": _plain}[wanted.kind]
    larger = _larger(wanted)
    if larger is not None:
        with larger.file.open("rb") as lines, wanted.file.open("wb") as out:
            out.writelines(islice(lines, wanted.events))
    else:
        write(wanted)
    _split(wanted)
    wanted.flushed.mkdir()
    (wanted.flushed / "events.json").symlink_to(Path("..", "one", "events.json"))
    (wanted.flushed / "far.json").write_text("".join(map(_document, _far(wanted.kind))))
    (wanted.folder / "complete").touch()


def _larger(wanted: Input) -> Input | None:
    """Return an input that begins with the wanted one."""
    for folder in wanted.folder.parent.glob(f"{wanted.kind}-*"):
        events = int(folder.name.rsplit("-", 1)[1])
        if events > wanted.events and (folder / "complete").exists():
            return Input(wanted.kind, events)
    return None


def _nexmark(wanted: Input) -> None:
    from benchmarks.nexmark.run import FOLDER, generator

    import millstream as ms

    made_in = wanted.folder / "made"
    table = (FOLDER / "ddl.sql").read_text().split("CREATE VIEW")[0]
    table = table.replace("${source}", generator(wanted.events, RATE))
    columns = table[table.index("event_type INT") : table.index("`dateTime` AS CASE")]
    options = f"'connector' = 'filesystem', 'path' = '{made_in}', 'format' = 'json', "
    options += "'sink.rolling-policy.file-size' = '1024gb'"
    table += f"CREATE TABLE file ({columns.strip().rstrip(',')}) WITH ({options});"
    table += "INSERT INTO file SELECT event_type, person, auction, bid FROM nexmark;"
    ms.run(*ms.script(table))
    (part,) = made_in.glob("part-*")
    with part.open("rb") as lines, wanted.file.open("wb") as out:
        while block := lines.readlines(1 << 24):
            out.write(_SECOND.sub(_three_digits, b"".join(block)))
    shutil.rmtree(made_in)


def _three_digits(found: re.Match[bytes]) -> bytes:
    return found[1] + b"." + (found[2] or b"").ljust(3, b"0") + b'"'


def _plain(wanted: Input) -> None:
    import numpy as np
    import polars as pl

    random = np.random.default_rng(0)
    block = 500_000
    with wanted.file.open("wb") as out:
        for first in range(0, wanted.events, block):
            n = min(block, wanted.events - first)
            number = np.arange(first, first + n)
            frame = pl.DataFrame(
                {
                    "id": number + 1_000_000_000,
                    "user_id": random.integers(1_000_000_000, 1_000_000_000 + USERS, n),
                    "item_id": random.integers(100_000, 100_000 + ITEMS, n),
                    "amount": random.integers(10_000, 100_000, n),
                    "ts": number * 1000 // RATE,
                }
            ).with_columns(
                (pl.datetime(2026, 1, 1) + pl.duration(milliseconds="ts"))
                .dt.strftime("%Y-%m-%d %H:%M:%S%.3f")
                .alias("ts")
            )
            text = (
                ('{{"id":{},"user_id":{},"item_id":{},"amount":{},"ts":"{}"}}')
                .replace("{{", "\x02")
                .replace("}}", "\x03")
            )
            lines = frame.select(pl.format(text, *frame.columns).alias("line"))["line"]
            data = "\n".join(lines.to_list()).replace("\x02", "{").replace("\x03", "}") + "\n"
            assert len(data) == n * PLAIN_BYTES, "a plain document has its length"
            out.write(data.encode())


def _split(wanted: Input) -> None:
    wanted.halves.mkdir()
    names = (wanted.halves / "a.json", wanted.halves / "b.json")
    with wanted.file.open("rb") as lines, names[0].open("wb") as a, names[1].open("wb") as b:
        turn = 0
        while run := list(islice(lines, RUN_LINES)):
            (a, b)[turn % 2].writelines(run)
            turn += 1


def _far(kind: str) -> list[dict[str, object]]:
    """Return events that do nothing but move the watermark."""
    if kind == "plain":
        return [{"id": -1, "user_id": -1, "item_id": -1, "amount": -1, "ts": _FAR}]
    nothing: dict[str, object] = {"person": None, "auction": None, "bid": None}
    person = {"id": -1, "name": "", "state": "", "dateTime": _FAR}
    auction = {"id": -2, "seller": -3, "category": 0, "dateTime": _FAR, "expires": _FAR}
    bid = {"auction": -4, "bidder": -5, "price": 0, "dateTime": _FAR}
    return [
        {"event_type": 0, **nothing, "person": person},
        {"event_type": 1, **nothing, "auction": auction},
        {"event_type": 2, **nothing, "bid": bid},
    ]


def _document(event: dict[str, object]) -> str:
    return json.dumps(event) + "\n"


if __name__ == "__main__":
    _make(Input(sys.argv[1], int(sys.argv[2])))
