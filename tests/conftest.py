"""What every test may ask for: the real servers, and a folder of its own for kernels' caches.

A server that cannot be had skips the tests that need it, with the reason; with CI=true it fails
them, because a green run must mean that they ran.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, settings

from tests.servers import kafka as kafka_server
from tests.servers import postgres as postgres_server
from tests.servers import prometheus as prometheus_server
from tests.servers import shared

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer
    from tests.servers.postgres import PostgresServer
    from tests.servers.prometheus import PrometheusServer


# Machines are noisy, so no example has a deadline. A commit is judged by the same examples each
# time; whoever works on the code draws new ones with every run.
settings.register_profile("work", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("work"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI", "").lower() in ("true", "1") else "work")


def pytest_configure(config: pytest.Config) -> None:
    """The session's own process, never a worker of it, owns the servers."""
    if not hasattr(config, "workerinput"):
        shared.open_session()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started, whatever happened to the tests."""
    if not hasattr(config, "workerinput") and shared.VARIABLE in os.environ:
        shared.close_session()


def _missing(reason: shared.NoServer) -> NoReturn:
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"CI=true and no server: {reason}", pytrace=False)
    pytest.skip(str(reason))


@pytest.fixture(scope="session")
def kafka() -> KafkaServer:
    """The session's broker."""
    try:
        return kafka_server.KafkaServer(**shared.ensure("kafka", kafka_server.start))
    except shared.NoServer as reason:
        _missing(reason)


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """The session's PostgreSQL cluster."""
    try:
        return postgres_server.PostgresServer(**shared.ensure("postgres", postgres_server.start))
    except shared.NoServer as reason:
        _missing(reason)


@pytest.fixture(scope="session")
def prometheus() -> PrometheusServer:
    """The session's Prometheus, with the rules we ship."""
    try:
        found = shared.ensure("prometheus", prometheus_server.start)
    except shared.NoServer as reason:
        _missing(reason)
    return prometheus_server.PrometheusServer(**found)


@pytest.fixture(scope="session")
def promtool() -> str:
    """The program that checks rules and configurations of Prometheus."""
    try:
        return prometheus_server.program_named("promtool")
    except shared.NoServer as reason:
        _missing(reason)


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """An empty database of this test alone; gives its address with user and password."""
    import psycopg

    name = f"t{uuid.uuid4().hex[:16]}"
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield postgres.url(name)
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name parameters so that two workers agree: an address is another in each process.

    Bytes are not names either: what is compressed may hold the second it was compressed in.
    """
    return argname if isinstance(val, bytes) or " at 0x" in repr(val) else None
