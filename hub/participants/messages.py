"""What the hub writes to people. Every message says what, why you, by when, what happens otherwise,
and how to answer.

A message is composed inside the transaction that makes it necessary and sent as a push of
`message`; links and codes are
placeholders until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from sqlalchemy.engine import RowMapping

from hub.participants import asks as asks_of
from hub.participants.asks import Ask
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
    """Queue a message. False, and nothing queued, where there is no way to reach this party."""
    way = unit.snapshot.way_to(message.to)
    if way is None:
        return False
    connection, address = way
    key = new_key()
    asks = message.asks if unit.snapshot.takes_buttons(connection) else ()
    seen = [line for ask in asks for line in ask.seen]
    message = replace(message, facts=[*message.facts, *seen])
    fields = render(message, unit.snapshot.workspace.name) | {"to": [address]}
    if connection != unit.snapshot.mail():
        buttons, kept = asks_of.put(unit, asks, message.to["id"], key)
        fields["hub"] = {"party": message.to["id"], "asks": kept}
        if buttons:
            fields["buttons"] = buttons
    _queue(unit, connection, key, fields, subject_id)
    unit.emit(
        "nudge.sent",
        subject_id,
        case=message.case,
        data={
            "to": message.to["id"],
            "name": message.to["name"],
            "purpose": message.purpose,
            "subject": message.subject,
            "connection": connection,
        },
    )
    return True


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
