"""Text: cutting, joining, searching, encoding. Positions count characters and start at 1.

Characters are Unicode code points, as Flink's are; only its Java-based functions count a character
outside the basic plane twice, which ours never do. UPPER and LOWER know all of Unicode, INITCAP
only A–Z, as in Flink. Where Flink promises NOT NULL and then gives NULL (LPAD and RPAD with a
negative length), our result is nullable. PRINTF prints a DECIMAL with %f and a time as its text,
where Flink shows its inner form or nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from millstream import types as t
from millstream.errors import PlanError
from millstream.expr.coerce import common_type, longest, nullable_any
from millstream.expr.function import Function, Infer, Nulls, Signature, mismatch
from millstream.expr.infer import Kind, Result, as_, binary, int_, takes, text
from millstream.expr.tree import Expr, Literal
from millstream.types.logical import MAX_LENGTH, BinaryString, CharacterString, Integer

CHARSETS = ("US-ASCII", "ISO-8859-1", "UTF-8", "UTF-16BE", "UTF-16LE", "UTF-16")
URL_PARTS = ("HOST", "PATH", "QUERY", "REF", "PROTOCOL", "AUTHORITY", "FILE", "USERINFO")

_string_kind = as_(t.STRING, CharacterString)
_bigint_or_less = as_(t.BigInt(), Integer)
_texts = t.Array(t.STRING)


def _text_or_bytes(dtype: t.LogicalType) -> t.LogicalType | None:
    return text(dtype) or binary(dtype)


def _same(wanted: Sequence[t.LogicalType]) -> t.LogicalType:
    """Return the type of the first argument."""
    return wanted[0]


def _varying(at: int) -> Result:
    """Return the rule that gives VARCHAR as long as the argument ``at``."""

    def gives(wanted: Sequence[t.LogicalType]) -> t.LogicalType:
        return t.VarChar(max(1, longest(wanted[at])))

    return gives


def _joined(wanted: Sequence[t.LogicalType]) -> t.LogicalType:
    """Return the type of ``a || b``: CHAR of both lengths, else VARCHAR."""
    a, b = wanted
    length = min(MAX_LENGTH, longest(a) + longest(b))
    if isinstance(a, t.Char) and isinstance(b, t.Char):
        return t.Char(length)
    return t.VarChar(length) if length else t.STRING


def _overlaid(wanted: Sequence[t.LogicalType]) -> t.LogicalType:
    return t.VarChar(min(MAX_LENGTH, longest(wanted[0]) + longest(wanted[1])))


_TRIM = "TRIM([BOTH | LEADING | TRAILING] [chars] FROM string)"


def _trim(args: tuple[Expr, ...]) -> Signature:
    sides = ("BOTH", "LEADING", "TRAILING")
    if len(args) != 3 or not (isinstance(args[0], Literal) and args[0].value in sides):
        raise mismatch("TRIM", args, _TRIM)
    below = takes("TRIM", _TRIM, [text, text], _varying(1))(args[1:])
    return Signature((args[0].typed, *below.args), below.result)


_ELT = "ELT(integer, string, …) or ELT(integer, bytes, …)"


def _elt(args: tuple[Expr, ...]) -> Signature:
    if len(args) < 2 or _bigint_or_less(args[0].typed) is None:
        raise mismatch("ELT", args, _ELT)
    found = common_type([a.typed for a in args[1:]])
    if isinstance(found, t.Null):
        found = t.STRING
    if not isinstance(found, CharacterString | BinaryString):
        raise mismatch("ELT", args, _ELT)
    each = tuple(found.with_nullable(a.typed.nullable) for a in args[1:])
    return Signature((t.BigInt(nullable=args[0].typed.nullable), *each), found.with_nullable(True))


def _tests_ends(name: str) -> Infer:
    says = f"{name}(string, string) or {name}(bytes, bytes)"

    def infer(args: tuple[Expr, ...]) -> Signature:
        kinds = [text, text]
        if any(isinstance(a.typed, BinaryString) for a in args):
            kinds = [binary, binary]
        return takes(name, says, kinds, t.Boolean())(args)

    return infer


def _split_index(args: tuple[Expr, ...]) -> Signature:
    by_code = len(args) > 1 and isinstance(args[1].typed, Integer)
    kinds = [text, int_ if by_code else text, int_]
    return takes("SPLIT_INDEX", _SPLIT_INDEX, kinds, t.STRING, nullable=True)(args)


_SPLIT_INDEX = "SPLIT_INDEX(string, delimiter, integer)"
_PRINTF = "PRINTF(format, any, …)"


def _printf(args: tuple[Expr, ...]) -> Signature:
    if not args or text(args[0].typed) is None:
        raise mismatch("PRINTF", args, _PRINTF)
    return Signature(
        (_filled(args[0].typed, t.STRING), *(_printable(a.typed) for a in args[1:])), t.STRING
    )


def _printable(dtype: t.LogicalType) -> t.LogicalType:
    """Return what is handed to the format: numbers, booleans and text; the rest as its text."""
    match dtype:
        case t.Null():
            return t.STRING
        case t.Boolean() | t.Decimal() | t.Float() | t.Double() | Integer() | CharacterString():
            return dtype
        case _:
            return t.VarChar(nullable=dtype.nullable)


def _filled(dtype: t.LogicalType, default: t.LogicalType) -> t.LogicalType:
    return default if isinstance(dtype, t.Null) else dtype


def _with_charset(name: str, says: str, first: t.LogicalType, gives: t.LogicalType) -> Infer:
    kind = text if isinstance(first, CharacterString) else binary

    def infer(args: tuple[Expr, ...]) -> Signature:
        found = takes(name, says, [kind, text], gives)(args)
        charset = args[1]
        said = charset.value if isinstance(charset, Literal) else None
        if isinstance(said, str) and said.upper() not in CHARSETS:
            raise PlanError(
                f"There is no character set '{said}'.",
                where=charset.place,
                hint=f"{name} knows {', '.join(CHARSETS)}.",
            )
        return found

    return infer


_PARSE_URL = "PARSE_URL(url, part [, key])"


def _function(
    name: str, says: str, doc: str, infer: Infer, *, custom: bool = False,
    aliases: tuple[str, ...] = (),
) -> Function:  # fmt: skip
    nulls = Nulls.CUSTOM if custom else Nulls.STRICT
    return Function(
        name=name, family="string", says=says, doc=doc, infer=infer, nulls=nulls, aliases=aliases
    )


def _plain(
    name: str, says: str, doc: str, kinds: Sequence[Kind], gives: Result, *, optional: int = 0,
    more: Kind | None = None, nullable: bool | None = None, aliases: tuple[str, ...] = (),
) -> Function:  # fmt: skip
    infer = takes(name, says, kinds, gives, optional=optional, more=more, nullable=nullable)
    return _function(name, says, doc, infer, aliases=aliases)


_JOINING = (
    _plain("||", "string || string", "Both texts, one after the other.", [text, text], _joined),
    _plain("CONCAT", "CONCAT(string, …)", "All texts, one after the other; NULL if any is NULL.",
           [text], t.STRING, more=text),
    _function("CONCAT_WS", "CONCAT_WS(separator, string, …)",
              "The texts with the separator between them; NULL texts are left out, a NULL "
              "separator gives NULL.",
              takes("CONCAT_WS", "CONCAT_WS(separator, string, …)", [text], t.STRING, more=text),
              custom=True),
    _plain("REPEAT", "REPEAT(string, integer)",
           "The text as many times; empty for 0 and below.", [text, int_], t.STRING),
    _plain("LPAD", "LPAD(string, integer, string)",
           "The text filled on the left with the last argument up to the length, or cut to it; "
           "NULL for a negative length or an empty filling.",
           [text, int_, text], t.STRING, nullable=True),
    _plain("RPAD", "RPAD(string, integer, string)",
           "The text filled on the right with the last argument up to the length, or cut to it; "
           "NULL for a negative length or an empty filling.",
           [text, int_, text], t.STRING, nullable=True),
    _function("PRINTF", _PRINTF,
              "The values set into a format of java.util.Formatter (%d %5.2f %-10s %x %e %b …); "
              "a NULL value prints as null, a time as its text; NULL where format and values do "
              "not fit.",
              _printf, custom=True),
)  # fmt: skip

_CHANGING = (
    _plain("UPPER", "UPPER(string)", "In upper case.", [text], _same),
    _plain("LOWER", "LOWER(string)", "In lower case.", [text], _same),
    _plain("INITCAP", "INITCAP(string)",
           "Each word with its first letter in upper case, the rest in lower case; a word is a "
           "run of A–Z, a–z, 0–9.", [text], _same),
    _function("TRIM", _TRIM,
              "Without the leading and/or trailing characters that are in ``chars`` (blanks, "
              "if left out).", _trim),
    _plain("LTRIM", "LTRIM(string [, chars])", "Without leading ``chars`` (blanks).",
           [text, text], _varying(0), optional=1),
    _plain("RTRIM", "RTRIM(string [, chars])", "Without trailing ``chars`` (blanks).",
           [text, text], _varying(0), optional=1),
    _plain("BTRIM", "BTRIM(string [, chars])", "Without leading and trailing ``chars`` (blanks).",
           [text, text], t.STRING, optional=1),
    _plain("REPLACE", "REPLACE(string, search, replacement)",
           "With every occurrence of the search text replaced.", [text, text, text], t.STRING),
    _plain("REVERSE", "REVERSE(string)", "Its characters backwards.", [text], t.STRING,
           nullable=True),
    _plain("OVERLAY", "OVERLAY(string PLACING string FROM integer [FOR integer])",
           "The first text with the part replaced that starts at FROM and is FOR characters long "
           "(else as long as the second text); unchanged where FROM lies outside; FOR 0 and below "
           "drop all that follows, as in Flink.",
           [text, text, int_, int_], _overlaid, optional=1),
    _function("TRANSLATE", "TRANSLATE(string, from, to)",
              "With each character of ``from`` replaced by the one at the same place in ``to``, "
              "or removed where ``to`` is shorter; a NULL ``from`` changes nothing, a NULL ``to`` "
              "is empty.",
              lambda args: _first_decides("TRANSLATE", args), custom=True,
              aliases=("TRANSLATE3",)),
)  # fmt: skip


def _first_decides(name: str, args: tuple[Expr, ...]) -> Signature:
    """Type a call of three texts that is NULL only where the first one is."""
    says = "TRANSLATE(string, from, to)"
    found = takes(name, says, [text, text, text], t.STRING)(args)
    return Signature(found.args, found.result.with_nullable(nullable_any([args[0].typed])))


_CUTTING = (
    _plain("SUBSTRING", "SUBSTRING(string FROM integer [FOR integer])",
           "The part from a position on (negative: counted from the end; 0 is 1), of at most FOR "
           "characters; NULL for a negative length.",
           [text, int_, int_], _varying(0), optional=1, nullable=True,
           aliases=("SUBSTR",)),
    _plain("LEFT", "LEFT(string, integer)", "The first characters; empty for 0 and below.",
           [text, int_], _varying(0), nullable=True),
    _plain("RIGHT", "RIGHT(string, integer)", "The last characters; empty for 0 and below.",
           [text, int_], _varying(0), nullable=True),
    _function("ELT", _ELT, "The argument at the position; NULL where there is none.", _elt,
              custom=True),
    _plain("SPLIT", "SPLIT(string, delimiter)",
           "The parts between the delimiters; every character where the delimiter is empty; "
           "an empty array for an empty text.", [text, text], _texts),
    _function("SPLIT_INDEX", _SPLIT_INDEX,
              "The part at the position, which starts at 0; NULL where there is none or the text "
              "is empty. The delimiter may be the code of a character.",
              _split_index, custom=True),
    _plain("STR_TO_MAP", "STR_TO_MAP(string [, pair delimiter, key delimiter])",
           "A map of the pairs in the text; the delimiters (',' and '=') are regular expressions; "
           "a part without the second one is a key without a value; the last of equal keys stays.",
           [text, text, text], t.Map(t.STRING, t.STRING), optional=2, nullable=True),
)  # fmt: skip

_SEARCHING = (
    _plain("CHAR_LENGTH", "CHAR_LENGTH(string)", "The number of characters.", [text], t.Int(),
           aliases=("CHARACTER_LENGTH",)),
    _plain("POSITION", "POSITION(part IN string [FROM integer])",
           "Where the part first stands, 0 where it does not.", [text, text, int_], t.Int(),
           optional=1),
    _plain("LOCATE", "LOCATE(part, string [, from])",
           "Where the part first stands at or after ``from``, 0 where it does not.",
           [text, text, int_], t.Int(), optional=1),
    _plain("INSTR", "INSTR(string, part [, from [, occurrence]])",
           "Where the part stands for the n-th time, 0 where it does not; a negative ``from`` "
           "counts and searches from the end.",
           [text, text, int_, int_], t.Int(), optional=2),
    _function("STARTSWITH", "STARTSWITH(string, string)",
              "Whether it begins with the second; both text or both bytes.",
              _tests_ends("STARTSWITH")),
    _function("ENDSWITH", "ENDSWITH(string, string)",
              "Whether it ends with the second; both text or both bytes.",
              _tests_ends("ENDSWITH")),
)  # fmt: skip

_CODING = (
    _plain("ASCII", "ASCII(string)",
           "The first byte of the text in UTF-8, from -128 to 127; 0 where it is empty.",
           [text], t.Int()),
    _plain("CHR", "CHR(integer)",
           "The Latin-1 character of the code modulo 256; empty where it is negative.",
           [_bigint_or_less], t.STRING, nullable=True),
    _function("ENCODE", "ENCODE(string, charset)",
              f"Its bytes in a character set: {', '.join(CHARSETS)}.",
              _with_charset("ENCODE", "ENCODE(string, charset)", t.STRING, t.VarBinary())),
    _function("DECODE", "DECODE(bytes, charset)",
              f"The text of bytes in a character set: {', '.join(CHARSETS)}.",
              _with_charset("DECODE", "DECODE(bytes, charset)", t.VarBinary(), t.STRING)),
    _plain("TO_BASE64", "TO_BASE64(string)", "In base 64; of text or bytes.",
           [_text_or_bytes], t.STRING),
    _plain("FROM_BASE64", "FROM_BASE64(string)",
           "The text that is written in base 64; what is not base 64 rejects the row.",
           [text], t.STRING),
    _plain("UNHEX", "UNHEX(string)", "The bytes of hexadecimal digits; NULL for anything else.",
           [text], t.VarBinary(), nullable=True),
    _plain("URL_ENCODE", "URL_ENCODE(string)",
           "As application/x-www-form-urlencoded, in UTF-8.", [text], t.STRING, nullable=True),
    _plain("URL_DECODE", "URL_DECODE(string)",
           "From application/x-www-form-urlencoded, in UTF-8; NULL where it is malformed.",
           [text], t.STRING, nullable=True),
    _plain("PARSE_URL", _PARSE_URL,
           f"A part of a URL: {', '.join(URL_PARTS)}; with QUERY, the value of one key; NULL where "
           "there is none or the text is no URL.",
           [text, text, text], t.STRING, optional=1, nullable=True),
    _plain("INET_ATON", "INET_ATON(string)",
           "An IPv4 address as a number (127.1 is 127.0.0.1); NULL where it is none.",
           [text], t.BigInt(), nullable=True),
    _plain("INET_NTOA", "INET_NTOA(integer)",
           "A number as an IPv4 address; NULL outside 32 bits.",
           [_bigint_or_less], t.STRING, nullable=True),
)  # fmt: skip

FUNCTIONS: tuple[Function, ...] = _JOINING + _CHANGING + _CUTTING + _SEARCHING + _CODING
