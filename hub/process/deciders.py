"""What a person does about a decision that waits for its people: adds what was missing, or accepts
that nobody is excluded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.process import questions
from hub.process.answers import open_decision
from hub.process.refusal import Refused
from hub.unit import Unit

Row = Mapping[str, Any]


def seat_with_what_was_added(unit: Unit, exception: Row) -> None:
    """Seat a decision again, after its case or the people have changed. Raises Refused
    `still_blocked` where that does not mend what the exception is about.
    """
    held, decision, _ = open_decision(unit, exception["data"]["decision"])
    about = exception["data"]["about"]
    questions.seat_again(unit, held, decision, anew=True)
    unit.open_troubles()
    if about == questions.EXCLUDE and decision["held"]:
        raise Refused("still_blocked", f"{decision['held']} Waive this to let everybody decide.")
    if about == questions.SEATS and not questions.enough(unit, decision):
        raise Refused("still_blocked", f"{exception['detail']} It waits until there are enough.")


def let_everybody_in(unit: Unit, exception: Row, actor: Row) -> None:
    """A person accepts that an entry of `exclude` leads to nobody: the question is put. Raises
    Refused `human_required` for whoever is none.
    """
    if actor.get("kind") != "person":
        raise Refused("human_required", "Only a person can let everybody decide.", 403)
    held, decision, _ = open_decision(unit, exception["data"]["decision"])
    decision["held"] = None
    questions.seat_again(unit, held, decision)
