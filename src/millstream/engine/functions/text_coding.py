"""Text in other forms: codes, character sets, base 64, URLs, IPv4 addresses, PRINTF.

Bytes that are no text in a character set become U+FFFD, as in Java; a character that a set does
not have becomes ``?``.
"""

from __future__ import annotations

import codecs
import re
from urllib.parse import quote_plus, unquote_to_bytes

import polars as pl

from millstream.engine.functions import Context, Fail, Lowered, lowers
from millstream.engine.functions.java_format import java_format
from millstream.engine.functions.java_url import url_part
from millstream.engine.functions.rows import on_rows
from millstream.engine.functions.series import constant_of
from millstream.expr.catalogue.string import CHARSETS
from millstream.expr.tree import Call, Literal
from millstream.types import logical as lt

_STRING, _BYTES = pl.String(), pl.Binary()
_CODECS = {
    "US-ASCII": "ascii",
    "ISO-8859-1": "latin-1",
    "UTF-8": "utf-8",
    "UTF-16BE": "utf-16-be",
    "UTF-16LE": "utf-16-le",
}
_LATIN = [chr(code) for code in range(256)]
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_OCTETS_MAX = 4


@lowers("ASCII")
def _ascii(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    first = x.cast(pl.Binary).bin.head(1)
    code = first.bin.reinterpret(dtype=pl.Int8).cast(pl.Int32)
    return pl.when(x == "").then(pl.lit(0, dtype=pl.Int32)).otherwise(code)


@lowers("CHR")
def _chr(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    codes = (x & 255).cast(pl.UInt8)
    shown = codes.replace_strict(list(range(256)), _LATIN, return_dtype=pl.String)
    return pl.when(x < 0).then(pl.lit("")).otherwise(shown)


# --- character sets


def _charset_fails(call: Call, charset: pl.Expr) -> tuple[Fail, ...]:
    if isinstance(call.args[1], Literal):
        return ()  # the catalogue has checked it
    unknown = ~charset.str.to_uppercase().is_in(list(CHARSETS)).fill_null(True)
    return (Fail(unknown, f"{call.function} does not know the character set", charset),)


@lowers("ENCODE")
def _encode(call: Call, ctx: Context, x: pl.Expr, charset: pl.Expr) -> Lowered:
    fixed = constant_of(charset)
    if fixed is not None and fixed[0] is not None and fixed[0].upper() == "UTF-8":
        return Lowered(x.cast(pl.Binary))
    value = on_rows(_encoded, [x, charset], _BYTES)
    return Lowered(value, _charset_fails(call, charset))


def _encoded(x: str, charset: str) -> bytes | None:
    name = charset.upper()
    if name == "UTF-16":
        return codecs.BOM_UTF16_BE + x.encode("utf-16-be")
    codec = _CODECS.get(name)
    return None if codec is None else x.encode(codec, "replace")


@lowers("DECODE")
def _decode(call: Call, ctx: Context, x: pl.Expr, charset: pl.Expr) -> Lowered:
    fixed = constant_of(charset)
    if fixed is not None and fixed[0] is not None and fixed[0].upper() == "UTF-8":
        return Lowered(_as_text(x))
    value = on_rows(_decoded, [x, charset], _STRING)
    return Lowered(value, _charset_fails(call, charset))


def _decoded(x: bytes, charset: str) -> str | None:
    name = charset.upper()
    if name == "UTF-16":
        little = x.startswith(codecs.BOM_UTF16_LE)
        rest = x[2:] if little or x.startswith(codecs.BOM_UTF16_BE) else x
        return rest.decode("utf-16-le" if little else "utf-16-be", "replace")
    codec = _CODECS.get(name)
    return None if codec is None else x.decode(codec, "replace")


def _as_text(x: pl.Expr) -> pl.Expr:
    # Polars refuses a whole column for one byte that is no UTF-8.
    return on_rows(lambda v: v.decode("utf-8", "replace"), [x], _STRING)


@lowers("TO_BASE64")
def _to_base64(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return x.cast(pl.Binary).bin.encode("base64")


@lowers("FROM_BASE64")
def _from_base64(call: Call, ctx: Context, x: pl.Expr) -> Lowered:
    # Java reads text without its padding, Polars only with it.
    bare = x.str.replace(r"={1,2}\z", "")
    padding = (4 - bare.str.len_bytes().cast(pl.Int64) % 4) % 4
    padded = pl.concat_str(bare, pl.lit("===").str.head(padding))
    decoded = padded.cast(pl.Binary).bin.decode("base64", strict=False)
    wrong = x.is_not_null() & decoded.is_null()
    return Lowered(_as_text(decoded), (Fail(wrong, "FROM_BASE64 of a text that is not base 64"),))


@lowers("UNHEX")
def _unhex(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    odd = x.str.len_bytes() % 2 == 1
    even = pl.when(odd).then(pl.concat_str(pl.lit("0"), x)).otherwise(x)
    return even.cast(pl.Binary).bin.decode("hex", strict=False)


# --- URLs and addresses


@lowers("URL_ENCODE")
def _url_encode(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return on_rows(_url_encoded, [x], _STRING)


def _url_encoded(x: str) -> str:
    # The form encoding keeps * and writes ~ as %7E, RFC 3986 the other way round.
    return quote_plus(x, safe="*").replace("~", "%7E")


@lowers("URL_DECODE")
def _url_decode(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return on_rows(_url_decoded, [x], _STRING)


def _url_decoded(x: str) -> str | None:
    if _PERCENT.search(x):
        return None
    return unquote_to_bytes(x.replace("+", " ")).decode("utf-8", "replace")


@lowers("PARSE_URL")
def _parse_url(call: Call, ctx: Context, x: pl.Expr, part: pl.Expr, *key: pl.Expr) -> pl.Expr:
    return on_rows(url_part, [x, part, *key], _STRING)


@lowers("INET_ATON")
def _inet_aton(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    return on_rows(_address, [x], pl.Int64())


def _address(x: str) -> int | None:
    """Return the number of an address; the last part fills the octets that are left out."""
    parts = x.split(".")
    if len(parts) > _OCTETS_MAX or not all(p.isascii() and p.isdigit() for p in parts):
        return None
    *octets, rest = (int(p) for p in parts)
    if any(o > 255 for o in octets) or rest >= 256 ** (_OCTETS_MAX - len(octets)):
        return None
    return sum(o << 8 * (3 - i) for i, o in enumerate(octets)) + rest


@lowers("INET_NTOA")
def _inet_ntoa(call: Call, ctx: Context, x: pl.Expr) -> pl.Expr:
    octets = [(x // 256**i % 256).cast(pl.String) for i in (3, 2, 1, 0)]
    inside = (x >= 0) & (x < 2**32)
    return pl.when(inside).then(pl.concat_str(*octets, separator="."))


# --- PRINTF


@lowers("PRINTF")
def _printf(call: Call, ctx: Context, form: pl.Expr, *args: pl.Expr) -> pl.Expr:
    kinds = [a.typed for a in call.args[1:]]
    single = [isinstance(k, lt.Float) for k in kinds]
    bits = [getattr(k, "bits", 64) for k in kinds]

    def printed(text: str | None, *values: object) -> str | None:
        return None if text is None else java_format(text, values, bits=bits, single=single)

    # A format is a small program; it runs value by value.
    return on_rows(printed, [form, *args], _STRING, nulls=True)
