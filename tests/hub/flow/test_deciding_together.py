"""What several decide: quorum, veto, sequence, four eyes, delegation, and evidence that changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from hub.process import answers
from hub.process import exceptions as settling
from hub.process.answers import Refused
from hub.process.tending import Tending
from hub.store import work
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.panel import NAMES, Panel, people, process

Open = Callable[..., Panel]


@pytest.fixture
def panel(make: MakeWorld) -> Open:
    """Opens a decision; `staff` is the text of people.yaml, `data` the case's."""

    def opened(staff: str = people(), data: Any = None, **decision: Any) -> Panel:
        world = make({}, {"people.yaml": staff, "processes/credit.yaml": process(**decision)})
        return Panel(world, **(data or {}))

    return opened


# ----------------------------------------------------------------------------------------- quorum


def test_a_role_with_a_quorum_seats_all_of_its_members(panel: Open) -> None:
    it = panel(quorum=2)
    assert it.names() == ["dana", "lee", "kim"]
    assert it.asked() == ["dana", "lee", "kim"]
    it.say("lee")
    assert it.outcome is None
    it.say("kim", "rejected")
    assert it.outcome is None
    it.say("dana")
    assert it.outcome == "approved"
    assert it.row["decided_by"] == it.world.party("dana")
    assert it.world.case["status"] == "completed"
    assert [row["data"]["outcome"] for row in it.world.events("decision.answered")] == [
        "approved", "rejected",
    ]  # fmt: skip
    [made] = it.world.events("decision.made")
    assert made["data"]["voices"] == {"approved": 2, "rejected": 1}
    assert it.refused("kim") == "already_decided"


def test_a_role_without_a_quorum_is_one_question_to_any_member(panel: Open) -> None:
    it = panel()
    assert it.names() == ["dana"]
    assert it.refused("ann") == "not_yours"
    it.say("kim")
    assert it.outcome == "approved"


def test_several_deciders_each_have_a_seat_and_the_first_voice_decides(panel: Open) -> None:
    it = panel(decider=["ann", "role:finance"])
    assert it.names() == ["ann", "dana"]
    it.say("lee", "rejected")
    assert it.outcome == "rejected"


def test_a_veto_decides_with_one_voice(panel: Open) -> None:
    it = panel(quorum=3, veto=["rejected"])
    it.say("lee", "approved")
    it.say("kim", "rejected")
    assert it.outcome == "rejected"


def test_a_voice_is_changed_and_taken_back_by_its_giver_until_it_is_decided(panel: Open) -> None:
    it = panel(quorum=2)
    it.say("lee", "rejected")
    it.say("lee", "approved")
    it.take_back("lee")
    with pytest.raises(Refused, match="nothing to take back"):
        it.take_back("lee")
    it.say("dana")
    assert it.outcome is None
    it.say("lee")
    assert it.outcome == "approved"
    with pytest.raises(Refused, match="decided already"):
        it.take_back("lee")


def test_all_have_spoken_and_nobody_agrees_is_an_exception_with_the_count(panel: Open) -> None:
    it = panel(quorum=2)
    for who, outcome in (("dana", "approved"), ("lee", "rejected"), ("kim", "later")):
        it.say(who, outcome)
    [row] = it.world.exceptions()
    assert (row["type"], row["owner"]) == ("stalled", it.world.party("ann"))
    assert "1 approved, 1 rejected, 1 later; 2 alike are needed" in row["detail"]
    assert it.outcome is None
    it.say("kim", "approved")
    assert it.outcome == "approved"
    assert it.world.exceptions() == []


def test_too_few_people_is_an_exception_and_it_goes_on_when_there_are_more(panel: Open) -> None:
    it = panel(people(("dana", "lee")), quorum=2, exclude=["${case.data.asker}"],
               data={"asker": "dana@acme.test"})  # fmt: skip
    [row] = it.world.exceptions()
    assert (row["type"], row["owner"]) == ("validation", it.world.party("ann"))
    assert "2 must decide alike, and who can is Lee; Dana must not" in row["detail"]
    it.say("lee")
    assert it.refused("dana") == "excluded"
    with pytest.raises(Refused, match="waits until there are enough"):
        it.settle("resolve")
    it.change_people(people(("dana", "lee", "kim")))
    assert it.world.exceptions() == []
    assert it.asked() == ["kim"]
    it.say("kim")
    assert it.outcome == "approved"


def test_whoever_answers_for_a_step_names_somebody_where_there_are_too_few(panel: Open) -> None:
    it = panel(people(("dana",)), decider=["role:finance", "external:${case.data.nobody}"],
               quorum=2)  # fmt: skip
    assert it.world.kinds() == ["validation"]
    with pytest.raises(Refused, match="Only whoever is asked"):
        it.delegate("bob", "kim")
    it.delegate("ann", "bob", "You know them.")
    assert it.world.kinds() == []
    assert it.names() == ["dana", "bob"]
    with pytest.raises(Refused, match="Only whoever is asked"):
        it.delegate("ann", "kim")
    it.say("dana")
    it.say("bob")
    assert it.outcome == "approved"


def test_an_empty_role_is_an_exception_and_never_a_pass(panel: Open) -> None:
    it = panel(people(("dana",)), exclude=["dana"])
    assert it.names() == []
    assert it.world.kinds() == ["validation"]
    for who in ("dana", "ann", "bob"):
        assert it.refused(who) in ("excluded", "not_yours")
    assert it.outcome is None
    assert it.world.steps()["grant", 1]["responsible"] == it.world.party("ann")


# ---------------------------------------------------------------------------------------- sequence


def test_a_sequence_asks_one_after_the_other(panel: Open) -> None:
    it = panel(decider=["lee", "role:finance", "bob"], sequence=True)
    assert it.names() == ["lee", "dana", "bob"]
    assert it.asked() == ["lee"]
    assert it.refused("bob") == "not_your_turn"
    it.say("lee", "later")
    assert it.asked() == ["dana"]
    it.say("kim", "rejected")  # another of the role, for dana
    assert it.asked() == ["bob"]
    assert it.world.steps()["grant", 1]["responsible"] == it.world.party("bob")
    it.say("bob", "approved")
    assert it.outcome == "approved"
    assert it.world.exceptions() == []


def test_in_a_sequence_an_option_that_ends_the_case_is_not_passed_on(panel: Open) -> None:
    it = panel(
        decider=["lee", "bob"], sequence=True, outcomes={"rejected": {"terminate": "refused"}}
    )
    it.say("lee", "rejected")
    assert it.outcome == "rejected"
    assert it.world.case["status"] == "terminated"


def test_an_earlier_voice_on_other_facts_is_confirmed_before_a_sequence_ends(panel: Open) -> None:
    it = panel(decider=["lee", "bob"], sequence=True)
    it.say("lee")
    it.change_evidence(amount=5)
    it.say("bob", "later")
    assert it.outcome is None
    it.say("lee")
    assert it.outcome == "later"
    assert it.row["decided_by"] == it.world.party("lee")


# --------------------------------------------------------------------------------------- four eyes


def test_an_excluded_person_has_no_seat_and_stands_in_for_nobody(panel: Open) -> None:
    it = panel(people(dana="bob", lee="bob"), quorum=2, exclude=["bob", "kim"])
    assert it.names() == ["dana", "lee"]
    assert it.refused("bob") == "excluded"
    assert it.refused("kim") == "excluded"
    with pytest.raises(Refused, match="Bob is excluded"):
        it.delegate("dana", "bob")


def test_a_deputy_fills_one_seat_and_never_a_second(panel: Open) -> None:
    it = panel(people(dana="bob", lee="bob", kim="dana"), quorum=2)
    it.say("bob")
    assert it.seats()[0]["given_by"] == it.world.party("bob")
    it.say("bob", "rejected")  # changes the one voice there is
    assert it.outcome is None
    assert len([seat for seat in it.seats() if seat["outcome"]]) == 1
    # dana sits there herself, so that she is not kim's deputy too; and bob speaks for her
    assert it.refused("dana") == "answered_for_you"
    it.say("kim", "rejected")
    assert it.outcome == "rejected"


def test_whoever_is_excluded_by_what_they_did_before(make: MakeWorld) -> None:
    """`steps.KEY.by`: who completed a step does not approve it."""
    world = make({}, {"people.yaml": people(), "processes/credit.yaml": (
        "process: credit\naccountable: role:ops\nsteps:\n"
        "  check: {title: Check it, responsible: dana}\n"
        "  grant: {type: decision, title: Grant, after: [check], decider: role:finance,"
        ' options: [approved, rejected], exclude: ["${steps.check.by}"]}\n'
    )})  # fmt: skip
    from hub.process import cases as moving

    with world.hub.unit() as unit:
        moving.start(unit, "credit", title="Acme")
    with world.hub.unit() as unit:
        step = world.steps()["check", 1]
        answers.submit(unit, step["id"], {}, work.people(unit.tx)["dana"])
    decision = world.decision()
    assert decision["exclude"] == [world.party("dana"), "dana@acme.test"]
    assert decision["decider"] == world.party("lee")


def test_an_exclusion_that_leads_to_nobody_is_shown_and_nobody_decides(panel: Open) -> None:
    it = panel(exclude=["${case.data.asker}"], data={"asker": "tippo@acme.test"})
    [row] = it.world.exceptions()
    assert "'tippo@acme.test', which is nobody known here" in row["detail"]
    assert it.asked() == []
    assert it.refused("lee") == "exclusion_unclear"
    with pytest.raises(Refused, match="Waive this"):
        it.settle("resolve", data={"asker": "nobody"})
    it.settle("resolve", data={"asker": "dana@acme.test"})
    assert it.world.exceptions() == []
    assert it.asked() == ["lee"]
    assert it.refused("dana") == "excluded"
    it.say("lee")
    assert it.outcome == "approved"


def test_a_person_may_let_everybody_decide_where_nobody_is_excluded(panel: Open) -> None:
    it = panel(exclude=["${case.data.asker}"])
    [row] = it.world.exceptions()
    with it.world.hub.unit() as unit, pytest.raises(Refused, match="Only a person"):
        settling.waive(unit, row["id"], {"kind": "system", "id": "x", "name": "x"}, "We know.")
    it.settle("waive")
    assert it.asked() == ["dana"]
    it.say("dana")
    assert it.outcome == "approved"


# -------------------------------------------------------------------------------------- delegation


def test_a_seat_is_handed_on_and_answered_on_behalf(panel: Open) -> None:
    it = panel(quorum=2)
    it.delegate("lee", "bob", "On a plane.")
    assert it.names() == ["dana", "bob", "kim"]
    assert it.names("on_behalf_of") == ["lee"]
    it.say("dana")
    it.say("bob")
    assert it.row["on_behalf_of"] == it.world.party("lee")
    [told] = it.world.events("decision.delegated")
    assert (told["data"]["to"], told["data"]["note"]) == (it.world.party("bob"), "On a plane.")


def test_whoever_handed_a_seat_on_may_answer_first_or_take_it_back(panel: Open) -> None:
    it = panel(quorum=2)
    it.delegate("lee", "bob")
    it.delegate("dana", "ann")
    it.revoke("lee")
    assert it.refused("bob") == "not_yours"
    it.say("dana")
    assert it.refused("ann") == "answered_for_you"
    it.say("lee")
    assert it.outcome == "approved"
    assert it.row["on_behalf_of"] is None


@pytest.mark.parametrize("to", ["kim", "dana", "lee", "nobody"])
def test_a_seat_is_not_handed_to_whoever_has_one_or_is_nobody(panel: Open, to: str) -> None:
    it = panel(quorum=2)
    with pytest.raises(Refused):
        it.delegate("lee", to)


# ---------------------------------------------------------------------------------------- evidence


def test_a_voice_counts_only_on_the_evidence_of_now(panel: Open) -> None:
    it = panel(quorum=2, data={"amount": 5})
    before = it.hash()
    it.say("lee")
    it.change_evidence(amount=50_000)
    assert it.refused("dana", hash=before) == "evidence_changed"
    it.say("dana")
    assert it.outcome is None
    again = [seat for seat in it.seats() if seat["asked_on"] != seat["evidence_hash"]]
    assert it.world.party("lee") in {seat["party"] for seat in again}
    it.say("lee")
    assert it.outcome == "approved"


def test_who_said_yes_to_something_else_is_asked_again_within_a_minute(panel: Open) -> None:
    """Once for each change, before anybody else answers."""
    it = panel(quorum=2, data={"amount": 5})
    it.say("lee")
    lee = it.world.party("lee")
    tending = Tending(it.world.hub)

    def asked() -> tuple[str, datetime]:
        it.world.clock.ahead += timedelta(minutes=1)
        tending.tend()
        [seat] = [one for one in it.seats() if one["party"] == lee]
        return seat["asked_on"], seat["asked_at"]

    before = asked()
    assert before[0] == it.hash()
    it.change_evidence(amount=50_000)
    after = asked()
    assert after[0] == it.hash() != before[0]
    assert asked() == after
    it.change_evidence(amount=60_000)
    assert asked()[0] == it.hash() != after[0]


def test_whoever_has_left_loses_their_seat_on_the_day_after(panel: Open) -> None:
    """Without another revision, and wherever they sat."""
    days = [(date.today() + timedelta(days=n)).isoformat() for n in (0, 1)]
    staff = people(names=NAMES).replace("lee@acme.test\n", f"lee@acme.test\n    left: {days[1]}\n")
    it = panel(staff, quorum=2)
    tending = Tending(it.world.hub)
    tending.tend()
    assert it.names() == ["dana", "lee", "kim"]
    it.world.clock.ahead += timedelta(days=3)
    tending.tend()
    it.tend()
    assert it.names() == ["dana", "kim"]


# ------------------------------------------------------------------------------ people come and go


def test_who_leaves_without_a_word_loses_the_seat_and_who_spoke_keeps_the_voice(
    panel: Open,
) -> None:
    it = panel(quorum=2)
    it.say("lee")
    it.change_people(people(("dana", "bob"), ("dana", "ann", "bob")))
    assert sorted(it.names()) == ["bob", "dana", "lee"]
    it.say("bob")
    assert it.outcome == "approved"


def test_one_question_to_a_role_moves_to_the_next_member(panel: Open) -> None:
    it = panel()
    it.change_people(people(("kim",)))
    assert it.names() == ["kim"]
    assert it.asked() == ["kim"]
    assert it.refused("dana") == "not_yours"


def test_who_stood_in_and_leaves_gives_the_seat_back(panel: Open) -> None:
    it = panel(quorum=2)
    it.delegate("lee", "bob")
    it.change_people(people(names=("dana", "lee", "kim", "ann")))
    assert it.names() == ["dana", "lee", "kim"]
    assert it.asked() == ["dana", "lee", "kim"]
