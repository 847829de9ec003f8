"""The default mappings of the github connector, on GitHub's own payloads and back again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import connectors.github
from connectors.github.config import GithubConfig
from connectors.github.connector import GithubConnector
from connectors.github.sandbox import TOKEN, GithubSandbox
from connectors.sdk import Change, Outcome
from mappings.check import check_mapping
from mappings.compiler import CompiledMapping, compile_mapping
from mappings.language import load_mapping

HOME = Path(connectors.github.__file__).parent


class Everybody:
    """A directory in which people have one name everywhere."""

    def party_for(self, connection: str, handle: str) -> str | None:
        return f"party:{handle}"

    def handle_for(self, connection: str, party: str) -> str | None:
        return party.removeprefix("party:")


def compiled(name: str) -> CompiledMapping:
    file = HOME / "mappings" / f"{name}.yaml"
    spec, findings = load_mapping(str(file), file.read_text())
    assert spec is not None, findings
    assert [*findings, *check_mapping(spec)] == []
    return compile_mapping(spec)


def fixture(name: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads((HOME / "fixtures" / f"{name}.json").read_bytes())
    return payload


def test_an_issue_becomes_a_task() -> None:
    mapped = compiled("issue").inward(fixture("issues.opened")["issue"], Everybody(), "github")
    assert mapped.problems == []
    assert mapped.values == {
        "title": "Spelling error in the README file",
        "description": "It looks like you accidently spelled 'commit' with two 't's.",
        "status": "open",
        "due": {"date": "2019-05-23"},
        "assignee": "party:Codertocat",
        "labels": ["bug"],
    }


def test_a_comment_becomes_a_comment() -> None:
    row = fixture("issue_comment.created")["comment"]
    mapped = compiled("comment").inward(row, Everybody(), "github")
    assert mapped.problems == []
    assert mapped.values["body"] == row["body"]
    assert mapped.values["author"] == "party:Codertocat"


def test_pull_requests_and_their_comments_are_left_out() -> None:
    issue, comment = fixture("issues.opened")["issue"], fixture("issue_comment.created")["comment"]
    assert compiled("issue").matches(issue)
    assert not compiled("issue").matches({**issue, "pull_request": {"url": "x"}})
    assert compiled("comment").matches(comment)
    pull = comment["html_url"].replace("/issues/", "/pull/")
    assert not compiled("comment").matches({**comment, "html_url": pull})


@pytest.mark.parametrize("status", ["open", "in_progress", "on_hold", "done", "cancelled"])
def test_what_the_mapping_writes_github_takes(status: str) -> None:
    values = {
        "title": "Wire the tenant",
        "description": "Please",
        "status": status,
        "assignee": "party:lkim",
        "labels": ["bug", "vip"],
    }
    mapping = compiled("issue")
    outward = mapping.outward(values, Everybody(), "github")
    assert outward.problems == []
    with GithubSandbox() as sandbox:
        block = {**sandbox.connection(), "auth": {"token": TOKEN}, "webhook": {}}
        block.pop("connector")
        github = GithubConnector("github", GithubConfig.model_validate(block))
        [result] = github.push([Change("create", "issue", "k", outward.fields)])
        assert result.outcome is Outcome.OK
        assert result.record is not None
        again = mapping.inward(result.record.data, Everybody(), "github").values
        # the same once more, over what GitHub holds: nothing left to write
        base = dict(result.record.data)
        repeat = mapping.outward(values, Everybody(), "github", base=base)
        change = Change(
            "update",
            "issue",
            "k-2",
            repeat.fields,
            id=result.record.id,
            address=result.record.address,
            base=base,
        )
        assert github.push([change])[0].outcome is Outcome.OK
        assert len([one for one in sandbox.ledger if one.op == "update"]) == (
            1 if status in ("done", "cancelled") else 0  # the closing that belongs to the create
        )
        github.close()
    closed = status in ("done", "cancelled")
    assert again == {**values, "status": "done" if closed else "open", "due": None}
