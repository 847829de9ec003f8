"""The Jira connector against its sandbox over real HTTP: what only Jira does."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from pydantic import ValidationError

from connectors.jira import jql
from connectors.jira.config import JiraConfig
from connectors.jira.connector import JiraConnector
from connectors.jira.documents import of_text
from connectors.jira.sandbox import PEOPLE, SECRET, TOKEN, JiraSandbox
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    HttpClient,
    HttpResponse,
    Outcome,
    Page,
    Record,
    Result,
    TransientError,
)

START = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
DANA, LEE, SAM = (id for id, _, _ in PEOPLE)


CLOSING: list[JiraConnector] = []


@pytest.fixture
def sandbox() -> Iterator[JiraSandbox]:
    with JiraSandbox() as sandbox:
        yield sandbox
        while CLOSING:
            CLOSING.pop().close()


def settings(sandbox: JiraSandbox, **more: Any) -> JiraConfig:
    block = {key: value for key, value in sandbox.connection().items() if key != "connector"}
    block["auth"] = {**block["auth"], "api_token": TOKEN}
    return JiraConfig.model_validate({**block, "webhook": {"secret": SECRET}, **more})


def connect(sandbox: JiraSandbox, **more: Any) -> JiraConnector:
    CLOSING.append(JiraConnector("jira", settings(sandbox, **more)))
    return CLOSING[-1]


@pytest.fixture
def jira(sandbox: JiraSandbox) -> JiraConnector:
    return connect(sandbox)


def pull(
    jira: JiraConnector, cursor: Any = None, object: str = "issue", fields: Any = ()
) -> tuple[list[Record], Any]:
    pages = list(jira.pull(object, cursor or {}, fields))
    after = json.loads(json.dumps(pages[-1].cursor)) if pages else cursor
    return [record for page in pages for record in page.records], after


def fetched(jira: JiraConnector, id: str) -> Record:
    [record] = jira.fetch("issue", [id])
    return record


def create(key: str = "k-1", **fields: Any) -> Change:
    return Change("create", "issue", key, fields, created_at=datetime.now(UTC))


def update(record: Record, key: str = "k-2", **fields: Any) -> Change:
    return Change(
        "update",
        record.object,
        key,
        fields,
        id=record.id,
        address=record.address,
        parent=record.parent,
        base=record.data,
        version=record.version,
    )


def push(jira: JiraConnector, change: Change) -> Result:
    [result] = jira.push([change])
    return result


def searches(sandbox: JiraSandbox) -> int:
    return sum("/search/jql" in one for one in sandbox.faults.requests)


# ------------------------------------------------------------------------------------ configuration


@pytest.mark.parametrize(
    "wrong",
    [
        {"projects": []},
        {"projects": ["ops"]},
        {"projects": ['OPS") OR project in ("X']},
        {"projects": ["OPS", "OPS"]},
        {"auth": {"email": "a@b.test"}},
        {"auth": {"api_token": "not-to-be-shown"}},
        {"auth": {"email": "a@b.test", "api_token": "x", "client_id": "not-to-be-shown"}},
        {"base_url": "ftp://acme.atlassian.net"},
        {"base_url": "https://acme.atlassian.net/jira"},
        {"base_url": "https://not-to-be-shown:x@acme.atlassian.net"},
        {"unknown": 1},
    ],
)
def test_a_wrong_setting_is_refused_without_showing_its_value(wrong: dict[str, Any]) -> None:
    right = {
        "base_url": "https://acme.atlassian.net/",
        "projects": ["OPS"],
        "auth": {"email": "hub@acme.test", "api_token": "x"},
    }
    assert JiraConfig.model_validate(right).base_url == "https://acme.atlassian.net"
    with pytest.raises(ValidationError) as caught:
        JiraConfig.model_validate({**right, **wrong})
    assert "not-to-be-shown" not in str(caught.value)


def test_credentials_do_not_travel_in_the_clear(sandbox: JiraSandbox) -> None:
    with pytest.raises(ConfigError, match="https"):
        connect(sandbox, base_url="http://acme.atlassian.test").check()


def test_a_project_that_is_not_shown_is_named(sandbox: JiraSandbox) -> None:
    with pytest.raises(ConfigError, match="HIDDEN"):
        connect(sandbox, projects=["OPS", "HIDDEN"]).check()


def test_an_answer_as_to_a_stranger_is_no_empty_site(sandbox: JiraSandbox) -> None:
    """Some places of Jira answer 200 with nothing in it when a token is not good."""
    jira = connect(sandbox)
    headers = httpx.Headers({"x-seraph-loginreason": "AUTHENTICATED_FAILED"})

    def answer(self: HttpClient, method: str, target: str, **_: Any) -> HttpResponse:
        return HttpResponse(method, target, 200, headers, b'{"issues":[],"accountId":"x"}')

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HttpClient, "request", answer)
        with pytest.raises(AuthError, match="api_token"):
            list(jira.pull("issue", {}, ()))


# ----------------------------------------------------------------------------------------- searches


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland", "Asia/Kolkata", "UTC"])
def test_the_search_is_asked_in_the_users_own_time_zone(sandbox: JiraSandbox, zone: str) -> None:
    sandbox.present = lambda: START
    with sandbox.lock:
        sandbox.site.zone = zone
    jira = connect(sandbox)
    old = sandbox.create_issue("Old")
    _, cursor = pull(jira)
    assert cursor["since"] == "2026-03-01T10:00"
    sandbox.present = lambda: START + timedelta(minutes=30)
    new = sandbox.create_issue("New")
    records, cursor = pull(jira, cursor)
    assert [record.id for record in records] == [new]
    assert records[0].updated_at == START + timedelta(minutes=30)
    assert records[0].version == "2026-03-01T10:30:00.000Z"
    assert old not in {record.id for record in pull(jira, cursor)[0]}


def test_a_user_who_moves_to_another_time_zone_misses_nothing(sandbox: JiraSandbox) -> None:
    sandbox.present = lambda: START
    jira = connect(sandbox)
    sandbox.create_issue("Old")
    _, cursor = pull(jira)
    with sandbox.lock:
        sandbox.site.zone = "America/Los_Angeles"
    sandbox.present = lambda: START + timedelta(minutes=10)
    new = sandbox.create_issue("New")
    assert [record.id for record in pull(jira, cursor)[0]] == [new]


def test_the_hour_that_happens_twice_is_asked_from_before_it() -> None:
    vienna = ZoneInfo("Europe/Vienna")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # 02:30 for the first time
    for at in (first, first + timedelta(hours=1)):
        assert jql.literal(at, vienna) == "2026-10-25 01:30"
    assert jql.literal(first + timedelta(hours=2), vienna) == "2026-10-25 03:30"
    assert jql.literal(datetime(2026, 3, 29, 1, 30, tzinfo=UTC), vienna) == "2026-03-29 03:30"


def test_without_a_known_time_zone_the_search_begins_early_enough_for_any() -> None:
    assert jql.zone_of("Nowhere/Else") is None
    assert jql.zone_of(None) is None
    assert jql.literal(START, None) == "2026-02-28 22:00"


def test_only_the_fields_that_a_mapping_reads_are_asked_for(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    sandbox.create_issue("Lean", text="Some text")
    [record] = pull(jira, fields=["summary", "description", "key"])[0]
    assert record.data["summary"] == "Lean"
    assert record.data["description"] == of_text("Some text")
    assert "customfield_10010" not in record.data
    [record] = pull(jira)[0]
    assert record.data["customfield_10010"] is None
    assert "comment" not in record.data


def test_what_we_wrote_shows_in_a_search_that_lags(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    id = sandbox.create_issue("Before")
    _, cursor = pull(jira)
    sandbox.faults.lag = 3600
    result = push(jira, update(fetched(jira, id), summary="After"))
    assert result.outcome is Outcome.OK
    [record] = pull(jira, cursor)[0]
    assert record.data["summary"] == "After"


def test_a_project_that_is_added_is_read_from_its_beginning(sandbox: JiraSandbox) -> None:
    sandbox.present = lambda: START
    past = sandbox.create_issue("Long ago", project="WEB")
    sandbox.present = lambda: START + timedelta(days=30)
    sandbox.create_issue("Now")
    _, cursor = pull(connect(sandbox, projects=["OPS"]))
    records, _ = pull(connect(sandbox, projects=["OPS", "WEB"]), cursor)
    assert past in {record.id for record in records}
    assert pull(connect(sandbox, projects=["OPS"]), cursor)[0] == []


def test_five_hundred_issues_of_one_minute_are_all_pulled(sandbox: JiraSandbox) -> None:
    sandbox.present = lambda: START
    wanted = {sandbox.create_issue(f"Import {number}") for number in range(500)}
    records, cursor = pull(connect(sandbox))
    assert {record.id for record in records} == wanted
    asked = searches(sandbox)
    assert pull(connect(sandbox), cursor)[0] == []
    assert searches(sandbox) - asked < 15


# -------------------------------------------------------------------------------------- transitions


def test_a_status_is_reached_by_name_through_the_workflow(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    id = sandbox.create_issue("Work")
    result = push(jira, update(fetched(jira, id), status="in progress", summary="Working"))
    assert result.outcome is Outcome.OK
    assert result.record is not None
    assert result.record.data["status"]["name"] == "In Progress"
    assert result.record.data["summary"] == "Working"
    # once more: nothing is left to do
    effects = len(sandbox.ledger)
    change = replace(update(result.record, status={"name": "In Progress"}), base=None)
    assert push(jira, change).outcome is Outcome.OK
    assert len(sandbox.ledger) == effects


@pytest.mark.parametrize(
    "wanted", [{"statusCategory": {"key": "done"}}, {"statusCategory": "done"}]
)
def test_a_status_is_reached_by_its_category(sandbox: JiraSandbox, wanted: Any) -> None:
    jira, id = connect(sandbox), sandbox.create_issue("Work")
    result = push(jira, update(fetched(jira, id), status=wanted))
    assert result.record is not None
    assert result.record.data["status"]["name"] == "Done"


def test_where_no_transition_leads_there_the_possible_ones_are_named_and_nothing_is_written(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    id = sandbox.create_issue("Work", project="WEB")
    result = push(jira, update(fetched(jira, id), status="Approved", summary="Changed"))
    assert result.outcome is Outcome.REJECTED
    assert "'In Progress' (Take)" in result.field_errors["status"]
    assert sandbox.issue(id)["fields"]["summary"] == "Work"
    assert sandbox.ledger == []


def test_a_transition_that_requires_a_field_says_which(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    id = sandbox.create_issue("Work", project="WEB")
    sandbox.transition(id, "Take")
    record = fetched(jira, id)
    result = push(jira, update(record, status="Done"))
    assert result.outcome is Outcome.REJECTED
    assert "required by the transition 'Resolve'" in result.field_errors["resolution"]
    result = push(jira, update(record, status="Done", resolution="Duplicate", summary="Twice"))
    assert result.outcome is Outcome.OK, result.message
    fields = sandbox.issue(id)["fields"]
    assert (fields["status"]["name"], fields["resolution"]["name"]) == ("Done", "Duplicate")
    assert fields["summary"] == "Twice"


def test_the_connection_may_fill_in_what_transitions_require(sandbox: JiraSandbox) -> None:
    jira = connect(sandbox, transition_fields={"resolution": {"name": "Won't Do"}})
    id = sandbox.create_issue("Work", project="WEB")
    sandbox.transition(id, "Take")
    assert push(jira, update(fetched(jira, id), status="Done")).outcome is Outcome.OK
    assert sandbox.issue(id)["fields"]["resolution"]["name"] == "Won't Do"


def test_a_refused_transition_after_written_fields_is_told_and_shown(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    id = sandbox.create_issue("Work", project="WEB")
    result = push(jira, update(fetched(jira, id), status="Blocked", summary="Written"))
    assert result.outcome is Outcome.REJECTED
    assert "Written: summary. Not written: status." in result.message
    assert "Only the service desk may escalate." in result.message
    assert result.field_errors.keys() >= {"status"}
    assert result.record is not None
    assert result.record.data["summary"] == "Written"
    assert result.record.data["status"]["name"] == "To Do"


def test_a_concurrent_transition_is_a_conflict(sandbox: JiraSandbox, jira: JiraConnector) -> None:
    id = sandbox.create_issue("Work")
    record = fetched(jira, id)
    sandbox.conflicts = 1
    assert push(jira, update(record, status="In Progress")).outcome is Outcome.CONFLICT
    sandbox.conflicts = 1
    result = push(jira, update(record, status="In Progress", summary="Written"))
    assert result.outcome is Outcome.CONFLICT
    assert result.record is not None
    assert result.record.data["summary"] == "Written"


def test_a_status_that_a_person_changed_meanwhile_is_a_conflict(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    id = sandbox.create_issue("Work")
    record = fetched(jira, id)
    sandbox.transition(id, "Start work")
    sandbox.transition(id, "Block")
    result = push(jira, update(record, status="Done"))
    assert result.outcome is Outcome.CONFLICT
    assert result.record is not None
    assert result.record.data["status"]["name"] == "Blocked"


def test_a_new_issue_goes_on_to_its_status(sandbox: JiraSandbox, jira: JiraConnector) -> None:
    result = push(jira, create(summary="Done already", status={"statusCategory": {"key": "done"}}))
    assert result.outcome is Outcome.OK
    assert result.record is not None
    assert result.record.data["status"]["name"] == "Done"


def test_a_new_issue_that_cannot_reach_its_status_is_not_forgotten(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    result = push(jira, create(summary="Here", project="WEB", status="Done"))
    assert result.outcome is Outcome.OK
    assert result.record is not None
    assert result.record.data["status"]["name"] == "To Do"
    assert "no transition to Done" in result.message
    assert len(sandbox.issues()) == 1


@pytest.mark.parametrize("wrong", [None, 7, "", {"statusCategory": {"key": "cancelled"}}])
def test_what_is_no_status_is_refused_at_once(sandbox: JiraSandbox, wrong: Any) -> None:
    jira, id = connect(sandbox), sandbox.create_issue("Work")
    result = push(jira, update(fetched(jira, id), status=wrong))
    assert result.outcome is Outcome.REJECTED
    assert "status" in result.field_errors


# ------------------------------------------------------------------------------------------- fields


def test_every_wrong_field_is_named(sandbox: JiraSandbox, jira: JiraConnector) -> None:
    wrong = {
        "summary": "two\nlines",
        "labels": ["with space"],
        "customfield_10010": {"value": "Platinum"},
        "customfield_99999": 1,
    }
    result = push(jira, create(**wrong))
    assert result.outcome is Outcome.REJECTED
    assert result.field_errors.keys() == wrong.keys()
    result = push(jira, create(summary="x", created="2026", description="Hi", assignee=3))
    assert result.field_errors.keys() == {"created", "description", "assignee"}
    assert "as: adf" in result.field_errors["description"]
    assert sandbox.ledger == []


def test_a_text_that_jira_holds_already_is_not_written_again(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    """Jira gives every block an id and splits texts as it likes."""
    id = sandbox.create_issue("Rich")
    inside = {"type": "paragraph", "content": [{"type": "text", "text": "Careful"}]}
    panel = {"type": "panel", "attrs": {"panelType": "warning"}, "content": [inside]}
    rich = {"type": "doc", "version": 1, "content": [panel]}
    held = copy.deepcopy(rich)
    held["content"][0]["attrs"]["localId"] = "b-1"
    held["content"][0]["content"][0]["content"] = [
        {"type": "text", "text": "Care"},
        {"type": "text", "text": "ful", "marks": []},
    ]
    sandbox.edit_issue(id, description=held)
    record = fetched(jira, id)
    effects = len(sandbox.ledger)
    result = push(jira, update(record, description=rich))
    assert result.outcome is Outcome.OK
    assert len(sandbox.ledger) == effects
    assert sandbox.issue(id)["fields"]["description"] == held
    plain = {"type": "doc", "version": 1, "content": [inside]}
    assert push(jira, update(record, description=plain)).outcome is Outcome.OK
    assert len(sandbox.ledger) == effects + 1


def test_a_field_that_a_person_changed_meanwhile_is_a_conflict(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    id = sandbox.create_issue("Mine", text="before")
    record = fetched(jira, id)
    sandbox.edit_issue(id, priority={"name": "High"})
    assert push(jira, update(record, summary="Other field")).outcome is Outcome.OK
    result = push(jira, update(record, priority="Low"))
    assert result.outcome is Outcome.CONFLICT
    assert "priority" in result.message
    assert push(jira, update(record, priority="High")).outcome is Outcome.OK


def test_people_are_written_by_account_id_and_taken_away_with_null(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    id = sandbox.create_issue("Work")
    first = push(jira, update(fetched(jira, id), assignee={"accountId": SAM}))
    assert first.record is not None
    assert first.record.data["assignee"]["accountId"] == SAM
    second = push(jira, update(first.record, assignee={"accountId": None}))
    assert second.record is not None
    assert second.record.data["assignee"] is None
    nobody = push(jira, update(second.record, assignee={"accountId": "nobody"}))
    assert nobody.field_errors.keys() == {"assignee"}


def test_a_moved_issue_is_written_by_its_number(sandbox: JiraSandbox, jira: JiraConnector) -> None:
    id = sandbox.create_issue("Moves")
    record = fetched(jira, id)
    sandbox.move_issue(id, "WEB")
    result = push(jira, update(record, summary="Moved"))
    assert result.outcome is Outcome.OK
    assert result.record is not None
    assert result.record.address == {"key": "WEB-1", "project": "WEB"}
    assert result.record.url == f"{sandbox.url}/browse/WEB-1"


def test_writing_without_mails_needs_a_right_and_says_so(sandbox: JiraSandbox) -> None:
    jira, id = connect(sandbox, notify_users=False), sandbox.create_issue("Quiet")
    assert push(jira, update(fetched(jira, id), summary="Quieter")).outcome is Outcome.OK
    assert any("notifyUsers=false" in one for one in sandbox.faults.requests)
    sandbox.admin = False
    result = push(jira, update(fetched(jira, id), summary="Quietest"))
    assert result.outcome is Outcome.REJECTED
    assert "notify_users" in result.message


def test_the_limit_of_one_issue_puts_off_that_issue_alone(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    busy, free = sandbox.create_issue("Busy"), sandbox.create_issue("Free")
    sandbox.slowed[busy] = 1
    changes = [update(record, summary="New") for record in jira.fetch("issue", [busy, free])]
    first, second = jira.push(changes)
    assert (first.outcome, first.retry_after) == (Outcome.RETRY, 2.0)
    assert second.outcome is Outcome.OK


def test_an_issue_made_in_a_batch_reaches_its_status_too(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    changes = [
        create("k-1", summary="One"),
        create("k-2", summary="x" * 300),
        create("k-3", summary="Three", status="In Progress"),
        create("k-4", summary="Four", nonsense=1),
    ]
    one, two, three, four = jira.push(changes)
    assert (one.outcome, two.outcome) == (Outcome.OK, Outcome.REJECTED)
    assert two.field_errors.keys() == {"summary"}
    assert three.record is not None
    assert three.record.data["status"]["name"] == "In Progress"
    assert four.field_errors.keys() == {"nonsense"}
    assert [record and record.key for record in jira.find("issue", changes)] == [
        "k-1",
        None,
        "k-3",
        None,
    ]


def test_a_batch_that_is_refused_as_a_whole_has_no_unknown_outcomes(sandbox: JiraSandbox) -> None:
    jira = connect(sandbox)
    sandbox.faults.status = [400]
    changes = [create(f"k-{number}", summary="One") for number in range(3)]
    results = jira.push(changes)
    assert {result.outcome for result in results} == {Outcome.REJECTED}
    assert "Refused on purpose" in results[0].message
    sandbox.faults.cut_after_effect = 1
    assert {one.outcome for one in jira.push(changes)} == {Outcome.UNKNOWN}
    assert [record and record.key for record in jira.find("issue", changes)] == [
        "k-0",
        "k-1",
        "k-2",
    ]


def test_a_page_that_ends_on_the_way_is_asked_for_anew_later(sandbox: JiraSandbox) -> None:
    sandbox.page = 2
    sandbox.present = lambda: START
    wanted = {sandbox.create_issue(f"Import {number}") for number in range(6)}
    jira = connect(sandbox)
    pages: list[Page] = []

    def read() -> None:
        for page in jira.pull("issue", {}, ()):
            pages.append(page)
            sandbox.age += len(pages) > 1  # the pages of one minute are known by their token alone

    with pytest.raises(TransientError, match="page that follows"):
        read()
    found = {record.id for page in pages for record in page.records}
    assert found < wanted
    found |= {record.id for record in pull(jira, pages[-1].cursor)[0]}
    assert found == wanted


# --------------------------------------------------------------------------------- comments, people


def test_every_comment_is_pulled_though_the_search_shows_twenty(
    sandbox: JiraSandbox, jira: JiraConnector
) -> None:
    issue = sandbox.create_issue("Discussed")
    wanted = [sandbox.comment(issue, f"Said {number}") for number in range(130)]
    records, _ = pull(jira, object="comment")
    assert [record.id for record in records] == wanted
    assert {record.parent for record in records} == {issue}


def test_a_comment_tells_who_wrote_it_and_what(sandbox: JiraSandbox, jira: JiraConnector) -> None:
    issue = sandbox.create_issue("Discussed")
    id = sandbox.comment(issue, "Not yet", LEE)
    [record] = pull(jira, object="comment")[0]
    assert (record.actor, record.parent) == (LEE, issue)
    assert record.data["body"] == of_text("Not yet")
    assert record.url == f"{sandbox.url}/browse/OPS-1?focusedCommentId={id}"
    result = push(jira, update(record, body=of_text("Now")))
    assert result.record is not None
    assert result.record.data["body"] == of_text("Now")


def test_a_lost_comment_is_found_by_its_key(sandbox: JiraSandbox, jira: JiraConnector) -> None:
    issue = sandbox.create_issue("Discussed")
    change = Change(
        "create",
        "comment",
        "c-1",
        {"body": of_text("Hi")},
        parent=issue,
        created_at=datetime.now(UTC),
    )
    sandbox.faults.cut_after_effect = 1
    assert push(jira, change).outcome is Outcome.UNKNOWN
    sandbox.comment(issue, "Hi")
    [found] = jira.find("comment", [change])
    assert found is not None
    assert found.key == "c-1"
    assert jira.find("comment", [replace(change, parent="999")]) == [None]


def test_an_empty_comment_is_refused(sandbox: JiraSandbox, jira: JiraConnector) -> None:
    issue = sandbox.create_issue("Discussed")
    for fields in ({"body": of_text("  ")}, {"body": "Hi"}, {}, {"text": "x"}):
        change = Change("create", "comment", "c-1", fields, parent=issue)
        assert push(jira, change).outcome is Outcome.REJECTED
    assert push(jira, Change("create", "comment", "c", {"body": of_text("x")})).outcome is (
        Outcome.REJECTED
    )


def test_people_may_hide_their_mail_address(sandbox: JiraSandbox, jira: JiraConnector) -> None:
    records, cursor = pull(jira, object="user")
    known = {record.id: record.data for record in records}
    assert known[DANA]["emailAddress"] == "dana@acme.test"
    assert "emailAddress" not in known[LEE]
    assert pull(jira, cursor, "user")[0] == []
    assert "557058:automation" in known
    with sandbox.lock:
        sandbox.site.people[LEE]["displayName"] = "Lee Kim-Doe"
    assert [record.id for record in pull(jira, cursor, "user")[0]] == [LEE]


def test_discover_knows_custom_fields_and_choices(sandbox: JiraSandbox) -> None:
    fields = {field.name: field for field in connect(sandbox).discover("issue")}
    level = fields["customfield_10010"]
    assert (level.label, level.type) == ("Service level", "choice")
    assert level.choices == ("Gold", "Silver", "Bronze")
    assert fields["customfield_10016"].type == "number"
    assert fields["summary"].required
    assert not fields["reporter"].required
    assert set(fields["status"].choices) >= {"To Do", "In Progress", "Done", "Approved"}
    assert not fields["created"].writable
    assert fields["description"].writable


def test_a_person_can_follow_the_link_to_an_issue(sandbox: JiraSandbox) -> None:
    id = sandbox.create_issue("<b>Page</b>", text="With *text*")
    with httpx.Client(base_url=sandbox.url, follow_redirects=True, trust_env=False) as browser:
        page = browser.get("/browse/OPS-1").text
        assert "&lt;b&gt;Page&lt;/b&gt;" in page
        assert "Start work" in page
        browser.post("/browse/OPS-1", data={"by": LEE, "body": "Hello", "step": "Start work"})
        assert "Hello" in browser.get("/browse/OPS-1").text
        assert browser.get("/browse/OPS-9").status_code == 404
    assert sandbox.issue(id)["fields"]["status"]["name"] == "In Progress"
