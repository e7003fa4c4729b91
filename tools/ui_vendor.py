"""Writes serve/static/vendor/, the libraries of the dashboard, and tests/browser/vendor/.

python tools/ui_vendor.py            fetch the pinned packs with npm and write the folders anew
python tools/ui_vendor.py --check    exit 1 where a file is not as a manifest says (no network)

in      packs by name and version, from whatever registry npm is set up for
out     one ES module, style sheet or font per line of ``PACKS``, each pack's licence, and
        ``manifest.json`` with versions and SHA-256 sums
why     Content-Security-Policy allows neither inline import maps nor foreign hosts, so modules are
        loaded by relative paths: names without a path are rewritten, and nothing else is changed
        but the references to source maps, which are not shipped
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = "manifest.json"
_SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=\S+\s*$")


@dataclass(frozen=True, slots=True)
class Pack:
    """One npm pack: what is taken of it, and under which name it is kept."""

    name: str
    version: str
    license: str
    files: dict[str, str]
    """Path in the pack -> name here."""
    imports: dict[str, str]
    """Bare names in its modules -> relative paths."""

    @property
    def slug(self) -> str:
        """Its name as part of a file name."""
        return self.name.removeprefix("@").replace("/", "-")


SHIPPED = (
    Pack(
        "preact",
        "11.2.0",
        "MIT",
        {"dist/preact.mjs": "preact.js", "hooks/dist/hooks.mjs": "preact-hooks.js"},
        {"preact": "./preact.js"},
    ),
    Pack("htm", "3.1.1", "Apache-2.0", {"dist/htm.module.js": "htm.js"}, {}),
    Pack(
        "uplot",
        "1.6.32",
        "MIT",
        {"dist/uPlot.esm.js": "uplot.js", "dist/uPlot.min.css": "uplot.css"},
        {},
    ),
    # The bundle holds @dagrejs/graphlib 4.0.6, of the same authors and under the same licence.
    Pack("@dagrejs/dagre", "3.1.3", "MIT", {"dist/dagre.esm.js": "dagre.js"}, {}),
    Pack(
        "@fontsource-variable/inter",
        "5.3.0",
        "OFL-1.1",
        {"files/inter-latin-wght-normal.woff2": "inter.woff2"},
        {},
    ),
    Pack(
        "@fontsource-variable/jetbrains-mono",
        "5.3.0",
        "OFL-1.1",
        {"files/jetbrains-mono-latin-wght-normal.woff2": "jetbrains-mono.woff2"},
        {},
    ),
)
FOR_TESTS = (Pack("axe-core", "4.14.1", "MPL-2.0", {"axe.min.js": "axe.js"}, {}),)
FOLDERS = {
    ROOT / "src/millstream/serve/static/vendor": SHIPPED,
    ROOT / "tests/browser/vendor": FOR_TESTS,
}


def fetch(pack: Pack, folder: Path) -> dict[str, bytes]:
    """Return the files to keep of a pack, its licence among them."""
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(  # noqa: S603 (the arguments are those of PACKS)
        [*command, f"{pack.name}@{pack.version}"], check=True, capture_output=True, text=True
    )
    kept: dict[str, bytes] = {}
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        said = json.loads(_read(archive, "package.json"))
        assert said["version"] == pack.version, f"{pack.name} came as {said['version']}"
        assert said["license"] == pack.license, f"{pack.name} is under {said['license']} now"
        for path, name in pack.files.items():
            content = _read(archive, path)
            kept[name] = as_module(content, pack.imports) if name.endswith(".js") else content
        kept[f"LICENSE.{pack.slug}.txt"] = _read(archive, "LICENSE")
    return kept


def as_module(content: bytes, imports: dict[str, str]) -> bytes:
    """Return a module that a browser can load without an import map or source map."""
    text = _SOURCE_MAP.sub("\n", content.decode())
    for bare, path in imports.items():
        text = re.sub(rf'(from\s*)"{re.escape(bare)}"', rf'\1"{path}"', text)
    return text.encode()


def write(folder: Path, packs: tuple[Pack, ...]) -> None:
    """Fetch packs and write their folder anew."""
    files: dict[str, bytes] = {}
    entries = []
    with tempfile.TemporaryDirectory() as place:
        for pack in packs:
            kept = fetch(pack, Path(place))
            files |= kept
            sums = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(kept.items())}
            said = {"name": pack.name, "version": pack.version, "license": pack.license}
            entries.append({**said, "sha256": sums})
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / MANIFEST).write_text(json.dumps({"packs": entries}, indent=2) + "\n", "utf-8")


def differences(folder: Path, packs: tuple[Pack, ...]) -> list[str]:
    """Return what is not as the manifest or the list of packs says."""
    entries = json.loads((folder / MANIFEST).read_text("utf-8"))["packs"]
    pinned = [(pack.name, pack.version, pack.license) for pack in packs]
    found = []
    if pinned != [(one["name"], one["version"], one["license"]) for one in entries]:
        found.append("the manifest is not of the packs that are pinned")
    wanted = {name: told for one in entries for name, told in one["sha256"].items()}
    there = {path.name: path for path in folder.iterdir() if path.name != MANIFEST}
    found += [f"{name} is missing" for name in sorted(wanted.keys() - there.keys())]
    found += [f"{name} is in no pack" for name in sorted(there.keys() - wanted.keys())]
    for name in sorted(wanted.keys() & there.keys()):
        if hashlib.sha256(there[name].read_bytes()).hexdigest() != wanted[name]:
            found.append(f"{name} is not what was fetched")
    return found


def _read(archive: tarfile.TarFile, path: str) -> bytes:
    member = archive.extractfile(f"package/{path}")
    assert member is not None, f"the pack has no file {path}"
    return member.read()


def main() -> int:
    """Write the folders, or check them."""
    if sys.argv[1:] != ["--check"]:
        for folder, packs in FOLDERS.items():
            write(folder, packs)
        return 0
    lines = [
        f"{folder.relative_to(ROOT)}: {line}. Run python tools/ui_vendor.py\n"
        for folder, packs in FOLDERS.items()
        for line in differences(folder, packs)
    ]
    sys.stderr.writelines(lines)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
