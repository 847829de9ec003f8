"""What a decider is shown: the same facts for the screen, the mail and the hash that binds a
decision to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.engine import Connection

from hub.store import cases, work


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
