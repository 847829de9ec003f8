"""Slack's events and buttons: what is genuine, what they say, and how fast a click is answered."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

import connectors.slack
from connectors.sdk import (
    Answer,
    Change,
    Delivery,
    Fetch,
    PayloadError,
    PullHint,
    Record,
    SignatureError,
)
from connectors.sdk.conformance.kit import resolve
from connectors.slack.connector import SlackConnector
from connectors.slack.sandbox import SECRET, SlackSandbox
from tests.webhooks.intake_support import NOW, MemoryInbox, Served
from webhooks.inbox import Endpoint

FIXTURES = Path(connectors.slack.__file__).parent / "fixtures"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.fixture
def one() -> Iterator[SlackConnector]:
    connector = made({"secret": [SECRET, "an-older-secret"]})
    yield connector
    connector.close()


def made(webhook: dict[str, Any]) -> SlackConnector:
    settings = {"auth": {"token": "xoxb-not-a-secret"}, "webhook": webhook}
    return SlackConnector("chat", SlackConnector.config.model_validate(settings))


def fixture(name: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads((FIXTURES / f"{name}.json").read_bytes())
    return payload


def delivery(
    body: bytes | dict[str, Any], *, kind: str = JSON, at: datetime = NOW, stamp: str | None = None,
    secret: str = SECRET, **headers: str,
) -> Delivery:  # fmt: skip
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    told = str(int(at.timestamp())) if stamp is None else stamp
    digest = hmac.new(secret.encode(), f"v0:{told}:".encode() + raw, hashlib.sha256).hexdigest()
    sent = {
        "content-type": kind,
        "x-slack-request-timestamp": told,
        "x-slack-signature": f"v0={digest}",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Delivery("POST", "https://hub.test/webhooks/chat", sent, raw, NOW)


def clicked(payload: dict[str, Any]) -> Delivery:
    return delivery(urlencode({"payload": json.dumps(payload)}).encode(), kind=FORM)


# ---------------------------------------------------------------------------------------- genuine


def test_the_published_vector_of_the_signature_passes() -> None:
    body = b'{"id":"T-1","status":"done"}'
    at = datetime.fromtimestamp(1767225600, UTC)
    known = "v0=47c7954883421b3117ef7064003c02bcc1965791e9c174f985fee5816bbe3e52"
    told = {"x-slack-request-timestamp": "1767225600", "x-slack-signature": known}
    connector = made({"secret": "hub_test_secret"})
    connector.verify(Delivery("POST", "https://hub.test", told, body, at))


def test_an_event_has_its_id_and_a_repeated_one_has_the_same(one: SlackConnector) -> None:
    event = fixture("event.message")
    again = delivery(event, x_slack_retry_num="2", x_slack_retry_reason="http_timeout")
    assert one.verify(delivery(event)) == one.verify(again) == "Ev0MESSAGE"


def test_a_click_has_the_id_of_its_trigger(one: SlackConnector) -> None:
    assert one.verify(clicked(fixture("interactive.block_actions"))) == "1111.2222.0123456789abcdef"


def test_a_form_is_judged_by_its_very_bytes(one: SlackConnector) -> None:
    genuine = clicked(fixture("interactive.block_actions"))
    again = genuine.body.replace(b"%7B", b"%7b", 1)
    assert again != genuine.body
    with pytest.raises(SignatureError):
        one.verify(Delivery("POST", genuine.url, genuine.headers, again, NOW))


def test_an_older_secret_still_counts_while_it_is_listed(one: SlackConnector) -> None:
    one.verify(delivery(fixture("event.message"), secret="an-older-secret"))
    with pytest.raises(SignatureError):
        one.verify(delivery(fixture("event.message"), secret="a-strangers-secret"))


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_grows_old_in_five_minutes(one: SlackConnector, minutes: int) -> None:
    with pytest.raises(SignatureError) as error:
        one.verify(delivery(fixture("event.message"), at=NOW + timedelta(minutes=minutes)))
    assert error.value.code == "timestamp_out_of_window"


@pytest.mark.parametrize("stamp", ["", "soon", "1e9", "-1", "1767225600.0", "\u0661\u0667"])
def test_a_malformed_time_is_refused(one: SlackConnector, stamp: str) -> None:
    with pytest.raises(SignatureError):
        one.verify(delivery(b"{}", stamp=stamp))


@pytest.mark.parametrize("signature", ["", "v0=", "v0=zz", "v1=" + "0" * 64, "v0=" + "é" * 64])
def test_a_malformed_signature_is_refused(one: SlackConnector, signature: str) -> None:
    with pytest.raises(SignatureError):
        one.verify(delivery(b"{}", x_slack_signature=signature))


# -------------------------------------------------------------------------------------- handshake


CHALLENGE = {
    "token": "x",
    "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd",
    "type": "url_verification",
}


def test_the_challenge_is_handed_back_as_text(one: SlackConnector) -> None:
    reply = one.handshake(delivery(CHALLENGE))
    assert reply is not None
    assert reply.body == b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmd"
    assert reply.headers["content-type"].startswith("text/plain")


def test_a_challenge_must_be_genuine_as_soon_as_there_is_a_secret(one: SlackConnector) -> None:
    assert one.handshake(delivery(CHALLENGE, secret="a-strangers-secret")) is None
    assert made({}).handshake(delivery(CHALLENGE, secret="whatever")) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"type": "event_callback"},
        {"challenge": "<script>alert(1)</script>"},
        {"challenge": ["x" * 20]},
        {"challenge": "x" * 300},
        {"event": {}},
    ],
)
def test_only_the_challenge_itself_is_taken_for_one(
    one: SlackConnector, change: dict[str, Any]
) -> None:
    assert one.handshake(delivery({**CHALLENGE, **change})) is None


def test_every_delivery_is_acknowledged_with_nothing_but_200(one: SlackConnector) -> None:
    reply = one.acknowledge(delivery(fixture("event.message")))
    assert reply is not None
    assert (reply.status, reply.body) == (200, b"")


# -------------------------------------------------------------------------------- what people said


def test_a_button_is_an_answer_with_its_token(one: SlackConnector) -> None:
    (answer,) = one.parse(clicked(fixture("interactive.block_actions")))
    assert answer == Answer("opaque-token-1", "U0ADA", "Approve", "approve")


def test_somebody_of_another_workspace_is_never_taken_for_one_of_ours(one: SlackConnector) -> None:
    payload = fixture("interactive.block_actions")
    payload["user"]["team_id"] = "T0OTHER"
    (answer,) = one.parse(clicked(payload))
    assert isinstance(answer, Answer)
    assert answer.sender == "T0OTHER/U0ADA"
    payload["enterprise"] = {"id": "T0OTHER"}
    (answer,) = one.parse(clicked(payload))
    assert isinstance(answer, Answer)
    assert answer.sender == "U0ADA"


def test_a_button_that_opens_an_address_is_nobodys_answer(one: SlackConnector) -> None:
    payload = fixture("interactive.block_actions")
    payload["actions"][0] |= {"action_id": "hub-link:0", "url": "https://hub.test/x"}
    del payload["actions"][0]["value"]
    assert one.parse(clicked(payload)) == []


def test_a_button_of_ours_without_its_token_is_quarantined(one: SlackConnector) -> None:
    payload = fixture("interactive.block_actions")
    del payload["actions"][0]["value"]
    with pytest.raises(PayloadError, match="token"):
        one.parse(clicked(payload))


@pytest.mark.parametrize("kind", ["view_closed", "message_action", "shortcut"])
def test_other_interactions_are_ignored(one: SlackConnector, kind: str) -> None:
    assert one.parse(clicked({"type": kind})) == []


def test_a_message_in_a_channel_is_a_record(one: SlackConnector) -> None:
    (record,) = one.parse(delivery(fixture("event.message")))
    assert isinstance(record, Record)
    assert record.id == "C0OPS:1767225600.000100"
    assert record.data["reply"] == "Who looks after Nordwind & Co?"
    assert (record.actor, record.data["own"]) == ("U0ADA", False)


def test_a_reply_is_fetched_because_only_slack_knows_what_it_answers(one: SlackConnector) -> None:
    assert one.parse(delivery(fixture("event.message.thread"))) == [
        Fetch("message", ["C0OPS:1767225660.000200"])
    ]


def test_a_direct_message_to_us_reaches_somebody(one: SlackConnector) -> None:
    assert one.parse(delivery(fixture("event.message.im"))) == [
        Fetch("message", ["D0ADA:1767225600.000100"]),
        Answer(None, "U0ADA", "Can I still change my mind?"),
    ]


def test_a_mention_in_a_channel_reaches_somebody(one: SlackConnector) -> None:
    record, answer = one.parse(delivery(fixture("event.app_mention")))
    assert isinstance(record, Record)
    assert answer == Answer(None, "U0ADA", "@U0HUB what is open for Nordwind (https://acme.test)?")


def test_our_own_message_is_known_by_who_wrote_it_and_found_by_its_metadata(
    one: SlackConnector,
) -> None:
    event = fixture("event.message.own")
    (record,) = one.parse(delivery(event))
    assert isinstance(record, Record)
    assert (record.data["own"], record.key) == (True, "hub-1a")
    del event["event"]["metadata"]
    (record,) = one.parse(delivery(event))
    assert isinstance(record, Record)
    assert (record.data["own"], record.key) == (True, None)


def test_metadata_that_was_copied_makes_no_message_ours(one: SlackConnector) -> None:
    event = fixture("event.message.own")
    event["event"] |= {"app_id": "A0OTHER", "user": "U0OTHER", "bot_id": "B0OTHER"}
    (record,) = one.parse(delivery(event))
    assert isinstance(record, Record)
    assert (record.data["own"], record.key) == (False, None)
    assert record.data["auto_submitted"] is True


def test_a_bot_in_a_direct_message_is_nobodys_answer(one: SlackConnector) -> None:
    event = fixture("event.message.im")
    event["event"]["bot_id"] = "B0OTHER"
    assert not [x for x in one.parse(delivery(event)) if isinstance(x, Answer)]


def test_an_edit_brings_the_new_text(one: SlackConnector) -> None:
    (record,) = one.parse(delivery(fixture("event.message_changed")))
    assert isinstance(record, Record)
    assert record.id == "C0OPS:1767225600.000100"
    assert record.data["text"] == "Who looks after Nordwind?"
    assert record.version == "1767225700.000000"


def test_a_deletion_names_what_is_gone(one: SlackConnector) -> None:
    (record,) = one.parse(delivery(fixture("event.message_deleted")))
    assert isinstance(record, Record)
    assert (record.id, record.deleted) == ("C0OPS:1767225600.000100", True)


def test_a_person_who_changed_is_a_record(one: SlackConnector) -> None:
    (record,) = one.parse(delivery(fixture("event.user_change")))
    assert isinstance(record, Record)
    assert (record.object, record.id) == ("user", "U0ADA")


def test_where_slack_left_events_out_we_look_for_ourselves(one: SlackConnector) -> None:
    body = {"type": "app_rate_limited", "team_id": "T0ACME", "minute_rate_limited": 1767225600}
    assert one.parse(delivery(body)) == [PullHint("message")]


@pytest.mark.parametrize("subtype", ["channel_join", "channel_topic", "pinned_item", "next_year"])
def test_what_slack_itself_writes_is_no_message(one: SlackConnector, subtype: str) -> None:
    event = fixture("event.message")
    event["event"]["subtype"] = subtype
    assert one.parse(delivery(event)) == []


@pytest.mark.parametrize("place", ["channel", "ts"])
@pytest.mark.parametrize("value", [None, 1767225600.0001, {}])
def test_a_message_without_its_place_is_quarantined(
    one: SlackConnector, place: str, value: Any
) -> None:
    event = fixture("event.message")
    event["event"][place] = value
    with pytest.raises(PayloadError):
        one.parse(delivery(event))


def test_a_slash_command_is_quarantined_with_a_reason(one: SlackConnector) -> None:
    with pytest.raises(PayloadError, match="slash commands"):
        one.parse(delivery(b"command=%2Fhub&text=hello", kind=FORM))


# ------------------------------------------------------------------------- through the real intake


@pytest.fixture
def running() -> Iterator[tuple[SlackSandbox, SlackConnector, Served]]:
    with SlackSandbox() as sandbox:
        # the intake of these tests lives at the beginning of 2026, and so must whoever signs
        sandbox.state.ahead = NOW.timestamp() - time.time()
        block = {key: part for key, part in sandbox.connection().items() if key != "connector"}
        settings = SlackConnector.config.model_validate(resolve(block, sandbox.env()))
        connector = SlackConnector("chat", settings)
        served = Served({"chat": Endpoint("chat", connector)}, MemoryInbox()).start()
        sandbox.webhook_url = f"http://127.0.0.1:{served.port}/webhooks/chat"
        yield sandbox, connector, served
        sandbox.webhook_url = None
        served.stop()
        connector.close()


def asked(connector: SlackConnector) -> str:
    buttons = [{"text": "Approve", "choice": "approve", "token": "tok-7"}]
    fields = {"to": ["ada@acme.test"], "text": "Approve order 7?", "buttons": buttons}
    change = Change("create", "message", "hub-1", fields, created_at=datetime.now(UTC))
    (result,) = connector.push([change])
    assert result.record is not None
    return result.record.id


def test_a_click_is_stored_and_answered_long_before_slack_gives_up(
    running: tuple[SlackSandbox, SlackConnector, Served],
) -> None:
    sandbox, connector, served = running
    id = asked(connector)
    clicks = [sandbox.click(id, "approve") for _ in range(20)]
    assert {(click.status, click.answer) for click in clicks} == {(200, b"")}
    slowest = max(click.seconds or 9 for click in clicks)
    assert slowest < 1.0  # of three; a few milliseconds on an idle machine
    stored = [row for row in served.inbox.rows if row.headers["content-type"] == FORM]
    assert len(stored) == 20
    row = stored[0]
    again = Delivery("POST", row.url, row.headers, row.body, row.received_at)
    assert connector.parse(again) == [Answer("tok-7", sandbox.people[0], "Approve", "approve")]
    assert sandbox.notice == ""


def test_a_repeated_event_is_stored_once(
    running: tuple[SlackSandbox, SlackConnector, Served],
) -> None:
    sandbox, _, served = running
    sandbox.say("Hello")
    sandbox.redeliver(sandbox.sent[-1].id)
    sandbox.redeliver(sandbox.sent[0].id, retry=2)
    sandbox.drain()
    assert [sent.status for sent in sandbox.sent] == [200, 200, 200]
    assert len(served.inbox.rows) == 1


def test_the_address_is_verified_by_the_real_intake(
    running: tuple[SlackSandbox, SlackConnector, Served],
) -> None:
    sandbox, _, served = running
    sent = sandbox.verify_url()
    assert (sent.status, sent.answer.decode()) == (200, sent.id)
    body = json.dumps(CHALLENGE).encode()
    forged = served.client.post("/webhooks/chat", content=body, headers={"content-type": JSON})
    assert forged.status_code == 401
    assert served.inbox.rows == []


def test_a_person_decides_on_the_page_of_the_sandbox(
    running: tuple[SlackSandbox, SlackConnector, Served],
) -> None:
    sandbox, connector, served = running
    id = asked(connector)
    channel, _, ts = id.partition(":")
    page = f"{sandbox.url}/client/T0SANDBOX/{channel}"
    with httpx.Client(follow_redirects=True, trust_env=False) as browser:
        shown = browser.get(page).text
        assert "Approve order 7?" in shown
        assert 'name="choice" value="approve"' in shown
        form = {"ts": ts, "choice": "approve", "by": sandbox.people[0]}
        assert browser.post(page, data=form).status_code == 200
        browser.post(page, data={"text": "<b>Why?</b>", "thread": ts, "by": sandbox.people[0]})
        assert "&lt;b&gt;Why?&lt;/b&gt;" in browser.get(page).text
        assert browser.get(f"{sandbox.url}/").status_code == 200
    sandbox.drain()
    said = [
        parsed
        for row in served.inbox.rows
        for parsed in connector.parse(
            Delivery("POST", row.url, row.headers, row.body, row.received_at)
        )
    ]
    assert Answer("tok-7", sandbox.people[0], "Approve", "approve") in said
    assert any(isinstance(one, Fetch) for one in said)


def test_a_person_sees_that_nobody_answered_the_click() -> None:
    with SlackSandbox() as sandbox:
        block = {key: part for key, part in sandbox.connection().items() if key != "connector"}
        settings = SlackConnector.config.model_validate(resolve(block, sandbox.env()))
        connector = SlackConnector("chat", settings)
        sandbox.webhook_url = "http://127.0.0.1:9/webhooks/chat"
        sandbox.click(asked(connector), "approve")
        connector.close()
        assert "not responding" in sandbox.notice


def test_a_populated_workspace_is_in_use() -> None:
    with SlackSandbox() as sandbox:
        sandbox.populate()
        assert len(list(sandbox.state.all_messages())) == 4
        with httpx.Client(follow_redirects=True, trust_env=False) as browser:
            assert "Nordwind" in browser.get(sandbox.url).text
