"""The addresses of the API, a file for each of its parts.

Each handler is a coroutine: what only reads values of this process answers at once, what touches a
disk, a lock or another thread is done by :func:`aside`, with a limit of how many at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import anyio
from fastapi import Depends, Path
from starlette.requests import HTTPConnection  # noqa: TC002 (FastAPI reads it)

from millstream.serve.guard import LIMITS, Limits
from millstream.serve.hub import Held, Hub

if TYPE_CHECKING:
    from millstream.serve.health import Health

Answer = TypeVar("Answer")
ASIDE_MAX, LONG_MAX = 16, 8
"""Threads for what may take a while, and for what does: queries, savepoints."""


@dataclass
class Served:
    """What the handlers of one application share."""

    hub: Hub
    health: Health | None = None
    limits: Limits = LIMITS
    _few: dict[bool, anyio.CapacityLimiter] = field(default_factory=dict)

    async def aside(
        self, work: Callable[..., Answer], *args: Any, long: bool = False, **named: Any
    ) -> Answer:
        """Do something in a thread; whoever waits for it may be gone before it ends."""
        if long not in self._few:  # made here, in the loop that it belongs to
            self._few[long] = anyio.CapacityLimiter(LONG_MAX if long else ASIDE_MAX)
        call = partial(work, *args, **named)
        return await anyio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._few[long])


# Asynchronous, although nothing is waited for: else the framework takes a thread for each call.
async def _served(connection: HTTPConnection) -> Served:
    found: Served = connection.app.state.served
    return found


Here = Annotated[Served, Depends(_served)]
JobName = Annotated[str, Path(max_length=255, description="Name of a job.")]


async def _job(job: JobName, here: Here) -> Held:
    return here.hub.held(job)


OfJob = Annotated[Held, Depends(_job)]
"""The job that the address names; 404 where there is none."""
