"""Tasks over HTTP: the list, changes with and without a version, comments, links, explanations."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hub.api.conftest import Api


def test_a_task_of_a_tool_is_listed_with_its_link(api: Api) -> None:
    api.pull()
    page = api.get("tasks", connection="tracker")
    assert page["next"] is None
    (task,) = page["items"]
    assert (task["title"], task["status"]) == ("Order laptops", "open")
    assert task["links"][0]["external_id"] == "1"
    assert set(task) == {
        "id", "version", "title", "description", "status", "assignee", "accountable", "requester",
        "waiting_on", "due", "start_by", "priority", "labels", "url", "case", "step", "custom",
        "links", "created_at", "updated_at", "completed_at",
    }  # fmt: skip
    assert task["created_at"].endswith("Z")


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"connection": "tracker", "object": "row", "external_id": "1"}, ["Order laptops"]),
        ({"connection": "github"}, []),
        ({"status": "in_progress"}, ["Late"]),
        ({"assignee": "lee"}, ["Late"]),
        ({"assignee": "LEE@acme.test"}, ["Late"]),
        ({"assignee": "nobody-we-know"}, []),
        ({"accountable": "me"}, ["Mine", "Late"]),
        ({"waiting_on": "external"}, ["Mine"]),
        ({"overdue": "true"}, ["Late"]),
        ({"overdue": "false"}, ["Mine", "Order laptops"]),
        ({"q": "LAPTOP"}, ["Order laptops"]),
        ({"q": "100%"}, []),
    ],
    ids=str,
)
def test_filters_narrow_the_list(api: Api, filters: dict[str, str], found: list[str]) -> None:
    api.pull()
    late = {"title": "Late", "assignee": "lee", "accountable": "dana", "status": "in_progress"}
    api.post("tasks", {**late, "due": {"at": "2020-01-01T00:00:00Z"}})
    api.post("tasks", {"title": "Mine", "waiting_on": "external"})
    assert [task["title"] for task in api.get("tasks", **filters)["items"]] == found


def test_pages_lead_through_everything_once_while_tasks_are_added(api: Api) -> None:
    for number in range(7):
        api.post("tasks", {"title": f"Task {number}"})
    seen, cursor = [], None
    while True:
        params: Any = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = api.get("tasks", **params)
        seen += [task["title"] for task in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        api.post("tasks", {"title": "Added meanwhile"})
    assert seen == [f"Task {number}" for number in reversed(range(7))]


def test_a_new_task_has_its_people_and_says_where_it_is(api: Api) -> None:
    answer = api.call(
        "POST",
        "tasks",
        json={
            "title": "  Ship it ",
            "assignee": "lee",
            "due": {"date": "2026-03-01"},
            "labels": ["a"],
            "custom": {"amount": 5},
        },
    )
    task = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/tasks/{task['id']}"
    assert answer.headers["etag"] == '"1"'
    assert task["title"] == "Ship it"
    assert task["assignee"] == {
        "id": api.party("lee")["id"], "kind": "person", "side": "internal", "name": "Lee Kim",
        "email": "lee@acme.test",
    }  # fmt: skip
    assert task["accountable"]["name"] == "Lee Kim"
    assert task["requester"]["name"] == "Dana Meier"
    assert (task["due"], task["custom"]) == ({"date": "2026-03-01"}, {"amount": 5})


def test_a_new_task_is_created_in_the_tool_it_names(api: Api) -> None:
    task = api.post("tasks", {"title": "Plan party", "connection": "tracker"})
    api.work()
    (link,) = api.get(f"tasks/{task['id']}")["links"]
    assert api.rows()[link["external_id"]]["Title"] == "Plan party"


def test_a_change_reaches_the_tool_and_raises_the_version(api: Api) -> None:
    api.pull()
    (task,) = api.get("tasks")["items"]
    answer = api.call(
        "PATCH",
        f"tasks/{task['id']}",
        json={"status": "done", "assignee": "dana"},
        headers={"If-Match": f'"{task["version"]}"'},
    )
    changed = answer.json()
    assert (changed["status"], changed["version"]) == ("done", task["version"] + 1)
    assert changed["completed_at"] is not None
    api.work()
    assert (api.rows()["1"]["Status"], api.rows()["1"]["Owner"]) == ("Done", "dana@acme.test")


def test_what_was_read_can_be_sent_back(api: Api) -> None:
    task = api.post("tasks", {"title": "A", "assignee": "lee", "due": {"date": "2026-03-01"}})
    again = {name: task[name] for name in ("title", "assignee", "accountable", "due", "labels")}
    answer = api.call("PATCH", f"tasks/{task['id']}", json=again)
    assert answer.json()["version"] == task["version"]


@pytest.mark.parametrize("version", ['"7"', "7", 'W/"7"'])
def test_a_stale_version_is_refused_with_the_current_task(api: Api, version: str) -> None:
    task = api.post("tasks", {"title": "A"})
    answer = api.call(
        "PATCH", f"tasks/{task['id']}", json={"title": "B"}, headers={"If-Match": version}
    )
    assert answer.status_code == 409
    assert answer.json()["code"] == "version_conflict"
    assert answer.json()["current"] == task
    assert answer.headers["etag"] == '"1"'
    assert api.get(f"tasks/{task['id']}")["title"] == "A"


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"title": None}, 422, "validation_failed", "title"),
        ({"title": "   "}, 422, "validation_failed", "title"),
        ({"titel": "x"}, 422, "validation_failed", "titel"),
        ({"status": "finished"}, 422, "validation_failed", "status"),
        ({"assignee": "stranger"}, 422, "validation_failed", "assignee"),
        ({"due": {}}, 422, "validation_failed", "due"),
        ({"due": {"at": "2026-03-01T10:00:00"}}, 422, "validation_failed", "due.at"),
        ({"version": 3}, 422, "validation_failed", "version"),
    ],
    ids=str,
)
def test_a_wrong_change_is_refused_by_field(
    api: Api, body: dict[str, Any], status: int, code: str, field: str
) -> None:
    task = api.post("tasks", {"title": "A"})
    answer = api.call("PATCH", f"tasks/{task['id']}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert [one["field"] for one in answer.json()["errors"]] == [field]
    assert api.get(f"tasks/{task['id']}")["version"] == 1


def test_a_step_no_state_machine_has_is_refused(api: Api) -> None:
    task = api.post("tasks", {"title": "A", "status": "done"})
    answer = api.call("PATCH", f"tasks/{task['id']}", json={"status": "on_hold"})
    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")


def test_custom_fields_are_merged_one_by_one(api: Api) -> None:
    task = api.post("tasks", {"title": "A", "custom": {"a": 1, "b": 2}})
    answer = api.call("PATCH", f"tasks/{task['id']}", json={"custom": {"b": 3}})
    assert answer.json()["custom"] == {"a": 1, "b": 3}


def test_a_version_that_is_none_is_named(api: Api) -> None:
    task = api.post("tasks", {"title": "A"})
    answer = api.call(
        "PATCH", f"tasks/{task['id']}", json={"title": "B"}, headers={"If-Match": "latest"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "if_match_invalid")


# ---------------------------------------------------------------------------------- explanations


def test_a_value_is_explained_by_person_and_by_mapping_line_newest_first(api: Api) -> None:
    api.pull()
    (task,) = api.get("tasks")["items"]
    api.write_row("1", Status="In progress")
    api.pull()
    api.call("PATCH", f"tasks/{task['id']}", json={"status": "on_hold"})
    api.call("PATCH", f"tasks/{task['id']}", json={"priority": "high"})
    told = api.get(f"tasks/{task['id']}/explain", field="status")
    assert (told["field"], told["value"]) == ("status", "on_hold")
    hand, sheet, first = told["chain"]
    assert hand["value"] == {"before": "in_progress", "after": "on_hold"}
    assert hand["actor"] == {
        "kind": "person", "id": api.party("dana")["id"], "name": "Dana Meier",
    }  # fmt: skip
    assert sheet["value"] == {"before": "open", "after": "in_progress"}
    assert sheet["actor"]["kind"] == "connector"
    assert "row.yaml:" in sheet["mapping"]["status"]
    assert sheet["because"][0]["kind"] == "pull"
    assert first["event"]["type"] == "task.created"


def test_explaining_a_field_that_no_task_has_is_refused(api: Api) -> None:
    task = api.post("tasks", {"title": "A"})
    answer = api.call("GET", f"tasks/{task['id']}/explain", params={"field": "colour"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


# -------------------------------------------------------------------------------------- comments


def linked_to_github(api: Api, id: str = "4711") -> dict[str, Any]:
    task = api.post("tasks", {"title": "A"})
    task = api.post(f"tasks/{task['id']}/links", {"connection": "github", "external_id": id})
    assert [link["external_id"] for link in task["links"]] == [id]
    return dict(task)


@pytest.mark.parametrize(("visibility", "goes_out"), [("public", True), ("internal", False)])
def test_a_comment_goes_out_by_its_visibility(api: Api, visibility: str, goes_out: bool) -> None:
    task = linked_to_github(api)
    comment = api.post(
        f"tasks/{task['id']}/comments", {"body": "Done soon.", "visibility": visibility}
    )
    assert comment["author"]["name"] == "Dana Meier"
    assert api.get(f"tasks/{task['id']}/comments")["items"] == [comment]
    pushes = api.get("pushes", "operator", entity=comment["id"])["items"]
    assert [(push["connection"], push["object"], push["op"]) for push in pushes] == (
        [("github", "comment", "create")] if goes_out else []
    )


def test_a_comment_on_nothing_is_refused(api: Api) -> None:
    assert api.call("POST", "tasks/tsk_none/comments", json={"body": "x"}).status_code == 404
    task = api.post("tasks", {"title": "A"})
    assert api.call("POST", f"tasks/{task['id']}/comments", json={"body": " "}).status_code == 422


# ----------------------------------------------------------------------------------------- links


def test_linking_to_a_row_that_is_there_overwrites_neither_side(api: Api) -> None:
    api.write_row("2", Title="Theirs", Notes="What they know")
    task = api.post("tasks", {"title": "Ours"})
    api.post(f"tasks/{task['id']}/links", {"connection": "tracker", "external_id": "2"}, status=201)
    api.work()
    linked = api.get(f"tasks/{task['id']}")
    assert (linked["title"], linked["description"]) == ("Ours", "What they know")
    assert api.rows()["2"]["Title"] == "Theirs"
    (conflict,) = api.get("exceptions", type="sync_conflict", subject=task["id"])["items"]
    assert "title" in conflict["title"]


def test_linking_without_an_id_creates_the_record_there(api: Api) -> None:
    task = api.post("tasks", {"title": "Ours"})
    api.post(f"tasks/{task['id']}/links", {"connection": "tracker"}, status=202)
    answer = api.call("POST", f"tasks/{task['id']}/links", json={"connection": "tracker"})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_linked")
    api.work()
    (link,) = api.get(f"tasks/{task['id']}")["links"]
    assert api.rows()[link["external_id"]]["Title"] == "Ours"


def test_a_record_belongs_to_one_task_only(api: Api) -> None:
    first = linked_to_github(api)
    second = api.post("tasks", {"title": "B"})
    answer = api.call(
        "POST",
        f"tasks/{second['id']}/links",
        json={"connection": "github", "external_id": "4711"},
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "already_linked")
    assert answer.json()["entity"] == first["id"]


def test_unlinking_ends_the_traffic_and_is_an_event(api: Api) -> None:
    api.pull()
    (task,) = api.get("tasks")["items"]
    answer = api.call("DELETE", f"tasks/{task['id']}/links/tracker")
    assert answer.status_code == 200
    assert answer.json()["links"] == []
    api.call("PATCH", f"tasks/{task['id']}", json={"title": "Changed"})
    api.work()
    assert api.rows()["1"]["Title"] == "Order laptops"
    again = api.call("DELETE", f"tasks/{task['id']}/links/tracker")
    assert (again.status_code, again.json()["code"]) == (404, "not_linked")
    chain = api.get(f"tasks/{task['id']}/explain")["chain"]
    assert "link.removed" in [one["event"]["type"] for one in chain]


def test_an_unlinked_record_is_listed_and_becomes_a_task_only_when_asked(api: Api) -> None:
    api.pull()
    (task,) = api.get("tasks")["items"]
    api.call("DELETE", f"tasks/{task['id']}/links/tracker")
    api.write_row("1", Title="Edited there")
    api.pull()
    api.work()
    assert len(api.get("tasks")["items"]) == 1
    (left,) = api.get("unlinked")["items"]
    assert (left["external_id"], left["unlinked_from"]) == ("1", task["id"])
    wanted = {name: left[name] for name in ("connection", "object", "external_id")}
    api.post("unlinked", wanted, status=202)
    api.work()
    assert {one["title"] for one in api.get("tasks")["items"]} == {"Order laptops", "Edited there"}
    assert api.get("unlinked")["items"] == []
    again = api.call("POST", "unlinked", json=wanted)
    assert (again.status_code, again.json()["code"]) == (404, "not_left_alone")


def test_relinking_takes_another_record_in_one_call(api: Api) -> None:
    api.pull()
    (task,) = api.get("tasks")["items"]
    api.write_row("2", Title="Another")
    body = {"external_id": "2"}
    answer = api.call("PUT", f"tasks/{task['id']}/links/tracker", json=body)
    assert [one["external_id"] for one in answer.json()["links"]] == ["2"]
    assert [one["external_id"] for one in api.get("unlinked")["items"]] == ["1"]


def test_a_merged_task_answers_with_the_one_it_was_merged_into(api: Api) -> None:
    first, second = (api.post("tasks", {"title": title}) for title in ("One", "Two"))
    api.post(f"tasks/{first['id']}/comments", {"body": "A remark"})
    merged = api.post(f"tasks/{first['id']}/merge", {"into": second["id"]})
    assert (merged["id"], merged["title"]) == (second["id"], "Two")
    assert api.get(f"tasks/{first['id']}") == api.get(f"tasks/{second['id']}")
    (comment,) = api.get(f"tasks/{second['id']}/comments")["items"]
    assert comment["task"] == second["id"]
    api.post(f"tasks/{first['id']}/comments", {"body": "Said to the former one"})
    said = api.get(f"tasks/{first['id']}/comments")["items"]
    assert [(one["body"], one["task"]) for one in said] == [
        ("A remark", second["id"]),
        ("Said to the former one", second["id"]),
    ]
    former = api.get(f"tasks/{first['id']}/explain", field="title")
    assert former == api.get(f"tasks/{second['id']}/explain", field="title")
    types = [one["event"]["type"] for one in api.get(f"tasks/{second['id']}/explain")["chain"]]
    assert "task.merged" in types
    assert types.count("task.created") == 2
    again = api.call("POST", f"tasks/{first['id']}/merge", json={"into": second["id"]})
    assert (again.status_code, again.json()["code"]) == (409, "same_entity")
    lost = api.call("POST", f"tasks/{second['id']}/merge", json={"into": "tsk_nobody"})
    assert (lost.status_code, "tsk_nobody" in lost.json()["detail"]) == (404, True)


def test_the_step_of_a_task_that_is_merged_into_a_done_one_is_over(api: Api) -> None:
    case = api.post("cases", {"process": "work", "title": "Laptops", "data": {"amount": 1}})
    api.work()
    (task,) = [one for one in api.get("tasks")["items"] if one["case"] == case["id"]]
    done = api.post("tasks", {"title": "Collected them long ago"})
    api.call("PATCH", f"tasks/{done['id']}", json={"status": "done"})
    api.post(f"tasks/{task['id']}/merge", {"into": done["id"]})
    assert api.get(f"cases/{case['id']}")["status"] == "completed"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"connection": "jira", "external_id": "1"}, "connection"),
        ({"connection": "jira"}, "connection"),
        ({"connection": "github", "object": "wiki", "external_id": "1"}, "object"),
    ],
)
def test_a_link_to_nowhere_is_refused(api: Api, body: dict[str, str], field: str) -> None:
    task = api.post("tasks", {"title": "A"})
    answer = api.call("POST", f"tasks/{task['id']}/links", json=body)
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_a_deleted_task_is_gone_and_its_history_stays(api: Api) -> None:
    task = api.post("tasks", {"title": "Never mind"})
    api.post(f"tasks/{task['id']}/comments", {"body": "Really?"})
    assert api.call("DELETE", f"tasks/{task['id']}", "lee").status_code == 403
    assert api.call("DELETE", f"tasks/{task['id']}", "operator").status_code == 204
    assert api.call("GET", f"tasks/{task['id']}").status_code == 404
    assert api.call("DELETE", f"tasks/{task['id']}", "operator").status_code == 404
    assert task["id"] not in [one["id"] for one in api.get("tasks")["items"]]


def test_a_task_of_a_tool_that_was_deleted_here_makes_no_new_one(api: Api) -> None:
    api.pull()
    (task,) = api.get("tasks", connection="tracker")["items"]
    assert api.call("DELETE", f"tasks/{task['id']}", "operator").status_code == 204
    api.pull()
    assert api.get("tasks", connection="tracker")["items"] == []


def test_a_task_that_a_case_needs_is_not_deleted_before_its_step_is_over(api: Api) -> None:
    case = api.post("cases", {"process": "work", "title": "Laptops", "data": {"amount": 1}})
    api.work()
    (task,) = [one for one in api.get("tasks")["items"] if one["case"] == case["id"]]
    path = f"tasks/{task['id']}"
    refused = api.call("DELETE", path, "operator")
    assert (refused.status_code, refused.json()["code"]) == (409, "needed_by_case")
    assert "Collect documents" in refused.json()["detail"]
    assert api.get(path)["status"] == task["status"]
    done = api.call("PATCH", path, json={"status": "done"})
    assert done.status_code == 200, done.text
    assert api.call("DELETE", path, "operator").status_code in (200, 204)
    assert api.call("GET", path).status_code == 404
