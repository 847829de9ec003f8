"""The mail connector against Dovecot and Exim, as they run elsewhere: passwords, TLS, bounces."""

from __future__ import annotations

import os
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest

from connectors.email.connector import EmailConfig, EmailConnector
from connectors.sdk import AuthError, Change, ConfigError, Outcome, Record, UnsupportedError
from tests.mail_server import MailHouse, mail_house, missing


@pytest.fixture(scope="module")
def house() -> Iterator[MailHouse]:
    why = missing()
    if why and os.environ.get("CI"):
        pytest.fail(why)
    if why:
        pytest.skip(why)
    with mail_house() as running:
        yield running


def connect(house: MailHouse, user: str = "hub", **changes: Any) -> EmailConnector:
    block = house.connection(user)
    block.pop("connector")
    for server in ("smtp", "imap"):
        block[server]["password"] = house.env()[block[server]["password"].removeprefix("env:")]
    for name, value in changes.items():
        place, _, key = name.rpartition("__")
        (block[place] if place else block)[key] = value
    return EmailConnector("mail", EmailConfig.model_validate(block))


def message(key: str, to: str, **fields: Any) -> Change:
    return Change("create", "message", key, {"to": [to], "subject": key, "text": "Hi"} | fields)


def everything(connector: EmailConnector, cursor: Any = None) -> tuple[list[Record], Any]:
    found = []
    for page in connector.pull("message", cursor or {}, ()):
        found += page.records
        cursor = page.cursor
    return found, cursor


def test_mail_goes_out_by_submission_and_comes_back_by_imap(house: MailHouse) -> None:
    ours, theirs = connect(house), connect(house, "ann")
    ours.check()
    [sent] = ours.push([message("k-out", "ann@house.test", subject="Grüezi")])
    assert sent.outcome is Outcome.OK
    [arrived] = house.wait_for("ann", 1)
    assert arrived["Subject"] == "Grüezi"
    reply = EmailMessage()
    reply["From"], reply["To"] = "Ann <ann@house.test>", "hub@house.test"
    reply["Subject"], reply["In-Reply-To"] = "Re: Grüezi", str(arrived["Message-ID"])
    reply.set_content("Done.\n\nOn Mon, 2 Mar 2026 at 10:00, <hub@house.test> wrote:\n> Hi\n")
    house.post(reply, "ann@house.test", ["hub@house.test"])
    house.wait_for("hub", 1)
    [record], cursor = everything(ours)
    assert record.data["in_reply_to"] == "<k-out@house.test>"
    assert record.data["reply"].strip() == "Done."
    assert everything(ours, cursor)[0] == []
    assert [one.data["subject"] for one in everything(theirs)[0]] == ["Grüezi"]
    ours.close()
    theirs.close()


def test_a_copy_of_what_was_sent_lies_in_sent(house: MailHouse) -> None:
    connector = connect(house)
    change = message("k-sent", "lee@house.test")
    connector.push([change])
    [found] = connector.find("message", [change])
    assert found is not None
    assert found.id == "<k-sent@house.test>"
    with pytest.raises(UnsupportedError):  # it may have gone, cut off before the copy was filed
        connector.find("message", [message("k-never", "lee@house.test")])
    connector.close()


def test_mail_to_nobody_comes_back_and_names_the_message(house: MailHouse) -> None:
    connector = connect(house)
    _, cursor = everything(connector)
    before = len(house.inbox("hub"))
    connector.push([message("k-lost", "nobody@house.test")])
    house.wait_for("hub", before + 1)
    [record], _ = everything(connector, cursor)
    assert record.data["bounce"]["recipient"] == "nobody@house.test"
    assert record.data["bounce"]["action"] == "failed"
    assert record.data["bounce"]["message_id"] == "<k-lost@house.test>"
    connector.close()


def test_a_wrong_password_is_told_as_such(house: MailHouse) -> None:
    connector = connect(house, imap__password="wrong")
    with pytest.raises(AuthError):
        connector.check()
    connector.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(house: MailHouse) -> None:
    connector = connect(house, smtp__ca_file=None, imap__ca_file=None)
    with pytest.raises(ConfigError, match="certificate"):
        connector.check()
    connector.close()


def test_the_house_relays_for_nobody(house: MailHouse) -> None:
    """Only a hub that has signed in may send elsewhere: our tests are no open relay either."""
    spam = EmailMessage()
    spam["Subject"] = "x"
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        house.post(spam, "x@evil.test", ["victim@elsewhere.test"])
