"""Where a running pipeline is asked for something from outside its process.

A request is a blob ``requests/ID.json`` in the checkpoint store; the running pipeline looks for
them about once a second (in an object store less often), answers at once with
``replies/ID-seen.json`` and, when it is done, with ``replies/ID.json``; who asked removes them.

asks     ``stop``, with or without ``drain`` and a savepoint; ``savepoint`` while it goes on
states   a request that was there before the start is answered with an error and not obeyed
source   stop-with-savepoint, as in Flink; the last epoch of a stop is the savepoint's
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from millstream.engine.savepoint import Saver, saver
from millstream.engine.world import Actor, World, end_of
from millstream.errors import JobError, MillstreamError
from millstream.ports.store import NotThere, Store, StoreError

if TYPE_CHECKING:
    from millstream.engine.driver import Driver

REQUESTS, REPLIES = "requests/", "replies/"
LOOK_S, LOOK_FAR_S = 1.0, 5.0
SEEN_S = 30.0
"""So long a request may lie unseen."""
LOOK_WAIT_S = 0.2
END_S = 600.0
"""So long the end of a run waits for a savepoint that is being written."""
_ID = re.compile(r"requests/([0-9a-f]{16})\.json")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the desk may ask of the pipeline it belongs to.

    checkpoint  closes an epoch soon; returns what tells whether it has been delivered
    """

    stop: Callable[[bool], None]
    checkpoint: Callable[[], Callable[[], bool]]
    save: Saver


@dataclass(frozen=True, slots=True)
class _Open:
    """A savepoint that waits for its epoch."""

    id: str
    place: str
    delivered: Callable[[], bool]


def desk_of(driver: Driver) -> Desk:
    """Return the desk of a run that keeps checkpoints."""
    store = driver.parts.store
    assert store is not None, "without checkpoints there is no place to ask at"
    save = saver(store, driver.settings, lambda: driver.epoch)
    wishes = Wishes(lambda drain: driver.stop(drain=drain), driver.checkpoint, save)
    return Desk(store.store, driver.world, wishes)


def savepoint_of(driver: Driver, target: str) -> int:
    """Save a run of this process, as it is now; returns the epoch."""
    store = driver.parts.store
    if store is None:
        raise JobError(
            "The pipeline keeps no checkpoints, so it has no state to save.",
            hint="Start it with checkpoint='DIR'.",
        )
    delivered = driver.checkpoint()
    while not driver.world.wait(delivered, LOOK_WAIT_S):
        if driver.over:
            break  # its last epoch is what it was
    return saver(store, driver.settings, lambda: driver.epoch)(target)


class Desk(Actor):
    """Looks for requests and answers them."""

    def __init__(self, store: Store, world: World, wishes: Wishes) -> None:
        super().__init__("requests")
        self._store, self._world, self._wishes = store, world, wishes
        self._every_s = LOOK_FAR_S if "://" in store.place else LOOK_S
        self._look_at_s: float | None = None
        self._open: list[_Open] = []
        self._stop: tuple[str, str | None] | None = None
        self._closing = False

    def step(self, wait_s: float) -> bool:
        self._world.wait(self._has_work, wait_s)
        if self._closing:
            return False
        for one in [o for o in self._open if o.delivered()]:
            self._open.remove(one)
            self._save(one.id, one.place)
        if self._look_at_s is None or self._world.monotonic_s() >= self._look_at_s:
            with contextlib.suppress(StoreError):  # it is tried again; who asks waits
                self._look(is_first=self._look_at_s is None)
            self._look_at_s = self._world.monotonic_s() + self._every_s
        return True

    def stop(self, error: BaseException | None) -> None:
        """Stop looking, and answer what is open: the pipeline has ended, well or not."""
        self._closing = True
        self._world.notify()
        if not end_of(self, self._world, END_S):
            return
        with contextlib.suppress(StoreError):
            for one in self._open:
                self._finish(one.id, one.place, error)
            if self._stop is not None:
                self._finish(*self._stop, error)
        self._open, self._stop = [], None

    def _look(self, *, is_first: bool) -> None:
        for id_, request in self._requests():
            if is_first:  # what was asked of an earlier run is not for this one
                self._reply(id_, error="The pipeline was started again meanwhile; ask again.")
            else:
                self._obey(id_, request)

    def _has_work(self) -> bool:
        due = self._look_at_s is None or self._world.monotonic_s() >= self._look_at_s
        return self._closing or due or any(o.delivered() for o in self._open)

    def _requests(self) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for name in self._store.names(REQUESTS):
            id_ = _ID.fullmatch(name)
            try:
                request = json.loads(self._store.get(name)) if id_ else None
            except (NotThere, ValueError):
                continue
            if id_ is not None and isinstance(request, dict):
                found.append((id_[1], request))
        return found

    def _obey(self, id_: str, request: dict[str, Any]) -> None:
        place = request.get("savepoint")
        self._store.put(f"{REPLIES}{id_}-seen.json", b"{}")
        self._store.delete(f"{REQUESTS}{id_}.json")
        if request.get("ask") == "stop":
            self._stop = (id_, place)
            self._wishes.stop(bool(request.get("drain")))
        elif place is not None:
            self._open.append(_Open(id_, place, self._wishes.checkpoint()))

    def _finish(self, id_: str, place: str | None, error: BaseException | None) -> None:
        if error is not None:
            self._reply(id_, error=f"The pipeline failed: {error}")
        elif place is None:
            self._reply(id_)
        else:
            self._save(id_, place)

    def _save(self, id_: str, place: str) -> None:
        try:
            number = self._wishes.save(place)
        except MillstreamError as error:
            self._reply(id_, error=str(error))
        else:
            self._reply(id_, epoch=number, savepoint=place)

    def _reply(self, id_: str, **said: Any) -> None:
        self._store.put(f"{REPLIES}{id_}.json", json.dumps(said).encode())
        self._store.delete(f"{REQUESTS}{id_}.json")


def ask(
    store: Store, said: dict[str, Any], *, wait: Callable[[float], object], seen_s: float = SEEN_S
) -> dict[str, Any]:
    """Ask the pipeline that runs on a store for something, and return its answer.

    ``wait`` sleeps. Raises JobError where nobody runs it, where it ends without an answer, and for
    what it answers.
    """
    id_ = secrets.token_hex(8)
    mine = [f"{REQUESTS}{id_}.json", f"{REPLIES}{id_}-seen.json", f"{REPLIES}{id_}.json"]
    if not is_running(store):
        raise _nobody(store)
    store.put(mine[0], json.dumps(said).encode())
    try:
        waited_s = 0.0
        while not store.names(mine[2]):
            runs = is_running(store)
            if waited_s >= seen_s:
                runs = runs and bool(store.names(mine[1]))
            if not runs and not store.names(mine[2]):
                raise _nobody(store)
            wait(LOOK_WAIT_S)
            waited_s += LOOK_WAIT_S
        found: dict[str, Any] = json.loads(store.get(mine[2]))
    finally:
        for name in mine:
            store.delete(name)
    if "error" in found:
        raise JobError(found["error"], where=store.place)
    return found


def is_running(store: Store) -> bool:
    """Tell whether a process may run a pipeline on a store; an object store cannot say no."""
    free = store.own()
    if free is None:
        return True
    free()
    return "://" in store.place


def _nobody(store: Store) -> JobError:
    return JobError(
        "No pipeline runs on this checkpoint folder.",
        where=store.place,
        hint="Give the folder of a running one. What it left is shown by 'millstream checkpoints'.",
    )
