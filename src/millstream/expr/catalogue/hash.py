"""Hashes, as hexadecimal digits. Text is hashed in UTF-8, bytes as they are."""

from __future__ import annotations

from millstream import types as t
from millstream.errors import PlanError
from millstream.expr.function import Function, Infer, Signature
from millstream.expr.infer import binary, constant_int, int_, takes, text
from millstream.expr.tree import Expr

SHA2_BITS = (224, 256, 384, 512)

_DIGITS = {"MD5": 32, "SHA1": 40, "SHA224": 56, "SHA256": 64, "SHA384": 96, "SHA512": 128}


def _text_or_bytes(dtype: t.LogicalType) -> t.LogicalType | None:
    return text(dtype) or binary(dtype)


def _sha2(args: tuple[Expr, ...]) -> Signature:
    says = "SHA2(string, bits)"
    found = takes("SHA2", says, [_text_or_bytes, int_], t.VarChar(128))(args)
    bits = constant_int(args[1])
    if bits is not None and bits not in SHA2_BITS:
        raise PlanError(
            f"There is no SHA2 of {bits} bits.",
            where=args[1].place,
            hint=f"SHA2 has {', '.join(map(str, SHA2_BITS))} bits.",
        )
    return found


def _function(name: str, says: str, doc: str, infer: Infer) -> Function:
    return Function(name=name, family="hash", says=says, doc=doc, infer=infer)


FUNCTIONS: tuple[Function, ...] = (
    *(
        _function(
            name,
            f"{name}(string)",
            f"The {name} hash: {digits} digits.",
            takes(name, f"{name}(string)", [_text_or_bytes], t.Char(digits)),
        )
        for name, digits in _DIGITS.items()
    ),
    _function(
        "SHA2",
        "SHA2(string, bits)",
        "The SHA-2 hash of 224, 256, 384 or 512 bits; another number rejects the row.",
        _sha2,
    ),
)
