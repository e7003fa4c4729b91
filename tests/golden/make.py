"""Makes a golden checkpoint folder: a pipeline that died between its manifest and its delivery.

    python -m tests.golden.make FORMAT [NAME …]

For each program of :mod:`tests.golden.programs` the folder ``checkpoints/FORMAT/NAME`` gets the
program, its input, ``expect.json`` (what a run without a fault gave), the checkpoint folder, and
what the sink had when the process died: epoch K is durable, the sink has K - 1. Made once with
the version that writes the format, never again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.golden import programs

HERE = Path(__file__).parent / "checkpoints"
DIED = 9
"""Exit code of a run that died where it was told to."""


def main(form: str, names: list[str]) -> None:
    """Make the folders of one format."""
    for name in names or list(programs.PROGRAMS):
        folder = HERE / form / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        program = programs.PROGRAMS[name]
        program.lay_out(folder)
        with tempfile.TemporaryDirectory() as elsewhere:
            whole = Path(elsewhere)
            program.lay_out(whole)
            _run(whole, "whole")
            expected = program.rows(whole)
        _run(folder, str(program.dies_at))
        (folder / "expect.json").write_text(json.dumps(expected, indent=0) + "\n")
        print(f"{form}/{name}: {len(expected)} rows in the end")  # noqa: T201


def _run(folder: Path, dies_at: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.golden.make", "--inside", dies_at],
        cwd=folder, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path)},
    )  # fmt: skip
    wanted = 0 if dies_at == "whole" else DIED
    assert done.returncode == wanted, f"the run ended with {done.returncode}, not {wanted}"


def _inside(dies_at: str) -> None:
    """Run the program of the working folder, and die before the delivery of an epoch."""
    from millstream.cli import main as command
    from millstream.connect.files_write import FilesSink
    from millstream.connect.sql_file import SqlFileSink

    if dies_at != "whole":
        for kind in (FilesSink, SqlFileSink):
            _die_in(kind, int(dies_at))
    sys.argv = ["millstream", "run", "program.sql", "--quiet", "--checkpoint", "checkpoints"]
    command()


def _die_in(kind: type, epoch_last: int) -> None:
    deliver = kind.deliver  # type: ignore[attr-defined]

    def dying(self: object, epoch: int, frames: object) -> object:
        if epoch == epoch_last:
            os._exit(DIED)
        return deliver(self, epoch, frames)

    kind.deliver = dying  # type: ignore[attr-defined]


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        _inside(sys.argv[2])
    else:
        main(sys.argv[1], sys.argv[2:])
