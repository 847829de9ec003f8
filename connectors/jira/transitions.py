"""The way from one status to another: Jira has no other than the transitions of an issue's own
workflow, which differ by project, by status and by who asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.jira.client import JiraClient, Row, rows
from connectors.jira.records import part
from connectors.jira.values import Target
from connectors.sdk import RejectedError


@dataclass(frozen=True, slots=True)
class Step:
    """One transition to carry out. `fields` go with it."""

    id: str
    name: str
    fields: Mapping[str, Any]


def choose(
    client: JiraClient,
    issue: Row,
    target: Target,
    brought: Mapping[str, Any],
    filled: Mapping[str, Any],
) -> Step:
    """A transition that leads to the target and whose required fields are at hand: those of the
    change (`brought`), else those the connection fills in. Raises RejectedError otherwise.
    """
    path = f"/issue/{issue['id']}/transitions"
    body = client.get(path, {"expand": "transitions.fields"})
    offered = [row for row in rows(body, "transitions", path) if row.get("isAvailable", True)]
    leading = [row for row in offered if target.reached(row.get("to"))]
    if not leading:
        raise _no_way(issue, target, offered)
    lacking: dict[str, str] = {}
    for row in leading:
        screen = row.get("fields")
        screen = screen if isinstance(screen, Mapping) else {}
        given = {**{n: filled[n] for n in filled if n in screen}, **_on(screen, brought)}
        missing = _missing(screen, given, part(issue, "fields"))
        if not missing:
            return Step(str(row.get("id")), str(row.get("name")), given)
        lacking = lacking or {
            name: f"is required by the transition '{row.get('name')}'" for name in missing
        }
    told = "; ".join(f"{name} {why}" for name, why in lacking.items())
    raise RejectedError(
        f"{issue.get('key')} cannot go to {target}: {told}. Write it along with the status, or "
        "give it under `transition_fields`.",
        lacking,
    )


def _on(screen: Mapping[str, Any], brought: Mapping[str, Any]) -> dict[str, Any]:
    """Of what the change brings: what only a transition can set, and what this one requires."""
    return {
        name: value
        for name, value in brought.items()
        if name in screen and (name == "resolution" or part(screen[name], "required") is True)
    }


def _missing(screen: Mapping[str, Any], given: Mapping[str, Any], held: Any) -> list[str]:
    return [
        name
        for name, field in screen.items()
        if part(field, "required") is True
        and part(field, "hasDefaultValue") is not True
        and given.get(name) is None
        and not part(held, name)
    ]


def _no_way(issue: Row, target: Target, offered: Sequence[Row]) -> RejectedError:
    now = part(part(part(issue, "fields"), "status"), "name")
    ways = ", ".join(f"'{part(row.get('to'), 'name')}' ({row.get('name')})" for row in offered)
    reason = (
        f"{issue.get('key')} is '{now}', from where our user has no transition to {target}; "
        + (f"possible: {ways}" if ways else "none is possible")
    )
    return RejectedError(f"Jira has no way there: {reason}.", {"status": reason})
