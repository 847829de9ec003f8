"""Who is who in the tools, over HTTP."""

from __future__ import annotations

from typing import Any

from tests.hub.api.conftest import Api


def unknown(api: Api) -> Any:
    """A row that is owned by somebody whom nobody knows: its task and the exception."""
    api.write_row("1", Owner="L. Kim")
    api.pull()
    (exception,) = api.get("exceptions", type="unmapped_value")["items"]
    return exception


def test_saying_who_it_is_settles_the_exception(api: Api) -> None:
    exception = unknown(api)
    ended = api.post(f"exceptions/{exception['id']}/resolve", {"person": "lee"})
    assert (ended["status"], ended["resolution"]) == ("resolved", "L. Kim in tracker is lee")
    api.work()
    (task,) = api.get("tasks")["items"]
    assert task["assignee"]["name"] == "Lee Kim"
    (lee,) = api.get("parties", q="lee@")["items"]
    (account,) = lee["accounts"]
    assert (account["connection"], account["evidence"]) == ("tracker", "person")


def test_an_operator_says_who_it_is_and_takes_it_back(api: Api) -> None:
    said = {"connection": "tracker", "name": "L. Kim"}
    account = api.post("accounts/identify", {**said, "person": "lee@acme.test"}, "operator")
    assert account["handle"] == "L. Kim"
    assert [one["party"] for one in api.get("accounts", "operator")["items"]] == [account["party"]]
    assert api.post("accounts/unidentify", said, "operator")["party"] is None
    assert api.get("accounts", "operator")["items"] == []
    again = api.call("POST", "accounts/unidentify", "operator", json=said)
    assert (again.status_code, again.json()["code"]) == (404, "account_unknown")


def test_nobody_is_guessed(api: Api) -> None:
    exception = unknown(api)
    answer = api.call("POST", f"exceptions/{exception['id']}/resolve", json={"person": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    answer = api.call("POST", f"exceptions/{exception['id']}/resolve", json={"account": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "no_person_asked")
    assert api.get(f"exceptions/{exception['id']}")["status"] == "open"
