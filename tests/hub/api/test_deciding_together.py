"""Decisions of several over HTTP: seats, voices, and seats that are handed on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.apply import apply
from hub.registry import connector_classes
from tests.hub.api.conftest import ENV, Api, workspace_files

TOGETHER = """
process: together
accountable: dana
steps:
  grant:
    type: decision
    title: Grant credit
    decider: [dana, lee]
    options: [approved, rejected]
    quorum: 2
    exclude: ["${case.data.asker}"]
"""


@pytest.fixture
def asked(api: Api) -> Any:
    """A decision that Dana and Lee must take alike."""
    files = {**workspace_files(api.sheet), "processes/together.yaml": TOGETHER}
    apply(api.hub.database, files, connector_classes(), datetime.now(UTC), env=ENV, force=True)
    api.post(
        "cases",
        {"process": "together", "title": "Acme", "data": {"asker": "nobody@globex.test"}},
        "operator",
    )
    (row,) = api.get("exceptions", type="validation")["items"]
    waived = api.call("POST", f"exceptions/{row['id']}/waive", "boss", json={"comment": "Outside."})
    assert waived.status_code == 200, waived.text
    (decision,) = api.get("decisions", open=True)["items"]
    return decision


def say(api: Api, decision: Any, who: str, outcome: str = "approved") -> Any:
    body = {"outcome": outcome, "evidence_hash": decision["evidence_hash"]}
    return api.call("POST", f"decisions/{decision['id']}", who, json=body)


def test_seats_tell_who_has_said_what_and_who_is_still_asked(api: Api, asked: Any) -> None:
    assert (asked["quorum"], asked["sequence"], asked["veto"]) == (2, False, [])
    first = say(api, asked, "lee").json()
    assert first["outcome"] is None
    assert [(s["party"]["name"], s["status"], s["outcome"]) for s in first["seats"]] == [
        ("Dana Meier", "asked", None),
        ("Lee Kim", "given", "approved"),
    ]
    made = say(api, asked, "dana").json()
    assert (made["outcome"], made["decided_by"]["name"]) == ("approved", "Dana Meier")


def test_mine_are_the_decisions_in_which_somebody_may_answer(api: Api, asked: Any) -> None:
    assert [one["id"] for one in api.get("decisions", "lee", mine=True)["items"]] == [asked["id"]]
    assert api.get("decisions", "kim", mine=True)["items"] == []
    assert api.get("decisions", "operator", mine=True)["items"] == []
    assert len(api.get("decisions", case=asked["case"], open=True)["items"]) == 1


def test_a_seat_is_handed_on_answered_and_handed_back(api: Api, asked: Any) -> None:
    path = f"decisions/{asked['id']}/delegate"
    shown = api.post(path, {"to": "kim", "note": "On a plane."}, "lee")
    seat = shown["seats"][1]
    assert (seat["party"]["name"], seat["on_behalf_of"]["name"]) == ("Kim Roth", "Lee Kim")
    assert seat["note"] == "On a plane."
    back = api.call("DELETE", path, "kim").json()
    assert back["seats"][1]["party"]["name"] == "Lee Kim"
    api.post(path, {"to": "kim@acme.test"}, "lee")
    say(api, asked, "kim")
    made = say(api, asked, "dana").json()
    assert made["outcome"] == "approved"
    refused = api.call("DELETE", path, "lee")
    assert (refused.status_code, refused.json()["code"]) == (409, "already_decided")


def test_a_voice_is_taken_back(api: Api, asked: Any) -> None:
    say(api, asked, "lee", "rejected")
    back = api.call("DELETE", f"decisions/{asked['id']}/voice", "lee").json()
    assert [seat["outcome"] for seat in back["seats"]] == [None, None]


@pytest.mark.parametrize(
    ("who", "to", "status", "code"),
    [
        ("lee", "dana", 409, "already_seated"),
        ("lee", "nobody", 422, "person_unknown"),
        ("kim", "dana", 409, "already_seated"),
        ("boss", "kim", 422, "person_unknown"),
        ("operator", "kim", 403, "human_required"),
        ("assistant", "kim", 403, "human_required"),
    ],
)
def test_a_seat_is_not_handed_on_by_or_to_the_wrong_one(
    api: Api, asked: Any, who: str, to: str, status: int, code: str
) -> None:
    answer = api.call("POST", f"decisions/{asked['id']}/delegate", who, json={"to": to})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize("who", ["operator", "assistant", "bound-assistant", "admin"])
def test_whoever_is_no_person_has_no_voice(api: Api, asked: Any, who: str) -> None:
    answer = say(api, asked, who)
    assert (answer.status_code, answer.json()["code"]) == (403, "human_required")
    back = api.call("DELETE", f"decisions/{asked['id']}/voice", who)
    assert (back.status_code, back.json()["code"]) == (403, "human_required")
