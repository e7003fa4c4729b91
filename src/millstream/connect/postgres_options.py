"""The options of the PostgreSQL connector and the address they give.

in      Flink's JDBC option names; ``url`` as ``postgresql://…`` or ``jdbc:postgresql://…``
out     a typed config, and libpq's connection parameters
bad     an address of another database or with a parameter that is not on the list is an
        OptionError; a password inside the address is taken out of it, so that no repr shows it
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from millstream.errors import OptionError
from millstream.ports.options import Secret
from millstream.settings import option

# libpq's parameters that neither read other files than certificates nor change what SQL means
PARAMETERS = {
    "application_name", "client_encoding", "connect_timeout", "gssencmode", "keepalives",
    "keepalives_idle", "sslcert", "sslkey", "sslmode", "sslrootcert", "target_session_attrs",
    "tcp_user_timeout",
}  # fmt: skip
JDBC = {"ApplicationName": "application_name", "connectTimeout": "connect_timeout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresConfig:
    """Options of the connector 'postgres' (also 'jdbc')."""

    url: str = option("url", "postgresql://host:port/database, or jdbc:postgresql://….")
    table_name: str = option("table-name", "The table, also as schema.table.")
    username: str | None = option("username", "User name.", default=None)
    password: Secret | None = option("password", "Password.", default=None, kind="secret")
    driver: str | None = option(
        "driver", "Only 'org.postgresql.Driver', for scripts that name it.", default=None
    )
    fetch_size: int = option(
        "scan.fetch-size", "Rows fetched from the server at a time.", default=10_000, kind="int"
    )
    create_table: bool = option(
        "sink.create-table", "Make the table when it is missing.", default=False, kind="bool"
    )
    epoch_table: str = option(
        "sink.epoch-table",
        "Table in which each sink notes its last epoch; made when missing.",
        default="_millstream_epoch",
    )
    connect_timeout_ms: int = option(
        "connection.timeout", "How long to wait for the server.", default=10_000,
        kind="duration_ms",
    )  # fmt: skip

    def __post_init__(self) -> None:
        if self.driver not in (None, "org.postgresql.Driver"):
            raise OptionError(
                f"The driver '{self.driver}' is not PostgreSQL's.",
                where="option 'driver'",
                hint="Leave the option out; only PostgreSQL is spoken.",
            )
        if self.fetch_size < 1:
            raise OptionError("'scan.fetch-size' must be 1 or more.")
        address, user, password = _address(self.url)
        object.__setattr__(self, "url", address)
        if self.username is None:
            object.__setattr__(self, "username", user)
        if self.password is None and password is not None:
            object.__setattr__(self, "password", Secret(password))

    def connection(self) -> dict[str, str | int]:
        """Return libpq's parameters; the password is in plain text here, and nowhere else."""
        parts = urlsplit(self.url)
        found: dict[str, str | int] = {
            "host": parts.hostname or "localhost",
            "port": parts.port or 5432,
            "dbname": unquote(parts.path.lstrip("/")) or "postgres",
            "application_name": "millstream",
            "connect_timeout": max(2, -(-self.connect_timeout_ms // 1000)),
            **dict(parse_qsl(parts.query)),
        }
        if self.username is not None:
            found["user"] = self.username
        if self.password is not None:
            found["password"] = self.password.reveal()
        return found

    @property
    def where(self) -> str:
        """The address for messages."""
        parts = urlsplit(self.url)
        return f"PostgreSQL at {parts.hostname}:{parts.port or 5432}{parts.path}"


def _address(url: str) -> tuple[str, str | None, str | None]:
    """The address without user and password, the user, the password."""
    parts = urlsplit(url.removeprefix("jdbc:"))
    try:
        port = parts.port
    except ValueError:
        raise OptionError(
            "The port in the address is no number.", where="option 'url'", hint=_EXAMPLE
        ) from None
    if parts.scheme not in ("postgresql", "postgres"):
        shown = parts.scheme or "no scheme"
        raise OptionError(
            f"The address is not one of PostgreSQL ({shown}).", where="option 'url'", hint=_EXAMPLE
        )
    user = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    kept = []
    for name, value in parse_qsl(parts.query):
        known = JDBC.get(name, name)
        if name == "user":
            user = value
        elif name == "password":
            password = value
        elif name == "ssl":
            kept.append(f"sslmode={'verify-full' if value.lower() == 'true' else 'disable'}")
        elif known in PARAMETERS:
            kept.append(f"{known}={value}")
        else:
            raise OptionError(
                f"The connection parameter '{name}' may not be set.",
                where="option 'url'",
                hint="Accepted: " + ", ".join(sorted(PARAMETERS)) + ".",
            )
    host = parts.hostname or "localhost"
    host = f"[{host}]" if ":" in host else host
    query = f"?{'&'.join(kept)}" if kept else ""
    place = f"{host}:{port}" if port is not None else host
    return f"postgresql://{place}{parts.path}{query}", user, password


_EXAMPLE = "Write postgresql://host:5432/database."
