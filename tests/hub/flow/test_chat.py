"""People who are asked in Slack and answer there: buttons, threads, and mail where that fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

from connectors.email.sandbox import EmailSandbox
from connectors.github.sandbox import GithubSandbox
from connectors.slack.blocks import ACTIONS, CHOSEN, DECIDED
from connectors.slack.sandbox import Sent as SlackSent
from connectors.slack.sandbox import SlackSandbox
from hub.app import Application
from hub.process import cases as moving
from hub.store import tables as t
from hub.workspace import load
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import CONNECTORS, World

PROCESS = """
process: deal
accountable: role:ops
steps:
  credit: {type: decision, title: Grant credit?, decider: role:legal,
    options: [approved, rejected], due: 2d, remind: {before: [1d]}}
"""
TOGETHER = """
process: deal
accountable: role:ops
steps:
  credit: {type: decision, title: Grant credit?, decider: [lee, dana], quorum: 2,
    options: [approved, rejected], due: 2d}
"""
WORK = """
process: deal
accountable: role:ops
steps:
  contract: {title: Sign the contract, delivers: A contract, responsible: role:legal}
  number: {title: Send your number, delivers: It, responsible: "external:ann@globex.test"}
"""


@pytest.fixture
def slack() -> Iterator[SlackSandbox]:
    with SlackSandbox() as sandbox:
        sandbox.populate()
        yield sandbox


MakeChat = Callable[[str], "Chat"]


class Chat:
    """A hub whose people are in Slack: Dana is Ada there by her id, Lee by e-mail address."""

    def __init__(
        self, world: World, slack: SlackSandbox, mail: EmailSandbox, intake: TestClient, lee: str
    ) -> None:
        self.world, self.slack, self.mail, self.intake = world, slack, mail, intake
        self.dana, self.sam = slack.people[:2]
        self.lee = lee

    def start(self, **data: Any) -> str:
        with self.world.hub.unit() as unit:
            id, _ = moving.start(unit, "deal", title="Onboard Ann", data={"amount": 70000, **data})
        self.world.work()
        return id

    def messages(self, user: str) -> list[tuple[str, dict[str, Any]]]:
        """What the app wrote to a person, oldest first: id and message."""
        room = self.slack.direct(user)
        place = self.slack.state.channels[room]
        return [
            (f"{room}:{ts}", row)
            for ts, row in sorted(place.messages.items())
            if row.get("bot_id") and row.get("metadata")
        ]

    def asked(self, user: str | None = None) -> str:
        """The newest message to a person that has buttons."""
        return [id for id, row in self.messages(user or self.lee) if choices(row)][-1]

    def told(self, user: str) -> str:
        """The newest message to a person, as text."""
        return str(self.messages(user)[-1][1]["text"])

    def click(self, id: str, choice: str, by: str | None = None) -> None:
        """Press a button, as far as the hub's inbox; `take` what was signed on the way."""
        self.take(self.slack.click(id, choice, by or self.lee))
        self.world.work()
        self.world.hurry()
        self.world.work()

    def take(self, sent: SlackSent) -> None:
        """The request, signed now, through the hub's intake."""
        form = sent.kind == "interactive"
        delivery = self.slack.delivery(sent.body, form=form, at=self.world.clock())
        answer = self.intake.post(
            "/webhooks/slack", content=delivery.body, headers=dict(delivery.headers)
        )
        assert (answer.status_code, answer.content) == (200, b"")

    def decided(self, id: str) -> str:
        """The line that took the buttons' place."""
        blocks = self.slack.message(id)["blocks"]
        line = next((one for one in blocks if one["block_id"] == DECIDED), None)
        return line["elements"][0]["text"] if line else ""


def choices(row: dict[str, Any]) -> list[str]:
    """The buttons of a message."""
    for block in row.get("blocks", ()):
        if block.get("block_id") == ACTIONS:
            return [one["action_id"].removeprefix(CHOSEN) for one in block["elements"]]
    return []


@pytest.fixture
def chat(make_chat: MakeChat) -> Chat:
    return make_chat(PROCESS)


@pytest.fixture
def make_chat(make: MakeWorld, slack: SlackSandbox, mail: EmailSandbox) -> Iterator[MakeChat]:
    """Makes a hub whose people are in Slack, with one process."""
    with ExitStack() as stack:

        def made(process: str) -> Chat:
            world, lee = _world(make, slack, mail, process)
            app = Application(world.hub, "https://hub.acme.test")
            app.start()
            stack.callback(app.stop)
            intake = stack.enter_context(TestClient(app, base_url="https://hub.acme.test"))
            return Chat(world, slack, mail, intake, lee)

        yield made


def _world(
    make: MakeWorld, slack: SlackSandbox, mail: EmailSandbox, process: str
) -> tuple[World, str]:
    lee = slack.state.add_user("Lee Kim", "lee@acme.test")["id"]
    people = {
        "people": {
            "dana": {
                "name": "Dana Meier", "email": "dana@acme.test", "channel": "slack",
                "deputies": ["lee"],
            },
            "lee": {
                "name": "Lee Kim", "email": "lee@acme.test", "channel": "slack",
                "deputies": ["dana"],
            },
            "sam": {"name": "Sam Okafor", "email": "sam@acme.test"},
        },
        "roles": {"ops": ["dana"], "legal": ["lee"]},
        "identities": {"slack": {"dana": slack.people[0], "sam": slack.people[1]}},
    }  # fmt: skip
    world = make(
        {"slack": slack, "mail": mail},  # Slack first: the order of connections means nothing
        {"people.yaml": yaml.safe_dump(people), "processes/deal.yaml": process},
    )
    return world, lee


def test_a_decision_is_made_by_a_button_once_and_the_message_says_so(chat: Chat) -> None:
    chat.start()
    id = chat.asked()
    assert choices(chat.slack.message(id)) == ["approved", "rejected"]
    assert "70000" in chat.slack.message(id)["text"]
    assert chat.mail.inbox("lee@acme.test") == []
    chat.click(id, "approved")
    decision = chat.world.decision()
    assert (decision["outcome"], decision["channel"]) == ("approved", "slack")
    assert decision["decided_by"] == chat.world.party("lee")
    [made] = chat.world.events("decision.made")
    assert made["data"]["channel"] == "slack"
    assert made["actor"]["name"] == "Lee Kim"
    assert chat.world.case["status"] == "completed"
    assert choices(chat.slack.message(id)) == []
    assert chat.decided(id).startswith("Approved by Lee Kim, ")
    assert chat.world.exceptions() == []
    assert chat.world.chain() is None


def test_no_secret_of_a_button_is_stored(chat: Chat) -> None:
    chat.start()
    blocks = chat.slack.message(chat.asked())["blocks"]
    actions = next(one for one in blocks if one["block_id"] == ACTIONS)
    [secret] = {one["value"] for one in actions["elements"]}
    rows = [*chat.world.pushes(), *chat.world.all(t.tokens), *chat.world.events()]
    assert secret not in json.dumps(rows, default=str)


def test_somebody_else_decides_nothing_and_is_told(chat: Chat) -> None:
    chat.start()
    chat.click(chat.asked(), "approved", chat.sam)
    assert chat.world.decision()["outcome"] is None
    assert "somebody else's" in chat.told(chat.sam)
    assert choices(chat.slack.message(chat.asked())) == ["approved", "rejected"]
    assert chat.world.events("decision.made") == []


def test_somebody_unknown_decides_nothing_and_whoever_answers_for_it_hears(chat: Chat) -> None:
    chat.start()
    chat.click(chat.asked(), "approved", chat.slack.people[2])
    assert chat.world.decision()["outcome"] is None
    assert "do not know you" in chat.told(chat.slack.people[2])
    [row] = chat.world.exceptions()
    assert (row["type"], row["owner"]) == ("unrouted", chat.world.party("dana"))


def test_a_deputy_decides_for_whoever_was_asked(chat: Chat) -> None:
    chat.start()
    id = chat.asked()
    chat.click(id, "rejected", chat.dana)
    decision = chat.world.decision()
    assert (decision["outcome"], decision["on_behalf_of"]) == ("rejected", chat.world.party("lee"))
    assert chat.decided(id).startswith("Rejected by Dana Meier for Lee Kim, ")


def test_a_second_click_changes_nothing_and_says_who_decided(chat: Chat) -> None:
    """Two presses before the message is updated; the other option by the deputy comes second."""
    chat.start()
    id = chat.asked()
    chat.take(chat.slack.click(id, "approved", chat.lee))
    chat.take(chat.slack.click(id, "rejected", chat.dana))
    chat.world.work()
    assert chat.world.decision()["outcome"] == "approved"
    assert len(chat.world.events("decision.made")) == 1
    assert "approved, by Lee Kim" in chat.told(chat.dana)


def test_two_must_agree_by_buttons_and_one_may_think_again(make_chat: MakeChat) -> None:
    """A voice alone decides nothing, its giver may change it, and all messages end together."""
    chat = make_chat(TOGETHER)
    chat.start()
    first, second = chat.asked(chat.lee), chat.asked(chat.dana)
    chat.click(first, "rejected")
    assert chat.world.decision()["outcome"] is None
    assert "1 rejected; 2 alike are needed" in chat.decided(second)
    chat.click(second, "approved", chat.dana)
    assert chat.world.decision()["outcome"] is None
    [stalled] = chat.world.exceptions()
    assert (stalled["type"], stalled["owner"]) == ("stalled", chat.world.party("dana"))
    chat.click(first, "approved")
    decision = chat.world.decision()
    assert (decision["outcome"], decision["channel"]) == ("approved", "slack")
    assert len(chat.world.events("decision.made")) == 1
    assert chat.world.case["status"] == "completed"
    assert choices(chat.slack.message(first)) == choices(chat.slack.message(second)) == []
    assert chat.world.exceptions() == []


def test_one_person_is_one_voice_however_often_they_press(make_chat: MakeChat) -> None:
    """Lee stands in for Dana, and yet does not fill her seat beside their own."""
    chat = make_chat(TOGETHER)
    chat.start()
    chat.click(chat.asked(chat.lee), "approved")
    chat.click(chat.asked(chat.dana), "approved", chat.lee)
    assert chat.world.decision()["outcome"] is None
    given = [seat for seat in chat.world.all(t.seats) if seat["given_by"]]
    assert [seat["party"] for seat in given] == [chat.world.party("lee")]


def test_a_button_that_is_too_old_decides_nothing(chat: Chat) -> None:
    chat.start()
    id = chat.asked()
    chat.world.clock.ahead = timedelta(days=31)
    chat.click(id, "approved")
    assert chat.world.decision()["outcome"] is None
    assert "too old" in chat.told(chat.lee)


def test_a_forged_button_is_shown_to_a_person_and_does_nothing(chat: Chat) -> None:
    chat.start()
    id = chat.asked()
    sent = chat.slack.click(id, "approved", chat.lee)
    [token] = chat.world.all(t.tokens)
    forged = SlackSent("interactive", "x", sent.body.replace(token["id"].encode(), b"btn_0"))
    chat.take(forged)
    chat.world.work()
    assert chat.world.decision()["outcome"] is None
    assert chat.world.kinds() == ["unrouted"]


def test_what_has_changed_since_is_asked_again(chat: Chat) -> None:
    """The first message loses its buttons; the second shows what is known now, and decides."""
    id = chat.start()
    first = chat.asked()
    with chat.world.hub.database.write() as tx:
        tx.execute(t.cases.update().where(t.cases.c.id == id).values(data={"amount": 90000}))
    chat.click(first, "approved")
    assert chat.world.decision()["outcome"] is None
    assert choices(chat.slack.message(first)) == []
    assert "asked again" in chat.decided(first)
    second = chat.asked()
    assert second != first
    assert "90000" in chat.slack.message(second)["text"]
    chat.click(second, "approved")
    assert chat.world.decision()["outcome"] == "approved"
    assert chat.decided(second).startswith("Approved by Lee Kim")
    assert chat.decided(first).startswith("Approved by Lee Kim")


def test_a_decision_made_on_the_web_takes_the_buttons_away(chat: Chat) -> None:
    from hub.process import answers
    from hub.store import work

    chat.start()
    id = chat.asked()
    with chat.world.hub.unit() as unit:
        decision = chat.world.decision()
        lee = work.people(unit.tx)["lee"]
        answers.decide(
            unit, decision["id"], "rejected", lee,
            evidence_hash=decision["evidence_hash"], channel="web",
        )  # fmt: skip
    chat.world.work()
    assert choices(chat.slack.message(id)) == []
    assert chat.decided(id).startswith("Rejected by Lee Kim")


def test_a_decision_before_the_message_is_out_still_reaches_it(chat: Chat) -> None:
    """The update waits for its message, however late that is sent."""
    from hub.process import answers
    from hub.store import work

    with chat.world.hub.unit() as unit:
        moving.start(unit, "deal", title="Onboard Ann", data={"amount": 1})
    with chat.world.hub.unit() as unit:
        decision = chat.world.decision()
        lee = work.people(unit.tx)["lee"]
        answers.decide(
            unit, decision["id"], "approved", lee, evidence_hash=decision["evidence_hash"]
        )
    chat.world.work()
    chat.world.hurry()
    chat.world.work()
    [(id, row)] = chat.messages(chat.lee)
    assert choices(row) == []
    assert chat.decided(id).startswith("Approved")


def test_a_reminder_has_buttons_too_and_all_messages_end_together(chat: Chat) -> None:
    from hub.process import clocks

    chat.start()
    chat.world.clock.ahead = timedelta(days=1, hours=1)
    with chat.world.hub.unit() as unit:
        clocks.fire(unit)
    chat.world.work()
    first, second = (id for id, _ in chat.messages(chat.lee))
    chat.click(second, "approved")
    assert chat.world.decision()["outcome"] == "approved"
    assert chat.decided(first) == chat.decided(second)
    assert chat.decided(first).startswith("Approved by Lee Kim")


def test_what_a_message_asked_is_no_longer_asked_when_the_case_ends(chat: Chat) -> None:
    case = chat.start()
    id = chat.asked()
    with chat.world.hub.unit() as unit:
        moving.terminate(unit, case, "not needed")
    chat.world.work()
    assert choices(chat.slack.message(id)) == []
    assert chat.decided(id).startswith("No longer needed")


def test_a_message_that_somebody_deleted_is_nobodys_trouble(chat: Chat) -> None:
    chat.start()
    id = chat.asked()
    sent = chat.slack.click(id, "approved", chat.lee)
    chat.slack.remove(id)
    chat.take(sent)
    chat.world.work()
    assert chat.world.decision()["outcome"] == "approved"
    assert chat.world.exceptions() == []


# ------------------------------------------------------------------------------ handoffs and steps


def test_work_is_accepted_and_finished_by_buttons(
    make_chat: MakeChat, slack: SlackSandbox, mail: EmailSandbox
) -> None:
    """Accepting leaves the button that finishes it. Whoever is outside has mail."""
    chat = make_chat(WORK)
    chat.start()
    assert len(mail.inbox("ann@globex.test")) == 1
    id = chat.asked()
    assert choices(chat.slack.message(id)) == ["accepted", "declined", "done"]
    chat.click(id, "accepted", chat.sam)
    assert "Lee Kim" in chat.told(chat.sam)
    chat.click(id, "accepted")
    [handoff] = chat.world.all(t.handoffs)
    assert handoff["status"] == "accepted"
    [event] = chat.world.events("handoff.accepted")
    assert (event["data"]["channel"], event["actor"]["name"]) == ("slack", "Lee Kim")
    assert choices(chat.slack.message(id)) == ["done"]
    assert chat.decided(id).startswith("Accepted by Lee Kim")
    chat.click(id, "done", chat.sam)
    assert chat.world.steps()["contract", 1]["status"] == "active"
    chat.click(id, "done")
    assert chat.world.steps()["contract", 1]["status"] == "completed"
    [done] = chat.world.events("task.completed")
    assert done["data"]["channel"] == "slack"
    assert choices(chat.slack.message(id)) == []
    assert chat.decided(id).startswith("Done by Lee Kim")
    assert chat.world.exceptions() == []


def test_clicks_that_come_late_say_who_was_first(
    make_chat: MakeChat, slack: SlackSandbox, mail: EmailSandbox
) -> None:
    chat = make_chat(WORK)
    chat.start()
    id = chat.asked()
    first = [slack.click(id, one, chat.lee) for one in ("accepted", "done")]
    late = [slack.click(id, one, chat.dana) for one in ("declined", "done")]
    for one in first:
        chat.take(one)
    chat.world.work()
    for one in late:
        chat.take(one)
        chat.world.work()
        assert "by Lee Kim" in chat.told(chat.dana)
    [handoff] = chat.world.all(t.handoffs)
    assert handoff["status"] == "accepted"
    assert len(chat.world.events("task.completed")) == 1


def test_what_was_declined_is_no_longer_theirs_to_finish(
    make_chat: MakeChat, slack: SlackSandbox, mail: EmailSandbox
) -> None:
    chat = make_chat(WORK)
    chat.start()
    id = chat.asked()
    done = slack.click(id, "done", chat.sam)
    chat.click(id, "declined")
    chat.take(done)
    chat.world.work()
    assert chat.world.steps()["contract", 1]["status"] == "active"
    assert choices(chat.slack.message(id)) == []
    assert chat.decided(id).startswith("Declined by Lee Kim")
    assert "handoff_unaccepted" in chat.world.kinds()


def test_a_reply_in_the_thread_becomes_a_comment_of_its_author(
    make_chat: MakeChat, slack: SlackSandbox, mail: EmailSandbox
) -> None:
    chat = make_chat(WORK)
    chat.start()
    slack.reply(chat.asked(), "Legal wants a second page.", chat.lee)
    chat.world.settle()
    [comment] = chat.world.comments()
    assert comment["body"] == "Legal wants a second page."
    assert comment["author"] == chat.world.party("lee")
    [added] = chat.world.events("comment.added")
    assert added["data"]["channel"] == "slack"


def test_a_reply_decides_nothing(chat: Chat) -> None:
    chat.start()
    chat.slack.reply(chat.asked(), "approved", chat.lee)
    chat.world.settle()
    assert chat.world.decision()["outcome"] is None
    [row] = chat.world.exceptions()
    assert "decides nothing" in row["detail"]


# ---------------------------------------------------------------------------------------- fallback


def test_mail_takes_over_where_slack_refuses(chat: Chat) -> None:
    """Lee's account is gone: the same question comes by mail, and somebody sees why."""
    chat.slack.state.users[chat.lee]["deleted"] = True
    chat.start()
    [mail] = chat.mail.inbox("lee@acme.test")
    assert str(mail["Subject"]) == "Your decision: Grant credit? (Onboard Ann)"
    [row] = chat.world.exceptions()
    assert (row["type"], row["severity"]) == ("push_failed", "normal")
    assert "by mail instead" in row["detail"]
    chat.world.settle()
    assert len(chat.mail.inbox("lee@acme.test")) == 1


def test_who_chose_no_channel_has_mail(chat: Chat) -> None:
    """Also where Slack stands first and would know them."""
    from hub.participants import messages
    from hub.participants.messages import Message
    from hub.store import work

    with chat.world.hub.unit() as unit:
        sam = work.people(unit.tx)["sam"]
        assert messages.send(unit, Message(to=sam, subject="Hi", opening="Hello."), "x")
    chat.world.work()
    assert len(chat.mail.inbox("sam@acme.test")) == 1
    assert chat.messages(chat.sam) == []


# ------------------------------------------------------------------------------------- people.yaml


@pytest.mark.parametrize(
    ("lee", "expected", "fine"),
    [
        ("channel: slakc, email: l@acme.test", "Did you mean 'slack'?", False),
        ("channel: github, email: l@acme.test", "does not write to people", False),
        ("channel: slack", "has no account in 'slack', so mail is used", True),
        ("channel: slack, email: l@acme.test", "", True),
        ("channel: mail, email: l@acme.test", "", True),
    ],
)
def test_a_channel_is_a_connection_that_reaches_this_person(
    slack: SlackSandbox,
    mail: EmailSandbox,
    github: GithubSandbox,
    lee: str,
    expected: str,
    fine: bool,
) -> None:
    blocks = {"slack": slack, "mail": mail, "github": github}
    connections = {name: one.connection() for name, one in blocks.items()}
    loaded = load(
        {
            "hub.yaml": yaml.safe_dump({"name": "acme", "connections": connections}),
            "people.yaml": f"people:\n  lee: {{name: Lee, {lee}}}\n",
        },
        CONNECTORS,
    )
    said = [f"{one.place} {one.message} {one.hint}" for one in loaded.findings]
    assert (loaded.workspace is not None) is fine
    assert any(expected in one and "people.yaml:2:" in one for one in said) or not expected, said
    assert said == [] or expected
