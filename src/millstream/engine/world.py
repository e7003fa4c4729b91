"""The one seam for clocks, threads, waiting and chance: a run asks its world for all of them.

in      actors: what works beside the compute thread (a source's reader, a sink's writer, the
        checkpoint's writer, whoever answers asks), as bounded steps
state   of the real world: who waits, and for which condition. Nobody is woken in vain
out     :class:`RealWorld` gives each actor a thread of its own; a simulator steps the actors one
        by one, in one thread, in an order drawn from a seed (tests/simulator)
bad     what an actor's step or close raises goes to the inbox of its run
source  FoundationDB's and TigerBeetle's simulators (decision 0601)
"""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from millstream.events import carried

STEP_WAIT_S = 0.1
"""So long a step of an actor may wait for work."""


class Actor(ABC):
    """Something that works beside the compute thread, in bounded steps."""

    started = False
    """Whether a world has taken it on."""
    over = False
    """Whether it was closed; set by the world, after the last step."""
    place: tuple[str | None, str | None] = (None, None)
    """The step it works for, and the split it is at: where it failed, if it fails."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def step(self, wait_s: float) -> bool:
        """Do a bounded piece of work, or wait up to ``wait_s`` for some; False at the very end."""

    def close(self) -> None:  # noqa: B027 (not every actor holds something)
        """Free what it holds: once, after the last step, in the same thread."""


class World(ABC):
    """Time, chance and company."""

    random: random.Random

    @abstractmethod
    def now_ms(self) -> int:
        """Return the wall clock, in ms since the epoch; it may jump."""

    @abstractmethod
    def monotonic_s(self) -> float:
        """Return a clock that only goes forward, in seconds since whenever."""

    @abstractmethod
    def start(self, actor: Actor, on_failure: Callable[[BaseException], None]) -> None:
        """Let an actor work until its steps say that nothing more comes, or raise."""

    @abstractmethod
    def wait(self, until: Callable[[], object], timeout_s: float) -> bool:
        """Wait until something is true; False if it still is not after ``timeout_s``.

        ``until`` is short, takes no lock and may be called in any thread. Whoever makes it true
        says so by :meth:`notify`.
        """

    @abstractmethod
    def notify(self) -> None:
        """Something has changed that others may wait for."""


class RealWorld(World):
    """The machine's clocks, its chance, and a daemon thread per actor."""

    def __init__(self) -> None:
        self.random = random.SystemRandom()
        self._waiting: list[tuple[Callable[[], object], threading.Event]] = []
        self._lock = threading.RLock()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()

    def start(self, actor: Actor, on_failure: Callable[[BaseException], None]) -> None:
        assert not actor.started, "an actor is started once"
        actor.started = True
        threading.Thread(
            target=carried(self._run), args=(actor, on_failure), name=actor.name, daemon=True
        ).start()

    def wait(self, until: Callable[[], object], timeout_s: float) -> bool:
        deadline_s = time.monotonic() + timeout_s
        while not until():
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            self._sleep(until, left_s)
        return True

    def notify(self) -> None:
        with self._lock:
            for until, bell in self._waiting:
                if not bell.is_set() and until():
                    bell.set()

    def _sleep(self, until: Callable[[], object], timeout_s: float) -> None:
        entry = (until, threading.Event())
        with self._lock:
            self._waiting.append(entry)
        try:
            if not until():  # what came true before the entry stood there rang no bell
                entry[1].wait(timeout_s)
        finally:
            with self._lock:
                self._waiting.remove(entry)

    def _run(self, actor: Actor, on_failure: Callable[[BaseException], None]) -> None:
        try:
            try:
                while actor.step(STEP_WAIT_S):
                    pass
            finally:
                actor.close()
        except BaseException as error:  # noqa: BLE001 (raised again in the compute thread)
            on_failure(error)
        actor.over = True
        self.notify()


class Inbox:
    """News for the compute thread: wakes it, and keeps the first failure of any actor."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.failure: BaseException | None = None
        self.failed_at: tuple[str | None, str | None] = (None, None)
        """The place of the actor whose failure it is."""
        self.waited_s = 0.0
        """So long the compute thread had nothing to do."""
        self._news = False

    def start(self, actor: Actor) -> None:
        """Start an actor whose failure is to be found here."""

        def failed(error: BaseException) -> None:
            if self.failure is None:
                self.failed_at = actor.place
            self.fail(error)

        self.world.start(actor, failed)

    def notify(self) -> None:
        """Wake whoever waits, or will wait next: news before a wait are not slept through."""
        self._news = True
        self.world.notify()

    def fail(self, error: BaseException) -> None:
        """Keep the first failure of any actor."""
        self.failure = self.failure or error
        self.notify()

    def wait(self, timeout_s: float) -> None:
        """Sleep until something happens, at most so long."""
        began_s = time.perf_counter()  # the machine's: figures are no part of what is simulated
        self.world.wait(self._has_news, timeout_s)
        self._news = False
        self.waited_s += time.perf_counter() - began_s

    def _has_news(self) -> bool:
        return self._news


def end_of(actor: Actor, world: World, timeout_s: float) -> bool:
    """Wait for the end of an actor that was told to end; one never started is closed here."""
    if actor.started:
        return world.wait(lambda: actor.over, timeout_s)
    if not actor.over:
        actor.over = True
        actor.close()
    return True
