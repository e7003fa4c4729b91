"""``millstream checkpoints DIR``: what is in a checkpoint folder, whether it is sound, and less.

Listing and verifying lock nothing: they may be done while the pipeline runs. Pruning needs the
folder for itself.
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

from millstream.cli.failure import Exit
from millstream.cli.program import settings_of
from millstream.errors import CheckpointError
from millstream.ports.options import with_options
from millstream.settings import Settings

if TYPE_CHECKING:
    from millstream.engine.checkpoint_folder import CheckpointFolder, Manifest

POSITION_MAX = 40
"""Characters of a source's position in the table."""


def show(place: str, form: str, pairs: list[str]) -> Exit:
    """Print the epochs of a folder, oldest first."""
    folder = _folder(place, pairs)
    identity = folder.identity()
    epochs, wrong = [], []
    for number in folder.epochs():
        try:
            epochs.append(_facts(folder.manifest(number)))
        except CheckpointError as error:
            wrong.append(error)
    if form == "json":
        print(json.dumps({"pipeline": identity["pipeline"], "epochs": epochs}, indent=2))
    else:
        print(f"pipeline {identity['pipeline']}")
        _table(epochs)
    for told in wrong:
        print(told)
    return Exit.FAILED if wrong else Exit.OK


def verify(place: str, pairs: list[str]) -> Exit:
    """Check every byte of every epoch; names what is wrong."""
    folder = _folder(place, pairs)
    folder.identity()
    numbers, found = folder.epochs(), 0
    for number in numbers:
        wrong = folder.verify(number)
        found += len(wrong)
        print(f"{number:>10}  {'damaged' if wrong else 'sound'}")
        for error in wrong:
            print(f"            {error.fact}")
    print(f"{len(numbers)} epochs, {'all sound' if not found else f'{found} blobs damaged'}")
    return Exit.FAILED if found else Exit.OK


def prune(place: str, retain: int | None, pairs: list[str], *, dry_run: bool) -> Exit:
    """Remove epochs beyond those retained, and what no epoch refers to."""
    from millstream.engine.prune import superfluous

    settings = with_options(Settings(), settings_of(pairs), owner="settings")
    folder = _folder(place, pairs)
    folder.identity()
    free = folder.store.own()
    if free is None:
        raise CheckpointError(
            "A pipeline runs on this folder, and prunes it by itself.",
            where=folder.store.place,
            hint="Set execution.checkpointing.num-retained, or stop it first.",
        )
    try:
        names = superfluous(folder, settings.checkpoints_retained if retain is None else retain)
        size = 0
        for name in names:
            size += folder.store.size(name)
            print(name)
            if not dry_run:
                folder.store.delete(name)
    finally:
        free()
    print(f"{len(names)} blobs, {_bytes(size)} {'would be removed' if dry_run else 'removed'}")
    return Exit.OK


def _folder(place: str, pairs: list[str]) -> CheckpointFolder:
    from millstream.engine.checkpoint_folder import CheckpointFolder
    from millstream.stores.open import open_store

    settings = with_options(Settings(), settings_of(pairs), owner="settings")
    return CheckpointFolder(open_store(place, settings))


def _facts(manifest: Manifest) -> dict[str, Any]:
    written_ms = manifest.written_at_ms
    return {
        "epoch": manifest.number,
        "written_at_ms": written_ms,
        "format": manifest.format,
        "incarnation": manifest.incarnation,
        "prepared_by": manifest.prepared_by,
        "state_rows": manifest.state_rows,
        "bytes": sum(p.length for p in manifest.chunks.values()) or manifest.bytes_new,
        "bytes_new": manifest.bytes_new,
        "positions": manifest.body["positions"],
    }


def _table(epochs: list[dict[str, Any]]) -> None:
    lines = [("epoch", "written", "state rows", "bytes", "new bytes", "positions")]
    for said in epochs:
        at_ms = said["written_at_ms"]
        when = "-" if at_ms is None else _time(at_ms)
        rows = "-" if said["state_rows"] is None else f"{said['state_rows']:,}"
        lines.append(
            (
                str(said["epoch"]) + ("" if said["prepared_by"] is None else " prepared"),
                when, rows, _bytes(said["bytes"]), _bytes(said["bytes_new"]),
                _positions(said["positions"]),
            )
        )  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    for line in lines:
        cells = [text.rjust(width) for text, width in zip(line[:5], widths, strict=True)]
        print("  ".join([*cells, line[5]]).rstrip())


def _positions(positions: dict[str, dict[str, Any]]) -> str:
    parts = []
    for scan, splits in positions.items():
        for split, place in splits.items():
            text = json.dumps(place)
            short = text if len(text) <= POSITION_MAX else text[: POSITION_MAX - 1] + "…"
            parts.append(f"{scan.rpartition('/')[2]} {split} {short}")
    shown = "; ".join(parts[:2])
    return shown if len(parts) <= 2 else f"{shown}; {len(parts) - 2} more"


def _time(at_ms: int) -> str:
    at = dt.datetime.fromtimestamp(at_ms / 1000, tz=dt.UTC)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _bytes(number: int) -> str:
    amount = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
