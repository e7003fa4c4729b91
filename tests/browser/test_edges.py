"""The dashboard where things are not as they should be: odd names and values, a server that goes.

And what is easily lost: the focus of who works without a mouse, what is being typed, connections.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from millstream.serve.server import Serving
from tests.browser.conftest import HERE, WAIT_MS, Opened, Served, served_pipeline

pytestmark = pytest.mark.browser
NAME = "<img src=x onerror=window.hacked=1>"
JOB = urllib.parse.quote(f"odd {NAME} 🦀", safe="")
FOCUSED = "document.activeElement.innerText"


@pytest.fixture(scope="module")
def odd(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose job cannot be started again."""
    with served_pipeline(HERE / "odd.sql", tmp_path_factory.mktemp("odd")) as found:
        yield found


def until(page: Page, holds: Callable[[], object]) -> None:
    """Look until something holds; the page's own clock says when it is too late."""
    for _ in range(WAIT_MS // 100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("not in time")


@pytest.mark.parametrize(
    "route",
    [
        "#/", "#/wall", f"#/views/{urllib.parse.quote(NAME)}", "#/jobs", f"#/jobs/{JOB}",
        "#/views/geo_odd", "#/views/heat_odd", "#/views/lines_odd", "#/alerts",
        "#/alerts?show=rules", f"#/jobs/{JOB}/checkpoints", "#/sql", "#/%E0%A4%A",
    ],
)  # fmt: skip
def test_names_and_values_do_nothing(opened: Opened, odd: Served, route: str) -> None:
    """Names are texts wherever they stand; NaN, infinities and places off earth do no harm."""
    page = opened(route, url=odd.url)
    expect(page.locator("main h1")).to_have_count(1)
    expect(page.locator(".waiting")).to_have_count(0)
    for _ in range(3):  # a page that hangs draws no more frames
        page.evaluate("() => new Promise((done) => requestAnimationFrame(done))")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img").count() == 0


def test_no_digit_is_lost_beyond_2_to_the_53(opened: Opened, odd: Served) -> None:
    """JavaScript's numbers end there; a figure that is off by one is worse than none."""
    page = opened(f"#/views/{urllib.parse.quote(NAME)}", url=odd.url)
    cells = page.get_by_role("cell").filter(has_text=re.compile(r"^9,007,199,254,\d{3},\d{3}$"))
    expect(cells.first).to_be_visible()
    page.goto(f"{odd.url}/#/views/figures")
    expect(page.locator(".figure-line strong")).to_have_text("Infinity")


def test_a_view_without_rows_says_so(opened: Opened, odd: Served) -> None:
    """An empty tile looks like one that does not work."""
    page = opened(url=odd.url)
    tile = page.locator(".tile", has=page.locator('a[href="#/views/nothing"]'))
    expect(tile.locator(".is-empty")).to_have_count(1)
    expect(page.locator('.tile:has(a[href="#/views/top_odd"]) .is-empty')).to_have_count(0)


def test_sorting_keeps_the_focus_and_the_place(opened: Opened) -> None:
    """Who sorts by keyboard stays on the heading, and the page does not jump."""
    page = opened("#/views/orders_by_shop")
    heading = page.get_by_role("button", name="shop")
    expect(heading).to_be_visible()
    expect(page.locator(".grid-body .grid-row").first).to_contain_text("Shop")
    page.evaluate("document.body.style.minHeight = '3000px'; scrollTo(0, 200)")
    for direction in ("descending", "ascending"):
        heading.focus()
        page.keyboard.press("Enter")
        head = page.get_by_role("columnheader", name="shop")
        expect(head).to_have_attribute("aria-sort", direction)
        assert page.evaluate(FOCUSED) == "shop"
    assert page.evaluate("scrollY") > 0


def test_a_step_gives_the_focus_back(opened: Opened) -> None:
    """Closing what a step has opened leads back to it, in the picture and in the table."""
    page = opened("#/jobs/orders")
    page.get_by_role("button", name=re.compile("Scan orders")).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".panel h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile("Scan orders"))).to_be_focused()
    page.get_by_role("button", name="As a table").click()
    page.get_by_role("button", name="Scan orders").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".panel h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Scan orders")).to_be_focused()


def test_the_theme_follows_the_system_until_one_is_chosen(opened: Opened) -> None:
    """Day and night come while the page is open; who has chosen is not asked again."""
    page = opened(theme="light")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    until(page, lambda: page.evaluate(ground) != light)
    page.get_by_role("button", name="Theme: auto").click()
    assert page.evaluate(ground) == light
    page.emulate_media(color_scheme="light")
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == light


def test_leaving_a_page_closes_its_connections(opened: Opened) -> None:
    """Each page follows its own views; those of pages left behind would pile up unseen."""
    sockets: list[WebSocket] = []
    page = opened("#/jobs")
    page.on("websocket", lambda socket: sockets.append(socket))  # noqa: PLW0108 (Playwright marks it)
    for _ in range(2):
        page.get_by_role("link", name="Wall", exact=True).click()
        expect(page.locator(".tile-number .figure-line strong")).to_have_text(re.compile(r"\d"))
        page.get_by_role("link", name="Jobs", exact=True).click()
        expect(page.locator(".job-row")).to_have_count(1)
    assert len(sockets) >= 14
    until(page, lambda: all(socket.is_closed() for socket in sockets))


def test_a_server_that_goes_and_comes_back(chromium: Browser, served: Served) -> None:
    """The page says that it is alone, keeps what it has, and goes on by itself."""
    with Serving(served.hub, "127.0.0.1:0") as first:
        url = first.url
        page = chromium.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url)
        strong = page.locator(".tile-number .figure-line strong")
        expect(strong).to_have_text(re.compile(r"\d"), timeout=WAIT_MS)
    expect(page.locator(".connection")).to_contain_text("Reconnecting", timeout=WAIT_MS)
    kept = strong.inner_text()
    assert re.search(r"\d", kept)
    with Serving(served.hub, url.removeprefix("http://").rstrip("/")):
        expect(page.locator(".connection")).to_contain_text("Live", timeout=WAIT_MS)
        until(page, lambda: strong.inner_text() != kept)
        page.close()
    assert faults == []


def test_a_job_that_cannot_start_again_says_why(opened: Opened, tmp_path: Path) -> None:
    """A button that only leads to an error is a trap; one that goes takes the focus along."""
    with served_pipeline(HERE / "odd.sql", tmp_path) as alone:
        page = opened(f"#/jobs/{JOB}", url=alone.url)
        page.get_by_role("button", name="Stop").focus()
        page.keyboard.press("Enter")
        page.get_by_role("dialog").get_by_role("button", name="Stop").focus()
        page.keyboard.press("Enter")
        again = page.get_by_role("button", name="Start again")
        expect(again).to_have_attribute("aria-disabled", "true")
        expect(again).to_have_attribute("title", re.compile("millstream serve"))
        expect(page.get_by_role("button", name="Stop")).to_be_focused()
        again.click(force=True)
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.goto("about:blank")  # it would complain of the server that goes
