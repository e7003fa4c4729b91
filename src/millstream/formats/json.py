"""The format ``json``: one JSON object a payload.

decode   ``json_decode``; coercions are those of ``coerce``, Flink's
encode   ``json_encode``
source   Flink's JSON format, its options and their meaning
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from millstream.errors import OptionError
from millstream.formats.coerce import ISO_TIMES, SQL_TIMES
from millstream.formats.json_decode import DecodeRules, JsonDecoder
from millstream.formats.json_encode import EncodeRules, JsonEncoder, NullKey
from millstream.ports.format import Format
from millstream.settings import option

if TYPE_CHECKING:
    from millstream.types import Schema


class TimestampStandard(Enum):
    """How times are written."""

    SQL = "sql"
    ISO_8601 = "iso-8601"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonConfig:
    """Flink's options of the JSON format."""

    fail_on_missing_field: bool = option(
        "fail-on-missing-field",
        "Reject a document that lacks a field; without, the field is NULL.",
        default=False,
        kind="bool",
    )
    ignore_parse_errors: bool = option(
        "ignore-parse-errors",
        "A value that cannot be read is NULL instead of rejecting its document. A payload that is "
        "no JSON object is rejected and counted all the same.",
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


def _decoder(schema: Schema, config: JsonConfig) -> JsonDecoder:
    if config.fail_on_missing_field and config.ignore_parse_errors:
        raise OptionError(
            "'json.fail-on-missing-field' and 'json.ignore-parse-errors' exclude each other.",
            hint="Set one of them to 'false'.",
        )
    iso = config.timestamp_standard is TimestampStandard.ISO_8601
    rules = DecodeRules(
        times=ISO_TIMES if iso else SQL_TIMES,
        fail_on_missing=config.fail_on_missing_field,
        ignore_errors=config.ignore_parse_errors,
    )
    return JsonDecoder(schema, rules)


def _encoder(schema: Schema, config: JsonConfig) -> JsonEncoder:
    return JsonEncoder(
        schema,
        EncodeRules(
            between="T" if config.timestamp_standard is TimestampStandard.ISO_8601 else " ",
            decimal_plain=config.decimal_plain,
            ignore_null_fields=config.ignore_null_fields,
            null_key=config.map_null_key_mode,
            null_key_literal=config.map_null_key_literal,
        ),
    )


FORMAT = Format(
    name="json",
    doc="One JSON object a payload; fields by name.",
    config=JsonConfig,
    decoder=_decoder,
    encoder=_encoder,
    narrows=True,
)
