"""Epochs as packs of chunks: what is written again, what is removed, who may write, what is found.

Run on a store in memory: what a store itself promises is tests/unit/stores'.
"""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal

import polars as pl
import pytest

from millstream.engine import chunks, sealed
from millstream.engine.checkpoint import Damaged, Epoch, State, output_hash
from millstream.engine.checkpoint_folder import CheckpointFolder
from millstream.engine.checkpoint_store import CheckpointStore
from millstream.engine.operator import Snapshot
from millstream.errors import CheckpointError, Domain
from millstream.ports.store import Bytes, StoreError
from millstream.stores.memory import MemoryStore

ROWS = 3 * chunks.CHUNK_ROWS + 17


def epoch(number: int, *tables: pl.DataFrame, **more) -> Epoch:
    snapshot = Snapshot({f"t{i}": table for i, table in enumerate(tables)}, {"seen": number})
    state = State({"step": snapshot}, {"step": number}, {"scan": {"given": number}})
    outputs = {"sink": [pl.DataFrame({"n": [number, None]})]}
    given = {"positions": {"scan": {"0": number}}, "outputs": outputs, "facts": {"ended": False}}
    return Epoch(number, state, **{**given, **more})


def large(*, changed: range = range(0)) -> pl.DataFrame:
    values = pl.Series(range(ROWS))
    mask = values.is_between(changed.start, changed.stop - 1)
    return pl.DataFrame({"k": "key " + values.cast(pl.String), "v": values + mask.cast(pl.Int64)})


def owner(blobs: MemoryStore, retained: int = 3) -> CheckpointStore:
    return CheckpointStore(MemoryStore(blobs=blobs.blobs), retained=retained)


class Anyone(MemoryStore):
    """An object store cannot keep a second owner out."""

    def own(self):
        return lambda: None


def same(one: Epoch, other: Epoch) -> bool:
    def frames(e: Epoch) -> list[pl.DataFrame]:
        tables = [t for s in e.state.operators.values() for t in s.tables.values()]
        return [*tables, *(f for fs in e.outputs.values() for f in fs)]

    pairs = zip(frames(one), frames(other), strict=True)
    return all(a.schema == b.schema and a.equals(b) for a, b in pairs) and (
        one.number, one.positions, one.facts, one.journal, one.prepared_by, one.state.marks,
    ) == (
        other.number, other.positions, other.facts, other.journal, other.prepared_by,
        other.state.marks,
    )  # fmt: skip


def test_an_epoch_comes_back_as_it_was() -> None:
    """Every type a state may hold, NULLs, no rows, no columns, and what belongs to the epoch."""
    types = pl.DataFrame(
        {
            "i128": pl.Series([1 << 100, None], dtype=pl.Int128),
            "d": pl.Series([Decimal("1.23"), None], dtype=pl.Decimal(38, 2)),
            "list": pl.Series([[1, None], None], dtype=pl.List(pl.Int32)),
            "row": pl.Series([{"a": 1, "b": "x"}, None]),
            "none": pl.Series([None, None], dtype=pl.Null),
            "bytes": pl.Series([b"\x00\xff", None]),
            "time": pl.Series([dt.time(1, 2), None]),
            "stamp": pl.Series([5, None], dtype=pl.Datetime("ns", "UTC")),
            "text": pl.Series(["ç and a text that is longer than a view", None]),
            "float": pl.Series([float("nan"), -0.0]),
        }
    )
    blobs = MemoryStore()
    store = owner(blobs)
    given = epoch(1, types, types.clear(), pl.DataFrame(), large(), journal=[{"a": 1}])
    store.write(given)
    store.close()
    found = owner(blobs).newest()
    assert found is not None
    assert same(found, given)


def test_what_has_not_changed_is_not_written_again() -> None:
    """A state of a million keys of which few change must not cost its whole size each second."""
    blobs = MemoryStore()
    store = owner(blobs)
    store.write(epoch(1, large()))
    store.write(epoch(2, large(changed=range(5))))
    store.write(epoch(3, large(changed=range(5))))
    first, second, third = (store.manifest(n) for n in (1, 2, 3))
    assert second.bytes_new < first.bytes_new / 2
    assert third.bytes_new < first.bytes_new / 20
    found = store.read(3)
    assert found.state.operators["step"].tables["t0"].equals(large(changed=range(5)))


def test_the_folder_stays_bounded() -> None:
    """Packs of which little is in use must not stay for that little, whatever changes when."""
    chance = random.Random(1)
    blobs = MemoryStore()
    store = owner(blobs)
    for number in range(1, 60):
        start = chance.randrange(ROWS)
        store.write(epoch(number, large(changed=range(start, start + 3))))
    whole = store.manifest(1 if 1 in store.epochs() else store.epochs()[0])
    live = sum(place.length for place in whole.chunks.values())
    size = sum(len(data) for name, data in blobs.blobs.items() if name.startswith("packs/"))
    assert size < 6 * live
    assert len(store.epochs()) == 3
    for number in store.epochs():
        assert not store.verify(number)


def test_a_start_goes_on_with_the_chunks_there_are() -> None:
    """A restart must not write the whole state anew."""
    blobs = MemoryStore()
    store = owner(blobs)
    store.write(epoch(1, large()))
    store.close()
    store = owner(blobs)
    store.write(epoch(2, large()))
    assert store.manifest(2).bytes_new < store.manifest(1).bytes_new / 20
    assert store.incarnation == 2


def test_orphans_of_a_crash_are_removed_by_the_next_owner() -> None:
    """Killed between pack and manifest: the pack is nobody's, and must not stay for good."""
    blobs = MemoryStore()
    store = owner(blobs)
    store.write(epoch(1, large()))
    blobs.put("packs/000000002-1", b"never referred to")
    store.close()
    store = owner(blobs)
    store.write(epoch(2, large()))
    assert "packs/000000002-1" not in blobs.names()
    assert store.newest() is not None


def test_of_two_owners_one_is_fenced() -> None:
    """Where no lock keeps them apart, the older one must stop before it writes anything."""
    blobs = MemoryStore()
    old = CheckpointStore(Anyone(blobs=blobs.blobs), retained=3)
    old.write(epoch(1))
    new = CheckpointStore(Anyone(blobs=blobs.blobs), retained=3)
    with pytest.raises(StoreError) as told:
        old.write(epoch(2))
    assert told.value.domain is Domain.FENCED
    new.write(epoch(2))
    assert new.epochs() == [1, 2]


def test_one_that_slept_over_many_starts_is_fenced() -> None:
    """What would stop it, the next incarnation and its manifest, is long removed: so is its own."""
    blobs = MemoryStore()
    old = CheckpointStore(Anyone(blobs=blobs.blobs), retained=2)
    old.write(epoch(1))
    for number in range(2, 9):
        CheckpointStore(Anyone(blobs=blobs.blobs), retained=2).write(epoch(number))
    kept = set(blobs.names())
    with pytest.raises(StoreError, match="has taken over") as told:
        old.write(epoch(2))
    assert told.value.domain is Domain.FENCED
    assert {name for name in blobs.names() if not name.startswith("packs/")} <= kept


def test_one_that_slept_before_its_manifest_is_fenced_after_it() -> None:
    """Where retention has removed the others' manifest, nothing stops ours; nor is it delivered."""

    class Sleeper(Anyone):
        """Sleeps between the look for newer starts and the manifest."""

        def put_new(self, name: str, data: Bytes) -> bool:
            if name == "manifests/000000002.json":
                for number in range(2, 5):
                    CheckpointStore(Anyone(blobs=self.blobs), retained=2).write(epoch(number))
            return super().put_new(name, data)

    blobs = MemoryStore()
    old = CheckpointStore(Sleeper(blobs=blobs.blobs), retained=2)
    old.write(epoch(1))
    with pytest.raises(StoreError, match="has taken over") as told:
        old.write(epoch(2))
    assert told.value.domain is Domain.FENCED
    new = CheckpointStore(Anyone(blobs=blobs.blobs), retained=2)
    new.write(epoch(5))
    assert new.epochs() == [4, 5]


def test_one_that_slept_drops_nothing() -> None:
    """The epoch it takes for prepared only may have been written again, and decided on."""
    blobs = MemoryStore()
    CheckpointStore(Anyone(blobs=blobs.blobs), retained=3).write(epoch(1, prepared_by="out"))
    old = CheckpointStore(Anyone(blobs=blobs.blobs), retained=3)
    CheckpointStore(Anyone(blobs=blobs.blobs), retained=3)
    with pytest.raises(StoreError, match="has taken over"):
        old.drop(1)
    assert old.epochs() == [1]


def test_an_epoch_that_is_dropped_while_it_is_looked_for() -> None:
    """Whoever was here before may drop what it prepared; that is no damage to complain of."""

    class Dropped(Anyone):
        def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
            if name == "manifests/000000002.json":
                self.blobs.pop(name, None)
            return super().get(name, start=start, length=length)

    blobs = MemoryStore()
    store = CheckpointStore(Anyone(blobs=blobs.blobs), retained=3)
    store.write(epoch(1))
    store.write(epoch(2, prepared_by="out"))
    found = CheckpointFolder(Dropped(blobs=blobs.blobs)).newest()
    assert found is not None
    assert found.number == 1


def test_an_epoch_written_while_a_start_begins_is_gone_on_from() -> None:
    """Until a start has its incarnation the one before may write, and that epoch counts."""

    class Begins(Anyone):
        def put_new(self, name: str, data: Bytes) -> bool:
            if name == "incarnations/000000002.json":
                old.write(epoch(2, prepared_by="out"))
            return super().put_new(name, data)

    blobs = MemoryStore()
    old = CheckpointStore(Anyone(blobs=blobs.blobs), retained=3)
    old.write(epoch(1))
    new = CheckpointStore(Begins(blobs=blobs.blobs), retained=3)
    new.write(epoch(3))
    assert sealed.read(blobs, "manifests/000000003.json")["parent"] == 2


def test_a_manifest_of_another_is_not_overwritten() -> None:
    """A zombie that got its manifest in first has won: the newer start must see it, and stop."""

    class Late(Anyone):
        """The moment between the look for newer starts and the manifest."""

        def size(self, name: str) -> int:
            found = old.store.blobs.get("manifests/000000002.json")
            if found is None and name.startswith("incarnations"):
                old.store.put_new("manifests/000000002.json", theirs)
            return super().size(name)

    blobs = MemoryStore()
    old = CheckpointStore(Anyone(blobs=blobs.blobs), retained=3)
    old.write(epoch(1))
    other = MemoryStore(blobs=dict(blobs.blobs))
    CheckpointStore(Anyone(blobs=other.blobs), retained=3).write(epoch(2))
    theirs = other.get("manifests/000000002.json")
    new = CheckpointStore(Late(blobs=blobs.blobs), retained=3)
    with pytest.raises(StoreError, match="has written checkpoint 2") as told:
        new.write(epoch(2, large()))
    assert told.value.domain is Domain.FENCED
    assert blobs.get("manifests/000000002.json") == theirs


def test_epochs_never_begin_again() -> None:
    """Numbers that come twice are taken for delivered by sinks: rows would be lost in silence."""
    blobs = MemoryStore()
    store = owner(blobs)
    for number in (1, 2, 3):
        store.write(epoch(number))
    store.close()
    owner(blobs).close()
    for gone in (["manifests/000000003.json"], blobs.names("manifests/")):
        left = MemoryStore(blobs={n: d for n, d in blobs.blobs.items() if n not in gone})
        with pytest.raises(CheckpointError, match="Checkpoint 3 of this pipeline is gone"):
            owner(left)


def test_an_epoch_that_was_only_prepared_can_be_dropped() -> None:
    """The sink's commit never came: its number is given again, also after another start."""
    blobs = MemoryStore()
    store = owner(blobs)
    store.write(epoch(1))
    store.write(epoch(2, prepared_by="sink"))
    store.close()
    store = owner(blobs)
    newest = store.newest()
    assert newest is not None
    assert newest.prepared_by == "sink"
    store.drop(2)
    store.close()
    store = owner(blobs)
    store.write(epoch(2, large()))
    found = store.newest()
    assert found is not None
    assert same(found, epoch(2, large()))


def test_an_epoch_set_aside_is_no_gap() -> None:
    """A damaged epoch that nobody saw gives its number away; the next start must not miss it."""
    blobs = MemoryStore()
    store = owner(blobs)
    store.write(epoch(1, large()))
    store.write(epoch(2, large()))
    store.close()
    owner(blobs).close()  # has seen epoch 2
    blobs.put("manifests/000000002.json", b"damaged")
    store = owner(blobs)
    store.set_aside(2)
    store.close()
    store = owner(blobs)
    assert store.epochs() == [1]
    store.write(epoch(2, large()))
    assert blobs.get("damaged/000000002-3.json") == b"damaged"


def test_an_output_has_one_hash_however_it_is_cut() -> None:
    """A replay compares by it."""
    frame = large().head(5_000)
    blobs = MemoryStore()
    store = owner(blobs)
    store.write(epoch(1, outputs={"sink": [frame.head(3), frame.tail(-3)]}))
    said = store.manifest(1).body["outputs"]["sink"]["hash"]
    assert said == output_hash([frame.head(1000), frame.tail(-1000)]) == output_hash([frame])
    assert said != output_hash([frame.reverse()])


def test_a_write_that_failed_can_be_done_again() -> None:
    """The reply was lost, or there was no room: the same epoch is simply written again."""

    class Fails(Anyone):
        """The manifest is written, but nobody hears of it; or nothing is written at all."""

        times = 2

        def put_new(self, name: str, data) -> bool:
            if name.startswith("manifests/") and self.times:
                self.times -= 1
                if not self.times:
                    super().put_new(name, data)
                raise StoreError("no answer", where=self.place)
            return super().put_new(name, data)

    blobs = MemoryStore()
    store = CheckpointStore(Fails(blobs=blobs.blobs), retained=3)
    for _ in range(2):
        with pytest.raises(StoreError, match="Checkpoint 1 could not be written"):
            store.write(epoch(1, large()))
    store.write(epoch(1, large()))
    store.write(epoch(2, large()))
    assert not [e for n in store.epochs() for e in store.verify(n)]


def test_a_checkpoint_of_a_later_version_is_told_as_such() -> None:
    """'Damaged' would send the operator to a backup that is of no help."""
    blobs = MemoryStore()
    store = owner(blobs)
    store.write(epoch(1))
    from millstream.engine import sealed

    manifest = sealed.read(store.store, "manifests/000000001.json")
    blobs.put("manifests/000000001.json", sealed.seal({**manifest, "format": 3}))
    with pytest.raises(CheckpointError, match="format 3") as told:
        CheckpointFolder(blobs).newest()
    assert not isinstance(told.value, Damaged)
