"""What is peculiar to Redmine: where our key goes, silent refusals, notes, and who sees what."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.redmine.connector import RedmineConnector
from connectors.redmine.sandbox import ANN, HUB, RedmineSandbox
from connectors.sdk import AuthError, Change, ConfigError, Fetch, Outcome, Record
from connectors.sdk.conformance import Stage

Connect = Callable[..., RedmineConnector]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with closing(Stage(RedmineConnector, "issue")) as stage:
        yield stage


@pytest.fixture
def redmine(stage: Stage) -> RedmineSandbox:
    sandbox = stage.sandbox
    assert isinstance(sandbox, RedmineSandbox)
    return sandbox


@pytest.fixture
def connect(stage: Stage) -> Connect:
    return stage.connector


def pulled(connector: RedmineConnector, object: str) -> list[Record]:
    return [one for page in connector.pull(object, {}, ()) for one in page.records]


def make(connector: RedmineConnector, **fields: Any) -> Record:
    change = Change("create", "issue", "key-1", {"subject": "Login fails", **fields})
    (result,) = connector.push([change])
    assert result.outcome is Outcome.OK
    assert result.record is not None
    return result.record


def edit(connector: RedmineConnector, id: str, **fields: Any) -> Record:
    (result,) = connector.push([Change("update", "issue", "key-2", fields, id)])
    assert result.outcome is Outcome.OK
    assert result.record is not None
    return result.record


def test_the_key_hides_in_the_description_and_outlives_a_new_one(
    redmine: RedmineSandbox, connect: Connect
) -> None:
    connector = connect()
    made = make(connector, description="Since today.")
    assert redmine.issues[1]["description"] == "Since today.\n\n<!-- hub-key:key-1 -->"
    assert (made.key, made.data["description"]) == ("key-1", "Since today.")
    edited = edit(connector, made.id, description="Since Monday.")
    assert (edited.key, edited.data["description"]) == ("key-1", "Since Monday.")


def test_the_key_goes_into_a_custom_field_that_is_named(
    redmine: RedmineSandbox, connect: Connect
) -> None:
    connector = connect(key_field=9)
    made = make(connector, description="Since today.", cf_7="north")
    assert redmine.issues[1]["description"] == "Since today."
    assert redmine.issues[1]["cf"] == {7: "north", 9: "key-1"}
    assert made.key == "key-1"
    assert "cf_9" not in made.data
    assert made.data["cf_7"] == "north"
    change = Change("create", "issue", "key-1", {"subject": "Login fails"})
    (found,) = connector.find("issue", [change])
    assert found is not None
    assert found.id == made.id


def test_where_redmine_drops_keys_not_finding_one_proves_nothing(
    redmine: RedmineSandbox, connect: Connect
) -> None:
    redmine.create({"subject": "Login fails"}, HUB)
    lost = Change("create", "issue", "key-1", {"subject": "Login fails"})
    connector = connect()
    with pytest.raises(ConfigError, match="kept no key"):
        connector.find("issue", [lost])
    other = Change("create", "issue", "key-2", {"subject": "Something else"})
    assert connect().find("issue", [other]) == [None]


def test_a_transition_the_workflow_forbids_shows_in_what_redmine_holds(
    redmine: RedmineSandbox,
    connect: Connect,
) -> None:
    redmine.create({"subject": "Spam", "status_id": 6}, ANN)
    held = edit(connect(), "1", status_id="3", subject="Still spam")
    assert (held.data["status_id"], held.data["subject"]) == ("6", "Still spam")


def test_closed_issues_are_pulled_and_names_that_writes_use_are_read(
    redmine: RedmineSandbox,
    connect: Connect,
) -> None:
    redmine.create({"subject": "Old", "status_id": 5, "assigned_to_id": ANN}, ANN)
    (closed,) = pulled(connect(), "issue")
    assert (closed.data["status_id"], closed.data["assigned_to_id"]) == ("5", "2")
    assert closed.data["parent_issue_id"] is None
    assert edit(connect(), "1", assigned_to_id=None).data["assigned_to_id"] is None


def test_private_notes_stay_where_they_are_unless_wanted(
    redmine: RedmineSandbox, connect: Connect
) -> None:
    redmine.create({"subject": "Login fails"}, ANN)
    redmine.note(1, "For everybody.", ANN)
    redmine.change(redmine.issues[1], {"notes": "For us.", "private_notes": True}, ANN)
    assert [one.data["notes"] for one in pulled(connect(), "comment")] == ["For everybody."]
    assert len(pulled(connect(private_notes=True), "comment")) == 2
    (hidden,) = connect().fetch("comment", ["1-2"])
    assert hidden.deleted


def test_the_hub_finds_its_own_private_note_again(
    redmine: RedmineSandbox, connect: Connect
) -> None:
    redmine.create({"subject": "Login fails"}, ANN)
    fields = {"notes": "For us.", "private_notes": True}
    note = Change("create", "comment", "key-1", fields, parent="1")
    (result,) = connect().push([note])
    assert result.outcome is Outcome.OK
    assert connect().find("comment", [note]) == [result.record]
    assert pulled(connect(), "comment") == []


def test_a_note_of_the_second_in_which_its_issue_changed_is_read(
    redmine: RedmineSandbox, connect: Connect
) -> None:
    """Redmine's times are whole seconds: the issue looks as it did before."""
    connector = connect()
    issue = make(connector)
    pages = list(connector.pull("comment", {}, ()))
    redmine.note(int(issue.id), "In the same second", ANN)
    found = [
        one.data["notes"]
        for page in connector.pull("comment", pages[-1].cursor, ())
        for one in page.records
    ]
    assert found == ["In the same second"]


def test_a_note_that_redmine_keeps_back_is_refused(
    redmine: RedmineSandbox, connect: Connect
) -> None:
    redmine.create({"subject": "Login fails"}, ANN)
    redmine.ignored = 1
    note = Change("create", "comment", "key-1", {"notes": "Done."}, parent="1")
    (result,) = connect().push([note])
    assert result.outcome is Outcome.REJECTED
    assert "add notes" in result.message


def test_refusals_name_their_fields(connect: Connect) -> None:
    fields = {"subject": "", "due_date": "soon", "assigned_to_id": "4711", "cf_7": "west"}
    (result,) = connect().push([Change("create", "issue", "key-1", fields)])
    assert result.outcome is Outcome.REJECTED
    assert result.field_errors == {
        "subject": "cannot be blank",
        "due_date": "is not a valid date",
        "assigned_to_id": "is invalid",
        "*": "Region is not included in the list",
    }


def test_new_issues_need_a_project_that_exists(redmine: RedmineSandbox, connect: Connect) -> None:
    change = Change("create", "issue", "key-1", {"subject": "Login fails"})
    for project in (None, "elsewhere"):
        with pytest.raises(ConfigError, match="project"):
            connect(project=project).push([change])
    assert redmine.ledger == []


def test_a_webhook_says_what_to_read(redmine: RedmineSandbox, connect: Connect) -> None:
    redmine.create({"subject": "Login fails"}, ANN)
    redmine.note(1, "Again.", ANN)
    redmine.change(redmine.issues[1], {"status_id": 2}, ANN)
    redmine.delete(1)
    parsed = [connect().parse(one) for one in redmine.sent]
    issue = Fetch("issue", ["1"])
    gone = Record("issue", "1", {}, deleted=True)
    assert parsed == [[issue], [issue, Fetch("comment", ["1-1"])], [issue], [gone]]
    body = {"type": "wiki_page.created", "timestamp": "2026-03-01T10:00:00Z", "data": {}}
    news = redmine.sign(json.dumps(body).encode(), at=datetime.now(UTC))
    assert connect().parse(news) == []


def test_choices_are_ids_and_custom_fields_come_with_their_values(connect: Connect) -> None:
    fields = {one.name: one for one in connect().discover("issue")}
    assert list(fields["status_id"].choices) == ["1", "2", "3", "4", "5", "6"]
    assert list(fields["assigned_to_id"].choices) == ["1", "2", "3"]
    assert list(fields["cf_7"].choices) == ["north", "south"]
    assert fields["cf_7"].label == "Region"


def test_keys_of_people_are_never_read(connect: Connect) -> None:
    (fetched,) = connect().fetch("user", [str(ANN)])
    assert fetched.data["login"] == "ann"
    assert "api_key" not in fetched.data


def test_users_are_offered_only_where_they_may_be_listed() -> None:
    assert set(RedmineConnector.offers({})) == {"issue", "comment"}
    assert set(RedmineConnector.offers({"people": True})) == {"issue", "comment", "user"}


def test_a_refused_key_names_both_remedies(connect: Connect) -> None:
    with pytest.raises(AuthError, match="REST API"):
        connect(auth={"api_key": "wrong"}).check()
