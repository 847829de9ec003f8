"""What the connector sends and what the sandbox answers, held against Atlassian's own description,
so that the two cannot drift from the truth together. It is of 2022: what is newer (`/search/jql`,
`/issue/bulkfetch`, the split createmeta) is not in it.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse
from openapi_core.validation.response.exceptions import ResponseValidationError

from connectors.jira.config import JiraConfig
from connectors.jira.connector import JiraConnector
from connectors.jira.sandbox import CLIENT_SECRET, SECRET, JiraSandbox
from connectors.jira.sandbox_oauth import CLOUD_ID
from connectors.sdk import Change, Outcome, Record
from connectors.sdk.sandbox import Asgi

FILE = "platform-swagger.v3.full.json"
GATEWAY = f"/ex/jira/{CLOUD_ID}"
HUB = "https://hub.example.com/webhooks/jira"
NEWER = ("/search/jql", "/issue/bulkfetch", "/issue/createmeta/")


def described() -> dict[str, Any]:
    folder = os.environ.get("HUB_VENDOR_SPECS")
    if not folder or not (Path(folder) / "jira" / FILE).is_file():
        pytest.skip(f"HUB_VENDOR_SPECS names no folder with jira/{FILE}")
    spec: dict[str, Any] = json.loads((Path(folder) / "jira" / FILE).read_bytes())
    spec.pop("security", None)
    ours = ("myself", "issue", "comment", "users", "user", "field", "project", "webhook")
    spec["paths"] = {
        path: {name: part for name, part in item.items()}
        for path, item in spec["paths"].items()
        if path.removeprefix("/rest/api/3/").split("/")[0] in ours
    }
    for item in spec["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    return spec


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    method: str
    path: str
    query: list[tuple[str, str]]
    sent: bytes
    status: int
    answered: bytes


class Recorded(JiraSandbox):
    """Keeps every exchange with the REST API."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[Exchange] = []

    def app(self) -> Asgi:
        inner = super().app()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            sent = bytearray()
            start: dict[str, Any] = {}
            answered = bytearray()

            async def heard() -> Any:
                message = await receive()
                sent.extend(message.get("body", b""))
                return message

            async def told(message: Any) -> None:
                start.update(message if message["type"] == "http.response.start" else {})
                answered.extend(message.get("body", b""))
                await send(message)

            await inner(scope, heard, told)
            path = scope["path"].removeprefix(GATEWAY)
            if path.startswith("/rest/api/3"):
                query = parse_qsl(scope["query_string"].decode())
                self.exchanges.append(
                    Exchange(
                        scope["method"], path, query, bytes(sent), start["status"], bytes(answered)
                    )
                )

        return app


def done(jira: JiraConnector, change: Change) -> Record:
    [result] = jira.push([change])
    assert (result.outcome, result.message) == (Outcome.OK, "")
    assert result.record is not None
    return result.record


def act(sandbox: Recorded) -> None:
    """Everything the connector can do, once."""
    block = {**sandbox.app_connection(), "notify_users": False, "webhook": {"secret": SECRET}}
    block.pop("connector")
    block["auth"] = {**block["auth"], "client_secret": CLIENT_SECRET}
    jira = JiraConnector("jira", JiraConfig.model_validate(block))
    assert jira.consent is not None
    consent = jira.consent.begin("https://hub.example.com/back")
    answer = httpx.get(consent.url, follow_redirects=False, trust_env=False)
    back = httpx.URL(answer.headers["location"]).params
    jira.consent.finish(consent, back["code"], back["state"])

    seen = sandbox.create_issue("Seen", text="As *seen*.", labels=["bug"])
    for number in range(25):
        sandbox.comment(seen, f"Said {number}")
    jira.check()
    jira.discover("issue")
    fields = {
        "summary": "Wire it",
        "description_text": "Please:\n\n- a `database`",
        "labels": ["bug"],
        "priority": "High",
        "assignee": sandbox.first_person,
        "duedate": "2026-12-24",
        "customfield_10010": {"value": "Gold"},
        "status": "In Progress",
    }
    made = done(jira, Change("create", "issue", "k-1", fields))
    changes = {"summary": "Wired", "status": {"statusCategory": {"key": "done"}}, "assignee": None}
    done(jira, Change("update", "issue", "k-2", changes, made.id, base=made.data))
    two = [Change("create", "issue", f"b-{n}", {"summary": "x" * n}) for n in (20, 300)]
    assert [one.outcome for one in jira.push(two)] == [Outcome.OK, Outcome.REJECTED]
    [wrong] = jira.push([Change("create", "issue", "w", {"summary": "x", "nonsense": 1})])
    assert wrong.outcome is Outcome.REJECTED
    said = done(jira, Change("create", "comment", "c-1", {"body_text": "Hi"}, parent=made.id))
    change = {"body_text": "Hi **there**"}
    done(jira, Change("update", "comment", "c-2", change, said.id, parent=made.id))
    for object, ids in (("issue", [made.id, "1"]), ("comment", [said.id, "1"])):
        assert [one.deleted for one in jira.fetch(object, ids)] == [False, True]
        assert list(jira.pull(object, {}, ()))
    assert list(jira.pull("user", {}, ()))
    jira.fetch("user", [sandbox.first_person, sandbox.bot])
    lost = Change("create", "comment", "c", {}, parent=seen, created_at=datetime.now(UTC))
    assert jira.find("comment", [lost]) == [None]
    hook = jira.renew(jira.subscribe(HUB))
    jira.unsubscribe(hook)
    done(jira, Change("delete", "comment", "c-3", {}, said.id, parent=made.id))
    done(jira, Change("delete", "issue", "k-3", {}, made.id))
    jira.close()


def test_requests_and_answers_are_those_of_atlassians_description() -> None:
    truth = OpenAPI.from_dict(described(), config=Config(spec_validator_cls=None))  # type: ignore[arg-type]
    with Recorded() as sandbox:
        act(sandbox)
    seen, wrong = set(), set()
    for one in sandbox.exchanges:
        if one.path.removeprefix("/rest/api/3").startswith(NEWER):
            continue
        request = MockRequest(
            "https://your-domain.atlassian.net",
            one.method.lower(),
            one.path,
            args=one.query,  # type: ignore[arg-type]
            data=one.sent or None,
            content_type="application/json",
        )
        # its examples show +0000, its format wants +00:00
        answered = re.sub(rb'(\d[+-]\d\d)(\d\d")', rb"\1:\2", one.answered)
        response = MockResponse(
            answered,
            status_code=one.status,
            content_type="application/json" if one.answered else "",
        )
        try:
            truth.validate_request(request)
            if one.status != 204:  # described as 204 with a body
                truth.validate_response(request, response)
        except (OpenAPIError, ResponseValidationError) as error:
            why = getattr(error.__cause__, "schema_errors", None) or [error.__cause__ or error]
            told = "; ".join(str(reason).split("\n")[0][:300] for reason in why)
            wrong.add(f"{one.method} {one.path} ({one.status}): {told}")
        seen.add((one.method, one.path.split("/")[4]))
    assert wrong == set()
    assert len(seen) >= 14, sorted(seen)
