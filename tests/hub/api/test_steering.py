"""Cases steered through the API: rest, end, a step by hand, another version of the process."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hub.apply import apply
from hub.registry import connector_classes
from tests.hub.api.conftest import ENV, Api, workspace_files

FULL = """
process: full
accountable: dana
steps:
  each:
    title: "For ${each.name}"
    each: "${case.data.list}"
    responsible: lee
  part: {type: process, title: Part, process: question}
  wait: {type: wait, title: Wait, event: item.*, key: "${item.title}", after: [each]}
"""


@pytest.fixture
def case(api: Api) -> dict[str, Any]:
    put(api, FULL)
    body = {"process": "full", "title": "Acme", "data": {"list": [{"name": "a"}, {"name": "b"}]}}
    return api.get(f"cases/{api.post('cases', body)['id']}")


def put(api: Api, text: str) -> None:
    files = {**workspace_files(api.sheet), "processes/full.yaml": text}
    apply(api.hub.database, files, connector_classes(), datetime.now(UTC), env=ENV, force=True)


def test_steps_tell_their_element_their_round_and_their_own_case(
    api: Api, case: dict[str, Any]
) -> None:
    runs = [step for step in case["steps"] if step["key"] == "each"]
    assert [(s["run"], s["round"], s["element"], s["each_index"], s["title"]) for s in runs] == [
        (1, 1, {"name": "a"}, 0, "For a"),
        (2, 1, {"name": "b"}, 1, "For b"),
    ]
    [part] = [step for step in case["steps"] if step["key"] == "part"]
    sub = api.get(f"cases/{part['subcase']}")
    assert sub["parent"] == {"case": case["id"], "step": part["id"]}
    assert case["parent"] is None


def test_a_case_rests_and_goes_on(api: Api, case: dict[str, Any]) -> None:
    path = f"cases/{case['id']}"
    assert api.post(f"{path}/suspend", {}, status=422)["code"] == "comment_required"
    assert api.post(f"{path}/suspend", {"comment": "they asked"})["status"] == "suspended"
    assert api.post(f"{path}/suspend", {"comment": "again"}, status=409)["code"] == "not_active"
    assert api.post(f"{path}/resume")["status"] == "active"
    assert api.post(f"{path}/resume", status=409)["code"] == "not_suspended"
    [event] = [e for e in api.get(path)["timeline"] if e["type"] == "case.suspended"]
    assert (event["actor"]["name"], event["data"]["why"]) == ("Dana Meier", "they asked")


def test_a_case_is_ended_with_a_reason_and_its_parts_with_it(
    api: Api, case: dict[str, Any]
) -> None:
    path = f"cases/{case['id']}"
    api.post(f"{path}/terminate", {"comment": "x"}, "assistant", status=403)
    api.post(f"{path}/terminate", {"comment": "x"}, "member", status=403)
    ended = api.post(f"{path}/terminate", {"comment": "customer withdrew"})
    assert (ended["status"], ended["outcome"]) == ("terminated", "customer withdrew")
    part = next(step["subcase"] for step in ended["steps"] if step["subcase"])
    assert api.get(f"cases/{part}")["status"] == "terminated"
    assert api.post(f"{path}/resume", status=409)["code"] == "not_suspended"
    api.post("cases/cas_nobody/terminate", {"comment": "x"}, status=404)


def test_a_step_is_moved_by_hand(api: Api, case: dict[str, Any]) -> None:
    path = f"cases/{case['id']}/steps"
    part = next(step["id"] for step in case["steps"] if step["key"] == "part")
    each = next(step["id"] for step in case["steps"] if step["key"] == "each")
    assert api.post(f"{path}/{each}/skip", {"comment": "x"}, status=409)["code"] == "not_by_hand"
    done = api.post(f"{path}/{part}/complete", {"comment": "answered by phone"})
    step = next(one for one in done["steps"] if one["id"] == part)
    assert (step["status"], step["outcome"]) == ("completed", "answered by phone")
    assert api.get(f"cases/{step['subcase']}")["status"] == "terminated"
    api.post(f"{path}/stp_nobody/skip", {"comment": "x"}, status=404)


def test_a_case_moves_to_the_version_in_force(api: Api, case: dict[str, Any]) -> None:
    path = f"cases/{case['id']}/migrate"
    put(api, FULL + "  more: {title: More}\n")
    looked = api.post(path, {"dry_run": True})
    assert (looked["added"], looked["problems"]) == (["more"], [])
    assert api.get(f"cases/{case['id']}")["process_version"] == case["process_version"]
    api.post(path)
    after = api.get(f"cases/{case['id']}")
    assert after["process_version"] == looked["after"]
    assert next(s["status"] for s in after["steps"] if s["key"] == "more") == "active"


def test_what_cannot_be_moved_says_why(api: Api, case: dict[str, Any]) -> None:
    once = FULL.replace('    each: "${case.data.list}"\n', "").replace("${each.name}", "all")
    put(api, once)
    refused = api.post(f"cases/{case['id']}/migrate", status=409)
    assert refused["code"] == "cannot_migrate"
    assert "once per element" in refused["detail"]
