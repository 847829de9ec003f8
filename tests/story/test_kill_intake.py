"""The small edition of `python -m tests.kill_intake`: deliveries under `kill -9`."""

from __future__ import annotations

import os

import pytest

from tests.kill_intake.run import run
from tests.story.test_kill import SEED

DELIVERIES = int(os.environ.get("HUB_CHAOS_DELIVERIES", "2000"))


@pytest.mark.chaos
def test_what_was_answered_2xx_is_neither_lost_nor_processed_twice() -> None:
    """Under eight kills; HUB_CHAOS_SEED repeats a run."""
    report = run(DELIVERIES, 8, SEED)
    print("\n".join(report.lines()))
    assert report.kills == 8
    assert report.faults == [], report.log
