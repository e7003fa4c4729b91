"""``python -m millstream.cli``: the same as the command ``millstream``."""

from __future__ import annotations

from millstream.cli import main

if __name__ == "__main__":
    main()
