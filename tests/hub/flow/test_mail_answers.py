"""Outsiders who answer by mail: forms, done, decisions; and what is none of these."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.utils import parseaddr

import pytest

from connectors.email.sandbox import EmailSandbox
from hub.participants.mail_answers import PATIENCE
from hub.process import cases as moving
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

PROCESS = """
process: deal
accountable: role:ops
steps:
  number:
    title: Send your number
    delivers: It
    responsible: "external:ann@globex.test"
    form:
      type: object
      required: [vat_id]
      properties: {vat_id: {type: string, title: VAT number, pattern: "^CH[0-9]+$"}}
  sign:
    title: Sign it
    after: [number]
    responsible: "external:ann@globex.test"
  credit:
    type: decision
    title: Do you accept the offer?
    after: [sign]
    decider: "external:ann@globex.test"
    options: [approved, rejected]
"""
ANN = "Ann <ann@globex.test>"


@pytest.fixture
def world(make: MakeWorld, mail: EmailSandbox) -> World:
    """A case that asks Ann three things, one after the other."""
    world = make({"mail": mail}, {"processes/deal.yaml": PROCESS})
    with world.hub.unit() as unit:
        moving.start(unit, "deal", title="Onboard Ann")
    world.settle()
    return world


def last(mail: EmailSandbox, who: str = "ann@globex.test") -> EmailMessage:
    return mail.inbox(who)[-1]


def reply_to(message: EmailMessage) -> str:
    return parseaddr(str(message["Reply-To"]))[1]


def code_in(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    found = re.search(r"Your code: ([0-9]{6})", part.get_content())
    assert found is not None
    return found[1]


def answer(world: World, mail: EmailSandbox, text: str, *, by: str = ANN, to: str = "") -> None:
    asked = last(mail)
    mail.send(by, to or reply_to(asked), f"Re: {asked['Subject']}", text, asked)
    world.settle()


def statuses(world: World) -> dict[str, str]:
    return {key: row["status"] for (key, _), row in world.steps().items()}


def test_a_form_is_answered_by_reply_and_the_link_is_dead_then(
    world: World, mail: EmailSandbox
) -> None:
    assert re.fullmatch(r"hub\+inv_[0-9a-z]+\.[0-9a-f]{20}@hub\.test", reply_to(last(mail)))
    answer(world, mail, "Here it is.\n\nVAT number: CH123\n\nBest, Ann")
    assert statuses(world)["number"] == "completed"
    assert world.case["data"]["number"] == {"vat_id": "CH123"}
    [comment] = world.comments()
    assert comment["body"].startswith("Here it is.")
    [done] = world.events("task.completed")
    assert done["actor"]["kind"] == "person"
    assert done["data"]["channel"] == "mail"


def test_a_wrong_answer_is_told_and_changes_nothing(world: World, mail: EmailSandbox) -> None:
    answer(world, mail, "VAT number: none of your business")
    assert statuses(world)["number"] == "active"
    told = last(mail)
    assert str(told["Subject"]).startswith("Your answer was not taken: Send your number")
    answer(world, mail, "VAT number: CH7")
    assert statuses(world)["number"] == "completed"


def test_nobody_is_told_more_than_a_few_times(world: World, mail: EmailSandbox) -> None:
    for number in range(PATIENCE + 3):
        answer(world, mail, f"VAT number: wrong {number}")
    subjects = [str(one["Subject"]) for one in mail.inbox("ann@globex.test")]
    assert sum("not taken" in one for one in subjects) == PATIENCE


def test_done_by_reply_completes_a_step_without_a_form(world: World, mail: EmailSandbox) -> None:
    answer(world, mail, "VAT number: CH123")
    answer(world, mail, "I am on it, it will be done soon")
    assert statuses(world)["sign"] == "active"
    answer(world, mail, "Done!")
    assert statuses(world)["sign"] == "completed"


def to_the_decision(world: World, mail: EmailSandbox) -> None:
    answer(world, mail, "VAT number: CH123")
    answer(world, mail, "Done")
    assert statuses(world)["credit"] == "active"


def test_a_decision_by_reply_takes_the_signed_address_and_the_code(
    world: World, mail: EmailSandbox
) -> None:
    to_the_decision(world, mail)
    answer(world, mail, f"approved {code_in(last(mail))}")
    assert world.decision()["outcome"] == "approved"
    assert world.decision()["channel"] == "mail"
    assert world.case["status"] == "completed"


@pytest.mark.parametrize("lacks", ["code", "address", "sender", "clear words", "quotes only"])
def test_a_decision_by_reply_that_lacks_something_decides_nothing(
    world: World, mail: EmailSandbox, lacks: str
) -> None:
    to_the_decision(world, mail)
    asked = last(mail)
    code, to, by = code_in(asked), reply_to(asked), ANN
    text = f"approved {code}"
    match lacks:
        case "code":
            text = "approved"
        case "address":
            to = EmailSandbox.address
        case "sender":
            by = "Ann <ann@elsewhere.test>"
        case "clear words":
            text = f"I approve of it, {code}"
        case "quotes only":
            text = f"> approved {code}"
    mail.send(by, to, "Re", text, asked)
    world.settle()
    assert world.decision()["outcome"] is None
    assert statuses(world)["credit"] == "active"


def test_codes_cannot_be_tried_out_by_mail(world: World, mail: EmailSandbox) -> None:
    """Each wrong one counts, also where it comes by mail; then the right one is refused too."""
    to_the_decision(world, mail)
    asked = last(mail)
    right = code_in(asked)
    wrong = [f"{number:06d}" for number in range(100, 112) if f"{number:06d}" != right]
    for one in wrong:
        mail.send(ANN, reply_to(asked), "Re", f"approved {one}", asked)
    world.settle()
    mail.send(ANN, reply_to(asked), "Re", f"approved {right}", asked)
    world.settle()
    assert world.decision()["outcome"] is None


def test_an_address_signed_by_somebody_else_is_none(world: World, mail: EmailSandbox) -> None:
    to_the_decision(world, mail)
    asked = last(mail)
    forged = re.sub(r"\.[0-9a-f]{20}@", "." + "0" * 20 + "@", reply_to(asked))
    mail.send(ANN, forged, "Re", f"approved {code_in(asked)}")
    world.settle()
    assert world.decision()["outcome"] is None


def test_a_reply_that_comes_twice_answers_once(world: World, mail: EmailSandbox) -> None:
    asked = last(mail)
    mail.send(ANN, reply_to(asked), "Re", "VAT number: CH123", asked)
    world.settle()
    before = len(world.all(t.pushes))
    mail.renumber(EmailSandbox.address)
    world.settle()
    assert len(world.all(t.pushes)) == before
    assert len(world.comments()) == 1


def test_an_answer_after_it_was_answered_is_a_comment(world: World, mail: EmailSandbox) -> None:
    asked = last(mail)
    answer(world, mail, "VAT number: CH123")
    mail.send(ANN, reply_to(asked), "Re", "VAT number: CH999", asked)
    world.settle()
    assert world.case["data"]["number"] == {"vat_id": "CH123"}
    assert len(world.comments()) == 2
