"""The command line: ``millstream run``, ``sql``, ``check``, ``explain``, ``connectors``, ``demo`` …

Exit codes are those of :class:`millstream.cli.failure.Exit`. A command imports what it needs when
it is called, so that ``--help`` and a wrong option answer at once.
"""

from __future__ import annotations

import sys

from millstream.cli.collecting import starting


def main() -> None:
    """Run the command line of this process."""
    starting()
    from millstream.cli.app import app
    from millstream.cli.serving import with_address

    app(with_address(sys.argv[1:]))
