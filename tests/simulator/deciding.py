"""The simulator's sink whose own commit decides on an epoch."""

from __future__ import annotations

from millstream.ports.connector import Changes
from tests.simulator.systems import DecidingSink, of

CONNECTOR = of("simulated-deciding", Changes.APPEND, DecidingSink)
