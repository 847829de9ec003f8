"""Sandboxes for the way of data, and hubs over them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog

from connectors.email.sandbox import EmailSandbox
from connectors.github.sandbox import GithubSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.sdk.sandbox import Sandbox
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from tests.hub.club import ClubSandbox
from tests.hub.flow.world import World, make_world

NOBODY_LISTENS = "http://127.0.0.1:9/"
"""Where the sandbox's webhooks go: a test takes them from what was sent, in its own order."""

MakeWorld = Callable[..., World]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Trouble is made on purpose here; its tracebacks help nobody."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture
def github() -> Iterator[GithubSandbox]:
    with GithubSandbox() as sandbox:
        sandbox.webhook_url = NOBODY_LISTENS
        yield sandbox


@pytest.fixture
def tracker(tmp_path: Path) -> Iterator[SpreadsheetSandbox]:
    with SpreadsheetSandbox(tmp_path / "share") as sandbox:
        yield sandbox


@pytest.fixture
def mail() -> Iterator[EmailSandbox]:
    with EmailSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def crm() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def club() -> Iterator[ClubSandbox]:
    with ClubSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def make(tmp_path: Path, database_url: str) -> Iterator[MakeWorld]:
    """Makes a world over sandboxes given by name."""
    with ExitStack() as stack:

        def made(
            sandboxes: Mapping[str, Sandbox],
            files: Mapping[str, str] | None = None,
            **more: Mapping[str, Any],
        ) -> World:
            world = make_world(tmp_path, database_url, sandboxes, files, **more)
            stack.callback(world.hub.database.close)
            stack.callback(world.hub.live.close)
            return world

        yield made


@pytest.fixture
def world(make: MakeWorld, github: GithubSandbox) -> World:
    """A hub over one GitHub."""
    return make({"github": github})
