"""The GitHub connector against its sandbox over real HTTP: reading, writing, what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.github import marker
from connectors.github.config import GithubConfig
from connectors.github.connector import GithubConnector
from connectors.github.sandbox import SECRET, TOKEN, GithubSandbox
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    Outcome,
    Page,
    RateLimitError,
    Record,
    TransientError,
    UnsupportedError,
)
from tests.connectors.described import folder

START = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)


@pytest.fixture
def sandbox() -> Iterator[GithubSandbox]:
    sandbox = GithubSandbox(repositories=("acme/ops", "acme/web"))
    sandbox.start()
    yield sandbox
    sandbox.stop()


def connect(sandbox: GithubSandbox, **more: Any) -> GithubConnector:
    block = sandbox.connection()
    block.pop("connector")
    settings = GithubConfig.model_validate(
        {**block, "auth": {"token": TOKEN}, "webhook": {"secret": SECRET}, **more}
    )
    return GithubConnector("github", settings)


@pytest.fixture
def github(sandbox: GithubSandbox) -> Iterator[GithubConnector]:
    connector = connect(sandbox)
    yield connector
    connector.close()


@pytest.fixture
def one(sandbox: GithubSandbox) -> Iterator[GithubConnector]:
    """A connection to the first repository only."""
    connector = connect(sandbox, repositories=["acme/ops"])
    yield connector
    connector.close()


def at(sandbox: GithubSandbox, seconds: float) -> None:
    sandbox.clock = lambda: START + timedelta(seconds=seconds)


def pull(
    connector: GithubConnector, cursor: Any = None, object: str = "issue"
) -> tuple[list[Record], Any]:
    """All records of one pull, and the cursor after it."""
    pages: list[Page] = list(connector.pull(object, cursor or {}, ()))
    after = pages[-1].cursor if pages else cursor
    return [record for page in pages for record in page.records], after


def create(key: str = "k-1", **fields: Any) -> Change:
    return Change("create", "issue", key, fields, created_at=datetime.now(UTC))


def update(record: Record, **fields: Any) -> Change:
    return Change(
        "update",
        record.object,
        "k-2",
        fields,
        id=record.id,
        address=record.address,
        parent=record.parent,
        base=record.data,
        version=record.version,
    )


# -------------------------------------------------------------------------- configuration and check


@pytest.mark.parametrize(
    "wrong",
    [
        {"repositories": []},
        {"repositories": ["acme"]},
        {"repositories": ["acme/.."]},
        {"repositories": ["acme/ops/x"]},
        {"repositories": ["acme/ops", "Acme/Ops"]},
        {"auth": {"token": ""}},
        {"auth": {"token": "gh\nx"}},
        {"auth": {"token": "tökén"}},
        {"auth": {"tokn": "ghp_not_to_be_shown"}},
        {"auth": {}},
        {"auth": {"app_id": "1", "installation_id": 2}},
        {"auth": {"app_id": "1", "token": "ghp_not_to_be_shown"}},
        {"base_url": "file:///etc"},
        {"unknown": 1},
    ],
)
def test_a_wrong_setting_is_refused_without_showing_its_value(wrong: dict[str, Any]) -> None:
    right = {"repositories": ["acme/ops"], "auth": {"token": "ghp_x"}}
    assert GithubConfig.model_validate(right).base_url == "https://api.github.com"
    with pytest.raises(ValidationError) as caught:
        GithubConfig.model_validate({**right, **wrong})
    assert "ghp_not_to_be_shown" not in str(caught.value)


def test_check_passes_and_names_what_is_missing(
    sandbox: GithubSandbox, github: GithubConnector
) -> None:
    github.check()
    some = connect(sandbox, repositories=["acme/ops", "acme/nope", "acme/gone"])
    with pytest.raises(ConfigError, match="acme/nope, acme/gone"):
        some.check()
    stranger = connect(sandbox, auth={"token": "wrong"})
    with pytest.raises(AuthError, match="new one"):
        stranger.check()
    some.close()
    stranger.close()


def test_discover_names_the_real_labels_and_people(
    sandbox: GithubSandbox, github: GithubConnector
) -> None:
    sandbox.open_issue("x", labels=["vip"], repo="acme/web")
    sandbox.add_milestone("v1", "2026-04-01T07:00:00Z")
    fields = {field.name: field for field in github.discover("issue")}
    assert {"bug", "vip"} <= set(fields["labels"].choices)
    assert "dmeier" in fields["assignees"].choices
    assert fields["milestone"].choices == ("1",)
    assert not fields["number"].writable
    assert fields["title"].required
    assert github.discover("comment")[0].name == "body"
    with pytest.raises(UnsupportedError):
        github.discover("user")


# --------------------------------------------------------------------------------------------- pull


def test_an_issue_becomes_a_record(sandbox: GithubSandbox, one: GithubConnector) -> None:
    at(sandbox, 0)
    number = sandbox.open_issue("Wire it", "Please", by="dmeier", labels=["bug"])
    records, _ = pull(one)
    record = records[0]
    assert record.id == str(sandbox.issue(number)["id"])
    assert record.address == {"owner": "acme", "repo": "ops", "number": number}
    assert record.version == "2026-03-01T10:00:00Z"
    assert record.updated_at == START
    assert record.url == f"{sandbox.url}/acme/ops/issues/{number}"
    assert record.actor == "dmeier"
    assert record.data["body"] == "Please"


def test_every_repository_is_read_and_closed_issues_and_pull_requests_too(
    sandbox: GithubSandbox, github: GithubConnector
) -> None:
    sandbox.close_issue(sandbox.open_issue("closed"))
    sandbox.open_pull_request("a pull request")
    sandbox.open_issue("elsewhere", repo="acme/web")
    records, cursor = pull(github)
    assert {record.data["title"] for record in records} == {
        "closed",
        "a pull request",
        "elsewhere",
    }
    assert sum("pull_request" in record.data for record in records) == 1
    assert set(cursor) == {"acme/ops", "acme/web"}


def test_450_issues_in_distinct_seconds_come_once_and_in_order(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    for place in range(450):
        at(sandbox, place)
        sandbox.open_issue(f"issue {place}")
    records, cursor = pull(one)
    assert [record.data["title"] for record in records] == [f"issue {n}" for n in range(450)]
    assert 5000 - sandbox.remaining == 5 + 2  # two of them count the issues and pull requests
    assert pull(one, cursor)[0] == []


def test_450_issues_of_one_second_come_once(sandbox: GithubSandbox, one: GithubConnector) -> None:
    at(sandbox, 0)
    for place in range(450):
        sandbox.open_issue(f"issue {place}")
    at(sandbox, 1)
    sandbox.open_issue("later")
    records, cursor = pull(one)
    titles = [record.data["title"] for record in records]
    assert len(titles) == len(set(titles)) == 451
    assert pull(one, cursor)[0] == []


def test_a_second_edit_in_the_same_second_is_seen(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    """GitHub's clock ticks in seconds; the timestamp alone would hide it."""
    at(sandbox, 0)
    number = sandbox.open_issue("first")
    sandbox.open_issue("other")
    _, cursor = pull(one)
    sandbox.edit_issue(number, title="second")
    records, cursor = pull(one, cursor)
    assert [record.data["title"] for record in records] == ["second"]
    assert pull(one, cursor)[0] == []


def test_a_new_issue_in_the_second_of_the_watermark_is_seen(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    at(sandbox, 0)
    sandbox.open_issue("first")
    _, cursor = pull(one)
    sandbox.open_issue("same second")
    assert [r.data["title"] for r in pull(one, cursor)[0]] == ["same second"]


@pytest.mark.parametrize("step", [0, 1], ids=["one second", "distinct seconds"])
def test_nothing_is_lost_when_records_move_while_we_page(
    sandbox: GithubSandbox, one: GithubConnector, step: int
) -> None:
    """Edits between two pages take rows from the front of the list, which shifts every offset."""
    for place in range(350):
        at(sandbox, place * step)
        sandbox.open_issue(f"issue {place}")
    seen: dict[str, str] = {}
    for turn, page in enumerate(one.pull("issue", {}, ())):
        seen.update({record.id: record.data["title"] for record in page.records})
        if turn < 2:
            at(sandbox, 1000 + turn)
            for number in range(1 + turn * 20, 21 + turn * 20):
                sandbox.edit_issue(number, title=f"edited {number}")
    assert set(seen.values()) == {row["title"] for row in sandbox.issues()}
    assert len(seen) == 350


def test_a_pull_resumes_from_any_page(sandbox: GithubSandbox, one: GithubConnector) -> None:
    for place in range(250):
        at(sandbox, place // 3)
        sandbox.open_issue(f"issue {place}")
    pages = list(one.pull("issue", {}, ()))
    for stop, page in enumerate(pages):
        early = {r.id for p in pages[: stop + 1] for r in p.records}
        late = {r.id for r in pull(one, page.cursor)[0]}
        assert len(early | late) == 250


def test_nothing_new_costs_nothing_of_the_budget(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    """The second pull learns the ETag, the third gets 304."""
    sandbox.open_issue("x")
    _, cursor = pull(one)
    records, cursor = pull(one, cursor)
    assert records == []
    assert cursor["acme/ops"]["etag"]
    left = sandbox.remaining
    assert list(one.pull("issue", cursor, ())) == []
    assert sandbox.remaining == left
    sandbox.open_issue("y")
    assert [r.data["title"] for r in pull(one, cursor)[0]] == ["y"]


def test_a_cursor_stays_small(sandbox: GithubSandbox, one: GithubConnector) -> None:
    at(sandbox, 0)
    for place in range(700):
        sandbox.open_issue(f"issue {place}")
    _, cursor = pull(one)
    assert len(cursor["acme/ops"]["seen"]) == 500


def test_comments_come_with_their_issue_as_parent(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    number = sandbox.open_issue("x")
    comment = sandbox.comment(number, "Done?", by="lkim")
    records, cursor = pull(one, object="comment")
    assert records[0].id == str(comment)
    assert records[0].parent == str(sandbox.issue(number)["id"])
    assert records[0].address["number"] == number
    assert records[0].actor == "lkim"
    assert pull(one, cursor, "comment")[0] == []


def test_a_missing_repository_does_not_stop_the_others(sandbox: GithubSandbox) -> None:
    sandbox.open_issue("elsewhere", repo="acme/web")
    connector = connect(sandbox, repositories=["acme/gone", "acme/web"])
    pages = connector.pull("issue", {}, ())
    found = list(next(pages).records)
    with pytest.raises(ConfigError, match="acme/gone"):
        next(pages)
    assert [record.data["title"] for record in found] == ["elsewhere"]
    connector.close()


def test_an_exhausted_budget_says_when_it_is_filled_again(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    sandbox.remaining = 0
    with pytest.raises(RateLimitError) as caught:
        pull(one)
    assert 3500 < caught.value.retry_after <= 3600


# --------------------------------------------------------------------------------------------- push


def test_a_create_sends_all_fields_and_hides_its_key(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    milestone = sandbox.add_milestone("v1")
    [result] = one.push(
        [
            create(
                title="Wire it",
                body="Please",
                labels=["bug", {"name": "new one"}],
                assignees=["dmeier", None],
                milestone=milestone,
                state="open",
            )
        ]
    )
    assert result.outcome is Outcome.OK
    assert result.record is not None
    assert result.record.data["body"] == "Please"
    held = sandbox.issue(1)
    assert held["body"] == "Please\n\n<!-- hub:k-1 -->"
    assert [label["name"] for label in held["labels"]] == ["bug", "new one"]
    assert [user["login"] for user in held["assignees"]] == ["dmeier"]
    assert held["milestone"]["number"] == milestone
    assert [(e.op, e.object, e.key) for e in sandbox.ledger] == [("create", "issue", "k-1")]


def test_a_create_goes_where_its_address_says(
    sandbox: GithubSandbox, github: GithubConnector
) -> None:
    change = replace(create(title="x"), address={"owner": "acme", "repo": "web"})
    [result] = github.push([change])
    assert result.record is not None
    assert result.record.address["repo"] == "web"
    assert len(sandbox.issues("acme/web")) == 1


def test_a_create_may_be_closed_at_once(sandbox: GithubSandbox, one: GithubConnector) -> None:
    [result] = one.push([create(title="x", state="closed", state_reason="not_planned")])
    assert result.record is not None
    assert result.record.data["state"] == "closed"
    assert sandbox.issue(1)["state_reason"] == "not_planned"


def test_text_that_carries_a_foreign_mark_does_not_smuggle_it_in(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    one.push([create("mine", title="x", body="quoted <!-- hub:theirs --> text")])
    assert marker.keys(sandbox.issue(1)["body"]) == ["mine"]


def test_an_update_changes_only_what_differs_and_keeps_the_mark(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    [created] = one.push([create(title="x", body="old", labels=["bug"])])
    assert created.record is not None
    [result] = one.push([update(created.record, body="new", labels=["BUG"], state="closed")])
    assert result.outcome is Outcome.OK
    assert sandbox.issue(1)["body"] == "new\n\n<!-- hub:k-1 -->"
    assert sandbox.issue(1)["state"] == "closed"
    assert sorted(sandbox.ledger[-1].fields) == ["body", "state"]


def test_repeating_an_update_has_one_effect(sandbox: GithubSandbox, one: GithubConnector) -> None:
    number = sandbox.open_issue("x")
    record = pull(one)[0][0]
    change = update(record, title="y", assignees=["lkim"])
    sandbox.faults.cut_after_effect = 1
    [cut] = one.push([change])
    [again] = one.push([change])
    assert (cut.outcome, again.outcome) == (Outcome.RETRY, Outcome.OK)
    assert len(sandbox.ledger) == 1
    assert again.record is not None
    assert again.record.data["title"] == sandbox.issue(number)["title"] == "y"


def test_a_field_that_a_person_moved_meanwhile_is_a_conflict(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    """And the record they made comes back, so that the hub can merge it."""
    number = sandbox.open_issue("x")
    record = pull(one)[0][0]
    sandbox.edit_issue(number, by="lkim", title="theirs")
    [result] = one.push([update(record, title="ours")])
    assert result.outcome is Outcome.CONFLICT
    assert result.record is not None
    assert result.record.data["title"] == "theirs"
    assert sandbox.ledger == []
    [other] = one.push([update(record, state="closed")])
    assert other.outcome is Outcome.OK
    assert sandbox.issue(number)["title"] == "theirs"


def test_another_assignee_takes_the_first_ones_place_and_the_others_stay(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    """The hub knows of one assignee; whom people added beside, before or since, is theirs."""
    number = sandbox.open_issue("x", assignees=["dmeier", "octocat"])
    record = pull(one)[0][0]
    sandbox.assign(number, "dmeier", "octocat", "process-hub-bot")
    change = update(record, assignee="lkim")
    for _ in range(2):
        [result] = one.push([change])
        assert result.outcome is Outcome.OK
        held = [user["login"] for user in sandbox.issue(number)["assignees"]]
        assert held == ["lkim", "octocat", "process-hub-bot"]
    assert len(sandbox.ledger) == 1
    sandbox.assign(number, "octocat")
    [given_away] = one.push([update(record, assignee="process-hub-bot")])
    assert given_away.outcome is Outcome.CONFLICT
    [cleared] = one.push([update(pull(one)[0][0], assignee=None)])
    assert cleared.outcome is Outcome.OK
    assert sandbox.issue(number)["assignees"] == []


def test_labels_that_others_added_meanwhile_stay(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    number = sandbox.open_issue("x", labels=["bug", "old"])
    record = pull(one)[0][0]
    sandbox.label(number, "bug", "old", "theirs")
    [result] = one.push([update(record, labels=["bug", "ours"])])
    assert result.outcome is Outcome.OK
    held = {label["name"] for label in sandbox.issue(number)["labels"]}
    assert held == {"bug", "ours", "theirs"}


def test_a_silent_no_op_is_visible_in_the_record(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    """GitHub drops assignees without access and says 200."""
    sandbox.open_issue("x")
    record = pull(one)[0][0]
    [result] = one.push([update(record, assignees=["stranger"])])
    assert result.outcome is Outcome.OK
    assert result.record is not None
    assert result.record.data["assignees"] == []


def test_a_refusal_names_the_fields(sandbox: GithubSandbox, one: GithubConnector) -> None:
    [long] = one.push([create(title="x" * 300)])
    [unknown] = one.push([create(title="x", priority="high", labels=3)])
    [empty] = one.push([create(body="no title")])
    assert long.outcome is unknown.outcome is empty.outcome is Outcome.REJECTED
    assert "too long" in long.field_errors["title"]
    assert set(unknown.field_errors) == {"priority", "labels"}
    assert empty.field_errors == {"title": "missing_field"}
    assert sandbox.ledger == []


def test_an_issue_that_is_gone_is_missing(sandbox: GithubSandbox, one: GithubConnector) -> None:
    number = sandbox.open_issue("x")
    record = pull(one)[0][0]
    sandbox.delete_issue(number)
    [result] = one.push([update(record, title="y")])
    assert result.outcome is Outcome.MISSING


def test_an_archived_repository_refuses_the_record_and_not_the_connection(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    sandbox.state.repositories["acme/ops"].archived = True
    [result] = one.push([create(title="x")])
    assert result.outcome is Outcome.REJECTED
    assert "archived" in result.message


def test_issues_cannot_be_deleted(one: GithubConnector) -> None:
    with pytest.raises(UnsupportedError):
        one.push([Change("delete", "issue", "k", {}, id="1")])


def test_a_comment_is_written_edited_and_removed(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    sandbox.open_issue("x")
    issue = pull(one)[0][0]
    change = Change(
        "create", "comment", "c-1", {"body": "Hello"}, parent=issue.id, address=issue.address
    )
    [made] = one.push([change])
    assert made.record is not None
    assert (made.record.parent, made.record.data["body"]) == (issue.id, "Hello")
    [edited] = one.push([update(made.record, body="Hello!")])
    assert edited.outcome is Outcome.OK
    assert sandbox.comments()[0]["body"] == "Hello!\n\n<!-- hub:c-1 -->"
    gone = Change("delete", "comment", "k", {}, id=made.record.id, address=made.record.address)
    [removed] = one.push([gone])
    [again] = one.push([gone])
    assert removed.record is not None
    assert removed.record.deleted
    assert removed.outcome is again.outcome is Outcome.OK
    assert sandbox.comments() == []


def test_a_comment_finds_its_issue_by_parent_or_says_what_is_missing(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    sandbox.open_issue("x")
    issue = pull(one)[0][0]
    [known] = one.push([Change("create", "comment", "c-1", {"body": "a"}, parent=issue.id)])
    [unknown] = one.push([Change("create", "comment", "c-2", {"body": "a"}, parent="999")])
    assert known.outcome is Outcome.OK
    assert unknown.outcome is Outcome.REJECTED
    assert "number" in unknown.message


def test_a_locked_conversation_is_a_refusal(sandbox: GithubSandbox, one: GithubConnector) -> None:
    """GitHub says 403, which elsewhere means that the token is at fault."""
    number = sandbox.open_issue("x")
    issue = pull(one)[0][0]
    sandbox.state.repositories["acme/ops"].issues[number]["locked"] = True
    change = Change("create", "comment", "c", {"body": "a"}, address=issue.address)
    [result] = one.push([change])
    assert result.outcome is Outcome.REJECTED
    assert "locked" in result.message


# ---------------------------------------------------------------------- unknown outcomes and limits


@pytest.mark.parametrize("object", ["issue", "comment"])
def test_a_create_whose_answer_was_lost_is_found_and_not_repeated(
    sandbox: GithubSandbox, one: GithubConnector, object: str
) -> None:
    number = sandbox.open_issue("host", "a person's issue")
    fields = {"title": "x", "body": "y"} if object == "issue" else {"body": "y"}
    address = {} if object == "issue" else pull(one)[0][0].address
    lost = Change("create", object, "k/7 <!--", fields, address=address, created_at=START)
    never = replace(lost, key="never")
    sandbox.faults.cut_after_effect = 1
    [result] = one.push([lost])
    assert result.outcome is Outcome.UNKNOWN
    found, absent = one.find(object, [lost, never])
    assert absent is None
    assert found is not None
    assert found.data["body"] == "y"
    assert [effect.id for effect in sandbox.ledger] == [found.id]
    if object == "comment":
        assert found.parent == str(sandbox.issue(number)["id"])


def test_find_looks_beyond_the_first_page_and_back_before_the_create(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    """Clocks differ: the vendor's may run behind ours."""
    at(sandbox, -200)
    for place in range(130):
        sandbox.open_issue(f"issue {place}")
    one.push([create("wanted", title="x")])
    change = replace(create("wanted", title="x"), created_at=START)
    assert one.find("issue", [change])[0] is not None
    old = replace(change, created_at=START + timedelta(hours=1))
    assert one.find("issue", [old])[0] is None
    assert one.find("issue", [replace(change, created_at=None)])[0] is not None


def test_of_a_copied_mark_the_oldest_is_ours(sandbox: GithubSandbox, one: GithubConnector) -> None:
    at(sandbox, 0)
    [made] = one.push([create("k", title="ours")])
    at(sandbox, 60)
    sandbox.open_issue("a copy", sandbox.issue(1)["body"])
    found = one.find("issue", [replace(create("k"), created_at=START)])[0]
    assert found is not None
    assert made.record is not None
    assert found.id == made.record.id


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_leaves_a_create_open_and_an_update_to_be_repeated(
    sandbox: GithubSandbox, one: GithubConnector, status: int
) -> None:
    sandbox.open_issue("x")
    record = pull(one)[0][0]
    sandbox.faults.status = [status, status]
    [made], [changed] = one.push([create(title="x")]), one.push([update(record, title="y")])
    assert (made.outcome, changed.outcome) == (Outcome.UNKNOWN, Outcome.RETRY)
    assert one.find("issue", [create(title="x")]) == [None]
    assert sandbox.ledger == []


def test_an_unreachable_github_is_a_retry(sandbox: GithubSandbox) -> None:
    connector = connect(sandbox, base_url="http://127.0.0.1:9")
    [result] = connector.push([create(title="x")])
    assert result.outcome is Outcome.RETRY
    with pytest.raises(TransientError):
        connector.check()
    connector.close()


@pytest.mark.parametrize("status", [403, 429])
def test_both_forms_of_a_rate_limit_are_understood(
    sandbox: GithubSandbox, one: GithubConnector, status: int
) -> None:
    waits = []
    http_date = (datetime.now(UTC) + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    for header in ("7", http_date, None):
        sandbox.faults.status = [status]
        sandbox.faults.retry_after = header
        with pytest.raises(RateLimitError) as caught:
            one.push([create(title="x")])
        waits.append(caught.value.retry_after)
    assert waits[0] == 7
    assert 80 <= waits[1] <= 92  # the answer carries its own Date, a second old at most
    assert waits[2] == 60
    assert sandbox.ledger == []


def test_a_limit_in_the_middle_of_a_batch_keeps_what_was_done(
    sandbox: GithubSandbox, one: GithubConnector
) -> None:
    sandbox.remaining = 1
    results = one.push([create(f"k-{n}", title="x") for n in range(3)])
    assert [result.outcome for result in results] == [Outcome.OK, Outcome.RETRY, Outcome.RETRY]
    assert results[1].retry_after is not None
    assert len(sandbox.ledger) == 1


def test_a_token_that_expires_pauses_instead_of_failing_the_record(
    sandbox: GithubSandbox,
) -> None:
    connector = connect(sandbox, auth={"token": "expired"})
    with pytest.raises(AuthError) as caught:
        connector.push([create(title="x")])
    assert "expired" not in str(caught.value).replace("expired token", "")
    connector.close()


# ---------------------------------------------------------------------------------------- as an app


def test_an_app_signs_in_for_an_hour_at_a_time_and_once_for_all_threads(
    sandbox: GithubSandbox,
) -> None:
    app = connect(sandbox, auth=sandbox.tokens.app())
    app.check()
    sandbox.open_issue("x")
    assert len(pull(app)[0]) == 1
    assert sandbox.tokens.count == 1
    sandbox.tokens.minted.clear()
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda _: app.check(), range(6)))
    assert sandbox.tokens.count == 2
    app.close()


@pytest.mark.parametrize(
    ("wrong", "error", "told"),
    [
        ({"private_key": "no key"}, ConfigError, "private_key"),
        ({"app_id": "another"}, AuthError, "app_id"),
        ({"installation_id": 7}, AuthError, "installation_id"),
    ],
)
def test_an_app_that_is_not_let_in_says_which_setting_to_correct(
    sandbox: GithubSandbox, wrong: dict[str, Any], error: type[Exception], told: str
) -> None:
    app = connect(sandbox, auth={**sandbox.tokens.app(), **wrong})
    with pytest.raises(error, match=told):
        app.check()
    app.close()


def test_every_field_of_githubs_description_is_discovered(one: GithubConnector) -> None:
    file = folder() / "github" / "api.github.com.issues-subset.json"
    schemas = json.loads(file.read_bytes())["components"]["schemas"]
    for object, schema in (("issue", "issue"), ("comment", "issue-comment")):
        # only in answers of searches, or when another media type is asked for
        unasked = {"repository", "body_html", "body_text"}
        told = {field.name for field in one.discover(object)}
        assert set(schemas[schema]["properties"]) - unasked == told


# ----------------------------------------------------------------------------------------- the mark


@pytest.mark.parametrize("text", [None, "", "a", "a\n\nb\n", "<!-- note -->", "a\r\nb"])
@pytest.mark.parametrize("key", ["k", "task/1:github", "a b<>--!", "ü" * 20])
def test_a_mark_comes_off_as_it_went_on(text: str | None, key: str) -> None:
    marked = marker.mark(text, key)
    assert marker.strip(marked) == (text or None)
    assert marker.keys(marked) == [key]
    assert marker.keep("other", marked) == marker.mark("other", key)
    assert marker.keep("other", text) == "other"


def test_a_mark_is_found_where_a_person_wrote_below_it() -> None:
    text = marker.mark("above", "k") + "\r\nbelow"
    assert marker.keys(text) == ["k"]
    assert marker.strip(text) == "above\r\nbelow"


def test_one_connector_serves_many_threads(sandbox: GithubSandbox, one: GithubConnector) -> None:
    with ThreadPoolExecutor(8) as threads:
        changes = [[create(f"k-{n}", title=f"issue {n}")] for n in range(48)]
        results = [result for [result] in threads.map(one.push, changes)]
    assert {result.outcome for result in results} == {Outcome.OK}
    assert sorted(effect.key or "" for effect in sandbox.ledger) == sorted(
        f"k-{n}" for n in range(48)
    )
    numbers = [result.record.address["number"] for result in results if result.record]
    assert sorted(numbers) == list(range(1, 49))
