"""Plays one seed: a pipeline, its faults, restart after restart, until all input is used up.

Safety    every sink holds what a run without faults gives: as a multiset where rows are appended,
          as the folded table where they are changes; at least once: nothing missing, nothing that
          is not right. A place itself refuses an epoch that is skipped or comes again different
Liveness  after so many crashes the faults end; then the run must end within ``LIVENESS_STEPS``
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from dataclasses import dataclass

from millstream.engine.assemble import assemble
from millstream.engine.care import DEATHS_OF_A_ROW, NOTE, Note
from millstream.engine.driver import Driver
from millstream.errors import CheckpointError, ConnectorError, JobError, MillstreamError
from millstream.ports.store import Store
from millstream.settings import Settings
from millstream.stores import open as stores
from tests.simulator import plans
from tests.simulator.clockwork import NO_FAULTS, Crash, Faults, Process, Simulation, Stuck
from tests.simulator.lossy_store import Bucket, LossyObjects, LossyStore, ModelDisk
from tests.simulator.systems import LOCAL, Change, Outside, Violation

LIVENESS_STEPS = 40_000
"""Or ten times those of the calm run, where that is more: some scenarios have long ways."""
RESTARTS_MAX = 400


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a seed decides before anything runs."""

    seed: int
    pipeline: plans.Pipeline
    bounded: bool
    kind: str
    queue: bool
    on_disk: bool
    faults: Faults
    disturbances_max: int
    settings: Settings

    def __str__(self) -> str:
        where = "disk" if self.on_disk else "objects"
        ends = "bounded" if self.bounded else "queue" if self.queue else "live"
        return f"seed {self.seed}: {self.pipeline.name}, {ends}, {self.kind} sinks, {where}"


class Failed(AssertionError):
    """A seed that fails, with its trace."""

    def __init__(self, scenario: Scenario, why: str, trace: list[str]) -> None:
        lines = "\n".join(trace[-60:])
        again = f"python -m tests.simulator {scenario.seed}"
        super().__init__(f"{scenario}\n{why}\n{lines}\nagain: {again}")
        self.why = why


def scenario_of(seed: int) -> Scenario:
    """Draw what a seed is about; each kind of fault is there in some seeds only."""
    chance = random.Random(f"scenario {seed}")

    def maybe(value: float) -> float:
        return value if chance.random() < 0.5 else 0.0

    crash = chance.choice((0.0, 0.001, 0.003, 0.01))
    on_disk = chance.random() < 0.5
    bounded = chance.random() < 0.5
    queue = not bounded and chance.random() < 0.4
    faults = Faults(
        crash=crash,
        crash_in_commit=crash * 10,
        power_loss=on_disk and chance.random() < 0.5,
        freeze=0.0 if on_disk else maybe(0.003),
        store_error=maybe(0.005),
        disk_full=maybe(0.01),
        sink_error=maybe(0.01),
        reply_lost=maybe(0.05),
        source_error=maybe(0.005),
        slow=maybe(0.3),
        jump=maybe(0.002),
        stop=maybe(0.005),
    )
    return Scenario(
        seed=seed,
        pipeline=chance.choice(plans.PIPELINES),
        bounded=bounded,
        queue=queue,
        kind=chance.choice(("transactional", "files", "deciding")),
        on_disk=on_disk,
        faults=faults,
        disturbances_max=chance.choice((1, 3, 8, 20)),
        settings=Settings(
            checkpoint_dir="simulated://store",
            checkpoint_interval_ms=chance.choice((50, 100, 400)),
            checkpoints_retained=chance.choice((1, 2, 5)),
            chunk_rows_max=chance.choice((1, 7, 40, 1_000)),
            split_quantum_rows=chance.choice((3, 16)),
            discovery_interval_ms=chance.choice((50, 500)),
            epoch_bytes_max=chance.choice((500, 1_000_000)),
            restart_backoff_initial_ms=1,
        ),
    )


class Play:
    """One scenario on the way: the outside, and process after process."""

    def __init__(self, scenario: Scenario, outside: Outside, seed: int, faults: Faults) -> None:
        self.scenario = scenario
        self.outside = outside
        self.simulation = Simulation(seed, faults)
        self.simulation.after_crash = self._crashed
        self.simulation.is_blaming = self._is_blaming
        self.disk = ModelDisk()
        self.bucket = Bucket()
        self.liveness_steps = LIVENESS_STEPS
        self.processes = 0
        self.disturbances = 0
        self.ended = ""
        self._drivers: dict[int, Driver] = {}

    def run(self) -> None:
        """Start it again and again until its input is used up."""
        simulation = self.simulation
        while not self.ended:
            self._mind_liveness()
            newest = self._start()
            while not newest.over and not newest.frozen:
                self._let_one_go_on()
        for zombie in list(simulation.alive):  # what woke up too late must do no harm
            zombie.frozen = False
            while not zombie.over:
                zombie.go_on()

    def kill_all(self) -> None:
        """Leave no thread behind."""
        for process in list(self.simulation.alive):
            process.end()

    def _start(self) -> Process:
        self.processes += 1
        process = Process(self.simulation, self.processes, self._body)
        process.may_freeze = len(self.simulation.alive) == 1
        self.simulation.had_others |= len(self.simulation.alive) > 1
        self.simulation.tell(process.name, "starts")
        return process

    def _let_one_go_on(self) -> None:
        simulation = self.simulation
        chosen = simulation.chance.choice(simulation.alive)
        if chosen.frozen:
            if not simulation.happens(0.1):
                return
            chosen.frozen = False
            simulation.tell(chosen.name, "wakes up")
        chosen.go_on()
        if chosen.over:
            self._judge(chosen)

    def _body(self, process: Process) -> None:
        LOCAL.process, LOCAL.outside, LOCAL.store = process, self.outside, self._store(process)
        derived = plans.derived(
            self.scenario.pipeline,
            bounded=self.scenario.bounded,
            kind=self.scenario.kind,
            queue=self.scenario.queue,
        )
        driver = assemble(derived, self.scenario.settings, process.world)
        self._drivers[process.number] = driver
        process.on_wait = self._on_wait
        summary = driver.run()
        self.simulation.tell(process.name, f"ends: {summary.ended}")
        if summary.ended != "stopped":
            self.ended = summary.ended

    def _store(self, process: Process) -> Store:
        if self.scenario.on_disk:
            return LossyStore(process, self.disk)
        return LossyObjects(process, self.bucket)

    def _on_wait(self, process: Process) -> None:
        """Stop a run now and then, and for good when a live run has taken everything."""
        driver = self._drivers[process.number]
        if not self.scenario.bounded and self.outside.all_taken(driver.parts.positions):
            driver.stop(drain=True)
        elif self.simulation.happens(self.simulation.faults.stop):
            self.simulation.tell(process.name, "is asked to stop")
            self.disturbances += 1
            driver.stop()

    def _crashed(self, process: Process) -> None:
        self.disturbances += 1
        self.disk.full_until_s = 0.0
        if self.simulation.faults.power_loss and self.simulation.happens(0.5):
            self.simulation.tell(process.name, "power loss")
            self.disk.lose_power(self.simulation.chance)

    def _is_blaming(self) -> bool:
        on_disk = self.disk.names.get(NOTE)
        said = self.bucket.objects.get(NOTE) if on_disk is None else on_disk.data
        note = Note() if said is None else Note.of_json(said)
        return note.span is not None and note.tries + 1 >= DEATHS_OF_A_ROW

    def _judge(self, process: Process) -> None:
        """Decide whether the way a process ended is one of those that are allowed."""
        error = process.error
        self.disturbances += process.disturbed
        if error is None:
            return
        self.simulation.tell(process.name, f"fails: {type(error).__name__}: {error}".split("\n")[0])
        expected = process.disturbed > 0 or self.simulation.had_others
        if isinstance(error, JobError) and error.__cause__ is not None:
            raise error.__cause__
        if process.number < self.processes and isinstance(error, MillstreamError):
            return  # a zombie: whatever it finds, it must only do no harm
        known = isinstance(error, MillstreamError) and not isinstance(error, JobError)
        wrong = isinstance(error, CheckpointError) and not isinstance(error, ConnectorError)
        if not known or not expected or (wrong and not process.disturbed):
            raise error
        self.simulation.clock.s += 1.0

    def _mind_liveness(self) -> None:
        simulation = self.simulation
        over = self.disturbances > self.scenario.disturbances_max
        if over and simulation.faults is not NO_FAULTS:
            simulation.tell("", "no more faults")
            simulation.faults = NO_FAULTS
            simulation.steps_max = simulation.steps + self.liveness_steps
        if self.processes > RESTARTS_MAX:
            raise Stuck(f"not ended after {self.processes} starts")


def play(seed: int) -> Play:
    """Play a seed; raises Failed."""
    stores.OTHERS["simulated"] = lambda _: LOCAL.store
    scenario = scenario_of(seed)
    chance = random.Random(f"rows {seed}")
    topics = {
        name: plans.topic(chance, bounded=scenario.bounded) for name in scenario.pipeline.sources
    }
    calm = Play(scenario, Outside(copy.deepcopy(topics)), seed, NO_FAULTS)
    rough = Play(scenario, Outside(topics), seed, scenario.faults)
    at = calm
    try:
        calm.run()
        at = rough
        rough.liveness_steps = max(LIVENESS_STEPS, 10 * calm.simulation.steps)
        rough.run()
        _compare(scenario, calm.outside, rough.outside)
    except (Crash, AssertionError, MillstreamError, Exception) as error:
        which = "without faults: " if at is calm else ""
        why = f"{which}{type(error).__name__}: {error}"
        raise Failed(scenario, why, at.simulation.trace) from error
    finally:
        calm.kill_all()
        rough.kill_all()
    return rough


def _compare(scenario: Scenario, calm: Outside, rough: Outside) -> None:
    for name in scenario.pipeline.sinks:
        want = _seen(scenario, calm.place(name).changes)
        have = _seen(scenario, rough.place(name).changes)
        if name in scenario.pipeline.at_least_once:
            want, have = Counter(set(want)), Counter(set(have))
        missing, extra = want - have, have - want
        if missing or extra:
            raise Violation(
                f"sink '{name}': {missing.total()} rows are missing, {extra.total()} too many: "
                f"{list(missing)[:3]} {list(extra)[:3]}"
            )


def _seen(scenario: Scenario, changes: list[Change]) -> Counter[tuple[object, ...]]:
    keys = scenario.pipeline.keys
    if not keys:
        return Counter(row for _, row in changes)
    table: dict[tuple[object, ...], tuple[object, ...]] = {}
    for op, row in changes:
        if op in ("-U", "-D"):
            table.pop(row[:keys], None)
        else:
            table[row[:keys]] = row
    return Counter(table.values())
