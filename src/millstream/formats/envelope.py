"""Documents that tell of changes: an envelope around the old row, the new row, or both.

in      payloads, one JSON envelope each (Debezium, Canal, Maxwell: what differs is in their files)
out     rows with ``$op``: an insert gives +I, an update -U and +U, a delete -D, in this order; rows
        of one document lie side by side, so that ``good`` names it twice
bad     an envelope that does not say enough (no old row of an update, a change nobody knows) is
        rejected whole with its bytes, beside what the JSON decoder rejects; a document that says
        of itself that it holds no row of this table is skipped and counted
write   +I and +U become inserts, -U and -D deletes, as Flink writes them
notes   envelopes are decoded as whole columns by the JSON decoder; no row is looked at in Python
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from millstream import types as t
from millstream.columns.changes import OP, Op
from millstream.errors import DataError
from millstream.formats.coerce import ISO_TIMES, SQL_TIMES, Ints
from millstream.formats.json import TimestampStandard
from millstream.formats.json_decode import DecodeRules, JsonDecoder
from millstream.formats.json_encode import EncodeRules, JsonEncoder, NullKey
from millstream.ports.format import Decoded, Decoder, Encoder
from millstream.settings import option

UNKNOWN, INSERT, UPDATE, DELETE = -1, 0, 1, 2
_FIRST_OPS = np.array([Op.INSERT, Op.UPDATE_BEFORE, Op.DELETE], np.int8)
_NO_COLUMN = "$none"
"""Stands for the columns of a row of which none is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeConfig:
    """The options that all such formats have."""

    ignore_parse_errors: bool = option(
        "ignore-parse-errors",
        "A value that cannot be read is NULL instead of rejecting its document. An envelope that "
        "cannot be read is rejected and counted all the same.",
        default=False,
        kind="bool",
    )
    timestamp_standard: TimestampStandard = option(
        "timestamp-format.standard",
        "'SQL' is 2026-01-31 12:30:59.123, 'ISO-8601' is 2026-01-31T12:30:59.123.",
        default=TimestampStandard.SQL,
        kind="enum",
    )
    decimal_plain: bool = option(
        "encode.decimal-as-plain-number",
        "Write 0.000000027 where Flink's default is 2.7E-8.",
        default=False,
        kind="bool",
    )
    ignore_null_fields: bool = option(
        "encode.ignore-null-fields",
        "Leave out the fields that are NULL.",
        default=False,
        kind="bool",
    )
    map_null_key_mode: NullKey = option(
        "map-null-key.mode",
        "A NULL key of a MAP: 'FAIL' refuses, 'DROP' leaves it out, 'LITERAL' writes a text.",
        default=NullKey.FAIL,
        kind="enum",
    )
    map_null_key_literal: str = option(
        "map-null-key.literal", "The text of a NULL key in the mode 'LITERAL'.", default="null"
    )

    def decode_rules(self) -> DecodeRules:
        """Return how values are read."""
        iso = self.timestamp_standard is TimestampStandard.ISO_8601
        return DecodeRules(
            times=ISO_TIMES if iso else SQL_TIMES, ignore_errors=self.ignore_parse_errors
        )

    def encode_rules(self) -> EncodeRules:
        """Return how values are written."""
        return EncodeRules(
            between="T" if self.timestamp_standard is TimestampStandard.ISO_8601 else " ",
            decimal_plain=self.decimal_plain,
            ignore_null_fields=self.ignore_null_fields,
            null_key=self.map_null_key_mode,
            null_key_literal=self.map_null_key_literal,
        )


@dataclass(slots=True)
class Bad:
    """Which documents cannot be used: the first reason of each."""

    reasons: dict[int, str] = field(default_factory=dict)

    def note(self, which: pl.Series, reason: str) -> None:
        """Note the documents for which ``which`` is true."""
        # A loop over rows: only those that are rejected.
        for i in which.arg_true():
            self.reasons.setdefault(i, reason)

    def keep(self, count: int) -> np.ndarray:
        """Return which of ``count`` documents have no reason."""
        kept = np.ones(count, np.bool_)
        kept[list(self.reasons)] = False
        return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What good documents say, entry by entry.

    docs     the document of each entry, ascending
    kinds    INSERT, UPDATE or DELETE
    images   rows; ``before`` and ``after`` say which of them are the old and the new one
    skipped  how many documents hold no row of this table
    """

    docs: Ints
    kinds: np.ndarray
    images: pl.DataFrame
    before: Ints
    after: Ints
    skipped: int = 0


class EnvelopeDecoder(Decoder):
    """Decodes envelopes into the changed rows of one schema."""

    several_threads = True

    def __init__(self, schema: t.Schema, config: EnvelopeConfig) -> None:
        self._names = schema.names
        self.rules = config.decode_rules()
        fields = tuple((f.name, f.type) for f in schema)
        self.row = t.Row(fields or ((_NO_COLUMN, t.VarChar()),))
        self._json = JsonDecoder(self.envelope(), self.rules)

    @abstractmethod
    def envelope(self) -> t.Schema:
        """Return the fields of a document; ``self.row`` is the type of an image."""

    @abstractmethod
    def read(self, said: pl.DataFrame, payloads: pl.Series, bad: Bad) -> Changed:
        """Return what the documents say; those that ``bad`` knows after it are left out."""

    def decode(self, payloads: pl.Series) -> Decoded:
        """Decode a chunk."""
        found = self._json.decode(payloads)
        docs = found.good
        if docs is not None:
            payloads = payloads.gather(pl.Series(docs))
        bad = Bad()
        changed = self.read(found.frame, payloads, bad)
        frame, entries = _rows(changed, self._names)
        good = changed.docs[entries]
        lost = np.array(sorted(bad.reasons), np.int64)
        reasons = [bad.reasons[int(i)] for i in lost]
        if docs is not None:
            good, lost = docs[good], docs[lost]
        if len(found.bad):
            order = np.argsort(np.concatenate([found.bad, lost]), kind="stable")
            both = [*found.reasons, *reasons]
            reasons = [both[i] for i in order]
            lost = np.concatenate([found.bad, lost])[order]
        return Decoded(frame=frame, good=good, bad=lost, reasons=reasons, skipped=changed.skipped)


def _rows(changed: Changed, names: tuple[str, ...]) -> tuple[pl.DataFrame, Ints]:
    """Return the changed rows with ``$op``, and the entry of each."""
    kinds = changed.kinds
    updates = kinds == UPDATE
    counts = np.where(updates, 2, 1)
    entries = np.repeat(np.arange(len(kinds)), counts)
    firsts = np.cumsum(counts) - counts
    ops = _FIRST_OPS[kinds][entries]
    at = np.where(kinds == INSERT, changed.after, changed.before)[entries]
    seconds = firsts[updates] + 1
    ops[seconds] = Op.UPDATE_AFTER
    at[seconds] = changed.after[updates]
    images = changed.images.select(names)
    if len(names) and not (len(at) == images.height and bool((np.diff(at) == 1).all())):
        images = images[at]
    return pl.DataFrame([*images.get_columns(), pl.Series(OP, ops, dtype=pl.Int8)]), entries


def kinds_of(said: pl.Series, words: dict[str, int]) -> np.ndarray:
    """Return the kind that each word names; UNKNOWN for others and NULL."""
    kinds = said.replace_strict(words, default=UNKNOWN, return_dtype=pl.Int8)
    return kinds.fill_null(UNKNOWN).to_numpy()


def unknown_words(said: pl.Series, unknown: pl.Series, name: str, known: str, bad: Bad) -> None:
    """Note the documents whose word says nothing, each word with its own reason."""
    # A loop over different words, of documents that are rejected.
    for word in said.filter(unknown).unique().to_list():
        is_it = said.is_null() if word is None else (said == word).fill_null(value=False)
        shown = f"the document has no '{name}'" if word is None else f"'{name}' is '{word}'"
        bad.note(unknown & is_it, f"{shown}; known are {known}")


def completed(old: pl.DataFrame, new: pl.DataFrame, keys: pl.Series | None) -> pl.DataFrame:
    """Return the old rows, where ``old`` holds only what was changed; ``keys`` are its keys."""
    columns = []
    for was, now in zip(old.get_columns(), new.get_columns(), strict=True):
        told = was.is_not_null()
        if keys is not None:
            told |= keys.list.contains(was.name).fill_null(value=False)
        columns.append(was.zip_with(told, now))
    return pl.DataFrame(columns)


def needs_keys(old: pl.DataFrame, new: pl.DataFrame) -> bool:
    """Tell whether some field of ``old`` may have been changed from NULL."""
    pairs = zip(old.get_columns(), new.get_columns(), strict=True)
    return any(bool((was.is_null() & now.is_not_null()).any()) for was, now in pairs)


@dataclass(frozen=True, slots=True)
class Wrapping:
    """The text around a row."""

    before: str
    after: str

    def around(self, row: pl.Expr) -> pl.Expr:
        """Return the document."""
        return pl.concat_str([pl.lit(self.before), row, pl.lit(self.after)])


class EnvelopeEncoder(Encoder):
    """Encodes changed rows as envelopes; rows without ``$op`` are inserts."""

    def __init__(
        self, name: str, schema: t.Schema, config: EnvelopeConfig, *, put: Wrapping, drop: Wrapping
    ) -> None:
        self._name = name
        self._rows = JsonEncoder(schema, config.encode_rules())
        self._put = put
        self._drop = drop

    def encode(self, frame: pl.DataFrame) -> pl.Series:
        """Return one document per row."""
        try:
            rows = self._rows.encode_text(frame)
        except DataError as error:
            hint = f"Set '{self._name}.map-null-key.mode' to 'DROP' or 'LITERAL'."
            raise DataError(error.fact, where=f"format '{self._name}'", hint=hint) from None
        text = pl.DataFrame({"row": rows})
        put, drop = self._put.around(pl.col("row")), self._drop.around(pl.col("row"))
        if OP not in frame.columns:
            return text.select(put.alias("json")).to_series().cast(pl.Binary)
        gone = frame[OP].is_in([int(Op.UPDATE_BEFORE), int(Op.DELETE)])
        chosen = pl.when(pl.col("gone")).then(drop).otherwise(put).alias("json")
        return text.with_columns(gone.alias("gone")).select(chosen).to_series().cast(pl.Binary)
