"""What the hub writes to people. Every message says what, why you, by when, what happens otherwise,
and how to answer.

A message is composed inside the transaction that makes it necessary and sent as a push of
`message`; links and codes are
placeholders until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

from hub.store.outbox import NewPush
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
    data: Mapping[str, Any] = field(default_factory=dict)


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
    connection = unit.snapshot.mail()
    if connection is None or not message.to.get("email"):
        return False
    unit.push(
        NewPush(
            connection=connection,
            object="message",
            op="create",
            entity_type="message",
            entity_id=subject_id,
            fields=render(message, unit.snapshot.workspace.name),
            cause=unit.cause,
            correlation=unit.correlation,
        )
    )
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
