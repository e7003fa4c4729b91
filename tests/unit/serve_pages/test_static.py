"""The dashboard's files: what browsers load, without a browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
STATIC = ROOT / "src" / "millstream" / "serve" / "static"
OURS = sorted(
    path
    for path in STATIC.rglob("*")
    if path.suffix in (".js", ".css") and "vendor" not in path.relative_to(STATIC).parts
)


def node(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Node, which nobody needs but these tests."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("no node: modules are parsed by the browser tests alone")
    # What a person has set for Node (a proxy, options) must not change what the tests see.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NODE_")}
    command = [path, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_vendored_files_are_those_of_the_manifest() -> None:
    """An edited library would be lost with the next fetch, and nobody could say what we ship."""
    command = [sys.executable, str(ROOT / "tools" / "ui_vendor.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_modules_parse_and_fit_together() -> None:
    """There is no build: a wrong name of an import is found by a user, or here."""
    done = node("--no-warnings", "--experimental-vm-modules", HERE / "link.mjs", STATIC)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_pure_modules() -> None:
    """Rows, formats and the past of a figure are tested where they are written: in JavaScript."""
    done = node("--test", HERE / "pure.test.mjs")
    assert done.returncode == 0, done.stdout


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_obeys_its_policy() -> None:
    """default-src 'self': an inline script or style would simply not be there."""
    page = _Page()
    page.feed((STATIC / "index.html").read_text(encoding="utf-8"))
    for tag, attributes in page.found:
        assert tag != "style"
        assert tag != "script" or attributes.get("src")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        for name in ("src", "href"):
            path = attributes.get(name)
            assert path is None or (STATIC / path).is_file(), f"{path} is not there"


@pytest.mark.parametrize("path", OURS, ids=lambda p: str(p.relative_to(STATIC)))
def test_every_file_keeps_the_rules(path: Path) -> None:
    """Nothing leaves the machine, no HTML is made of data, each file says what it is for."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(("// ", "/* ")), "it begins with what goes in and comes out"
    assert not re.search(r"https?://(?!www\.w3\.org/)", text), "it names an address"
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)
    assert 'style="' not in text


@pytest.mark.parametrize("path", [p for p in OURS if p.suffix == ".css"], ids=lambda p: p.name)
def test_style_sheets_name_tokens_that_are_there(path: Path) -> None:
    """A colour whose name is misspelt is black in one theme and nothing in the other."""
    every = "".join(p.read_text(encoding="utf-8") for p in OURS)
    known = set(re.findall(r"(--[a-z0-9-]+)\s*:", every)) | set(re.findall(r'"(--[a-z-]+)"', every))
    used = set(re.findall(r"var\((--[a-z0-9-]+)", path.read_text(encoding="utf-8")))
    assert used <= known


def test_each_palette_stands_once_and_is_whole() -> None:
    """A colour that the dark palette leaves out is that of the light one, on a dark ground."""
    text = (STATIC / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r"\{([^{}]*--bg: [^{}]*)\}", text)
    light, dark = [set(re.findall(r"(--[a-z0-9-]+):", block)) for block in blocks]
    assert dark <= light
    assert light - dark == {"--sans", "--mono", "--round", "--round-small", "--bar"}


def test_the_wheel_holds_the_dashboard() -> None:
    """A package without its pages would serve an empty address."""
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    files = wheel.WheelBuilder(str(ROOT)).recurse_included_files()
    held = {Path(file.path).resolve() for file in files}
    missing = [p for p in STATIC.rglob("*") if p.is_file() and p.resolve() not in held]
    assert missing == []
