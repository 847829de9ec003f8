"""Jira's issues, comments and people as records, and its times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.jira.client import Row
from connectors.sdk import PayloadError, Record

PROPERTY = "process-hub"
"""The issue or comment property in which a create leaves the hub's key."""
_PARENT = re.compile(r"/issue/(\d+)/comment/")


def moment(value: Any, place: str) -> datetime:
    """`2026-03-01T10:00:00.000+0000`. Raises PayloadError."""
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z")
    except (TypeError, ValueError):
        raise PayloadError(f"Jira gave no time as {place}.", place) from None


def version_of(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def fields_of(row: Row) -> Row:
    fields = row.get("fields")
    if not isinstance(fields, dict) or not isinstance(row.get("id"), str):
        raise PayloadError("Jira gave an issue without id or fields.", "issue")
    return fields


def part(value: Any, name: str) -> Any:
    """A member of a nested object, None where it or the object is missing."""
    return value.get(name) if isinstance(value, Mapping) else None


def issue_record(row: Row, site: str) -> Record:
    """`data` holds the fields flat, beside `id` and `key`."""
    fields = fields_of(row)
    key = str(row.get("key", ""))
    data: dict[str, Any] = {**fields, "id": row["id"], "key": key}
    updated = moment(fields["updated"], "issue.updated") if "updated" in fields else None
    project = part(fields.get("project"), "key") or key.rpartition("-")[0]
    left = part(part(row.get("properties"), PROPERTY), "key")
    return Record(
        object="issue",
        id=row["id"],
        data=data,
        address={"key": key, "project": project},
        version=version_of(updated) if updated else None,
        updated_at=updated,
        url=f"{site}/browse/{key}",
        key=left if isinstance(left, str) else None,
    )


def comment_record(row: Row, site: str, issue: str | None = None, key: str = "") -> Record:
    """`issue` is the parent's id, else read from the comment's own address."""
    if not isinstance(row.get("id"), str):
        raise PayloadError("Jira gave a comment without an id.", "comment")
    if issue is None:
        found = _PARENT.search(str(row.get("self", "")))
        issue = found[1] if found else None
    updated = moment(row.get("updated") or row.get("created"), "comment.updated")
    actor = part(row.get("updateAuthor"), "accountId") or part(row.get("author"), "accountId")
    return Record(
        object="comment",
        id=row["id"],
        data={name: value for name, value in row.items() if name != "properties"},
        address={"issue": issue} if issue else {},
        version=version_of(updated),
        updated_at=updated,
        url=f"{site}/browse/{key}?focusedCommentId={row['id']}" if key else None,
        parent=issue,
        actor=actor,
        key=hub_key(row),
    )


def hub_key(comment: Row) -> str | None:
    """The key that our create left in a comment's properties."""
    properties = comment.get("properties")
    for entry in properties if isinstance(properties, list) else []:
        if part(entry, "key") == PROPERTY:
            left = part(entry.get("value"), "key")
            return left if isinstance(left, str) else None
    return None


def user_record(row: Row, site: str) -> Record:
    if not isinstance(row.get("accountId"), str):
        raise PayloadError("Jira gave a person without an accountId.", "user")
    return Record(
        object="user",
        id=row["accountId"],
        data=dict(row),
        url=f"{site}/jira/people/{row['accountId']}",
    )


def gone(object: str, id: str) -> Record:
    return Record(object, id, {}, deleted=True)
