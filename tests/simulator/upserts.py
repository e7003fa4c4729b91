"""The simulator's sink that takes changes by key."""

from __future__ import annotations

from millstream.ports.connector import Changes
from tests.simulator.systems import of

CONNECTOR = of("simulated-upserts", Changes.UPSERT)
