"""The wall, a view, the SQL box and the list of jobs, in a real browser on a running pipeline."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from millstream.serve.server import Serving
from tests.browser.conftest import WAIT_MS, Opened, Served

pytestmark = pytest.mark.browser
KINDS = {
    "all_orders": "number",
    "orders_by_hour": "bar",
    "orders_by_shop": "top",
    "orders_per_second": "line",
    "revenue_by_shop_and_hour": "heat",
    "shops_on_the_map": "geo",
    "accounts": "table",
}


def asked(served: Served, path: str) -> dict[str, object]:
    """Return what the API answers."""
    with urllib.request.urlopen(f"{served.url}/v1{path}", timeout=60) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def figure(text: str | None) -> int:
    """Return a number as it is written on the page."""
    return int(re.sub(r"\D", "", text or "") or 0)


def until(page: Page, text: Callable[[], str | None], fits: Callable[[int], bool]) -> int:
    """Look until a figure fits; the page's own clock says when it is too late."""
    for _ in range(WAIT_MS // 100):
        if fits(found := figure(text())):
            return found
        page.wait_for_timeout(100)
    raise AssertionError(f"the figure stays {text()!r}")


def test_the_wall_has_a_tile_of_each_kind(opened: Opened) -> None:
    """The kind of a tile is chosen by the server from the columns; the page must have it."""
    page = opened()
    for name, kind in KINDS.items():
        tile = page.locator(f".tile-{kind}", has=page.locator(f'a[href="#/views/{name}"]'))
        expect(tile).to_have_count(1)
    expect(page.locator(".tile-heat canvas")).to_have_attribute(
        "aria-label", re.compile("12 by 24|24 by 12")
    )


def test_a_figure_moves_and_is_that_of_the_api(opened: Opened, served: Served) -> None:
    """A tile that stands still, or shows another number than the engine has, is worse than none."""
    page = opened()
    strong = page.locator(".tile-number .figure-line strong")
    first = until(page, strong.text_content, lambda n: n > 0)
    rows = asked(served, "/views/all_orders/rows")["rows"]
    assert isinstance(rows, list)
    then = int(rows[0][0])
    assert then >= first, "the page has shown a number that the engine did not have yet"
    until(page, strong.text_content, lambda n: n >= then)


def test_a_large_view_scrolls_to_any_place(opened: Opened) -> None:
    """All rows can be reached, but only those that are seen stand in the page."""
    page = opened("#/views/accounts?order=account")
    grid = page.get_by_role("table", name="Rows of Accounts")
    total = until(page, lambda: grid.get_attribute("aria-rowcount"), lambda n: n > 50_000) - 1
    expect(grid.get_by_role("row").nth(1)).to_contain_text(re.compile(r"^0"))
    grid.evaluate("(e) => e.scrollTo(0, 32 * 20000)")
    expect(grid.locator('[aria-rowindex="20002"]')).to_contain_text(re.compile(r"\d{2},\d{3}"))
    assert grid.get_by_role("row").count() < 100 < total


def test_a_heading_sorts(opened: Opened) -> None:
    """The order goes into the address, so it can be sent to somebody."""
    page = opened("#/views/orders_by_shop")
    page.get_by_role("button", name="shop").click()
    expect(page).to_have_url(re.compile(r"order=-shop"))
    head = page.get_by_role("columnheader", name="shop")
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(page.locator(".grid-body .grid-row").first).to_contain_text("Shop 9")


def test_sql_keeps_moving_and_stops(opened: Opened) -> None:
    """Answers on live views are live themselves, until somebody wants to read them in peace."""
    page = opened("#/sql")
    page.get_by_label("SQL over the live views").fill("SELECT SUM(orders) AS n FROM orders_by_shop")
    page.keyboard.press("Control+Enter")
    value = page.locator(".sql-answer .grid-body .grid-row > div").first
    first = until(page, value.text_content, lambda n: n > 0)
    until(page, value.text_content, lambda n: n > first)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator(".sql-state .chip")).to_have_count(0)


def test_wrong_sql_says_where(opened: Opened) -> None:
    """The message, the hint and the place come to whoever typed it; the place can be gone to."""
    page = opened("#/sql")
    page.get_by_role("button", name="Once").click()
    area = page.get_by_label("SQL over the live views")
    area.fill("SELECT ordrs\nFROM orders_by_shop")
    page.keyboard.press("Control+Enter")
    fault = page.get_by_role("alert")
    expect(fault).to_contain_text("ordrs")
    expect(fault).to_contain_text("orders")
    page.get_by_role("button", name="Show line 1, column 8").click()
    chosen = "(e) => e.value.slice(e.selectionStart, e.selectionEnd)"
    assert area.evaluate(chosen) == "ordrs"


def test_a_job_pauses_and_goes_on(opened: Opened, served: Served) -> None:
    """What the buttons say is what the engine does."""
    page = opened("#/jobs")
    page.get_by_role("button", name="Pause orders").click()
    expect(page.locator(".job-row .chip")).to_have_text("paused")
    assert asked(served, "/jobs/orders")["state"] == "paused"
    page.get_by_role("button", name="Resume orders").click()
    expect(page.locator(".job-row .chip")).to_have_text("running")


def test_stopping_asks_first(opened: Opened, served: Served) -> None:
    """A slip of the finger must not end a pipeline."""
    page = opened("#/jobs")
    page.get_by_role("button", name="Stop orders").click()
    dialog = page.get_by_role("dialog", name="Stop orders?")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Stop orders")).to_be_focused()
    assert asked(served, "/jobs/orders")["state"] == "running"


def test_a_server_with_a_token_asks_for_it(opened: Opened, served: Served) -> None:
    """A wrong token is asked for again; the right one opens calls, streams and WebSockets."""
    with Serving(served.hub, "127.0.0.1:0", token="geheim-und-lang") as server:
        page = opened(url=server.url)
        for title, token in (
            ("Who are you?", "wrong"),
            ("That token is not the one", "geheim-und-lang"),
        ):
            dialog = page.get_by_role("dialog", name=title)
            dialog.get_by_label("Token").fill(token)
            dialog.get_by_role("button", name="Sign in").click()
        strong = page.locator(".tile-number .figure-line strong")
        until(page, strong.text_content, lambda n: n > 0)
        page.get_by_role("link", name="SQL").click()
        page.get_by_label("SQL over the live views").fill("SELECT orders FROM all_orders")
        page.keyboard.press("Control+Enter")
        value = page.locator(".sql-answer .grid-body .grid-row > div").first
        until(page, value.text_content, lambda n: n > 0)
        page.goto("about:blank")


def test_the_theme_is_kept(opened: Opened) -> None:
    """Who chose dark gets dark after a reload, before the first paint."""
    page = opened(theme="light")
    page.get_by_role("button", name="Theme: auto").click()
    page.get_by_role("button", name="Theme: light").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_wall_mode_by_key(opened: Opened) -> None:
    """One key for a screen on the wall, one to come back."""
    page = opened()
    expect(page.locator(".tile")).to_have_count(len(KINDS))
    page.keyboard.press("w")
    expect(page.get_by_role("navigation")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
