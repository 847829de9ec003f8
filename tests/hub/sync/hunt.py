"""Histories by number and seed, for the tests and for the command."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.hub.sync.ground import Grounds
from tests.hub.sync.machine import Machine

STEPS = 16
"""Steps of a history at most."""
SEEDS = 8
"""Parts that the histories of CI fall into, so that several workers share them."""


def histories_asked(usual: int) -> int:
    """How many histories are to be run in all: HUB_HISTORIES, or as many as usual."""
    return int(os.environ.get("HUB_HISTORIES") or usual)


def hunt(grounds: Grounds, histories: int, seed: int, *, shrink: bool = True) -> None:
    """Run histories. Raises AssertionError with the shortest one that goes wrong, and how to have
    it again.
    """
    # hypothesis takes the seed of a machine from here, as its decorator for functions leaves it
    seeded: Any = type(
        "Machine", (Machine,), {"grounds": grounds, "_hypothesis_internal_use_seed": seed}
    )
    phases = [Phase.generate, Phase.shrink] if shrink else [Phase.generate]
    try:
        run_state_machine_as_test(
            seeded,
            settings=settings(
                max_examples=histories,
                stateful_step_count=STEPS,
                phases=phases,
                deadline=None,
                database=None,
                print_blob=False,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
    except Exception as error:
        error.add_note(f"Again: python -m tests.hub.sync --histories {histories} --seed {seed}")
        raise


@contextmanager
def quiet() -> Iterator[None]:
    """Trouble is made on purpose here; its tracebacks help nobody."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)
