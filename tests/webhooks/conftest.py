"""A running intake for every test that asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.webhooks.intake_support import MemoryInbox, Served, endpoints
from webhooks.server import DeadlineHttpProtocol


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Start an intake: serve(inbox=…, protocol=…, **settings of WebhookApp)."""
    running: list[Served] = []

    def begin(inbox: Any = None, protocol: Any = DeadlineHttpProtocol, **settings: Any) -> Served:
        secrets: list[str] = []
        served = Served(endpoints(secrets), inbox or MemoryInbox(), **settings)
        served.secrets = secrets
        running.append(served.start(protocol))
        return served

    yield begin
    for served in running:
        served.stop()


@pytest.fixture
def hub(serve: Callable[..., Served]) -> Served:
    """An intake with the default settings."""
    return serve()
