"""Which values the sandbox takes for which field, and how it says no."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.jira.sandbox_adf import valid
from connectors.jira.sandbox_site import CHOICES, PRIORITIES, RESOLUTIONS, TYPES, Refused, Row, Site

_OFF_SCREEN = "Field '{}' cannot be set. It is not on the appropriate screen, or unknown."

FIELDS: tuple[tuple[str, str, Row], ...] = (
    ("summary", "Summary", {"type": "string", "system": "summary"}),
    ("description", "Description", {"type": "string", "system": "description"}),
    ("issuetype", "Issue Type", {"type": "issuetype", "system": "issuetype"}),
    ("project", "Project", {"type": "project", "system": "project"}),
    ("status", "Status", {"type": "status", "system": "status"}),
    ("resolution", "Resolution", {"type": "resolution", "system": "resolution"}),
    ("priority", "Priority", {"type": "priority", "system": "priority"}),
    ("labels", "Labels", {"type": "array", "items": "string", "system": "labels"}),
    ("assignee", "Assignee", {"type": "user", "system": "assignee"}),
    ("reporter", "Reporter", {"type": "user", "system": "reporter"}),
    ("creator", "Creator", {"type": "user", "system": "creator"}),
    ("duedate", "Due date", {"type": "date", "system": "duedate"}),
    ("created", "Created", {"type": "datetime", "system": "created"}),
    ("updated", "Updated", {"type": "datetime", "system": "updated"}),
    ("comment", "Comment", {"type": "comments-page", "system": "comment"}),
    ("parent", "Parent", {"type": "issuelink", "system": "parent"}),
    (
        "customfield_10010",
        "Service level",
        {
            "type": "option",
            "custom": "com.atlassian.jira.plugin.system.customfieldtypes:select",
            "customId": 10010,
        },
    ),
    (
        "customfield_10016",
        "Story point estimate",
        {
            "type": "number",
            "custom": "com.pyxis.greenhopper.jira:jsw-story-points",
            "customId": 10016,
        },
    ),
)
CREATABLE = frozenset(
    {
        "summary",
        "description",
        "issuetype",
        "project",
        "priority",
        "labels",
        "assignee",
        "reporter",
        "duedate",
        "parent",
        "customfield_10010",
        "customfield_10016",
    }
)
ALLOWED: Mapping[str, Mapping[str, str]] = {
    "priority": PRIORITIES,
    "issuetype": TYPES,
    "customfield_10010": CHOICES,
}


def taken(site: Site, fields: Any, *, creating: bool, by: str) -> Row:
    """The values as the site stores them. Raises Refused that names every wrong field."""
    if not isinstance(fields, dict):
        raise Refused(400, "one of 'fields' or 'update' required")
    errors: dict[str, str] = {}
    stored: Row = {}
    for name, value in fields.items():
        if name not in CREATABLE - site.off_screen or (not creating and name == "project"):
            errors[name] = _OFF_SCREEN.format(name)
            continue
        try:
            stored[name] = _stored(site, name, value)
        except ValueError as error:
            errors[name] = str(error)
    if creating:
        for name, text in (
            ("summary", "You must specify a summary of the issue."),
            ("issuetype", "Specify an issue type"),
            ("project", "Specify a valid project ID or key"),
        ):
            if name not in fields:
                errors.setdefault(name, text)
    if errors:
        raise Refused(400, **errors)
    return stored


def _stored(site: Site, name: str, value: Any) -> Any:
    if name == "summary":
        if not isinstance(value, str):
            raise ValueError("Operation value must be a string")
        if not value.strip():
            raise ValueError("You must specify a summary of the issue.")
        if "\n" in value or "\r" in value:
            raise ValueError("The summary is invalid because it contains newline characters.")
        if len(value) > 255:
            raise ValueError("Summary must be less than 255 characters.")
        return value
    if name == "description":
        if value is not None and not isinstance(value, dict):
            raise ValueError(
                "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
            )
        if value is not None and not valid(value):
            raise ValueError("INVALID_INPUT")
        return value
    if name == "labels":
        return _labels(value)
    if name in ("assignee", "reporter"):
        return _person(site, value)
    if name == "duedate":
        if value is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
            raise ValueError(f"Error parsing date string: {value}")
        return value
    if name == "project":
        key = value.get("key") if isinstance(value, dict) else None
        if key not in site.projects:
            raise ValueError("Specify a valid project ID or key")
        return dict(site.projects[key])
    if name == "customfield_10016":
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError("Operation value must be a number")
        return value
    if name == "parent":
        if value is None:
            return None
        issue = site.find(str(value.get("key") or value.get("id")))
        return {"id": issue.id, "key": issue.row["key"]}
    return option(site, name, ALLOWED[name], value)


def option(site: Site, name: str, table: Mapping[str, str], value: Any) -> Any:
    """One of a field's choices. Raises ValueError."""
    if value is None and name != "issuetype":
        return None
    if not isinstance(value, dict):
        raise ValueError(f"Specify the {name} as an object with 'id' or 'name'")
    label = "value" if name.startswith("customfield") else "name"
    for text, id in table.items():
        if value.get("id") == id or value.get(label) == text:
            row = site.chosen(name, table, text)
            return {**row, "value": row.pop("name")} if label == "value" else row
    given = value.get(label) or value.get("id")
    raise ValueError(f"The {name} selected is invalid: {given}")


def resolution(site: Site, value: Any) -> Any:
    try:
        return option(site, "resolution", RESOLUTIONS, value)
    except ValueError as error:
        raise Refused(400, resolution=str(error)) from None


def _labels(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("data was not an array")
    for label in value:
        if not isinstance(label, str):
            raise ValueError("string expected at index 0")
        if " " in label:
            raise ValueError(f"The label '{label}' contains spaces which is invalid.")
    return sorted(set(value))


def _person(site: Site, value: Any) -> Any:
    if value is None:
        return None
    id = (value.get("accountId") or value.get("id")) if isinstance(value, dict) else None
    if id not in site.people or not site.people[id]["active"]:
        raise ValueError("Specify a valid value for assignee")
    return site.person(id)


def document(body: Any) -> Any:
    """A comment's body. Raises Refused."""
    if not isinstance(body, dict) or not valid(body) or not body.get("content"):
        raise Refused(400, comment="Comment body is not valid!")
    return body
