"""The default mappings of the jira connector, on records as Jira sends them and back again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import connectors.jira
from connectors.jira.config import JiraConfig
from connectors.jira.connector import JiraConnector
from connectors.jira.records import comment_record, issue_record, user_record
from connectors.jira.sandbox import PEOPLE, TOKEN, JiraSandbox
from connectors.sdk import Change, Outcome
from mappings.check import check_mapping
from mappings.compiler import CompiledMapping, compile_mapping
from mappings.examples import run_examples
from mappings.language import load_mapping

HOME = Path(connectors.jira.__file__).parent
SITE = "https://acme.atlassian.net"


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
    record = issue_record(fixture("issue"), SITE)
    assert (record.id, record.url) == ("10002", f"{SITE}/browse/OPS-7")
    assert record.address == {"key": "OPS-7", "project": "OPS"}
    mapped = compiled("issue").inward(record.data, Everybody(), "jira")
    assert mapped.problems == []
    assert mapped.values == {
        "title": "Login fails",
        "description": "Since **this morning**.\n\n- Chrome",
        "status": "in_progress",
        "priority": "high",
        "due": {"date": "2026-03-04"},
        "assignee": "party:5b10a2844c20165700ede21g",
        "requester": "party:5b10ac8d82e05b22cc7d4ef5",
        "labels": ["onboarding", "vip"],
        "custom.project": "OPS",
        "custom.type": "Bug",
    }


def test_a_comment_becomes_a_comment() -> None:
    record = comment_record(fixture("comment"), SITE)
    assert (record.parent, record.key) == ("10002", "c-1")
    mapped = compiled("comment").inward(record.data, Everybody(), "jira")
    assert mapped.problems == []
    assert mapped.values == {
        "body": "[@Lee Kim](mention:5b10ac8d82e05b22cc7d4ef5) can you look?",
        "author": "party:5b10a2844c20165700ede21g",
    }


def test_a_person_without_a_visible_mail_address_becomes_a_party_and_an_app_does_not() -> None:
    record, mapping = user_record(fixture("user"), SITE), compiled("user")
    mapped = mapping.inward(record.data, Everybody(), "jira")
    assert mapped.problems == []
    assert mapped.values["name"] == "Lee Kim"
    assert mapped.values.get("email") is None
    assert mapping.matches(record.data)
    assert not mapping.matches({**record.data, "accountType": "app"})


@pytest.mark.parametrize("status", ["open", "in_progress", "on_hold", "done", "cancelled"])
@pytest.mark.parametrize("priority", ["urgent", "high", "normal", "low"])
def test_what_the_mapping_writes_jira_takes(status: str, priority: str) -> None:
    values = {
        "title": "Wire the tenant",
        "description": "Please:\n\n- a *database*\n- users",
        "status": status,
        "priority": priority,
        "assignee": f"party:{PEOPLE[0][0]}",
        "due": {"date": "2026-12-24"},
        "labels": ["bug", "vip"],
    }
    mapping = compiled("issue")
    outward = mapping.outward(values, Everybody(), "jira")
    assert outward.problems == []
    with JiraSandbox() as sandbox:
        block = {**sandbox.connection(), "webhook": {}}
        block.pop("connector")
        block["auth"] = {**block["auth"], "api_token": TOKEN}
        jira = JiraConnector("jira", JiraConfig.model_validate(block))
        [result] = jira.push([Change("create", "issue", "k", outward.fields)])
        assert (result.outcome, result.message) == (Outcome.OK, "")
        assert result.record is not None
        again = mapping.inward(result.record.data, Everybody(), "jira").values
        # the same once more, over what Jira holds: nothing left to write
        base = dict(result.record.data)
        repeat = mapping.outward(values, Everybody(), "jira", base=base)
        effects = len(sandbox.ledger)
        change = Change("update", "issue", "k-2", repeat.fields, id=result.record.id, base=base)
        assert jira.push([change])[0].outcome is Outcome.OK
        assert len(sandbox.ledger) == effects
        jira.close()
    held = {"on_hold": "in_progress", "cancelled": "done"}.get(status, status)
    assert {name: again[name] for name in values} == {**values, "status": held}


@pytest.mark.parametrize("name", ["issue", "comment", "user"])
def test_the_examples_in_the_mapping_hold(name: str) -> None:
    mapping = compiled(name)
    assert mapping.spec.examples
    assert run_examples(mapping, lambda path: None) == []
