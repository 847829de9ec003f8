"""A filled hub behind its pages, and browsers of two people."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hub import identity
from tests.hub.web.seed import Seeded, fill, open_seeded

Browser = Callable[..., TestClient]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, tuple[Path, Seeded]]:
    """A bare hub and a filled one, made once; every test works on a copy of their file."""
    found = {}
    for filled in (False, True):
        folder = tmp_path_factory.mktemp("made")
        seeded = open_seeded(folder)
        if filled:
            fill(seeded)
        seeded.hub.database.close()
        found[filled] = (folder / "hub.db", seeded)
    return found


@pytest.fixture
def bare(
    request: pytest.FixtureRequest, tmp_path: Path, made: dict[bool, tuple[Path, Seeded]]
) -> Iterator[Seeded]:
    """A workspace without cases (with them where the test asks for `seeded`)."""
    file, origin = made["seeded" in request.fixturenames]
    shutil.copy(file, tmp_path / "hub.db")
    seeded = open_seeded(tmp_path)
    seeded.cases |= origin.cases
    seeded.clock.now = origin.clock.now
    yield seeded
    seeded.hub.database.close()


@pytest.fixture
def seeded(bare: Seeded) -> Seeded:
    """Cases in every state."""
    return bare


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
