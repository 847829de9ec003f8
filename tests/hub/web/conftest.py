"""A filled hub behind its pages, and browsers of two people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hub import identity
from tests.hub.web.seed import Seeded, fill, open_seeded

Browser = Callable[..., TestClient]


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[Seeded]:
    """A workspace without cases."""
    seeded = open_seeded(tmp_path)
    yield seeded
    seeded.hub.database.close()


@pytest.fixture
def seeded(bare: Seeded) -> Seeded:
    """Cases in every state."""
    return fill(bare)


@pytest.fixture
def browser(bare: Seeded) -> Iterator[Browser]:
    """Open a browser: `browser("lee")` is signed in as Lee, `browser()` is nobody."""
    opened: list[TestClient] = []
    app = bare.app()

    def open_(person: str | None = None, role: str = "admin") -> TestClient:
        client = TestClient(app, base_url="http://hub.test", follow_redirects=False)
        opened.append(client)
        if person or role != "admin":
            link = identity.sign_in_link(bare.hub, "", person, role)
            session = identity.sign_in(bare.hub, link.rpartition("/")[2])
            assert session
            client.cookies.set("hub_session", session)
        return client

    yield open_
    for client in opened:
        client.close()
