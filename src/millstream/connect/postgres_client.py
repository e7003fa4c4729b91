"""The one door to psycopg: connections, statements, and its errors in our words.

in      a config
out     connections with sane time-outs; statements whose names are quoted by the driver
bad     ConnectorError that names the server and never the password; ``RowError`` for what one row
        did wrong
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

from millstream.errors import ConnectorError, Domain, MissingExtra, Retry

try:
    import psycopg
    from psycopg import errors
    from psycopg import sql as sql  # noqa: PLC0414 (handed on to the sibling files)
except ImportError:
    raise MissingExtra("psycopg", "postgres", where="connector 'postgres'") from None

if TYPE_CHECKING:
    from collections.abc import Iterable

    from millstream.connect.postgres_options import PostgresConfig

Connection = psycopg.Connection[tuple[Any, ...]]
Error = psycopg.Error
ROW_ERRORS = (psycopg.DataError, psycopg.IntegrityError, errors.RaiseException)
"""What one row can do wrong: its value does not fit, a constraint or a trigger refuses it."""
LOST = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.IdleInTransactionSessionTimeout,
)
UNIQUE_VIOLATION = errors.UniqueViolation
DUPLICATE_TABLE = errors.DuplicateTable


def connect(config: PostgresConfig) -> Connection:
    """Open a connection in which statements take part in explicit transactions only."""
    try:
        return psycopg.connect(**config.connection(), autocommit=True)  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise in_our_words(error, config, "The connection failed") from None


def statement(text: LiteralString, **names: str | Iterable[str]) -> sql.Composed:
    """Fill ``{name}`` with quoted identifiers; a list becomes ``"a", "b"``, dots stay outside."""
    filled: dict[str, sql.Composable] = {
        name: sql.Identifier(*value.split(".", 1))
        if isinstance(value, str)
        else sql.SQL(", ").join(map(sql.Identifier, value))
        for name, value in names.items()
    }
    return sql.SQL(text).format(**filled)


def joined(parts: Iterable[tuple[LiteralString, str]], between: LiteralString) -> sql.Composable:
    """Join one phrase per column, each with its quoted name for ``{}``."""
    return sql.SQL(between).join(
        sql.SQL(text).format(*[sql.Identifier(name)] * text.count("{}")) for text, name in parts
    )


def composed(text: LiteralString, **parts: sql.Composable) -> sql.Composed:
    """Put composed parts together."""
    return sql.SQL(text).format(**parts)


def name(value: str) -> sql.Composable:
    """A quoted identifier, ``schema.table`` in two parts."""
    return sql.Identifier(*value.split(".", 1))


def in_our_words(error: psycopg.Error, config: PostgresConfig, doing: str) -> ConnectorError:
    """Translate; the driver's text may name user and host, never the password."""
    text = str(error).strip().splitlines()
    first = text[0] if text else type(error).__name__
    domain, retry = _kind_of(error)
    hint = None
    if domain is Domain.AUTH and not isinstance(error, errors.InsufficientPrivilege):
        hint = "Check 'username' and 'password'."
    elif isinstance(error, errors.UndefinedTable):
        hint = "Make the table first, or say 'sink.create-table' = 'true'."
    elif isinstance(error, errors.UndefinedColumn):
        hint = "The columns of the CREATE TABLE must exist in the database."
    elif isinstance(error, errors.InvalidColumnReference):
        hint = "The key columns need a PRIMARY KEY or UNIQUE constraint in the database."
    elif isinstance(error, errors.InsufficientPrivilege):
        hint = "Grant the user the right, or use another one."
    elif isinstance(error, LOST):
        hint = "Check 'url', and that the server runs and accepts connections from here."
    return ConnectorError(
        f"{doing}: {first}",
        where=config.where,
        hint=hint or error.diag.message_hint,
        retry=retry,
        domain=domain,
    )


_BY_STATE = {  # by the first two characters of the SQLSTATE
    "08": (Domain.NETWORK, Retry.LATER),
    "22": (Domain.DATA, Retry.NEVER),
    "23": (Domain.DATA, Retry.NEVER),
    "25": (Domain.SYSTEM, Retry.LATER),  # read-only: a standby that was the primary
    "28": (Domain.AUTH, Retry.NEVER),
    "3D": (Domain.CONFIG, Retry.NEVER),
    "3F": (Domain.CONFIG, Retry.NEVER),
    "40": (Domain.SYSTEM, Retry.LATER),  # serialization, deadlock
    "42": (Domain.CONFIG, Retry.NEVER),
    "53": (Domain.LIMIT, Retry.LATER),
    "55": (Domain.SYSTEM, Retry.LATER),  # a lock that was not to be had
    "57": (Domain.NETWORK, Retry.LATER),  # shut down, starting up, cancelled
    "58": (Domain.SYSTEM, Retry.LATER),  # I/O of the server
}
# A connection that could not be made has no SQLSTATE, only the server's words.
_BY_WORDS = {
    "authentication failed": (Domain.AUTH, Retry.NEVER),
    "no password supplied": (Domain.AUTH, Retry.NEVER),
    "pg_hba.conf": (Domain.AUTH, Retry.NEVER),
    "role": (Domain.AUTH, Retry.NEVER),
    "certificate": (Domain.AUTH, Retry.NEVER),
    "does not support SSL": (Domain.CONFIG, Retry.NEVER),
    "invalid": (Domain.CONFIG, Retry.NEVER),
    "too many clients": (Domain.LIMIT, Retry.LATER),
    "connection slots": (Domain.LIMIT, Retry.LATER),
}


def _kind_of(error: psycopg.Error) -> tuple[Domain, Retry]:
    if isinstance(error, errors.InsufficientPrivilege):
        return Domain.AUTH, Retry.NEVER
    if error.sqlstate is not None:
        return _BY_STATE.get(error.sqlstate[:2], (Domain.SYSTEM, Retry.NEVER))
    text = str(error)
    if 'database "' in text and "does not exist" in text:
        return Domain.CONFIG, Retry.NEVER
    for words, kind in _BY_WORDS.items():
        if words in text:
            return kind
    lost = isinstance(error, LOST)
    return (Domain.NETWORK, Retry.LATER) if lost else (Domain.SYSTEM, Retry.NEVER)
