"""A hub for the tests of a module, and one for each test that must be alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.store.database import Database
from tests import servers
from tests.hostile.house import House, house


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The application; tests of one module share it."""
    with house(tmp_path_factory.mktemp("house")) as made:
        yield made


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[House]:
    """The application, for one test."""
    with house(tmp_path) as made:
        yield made


def refusal(answer: object, status: int) -> str:
    """The code of a problem, after a look at its form."""
    assert answer.status_code == status, answer.text  # type: ignore[attr-defined]
    assert answer.headers["content-type"] == "application/problem+json"  # type: ignore[attr-defined]
    told = answer.json()  # type: ignore[attr-defined]
    assert told["status"] == status
    assert told["type"]
    assert told["title"]
    assert told["detail"]
    return str(told["code"])


@pytest.fixture
def postgres_database(postgres_server: str, migrated_database: str) -> Iterator[Database]:
    """An empty PostgreSQL with the hub's schema."""
    with servers.fresh_database(postgres_server, migrated_database) as url:
        made = Database(url)
        yield made
        made.close()
