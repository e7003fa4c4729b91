"""A real pipeline, a real server beside it, and Debian's Chromium that looks at them.

A machine without Chromium skips these tests; with CI=true it fails them, as with other servers.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from millstream.frame.sqls import script_of
from millstream.job import Job, Running
from millstream.plan.nodes import Plan
from millstream.serve.hub import Hub
from millstream.serve.server import Serving

HERE = Path(__file__).parent
PIPELINE = HERE / "pipeline.sql"
SIZES = {"phone": (390, 844), "laptop": (1440, 900), "wall": (2560, 1440)}
WAIT_MS = 120_000
"""A first batch waits for kernels to be compiled, on a machine that may be busy."""
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of 40[01]\b")
"""Chromium's own line for a question that is wrong, or needs a token: the page says the rest."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server with one job."""

    url: str
    hub: Hub
    running: Running


@contextmanager
def served_pipeline(program: Path, checkpoints: Path) -> Iterator[Served]:
    """Run a pipeline and serve it for as long as this lasts."""
    options = {"execution.checkpointing.dir": str(checkpoints)}
    sinks, settings = script_of(program.read_text(encoding="utf-8"), str(program), options)
    job = Job(Plan(tuple(sink.node for sink in sinks)), settings)
    hub = Hub()
    with job.start() as running, hub.looking():
        hub.add(job, running)
        with Serving(hub, "127.0.0.1:0") as server:
            yield Served(server.url, hub, running)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that all tests look at, and none stops."""
    with served_pipeline(PIPELINE, tmp_path_factory.mktemp("checkpoints")) as found:
        yield found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of all tests."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail("CI=true and no chromium", pytrace=False)
        pytest.skip("no chromium: apt-get install chromium")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


Opened = Callable[..., Page]


@pytest.fixture
def opened(chromium: Browser, served: Served) -> Iterator[Opened]:
    """Open an address of the dashboard; at the end nothing may be in the browser's error log."""
    contexts, complaints = [], []

    def complained(message: ConsoleMessage) -> None:
        is_refusal = bool(REFUSED.match(message.text))
        if message.type in ("error", "warning") and not is_refusal:
            complaints.append(message.text)

    def open_page(
        route: str = "", *, size: str = "laptop", theme: str = "light", url: str | None = None
    ) -> Page:
        width, height = SIZES[size]
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if theme == "dark" else "light",
            reduced_motion="reduce",
        )
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", complained)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{url or served.url}/{route}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
