"""What the sandbox announces, held against GitHub's own schema of webhooks."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

from connectors.github.sandbox import GithubSandbox
from tests.connectors.described import folder


def test_webhooks_are_those_of_githubs_schema() -> None:
    file = folder() / "github" / "webhooks-schema.json"
    if not file.is_file():
        pytest.skip("HUB_VENDOR_SPECS has no github/webhooks-schema.json")
    schema = DRAFT7.create_resource(json.loads(file.read_bytes()))
    registry = Registry().with_resource("urn:github", schema)
    with GithubSandbox() as sandbox:
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
        event = {"$ref": f"urn:github#/definitions/{name}"}
        errors = Draft7Validator(event, registry=registry).iter_errors(payload)
        assert [f"{name} {list(e.absolute_path)}: {e.message[:200]}" for e in errors] == []
        seen.add(name)
    assert len(seen) >= 9
