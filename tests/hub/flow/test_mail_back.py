"""Mail that comes back: replies, bounces, out-of-office notes, and our own."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from connectors.email.sandbox import EmailSandbox
from connectors.github.sandbox import GithubSandbox
from hub.process import cases as moving
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

PROCESS = """
process: deal
accountable: role:ops
steps:
  number: {title: Send your number, delivers: It, responsible: "external:ann@globex.test"}
  credit: {type: decision, title: Grant credit?, decider: role:legal, options: [approved, rejected]}
"""
HUB = EmailSandbox.address


@pytest.fixture
def world(make: MakeWorld, mail: EmailSandbox) -> World:
    """A case that has asked Ann for something and Lee for a decision."""
    world = make({"mail": mail}, {"processes/deal.yaml": PROCESS})
    with world.hub.unit() as unit:
        moving.start(unit, "deal", title="Onboard Ann")
    world.settle()
    return world


def asked(mail: EmailSandbox, who: str = "ann@globex.test") -> EmailMessage:
    return mail.inbox(who)[0]


def test_a_reply_becomes_a_comment_once(world: World, mail: EmailSandbox) -> None:
    mail.send("Ann <ann@globex.test>", HUB, "Re: it", "It is CH1.", asked(mail))
    world.settle()
    mail.renumber(HUB)
    world.settle()
    [comment] = world.comments()
    assert comment["body"] == "It is CH1."
    assert comment["task"] == world.task["id"]
    assert world.exceptions() == []
    assert world.task["status"] == "open"


def test_automatic_mail_does_nothing_and_triggers_no_mail(world: World, mail: EmailSandbox) -> None:
    before = len(mail.ledger)
    headers = {"Auto-Submitted": "auto-replied"}
    mail.send("ann@globex.test", HUB, "Away", "I am away.", asked(mail), headers=headers)
    world.settle()
    assert world.comments() == []
    assert world.exceptions() == []
    assert len(mail.ledger) == before


def test_our_own_mail_does_nothing(world: World, mail: EmailSandbox) -> None:
    """A copy of what the hub sent comes back into its own mailbox."""
    mail.deliver(HUB, asked(mail).as_bytes())
    world.settle()
    assert world.comments() == []
    assert world.exceptions() == []


def test_a_bounce_is_an_exception_with_the_step_it_concerns(
    make: MakeWorld, mail: EmailSandbox
) -> None:
    mail.unreachable.add("ann@globex.test")
    world = make({"mail": mail}, {"processes/deal.yaml": PROCESS})
    with world.hub.unit() as unit:
        moving.start(unit, "deal", title="Onboard Ann")
    world.settle()
    [row] = world.exceptions()
    assert row["type"] == "bounced"
    assert row["subject"] == world.steps()["number", 1]["id"]
    assert row["owner"] == world.party("dana")
    world.settle()
    assert len(world.exceptions()) == 1


def test_a_mail_decides_nothing_and_is_not_lost(world: World, mail: EmailSandbox) -> None:
    """Lee answers 'approved' by mail: the decision waits, and whoever answers for it reads that."""
    mail.send("lee@acme.test", HUB, "Re", "approved", asked(mail, "lee@acme.test"))
    world.settle()
    assert world.decision()["outcome"] is None
    [row] = world.exceptions()
    assert (row["type"], row["severity"]) == ("unrouted", "low")
    assert "approved" in row["detail"]


def test_a_mail_about_nothing_of_ours_is_left_alone(world: World, mail: EmailSandbox) -> None:
    mail.send("spam@spam.test", HUB, "Buy", "Buy!")
    world.settle()
    assert world.comments() == []
    assert world.exceptions() == []


def test_a_reply_is_read_in_the_tools_that_hold_the_task(
    make: MakeWorld, mail: EmailSandbox, github: GithubSandbox
) -> None:
    """What Ann writes by mail stands beneath the issue, once."""
    world = make(
        {"mail": mail, "github": github},
        {
            "processes/deal.yaml": PROCESS.replace(
                "delivers: It,", "delivers: It, connection: github,"
            )
        },
    )
    with world.hub.unit() as unit:
        moving.start(unit, "deal", title="Onboard Ann")
    world.settle()
    mail.send("Ann <ann@globex.test>", HUB, "Re: it", "It is CH1.", asked(mail))
    world.settle()
    world.hear(github)
    world.settle()
    [comment] = github.comments()
    assert comment["body"].startswith("It is CH1.")
    assert len(world.comments()) == 1
