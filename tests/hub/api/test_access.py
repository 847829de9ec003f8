"""Who may call what: tokens, sessions, roles; and requests that are refused before they matter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from structlog.testing import capture_logs

from hub import identity
from hub.api.app import create_api
from hub.api.stream import Stream
from hub.hub import open_hub
from hub.settings import from_environment
from hub.store import access
from tests.hub.api.conftest import Api

ROLES = ("assistant", "member", "operator", "admin")

# method, path, the least role without a person that gets past the door; "person": none does
MATRIX = [
    ("GET", "tasks", "assistant"),
    ("POST", "tasks", "member"),
    ("GET", "tasks/{id}", "assistant"),
    ("PATCH", "tasks/{id}", "member"),
    ("DELETE", "tasks/{id}", "operator"),
    ("GET", "tasks/{id}/explain", "assistant"),
    ("GET", "tasks/{id}/comments", "assistant"),
    ("POST", "tasks/{id}/comments", "member"),
    ("POST", "tasks/{id}/links", "member"),
    ("PUT", "tasks/{id}/links/{connection}", "member"),
    ("DELETE", "tasks/{id}/links/{connection}", "member"),
    ("POST", "tasks/{id}/merge", "member"),
    ("POST", "items/{id}/links", "member"),
    ("PUT", "items/{id}/links/{connection}", "member"),
    ("DELETE", "items/{id}/links/{connection}", "member"),
    ("POST", "items/{id}/merge", "member"),
    ("GET", "unlinked", "assistant"),
    ("POST", "unlinked", "member"),
    ("GET", "items", "assistant"),
    ("GET", "items/{id}", "assistant"),
    ("GET", "parties", "assistant"),
    ("GET", "parties/{id}/away", "assistant"),
    ("POST", "parties/{id}/away", "member"),
    ("DELETE", "parties/{id}/away/{absence_id}", "member"),
    ("GET", "accounts", "operator"),
    ("POST", "accounts/identify", "operator"),
    ("POST", "accounts/unidentify", "operator"),
    ("GET", "cases", "assistant"),
    ("POST", "cases", "member"),
    ("GET", "cases/{id}", "assistant"),
    ("GET", "cases/{id}/diagram.svg", "assistant"),
    ("GET", "processes", "assistant"),
    ("GET", "processes/{key}", "assistant"),
    ("GET", "processes/{key}/diagram.svg", "assistant"),
    ("GET", "processes/{key}/bpmn", "assistant"),
    ("POST", "cases/{id}/suspend", "operator"),
    ("POST", "cases/{id}/resume", "operator"),
    ("POST", "cases/{id}/terminate", "operator"),
    ("POST", "cases/{id}/migrate", "operator"),
    ("POST", "cases/{id}/steps/{step}/complete", "operator"),
    ("POST", "cases/{id}/steps/{step}/skip", "operator"),
    ("GET", "decisions", "assistant"),
    ("GET", "decisions/{id}", "assistant"),
    ("POST", "decisions/{id}", "person"),
    ("POST", "decisions/{id}/delegate", "person"),
    ("DELETE", "decisions/{id}/delegate", "person"),
    ("DELETE", "decisions/{id}/voice", "person"),
    ("GET", "handoffs", "assistant"),
    ("GET", "handoffs/{id}", "assistant"),
    ("POST", "handoffs", "member"),
    ("POST", "handoffs/{id}/accept", "person"),
    ("POST", "handoffs/{id}/decline", "person"),
    ("GET", "exceptions", "assistant"),
    ("GET", "exceptions/{id}", "assistant"),
    ("POST", "exceptions/{id}/resolve", "operator"),
    ("POST", "exceptions/{id}/waive", "operator"),
    ("POST", "exceptions/{id}/retry", "operator"),
    ("GET", "proposals", "assistant"),
    ("POST", "proposals", "assistant"),
    ("GET", "proposals/{id}", "assistant"),
    ("POST", "proposals/{id}/accept", "person"),
    ("POST", "proposals/{id}/reject", "person"),
    ("GET", "nudges", "assistant"),
    ("POST", "steps/{id}/snooze", "person"),
    ("GET", "deliveries", "operator"),
    ("GET", "deliveries/{id}", "operator"),
    ("POST", "deliveries/{id}/replay", "operator"),
    ("POST", "deliveries/replay", "operator"),
    ("GET", "pushes", "operator"),
    ("GET", "pushes/{id}", "operator"),
    ("POST", "pushes/{id}/retry", "operator"),
    ("GET", "connections", "member"),
    ("GET", "connections/{name}", "member"),
    ("GET", "connections/{name}/schema", "member"),
    ("GET", "connections/{name}/refusals", "operator"),
    ("POST", "connections/{name}/pull", "operator"),
    ("POST", "connections/{name}/pause", "operator"),
    ("POST", "connections/{name}/resume", "operator"),
    ("POST", "connections/{name}/check", "operator"),
    ("GET", "connections/{name}/authorize", "operator"),
    ("GET", "metrics/process", "assistant"),
]
OPEN = ("/healthz", "/readyz", "/metrics")


def knock(api: Api, method: str, path: str, who: str | None) -> Any:
    for name in ("id", "name", "connection"):
        path = path.replace(f"{{{name}}}", "none")
    return api.call(method, path, who)


@pytest.mark.parametrize(("method", "path", "least"), MATRIX, ids=lambda value: str(value))
def test_each_route_lets_in_who_may_and_nobody_else(
    api: Api, method: str, path: str, least: str
) -> None:
    """A body is missing and ids lead nowhere, so whoever gets in sees 404 or 422, or an empty
    list.
    """
    for role in ROLES:
        answer = knock(api, method, path, role)
        inside = least != "person" and ROLES.index(role) >= ROLES.index(least)
        if inside:
            assert answer.status_code in (200, 404, 422), (role, answer.text)
        else:
            assert answer.status_code == 403, (role, answer.text)
            assert answer.json()["code"] in ("forbidden", "human_required")
    stranger = knock(api, method, path, None)
    assert (stranger.status_code, stranger.json()["code"]) == (401, "unauthorized")
    assert stranger.headers["www-authenticate"].startswith("Bearer")


def test_no_route_is_missing_from_the_matrix(api: Api) -> None:
    paths = api.get("/openapi.json", None)["paths"]
    found = {(verb.upper(), path) for path, verbs in paths.items() for verb in verbs}
    listed = {(method, f"/api/v1/{path}") for method, path, _ in MATRIX}
    assert found == listed | {("GET", path) for path in OPEN} | {("GET", "/api/v1/stream")}


def test_a_person_may_settle_exceptions_without_being_an_operator(api: Api) -> None:
    assert api.call("POST", "exceptions/none/retry", "dana").status_code == 404
    assert api.call("POST", "exceptions/none/retry", "bound-assistant").status_code == 403


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic abc", "Bearer wrong", "Bearer hub_\xff", "hub_x"],
)
def test_a_header_that_is_no_token_is_a_401(api: Api, header: str) -> None:
    answer = api.client.get("/api/v1/tasks", headers={"Authorization": header.encode("latin-1")})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_expired_token_and_a_session_as_token_are_strangers(api: Api) -> None:
    _, old = identity.create_token(api.hub, "admin", "old", lifetime=timedelta(seconds=-1))
    api.tokens["old"] = old
    api.tokens["session"] = session_of(api)
    assert api.call("GET", "tasks", "old").status_code == 401
    assert api.call("GET", "tasks", "session").status_code == 401


def test_the_bootstrap_token_is_an_admin_but_nobody(api: Api) -> None:
    task = api.post("tasks", {"title": "A"}, "bootstrap")
    assert task["requester"] is None
    assert task["accountable"]["name"] == "Dana Meier"


# --------------------------------------------------------------------------------------- sessions


def session_of(api: Api, person: str = "dana") -> str:
    with api.hub.database.write() as tx:
        _, secret = access.make_token(
            tx,
            "session",
            person,
            "member",
            api.hub.clock(),
            party=api.party(person)["id"],
            lifetime=timedelta(hours=1),
        )
    return secret


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.test", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://testserver"}, 201),
        ({"Origin": "https://hub.acme.test"}, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
    ],
    ids=str,
)
def test_a_session_changes_things_from_our_own_pages_only(
    api: Api, headers: dict[str, str], status: int
) -> None:
    cookie = {"Cookie": f"hub_session={session_of(api)}"}
    answer = api.client.post("/api/v1/tasks", json={"title": "A"}, headers=headers | cookie)
    assert answer.status_code == status
    assert api.client.get("/api/v1/tasks", headers=cookie).status_code == 200


def test_a_cookie_that_is_no_session_is_a_stranger(api: Api) -> None:
    answer = api.client.get("/api/v1/tasks", headers={"Cookie": "hub_session=x"})
    assert answer.status_code == 401


# ---------------------------------------------------------------------------------------- refusals


def send(api: Api, body: bytes, **headers: str) -> Any:
    kinds = {"Content-Type": "application/json"} | headers
    return api.call("POST", "tasks", content=body, headers=kinds)


@pytest.mark.parametrize(
    "body",
    [
        b'{"title": ',
        b'{"title": "a", "title": "b"}',
        b'{"title": "a", "custom": {"x": {"y": 1, "y": 1}}}',
        b'{"title": NaN}',
        b'{"title": "a", "custom": {"x": Infinity}}',
        b'{"title": "a", "custom": {"x": 1e999}}',
        b'{"title": "a", "custom": {"x": 9223372036854775808}}',
        b'{"title": "a", "custom": {"x": ' + b"9" * 5000 + b"}}",
        b'{"title": "a", "custom": {"x": ' + b"[" * 101 + b"]" * 101 + b"}}",
        b"[" * 100_000,
        b"[" * 5000 + b"]" * 5000,
        b'{"title": "\\ud800"}',
        b'{"title": "a\\u0000b"}',
        b'{"title": "\xff"}',
        b'{"a\\u0000": 1}',
    ],
    ids=lambda body: repr(body[:40]),
)
def test_json_that_others_may_read_differently_is_rejected(api: Api, body: bytes) -> None:
    answer = send(api, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "json_rejected")
    assert api.get("tasks")["items"] == []


def test_what_stays_within_the_limits_is_taken(api: Api) -> None:
    deep = b"[" * 97 + b"]" * 97
    body = b'{"title": "\xc3\xa9\\ud83d\\ude00", "custom": {"x": %s, "n": 9223372036854775807}}'
    assert send(api, body % deep).json()["title"] == "é😀"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_cap_is_refused(api: Api, chunked: bool) -> None:
    big = b'{"title": "' + b"a" * (1024 * 1024) + b'"}'
    answer = send(api, iter([big[:9], big[9:]]) if chunked else big)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
        {"Content-Encoding": "gzip"},
    ],
    ids=str,
)
def test_a_body_that_is_not_plain_json_is_refused(api: Api, headers: dict[str, str]) -> None:
    answer = send(api, b'{"title": "a"}', **headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v1/tasks/", 404, "not_found"),
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/api/v1/tasks", 405, "method_not_allowed"),
        ("GET", "/api/v1/tasks/tsk_none", 404, "not_found"),
        ("GET", "/api/v1/items/itm_none", 404, "not_found"),
        ("GET", "/api/v1/cases/cas_none", 404, "not_found"),
        ("GET", "/api/v1/tasks?limit=501", 422, "validation_failed"),
        ("GET", "/api/v1/tasks?limit=0", 422, "validation_failed"),
        ("GET", "/api/v1/tasks?status=closed", 422, "validation_failed"),
        ("GET", "/api/v1/tasks?q=%00", 400, "bad_request"),
        ("GET", "/api/v1/tasks/a%00b", 400, "bad_request"),
        ("GET", "/api/v1/metrics/process?process=none", 404, "process_unknown"),
        ("GET", "/api/v1/connections/none", 404, "connection_unknown"),
    ],
)
def test_every_error_is_a_problem_with_a_stable_code(
    api: Api, method: str, path: str, status: int, code: str
) -> None:
    answer = api.call(method, path, "operator")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]
    if status == 405:
        assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "e30", "", "bnVsbA", "WyJ0YXNrcyJd", "é", "%%%",
        "WyJ0YXNrcyIsIngiLCJ5Il0",  # ["tasks","x","y"]
        "WyJ0YXNrcyIsIjIwMjYtMDEtMDEiLCJ5Il0",  # a moment without a zone
        "WyJ0YXNrcyIsIjIwMjYtMDEtMDFUMDA6MDA6MDBaIiw1XQ",  # an id that is a number
        "W1tbW1tbW1s" * 100,
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["tasks", "deliveries", "parties"])
def test_a_cursor_of_somebody_elses_making_is_refused(api: Api, path: str, cursor: str) -> None:
    answer = api.call("GET", path, "operator", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    for title in ("A", "B"):
        api.post("tasks", {"title": title})
    cursor = api.get("tasks", limit=1)["next"]
    assert api.call("GET", "items", params={"cursor": cursor}).json()["code"] == "cursor_invalid"


def test_our_own_bug_is_a_500_that_tells_nothing(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_it(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret is hunter2")

    monkeypatch.setattr("hub.store.work.search", break_it)
    with capture_logs() as logged:
        answer = api.call("GET", "tasks")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "hunter2" not in answer.text
    assert [(line["event"], line["path"]) for line in logged] == (
        [("request failed", "/api/v1/tasks")]
    )


def test_without_a_workspace_the_api_says_what_to_do(tmp_path: Any) -> None:
    token = "a-bootstrap-token-of-good-length"
    hub = open_hub(from_environment({"HUB_ADMIN_TOKEN": token}, workspace=tmp_path), {})
    client = TestClient(create_api(hub, Stream()), raise_server_exceptions=False)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "not_ready")
    assert "hub apply" in ready.json()["detail"]
    answer = client.post(
        "/api/v1/tasks", json={"title": "A"}, headers={"Authorization": f"Bearer {token}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "no_workspace")
    hub.database.close()
