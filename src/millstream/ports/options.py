"""Typed configs from untyped options.

in      a frozen dataclass whose fields carry :class:`~millstream.settings.Option`, and a mapping
        of option names to texts (SQL, CLI) or to Python values (Python API)
out     one instance of the dataclass
bad     OptionError: the option, the value, what is accepted; UnknownName with near names

Option names that end in ``.*`` gather every option with that prefix into a dict.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from millstream.errors import OptionError, PlanError, UnknownName
from millstream.types.time import duration_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from millstream.settings import Option

Config = TypeVar("Config")
_BYTE_UNITS = {"b": 1, "kb": 1 << 10, "k": 1 << 10, "mb": 1 << 20, "m": 1 << 20, "gb": 1 << 30}
_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class Secret:
    """A value that never shows itself; ``reveal`` is called where it is used, nowhere else."""

    __slots__ = ("_value",)

    def __init__(self, value: str):
        self._value = value

    def reveal(self) -> str:
        """Return the secret text."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))


@dataclass(frozen=True, slots=True)
class OptionField:
    """One option of a config class, for reading and for the docs page."""

    field: str
    option: Option
    type: Any
    default: Any
    required: bool


def options_of(config: type) -> Iterator[OptionField]:
    """Yield the options of a config class in declaration order."""
    hints = get_type_hints(config)
    for f in fields(config):
        declared = f.metadata.get("option")
        if declared is None:
            continue
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        yield OptionField(f.name, declared, hints[f.name], default, required=default is MISSING)


def read_options(config: type[Config], given: Mapping[str, Any], *, owner: str) -> Config:
    """Build a config; ``owner`` names the connector, format or table in messages."""
    known = list(options_of(config))
    exact = {o.option.name: o for o in known if not o.option.name.endswith(".*")}
    prefixes = {o.option.name[:-1]: o for o in known if o.option.name.endswith(".*")}
    values: dict[str, Any] = {o.field: {} for o in prefixes.values()}
    for name, value in given.items():
        if name in exact:
            values[exact[name].field] = _read(exact[name], value, owner)
            continue
        prefix = next((p for p in prefixes if name.startswith(p)), None)
        if prefix is None:
            raise UnknownName(
                "option", name, available=[*exact, *(p + "*" for p in prefixes)], where=owner
            )
        values[prefixes[prefix].field][name.removeprefix(prefix)] = value
    for o in known:
        if o.required and o.field not in values:
            missing = OptionError(
                f"The option '{o.option.name}' is missing.", where=owner, hint=o.option.doc
            )
            missing.option = ""  # there is no place in the text where it stands
            raise missing
    return config(**values)


def with_options(config: Config, given: Mapping[str, Any], *, owner: str) -> Config:
    """Return ``config`` with the given options changed."""
    said: dict[str, Any] = {}
    for o in options_of(type(config)):
        value = getattr(config, o.field)
        if o.option.name.endswith(".*"):
            said.update({o.option.name[:-1] + name: each for name, each in value.items()})
        else:
            said[o.option.name] = value
    return read_options(type(config), {**said, **given}, owner=owner)


def _read(o: OptionField, value: Any, owner: str) -> Any:
    kind = o.option.kind
    if value is None and (o.default is None or type(None) in get_args(o.type)):
        return None
    try:
        return _READERS[kind](value, o)
    except (ValueError, TypeError, PlanError) as error:
        shown = "***" if o.option.secret else repr(value)
        wrong = OptionError(
            f"The option '{o.option.name}' cannot be {shown}.",
            where=owner,
            hint=f"{error} {o.option.doc}".strip(),
        )
        wrong.option = o.option.name
        raise wrong from None


def _text(value: Any, _: OptionField) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    raise ValueError("A text is expected.")


def _int(value: Any, _: OptionField) -> int:
    try:
        return int(value)
    except (ValueError, TypeError):
        raise ValueError("A whole number is expected.") from None


def _float(value: Any, _: OptionField) -> float:
    try:
        return float(value)
    except (ValueError, TypeError):
        raise ValueError("A number is expected.") from None


def _bool(value: Any, _: OptionField) -> bool:
    text = str(value).strip().lower()
    if text not in _YES + _NO:
        raise ValueError("'true' or 'false' is expected.")
    return text in _YES


def _duration(value: Any, _: OptionField) -> int:
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # a bare number counts milliseconds, as in Flink's configuration
    return duration_ms(value if isinstance(value, timedelta) else str(value))


def _bytes(value: Any, _: OptionField) -> int:
    text = str(value).strip().lower().replace(" ", "")
    digits = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(digits) :] or "b"
    if not digits.isdigit() or unit not in _BYTE_UNITS:
        raise ValueError("A size is expected, such as '64mb'.")
    return int(digits) * _BYTE_UNITS[unit]


def _enum(value: Any, o: OptionField) -> Enum:
    if isinstance(value, Enum):
        return value
    kinds: list[type[Enum]] = [
        t for t in (o.type, *get_args(o.type)) if isinstance(t, type) and issubclass(t, Enum)
    ]
    assert kinds, f"option {o.option.name} is an enum without an Enum type"
    wanted = str(value).strip().lower().replace("_", "-")
    for member in kinds[0]:
        if str(member.value).lower() == wanted:
            return member
    raise ValueError("One of " + ", ".join(f"'{m.value}'" for m in kinds[0]) + " is expected.")


def _list(value: Any, _: OptionField) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(";") if part.strip())
    return tuple(str(part) for part in value)


def _secret(value: Any, _: OptionField) -> Secret:
    return value if isinstance(value, Secret) else Secret(str(value))


_READERS: dict[str, Callable[[Any, OptionField], Any]] = {
    "text": _text,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "duration_ms": _duration,
    "bytes": _bytes,
    "enum": _enum,
    "list": _list,
    "secret": _secret,
    "any": lambda value, _: value,
}
