"""What every test gets: a network that ends at loopback, and a clock that nobody waits for."""

from __future__ import annotations

import ipaddress
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.store.database import Database
from tests import servers


def _is_loopback(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True  # a Unix socket
    host = str(address[0])
    if host in ("localhost", ""):
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that would leave this machine fails at the connect, and says where it wanted to go."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if not _is_loopback(address):
            raise RuntimeError(f"A test tried to reach {address!r}; only loopback is allowed.")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL for the whole session."""
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis or Valkey for the whole session."""
    with servers.redis() as url:
        yield url


EACH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.scaled)]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the hub's schema. The migrations take longer than most tests, so each test
    gets a copy of what they make.
    """
    file = tmp_path_factory.mktemp("migrated") / "hub.db"
    made = Database(f"sqlite:///{file}")
    made.migrate()
    made.close()
    return file


@pytest.fixture(scope="session")
def migrated_database(postgres_server: str) -> Iterator[str]:
    """The name of a PostgreSQL database with the hub's schema, to be copied likewise."""
    with servers.fresh_database(postgres_server) as url:
        made = Database(url)
        made.migrate()
        made.close()
        yield str(sa.make_url(url).database)


@pytest.fixture(params=EACH)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database that the migrations have still to come to."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'hub.db'}"
    else:
        with servers.fresh_database(request.getfixturevalue("postgres_server")) as url:
            yield url


@pytest.fixture(params=EACH)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with the hub's schema and nothing in it: SQLite, and with `make test-scaled`
    PostgreSQL.
    """
    if request.param == "sqlite":
        file = tmp_path / "hub.db"
        shutil.copyfile(request.getfixturevalue("migrated_file"), file)
        yield f"sqlite:///{file}"
    else:
        server = request.getfixturevalue("postgres_server")
        like = request.getfixturevalue("migrated_database")
        with servers.fresh_database(server, like) as url:
            yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, opened."""
    made = Database(database_url)
    yield made
    made.close()
