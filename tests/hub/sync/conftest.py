"""The hubs that histories happen on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hub.sync.ground import Grounds, grounds
from tests.hub.sync.hunt import quiet


@pytest.fixture(scope="session")
def ground_of() -> Iterator[Grounds]:
    """The hubs of this worker."""
    with grounds() as made:
        yield made


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield
