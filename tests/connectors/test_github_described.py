"""What the connector sends, and what the sandbox answers and announces, held against GitHub's own
descriptions, so that the two cannot drift from the truth together.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from jsonschema import Draft7Validator
from openapi_core import Config, OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from connectors.github.config import GithubConfig
from connectors.github.connector import GithubConnector
from connectors.github.sandbox import SECRET, TOKEN, GithubSandbox
from connectors.sdk import Change, Outcome, Record
from connectors.sdk.sandbox import Asgi


def described(file: str) -> dict[str, Any]:
    folder = os.environ.get("HUB_VENDOR_SPECS")
    if not folder or not (Path(folder) / "github" / file).is_file():
        pytest.skip(f"HUB_VENDOR_SPECS names no folder with github/{file}")
    value: dict[str, Any] = json.loads((Path(folder) / "github" / file).read_bytes())
    return value


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer."""

    method: str
    path: str
    query: dict[str, str]
    sent: bytes
    status: int
    answered: bytes


class Recorded(GithubSandbox):
    """Keeps every exchange."""

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
            self.exchanges.append(
                Exchange(
                    scope["method"],
                    scope["path"],
                    dict(parse_qsl(scope["query_string"].decode())),
                    bytes(sent),
                    start["status"],
                    bytes(answered),
                )
            )

        return app


@pytest.fixture
def sandbox() -> Iterator[Recorded]:
    with Recorded() as sandbox:
        yield sandbox


def act(sandbox: Recorded) -> None:
    """Everything the connector can do, once."""
    block = {**sandbox.connection(), "auth": {"token": TOKEN}, "webhook": {"secret": SECRET}}
    block.pop("connector")
    github = GithubConnector("github", GithubConfig.model_validate(block))
    milestone = sandbox.add_milestone("v1", "2026-04-01T07:00:00Z")
    number = sandbox.open_issue("Seen", "As seen.", labels=["bug"], assignees=["lkim"])
    sandbox.comment(number, "Done?", by="lkim")
    github.check()
    github.discover("issue")
    fields = {
        "title": "Wire it",
        "body": "Please",
        "labels": ["bug", "new"],
        "assignee": "dmeier",
        "milestone": milestone,
        "state": "closed",
        "state_reason": "not_planned",
    }
    made = done(github, Change("create", "issue", "k-1", fields))
    changes = {"title": "Wired", "state": "open", "assignee": "lkim", "milestone": None}
    done(
        github,
        Change(
            "update", "issue", "k-2", changes, made.id, made.address, base=made.data, version="1"
        ),
    )
    said = done(
        github,
        Change("create", "comment", "c-1", {"body": "Hello"}, None, made.address, made.id),
    )
    done(github, Change("update", "comment", "c-2", {"body": "Hello!"}, said.id, said.address))
    lost = Change("create", "issue", "k-9", {}, created_at=datetime.now(UTC))
    assert github.find("issue", [lost]) == [None]
    assert list(github.pull("issue", {}, ()))
    assert list(github.pull("comment", {}, ()))
    [gone] = github.push([Change("delete", "comment", "c-3", {}, said.id, said.address)])
    assert gone.outcome is Outcome.OK
    hook = github.subscribe("https://hub.example.com/webhooks/github")
    github.subscribe("https://hub.example.com/webhooks/github")
    github.renew(hook)
    github.unsubscribe(hook)
    github.close()


def done(github: GithubConnector, change: Change) -> Record:
    [result] = github.push([change])
    assert result.outcome is Outcome.OK, result.message
    assert result.record is not None
    return result.record


def meant(value: Any) -> Any:
    """The description with null among the choices of what may be null: it forgets to list it."""
    if isinstance(value, list):
        return [meant(part) for part in value]
    if not isinstance(value, dict):
        return value
    if value.get("nullable") is True and isinstance(value.get("enum"), list):
        value = {**value, "enum": [*value["enum"], None]}
    if value.get("nullable") is True and isinstance(value.get("oneOf"), list):
        first, *rest = value["oneOf"]
        value = {**value, "oneOf": [{**first, "nullable": True}, *rest]}
    return {name: meant(part) for name, part in value.items()}


def test_requests_and_answers_are_those_of_githubs_description(sandbox: Recorded) -> None:
    spec = meant(described("api.github.com.issues-subset.json"))
    truth = OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None))  # type: ignore[arg-type]
    act(sandbox)
    seen = set()
    for one in sandbox.exchanges:
        request = MockRequest(
            "https://api.github.com",
            one.method.lower(),
            one.path,
            args=one.query,
            data=one.sent or None,
            content_type="application/json",
        )
        response = MockResponse(
            one.answered,
            status_code=one.status,
            content_type="application/json" if one.answered else "",
        )
        try:
            truth.validate_request(request)
            truth.validate_response(request, response)
        except OpenAPIError as error:
            why = getattr(error.__cause__, "schema_errors", None) or [error.__cause__ or error]
            told = "; ".join(str(reason).split("\n")[0][:300] for reason in why)
            pytest.fail(f"{one.method} {one.path} ({one.status}): {told}")
        seen.add(one.method)
    assert seen == {"GET", "POST", "PATCH", "DELETE"}


def test_webhooks_are_those_of_githubs_schema(sandbox: Recorded) -> None:
    schema = described("webhooks-schema.json")
    sandbox.hooks.recording = True
    number = sandbox.open_issue("x", "y", labels=["bug"], assignees=["lkim"])
    sandbox.edit_issue(number, title="z")
    sandbox.label(number)
    sandbox.assign(number, "dmeier")
    comment = sandbox.comment(number, "Done?")
    sandbox.edit_comment(comment, "Done!")
    sandbox.delete_comment(comment)
    sandbox.close_issue(number)
    sandbox.reopen_issue(number)
    sandbox.delete_issue(number)
    seen = set()
    for sent in sandbox.sent:
        payload = json.loads(sent.body)
        name = f"{sent.event}${payload['action']}"
        errors = Draft7Validator({**schema, **schema["definitions"][name]}).iter_errors(payload)
        assert [f"{name} {list(e.absolute_path)}: {e.message[:200]}" for e in errors] == []
        seen.add(name)
    assert len(seen) >= 9
