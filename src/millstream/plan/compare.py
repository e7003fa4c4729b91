"""What of a checkpoint a changed plan can go on with, and why not of the rest.

in      what the steps of the old plan said of themselves when the checkpoint was written
        (:class:`StepFacts`), which of them had state, sources' positions, sinks; and the new plan
out     :class:`Comparison`: the fate of every step with state, every source and every sink, and
        under which old id a step finds its state
law     a step keeps its state only if it says the same as before: its kind and keys, what it
        computes with which types, what it reads, and whether that changes. Then it may have
        moved: a step that exactly one lost step equals takes that one's state over
bad     nothing raises here: what does not fit is told as such, and ``run`` refuses it
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from millstream.expr.tree import Expr, Named, OverCall
from millstream.plan import nodes as n
from millstream.plan.facts import StateBound
from millstream.plan.ids import kind_of
from millstream.plan.table import Table

if TYPE_CHECKING:
    from millstream.plan.derive import Derived

_UNSAID = frozenset(
    {"uid", "name", "owner", "window_start", "window_end", "window_time", "rows_max"}
    | {"condition", "for_ms", "severity", "summary"}
)
"""Fields of nodes that no state depends on: names, which bounds of a window are given out, how many
rows a view keeps, and what an alert says: its state is since when a condition holds."""
_SECRET = re.compile(r"password|secret|token|credential|api[-_.]?key|jaas", re.IGNORECASE)
_ID = re.compile(r"^(?:(?P<owner>.*)/)?(?P<kind>[a-z-]+)(?:\[(?P<keys>.*?)\])?(?:#\d+)?$")
_NO_STATE = n.Filter | n.Project | n.Write | n.LateRows | n.RejectedRows | n.Scan


class Fate(Enum):
    """What becomes of state, a position or an epoch record."""

    KEEPS = "keeps"
    EMPTY = "starts empty"
    LOST = "lost"
    UNFIT = "does not fit"


@dataclass(frozen=True, slots=True)
class StepFacts:
    """What one step says of itself, as an epoch keeps it.

    says     by field of its node: keys, aggregates with their types, window …
    reads    per input its columns with their types, and whether its rows change
    version  of the layout of the operator's state
    hashed   the hash of the label: all that epochs of earlier versions know
    bound    what limits its state; None = unknown
    """

    uid: str
    kind: str
    label: str
    says: Mapping[str, str] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    version: int = 1
    hashed: str = ""
    stateful: bool | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it for an epoch's facts; the id is the key it stands under."""
        return {
            "kind": self.kind,
            "label": self.label,
            "says": dict(self.says),
            "reads": list(self.reads),
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class Before:
    """What a checkpoint knows: the steps, the rows of state by id, positions by scan, sinks."""

    steps: Mapping[str, StepFacts]
    rows: Mapping[str, int]
    splits: Mapping[str, int]
    sinks: tuple[str, ...]
    epoch: int


@dataclass(frozen=True, slots=True)
class StepFate:
    """What becomes of one step, source or sink; ``was`` is its old id if that was another."""

    uid: str
    fate: Fate
    why: str = ""
    was: str | None = None
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Comparison:
    """The fates of everything, and what follows.

    pairs  the old id of every step and source that goes on with what it had, by new id
    """

    steps: tuple[StepFate, ...]
    sources: tuple[StepFate, ...]
    sinks: tuple[StepFate, ...]
    pairs: Mapping[str, str]
    epoch: int

    @property
    def gone(self) -> tuple[StepFate, ...]:
        """State and positions the new plan cannot go on with: ``run`` refuses unless allowed."""
        found = (*self.steps, *self.sources)
        return tuple(f for f in found if f.fate in (Fate.LOST, Fate.UNFIT))

    @property
    def new(self) -> tuple[StepFate, ...]:
        """Steps and sources that the checkpoint knows nothing of."""
        return tuple(f for f in (*self.steps, *self.sources) if f.fate is Fate.EMPTY)

    @property
    def all_kept(self) -> bool:
        """Whether everything goes on where it stopped."""
        every = (*self.steps, *self.sources, *self.sinks)
        return all(f.fate is Fate.KEEPS for f in every)


def facts_of(derived: Derived) -> dict[str, StepFacts]:
    """Return what the steps of a finished plan say of themselves, by id; scans too."""
    found: dict[str, StepFacts] = {}
    for node in derived.plan.walk():
        if isinstance(node, n.Scan):
            found[node.uid] = _facts(node, _table_says(node.table), (), None)
            continue
        if isinstance(node, _NO_STATE):
            continue
        changes = derived.changes_in(node)
        reads = tuple(
            _read(node, port) + (" changing" if changes[port] else "")
            for port in range(len(node.inputs))
        )
        says = {
            f.name: _text(getattr(node, f.name)) for f in fields(node) if _is_said(node, f.name)
        }
        says["clock"] = "processing time" if derived.by_clock(node) else "event time"
        stateful = derived.state(node) is not StateBound.STATELESS or isinstance(node, n.Limit)
        found[node.uid] = _facts(node, says, reads, stateful)
    return found


def from_json(uid: str, value: Mapping[str, Any]) -> StepFacts:
    """Take what :meth:`StepFacts.to_json` gave back."""
    return StepFacts(
        uid,
        value["kind"],
        value["label"],
        dict(value["says"]),
        tuple(value["reads"]),
        int(value["version"]),
        label_hash(value["label"]),
    )


def from_hash(uid: str, hashed: str) -> StepFacts:
    """Return what an epoch of an earlier version knows of a step: its id, and a hash."""
    found = _ID.match(uid)
    return StepFacts(uid, found["kind"] if found else "", "", hashed=hashed)


def label_hash(label: str) -> str:
    """Return the hash of a label as epochs keep it."""
    return hashlib.blake2b(label.encode(), digest_size=8).hexdigest()


def compare(
    before: Before,
    after: Mapping[str, StepFacts],
    sinks: tuple[str, ...],
    *,
    migrates: Callable[[str, int, int], bool] = lambda kind, old, new: old == new,
) -> Comparison:
    """Tell what becomes of everything; ``migrates(kind, from version, to version)``."""
    known = {u: s for u, s in before.steps.items() if u in before.rows and s.kind != "scan"}
    steps, pairs = _matched(
        known,
        {u: s for u, s in after.items() if s.kind != "scan"},
        before.rows,
        migrates,
        every=set(before.steps),
    )
    old_scans = {u: before.steps.get(u) or from_hash(u, "") for u in before.splits}
    sources = _sources(old_scans, {u: s for u, s in after.items() if s.kind == "scan"}, before)
    goes_on = f"goes on behind epoch {before.epoch}"
    told = [
        StepFate(s, Fate.KEEPS, goes_on) if s in before.sinks else StepFate(s, Fate.EMPTY, "new")
        for s in sinks
    ]
    lost = [StepFate(s, Fate.LOST, "no longer written") for s in before.sinks if s not in sinks]
    pairs |= {f.uid: f.was or f.uid for f in sources if f.fate is Fate.KEEPS}
    return Comparison(tuple(steps), tuple(sources), (*told, *lost), pairs, before.epoch)


# -- steps -----------------------------------------------------------------------------------------


def _matched(
    old: Mapping[str, StepFacts],
    new: Mapping[str, StepFacts],
    rows: Mapping[str, int],
    migrates: Callable[[str, int, int], bool],
    every: set[str],
) -> tuple[list[StepFate], dict[str, str]]:
    """Pair steps: by id where they say the same, then by what they say, then by id and place."""
    pairs = {u: u for u in new if u in old and not differences(old[u], new[u])}
    _pair(pairs, old, new, lambda was, said: _same_kind(was, said) and not differences(was, said))
    taken = set(pairs.values())
    fates: list[StepFate] = []
    unfit = _places(
        [u for u in old if u not in taken and rows[u]],
        [u for u in new if u not in pairs],
        old,
        new,
    )
    for uid, said in new.items():
        if uid in pairs:
            was = pairs[uid]
            fates.append(_kept(said, old[was], rows[was], migrates))
        elif uid in unfit:
            was = unfit[uid]
            why = "; ".join(differences(old[was], said)) or "it computes something else"
            moved = None if was == uid else was
            fates.append(StepFate(uid, Fate.UNFIT, why, moved, rows[was]))
        elif said.kind == "values" and uid not in every:
            fates.append(StepFate(uid, Fate.UNFIT, "constant rows are given at the first start"))
        elif said.stateful:
            fates.append(StepFate(uid, Fate.EMPTY, "new"))
    used = taken | set(unfit.values())
    fates.extend(
        StepFate(u, Fate.LOST, "no step of the program is like it", None, rows[u])
        for u in old
        if u not in used and rows[u]
    )
    kept = {f.uid for f in fates if f.fate is Fate.KEEPS}
    told = [f for f in fates if f.fate is not Fate.KEEPS or f.rows or new[f.uid].stateful]
    return told, {u: o for u, o in pairs.items() if u in kept}


def _kept(
    new: StepFacts, old: StepFacts, rows: int, migrates: Callable[[str, int, int], bool]
) -> StepFate:
    moved = None if old.uid == new.uid else old.uid
    if not migrates(new.kind, old.version, new.version):
        why = f"its state has version {old.version}, this program reads {new.version}"
        return StepFate(new.uid, Fate.UNFIT, why, moved, rows)
    whys = [] if moved is None else [f"under its old id '{moved}'"]
    if old.version != new.version:
        whys.append(f"brought from version {old.version} to {new.version}")
    return StepFate(new.uid, Fate.KEEPS, ", ".join(whys), moved, rows)


def _places(
    gone: list[str], fresh: list[str], old: Mapping[str, StepFacts], new: Mapping[str, StepFacts]
) -> dict[str, str]:
    """Pair changed steps with what they were: by id, else by kind where each owner has just one."""
    pairs = {u: u for u in fresh if u in gone}
    rest_new = [u for u in fresh if u not in pairs]
    rest_old = [u for u in gone if u not in pairs]
    for uid in rest_new:
        place = (_owner(uid), new[uid].kind)
        alike = [o for o in rest_old if (_owner(o), old[o].kind) == place]
        rivals = [u for u in rest_new if (_owner(u), new[u].kind) == place]
        if len(alike) == 1 and len(rivals) == 1:
            pairs[uid] = alike[0]
    return pairs


def differences(old: StepFacts, new: StepFacts) -> list[str]:
    """Tell why a state does not fit a step; empty = it does."""
    if not old.says:  # an epoch of an earlier version: only the hash of the label is known
        same = old.hashed == new.hashed
        return [] if same else ["it computes something else than when the checkpoint was written"]
    if old.kind != new.kind:
        return [f"it was {old.kind}, it is {new.kind}"]
    found = [
        _changed(name, old.says.get(name, "nothing"), new.says.get(name, "nothing"))
        for name in dict.fromkeys((*old.says, *new.says))
        if old.says.get(name) != new.says.get(name)
    ]
    for port, (had, has) in enumerate(zip(old.reads, new.reads, strict=False)):
        if had != has:
            side = "" if len(new.reads) == 1 else f" of input {port + 1}"
            found.append(_changed(f"columns read{side}", had, has))
    if len(old.reads) != len(new.reads):
        found.append(f"it read {len(old.reads)} inputs, it reads {len(new.reads)}")
    return found


def _changed(what: str, had: str, has: str) -> str:
    what = {"keys": "key columns", "aggs": "aggregates", "partition": "key columns"}.get(what, what)
    were, are = _parts(had), _parts(has)
    added = [p for p in are if p not in were]
    removed = [p for p in were if p not in are]
    if what in ("aggregates", "calls") or what.startswith("columns read"):
        told = [f"added {', '.join(added)}"] if added else []
        told += [f"removed {', '.join(removed)}"] if removed else []
        if told:
            return f"{what} {' and '.join(told)}"
    return f"{what} changed: {had or 'none'} → {has or 'none'}"


def _parts(text: str) -> list[str]:
    return text.split(" | ") if text else []


def _same_kind(old: StepFacts, new: StepFacts) -> bool:
    if old.says:
        return old.kind == new.kind
    # Of an epoch of an earlier version the id tells kind and keys; a name of the user's tells none.
    mine, theirs = _ID.match(new.uid), _ID.match(old.uid)
    if mine is None or theirs is None or old.kind != new.kind:
        return False
    return mine["keys"] == theirs["keys"]


def _owner(uid: str) -> str:
    found = _ID.match(uid)
    return (found["owner"] or "") if found else ""


# -- sources ---------------------------------------------------------------------------------------


def _sources(
    old: Mapping[str, StepFacts], new: Mapping[str, StepFacts], before: Before
) -> list[StepFate]:
    # A scan that reads what it read comes first: of two scans of one name the order may change.
    pairs = {u: u for u in new if u in old and old[u].says in ({}, new[u].says)}
    _pair(pairs, old, new, lambda was, said: bool(was.says) and was.says == said.says)
    for uid in new:
        if uid not in pairs and uid in old and uid not in pairs.values():
            pairs[uid] = uid
    _pair(pairs, old, new, _same_table)
    left_old = [u for u in old if u not in pairs.values()]
    fates: list[StepFate] = []
    for uid, said in new.items():
        if uid not in pairs:
            fates.append(StepFate(uid, Fate.EMPTY, "new: it is read from its start"))
            continue
        was = pairs[uid]
        options = [
            name
            for name in dict.fromkeys((*old[was].says, *said.says))
            if old[was].says and old[was].says.get(name) != said.says.get(name)
        ]
        whys = [f"{_count(before.splits[was], 'position')}"]
        whys += [] if was == uid else [f"under its old id '{was}'"]
        whys += [f"changed: {', '.join(options)}"] if options else []
        moved = None if was == uid else was
        fates.append(StepFate(uid, Fate.KEEPS, ", ".join(whys), moved, before.splits[was]))
    gone = (u for u in left_old if before.splits[u])
    fates.extend(StepFate(u, Fate.LOST, "no longer read", None, before.splits[u]) for u in gone)
    return fates


def _pair(
    pairs: dict[str, str],
    old: Mapping[str, StepFacts],
    new: Mapping[str, StepFacts],
    alike: Callable[[StepFacts, StepFacts], bool],
) -> None:
    """Pair what is left on both sides and alike, where there is no choice."""
    left_old = [u for u in old if u not in pairs.values()]
    found = {
        u: [o for o in left_old if alike(old[o], said)] for u, said in new.items() if u not in pairs
    }
    claimed = [o for olds in found.values() for o in olds]
    pairs |= {u: o[0] for u, o in found.items() if len(o) == 1 and claimed.count(o[0]) == 1}


def _same_table(old: StepFacts, new: StepFacts) -> bool:
    """Tell whether a scan under another id reads the same table."""
    if _table_of(old.uid) != _table_of(new.uid):
        return False
    return not old.says or old.says.get("connector") == new.says.get("connector")


def _table_of(uid: str) -> str:
    found = _ID.match(uid)
    return (found["keys"] or uid) if found else uid


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


# -- what a step says ------------------------------------------------------------------------------


def _facts(
    node: n.Node, says: Mapping[str, str], reads: tuple[str, ...], stateful: bool | None
) -> StepFacts:
    label = node.label()
    return StepFacts(node.uid, kind_of(node), label, says, reads, 1, label_hash(label), stateful)


def _is_said(node: n.Node, name: str) -> bool:
    if name in _UNSAID:
        return False
    value = getattr(node, name)
    if isinstance(value, tuple):
        return not any(isinstance(part, n.Node) for part in value)
    return not isinstance(value, n.Node)


def _read(node: n.Node, port: int) -> str:
    """Return the columns of an input that a step reads, in the input's order, with their types."""
    wanted = node.reads(port, set(node.schema.names))
    given = node.inputs[port].schema
    return " | ".join(f"{f.name} {f.type}" for f in given if f.name in wanted)


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case tuple():
            return " | ".join(_text(part) for part in value)
        case Named(name=name, expr=expr):
            return f"{_expr(expr)} AS {name}"
        case Expr():
            return _expr(value)
        case Table():
            return f"{value.name} [{value.connector}]"
        case Enum():
            return str(value.value)
    if is_dataclass(value) and type(value).__str__ is object.__str__:
        parts = (getattr(value, f.name) for f in fields(value) if f.compare)
        return f"{type(value).__name__}({', '.join(map(_text, parts))})"
    offset = getattr(value, "offset_ms", 0)
    if callable(value):  # its repr holds an address of memory, which is another in each process
        return str(getattr(value, "__qualname__", type(value).__name__))
    return f"{value} offset {offset} ms" if offset else str(value)


def _expr(expr: Expr) -> str:
    text = str(expr)
    if isinstance(expr, OverCall):
        text = f"{expr.function}({'DISTINCT ' if expr.distinct else ''}"
        text += ", ".join(map(str, expr.args)) + ")"
        text += "" if expr.filter is None else f" FILTER ({expr.filter})"
    return text if expr.type is None else f"{text}: {expr.type}"


def _table_says(table: Table) -> dict[str, str]:
    """Return where a table reads from; what is secret stays out."""
    kept = {k: str(v) for k, v in table.options.items() if not _SECRET.search(k)}
    columns = " | ".join(f"{c.name} {c.type}" for c in table.columns)
    watermark = "" if table.watermark is None else _expr(table.watermark.expr)
    return {"connector": table.connector, "columns": columns, "watermark": watermark, **kept}
