"""Every event is a sentence that a person can read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hub.web.predicates import Names
from hub.web.sentences import ids_of, sentence, told_elsewhere
from mappings.canonical import EVENT_TYPES

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DANA = {"kind": "person", "id": "pty_dana", "name": "Dana Meier"}
TOOL = {"kind": "connector", "id": "github", "name": "dmeier"}
HUB = {"kind": "system", "id": "hub", "name": "Process Hub"}
NAMES: Names = {"tsk_1": "Sign the contract", "pty_lee": "Lee Kim", "pty_dana": "Dana Meier"}


def event(type: str, actor: dict[str, str] = DANA, **values: Any) -> dict[str, Any]:
    return {
        "id": values.pop("id", "evt_1"), "type": type, "time": NOW, "subject": "tsk_1",
        "actor": actor, "on_behalf_of": None, "origin": None, "changed": {}, "data": {}, **values,
    }  # fmt: skip


def said(type: str, actor: dict[str, str] = DANA, **values: Any) -> str:
    one = sentence(event(type, actor, **values), NAMES)
    return f"{one.who} {one.text}"


@pytest.mark.parametrize("type", sorted(EVENT_TYPES))
def test_every_event_of_the_contract_is_a_whole_sentence(type: str) -> None:
    """Also when it says nothing more than its type: no braces, no ids, and a full stop."""
    text = said(type, subject=None)
    assert text.endswith((".", "”"))
    assert not set(text) & set("{}[]_")
    assert type not in text


def test_who_did_what_in_which_tool() -> None:
    one = sentence(
        event("task.updated", TOOL, changed={"status": {"before": "open", "after": "in_progress"}}),
        NAMES,
    )
    assert (one.who, one.text, one.via) == ("dmeier", "started “Sign the contract”.", "github")


def test_a_tools_name_for_somebody_gives_way_to_ours() -> None:
    names = {**NAMES, "github/dmeier": "Dana Meier"}
    assert sentence(event("task.completed", TOOL), names).who == "Dana Meier"


def test_changes_are_told_from_what_to_what() -> None:
    changed = {
        "status": {"before": "open", "after": "on_hold"},
        "assignee": {"before": None, "after": "pty_lee"},
        "amount": {"before": None, "after": {"value": "5", "currency": "CHF"}},
        "description": {"before": "a", "after": "b"},
    }
    assert said("task.updated", changed=changed) == (
        "Dana Meier changed “Sign the contract”: status from open to on hold,"
        " assignee to Lee Kim, amount to CHF 5, the description."
    )


def test_a_decision_says_its_outcome_its_reason_and_for_whom() -> None:
    data = {"question": "Grant credit?", "outcome": "changes_requested", "comment": "More papers."}
    assert said("decision.made", data=data, on_behalf_of="pty_lee") == (
        "Dana Meier, for Lee Kim, decided “Grant credit?”: changes requested. “More papers.”"
    )


def test_an_answer_by_link_shows_its_way() -> None:
    one = sentence(event("task.completed", data={"channel": "link", "form": {"x": 1}}), NAMES)
    assert one.via == "personal link"
    assert one.text == "completed “Sign the contract”."


def test_what_the_hub_does_by_itself_is_not_put_on_somebody_else() -> None:
    assert said("step.activated", data={"title": "Billing", "responsible": "pty_lee"}) == (
        "Process Hub began “Billing”; Lee Kim has it now."
    )


def test_long_text_is_cut() -> None:
    text = said("comment.added", data={"body": "word " * 200})
    assert len(text) < 200
    assert "…" in text


def test_the_names_that_a_sentence_needs_are_found_even_beside_values_of_other_kinds() -> None:
    changed = {"assignee": {"before": None, "after": "pty_lee"}, "due": {"after": {"at": "x"}}}
    one = event("task.updated", changed=changed, data={"to": "pty_dana", "item": {"odd": 1}})
    assert ids_of(one) == {"tsk_1", "pty_lee", "pty_dana"}


def test_what_only_repeats_is_left_out_of_the_short_story() -> None:
    later = NOW + timedelta(hours=1)
    events = [
        event("task.completed", id="kept-1"),
        event("step.completed", HUB, id="repeats-1", subject="stp_1"),
        event("step.activated", HUB, id="repeats-2", data={"key": "credit", "title": "Credit?"}),
        event("decision.requested", HUB, id="kept-2", data={"question": "Credit?"}),
        event("task.created", HUB, id="repeats-3", data={"step": "billing"}),
        event("step.completed", HUB, id="kept-3", time=later),
        event("step.activated", HUB, id="kept-4", time=later, data={"key": "x", "title": "X"}),
    ]
    assert told_elsewhere(events) == {"repeats-1", "repeats-2", "repeats-3"}
