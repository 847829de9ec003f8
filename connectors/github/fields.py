"""What can be done with GitHub issues and comments, and the fields each of them has; only choices
differ per repository.

https://docs.github.com/en/rest/issues/issues
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from connectors.sdk import Field, ObjectSpec

OBJECTS: Mapping[str, ObjectSpec] = {
    "issue": ObjectSpec(
        title="Issue",
        pull=True,
        push=frozenset({"create", "update"}),
        webhook=True,
        find=True,
        # lists are read from the database, not from the search index, and GitHub ends every
        # request after 10 seconds: looked up later than that, absent means never created
        conclusive=True,
        deletes="reported",
    ),
    "comment": ObjectSpec(
        title="Comment",
        pull=True,
        push=frozenset({"create", "update", "delete"}),
        webhook=True,
        find=True,
        conclusive=True,
        deletes="reported",
        parent="issue",
    ),
}

Kind = Literal["text", "number", "boolean", "date", "datetime", "choice", "list", "user", "object"]


def _read_only(kind: Kind, *names: str) -> list[Field]:
    return [
        Field(name, kind, name.replace("_", " ").capitalize(), writable=False) for name in names
    ]


_BOTH = (
    *_read_only("number", "id"),
    *_read_only("text", "node_id", "url", "html_url", "author_association"),
    *_read_only("object", "performed_via_github_app", "reactions"),
    Field("user", "user", "Author", writable=False),
    Field("created_at", "datetime", "Created", writable=False),
    Field("updated_at", "datetime", "Updated", writable=False),
)

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
    Field("assignee", "user", "First assignee"),
    Field("milestone", "object", "Milestone"),
    Field("comments", "number", "Number of comments", writable=False),
    Field("closed_at", "datetime", "Closed", writable=False),
    Field("closed_by", "user", "Closed by", writable=False),
    *_BOTH,
    *_read_only("boolean", "locked", "draft"),
    *_read_only(
        "text",
        "active_lock_reason",
        "repository_url",
        "labels_url",
        "comments_url",
        "events_url",
        "timeline_url",
        "parent_issue_url",
    ),
    *_read_only(
        "object",
        "pull_request",
        "type",
        "sub_issues_summary",
        "issue_dependencies_summary",
        "pinned_comment",
    ),
    *_read_only("list", "issue_field_values"),
)

COMMENT_FIELDS: Sequence[Field] = (
    Field("body", "text", "Text", required=True),
    Field("issue_url", "text", "Address of the issue", writable=False),
    *_BOTH,
    *_read_only("object", "pin", "minimized"),
)
