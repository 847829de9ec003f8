"""Rows about who calls the API and the pages: keys of repeated requests, roles, markup."""

from __future__ import annotations

import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from hub import identity
from hub.api import tasks
from hub.store import dialect, repeats
from hub.store.database import Database
from tests.hostile.conftest import refusal
from tests.hostile.house import House

ROLES = yaml.safe_load((Path(__file__).parent / "roles.yaml").read_text(encoding="utf-8"))
KEY = {"Idempotency-Key": "7c1b8e1e"}


def titles(home: House) -> Counter[str]:
    return Counter(one["title"] for one in home.call("GET", "tasks").json()["items"])


class TestIdempotencyKey:
    def test_the_same_request_has_one_effect_and_one_answer(self, alone: House) -> None:
        task = {"title": "Once"}
        first, second = (alone.call("POST", "tasks", json=task, headers=KEY) for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        for name in ("etag", "location"):
            assert first.headers[name] == second.headers[name]
        assert "idempotency-replayed" not in first.headers
        assert second.headers["idempotency-replayed"] == "true"
        assert titles(alone) == {"Once": 1}

    def test_another_body_under_the_same_key_is_refused(self, alone: House) -> None:
        alone.call("POST", "tasks", json={"title": "One"}, headers=KEY)
        other = alone.call("POST", "tasks", json={"title": "Other"}, headers=KEY)
        assert refusal(other, 422) == "idempotency_key_reused"
        assert titles(alone) == {"One": 1}

    def test_a_key_counts_for_one_caller_and_one_route(self, alone: House) -> None:
        for who in ("boss", "lee"):
            assert alone.call("POST", "tasks", who, json={"title": who}, headers=KEY).is_success
        case = {"process": "question", "title": "A case"}
        assert alone.call("POST", "cases", json=case, headers=KEY).status_code == 201
        assert titles(alone)["boss"] == titles(alone)["lee"] == 1

    def test_two_at_once_have_one_effect(
        self, alone: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        inside, go = threading.Event(), threading.Event()
        announce = tasks.change.announce_new

        def slowly(*given: Any) -> None:
            inside.set()
            assert go.wait(20)
            announce(*given)

        monkeypatch.setattr(tasks.change, "announce_new", slowly)
        task = {"title": "Slow"}
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(alone.call, "POST", "tasks", json=task, headers=KEY)
            assert inside.wait(20)
            second = alone.call("POST", "tasks", json=task, headers=KEY)
            go.set()
            assert refusal(second, 409) == "idempotency_key_in_use"
            assert first.result(20).status_code == 201
        assert alone.call("POST", "tasks", json=task, headers=KEY).status_code == 201
        assert titles(alone) == {"Slow": 1}

    def test_the_answer_and_the_effect_are_kept_together_or_not_at_all(
        self, alone: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        woken: list[str] = []
        alone.hub.wake = woken.append
        task = {"title": "Mirrored", "connection": "github"}
        with monkeypatch.context() as broken, capture_logs():
            broken.setattr(repeats, "keep", lambda *_: 1 / 0)
            failed = alone.call("POST", "tasks", json=task, headers=KEY)
        assert refusal(failed, 500) == "internal_error"
        assert not titles(alone)
        assert woken == []
        assert alone.call("POST", "tasks", json=task, headers=KEY).status_code == 201
        assert titles(alone) == {"Mirrored": 1}
        assert "deliver" in woken

    def test_a_refusal_is_not_kept(self, alone: House) -> None:
        assert alone.call("POST", "tasks", json={"title": ""}, headers=KEY).status_code == 422
        assert alone.call("POST", "tasks", json={"title": "Now"}, headers=KEY).status_code == 201

    @pytest.mark.parametrize("key", ["", " ", "a" * 256, "\x7f", "é"])
    def test_what_is_no_key_is_said(self, home: House, key: str) -> None:
        headers = {"Idempotency-Key": key.encode("latin-1")}
        answer = home.call("POST", "tasks", json={"title": "x"}, headers=headers)
        assert refusal(answer, 400) == "idempotency_key_invalid"

    def test_every_post_takes_one_or_asks_a_tool(self, home: House) -> None:
        paths = home.client.get("/openapi.json").json()["paths"]
        without = {
            path
            for path, verbs in paths.items()
            if "post" in verbs
            and "Idempotency-Key" not in {one["name"] for one in verbs["post"]["parameters"]}
        }
        assert without == {f"/api/v1/connections/{{name}}/{verb}" for verb in ("pull", "check")}

    @pytest.mark.scaled
    def test_another_process_does_not_wait_either(self, postgres_database: Database) -> None:
        with postgres_database.write() as one, postgres_database.write() as other:
            assert dialect.enter_at_once(one, "repeat x")
            assert not dialect.enter_at_once(other, "repeat x")


class TestRolesAndRoutes:
    """404 and 422 are those who got in: the ids lead nowhere, and there is no body."""

    @pytest.mark.parametrize("caller", ROLES["callers"])
    def test_each_route_answers_as_the_table_says(self, home: House, caller: str) -> None:
        who = None if caller == "stranger" else caller
        wrong = {}
        for route, answers in ROLES["routes"].items():
            method, path = route.split(" ", 1)
            path = re.sub(r"\{[a-z_]+\}", "none", path)
            status = home.call(method, path, who).status_code
            if status != answers[ROLES["callers"].index(caller)]:
                wrong[route] = status
        assert not wrong

    def test_no_route_is_missing_from_the_table(self, home: House) -> None:
        paths = home.client.get("/openapi.json").json()["paths"]
        found = {f"{verb.upper()} {path}" for path, verbs in paths.items() for verb in verbs}
        assert found - {"GET /api/v1/stream"} == set(ROLES["routes"])


MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script>'


class TestMarkupInASubject:
    def test_it_is_text_on_every_page_and_nothing_may_run(self, alone: House) -> None:
        case = alone.call("POST", "cases", json={"process": "question", "title": MARKUP}).json()
        alone.call("POST", "tasks", json={"title": MARKUP, "description": MARKUP})
        body = MARKUP.encode()
        alone.hook("shop", body)
        link = identity.sign_in_link(alone.hub, "", "dana")
        session = identity.sign_in(alone.hub, link.rpartition("/")[2])
        assert session
        alone.client.cookies.set("hub_session", session)
        shown = 0
        for path in ("/", f"/cases/{case['id']}", "/tasks", "/exceptions", "/connections",
                     f"/tasks?q={MARKUP}", "/p/none", "/sign-in/none", "/docs",
                     f"/nowhere/{MARKUP}", "/openapi.json", "/api/v1/tasks"):  # fmt: skip
            answer = alone.client.get(path)
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src '"), path
            assert "script-src" not in policy
            assert "unsafe-eval" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff", path
            if answer.headers["content-type"].startswith("text/html"):
                assert "<img src=x" not in answer.text, path
                assert "<script>alert" not in answer.text, path
                shown += "&lt;img src=x" in answer.text
        assert shown >= 3
