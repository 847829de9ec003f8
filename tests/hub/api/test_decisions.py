"""Cases, decisions and handoffs over HTTP: people decide, on evidence they saw, once."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from hub.store import cases, work
from hub.store.tables import decisions, proposals
from tests.hub.api.conftest import Api


def start(api: Api, process: str = "question", who: str = "operator", **more: Any) -> Any:
    return api.post("cases", {"process": process, "title": "Acme", **more}, who)


def open_decision(api: Api, who: str = "dana") -> Any:
    (decision,) = api.get("decisions", who, status="open")["items"]
    return decision


def decide(api: Api, decision: Any, who: str = "dana", **changed: Any) -> Any:
    body = {"outcome": "approved", "evidence_hash": decision["evidence_hash"], **changed}
    return api.call("POST", f"decisions/{decision['id']}", who, json=body)


# ----------------------------------------------------------------------------------------- cases


def test_a_case_starts_once_per_key_and_is_joined_afterwards(api: Api) -> None:
    body = {"process": "question", "title": "Acme", "key": "A1", "data": {"amount": 5}}
    first = api.post("cases", body, status=201)
    assert (first["status"], first["key"], first["data"]) == ("active", "A1", {"amount": 5})
    assert first["started_by"]["name"] == "Dana Meier"
    assert first["accountable"]["name"] == "Dana Meier"
    again = api.post("cases", {**body, "data": {"amount": 6}}, status=200)
    assert (again["id"], again["data"]) == (first["id"], {"amount": 5})


def test_a_case_tells_what_happened_in_it(api: Api) -> None:
    case = start(api)
    shown = api.get(f"cases/{case['id']}")
    assert [event["type"] for event in shown["timeline"]] == [
        "case.started",
        "step.activated",
        "decision.requested",
    ]
    assert [step["key"] for step in shown["steps"]] == ["grant"]
    assert shown["decisions"][0]["question"] == "Grant credit"
    assert shown["handoffs"] == []
    assert {"id", "version", "process", "process_version", "health", "links", "items", "tasks"} <= (
        set(shown)
    )


def test_cases_are_listed_by_what_they_are(api: Api) -> None:
    started = [start(api, title=f"Case {number}")["id"] for number in range(3)]
    start(api, "work", data={"amount": 1})
    page = api.get("cases", process="question", limit=2)
    rest = api.get("cases", process="question", limit=2, cursor=page["next"])
    assert [one["id"] for one in page["items"] + rest["items"]] == started[::-1]
    assert rest["next"] is None
    assert api.get("cases", status="completed")["items"] == []
    assert len(api.get("cases", q="case 1", health="on_track")["items"]) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"process": "qestion", "title": "x"}, "process_unknown"),
        ({"process": "question", "title": "x", "item": "itm_none"}, "validation_failed"),
        ({"process": "question", "data": []}, "validation_failed"),
        ({"title": "x"}, "validation_failed"),
    ],
    ids=str,
)
def test_a_case_that_cannot_start_says_why(api: Api, body: Any, code: str) -> None:
    answer = api.call("POST", "cases", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


# ------------------------------------------------------------------------------------- decisions


def test_a_person_decides_and_the_case_goes_on(api: Api) -> None:
    case = start(api)
    decision = open_decision(api)
    assert decision["options"] == ["approved", "rejected"]
    assert decision["evidence"]["case"]["title"] == "Acme"
    made = decide(api, decision, comment="Fine with me.").json()
    assert (made["outcome"], made["decided_by"]["name"]) == ("approved", "Dana Meier")
    assert (made["channel"], made["comment"]) == ("api", "Fine with me.")
    assert made["evidence_hash"] == decision["evidence_hash"]
    ended = api.get(f"cases/{case['id']}")
    assert ended["status"] == "completed"
    (event,) = [one for one in ended["timeline"] if one["type"] == "decision.made"]
    assert event["actor"]["kind"] == "person"
    assert api.get("decisions", status="open")["items"] == []


def test_a_deputy_decides_on_behalf(api: Api) -> None:
    start(api)
    made = decide(api, open_decision(api), "lee").json()
    assert made["decided_by"]["name"] == "Lee Kim"
    assert made["on_behalf_of"]["name"] == "Dana Meier"


def test_changed_evidence_sends_the_decider_back(api: Api) -> None:
    case = start(api, data={"amount": 5})
    seen = open_decision(api)
    with api.hub.database.write() as tx:
        row = cases.load(tx, [case["id"]], lock=True)[case["id"]]
        cases.save(tx, row | {"data": {"amount": 50_000}})
    answer = decide(api, seen)
    assert (answer.status_code, answer.json()["code"]) == (409, "evidence_changed")
    again = open_decision(api)
    assert again["evidence"]["case"]["data"] == {"amount": 50_000}
    assert decide(api, again).status_code == 200


def test_a_decision_is_taken_once(api: Api) -> None:
    start(api)
    decision = open_decision(api)
    decide(api, decision)
    answer = decide(api, decision, "lee", outcome="rejected")
    assert (answer.status_code, answer.json()["code"]) == (409, "already_decided")
    assert "Dana Meier" in answer.json()["detail"]
    assert api.get(f"decisions/{decision['id']}")["outcome"] == "approved"


@pytest.mark.parametrize("who", ["assistant", "bound-assistant", "operator", "admin", "bootstrap"])
def test_whoever_is_no_person_cannot_decide(api: Api, who: str) -> None:
    start(api)
    decision = open_decision(api)
    answer = decide(api, decision, who)
    assert (answer.status_code, answer.json()["code"]) == (403, "human_required")
    assert api.get(f"decisions/{decision['id']}")["outcome"] is None


@pytest.mark.parametrize(
    ("who", "changed", "status", "code"),
    [
        ("kim", {}, 403, "not_yours"),
        ("dana", {"outcome": "maybe"}, 422, "unknown_option"),
        ("dana", {"outcome": "expired"}, 422, "unknown_option"),
        ("dana", {"evidence_hash": "0" * 64}, 409, "evidence_changed"),
        ("dana", {"evidence_hash": None}, 422, "validation_failed"),
    ],
    ids=str,
)
def test_a_decision_that_is_not_in_order_is_refused(
    api: Api, who: str, changed: Any, status: int, code: str
) -> None:
    start(api)
    decision = open_decision(api)
    answer = decide(api, decision, who, **changed)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert api.get(f"decisions/{decision['id']}")["outcome"] is None


def test_whoever_started_the_case_is_excluded(api: Api) -> None:
    start(api, who="dana")
    answer = decide(api, open_decision(api))
    assert (answer.status_code, answer.json()["code"]) == (403, "excluded")


def test_a_decision_that_is_none_is_not_found(api: Api) -> None:
    answer = api.call(
        "POST", "decisions/dec_none", json={"outcome": "approved", "evidence_hash": "x"}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_the_database_itself_takes_no_outcome_from_anything_but_a_person(api: Api) -> None:
    start(api)
    decision = open_decision(api)
    with api.hub.database.write() as tx:
        bot = "pty_bot"
        tx.execute(
            sa.insert(work.ENTITIES["party"]).values(
                id=bot, kind="assistant", side="internal", name="Bot", created_at=api.hub.clock()
            )
        )
        stored = cases.decision(tx, decision["id"]) or {}
    for values in (
        {"outcome": "approved"},
        {"outcome": "approved", "decided_by": bot, "decided_by_kind": "assistant"},
        {"outcome": "approved", "decided_by": bot, "decided_by_kind": "person"},
        {"outcome": "approved", "decided_by": bot},
    ):
        with pytest.raises(IntegrityError), api.hub.database.write() as tx:
            tx.execute(
                sa.update(decisions).where(decisions.c.id == decision["id"]).values(**values)
            )
        forged = stored | {"id": "dec_forged"} | values
        with pytest.raises(IntegrityError), api.hub.database.write() as tx:
            tx.execute(sa.insert(decisions).values(forged))
    with pytest.raises(IntegrityError), api.hub.database.write() as tx:
        tx.execute(
            sa.insert(proposals).values(
                id="prp_forged", kind="x", by={}, target="x", patch={}, citations=[],
                status="accepted", created_at=api.hub.clock(), answered_by=bot,
                answered_by_kind="assistant",
            )
        )  # fmt: skip


# -------------------------------------------------------------------------------------- handoffs


def offered(api: Api) -> Any:
    start(api, "work", data={"amount": 5})
    (handoff,) = api.get("handoffs", "lee", status="offered", to="me")["items"]
    return handoff


def test_a_handoff_is_accepted_by_whoever_it_was_offered_to(api: Api) -> None:
    handoff = offered(api)
    assert (handoff["from"]["name"], handoff["to"]["name"]) == ("Dana Meier", "Lee Kim")
    accepted = api.post(f"handoffs/{handoff['id']}/accept", {"note": "On it."}, "lee")
    assert (accepted["status"], accepted["note"]) == ("accepted", "On it.")
    again = api.call("POST", f"handoffs/{handoff['id']}/decline", "lee")
    assert (again.status_code, again.json()["code"]) == (409, "already_answered")


def test_a_declined_handoff_goes_back_to_whoever_answers_for_it(api: Api) -> None:
    handoff = offered(api)
    declined = api.post(f"handoffs/{handoff['id']}/decline", {"note": "Away."}, "lee")
    assert declined["status"] == "declined"
    task = api.get(f"tasks/{handoff['task']}")
    assert task["assignee"]["name"] == "Dana Meier"
    (exception,) = api.get("exceptions", type="handoff_unaccepted")["items"]
    assert exception["owner"]["name"] == "Dana Meier"


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [
        ("lee", 200, None),
        ("boss", 200, None),
        ("dana", 403, "not_yours"),
        ("kim", 403, "not_yours"),
        ("admin", 403, "human_required"),
        ("assistant", 403, "human_required"),
    ],
)
def test_only_the_right_person_answers_a_handoff(
    api: Api, who: str, status: int, code: str | None
) -> None:
    handoff = offered(api)
    answer = api.call("POST", f"handoffs/{handoff['id']}/accept", who)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


def test_work_done_over_the_api_moves_the_case(api: Api) -> None:
    handoff = offered(api)
    api.call("PATCH", f"tasks/{handoff['task']}", "lee", json={"status": "done"})
    assert api.get(f"cases/{handoff['case']}")["status"] == "completed"
    assert api.get(f"handoffs/{handoff['id']}")["status"] == "accepted"
