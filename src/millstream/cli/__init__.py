"""The command line: ``millstream run``, ``sql``, ``check``, ``explain``, ``connectors``, ``demo`` …

Exit codes are those of :class:`millstream.cli.failure.Exit`. A command imports what it needs when
it is called, so that ``--help`` and a wrong option answer at once.
"""

from __future__ import annotations

import sys

from millstream.cli.collecting import starting
from millstream.cli.quick import run_of


def main() -> None:
    """Run the command line of this process."""
    starting()
    run = run_of(sys.argv[1:])
    if run is None:
        from millstream.cli.app import app

        app()
        return
    from millstream.cli.failure import leave, told

    with told():
        from millstream.cli.run import run_file

        leave(run_file(run.file, run.checkpoint, list(run.pairs), quiet=run.quiet))
