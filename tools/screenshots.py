"""Takes the pictures of the dashboard that README and docs show: ``make screenshots``.

in      examples/shop.sql, run here with its dashboard; Debian's Chromium (or CHROMIUM=path)
out     docs/screenshots/PAGE-SIZE-THEME.png; what the browser's console complains of ends it
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
TO = ROOT / "docs" / "screenshots"
PROGRAM = ROOT / "examples" / "shop.sql"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SIZES = {"phone": (390, 844), "laptop": (1440, 900), "wall": (2560, 1440)}
THEMES = ("light", "dark")
JOB = "shop"
PAGES = {
    "wall": ("/", ("phone", "laptop")),
    "screen": ("/wall", ("wall",)),
    "job": (f"/jobs/{JOB}", ("phone", "laptop")),
    "letters": (f"/jobs/{JOB}/letters", ("laptop",)),
    "checkpoints": (f"/jobs/{JOB}/checkpoints", ("laptop",)),
    "alerts": ("/alerts", ("laptop",)),
    "sql": ("/sql", ("laptop",)),
    "view": ("/views/best_customers", ("laptop",)),
}
WARM_S = 45.0
"""So long the shop runs before the first picture: charts need a past."""
SETTLE_S = 2.5
START_LIMIT_S = 60.0


@contextmanager
def dashboard(program: Path) -> Iterator[str]:
    """Run a program with its dashboard; gives the address."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "millstream", "serve", str(program)]
        command += ["--ui", "127.0.0.1:0", "--checkpoint", f"{folder}/state"]
        with Path(folder, "log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 (our own command line)
                command, cwd=ROOT, stderr=log, stdout=log
            )
        try:
            yield _address(process, Path(folder, "log"))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"dashboard: (\S+)", log.read_text(errors="replace"))
        if found:
            return found.group(1).rstrip("/")
        time.sleep(0.1)
    raise SystemExit(f"no dashboard: {log.read_text(errors='replace')[-2000:]}")


def pictures(browser: Browser, url: str) -> None:
    """Take all pictures."""
    for theme in THEMES:
        for size in SIZES:
            routes = {name: route for name, (route, sizes) in PAGES.items() if size in sizes}
            _pictures(browser, url, routes, size, theme)


def _pictures(browser: Browser, url: str, routes: dict[str, str], size: str, theme: str) -> None:
    width, height = SIZES[size]
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"
    )
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    for name, route in routes.items():
        page.goto(f"{url}/#{route}")
        page.wait_for_selector("main h1")
        page.wait_for_timeout(SETTLE_S * 1000)
        file = TO / f"{name}-{size}-{theme}.png"
        page.screenshot(path=str(file))
        sys.stdout.write(f"{file.relative_to(ROOT)}\n")
    page.close()
    if complaints:
        raise SystemExit(f"the console said: {complaints[:5]}")


def main() -> None:
    """Run the shop and take the pictures."""
    TO.mkdir(parents=True, exist_ok=True)
    with dashboard(PROGRAM) as url, sync_playwright() as play:
        time.sleep(WARM_S)
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        pictures(browser, url)
        browser.close()


if __name__ == "__main__":
    main()
