"""Values on their way to Jira: the shapes its writes take, and when two of them say the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.jira.client import Row
from connectors.jira.documents import alike, document
from connectors.jira.records import part
from connectors.sdk import RejectedError

READ_ONLY = frozenset(
    {
        "id",
        "key",
        "created",
        "updated",
        "creator",
        "comment",
        "attachment",
        "worklog",
        "votes",
        "watches",
        "issuelinks",
        "subtasks",
        "progress",
        "aggregateprogress",
        "resolutiondate",
        "statuscategorychangedate",
        "statusCategory",
        "lastViewed",
        "workratio",
        "timespent",
        "aggregatetimespent",
        "aggregatetimeestimate",
        "aggregatetimeoriginalestimate",
    }
)
"""Fields that Jira keeps itself."""
ON_CREATE = frozenset({"project", "issuetype"})
"""Fields that moving an issue changes, which is a person's affair."""
CATEGORIES = {"new": "To Do", "indeterminate": "In Progress", "done": "Done"}
"""Jira's three kinds of status, and what people see them called."""


@dataclass(frozen=True, slots=True)
class Target:
    """The status that is wanted: one by name, or any of a category."""

    name: str | None = None
    category: str | None = None

    @classmethod
    def of(cls, value: Any) -> Target:
        """From `Done`, `{name: Done}` or `{statusCategory: {key: done}}`. Raises ValueError."""
        name = value if isinstance(value, str) else part(value, "name")
        if isinstance(name, str) and name.strip():
            return cls(name=name.strip())
        category = part(value, "statusCategory")
        key = category if isinstance(category, str) else part(category, "key")
        if key in CATEGORIES:
            return cls(category=key)
        raise ValueError(
            "wants the name of a status, or a statusCategory: new, indeterminate or done"
        )

    def reached(self, status: Any) -> bool:
        if self.name is not None:
            return str(part(status, "name")).casefold() == self.name.casefold()
        return bool(part(part(status, "statusCategory"), "key") == self.category)

    def __str__(self) -> str:
        return self.name or f"any status of the kind {CATEGORIES[str(self.category)]}"


def _person(value: Any) -> Any:
    if value is None or value in ({"accountId": None}, {"id": None}):
        return None
    id = value if isinstance(value, str) else part(value, "accountId") or part(value, "id")
    if not isinstance(id, str) or not id:
        raise ValueError("wants a person's accountId")
    return {"accountId": id}


def _named(value: Any) -> Any:
    if value is None or isinstance(value, Mapping):
        return value
    if not isinstance(value, str) or not value:
        raise ValueError("wants a name")
    return {"name": value}


def _project(value: Any) -> Any:
    return {"key": value} if isinstance(value, str) else _named(value)


def _labels(value: Any) -> Any:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(label, str) for label in value):
        raise ValueError("wants a list of texts")
    return value


_SHAPES: Mapping[str, Callable[[Any], Any]] = {
    "assignee": _person,
    "reporter": _person,
    "priority": _named,
    "resolution": _named,
    "issuetype": _named,
    "project": _project,
    "labels": _labels,
    "description": document,
}


def outward(fields: Mapping[str, Any], *, creating: bool) -> tuple[dict[str, Any], Target | None]:
    """The fields as Jira takes them, and the status apart. Raises RejectedError that names every
    field which cannot be written so.
    """
    values: dict[str, Any] = {}
    target: Target | None = None
    refused: dict[str, str] = {}
    for name, value in fields.items():
        try:
            if name in READ_ONLY or (name in ON_CREATE and not creating):
                raise ValueError("is kept by Jira and cannot be written")
            if name == "status":
                target = Target.of(value)
            else:
                values[name] = _SHAPES.get(name, lambda given: given)(value)
        except ValueError as error:
            refused[name] = str(error)
    if refused:
        told = "; ".join(f"{name} {why}" for name, why in refused.items())
        raise RejectedError(f"The issue was not sent: {told}.", refused)
    return values, target


def body_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A comment as Jira takes it. Raises RejectedError."""
    known = {"body", "visibility"}
    refused = {name: "cannot be written" for name in fields if name not in known}
    values = {name: fields[name] for name in ("visibility",) if name in fields}
    try:
        if "body" in fields:
            values["body"] = document(fields["body"])
        if "body" in values and values["body"] is None:
            raise ValueError("is empty: a comment says something")
    except ValueError as error:
        refused["body"] = str(error)
    if refused:
        told = "; ".join(f"{name} {why}" for name, why in refused.items())
        raise RejectedError(f"The comment was not sent: {told}.", refused)
    return values


def same(name: str, wanted: Any, held: Any) -> bool:
    """Whether Jira, which adds to what it is given, holds what is wanted."""
    if name in ("description", "body"):
        return alike(wanted, held)
    if name == "labels":
        return sorted(wanted or []) == sorted(held or [])
    return covers(wanted, held)


def covers(wanted: Any, held: Any) -> bool:
    """Whether everything said in `wanted` is so in `held`."""
    if isinstance(wanted, Mapping) and isinstance(held, Mapping):
        return all(name in held and covers(value, held[name]) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(held, list):
        return len(wanted) == len(held) and all(map(covers, wanted, held))
    if isinstance(held, Mapping) and isinstance(wanted, str):
        return wanted in (held.get("id"), held.get("name"), held.get("value"), held.get("key"))
    return bool(wanted == held)


def differing(
    wanted: Mapping[str, Any], held: Row, base: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[str]]:
    """What Jira does not hold yet, and which of it somebody else moved since `base`.

    Jira has no conditional write, so we look just before. Repeating a lost update is harmless
    this way: what took effect the first time no longer differs.
    """
    missing = {
        name: value for name, value in wanted.items() if not same(name, value, held.get(name))
    }
    moved = [
        name
        for name in missing
        if base is not None and name in base and not _unmoved(name, base[name], held.get(name))
    ]
    return missing, moved


def _unmoved(name: str, base: Any, held: Any) -> bool:
    if name in ("assignee", "reporter"):  # pictures and names of people change by themselves
        return bool(part(base, "accountId") == part(held, "accountId"))
    if name in ("description", "body"):
        return alike(base, held)
    if isinstance(base, Mapping) and isinstance(held, Mapping) and "id" in base and "id" in held:
        return bool(base["id"] == held["id"])
    return bool(base == held)
