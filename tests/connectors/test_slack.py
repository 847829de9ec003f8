"""What is peculiar to Slack's messages and people; the conformance kit holds the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    ConnectorError,
    Host,
    NotFoundError,
    Outcome,
    RateLimitError,
    Record,
    RejectedError,
    Result,
    TransientError,
)
from connectors.sdk.conformance.kit import resolve
from connectors.slack.blocks import SECTION, draft, parts
from connectors.slack.connector import SlackConnector
from connectors.slack.errors import error_of
from connectors.slack.mrkdwn import from_markdown, plain
from connectors.slack.reading import WINDOW, Seen
from connectors.slack.sandbox import REFRESH, SlackSandbox
from connectors.slack.sandbox_state import BOT_USER

TWO = [
    {"text": "Approve", "choice": "approve", "token": "t-1", "style": "primary"},
    {"text": "Reject", "choice": "reject", "token": "t-1", "style": "danger"},
]


opened: list[SlackConnector] = []


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    while opened:
        opened.pop().close()


@pytest.fixture
def slack() -> Iterator[SlackSandbox]:
    with SlackSandbox() as sandbox:
        yield sandbox


def connect(sandbox: SlackSandbox, host: Host | None = None, **more: Any) -> SlackConnector:
    block = {key: part for key, part in sandbox.connection().items() if key != "connector"}
    settings = SlackConnector.config.model_validate(resolve({**block, **more}, sandbox.env()))
    opened.append(SlackConnector("chat", settings, host))
    return opened[-1]


def create(key: str = "hub-1", **fields: Any) -> Change:
    return Change("create", "message", key, fields, created_at=datetime.now(UTC))


def update(record: Record, **fields: Any) -> Change:
    return Change("update", "message", "hub-2", fields, id=record.id, base=record.data)


def sent(connector: SlackConnector, **fields: Any) -> Record:
    (result,) = connector.push([create(**fields)])
    assert result.outcome is Outcome.OK, result
    assert result.record is not None
    return result.record


def pulled(connector: SlackConnector, cursor: Any = None) -> tuple[list[Record], Any]:
    records, end = [], cursor or {}
    for page in connector.pull("message", end, ()):
        records += page.records
        end = json.loads(json.dumps(page.cursor))
    return records, end


def refused(result: Result) -> dict[str, str]:
    assert result.outcome is Outcome.REJECTED, result
    return dict(result.field_errors)


# --------------------------------------------------------------------------------- what is written


def test_a_person_is_written_to_by_address_in_a_direct_message(slack: SlackSandbox) -> None:
    record = sent(connect(slack), to=["Ben@acme.test"], subject="Order 7", text="Please look.")
    channel = slack.state.channels[record.address["channel"]]
    assert channel.kind == "im"
    assert sorted(channel.members) == sorted([BOT_USER, slack.people[1]])


def test_several_people_share_a_group_message(slack: SlackSandbox) -> None:
    record = sent(connect(slack), to=["ada@acme.test", "ben@acme.test"], text="Both of you")
    assert slack.state.channels[record.address["channel"]].kind == "mpim"


def test_an_address_that_nobody_has_is_the_fields_fault(slack: SlackSandbox) -> None:
    (result,) = connect(slack).push([create(to=["nobody@acme.test"], text="Hello")])
    assert "nobody in this workspace" in refused(result)["to"]


def test_trouble_on_the_way_to_the_direct_message_means_that_nothing_was_sent(
    slack: SlackSandbox,
) -> None:
    change = create(to=["ada@acme.test"], text="Hello")
    slack.faults.on = "read"
    for fine in range(
        3
    ):  # of auth.test, users.lookupByEmail and conversations.open, the next fails
        connector = connect(slack)
        if fine > 0:
            connector.check()
        slack.faults.cut_after_effect = 1
        if fine > 1:
            slack.faults.cut_after_effect = 0
            slack.faults.body = ["surprise"]
        (result,) = connector.push([change])
        assert result.outcome is Outcome.RETRY
    assert not slack.ledger
    (result,) = connect(slack).push([change])
    assert result.outcome is Outcome.OK


def test_who_we_are_is_asked_before_the_write_and_never_after_it(slack: SlackSandbox) -> None:
    sent(connect(slack), text="Hello")
    assert slack.faults.requests[-1] == "POST /api/chat.postMessage"


def test_text_cannot_become_a_mention_or_a_link(slack: SlackSandbox) -> None:
    text = "<!channel> <@U1> <https://evil.test|your bank> & more"
    for kind in ("plain", "markdown"):
        record = sent(connect(slack), text=text, format=kind)
        section = record.data["blocks"][0]["text"]["text"]
        assert "<!" not in section
        assert "<@" not in section
        assert "|your bank>" not in section
        assert "&lt;!channel&gt;" in record.data["text"]


def test_markdown_becomes_mrkdwn() -> None:
    written = (
        "## Margin & risk\n**8 %** is *low*, ~~12 %~~ `a<b`\n- [contract](https://x.test/?a=1&b=2)\n"
        "> said <Ada>\n```\nx < 1\n```"
    )
    assert from_markdown(written) == (
        "*Margin &amp; risk*\n*8 %* is _low_, ~12 %~ `a&lt;b`\n"
        "• <https://x.test/?a=1&amp;b=2|contract>\n"
        "> said &lt;Ada&gt;\n```\nx &lt; 1\n```"
    )


def test_stars_that_multiply_and_names_with_underscores_stay_as_they_are() -> None:
    assert from_markdown("2 * 3 * 4, snake_case_name, a*b*c") == (
        "2 * 3 * 4, snake_case_name, a*b*c"
    )


def test_what_people_write_is_read_as_text() -> None:
    written = "<@U1|ada> see <https://x.test|the page> in <#C1|ops> &lt;now&gt; <!here> &amp;amp;"
    assert plain(written) == "@ada see the page (https://x.test) in #ops <now> @here &amp;"


def test_a_long_text_is_cut_between_words_and_never_inside_an_entity(slack: SlackSandbox) -> None:
    record = sent(connect(slack), text="Wort & Satz. " * 400)
    sections = [one["text"]["text"] for one in record.data["blocks"]]
    assert len(sections) > 1
    assert all(len(one) <= SECTION for one in sections)
    assert " ".join(sections).split() == ("Wort &amp; Satz. " * 400).split()
    assert all(len(piece) % 5 == 0 for piece in parts("&amp;" * 2000))


def test_what_does_not_fit_into_a_message_is_refused_before_it_is_sent(slack: SlackSandbox) -> None:
    (result,) = connect(slack).push([create(text="word " * 3000)])
    assert "12,000" in refused(result)["text"]
    assert not slack.ledger


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "text"),
        ({"text": 7}, "text"),
        ({"text": "Hi", "to": "Ada"}, "to"),
        ({"text": "Hi", "to": [f"p{n}@acme.test" for n in range(9)]}, "to"),
        ({"text": "Hi", "to": "ada@acme.test", "channel": "C0123"}, "to"),
        ({"text": "Hi", "channel": "#ops"}, "channel"),
        ({"text": "Hi", "in_reply_to": "the last one"}, "in_reply_to"),
        ({"text": "Hi", "channel": "C0123", "in_reply_to": "C0456:1.000001"}, "in_reply_to"),
        ({"text": "Hi", "colour": "red"}, "colour"),
        ({"text": "Hi", "format": "html"}, "format"),
        ({"text": "Hi", "buttons": TWO * 13}, "buttons"),
        ({"text": "Hi", "buttons": [TWO[0], TWO[0]]}, "buttons"),
        ({"text": "Hi", "buttons": [{**TWO[0], "token": "x" * 2001}]}, "buttons"),
        ({"text": "Hi", "buttons": [{**TWO[0], "text": "x" * 76}]}, "buttons"),
        ({"text": "Hi", "buttons": [{**TWO[0], "style": "green"}]}, "buttons"),
        ({"text": "Hi", "buttons": [{"text": "Open", "url": "javascript:alert(1)"}]}, "buttons"),
        ({"text": "Hi", "buttons": [{"text": "Approve", "choice": "approve"}]}, "buttons"),
    ],
)
def test_a_message_that_slack_would_refuse_names_its_field(
    fields: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(RejectedError) as error:
        draft(fields, "C0OPS")
    assert set(error.value.field_errors) == {wrong}


def test_what_the_hub_writes_to_people_by_mail_can_be_sent_as_it_is(slack: SlackSandbox) -> None:
    mail = {
        "to": ["ada@acme.test"],
        "subject": "Order 7 waits",
        "text": "Hello",
        "html": "<p>Hello",
    }
    record = sent(connect(slack), **mail)
    assert [one["type"] for one in record.data["blocks"]] == ["header", "section"]
    assert record.data["text"] == "Order 7 waits\nHello"


def test_a_decision_takes_the_buttons_away_and_says_who_decided(slack: SlackSandbox) -> None:
    connector = connect(slack)
    record = sent(connector, subject="Order 7", text="Margin 8 %", buttons=TWO)
    (result,) = connector.push([update(record, decided="Approved by Ada Berg <ada@acme.test>")])
    assert result.outcome is Outcome.OK
    assert result.record is not None
    kinds = [one["type"] for one in slack.message(record.id)["blocks"]]
    assert kinds == ["header", "section", "context"]
    said = slack.message(record.id)["blocks"][-1]["elements"][0]["text"]
    assert said == "Approved by Ada Berg &lt;ada@acme.test&gt;"
    assert result.record.key == "hub-1"
    assert slack.message(record.id)["metadata"] == record.data["metadata"]


def test_an_update_keeps_what_it_does_not_name(slack: SlackSandbox) -> None:
    connector = connect(slack)
    record = sent(connector, subject="Order 7", text="Margin 8 %", buttons=TWO)
    connector.push([update(record, text="Margin 9 %")])
    blocks = slack.message(record.id)["blocks"]
    assert [one["type"] for one in blocks] == ["header", "section", "actions"]
    assert blocks[1]["text"]["text"] == "Margin 9 %"
    connector.push([update(record, subject="Order 7, again")])
    blocks = slack.message(record.id)["blocks"]
    assert [one["type"] for one in blocks] == ["header", "section", "actions"]
    assert blocks[0]["text"]["text"] == "Order 7, again"
    assert blocks[1]["text"]["text"] == "Margin 9 %"


def test_a_message_stays_where_it_is(slack: SlackSandbox) -> None:
    connector = connect(slack)
    (result,) = connector.push([update(sent(connector, text="Hi"), to=["ada@acme.test"])])
    assert set(refused(result)) == {"to"}


def test_somebody_elses_message_is_not_changed(slack: SlackSandbox) -> None:
    id = slack.say("Mine")
    change = Change("update", "message", "k", {"text": "Ours"}, id=id)
    (result,) = connect(slack).push([change])
    assert result.outcome is Outcome.REJECTED
    (result,) = connect(slack).push([Change("delete", "message", "k", {}, id=id)])
    assert result.outcome is Outcome.REJECTED
    assert slack.message(id)["text"] == "Mine"


def test_an_answer_goes_into_the_thread_it_answers(slack: SlackSandbox) -> None:
    id = slack.say("Who looks after Nordwind?")
    record = sent(connect(slack), text="Ada does.", in_reply_to=id)
    assert slack.message(record.id)["thread_ts"] == id.partition(":")[2]
    assert record.data["in_reply_to"] == id


# ------------------------------------------------------------------------------------ lost creates


def test_a_lost_create_is_found_by_its_metadata_in_the_place_it_went_to(
    slack: SlackSandbox,
) -> None:
    id = slack.say("Who looks after Nordwind?")
    changes = [
        create("hub-a", text="In the channel"),
        create("hub-b", text="To Ada", to=["ada@acme.test"]),
        create("hub-c", text="In the thread", in_reply_to=id),
    ]
    connector = connect(slack)
    for change in changes:
        slack.faults.cut_after_effect = 1
        (result,) = connector.push([change])
        assert result.outcome is Outcome.UNKNOWN
    found = connect(slack).find("message", [*changes, create("hub-d", text="Never sent")])
    assert [record and record.key for record in found] == ["hub-a", "hub-b", "hub-c", None]


def test_looking_for_a_message_makes_no_direct_message(slack: SlackSandbox) -> None:
    before = set(slack.state.channels)
    assert connect(slack).find("message", [create(to=["ben@acme.test"], text="Hi")]) == [None]
    assert set(slack.state.channels) == before


def test_a_refusal_while_looking_is_no_proof_that_nothing_was_sent(slack: SlackSandbox) -> None:
    slack.scopes.discard("channels:history")
    with pytest.raises(AuthError, match="channels:history"):
        connect(slack).find("message", [create(text="Hi")])


def test_our_key_in_somebody_elses_metadata_proves_nothing(slack: SlackSandbox) -> None:
    copied = {"event_type": "process_hub_message", "event_payload": {"key": "hub-1"}}
    with slack.lock:
        channel = slack.state.channels[slack.ops]
        slack.state.post(
            channel, "U0OTHERBOT", "Copied", bot_id="B0OTHER", app_id="A0OTHER", metadata=copied
        )
    connector = connect(slack)
    assert connector.find("message", [create(text="Hi")]) == [None]
    (record,) = pulled(connector)[0]
    assert record.key is None
    assert record.data["own"] is False
    assert record.data["auto_submitted"] is True


# -------------------------------------------------------------------------------- what is answered


def test_a_reply_in_a_thread_of_ours_names_the_message_that_it_answers(slack: SlackSandbox) -> None:
    connector = connect(slack)
    record = sent(connector, to=["ada@acme.test"], text="Approve?")
    id = slack.reply(record.id, "Only with &lt;8 %&gt;", slack.people[1])
    (fetched,) = connector.fetch("message", [id])
    answer = next(one for one in pulled(connector)[0] if one.id == id)
    assert answer.data == fetched.data
    assert answer.data["references"] == ["<hub-1@slack>"]
    assert answer.data["from"] == "ben@acme.test"
    assert answer.data["from_name"] == "Ben Lutz"
    assert answer.data["reply"] == "Only with <8 %>"


def test_a_reply_that_comes_and_goes_is_seen_by_the_next_pull(slack: SlackSandbox) -> None:
    connector = connect(slack)
    _, cursor = pulled(connector)
    record = sent(connector, text="Approve?")
    _, cursor = pulled(connector, cursor)
    id = slack.reply(record.id, "Yes")
    records, cursor = pulled(connector, cursor)
    assert [one.id for one in records] == [id]
    slack.remove(id)
    records, cursor = pulled(connector, cursor)
    assert [(one.id, one.deleted) for one in records] == [(id, True)]
    assert pulled(connector, cursor)[0] == []


def test_other_peoples_threads_are_read_only_if_one_wants_them(slack: SlackSandbox) -> None:
    id = slack.say("Lunch?")
    reply = slack.reply(id, "Yes!")
    assert [one.id for one in pulled(connect(slack))[0]] == [id]
    assert [one.id for one in pulled(connect(slack, threads="all"))[0]] == [id, reply]


def test_a_deleted_message_with_replies_leaves_a_tombstone_and_counts_as_gone(
    slack: SlackSandbox,
) -> None:
    id = slack.say("Lunch?")
    slack.reply(id, "Yes!")
    _, cursor = pulled(connect(slack))
    slack.remove(id)
    (record,) = pulled(connect(slack), cursor)[0]
    assert (record.id, record.deleted) == (id, True)
    assert connect(slack).fetch("message", [id])[0].deleted


def test_time_stamps_stay_text_to_the_last_digit(slack: SlackSandbox) -> None:
    at = 1767225600.000100
    id = slack.say("First", at=at)
    assert id.endswith(":1767225600.000100")
    (record,) = pulled(connect(slack))[0]
    assert record.address["ts"] == "1767225600.000100"
    assert '"1767225600.000100"' in json.dumps(pulled(connect(slack))[1])


def test_a_long_channel_is_read_forward_with_two_pages_held(slack: SlackSandbox) -> None:
    ids = [slack.say(f"Note {number}") for number in range(110)]
    connector = connect(slack)
    before = len(slack.faults.requests)
    pages = list(connector.pull("message", {}, ()))
    assert [record.id for page in pages for record in page.records] == ids
    asked = [one for one in slack.faults.requests[before:] if "history" in one]
    assert len(asked) == 6 + 4  # there and, but for the two that are held, back
    assert max(len(page.records) for page in pages) <= 20


def test_a_quiet_channel_costs_one_request_per_page_it_remembers(slack: SlackSandbox) -> None:
    for number in range(30):
        slack.say(f"Note {number}")
    connector = connect(slack)
    _, cursor = pulled(connector)
    before = len(slack.faults.requests)
    assert pulled(connector, cursor)[0] == []
    assert len([one for one in slack.faults.requests[before:] if "history" in one]) == 2


def test_a_cursor_remembers_a_window_and_begins_there_the_next_time() -> None:
    seen = Seen("0", WINDOW, {f"1767225{n:03}.000000": ("x", "", "") for n in range(500)})
    stored = seen.stored()
    assert len(stored["messages"]) == WINDOW
    assert stored["since"] == min(stored["messages"])


def test_where_slacks_limit_ends_a_pull_the_next_one_goes_on(slack: SlackSandbox) -> None:
    with slack.lock:
        more = slack.state.add_channel("sales", [BOT_USER, *slack.people]).id
    first, second = slack.say("In ops"), slack.say("In sales", channel=more)
    connector = connect(slack)
    pages = connector.pull("message", {}, ())
    cursor = next(pages).cursor
    slack.faults.on, slack.faults.status, slack.faults.retry_after = "read", [429], "7"
    cursor = next(pages).cursor
    with pytest.raises(RateLimitError) as error:
        next(pages)
    assert error.value.retry_after == 7
    assert cursor["turn"] == more
    records, _ = pulled(connector, cursor)
    assert first != second
    assert [one.id for one in records] == [second]


def test_a_channel_that_cannot_be_read_is_told_of_after_the_others(slack: SlackSandbox) -> None:
    id = slack.say("In ops")
    connector = connect(slack, channels=[slack.ops, slack.foreign])
    pages = connector.pull("message", {}, ())
    assert [one.id for one in next(pages).records] == [id]
    with pytest.raises(ConfigError, match="/invite"):
        next(pages)


# ------------------------------------------------------------------------------ errors and limits


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("invalid_auth", AuthError, "OAuth & Permissions"),
        ("account_inactive", AuthError, "install the app"),
        ("token_revoked", AuthError, "install the app"),
        ("channel_not_found", RejectedError, "channel"),
        ("not_in_channel", RejectedError, "/invite"),
        ("is_archived", RejectedError, "archived"),
        ("msg_too_long", RejectedError, "too long"),
        ("invalid_blocks", RejectedError, "blocks"),
        ("ratelimited", RateLimitError, "slow down"),
        ("rate_limited", RateLimitError, "slow down"),
        ("fatal_error", TransientError, "could not finish"),
        ("internal_error", TransientError, "could not finish"),
        ("service_unavailable", TransientError, "could not finish"),
        ("message_not_found", NotFoundError, "does not know"),
        ("a_code_of_next_year", RejectedError, "a_code_of_next_year"),
        ("<script>", RejectedError, "unknown"),
    ],
)
def test_an_error_code_in_a_200_ends_in_the_right_error(
    code: str, kind: type[ConnectorError], said: str
) -> None:
    error = error_of("chat.postMessage", {"ok": False, "error": code}, {"retry-after": "9"})
    assert isinstance(error, kind)
    assert isinstance(error, RateLimitError) is (kind is RateLimitError)
    assert said in str(error)
    assert "<" not in str(error)


def test_a_missing_scope_is_named(slack: SlackSandbox) -> None:
    slack.scopes.discard("im:write")
    with pytest.raises(AuthError, match="im:write"):
        connect(slack).check()
    with pytest.raises(AuthError, match="im:write"):
        connect(slack).push([create(to=["ada@acme.test"], text="Hi")])


def test_private_channels_are_left_out_where_their_scopes_are(slack: SlackSandbox) -> None:
    slack.scopes -= {"groups:read", "groups:history", "mpim:read", "mpim:history"}
    id = slack.say("In ops")
    connector = connect(slack)
    connector.check()
    assert [one.id for one in pulled(connector)[0]] == [id]


@pytest.mark.parametrize("code", ["token_revoked", "account_inactive"])
def test_an_app_that_was_removed_pauses_the_connection(slack: SlackSandbox, code: str) -> None:
    slack.refused = code
    with pytest.raises(AuthError, match=code):
        connect(slack).check()
    with pytest.raises(AuthError, match=code):
        connect(slack).push([create(text="Hi")])


def test_a_channel_that_is_not_ours_is_told_by_check(slack: SlackSandbox) -> None:
    with pytest.raises(ConfigError, match=slack.foreign):
        connect(slack, channel=slack.foreign).check()


def test_the_pace_is_kept_in_each_channel_by_itself(slack: SlackSandbox) -> None:
    connector = connect(slack, Host())
    with slack.lock:
        more = slack.state.add_channel("sales", [BOT_USER]).id
    full = connector.push([create(f"hub-{n}", text="Hi", channel=slack.ops) for n in range(10)])
    assert {one.outcome for one in full} == {Outcome.OK}
    with pytest.raises(RateLimitError):
        connector.push([create("hub-x", text="Hi", channel=slack.ops)])
    (other,) = connector.push([create("hub-y", text="Hi", channel=more)])
    assert other.outcome is Outcome.OK


# ----------------------------------------------------------------------------------- token rotation


def test_tokens_that_rotate_are_renewed_and_kept(slack: SlackSandbox) -> None:
    with SlackSandbox(rotating=True) as rotating:
        host = Host()
        connect(rotating, host).check()
        rotating.expire_tokens()
        connect(rotating, host).check()
        assert rotating.renewals == 2
        connect(rotating, host).check()
        assert rotating.renewals == 2
        kept = host.vault.load("chat")
        assert kept is not None
        assert kept.refresh != REFRESH


def test_a_refresh_token_that_ended_says_what_to_do(slack: SlackSandbox) -> None:
    with SlackSandbox(rotating=True) as rotating:
        connect(rotating, Host()).check()
        with pytest.raises(AuthError, match="invalid_refresh_token"):
            connect(rotating, Host()).check()  # the first one is used up, the next one is lost


@pytest.mark.parametrize(
    "auth", [{}, {"token": "x", "client_id": "y"}, {"client_id": "y", "refresh_token": "z"}]
)
def test_credentials_are_a_token_or_what_renews_one(auth: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="token"):
        SlackConnector.config.model_validate({"auth": auth})
