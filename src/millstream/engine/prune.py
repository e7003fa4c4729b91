"""What of a checkpoint folder is not needed any more."""

from __future__ import annotations

from millstream.engine import checkpoint_format_1 as format_1
from millstream.engine.checkpoint_folder import PACKS, CheckpointFolder, manifest_name


def superfluous(folder: CheckpointFolder, retained: int) -> list[str]:
    """Return the blobs to remove, in an order that may be broken off: manifests come first.

    What lies above the newest epoch may still be written, by a pipeline in an object store; it
    stays. Raises Damaged where a manifest that is kept cannot be read: nobody knows then what it
    needs.
    """
    numbers = folder.epochs()
    kept, old = numbers[-max(1, retained) :], numbers[: -max(1, retained)]
    manifests = [folder.manifest(number) for number in kept]
    wanted = {PACKS + pack for manifest in manifests for pack in manifest.packs}
    names = [manifest_name(number) for number in old]
    for name in folder.store.names(PACKS):
        number = name.removeprefix(PACKS).partition("-")[0]
        if name not in wanted and number.isdigit() and kept and int(number) <= kept[-1]:
            names.append(name)
    stay = tuple(format_1.folder(m.number) for m in manifests if m.format == format_1.FORMAT)
    names += [n for n in folder.store.names(format_1.EPOCHS) if not n.startswith(stay)]
    return names
