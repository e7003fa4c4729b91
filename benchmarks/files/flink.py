"""Apache Flink SQL: the texts of ours, over the two files, into its own blackhole.

run     python -m benchmarks.files.flink CASE FOLDER EVENTS SMALL_FOLDER CLASSES PARALLELISM
clock   by the stamps of the job (see java/Run.java): the JVM, the planner and the start of the
        tasks are before it. Where there is state, without and with mini-batches; the faster counts
needs   :func:`prepared` once: the jars (tests/oracle/environment.py) and the program, compiled
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.files import answer, texts
from benchmarks.harness.contract import KEPT

from tests.oracle.environment import VERSION, NoFlink, command

SOURCES = Path(__file__).resolve().parent / "java"
SERVICE = "META-INF/services/org.apache.flink.core.fs.FileSystemFactory"
HEAP = "4g"
STATELESS = ("q0", "q1", "q2", "q21", "q22", "filter")
"""Nothing in these waits for a mini-batch: its setting changes nothing."""
_KEYS = {9: "0"}
"""The column that is the key of a result whose changes do not name their old rows."""


def prepared() -> Path | str:
    """Return where the compiled program is, or why there is none."""
    try:
        jars = _jars()
    except NoFlink as reason:
        return str(reason)
    files = sorted(SOURCES.glob("*.java"))
    said = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = KEPT / "files" / f"flink-{VERSION}-{said}"
    if (folder / SERVICE).exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    compiler = ("javac", "-nowarn", "-d", str(folder), "-cp", jars, *map(str, files))
    done = subprocess.run(compiler, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"the program does not compile: {done.stderr[-800:]}"
    (folder / "log4j2.properties").write_text("rootLogger.level = OFF\n")
    (folder / SERVICE).parent.mkdir(parents=True)
    (folder / SERVICE).write_text("WholeFiles\n")
    return folder


def _jars() -> str:
    told = command()
    return told[told.index("-cp") + 1].split(os.pathsep)[-1]


def _java(classes: str) -> list[str]:
    told = command()
    opens = [word for word in told if word.startswith("--add-opens")]
    config = f"-Dlog4j.configurationFile={classes}/log4j2.properties"
    path = os.pathsep.join((classes, _jars()))
    return ["java", f"-Xmx{HEAP}", "-Duser.timezone=UTC", config, *opens, "-cp", path, "Run"]


def main() -> None:
    """Run the program and tell what it said."""
    case, folder, events, small, classes, parallelism = sys.argv[1:]
    key = _KEYS.get(texts.number(case), "-1") if texts.kind(case) == "nexmark" else "-1"
    with tempfile.TemporaryDirectory() as made:
        rows = Path(made, "rows")
        for name, place in (("small", small), ("large", folder)):
            source = texts.json_file(f"whole://{place}")
            text = texts.script(case, source=source, sink="'connector' = 'blackhole'")
            Path(made, f"{name}.sql").write_text(text)
        modes = "off" if case in STATELESS else "off,on"
        scripts = (f"{made}/small.sql", f"{made}/large.sql")
        program = [*_java(classes), *scripts, str(rows), key, parallelism, modes]
        done = subprocess.run(program, stdout=subprocess.PIPE, text=True, check=True)
        timed = {m: float(s) for m, s in map(str.split, done.stdout.splitlines())}
        found = {mode: _digest(Path(f"{rows}.{mode}")) for mode in timed}
    better = min(timed, key=timed.__getitem__)
    if len(set(found.values())) > 1:
        print(f"with and without mini-batches the answers differ: {found}", file=sys.stderr)
        sys.exit(1)
    notes = {f"seconds_mini_batch_{mode}": seconds for mode, seconds in timed.items()}
    answer.tell(timed[better], int(events), found[better], mini_batch=better, **notes)


def _digest(file: Path) -> tuple[int, str]:
    return answer.digest(file.read_text().split("\n")[:-1])


if __name__ == "__main__":
    main()
