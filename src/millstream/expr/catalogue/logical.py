"""AND, OR, NOT with three truth values, and the tests IS [NOT] TRUE / FALSE / UNKNOWN."""

from __future__ import annotations

from millstream import types as t
from millstream.expr.function import Function, Nulls
from millstream.expr.infer import boolean, takes

_TESTS = {
    "IS TRUE": "TRUE where the condition is TRUE.",
    "IS NOT TRUE": "TRUE where the condition is FALSE or UNKNOWN.",
    "IS FALSE": "TRUE where the condition is FALSE.",
    "IS NOT FALSE": "TRUE where the condition is TRUE or UNKNOWN.",
    "IS UNKNOWN": "TRUE where the condition is NULL.",
    "IS NOT UNKNOWN": "TRUE where the condition is not NULL.",
}


def _joins(name: str, doc: str) -> Function:
    says = f"boolean {name} boolean"
    return Function(
        name=name,
        family="logical",
        says=says,
        doc=doc,
        nulls=Nulls.CUSTOM,
        infer=takes(name, says, [boolean, boolean], t.Boolean(), more=boolean),
    )


FUNCTIONS: tuple[Function, ...] = (
    _joins(
        "AND",
        "FALSE where one is FALSE, else NULL where one is NULL. A condition that fails on a row "
        "where one to its left is FALSE does not count.",
    ),
    _joins(
        "OR",
        "TRUE where one is TRUE, else NULL where one is NULL. A condition that fails on a row "
        "where one to its left is TRUE does not count.",
    ),
    Function(
        name="NOT",
        family="logical",
        says="NOT boolean",
        doc="The opposite; NULL of NULL.",
        infer=takes("NOT", "NOT boolean", [boolean], t.Boolean()),
    ),
    *(
        Function(
            name=name,
            family="logical",
            says=f"boolean {name}",
            doc=doc,
            nulls=Nulls.CUSTOM,
            infer=takes(name, f"boolean {name}", [boolean], t.Boolean(), nullable=False),
        )
        for name, doc in _TESTS.items()
    ),
)
