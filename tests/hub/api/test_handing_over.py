"""Work handed from one to the other over HTTP, and people who are away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.hub.api.conftest import Api


@pytest.fixture
def step(api: Api) -> Any:
    """Lee's step of a running case for which Dana answers; what they were given is accepted."""
    api.post("cases", {"process": "work", "title": "Acme", "data": {"amount": 5}}, "dana")
    for row in api.get("handoffs", status="offered")["items"]:
        api.post(f"handoffs/{row['id']}/accept", {}, "lee")
    return the_step(api)


def the_step(api: Api) -> Any:
    (case,) = api.get("cases")["items"]
    return api.get(f"cases/{case['id']}")["steps"][0]


def offered(api: Api, step: Any, to: str = "kim", who: str = "lee", **more: Any) -> Any:
    return api.post("handoffs", {"step": step["id"], "to": to, **more}, who, 201)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_what_is_offered_stays_until_it_is_accepted(api: Api, step: Any) -> None:
    handoff = offered(api, step, note="I am full.")
    assert (handoff["status"], handoff["reason"]) == ("offered", "delegate")
    assert (handoff["from"]["name"], handoff["to"]["name"]) == ("Lee Kim", "Kim Roth")
    assert the_step(api)["responsible"]["name"] == "Lee Kim"
    mine = api.get("handoffs", "kim", to="me", status="offered")["items"]
    assert [row["id"] for row in mine] == [handoff["id"]]
    taken = api.post(f"handoffs/{handoff['id']}/accept", {"note": "Gladly."}, "kim")
    assert taken["status"] == "accepted"
    moved = the_step(api)
    assert (moved["responsible"]["name"], moved["accountable"]["name"]) == (
        "Kim Roth", "Dana Meier",
    )  # fmt: skip
    again = api.call("POST", f"handoffs/{handoff['id']}/decline", "kim", json={})
    assert again.status_code == 409, again.text


def test_what_is_declined_stays_with_whoever_offered_it(api: Api, step: Any) -> None:
    handoff = offered(api, step)
    told = api.post(f"handoffs/{handoff['id']}/decline", {"note": "Not mine."}, "kim")
    assert told["status"] == "declined"
    assert told["answered_at"]
    assert the_step(api)["responsible"]["name"] == "Lee Kim"


def test_only_whom_it_concerns_offers_and_answers(api: Api, step: Any) -> None:
    body = {"step": step["id"], "to": "kim"}
    assert refusal(api.call("POST", "handoffs", "kim", json=body))[0] == 403
    assert refusal(api.call("POST", "handoffs", "member", json=body)) == (403, "human_required")
    assert api.call("POST", "handoffs", "assistant", json=body).status_code == 403
    handoff = offered(api, step)
    path = f"handoffs/{handoff['id']}/accept"
    assert refusal(api.call("POST", path, "dana", json={}))[0] == 403
    assert api.call("POST", path, "operator", json={}).status_code == 403
    assert api.call("POST", path, "assistant", json={}).status_code == 403
    assert api.call("POST", path, None, json={}).status_code == 401
    assert api.get("handoffs", status="offered")["items"] != []


def test_an_unknown_one_is_named_and_nothing_happens(api: Api, step: Any) -> None:
    nobody = api.call("POST", "handoffs", "lee", json={"step": step["id"], "to": "nobdy"})
    assert nobody.status_code == 422, nobody.text
    assert "nobdy" in nobody.text
    nothing = api.call("POST", "handoffs", "lee", json={"step": "stp_none", "to": "kim"})
    assert nothing.status_code == 404
    assert api.call("GET", "handoffs/hnd_none").status_code == 404
    assert api.get("handoffs", status="offered")["items"] == []


def test_who_is_away_is_stood_in_for_and_comes_back(api: Api, step: Any) -> None:
    """Dana has Lee as deputy."""
    today = api.hub.clock().date()
    until = today + timedelta(days=5)
    said = {"from": (today - timedelta(days=1)).isoformat(), "until": until.isoformat()}
    stands = api.post("parties/dana/away", {**said, "note": "Skiing"}, "dana")
    assert (stands["standing"], stands["acting"]["name"]) == ("away", "Lee Kim")
    assert stands["until"] == until.isoformat()
    (absence,) = stands["absences"]
    assert absence["note"] == "Skiing"
    assert api.get("parties/dana/away", "kim")["standing"] == "away"
    back = api.call("DELETE", f"parties/dana/away/{absence['id']}", "dana")
    assert back.status_code in (200, 204), back.text
    assert api.get("parties/dana/away")["standing"] == "present"


def test_others_do_not_send_somebody_away(api: Api) -> None:
    today = api.hub.clock().date().isoformat()
    body = {"from": today, "until": today}
    assert api.call("POST", "parties/dana/away", "kim", json=body).status_code == 403
    assert api.call("POST", "parties/dana/away", "assistant", json=body).status_code == 403
    assert api.call("POST", "parties/nobody/away", "admin", json=body).status_code == 404
    turned = {"from": "2026-03-05", "until": "2026-03-01"}
    assert api.call("POST", "parties/dana/away", "dana", json=turned).status_code == 422
