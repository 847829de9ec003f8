"""The outsider's journey over Dovecot and Exim, by link and by reply; and mail that means harm."""

from __future__ import annotations

import email.utils
import os
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from connectors.sdk.sandbox import Sandbox
from hub.process import cases as moving
from hub.store import tables as t
from hub.web import create_web
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World
from tests.mail_server import MailHouse, mail_house, missing

PROCESS = """
process: deal
accountable: role:ops
steps:
  number:
    title: Send your number
    delivers: It
    responsible: "external:ann@acme.test"
    form:
      type: object
      required: [vat_id]
      properties: {vat_id: {type: string, title: VAT number, pattern: "^CH[0-9]+$"}}
  credit:
    type: decision
    title: Do you accept the offer?
    after: [number]
    decider: "external:ann@acme.test"
    options: [approved, rejected]
"""
ANN = "ann@acme.test"


@pytest.fixture(scope="module")
def server() -> Iterator[MailHouse]:
    why = missing()
    if why and os.environ.get("CI"):
        pytest.fail(why)
    if why:
        pytest.skip(why)
    with mail_house(("hub", "ann", "dana", "lee", "mallory"), "acme.test") as running:
        yield running


@pytest.fixture
def house(server: MailHouse) -> MailHouse:
    server.empty()
    return server


@pytest.fixture
def world(make: MakeWorld, house: MailHouse) -> World:
    """A case that asks Ann for a number and then for a decision."""
    sandboxes = {"mail": cast(Sandbox, house)}
    world = make(sandboxes, {"processes/deal.yaml": PROCESS})
    with world.hub.unit() as unit:
        moving.start(unit, "deal", title="Onboard Ann")
    world.settle()
    return world


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def code_in(message: EmailMessage) -> str:
    found = re.search(r"Your code: ([0-9]{6})", text_of(message))
    assert found is not None
    return found[1]


def reply(asked: EmailMessage, text: str, by: str = ANN, **headers: str) -> EmailMessage:
    """What a mail program makes of an answer: threaded, the question quoted below."""
    made = EmailMessage()
    given: dict[str, Any] = {
        "From": by,
        "To": str(asked["Reply-To"] or asked["From"]),
        "Subject": f"Re: {asked['Subject']}",
        "Date": email.utils.formatdate(),
        "Message-ID": email.utils.make_msgid(domain="acme.test"),
        "In-Reply-To": str(asked["Message-ID"]),
        "References": str(asked["Message-ID"]),
        **headers,
    }
    for name, value in given.items():
        if value:
            made[name.replace("_", "-")] = value
    quoted = "\n".join(f"> {line}" for line in text_of(asked).splitlines())
    made.set_content(f"{text}\n\nOn Mon, 2 Mar 2026 at 10:00, the hub wrote:\n{quoted}\n")
    return made


def post(house: MailHouse, world: World, *messages: EmailMessage, sender: str = ANN) -> None:
    before = len(house.inbox("hub"))
    for one in messages:
        to = parseaddr(str(one["To"]))[1]
        house.post(one, sender, [to])
    house.wait_for("hub", before + len(messages))
    world.settle()


def statuses(world: World) -> dict[str, str]:
    return {key: row["status"] for (key, _), row in world.steps().items()}


def test_by_reply_from_the_question_to_the_decision(world: World, house: MailHouse) -> None:
    [asked] = house.wait_for("ann", 1)
    post(house, world, reply(asked, "Here it is:\n\nVAT number: CH123"))
    assert statuses(world)["number"] == "completed"
    question = house.wait_for("ann", 2)[-1]
    post(house, world, reply(question, f"approved\n{code_in(question)}"))
    assert world.decision()["outcome"] == "approved"
    assert world.case["status"] == "completed"


def test_by_link_a_form_is_handed_in_and_the_reply_is_late(world: World, house: MailHouse) -> None:
    [asked] = house.wait_for("ann", 1)
    found = re.search(r"https://hub\.acme\.test(/p/\S+)", text_of(asked))
    assert found is not None
    app = FastAPI()
    app.include_router(create_web(world.hub))
    with TestClient(app, base_url="https://hub.acme.test") as browser:
        assert browser.get(found[1]).status_code == 200
        assert statuses(world)["number"] == "active"
        sent = {"vat_id": "CH7", "code": code_in(asked)}
        assert browser.post(found[1], data=sent).status_code == 200
    world.settle()
    assert world.case["data"]["number"] == {"vat_id": "CH7"}
    post(house, world, reply(asked, "VAT number: CH8"))
    assert world.case["data"]["number"] == {"vat_id": "CH7"}


def test_by_link_a_decision_takes_a_choice_and_the_code(world: World, house: MailHouse) -> None:
    [asked] = house.wait_for("ann", 1)
    post(house, world, reply(asked, "VAT number: CH123"))
    question = house.wait_for("ann", 2)[-1]
    found = re.search(r"https://hub\.acme\.test(/p/\S+)", text_of(question))
    assert found is not None
    app = FastAPI()
    app.include_router(create_web(world.hub))
    with TestClient(app, base_url="https://hub.acme.test") as browser:
        page = browser.get(found[1]).text
        shown = re.search(r'name="evidence" value="([0-9a-f]+)"', page)
        assert shown is not None
        assert "checked" not in page
        right = {"evidence": shown[1], "code": code_in(question), "answer": "rejected"}
        for lacks in ("code", "answer"):
            sent = {name: value for name, value in right.items() if name != lacks}
            assert browser.post(found[1], data=sent).status_code == 422
        again = browser.post(found[1], data={**right, "evidence": "0" * 64})
        assert "has changed since you opened the page" in again.text
        assert world.decision()["outcome"] is None
        assert browser.post(found[1], data=right).status_code == 200
        assert world.decision()["outcome"] == "rejected"
        assert browser.post(found[1], data=right).status_code in (409, 410)


def hostile(question: EmailMessage) -> list[EmailMessage]:
    """A hundred mails of which none may decide: spoofed, automatic, bounced, quoted, forwarded,
    looped.
    """
    code = code_in(question)
    right = f"approved {code}"
    elsewhere = "hub@acme.test"
    wrong_tag = re.sub(r"\.[0-9a-f]{20}@", "." + "0" * 20 + "@", str(question["Reply-To"]))
    made = []
    for number in range(10):
        made += [
            # spoofed: another sender, a signature that is not ours, no signed address, no code
            reply(question, right, by=f"mallory{number}@acme.test"),
            reply(question, right, To=wrong_tag),
            reply(question, right, To=elsewhere),
            reply(question, f"approved {(int(code) + 1 + number) % 1_000_000:06d}", To=elsewhere),
            # automatic: it holds whatever it quotes
            reply(question, right, Auto_Submitted="auto-replied"),
            reply(question, right, Precedence="bulk", X_Autoreply="yes"),
            # quoted, and talked about
            reply(question, "\n".join(f"> {line}" for line in [right, "approved", code])),
            reply(question, f"Should I write '{right}'?"),
            # forwarded by Ann to Mallory, who answers it all
            reply(question, right, by="mallory@acme.test", References="", In_Reply_To=""),
            # looped: our own mail that comes back
            reply(question, right, by="Process Hub <hub@acme.test>"),
        ]
    return made


def test_a_hundred_hostile_mails_decide_nothing_and_send_nothing(
    world: World, house: MailHouse
) -> None:
    [asked] = house.wait_for("ann", 1)
    post(house, world, reply(asked, "VAT number: CH123"))
    question = house.wait_for("ann", 2)[-1]
    sent = len(world.all(t.pushes))
    mails = hostile(question)
    assert len(mails) == 100
    post(house, world, *mails, sender="mallory@acme.test")
    assert world.decision()["outcome"] is None
    assert statuses(world)["credit"] == "active"
    assert len(world.all(t.pushes)) == sent
    assert len(house.inbox("mallory")) == 0
    assert len(house.inbox("ann")) == 2
    post(house, world, reply(question, f"rejected {code_in(question)}"))
    assert world.decision()["outcome"] == "rejected", "and the right one still counts"


def test_a_bounce_is_shown_to_whoever_answers_for_it(make: MakeWorld, house: MailHouse) -> None:
    gone = PROCESS.replace("ann@", "nobody@")
    world = make({"mail": cast(Sandbox, house)}, {"processes/deal.yaml": gone})
    with world.hub.unit() as unit:
        moving.start(unit, "deal", title="Onboard")
    world.settle()
    house.wait_for("hub", 1)
    world.settle()
    [row] = world.exceptions()
    assert (row["type"], row["owner"]) == ("bounced", world.party("dana"))
