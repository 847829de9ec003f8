"""What the hub writes to people. Every message says what, why you, by when, what happens otherwise,
and how to answer.

A message is composed inside the transaction that makes it necessary and sent as a push of
`message`; links and codes are placeholders until then. It goes at once, unless its recipient has
quiet hours or has heard enough for now: then it waits, and goes with others (see `nudges`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, select_autoescape
from sqlalchemy.engine import RowMapping

from hub.participants import asks as asks_of
from hub.participants import links
from hub.participants.asks import Ask
from hub.participants.pacing import LATELY, Why, quiet_of, release
from hub.store import nudges
from hub.store.outbox import NewPush, new_key
from hub.unit import Unit

_templates = Environment(
    loader=PackageLoader("hub.participants", "templates"),
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person. `facts` are label and value; `button` is label and address."""

    to: Mapping[str, Any]
    subject: str
    opening: str
    facts: Sequence[tuple[str, str]] = ()
    button: tuple[str, str] | None = None
    code: str | None = None
    closing: str = ""
    case: str | None = None
    purpose: str = "notice"
    asks: Sequence[Ask] = ()
    """What can be answered in the message itself, where the way to this person has buttons."""
    invitation: str | None = None
    """The link that an outsider answers by: the button, the code and the address for replies."""
    entries: Sequence[Message] = ()
    """In a digest: what is told in it."""


SNOOZABLE = ("reminder",)
"""Purposes of which a person may ask to hear later."""


def render(message: Message, hub_name: str) -> dict[str, Any]:
    """The vendor-neutral fields of a mail: to, subject, text, html."""
    values = {"message": message, "hub": hub_name, "name": message.to["name"]}
    return {
        "to": [message.to["email"]],
        "subject": " ".join(message.subject.split()),
        "text": _templates.get_template("message.txt").render(values),
        "html": _templates.get_template("message.html").render(values),
    }


def send(unit: Unit, message: Message, subject_id: str) -> bool:
    """Send a message, now or when its recipient may be written to. False, and nothing noted, where
    there is no way to reach this party.
    """
    if unit.snapshot.way_to(message.to) is None:
        return False
    at, why = _when(unit, message, subject_id)
    row = {
        "party": message.to["id"],
        "subject": subject_id,
        "case_id": message.case,
        "purpose": message.purpose,
        "title": message.subject,
        "created_at": unit.now,
        "due_at": at,
        "why": why,
    }
    if why is None:
        key = deliver(unit, message, subject_id)
        sent = {"sent_at": unit.now, "sent_as": key, "day": day_of(unit, message.to)}
        nudges.insert(unit.tx, {**row, **sent, "status": "sent"})
    else:
        nudges.insert(unit.tx, {**row, "status": "waiting", "message": _kept(message)})
    return True


def _when(unit: Unit, message: Message, subject_id: str) -> tuple[datetime, Why | None]:
    """When it may go, and why not now. Those outside are asked at once: they have one thing to do,
    and their hours are not ours to know; of reminders they too are spared.
    """
    party, now = message.to, unit.now
    if message.purpose in SNOOZABLE:
        until = nudges.snoozed(unit.tx, party["id"], [subject_id], now).get(subject_id)
        if until is not None:
            return until, "snoozed"
    external = party["side"] == "external"
    if external and message.purpose not in SNOOZABLE:
        return now, None
    workspace = unit.snapshot.workspace
    key = unit.snapshot.person_key(party["id"])
    person = workspace.people.get(key) if key else None
    hours = person.quiet_hours if person else None
    quiet = quiet_of(hours, (person and person.timezone) or workspace.timezone)
    sent = nudges.sent_on(unit.tx, party["id"], day_of(unit, party), now - LATELY)
    waits = None if external else nudges.gathering(unit.tx, party["id"])
    return release(now, workspace.nudges, quiet, sent, waits)


def day_of(unit: Unit, party: Mapping[str, Any]) -> str:
    """The date where a party is, whose budget a message counts for."""
    key = unit.snapshot.person_key(party["id"])
    person = unit.snapshot.workspace.people.get(key) if key else None
    zone = (person and person.timezone) or unit.snapshot.workspace.timezone
    return unit.now.astimezone(ZoneInfo(zone)).date().isoformat()


_TOLD = ("subject", "opening", "facts", "button", "closing", "invitation")


def _kept(message: Message) -> dict[str, Any]:
    """What a message that waits will say; what can be answered in it is looked at when it goes."""
    said = {name: getattr(message, name) for name in _TOLD if getattr(message, name)}
    return said | {"asks": bool(message.asks)}


def waiting(row: Mapping[str, Any], to: Mapping[str, Any], asks: Sequence[Ask]) -> Message:
    """A message that has waited, of its row."""
    said = row["message"]
    button = said.get("button")
    return Message(
        to=to,
        subject=said["subject"],
        opening=said["opening"],
        facts=[(label, value) for label, value in said.get("facts", ())],
        button=(button[0], button[1]) if button else None,
        invitation=said.get("invitation"),
        closing=said.get("closing", ""),
        case=row["case_id"],
        purpose=row["purpose"],
        asks=asks if said["asks"] else (),
    )


def deliver(unit: Unit, message: Message, subject_id: str) -> str | None:
    """Queue a message now; the key of its push, None where there is no way to reach this party."""
    way = unit.snapshot.way_to(message.to)
    if way is None:
        return None
    connection, address = way
    key = new_key()
    asks = message.asks if unit.snapshot.takes_buttons(connection) else ()
    seen = [line for ask in asks for line in ask.seen]
    message = replace(message, facts=[*message.facts, *seen])
    if message.invitation is not None:
        answer = ("Answer", links.link(message.invitation))
        message = replace(message, button=answer, code=links.code(message.invitation))
    fields = render(message, unit.snapshot.workspace.name) | {"to": [address]}
    if message.invitation is not None and connection == unit.snapshot.mail():
        fields["tag"] = links.tag(message.invitation)
    if connection != unit.snapshot.mail():
        buttons, kept = asks_of.put(unit, asks, message.to["id"], key)
        fields["hub"] = {"party": message.to["id"], "asks": kept}
        if buttons:
            fields["buttons"] = buttons
    _queue(unit, connection, key, fields, subject_id)
    if not message.entries:
        told(unit, message, subject_id, connection)
    return key


def told(
    unit: Unit, message: Message, subject_id: str, connection: str, digest: str | None = None
) -> None:
    """Note that somebody was told something, alone or in a digest (the key of its push)."""
    data = {
        "to": message.to["id"],
        "name": message.to["name"],
        "purpose": message.purpose,
        "subject": message.subject,
        "connection": connection,
    }
    unit.emit(
        "nudge.sent",
        subject_id,
        case=message.case,
        data=data | ({"digest": digest} if digest else {}),
    )


def by_mail_instead(unit: Unit, row: RowMapping) -> bool:
    """Queue by mail what could not be sent another way; mail has no buttons. False where it was
    no message to a person, or there is no mail to them either.
    """
    party = unit.snapshot.people_by_id.get(row["fields"].get("hub", {}).get("party", ""))
    mail = unit.snapshot.mail()
    if not party or not party["email"] or mail in (None, row["connection"]):
        return False
    fields = {name: row["fields"][name] for name in ("subject", "text", "html")}
    _queue(unit, str(mail), new_key(), fields | {"to": [party["email"]]}, row["entity_id"])
    unit.emit(
        "nudge.sent",
        row["entity_id"],
        data={
            "to": party["id"],
            "name": party["name"],
            "purpose": "fallback",
            "subject": fields["subject"],
            "connection": mail,
        },
    )
    return True


def _queue(
    unit: Unit, connection: str, key: str, fields: Mapping[str, Any], subject_id: str
) -> None:
    unit.push(
        NewPush(
            connection=connection,
            object="message",
            op="create",
            entity_type="message",
            entity_id=subject_id,
            fields=fields,
            cause=unit.cause,
            correlation=unit.correlation,
            key=key,
        )
    )
