"""Answers by mail: a form's fields, that a task is done, or a decision. An answer counts only where
it came to the signed address of one question, or answers the mail that asked it, from whom it was
asked; a decision needs the signed address and the code of the mail too.

Whatever is not clearly an answer stays a comment. Nobody is written to more than a few times about
what was not understood, and never because of automatic mail.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import RowMapping

from connectors.sdk import Record
from hub.participants import forms, links, messages, reading_mail
from hub.participants.messages import Message
from hub.process import answers, evidence
from hub.process.answers import Refused
from hub.store import access, cases, nudges, work
from hub.unit import Unit

Row = dict[str, Any]

PATIENCE = 3
"""Mails a day to one person about what was not understood of one step."""


def invited(unit: Unit, record: Record) -> RowMapping | None:
    """The invitation whose signed address a mail came to; None where it came to none that is good
    still.
    """
    id = links.id_of_tag(unit.key, str(record.data.get("tag") or ""))
    if id is None:
        return None
    return access.token(unit.tx, links.secret_of(unit.key, id), "participant", unit.now)


def answer(unit: Unit, record: Record, step: Row, text: str, invitation: RowMapping | None) -> bool:
    """Take what a mail answers about a step; False where it answers nothing, or was not taken."""
    party = _asked(unit, record, step, invitation)
    if party is None or step["status"] != "active":
        return False
    decision = cases.decision(unit.tx, step["decision"]) if step["decision"] else None
    try:
        if decision is not None:
            return _decide(unit, step, decision, party, text, invitation)
        return _submit(unit, step, party, text)
    except Refused as refused:
        why = [str(refused), *(f"{name}: {what}" for name, what in refused.errors.items())]
        _tell(unit, step, party, "\n".join(why))
        return False


def _asked(unit: Unit, record: Record, step: Row, invitation: RowMapping | None) -> Row | None:
    """Who answers, if that is whom the step was put to. The sender's address alone proves nothing:
    a signed address, or the message that it answers, came before.
    """
    sender = str(record.data.get("from") or "").casefold()
    id = invitation["party"] if invitation is not None else step["responsible"]
    party = work.load(unit.tx, "party", [id]).get(id or "")
    if party is None or not sender or str(party["email"] or "").casefold() != sender:
        return None
    return party


def _decide(
    unit: Unit,
    step: Row,
    decision: Row,
    party: Row,
    text: str,
    invitation: RowMapping | None,
) -> bool:
    if invitation is None or invitation["subject"] != step["id"]:
        return False  # whoever answers for the step reads it; its sender may be anybody
    said = reading_mail.decision(text, decision["options"])
    if said.unclear:
        raise Refused("unclear", said.unclear, 422)
    if said.option is None:
        return False
    if said.code is None or not access.try_code(unit.tx, invitation, said.code):
        raise Refused(
            "code_required",
            f"“{said.option}” was read, and nothing decided: write the six digits of the mail"
            " beside it.",
            403,
        )
    case = cases.load(unit.tx, [step["case_id"]])[step["case_id"]]
    known = cases.evidence_hash(evidence.gather(unit.tx, case))
    if known != decision["evidence_hash"]:
        raise Refused(
            "evidence_changed",
            "What the decision rests on has changed since you were asked, so nothing was decided."
            " Please look again.",
        )
    with unit.attempt():  # a wrong code stays counted, whatever is refused here
        answers.decide(
            unit, decision["id"], said.option, party, evidence_hash=known, channel="mail"
        )
        access.use_once(unit.tx, invitation["id"], unit.now)
    return True


def _submit(unit: Unit, step: Row, party: Row, text: str) -> bool:
    form: Mapping[str, Any] | None = step["form"]
    said = reading_mail.task(text, form)
    if said.unclear:
        raise Refused("unclear", said.unclear, 422)
    if form and not said.values:
        return False
    if not form and not said.done:
        return False
    given = forms.answers(form, said.values) if form else {"done": True}
    with unit.attempt():
        answers.submit(unit, step["id"], given, party, channel="mail")
    return True


def _tell(unit: Unit, step: Row, party: Row, why: str) -> None:
    """Say what was not understood, with the way to answer; a few times a day at most."""
    day = unit.now - timedelta(days=1)
    said = [
        row
        for row in nudges.list_nudges(unit.tx, party=party["id"], subject=step["id"])
        if row["purpose"] == "refused" and row["created_at"] > day
    ]
    if len(said) >= PATIENCE:
        return
    case = cases.load(unit.tx, [step["case_id"]])[step["case_id"]]
    external = party["side"] == "external"
    messages.send(
        unit,
        Message(
            to=party,
            subject=f"Your answer was not taken: {step['title']} ({case['title']})",
            opening=why,
            button=None if external else ("Open the case", links.page(f"cases/{case['id']}")),
            invitation=links.invite(unit, party["id"], step["id"], step["title"])
            if external
            else None,
            closing="What you wrote was kept as a comment. Answer this mail, or use the page.",
            case=case["id"],
            purpose="refused",
        ),
        step["id"],
    )
