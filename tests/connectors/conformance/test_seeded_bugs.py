"""A check that cannot fail is no check: each has a connector with one bug that fails exactly it."""

from __future__ import annotations

import pytest

from connectors.sdk import Connector, Tier
from connectors.sdk.conformance import CHECKS, certify
from hub import conformance
from tests.connectors.conformance import more_bugs  # noqa: F401 - adds its own
from tests.connectors.conformance.bugs import BUGS
from tests.connectors.conformance.vendor import (
    Sound,
    SoundOAuth,
    SoundWatcher,
    SoundWithComments,
)


def test_every_check_has_its_bug() -> None:
    assert set(BUGS) == set(conformance.CHECKS)


@pytest.mark.parametrize("cls", [Sound, SoundWithComments, SoundOAuth, SoundWatcher])
def test_without_a_bug_nothing_fails(cls: type[Connector]) -> None:
    card = certify(cls)
    assert [(one.check.name, one.detail) for one in card.failed] == []
    assert card.tier is Tier.GOLD


@pytest.mark.parametrize("check", BUGS)
def test_a_seeded_bug_fails_exactly_its_check(check: str) -> None:
    card = certify(BUGS[check])
    assert {one.check.name: one.detail for one in card.failed}.keys() == {check}
    assert card.tier == CHECKS[check].tier - 1
