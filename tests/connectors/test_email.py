"""The mail connector against a real submission server and a real IMAP server on loopback."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from pydantic import SecretStr

from connectors.email.connector import EmailConfig, EmailConnector
from connectors.email.sandbox import EmailSandbox
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    Outcome,
    Page,
    Record,
    TransientError,
    UnsupportedError,
)

HUB = "hub@hub.test"
ANN = "ann@customer.test"


@pytest.fixture
def sandbox() -> Iterator[EmailSandbox]:
    with EmailSandbox() as running:
        assert isinstance(running, EmailSandbox)
        yield running


def connect(sandbox: EmailSandbox, **changes: Any) -> EmailConnector:
    """A connector as the hub builds it: secrets resolved. `smtp__port=1` changes a nested key."""
    block = sandbox.connection()
    assert block.pop("connector") == "email"
    for server in ("smtp", "imap"):
        secret = block[server]["password"].removeprefix("env:")
        block[server]["password"] = sandbox.env()[secret]
    for name, value in changes.items():
        place, _, key = name.rpartition("__")
        (block[place] if place else block)[key] = value
    return EmailConnector("mail", EmailConfig.model_validate(block))


def create(key: str = "k1", **fields: Any) -> Change:
    return Change(
        "create", "message", key, {"to": [ANN], "subject": "Hello", "text": "Hi"} | fields
    )


def pull_all(connector: EmailConnector, cursor: Any = None) -> tuple[list[Record], Any]:
    pages: list[Page] = list(connector.pull("message", cursor or {}, ()))
    records = [record for page in pages for record in page.records]
    return records, pages[-1].cursor if pages else cursor


# sending


def test_a_message_reaches_its_reader_and_a_copy_lies_in_sent(sandbox: EmailSandbox) -> None:
    result = connect(sandbox).push([create(subject="Grüezi", html="<p>Hi</p>")])[0]
    assert result.outcome is Outcome.OK
    assert result.record is not None
    assert result.record.id == "<k1@hub.test>"
    (mail,) = sandbox.inbox(ANN)
    assert mail["Subject"] == "Grüezi"
    assert mail["From"] == "Process Hub <hub@hub.test>"
    assert [sent["Message-ID"] for sent in sandbox.sent(HUB)] == ["<k1@hub.test>"]
    assert [effect.key for effect in sandbox.ledger] == ["<k1@hub.test>"]


def test_dots_and_long_lines_arrive_as_written(sandbox: EmailSandbox) -> None:
    text = ".\n..two\n" + "x" * 5000 + "\nFrom here"
    connect(sandbox).push([create(text=text)])
    body = sandbox.inbox(ANN)[0].get_content().replace("\r\n", "\n")
    assert body.strip() == text


def test_a_batch_gives_one_result_per_message(sandbox: EmailSandbox) -> None:
    results = connect(sandbox).push(
        [create("a"), create("b", subject="x\r\nBcc: v@c.test"), create("c", to="bob@x.test")]
    )
    assert [result.outcome for result in results] == [Outcome.OK, Outcome.REJECTED, Outcome.OK]
    assert "subject" in results[1].field_errors
    assert len(sandbox.ledger) == 2
    assert sandbox.inbox("v@c.test") == []


def test_a_temporary_refusal_is_retried_and_a_final_one_is_not(sandbox: EmailSandbox) -> None:
    sandbox.faults.status = [450, 550]
    results = connect(sandbox).push([create("a"), create("b"), create("c")])
    assert [result.outcome for result in results] == [
        Outcome.RETRY,
        Outcome.REJECTED,
        Outcome.OK,
    ]
    assert "550" in results[1].field_errors["to"]
    assert [effect.key for effect in sandbox.ledger] == ["<c@hub.test>"]


def test_a_message_to_two_people_goes_to_both_or_to_none(sandbox: EmailSandbox) -> None:
    sandbox.faults.status = [550]
    result = connect(sandbox).push([create(to=[ANN, "bob@x.test"])])[0]
    assert result.outcome is Outcome.REJECTED
    assert ANN in result.message
    assert sandbox.inbox("bob@x.test") == []


def test_a_cut_after_acceptance_is_unknown_and_find_settles_it(sandbox: EmailSandbox) -> None:
    sandbox.faults.cut_after_effect = 1
    connector = connect(sandbox)
    results = connector.push([create("a"), create("b")])
    assert [result.outcome for result in results] == [Outcome.UNKNOWN, Outcome.RETRY]
    found = connector.find("message", [create("a"), create("b")])
    assert found[0] is not None
    assert found[0].id == "<a@hub.test>"
    assert found[1] is None
    connector.push([create("b")])
    assert [mail["Message-ID"] for mail in sandbox.inbox(ANN)] == ["<a@hub.test>", "<b@hub.test>"]


def test_a_cut_before_acceptance_is_unknown_and_find_says_no(sandbox: EmailSandbox) -> None:
    sandbox.faults.cut_before_effect = 1
    connector = connect(sandbox)
    assert connector.push([create()])[0].outcome is Outcome.UNKNOWN
    assert connector.find("message", [create()]) == [None]
    assert sandbox.inbox(ANN) == []


def test_a_server_that_is_not_there_is_tried_again(sandbox: EmailSandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    connector = connect(sandbox, smtp__port=port, imap__port=port)
    assert connector.push([create()])[0].outcome is Outcome.RETRY
    with pytest.raises(TransientError, match=r"imap\.host"):
        list(connector.pull("message", {}, ()))
    with pytest.raises(ConfigError, match=r"smtp\.host"):
        connector.check()


def test_a_wrong_password_says_whose_it_is(sandbox: EmailSandbox) -> None:
    wrong = SecretStr("wrong")
    with pytest.raises(AuthError, match=HUB):
        connect(sandbox, smtp__password=wrong).push([create()])
    with pytest.raises(AuthError, match=HUB):
        connect(sandbox, smtp__password=wrong).check()
    with pytest.raises(AuthError, match="app password"):
        list(connect(sandbox, imap__password=wrong).pull("message", {}, ()))
    assert sandbox.ledger == []


def test_a_password_never_crosses_a_network_in_the_clear(sandbox: EmailSandbox) -> None:
    for key in ("smtp", "imap"):
        connector = connect(sandbox, **{f"{key}__host": "mail.example.com"})
        with pytest.raises(ConfigError, match=rf"{key}\.security is 'none'"):
            connector.check()


def test_starttls_is_never_skipped(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox, smtp__security="starttls")
    with pytest.raises(ConfigError, match="STARTTLS"):
        connector.push([create()])


def test_a_sender_that_is_no_address_is_named(sandbox: EmailSandbox) -> None:
    with pytest.raises(ConfigError, match="from_address"):
        connect(sandbox, from_address="Process Hub").check()


def test_a_good_account_passes_its_check(sandbox: EmailSandbox) -> None:
    connect(sandbox).check()
    with pytest.raises(ConfigError, match=r"Archive, INBOX, Sent"):
        connect(sandbox, imap__mailbox="Tickets").check()


# looking up


def test_without_a_mailbox_nothing_can_be_looked_up(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox, imap=None)
    assert connector.push([create()])[0].outcome is Outcome.OK
    with pytest.raises(UnsupportedError):
        connector.find("message", [create()])
    with pytest.raises(UnsupportedError):
        list(connector.pull("message", {}, ()))


def test_where_the_connector_files_copies_a_miss_settles_nothing(sandbox: EmailSandbox) -> None:
    sandbox.files_sent = False
    connector = connect(sandbox, sent_by_server=False)
    connector.push([create("a")])
    (copy,) = connector.find("message", [create("a")])
    assert copy is not None
    assert copy.id == "<a@hub.test>"
    with pytest.raises(UnsupportedError, match="cannot be settled"):
        connector.find("message", [create("b")])


def test_the_sent_folder_is_found_by_its_usual_names(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox, imap__sent=None)
    connector.push([create()])
    assert connector.find("message", [create()])[0] is not None


# reading


def test_new_mail_is_read_once(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox)
    assert pull_all(connector)[0] == []
    sandbox.send(f"Ann <{ANN}>", HUB, "Question", "When?")
    (record,), cursor = pull_all(connector)
    assert record.data["from"] == ANN
    assert record.data["text"] == "When?"
    assert record.data["auto_submitted"] is False
    assert record.updated_at is not None
    assert pull_all(connector, cursor) == ([], cursor)
    sandbox.send(ANN, HUB, "Again", "And?")
    (record,), _ = pull_all(connector, cursor)
    assert record.data["subject"] == "Again"


def test_an_answer_carries_the_id_of_what_was_asked(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox)
    connector.push([create()])
    question = sandbox.wait_for(ANN, lambda mail: mail["Subject"] == "Hello")
    text = "Yes.\n\nOn Mon, 2 Mar 2026, Process Hub wrote:\n> Hi"
    sandbox.send(ANN, HUB, "Re: Hello", text, question)
    (record,), _ = pull_all(connector)
    assert record.data["in_reply_to"] == "<k1@hub.test>"
    assert record.data["reply"] == "Yes."


def test_many_messages_come_in_pages_that_can_be_continued(sandbox: EmailSandbox) -> None:
    for number in range(120):
        sandbox.deliver(HUB, f"Message-ID: <{number}@c.test>\r\n\r\nx".encode())
    pages = list(connect(sandbox).pull("message", {}, ()))
    assert [len(page.records) for page in pages] == [50, 50, 20]
    rest, _ = pull_all(connect(sandbox), pages[0].cursor)
    assert [record.id for record in rest] == [f"<{number}@c.test>" for number in range(50, 120)]


def test_a_renumbered_mailbox_is_read_again_with_the_same_ids(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox)
    sandbox.send(ANN, HUB, "One", "1")
    before, cursor = pull_all(connector)
    sandbox.renumber(HUB)
    again, after = pull_all(connector, cursor)
    assert [record.id for record in again] == [record.id for record in before]
    assert after["uidvalidity"] != cursor["uidvalidity"]
    assert pull_all(connector, after)[0] == []


def test_one_broken_message_does_not_hide_the_others(sandbox: EmailSandbox) -> None:
    fixtures = files("connectors.email") / "fixtures"
    sandbox.deliver(HUB, (fixtures / "bad_encoded_subject.eml").read_bytes())
    sandbox.deliver(HUB, b"\xff\xfe\x00garbage")
    sandbox.deliver(HUB, b"Subject: big\r\n\r\n" + b"x" * 5000)
    sandbox.send(ANN, HUB, "Fine", "ok")
    records, _ = pull_all(connect(sandbox, imap__max_size=2000))
    assert [record.data["subject"] for record in records] == ["TEST", "", "big", "Fine"]
    assert "too large" in records[2].data["error"]
    assert records[2].data["headers"]["subject"] == "big"
    assert len({record.id for record in records}) == 4


def test_mail_that_cannot_be_delivered_comes_back_as_a_bounce(sandbox: EmailSandbox) -> None:
    sandbox.unreachable.add("gone@customer.test")
    connector = connect(sandbox)
    connector.push([create("k9", to="gone@customer.test")])
    (record,), _ = pull_all(connector)
    assert record.data["bounce"] == {
        "recipient": "gone@customer.test",
        "action": "failed",
        "status": "5.1.1",
        "message_id": "<k9@hub.test>",
    }
    assert record.data["auto_submitted"] is True


def test_an_absence_note_is_marked_as_sent_by_a_machine(sandbox: EmailSandbox) -> None:
    sandbox.send(ANN, HUB, "Away", "Back on Monday", headers={"Auto-Submitted": "auto-replied"})
    (record,), _ = pull_all(connect(sandbox))
    assert record.data["auto_submitted"] is True


def test_our_own_message_in_the_inbox_is_recognised(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox)
    connector.push([create(to=HUB)])
    (record,), _ = pull_all(connector)
    assert record.data["own"] is True


def test_reading_leaves_mail_unread(sandbox: EmailSandbox) -> None:
    import imapclient

    sandbox.send(ANN, HUB, "One", "1")
    pull_all(connect(sandbox))
    with imapclient.IMAPClient("127.0.0.1", sandbox.imap_port, ssl=False) as client:
        client.login(HUB, next(iter(sandbox.env().values())))
        client.select_folder("INBOX")
        assert len(client.search("UNSEEN")) == 1


def test_nobody_sends_without_logging_in_or_as_somebody_else(sandbox: EmailSandbox) -> None:
    assert connect(sandbox, smtp__username="").push([create()])[0].outcome is Outcome.REJECTED
    other = connect(sandbox, from_address="boss@customer.test")
    assert "from_address" in other.push([create()])[0].field_errors
    assert sandbox.ledger == []


def test_discover_lists_what_a_record_holds(sandbox: EmailSandbox) -> None:
    connector = connect(sandbox)
    connector.push([create(to=HUB)])
    (record,), _ = pull_all(connector)
    assert set(record.data) <= {field.name for field in connector.discover("message")}
    with pytest.raises(UnsupportedError):
        connector.discover("ticket")
