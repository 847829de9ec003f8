"""Exceptions and proposals over HTTP: how trouble ends, and what assistants may suggest."""

from __future__ import annotations

from typing import Any

import pytest

from hub.store import events, outbox
from hub.store.exceptions import Trouble
from hub.store.outbox import NewPush
from tests.hub.api.conftest import Api


def conflict(api: Api) -> tuple[Any, Any]:
    """A title that was changed here and in the tracker at once: the task and its exception."""
    api.pull()
    (task,) = api.get("tasks")["items"]
    api.call("PATCH", f"tasks/{task['id']}", json={"title": "Ours"})
    api.write_row("1", Title="Theirs")  # before our push went out
    api.pull()
    (exception,) = api.get("exceptions", type="sync_conflict")["items"]
    return task, api.get(f"exceptions/{exception['id']}")


@pytest.mark.parametrize(
    ("choose", "title"), [("ours", "Ours"), ("theirs", "Theirs"), ("A third way", "A third way")]
)
def test_a_conflict_ends_with_one_value_on_both_sides(api: Api, choose: str, title: str) -> None:
    task, exception = conflict(api)
    assert (exception["data"]["ours"], exception["data"]["theirs"]) == ("Ours", "Theirs")
    ended = api.post(f"exceptions/{exception['id']}/resolve", {"field": "title", "choose": choose})
    assert (ended["status"], ended["resolution"]) == ("resolved", f"title: {choose}")
    api.work()
    assert api.get(f"tasks/{task['id']}")["title"] == title
    assert api.rows()["1"]["Title"] == title
    api.pull()
    assert api.get("exceptions")["items"] == []
    api.write_row("1", Title="Later, theirs alone")
    api.pull()
    assert api.get(f"tasks/{task['id']}")["title"] == "Later, theirs alone"


def test_a_waived_conflict_leaves_both_sides_as_they_are(api: Api) -> None:
    task, exception = conflict(api)
    api.post(f"exceptions/{exception['id']}/waive", {"comment": "They mean different things."})
    api.call("PATCH", f"tasks/{task['id']}", json={"status": "on_hold"})
    api.work()
    api.pull()
    assert api.get(f"tasks/{task['id']}")["title"] == "Ours"
    assert (api.rows()["1"]["Title"], api.rows()["1"]["Status"]) == ("Theirs", "On hold")
    assert api.get("exceptions")["items"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "choice_required"),
        ({"comment": "whatever"}, "choice_required"),
        ({"field": "status", "choose": "ours"}, "field_unknown"),
        ({"field": "title", "choose": ""}, "validation_failed"),
        ({"field": "title", "choose": 5}, "validation_failed"),
    ],
    ids=str,
)
def test_a_conflict_needs_a_choice_that_fits(api: Api, body: Any, code: str) -> None:
    _, exception = conflict(api)
    answer = api.call("POST", f"exceptions/{exception['id']}/resolve", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert api.get(f"exceptions/{exception['id']}")["status"] == "open"


def test_an_exception_ends_once_and_tells_who_ended_it(api: Api) -> None:
    exception = raised(api, Trouble("bounced", "Mail came back", subject="tsk_gone"))
    ended = api.post(f"exceptions/{exception}/resolve", {"comment": "New address."}, "lee")
    assert (ended["status"], ended["resolution"]) == ("resolved", "New address.")
    again = api.call("POST", f"exceptions/{exception}/waive", json={"comment": "x"})
    assert (again.status_code, again.json()["code"]) == (409, "already_closed")
    assert api.get("exceptions")["items"] == []
    assert [one["id"] for one in api.get("exceptions", status="resolved")["items"]] == [exception]
    told = happened(api, exception, "exception.resolved")
    assert told["actor"]["name"] == "Lee Kim"
    assert told["data"]["why"] == "New address."


@pytest.mark.parametrize("body", [None, {}, {"comment": "  "}])
def test_waiving_needs_a_reason(api: Api, body: Any) -> None:
    exception = raised(api, Trouble("bounced", "Mail came back"))
    answer = api.call("POST", f"exceptions/{exception}/waive", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "comment_required")


def test_a_failed_push_is_sent_again_with_its_old_key(api: Api) -> None:
    push, exception = failed_push(api, "failed")
    before = api.get(f"pushes/{push}", "operator")
    api.post(f"exceptions/{exception}/retry")
    after = api.get(f"pushes/{push}", "operator")
    assert (after["status"], after["key"]) == ("pending", before["key"])
    assert "deliver" in api.woken
    assert api.get("exceptions")["items"] == []


def test_a_person_says_that_an_unknown_push_did_arrive(api: Api) -> None:
    push, exception = failed_push(api, "unknown")
    api.post(f"exceptions/{exception}/resolve", {"comment": "I see it there."})
    assert api.get(f"pushes/{push}", "operator")["status"] == "sent"


def test_retrying_a_push_closes_what_was_open_about_it(api: Api) -> None:
    push, exception = failed_push(api, "failed")
    assert api.post(f"pushes/{push}/retry", None, "operator", 202)["status"] == "pending"
    assert api.get(f"exceptions/{exception}")["status"] == "resolved"
    again = api.call("POST", f"pushes/{push}/retry", "operator")
    assert (again.status_code, again.json()["code"]) == (409, "not_retryable")


def test_a_value_that_could_not_be_mapped_is_mapped_again(api: Api) -> None:
    api.write_row("1", Status="Parked")
    api.pull()
    (exception,) = api.get("exceptions", type="unmapped_value")["items"]
    api.post(f"exceptions/{exception['id']}/retry")
    assert api.get(f"exceptions/{exception['id']}")["status"] == "resolved"
    api.work()
    (again,) = api.get("exceptions", type="unmapped_value")["items"]
    assert again["id"] != exception["id"]


def test_a_step_goes_on_once_what_was_missing_is_told(api: Api) -> None:
    case = api.post("cases", {"process": "work", "title": "Acme", "data": {}})
    (task,) = api.get(f"cases/{case['id']}")["tasks"]
    api.call("PATCH", f"tasks/{task}", json={"status": "done"})
    (exception,) = api.get("exceptions", type="validation")["items"]
    stuck = api.call("POST", f"exceptions/{exception['id']}/retry")
    assert (stuck.status_code, stuck.json()["code"]) == (409, "still_blocked")
    api.post(f"exceptions/{exception['id']}/resolve", {"data": {"amount": 5000.0}})
    assert api.get("decisions", status="open")["items"][0]["question"] == "Check them"
    assert api.get(f"cases/{case['id']}")["data"] == {"amount": 5000.0}


def test_a_paused_connection_is_resumed_by_retrying(api: Api) -> None:
    api.post("connections/tracker/pause", {"comment": "Moving the file."}, "operator")
    (exception,) = api.get("exceptions", type="connection")["items"]
    api.post(f"exceptions/{exception['id']}/retry", None, "operator")
    assert api.get("connections/tracker", "operator")["status"] == "active"
    assert api.get(f"exceptions/{exception['id']}")["status"] == "resolved"


def test_what_cannot_be_tried_again_says_so(api: Api) -> None:
    exception = raised(api, Trouble("overdue", "Late", subject="stp_none"))
    answer = api.call("POST", f"exceptions/{exception}/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_retryable")
    assert api.get(f"exceptions/{exception}")["status"] == "open"


def test_exceptions_come_in_pages(api: Api) -> None:
    made = [raised(api, Trouble("stalled", f"No {n}", place=str(n))) for n in range(5)]
    page = api.get("exceptions", limit=3)
    rest = api.get("exceptions", limit=3, cursor=page["next"])
    assert [one["id"] for one in page["items"] + rest["items"]] == made[::-1]


def raised(api: Api, trouble: Trouble) -> str:
    with api.hub.unit() as unit:
        unit.trouble(trouble)
    return str(api.get("exceptions", limit=1)["items"][0]["id"])


def failed_push(api: Api, status: str) -> tuple[str, str]:
    """A push that ended badly, and the exception about it."""
    task = api.post("tasks", {"title": "A"})
    with api.hub.unit() as unit:
        unit.push(NewPush("github", "issue", "create", "task", task["id"], []))
    (push,) = api.get("pushes", "operator", entity=task["id"])["items"]
    with api.hub.unit() as unit:
        unit.tx.execute(outbox.PUSHES.table.update().values(status=status))
        unit.trouble(Trouble(f"push_{status}", "It did not arrive", subject=push["id"]))
    (exception,) = api.get("exceptions", subject=push["id"])["items"]
    return push["id"], exception["id"]


def happened(api: Api, subject: str, type: str) -> Any:
    with api.hub.database.read() as tx:
        return next(row for row in events.of(tx, subject=subject) if row["type"] == type)


# ------------------------------------------------------------------------------------- proposals


def proposed(api: Api, **changed: Any) -> Any:
    task = api.post("tasks", {"title": "A"})
    body = {
        "kind": "triage",
        "target": task["id"],
        "patch": {"priority": "high", "assignee": "lee"},
        "text": "Looks urgent.",
        "citations": ["the mail of Monday"],
        "confidence": 0.8,
    }
    return api.post("proposals", body | changed, "assistant", status=201)


def test_an_assistant_suggests_and_nothing_changes(api: Api) -> None:
    proposal = proposed(api)
    assert (proposal["status"], proposal["by"]["kind"]) == ("proposed", "assistant")
    assert api.get(f"tasks/{proposal['target']}")["priority"] is None
    assert [one["id"] for one in api.get("proposals", status="proposed")["items"]] == (
        [proposal["id"]]
    )


def test_an_accepted_proposal_is_the_change_of_whoever_accepted_it(api: Api) -> None:
    proposal = proposed(api)
    accepted = api.post(f"proposals/{proposal['id']}/accept")
    assert (accepted["status"], accepted["answered_by"]["name"]) == ("accepted", "Dana Meier")
    task = api.get(f"tasks/{proposal['target']}")
    assert (task["priority"], task["assignee"]["name"]) == ("high", "Lee Kim")
    (change,) = api.get(f"tasks/{task['id']}/explain", field="priority")["chain"]
    assert (change["actor"]["kind"], change["actor"]["name"]) == ("person", "Dana Meier")
    assert change["because"][0]["event"]["type"] == "proposal.accepted"
    again = api.call("POST", f"proposals/{proposal['id']}/reject")
    assert (again.status_code, again.json()["code"]) == (409, "already_answered")


def test_an_edited_proposal_says_so(api: Api) -> None:
    proposal = proposed(api)
    edited = api.post(f"proposals/{proposal['id']}/accept", {"patch": {"priority": "low"}})
    assert (edited["status"], edited["patch"]) == ("edited", {"priority": "low"})
    task = api.get(f"tasks/{proposal['target']}")
    assert (task["priority"], task["assignee"]) == ("low", None)


def test_a_rejected_proposal_changes_nothing(api: Api) -> None:
    proposal = proposed(api)
    rejected = api.post(f"proposals/{proposal['id']}/reject", {"comment": "No."})
    assert rejected["status"] == "rejected"
    assert api.get(f"tasks/{proposal['target']}")["priority"] is None


@pytest.mark.parametrize("verb", ["accept", "reject"])
@pytest.mark.parametrize("who", ["assistant", "bound-assistant", "admin", "operator"])
def test_only_a_person_answers_a_proposal(api: Api, verb: str, who: str) -> None:
    proposal = proposed(api)
    answer = api.call("POST", f"proposals/{proposal['id']}/{verb}", who)
    assert (answer.status_code, answer.json()["code"]) == (403, "human_required")
    assert api.get(f"proposals/{proposal['id']}")["status"] == "proposed"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"target": "tsk_none"}, "target_unknown"),
        ({"target": "anything"}, "target_unknown"),
        ({"patch": {"colour": "red"}}, "validation_failed"),
        ({"patch": {"status": "finished"}}, "validation_failed"),
        ({"confidence": 2}, "validation_failed"),
        ({"status": "accepted"}, "validation_failed"),
    ],
    ids=str,
)
def test_a_proposal_that_could_never_be_accepted_is_refused(
    api: Api, changed: Any, code: str
) -> None:
    task = api.post("tasks", {"title": "A"})
    body = {"kind": "triage", "target": task["id"], "patch": {}} | changed
    answer = api.call("POST", "proposals", "assistant", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
