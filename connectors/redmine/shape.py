"""Redmine's rows as records, fields as Redmine wants them written, and the mark that keeps our key.

Redmine reads `status: {id, name}` and writes `status_id`. Records carry both, custom fields as
`cf_7` as well, so that a mapping uses one name in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from connectors.sdk import Field, PayloadError, Record
from connectors.sdk.http import HttpResponse
from connectors.sdk.paging import Row
from connectors.sdk.records import Json

REFERENCES = {
    "project": "project_id",
    "tracker": "tracker_id",
    "status": "status_id",
    "priority": "priority_id",
    "assigned_to": "assigned_to_id",
    "category": "category_id",
    "fixed_version": "fixed_version_id",
    "parent": "parent_issue_id",
}
"""What an issue refers to by id: how it reads, and how it is written."""
LABELS = {
    "Subject": "subject",
    "Description": "description",
    "Status": "status_id",
    "Priority": "priority_id",
    "Assignee": "assigned_to_id",
    "Start date": "start_date",
    "Due date": "due_date",
    "% Done": "done_ratio",
    "Estimated time": "estimated_hours",
    "Tracker": "tracker_id",
    "Category": "category_id",
    "Target version": "fixed_version_id",
    "Parent task": "parent_issue_id",
}
"""How a refusal begins, in English; in other languages it is told without its field."""
VOLATILE = ("api_key", "last_login_on", "passwd_changed_on", "twofa_scheme")
"""Of a user: a secret, and what changes without anything having changed."""

_MARK = re.compile(r"\s*<!-- hub-key:(\S+) -->\s*\Z")


def marked(text: Json, key: str | None) -> str:
    """The text with our key at its end, in a comment that CommonMark does not show."""
    plain = unmarked(text)
    return f"{plain}\n\n<!-- hub-key:{key} -->" if key else plain


def unmarked(text: Json) -> str:
    return _MARK.sub("", text) if isinstance(text, str) else ""


def key_in(text: Json) -> str | None:
    found = _MARK.search(text) if isinstance(text, str) else None
    return found[1] if found else None


def id_of(row: Row) -> str:
    number = row.get("id")
    if not isinstance(number, int):
        raise PayloadError("Redmine sent a record without its id.", "id")
    return str(number)


def stamp_of(row: Row) -> str:
    """When it last changed; records of old Redmines only know when they were made."""
    value = row.get("updated_on") or row.get("created_on")
    if not isinstance(value, str):
        raise PayloadError("Redmine sent a record without updated_on.", "updated_on")
    return value


def moment(stamp: str) -> datetime:
    try:
        return datetime.fromisoformat(stamp)
    except ValueError:
        raise PayloadError("Redmine sent a time that is none.", "updated_on") from None


def earlier(stamp: str, by: timedelta) -> str:
    return (moment(stamp) - by).strftime("%Y-%m-%dT%H:%M:%SZ")


def issue(row: Row, site: str, key_field: int | None) -> Record:
    """An issue. `site`: the address of this Redmine; `key_field`: the custom field of our key."""
    id, stamp = id_of(row), stamp_of(row)
    values = {
        str(one["id"]): one.get("value")
        for one in row.get("custom_fields") or ()
        if isinstance(one, dict) and "id" in one
    }
    own = values.pop(str(key_field), None) if key_field else key_in(row.get("description"))
    data = dict(row) | {"description": unmarked(row.get("description"))}
    data |= {written: _reference(row.get(name)) for name, written in REFERENCES.items()}
    data |= {f"cf_{number}": value for number, value in values.items()}
    return Record(
        "issue",
        id,
        data,
        version=stamp,
        updated_at=moment(stamp),
        url=f"{site}/issues/{id}",
        key=own if isinstance(own, str) and own else None,
    )


def comment(parent: str, row: Row, site: str) -> Record:
    """A journal with a note. Journals cannot be asked for by their number alone, and never change
    their issue: the id names both.
    """
    number, stamp = id_of(row), stamp_of(row)
    author = row.get("updated_by") or row.get("user")
    return Record(
        "comment",
        f"{parent}-{number}",
        dict(row) | {"notes": unmarked(row.get("notes"))},
        version=stamp,
        updated_at=moment(stamp),
        url=f"{site}/issues/{parent}#change-{number}",
        parent=parent,
        actor=_reference(author),
        key=key_in(row.get("notes")),
    )


def user(row: Row, site: str) -> Record:
    id, stamp = id_of(row), stamp_of(row)
    data = {name: value for name, value in row.items() if name not in VOLATILE}
    url = f"{site}/users/{id}"
    return Record("user", id, data, version=stamp, updated_at=moment(stamp), url=url)


def _reference(value: Json) -> str | None:
    return str(value["id"]) if isinstance(value, dict) and "id" in value else None


def written(fields: Mapping[str, Json]) -> dict[str, Any]:
    """Fields as `POST` and `PUT` take them: custom ones in their list, "" for what is cleared."""
    plain: dict[str, Any] = {}
    custom: list[dict[str, Any]] = []
    for name, value in fields.items():
        bare = "" if value is None else value
        if name.startswith("cf_") and name[3:].isdigit():
            custom.append({"id": int(name[3:]), "value": bare})
        else:
            plain[name] = bare
    return plain | ({"custom_fields": custom} if custom else {})


def refusals(response: HttpResponse) -> dict[str, str]:
    """What a 422 complains about, by field where the sentence begins with one."""
    body = response.json()
    found: dict[str, str] = {}
    for sentence in body.get("errors") or () if isinstance(body, dict) else ():
        label = next((one for one in LABELS if str(sentence).startswith(one + " ")), "")
        name = LABELS.get(label, "*")
        told = str(sentence).removeprefix(label).strip()[:300]
        found[name] = f"{found[name]}; {told}" if name in found else told
    return found


ISSUE_FIELDS: Sequence[Field] = (
    Field("id", "number", "#", writable=False),
    Field("subject", "text", "Subject", required=True),
    Field("description", "text", "Description"),
    Field("start_date", "date", "Start date"),
    Field("due_date", "date", "Due date"),
    Field("done_ratio", "number", "% Done"),
    Field("estimated_hours", "number", "Estimated time"),
    Field("is_private", "boolean", "Private"),
    Field("project_id", "text", "Project"),
    Field("tracker_id", "text", "Tracker"),
    Field("category_id", "text", "Category"),
    Field("fixed_version_id", "text", "Target version"),
    Field("parent_issue_id", "text", "Parent task"),
    *(Field(name, "object", writable=False) for name in (*REFERENCES, "author")),
    Field("custom_fields", "list", writable=False),
    *(Field(f"{name}_on", "datetime", writable=False) for name in ("created", "updated", "closed")),
)
COMMENT_FIELDS: Sequence[Field] = (
    Field("id", "number", writable=False),
    Field("notes", "text", "Notes", required=True),
    Field("private_notes", "boolean", "Private"),
    Field("user", "object", "Author", writable=False),
    Field("details", "list", writable=False),
    Field("created_on", "datetime", writable=False),
    Field("updated_on", "datetime", writable=False),
)
USER_FIELDS: Sequence[Field] = (
    *(Field(name, "text", writable=False) for name in ("login", "firstname", "lastname", "mail")),
    Field("id", "number", writable=False),
    Field("admin", "boolean", writable=False),
    Field("status", "number", "1 active, 3 locked", writable=False),
    Field("created_on", "datetime", writable=False),
    Field("updated_on", "datetime", writable=False),
)
