"""The Python API: streams, expressions, windows, sources, sinks and the calls that run them.

The public names are given out by :mod:`millstream` itself; nothing here is imported before one of
them is used.
"""

from __future__ import annotations
