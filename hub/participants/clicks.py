"""A button that somebody pressed: whose it was, what it answers, and what they are told.

A visible button is no permission. Who pressed it is compared by the same rules as on the web, and
only a person of the workspace gets past; the first answer counts, and whoever comes later is told.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import RowMapping

from hub.participants import links
from hub.process import answers, handoffs, questions
from hub.process.answers import Refused
from hub.process.running_case import hold
from hub.store import access, cases
from hub.store.exceptions import Trouble
from hub.store.outbox import NewPush
from hub.store.tables import events, pushes, tokens
from hub.unit import Unit

Row = dict[str, Any]


def press(unit: Unit, connection: str, answer: Mapping[str, Any], email: str | None) -> bool:
    """Take a pressed button; False where its token is none that this connection was given.
    `email` is the sender's address in that tool, where it is known.
    """
    secret = str(answer["token"])
    found = _asked(unit, connection, secret)
    if found is None:
        return False
    token, message, ask = found
    step = cases.step(unit.tx, message["entity_id"])
    if step is None:
        return False
    sender, choice = str(answer["sender"]), str(answer.get("choice"))
    who = _person(unit, connection, sender, email)
    if who is None:
        _stranger(unit, connection, sender, choice, step)
        tell(unit, connection, sender, "I do not know you, so nothing was done.", step, "unknown")
        return True
    try:
        with unit.attempt():
            if token["expires_at"] is not None and token["expires_at"] <= unit.now:
                raise Refused("expired", "This button is too old, so nothing was done.", 410)
            _take(unit, connection, token, ask, choice, who, step)
    except (Refused, LookupError) as error:
        code = error.code if isinstance(error, Refused) else "gone"
        if code == "evidence_changed" and token["used_at"] is None:
            asked = message["fields"]["hub"]["party"]
            access.use_once(unit.tx, token["id"], unit.now)
            questions.ask_again(unit, step, asked, message["key"])
            if asked == who["id"]:
                return True
        text = str(error.args[0]) if error.args else "Nothing was done."
        if code == "evidence_changed":
            text = "What this rests on has changed, so nothing was decided. It was asked again."
        tell(unit, connection, sender, text, step, code)
    return True


def _asked(
    unit: Unit, connection: str, secret: str
) -> tuple[RowMapping, RowMapping, Mapping[str, Any]] | None:
    """The token, the message that it was made for, and what it asked there."""
    id = secret.partition(".")[0]
    made = links.button_of(unit.key, id)
    if not hmac.compare_digest(made.encode(), secret.encode(errors="replace")):
        return None
    token = (
        unit.tx.execute(
            sa.select(tokens).where(
                tokens.c.hash == access.digest(secret), tokens.c.kind == "button"
            )
        )
        .mappings()
        .first()
    )
    if token is None:
        return None
    message = (
        unit.tx.execute(
            sa.select(pushes).where(
                pushes.c.key == token["subject"], pushes.c.connection == connection
            )
        )
        .mappings()
        .first()
    )
    if message is None:
        return None
    asks = message["fields"].get("hub", {}).get("asks", ())
    ask = next((one for one in asks if one["token"] == token["id"]), None)
    return (token, message, ask) if ask else None


def _person(unit: Unit, connection: str, sender: str, email: str | None) -> Row | None:
    """Who of the workspace's people a tool's user is: by `identities`, else by e-mail address."""
    snapshot = unit.snapshot
    id = snapshot.party_for(connection, sender)
    if id is None and email:
        id = snapshot.party_by_email(email)
    party = snapshot.people_by_id.get(id) if id else None
    return party if party and party["active"] else None


def _take(
    unit: Unit,
    connection: str,
    token: RowMapping,
    ask: Mapping[str, Any],
    choice: str,
    who: Row,
    step: Row,
) -> None:
    """Raises Refused, or LookupError where what was asked is gone."""
    if ask["kind"] == "decision":
        answers.decide(
            unit, ask["id"], choice, who, evidence_hash=ask["evidence"], channel=connection
        )
    elif ask["kind"] == "handoff":
        if choice not in ("accepted", "declined"):
            raise Refused("unknown_option", f"'{choice}' is not an option here.", 422)
        try:
            handoffs.answer(unit, ask["id"], choice, who, channel=connection)
        except Refused as refused:
            if refused.code != "already_answered":
                raise
            handoff = cases.handoff(unit.tx, ask["id"]) or {}
            word = str(handoff.get("status") or "answered")
            by = _by(unit, ask["id"], "handoff.accepted", "handoff.declined")
            raise Refused("already_answered", f"It was {word} already{by}.") from None
    else:
        _done(unit, connection, token, step, who)
    access.use_once(unit.tx, token["id"], unit.now)


def _done(unit: Unit, connection: str, token: RowMapping, step: Row, who: Row) -> None:
    """Complete a step as whoever owes it now, or their deputy."""
    held = hold(unit, step["case_id"])
    now = cases.step(unit.tx, step["id"]) or step
    if now["status"] != "active" or held.case["status"] != "active" or token["used_at"]:
        by = _by(unit, now["task"], "task.completed") if now["status"] == "completed" else ""
        raise Refused("already_answered", f"Nothing is open here any more{by or '.'}")
    if who["id"] != now["responsible"] and not unit.snapshot.stands_in(
        now["responsible"] or "", who["id"]
    ):
        owes = unit.snapshot.people_by_id.get(now["responsible"] or "")
        name = owes["name"] if owes else "somebody else"
        raise Refused("not_yours", f"This is {name}'s; they or their deputy can finish it.", 403)
    answers.submit(unit, step["id"], {}, who, channel=connection)


def _by(unit: Unit, subject: str | None, *types: str) -> str:
    """Who did what is done already: the newest event of these types tells."""
    actor = unit.tx.scalar(
        sa.select(events.c.actor)
        .where(events.c.subject == subject, events.c.type.in_(types))
        .order_by(events.c.position.desc())
        .limit(1)
    )
    for draft in unit.noted():
        if draft.subject == subject and draft.type in types:
            actor = draft.actor
    return f", by {actor['name']}" if actor and actor.get("name") else ""


def _stranger(unit: Unit, connection: str, sender: str, choice: str, step: Row) -> None:
    unit.trouble(
        Trouble(
            "unrouted",
            f"Somebody unknown pressed a button in {connection}",
            f"{sender} chose '{choice}' for '{step['title']}'. Nothing was decided. If that is one"
            f" of your people, write their id under identities: {connection}: in people.yaml.",
            severity="low",
            subject=step["id"],
            owner=step["accountable"],
            place=f"{connection}/{sender}"[:150],
            data={"case": step["case_id"]},
        )
    )


def tell(unit: Unit, connection: str, to: str, text: str, step: Row, why: str) -> None:
    """Tell whoever pressed a button why it changed nothing. `to` is the tool's name for them; if
    they cannot be reached, nothing is lost.
    """
    page = links.page(f"cases/{step['case_id']}")
    unit.push(
        NewPush(
            connection=connection,
            object="message",
            op="create",
            entity_type="message",
            entity_id=step["id"],
            fields={
                "to": [to],
                "text": f"About '{step['title']}': {text}\n{page}",
                "hub": {"courtesy": True},
            },
            cause=unit.cause,
            correlation=unit.correlation,
        )
    )
    unit.emit(
        "nudge.sent",
        step["id"],
        case=step["case_id"],
        data={"to": to, "purpose": "refused", "why": why, "connection": connection},
    )
