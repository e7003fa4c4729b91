"""Writes docs/functions.md from the function catalogue.

python tools/function_docs.py            write it
python tools/function_docs.py --check    exit 1 where it is not as the catalogue says
"""

from __future__ import annotations

import sys
from pathlib import Path

from millstream.expr import catalogue
from millstream.expr.function import Function, Nulls

PAGE = Path(__file__).resolve().parent.parent / "docs" / "functions.md"
_TITLES = {
    "json": "JSON",
    "regex": "Regular expressions",
    "hash": "Hashes",
    "value": "Rows, arrays and maps",
    "collection": "Inside arrays and maps",
    "string": "Text",
    "temporal": "Time",
}
_START = """# Functions

Generated from the catalogue by `tools/function_docs.py`; do not edit it by hand.

{count} scalar functions, with Flink's names and answers. A function gives NULL where an argument is
NULL, unless its row says **own rule** for NULL. *Not repeatable* functions depend on the clock or
on chance. Aggregates and window functions are not listed here.
"""


def page() -> str:
    """Return the text of the page."""
    functions = catalogue.functions().values()
    parts = [_START.format(count=len(functions))]
    for family in catalogue.FAMILIES:
        module = sys.modules[f"millstream.expr.catalogue.{family}"]
        parts.append(f"## {_TITLES.get(family, family.capitalize())}\n")
        parts.append(f"{_prose(module.__doc__ or '')}\n")
        parts.append("| function | gives | NULL |\n| --- | --- | --- |")
        parts += [_row(f) for f in functions if f.family == family]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _prose(doc: str) -> str:
    """Return the first paragraph of a module's docstring: what the family is about."""
    return " ".join(doc.strip().split("\n\n")[0].split()).replace("``", "`")


def _row(function: Function) -> str:
    also = "".join(f", `{alias}`" for alias in function.aliases)
    doc = function.doc.replace("``", "`") + ("" if function.deterministic else " *Not repeatable.*")
    null = "own rule" if function.nulls is Nulls.CUSTOM else ""
    cells = (f"`{function.says}`{also}", doc, null)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> int:
    """Write the page, or check it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    fresh = PAGE.exists() and PAGE.read_text(encoding="utf-8") == page()
    if not fresh:
        sys.stderr.write("docs/functions.md is old; run python tools/function_docs.py\n")
    return 0 if fresh else 1


if __name__ == "__main__":
    sys.exit(main())
