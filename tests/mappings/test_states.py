"""State machines: legal steps are the contract's; an illegal one raises and says what is legal."""

from __future__ import annotations

from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from mappings.states import (
    TRANSITIONS,
    CaseStatus,
    DecisionStatus,
    DeliveryStatus,
    ExceptionStatus,
    HandoffStatus,
    IllegalTransition,
    ProposalStatus,
    PushStatus,
    StepStatus,
    TaskStatus,
    advance,
    is_final,
)

CONTRACT: dict[type[StrEnum], str] = {
    TaskStatus: "open in_progress on_hold done cancelled",
    CaseStatus: "active suspended completed terminated",
    StepStatus: "available active completed skipped failed terminated",
    HandoffStatus: "offered accepted declined expired",
    ExceptionStatus: "open acknowledged resolved waived",
    ProposalStatus: "proposed accepted edited rejected expired",
    DeliveryStatus: "accepted processed quarantined ignored captured",
    PushStatus: "pending sent unknown failed superseded",
}


@pytest.mark.parametrize("states", CONTRACT)
def test_the_states_are_those_of_the_contract(states: type[StrEnum]) -> None:
    assert [str(state) for state in states] == CONTRACT[states].split()


@pytest.mark.parametrize("states", TRANSITIONS)
def test_every_state_has_its_ways_on_within_its_own_machine(states: type[StrEnum]) -> None:
    assert set(TRANSITIONS[states]) == set(states)
    assert all(isinstance(to, states) for ways in TRANSITIONS[states].values() for to in ways)


@pytest.mark.parametrize("states", TRANSITIONS)
def test_a_legal_step_is_taken_and_an_illegal_one_raises(states: type[StrEnum]) -> None:
    """Every pair; staying where one is, is always legal."""
    for before, after in product(states, states):
        if before is after or after in TRANSITIONS[states][before]:
            assert advance(before, after) is after
        else:
            with pytest.raises(IllegalTransition) as caught:
                advance(before, after)
            assert f"from '{before}' to '{after}'" in str(caught.value)


FINAL: list[tuple[Any, bool]] = [
    (StepStatus.COMPLETED, True),
    (StepStatus.SKIPPED, True),
    (StepStatus.FAILED, False),  # somebody can take it up again
    (CaseStatus.TERMINATED, True),
    (CaseStatus.SUSPENDED, False),
    (HandoffStatus.EXPIRED, False),  # a late yes still counts
    (DecisionStatus.MADE, True),
    (DecisionStatus.EXPIRED, False),  # silence never decides
    (TaskStatus.DONE, True),
    (TaskStatus.OPEN, False),
    (PushStatus.SENT, True),
    (PushStatus.UNKNOWN, False),
]


@pytest.mark.parametrize(("state", "final"), FINAL)
def test_what_is_final(state: StrEnum, final: bool) -> None:
    assert is_final(state) is final


def test_the_error_names_what_is_legal() -> None:
    with pytest.raises(IllegalTransition, match="From 'available' it can become: active, skip"):
        advance(StepStatus.AVAILABLE, StepStatus.COMPLETED)
    with pytest.raises(IllegalTransition, match="'completed' is final"):
        advance(StepStatus.COMPLETED, StepStatus.ACTIVE)
