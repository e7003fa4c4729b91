"""Time, chance, scheduling and death, all drawn from one seed.

A :class:`Simulation` owns one random stream and runs :class:`Process` after process. A process is
one start of a pipeline: its driver and all its actors work in one thread, and whatever the engine
asks of its world (a clock, a wait, a notification) or of an outside system is a *point*, at which

* the clock moves, sometimes jumps (the wall clock only);
* other actors of the process may work before the call goes on (what threads do);
* the process may die (:class:`Crash`): from then on it can touch nothing;
* the process may be frozen while another one starts (a zombie), and go on later.

Only where a zombie lives are there two threads; a baton lets one of them run at a time.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from millstream.engine.care import NOTE
from millstream.engine.world import Actor, World

DEPTH_MAX = 3
"""So many actors may interrupt one another."""


class Crash(BaseException):
    """The process is dead; nothing may catch this."""


class Stuck(AssertionError):
    """The run does not end though nothing disturbs it any more."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What may happen in one run, each a chance per point where it fits; 0 = never."""

    crash: float = 0.0
    crash_in_commit: float = 0.0
    power_loss: bool = False
    freeze: float = 0.0
    store_error: float = 0.0
    disk_full: float = 0.0
    sink_error: float = 0.0
    reply_lost: float = 0.0
    source_error: float = 0.0
    slow: float = 0.0
    jump: float = 0.0
    stop: float = 0.0


NO_FAULTS = Faults()


@dataclass
class Clock:
    """Two clocks: one that only goes forward, one that people set."""

    s: float = 1_000.0
    wall_offset_ms: int = 1_767_225_600_000

    @property
    def now_ms(self) -> int:
        """The wall clock."""
        return self.wall_offset_ms + int(self.s * 1000)


@dataclass
class Simulation:
    """One seed's chance, clock and trace."""

    seed: int
    faults: Faults = NO_FAULTS
    steps_max: int = 60_000
    chance: random.Random = field(init=False)
    clock: Clock = field(default_factory=Clock)
    trace: list[str] = field(default_factory=list)
    steps: int = 0
    had_others: bool = False
    """Whether two processes were ever alive at a time, or a dead one's request was about."""
    alive: list[Process] = field(default_factory=list)
    control: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    after_crash: Callable[[Process], None] = lambda _: None
    is_blaming: Callable[[], bool] = lambda: False
    """Whether a row would be set aside, as it should be, if the pipeline died now."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def happens(self, probability: float) -> bool:
        """Tell whether something of this probability happens now."""
        return probability > 0 and self.chance.random() < probability

    def tell(self, who: str, what: str) -> None:
        """Write a line of the trace."""
        self.trace.append(f"{self.steps:6} {self.clock.s:10.3f} {who:4} {what}")


class Process:
    """One start of the pipeline, from assembling to its end, its failure or its death."""

    def __init__(
        self, simulation: Simulation, number: int, body: Callable[[Process], None]
    ) -> None:
        self.simulation = simulation
        self.number = number
        self.name = f"p{number}"
        self.dead = False
        self.over = False
        self.frozen = False
        self.may_freeze = False
        self.error: BaseException | None = None
        self.disturbed = 0
        """How many faults it was dealt, other than death."""
        self.on_wait: Callable[[Process], None] = lambda _: None
        """Called wherever the compute thread waits."""
        self.world = SimulatedWorld(self)
        self._baton = threading.Semaphore(0)
        self._body = body
        self._thread = threading.Thread(target=self._main, name=self.name, daemon=True)
        simulation.alive.append(self)
        self._thread.start()

    def go_on(self) -> None:
        """Let it run until it gives the baton back: at its end, its death, or in between."""
        self._baton.release()
        self.simulation.control.acquire()

    def give_way(self) -> None:
        """Give the baton back; returns when it is this process' turn again."""
        self.simulation.control.release()
        self._baton.acquire()
        self._breathe()

    def end(self) -> None:
        """Kill it where it stands; what it holds of the outside stays as it is."""
        self.dead = True
        while not self.over:
            self.go_on()

    def point(self, what: str, *, in_commit: bool = False) -> None:
        """Anything the outside could interrupt: see the module's docstring.

        Nobody is killed while it writes down which row it is about to push, nor a second time
        over the same row: that row would be blamed for it, and set aside.
        """
        self._breathe()
        simulation, faults = self.simulation, self.simulation.faults
        simulation.steps += 1
        if simulation.steps > simulation.steps_max:
            self.dead = True
            raise Stuck(f"not ended after {simulation.steps} steps")
        simulation.clock.s += simulation.chance.random() * 0.004
        if simulation.happens(faults.jump):
            jump_ms = simulation.chance.choice((-3_600_000, -5_000, 60_000, 3 * 86_400_000))
            simulation.clock.wall_offset_ms += jump_ms
            simulation.tell(self.name, f"wall clock jumps by {jump_ms} ms")
        crash = faults.crash_in_commit if in_commit else faults.crash
        if simulation.happens(crash) and self._may_end(what):
            self.die(what)
        freeze = faults.freeze * (10 if in_commit else 1)
        if self.may_freeze and simulation.happens(freeze) and self._may_end(what):
            simulation.tell(self.name, f"frozen at {what}")
            self.frozen = True
            self.may_freeze = False
            self.give_way()
        elif len(simulation.alive) > 1 and simulation.happens(0.1):
            self.give_way()

    def die(self, where: str) -> None:
        """Crash here and now."""
        self.dead = True
        self.simulation.tell(self.name, f"killed at {where}")
        self.simulation.after_crash(self)
        raise Crash(where)

    def _may_end(self, what: str) -> bool:
        return NOTE not in what and not self.simulation.is_blaming()

    def _breathe(self) -> None:
        if self.dead:
            raise Crash("dead already")

    def _main(self) -> None:
        self._baton.acquire()
        try:
            self._breathe()
            self._body(self)
        except Crash:
            pass
        except BaseException as error:  # noqa: BLE001 (judged by whoever runs the simulation)
            self.error = error
        finally:
            self.over = True
            self.simulation.alive.remove(self)
            self.simulation.control.release()


class SimulatedWorld(World):
    """The world of one process: steps its actors whenever the engine gives them the chance."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.random = random.Random(process.simulation.chance.getrandbits(64))
        self._actors: list[tuple[Actor, Callable[[BaseException], None], float]] = []
        self._working: list[Actor] = []

    def now_ms(self) -> int:
        self._let_others_work("clock")
        return self.process.simulation.clock.now_ms

    def monotonic_s(self) -> float:
        self._let_others_work("clock")
        return self.process.simulation.clock.s

    def start(self, actor: Actor, on_failure: Callable[[BaseException], None]) -> None:
        assert not actor.started, "an actor is started once"
        actor.started = True
        speed = self.process.simulation.chance.choice((0.05, 0.3, 1.0, 1.0))
        self._actors.append((actor, on_failure, speed))

    def wait(self, until: Callable[[], object], timeout_s: float) -> bool:
        clock = self.process.simulation.clock
        deadline_s = clock.s + timeout_s
        while not until():
            if timeout_s <= 0 or clock.s >= deadline_s:
                return False
            self.process.point("wait")
            self.process.on_wait(self.process)
            if not self._step_one():
                clock.s = max(clock.s, deadline_s)
        return True

    def notify(self) -> None:
        self._let_others_work("notify")

    def interrupted(self, what: str, *, in_commit: bool = False) -> None:
        """A call to an outside system: others may work meanwhile, or it ends here."""
        self.process.point(what, in_commit=in_commit)
        while self.process.simulation.happens(0.3) and self._step_one():
            pass

    def _let_others_work(self, what: str) -> None:
        if self.process.dead:
            raise Crash(what)
        while len(self._working) < DEPTH_MAX and self.process.simulation.happens(0.4):
            self.process.point(what)
            if not self._step_one():
                return

    def _step_one(self) -> bool:
        """Let one actor that is not at work already do a step; False where there is none."""
        free = [entry for entry in self._actors if entry[0] not in self._working]
        if not free or len(self._working) >= DEPTH_MAX:
            return False
        entry = self.process.simulation.chance.choices(free, [e[2] for e in free])[0]
        actor, on_failure, _ = entry
        self._working.append(actor)
        try:
            more = self._stepped(actor, on_failure)
            if not more:
                self._actors.remove(entry)
                self._closed(actor, on_failure)
        finally:
            self._working.remove(actor)
        return True

    def _stepped(self, actor: Actor, on_failure: Callable[[BaseException], None]) -> bool:
        try:
            return actor.step(0.0)
        except (Crash, Stuck):
            raise
        except BaseException as error:  # noqa: BLE001 (as in the real world)
            on_failure(error)
            return False

    def _closed(self, actor: Actor, on_failure: Callable[[BaseException], None]) -> None:
        try:
            actor.close()
        except (Crash, Stuck):
            raise
        except BaseException as error:  # noqa: BLE001 (as in the real world)
            on_failure(error)
        actor.over = True
