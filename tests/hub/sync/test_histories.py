"""Three tools and the hub, edited on all sides, with webhooks that go astray and processes that
die: in the end all agree, as the mappings say, and nothing was lost.

HUB_HISTORIES says how many histories are tried, HUB_SEED where they begin; a failure prints the
shortest history that goes wrong. `python -m tests.hub.sync` tries as many as one likes.
"""

from __future__ import annotations

import os

import pytest

from tests.hub.sync.ground import Grounds
from tests.hub.sync.hunt import SEEDS, histories_asked, hunt

BEGIN = int(os.environ.get("HUB_SEED") or 6000)


@pytest.mark.timeout(1200)  # a history that goes wrong is shortened for some minutes
@pytest.mark.parametrize("part", range(SEEDS))
def test_whatever_happens_all_sides_agree_in_the_end(ground_of: Grounds, part: int) -> None:
    """A taste of what the next test does."""
    print(f"seed {BEGIN + part}")
    hunt(ground_of, -(-histories_asked(80) // SEEDS), BEGIN + part)


@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(SEEDS))
def test_a_thousand_histories_end_well(ground_of: Grounds, part: int) -> None:
    print(f"seed {BEGIN + 1000 + part}")
    hunt(ground_of, -(-histories_asked(1000) // SEEDS), BEGIN + 1000 + part)
