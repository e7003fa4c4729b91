"""Turns and frames, without a server: who works when, what frames say, what a writer pays."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream.connect.live_window import LiveWindow
from millstream.serve.connection import Link
from millstream.serve.feed import Feed
from millstream.serve.feed_frames import FRAME_BYTES, Sheaf
from millstream.serve.feed_turns import Turns
from tests.unit.serve_feed.conftest import SCHEMA, Views, a_view, applied, fill, put


class Busy:
    """A worker that always has work of one cost."""

    def __init__(self, cost_s: float) -> None:
        self.cost_s = cost_s
        self.steps = 0

    def due_in_s(self, now_s: float) -> float | None:
        return 0.0

    async def step(self) -> float:
        self.steps += 1
        await asyncio.sleep(0)
        return self.cost_s


def test_all_work_together_stays_within_its_share():
    """However dear frames are, they may not take more of the machine than was said."""

    async def work() -> tuple[float, float]:
        turns = Turns(share=0.5, burst_s=0.05)
        workers = [Busy(0.01), Busy(0.003)]
        began_s = asyncio.get_running_loop().time()
        for worker in workers:
            turns.add(worker)
        await asyncio.sleep(0.5)
        passed_s = asyncio.get_running_loop().time() - began_s
        for worker in workers:
            turns.remove(worker)
        return turns.used_s, passed_s

    used_s, passed_s = asyncio.run(work())
    assert 0 < used_s <= 0.05 + 0.5 * passed_s + 0.05


def test_what_is_dear_does_not_keep_what_is_cheap_from_its_turn():
    """A view of a hundred thousand rows must not freeze the small tiles beside it."""

    async def work() -> tuple[Busy, Busy]:
        turns = Turns(share=0.5, burst_s=0.0001)
        dear, cheap = Busy(0.05), Busy(0.001)
        turns.add(dear)
        turns.add(cheap)
        while dear.steps < 4:
            await asyncio.sleep(0.01)
        turns.remove(dear)
        turns.remove(cheap)
        return dear, cheap

    dear, cheap = asyncio.run(work())
    assert cheap.steps > 3 * dear.steps


def test_work_that_fails_does_not_end_the_others(caplog):
    """One view that cannot be shown is logged; the other frames go on."""

    class Failing(Busy):
        async def step(self) -> float:
            raise ValueError("no")

    async def work() -> Busy:
        turns = Turns(share=1.0, burst_s=10.0)
        well = Busy(0.0001)
        turns.add(Failing(0.0))
        turns.add(well)
        while well.steps < 5:
            await asyncio.sleep(0.001)
        turns.remove(well)
        return well

    assert asyncio.run(work()).steps >= 5
    assert "could not be made" in caplog.text


@settings(max_examples=15, deadline=None)
@given(rows=st.integers(0, 6_000), gone=st.integers(0, 50))
def test_a_sheaf_says_all_of_it_and_when_it_is_whole(rows, gone):
    """Cutting a version into frames is an accident that readers add up again."""
    view = a_view()
    fill(view, rows + gone)
    put(view, dict.fromkeys(range(gone)))
    sheaf = Sheaf(LiveWindow(view).everything(), SCHEMA, "g")
    while not sheaf.is_made:
        sheaf.make()
    frames = [json.loads(frame.text) for frame in sheaf.made]
    known: dict[int, list] = {}
    for frame in frames:
        known = applied(known, frame)
    seen = view.snapshot()
    assert known == dict(zip(seen.rows.tolist(), map(list, seen.frame.rows()), strict=True))
    assert [f.get("more", False) for f in frames] == [True] * (len(frames) - 1) + [False]
    assert [b"\nid: " in b"\n" + f.event for f in sheaf.made] == [
        not f.get("more", False) for f in frames
    ]
    assert max(len(f.text) for f in sheaf.made) < 3 * FRAME_BYTES


def test_a_writer_wakes_the_loop_once_a_frame_not_once_a_change():
    """The thread that computes pays one look at a flag for each change."""
    view = a_view()
    put(view, {0: 0})
    hub = Views({"v": view})

    async def work() -> tuple[int, int, int]:
        feed = Feed(hub)  # type: ignore[arg-type]
        loop = asyncio.get_running_loop()
        woken, inner = [], loop.call_soon_threadsafe

        def counted(*given, **named):
            if threading.current_thread() is writer:
                woken.append(1)
            return inner(*given, **named)

        def write() -> None:
            for value in range(500):
                put(view, {0: value})

        writer = threading.Thread(target=write)
        loop.call_soon_threadsafe = counted  # type: ignore[method-assign]
        with feed.follow("v", None, None, link=Link()) as reader:
            await reader.next()
            writer.start()
            frames = 0
            while reader.version != view.version or writer.is_alive():
                frame = await reader.next()
                frames += 1
                assert frame is not None
            until_now = len(woken)
        feed.close()
        return until_now, frames, view.version

    woken, frames, version = asyncio.run(asyncio.wait_for(work(), 60))
    assert version > 500
    assert woken <= frames + 1
    assert frames < 400


def test_a_feed_without_readers_has_no_work():
    """What nobody watches costs nothing: no frame is made, the view's writer is not heard."""
    view = a_view()
    hub = Views({"v": view})

    async def work() -> list[float | None]:
        feed = Feed(hub)  # type: ignore[arg-type]
        with feed.follow("v", None, 5, link=Link()) as reader:
            await reader.next()
        put(view, {0: 1})
        due = [c.due_in_s(asyncio.get_running_loop().time()) for c in feed._channels]
        feed.close()
        return due

    assert asyncio.run(work()) == [None]


@pytest.mark.parametrize("order", ["n", "-n"])
def test_readers_of_one_window_share_its_bytes(order):
    """Fifty pages that show the same tile cost one encoding."""
    view = a_view()
    fill(view, 100)

    async def work() -> None:
        feed = Feed(Views({"v": view}))  # type: ignore[arg-type]
        with (
            feed.follow("v", order, 5, link=Link()) as one,
            feed.follow("v", order, 5, link=Link()) as two,
        ):
            first = await asyncio.gather(one.next(), two.next())
            both = [asyncio.ensure_future(one.next()), asyncio.ensure_future(two.next())]
            await asyncio.sleep(0)
            put(view, {3: 9, 4: -9})
            second = await asyncio.gather(*both)
            assert first[0] is first[1]
            assert second[0] is second[1]
            assert feed.facts.channels == 1
        feed.close()

    asyncio.run(asyncio.wait_for(work(), 30))
