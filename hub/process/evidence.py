"""What a decider is shown: the same facts for the screen, the mail and the hash that binds a
decision to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection

from hub.store import cases, work
from hub.store.types import to_json

SHOWN = 20
"""Lines of evidence in a message; the case's page shows all of it."""
WIDTH = 150


def lines(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was gathered, as label and value for a message; the last line says if there is more."""
    found: list[tuple[str, Any]] = []
    for item in known["items"]:
        amount = item["amount"]
        about = [item["stage"], f"{amount['value']} {amount['currency']}" if amount else None]
        found.append((item["title"], ", ".join(str(one) for one in about if one)))
        found += item["custom"].items()
    found += known["case"]["data"].items()
    found += [(step["title"], label_of(step)) for step in known["steps"]]
    shown, more = [], len(found) > SHOWN
    for name, value in found[:SHOWN]:
        text = " ".join((value if isinstance(value, str) else to_json(value)).split())
        more = more or len(text) > WIDTH
        shown.append((str(name), text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"))
    return [*shown, ("There is more", "See the case before you decide")] if more else shown


def label_of(step: Mapping[str, Any]) -> str:
    """How a step ended."""
    return str(step["outcome"] or step["status"]).replace("_", " ")


def gather(tx: Connection, case: Mapping[str, Any]) -> dict[str, Any]:
    """Everything about a case that a decision may rest on, as plain JSON in a stable order."""
    about = cases.items_of(tx, [case["id"]]).get(case["id"], [])
    items = work.load(tx, "item", about)
    steps = cases.steps_of(tx, [case["id"]])[case["id"]]
    return {
        "case": {"title": case["title"], "data": case["data"]},
        "items": [
            {
                "title": item["title"],
                "kind": item["kind"],
                "stage": item["stage"],
                "amount": item["amount"],
                "custom": item["custom"],
            }
            for _, item in sorted(items.items())
        ],
        "steps": [
            {
                "key": step["key"],
                "run": step["run"],
                "title": step["title"],
                "status": step["status"],
                "outcome": step["outcome"],
            }
            for step in sorted(steps, key=lambda step: (step["key"], step["run"]))
            if step["status"] in ("completed", "skipped")
        ],
    }
