"""The fields a site really has: Jira's own, custom ones by their numbers, and their choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from connectors.jira.client import JiraClient, Row, rows
from connectors.jira.config import JiraConfig
from connectors.jira.records import part
from connectors.jira.values import ON_CREATE, READ_ONLY
from connectors.sdk import Field, NotFoundError

Type = Literal["text", "number", "boolean", "date", "datetime", "choice", "list", "user", "object"]

_TYPES: Mapping[str, Type] = {
    "string": "text",
    "number": "number",
    "date": "date",
    "datetime": "datetime",
    "array": "list",
    "user": "user",
    "option": "choice",
    "priority": "choice",
    "resolution": "choice",
    "status": "choice",
    "issuetype": "choice",
    "project": "choice",
}

COMMENT_FIELDS: Sequence[Field] = (
    Field("body", "object", "Text (a document: as: adf)", required=True),
    Field("visibility", "object", "Visible to"),
    Field("author", "user", "Author", writable=False),
    Field("updateAuthor", "user", "Last edited by", writable=False),
    Field("created", "datetime", "Created", writable=False),
    Field("updated", "datetime", "Updated", writable=False),
    Field("jsdPublic", "boolean", "Shown to customers", writable=False),
)
USER_FIELDS: Sequence[Field] = (
    Field("accountId", "text", "Account id", writable=False),
    Field("displayName", "text", "Name", writable=False),
    Field("emailAddress", "text", "E-mail (often hidden)", writable=False),
    Field("active", "boolean", "Active", writable=False),
    Field("accountType", "choice", "Kind", ("atlassian", "app", "customer"), writable=False),
    Field("timeZone", "text", "Time zone", writable=False),
)


def issue_fields(client: JiraClient, settings: JiraConfig) -> list[Field]:
    """From the list of fields, and from what creating an issue in our projects asks for."""
    known = rows({"all": client.get("/field")}, "all", "/field")
    asked: dict[str, list[Row]] = {}
    statuses: dict[str, None] = {}
    types: dict[str, None] = {}
    for project in settings.projects:
        for kind, fields in _asked(client, project):
            types[kind] = None
            for field in fields:
                name = str(field.get("fieldId") or field.get("key"))
                asked.setdefault(name, []).append(field)
        statuses |= dict.fromkeys(_statuses(client, project))
    fixed = {
        "status": tuple(statuses),
        "issuetype": tuple(types),
        "project": tuple(settings.projects),
    }
    found = [Field("key", "text", "Key", writable=False)]
    for row in known:
        name = str(row.get("id"))
        if name in ("issuekey", "thumbnail", "comment", "attachment", "worklog"):
            continue
        metas = asked.get(name, [])
        label = next((str(meta["name"]) for meta in metas if meta.get("name")), "")
        found.append(
            Field(
                name,
                _type(row, name),
                label or str(row.get("name") or name),
                fixed.get(name)
                or tuple(dict.fromkeys(c for meta in metas for c in _choices(meta))),
                required=bool(metas)
                and all(
                    meta.get("required") is True and meta.get("hasDefaultValue") is not True
                    for meta in metas
                ),
                writable=name not in READ_ONLY and (bool(metas) or name in _BESIDE_THE_SCREEN),
            )
        )
    return found


_BESIDE_THE_SCREEN = frozenset({"status", "resolution", *ON_CREATE})
"""Fields that are written, although the screen for creating does not show them."""


def _asked(client: JiraClient, project: str) -> list[tuple[str, list[Row]]]:
    path = f"/issue/createmeta/{quote(project, safe='')}/issuetypes"
    found = []
    body = client.get(path, {"maxResults": 200})
    for kind in rows(body, "issueTypes", path):
        below = f"{path}/{quote(str(kind.get('id')), safe='')}"
        try:
            fields = rows(client.get(below, {"maxResults": 200}), "fields", below)
        except NotFoundError:
            continue
        found.append((str(kind.get("name")), fields))
    return found


def _statuses(client: JiraClient, project: str) -> list[str]:
    path = f"/project/{quote(project, safe='')}/statuses"
    names = []
    for kind in rows({"all": client.get(path)}, "all", path):
        for status in kind.get("statuses") or []:
            if part(status, "name"):
                names.append(str(status["name"]))
    return names


def _type(row: Row, name: str) -> Type:
    if name == "description":
        return "object"
    kind = part(row.get("schema"), "type")
    custom = str(part(row.get("schema"), "custom") or "")
    if custom.endswith(":textarea"):
        return "object"  # Atlassian Document Format, as every long text
    return _TYPES.get(str(kind), "object")


def _choices(meta: Row) -> list[str]:
    allowed: Any = meta.get("allowedValues")
    found = []
    for value in allowed if isinstance(allowed, list) else []:
        name = part(value, "value") or part(value, "name")
        if name:
            found.append(str(name))
    return found
