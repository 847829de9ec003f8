"""The fields every GitHub issue and comment has; what differs per repository are only choices."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.sdk import Field

ISSUE_FIELDS: Sequence[Field] = (
    Field("number", "number", "Number", writable=False),
    Field("title", "text", "Title", required=True),
    Field("body", "text", "Description"),
    Field("state", "choice", "State", ("open", "closed")),
    Field(
        "state_reason",
        "choice",
        "Reason for the state",
        ("completed", "not_planned", "duplicate", "reopened"),
    ),
    Field("labels", "list", "Labels"),
    Field("assignees", "list", "Assignees"),
    Field("assignee", "user", "First assignee", writable=False),
    Field("milestone", "object", "Milestone"),
    Field("user", "user", "Author", writable=False),
    Field("comments", "number", "Number of comments", writable=False),
    Field("created_at", "datetime", "Created", writable=False),
    Field("updated_at", "datetime", "Updated", writable=False),
    Field("closed_at", "datetime", "Closed", writable=False),
)

COMMENT_FIELDS: Sequence[Field] = (
    Field("body", "text", "Text", required=True),
    Field("user", "user", "Author", writable=False),
    Field("created_at", "datetime", "Created", writable=False),
    Field("updated_at", "datetime", "Updated", writable=False),
)
