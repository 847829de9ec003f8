"""What people may set on a task or an item, checked and in the form in which entities keep it. The
API, accepted proposals and resolved conflicts all edit through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from datetime import date as CalendarDate
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from sqlalchemy.engine import Connection

from hub.process.answers import Refused
from hub.store import work
from mappings.canonical import Due, Money, Priority, TaskStatus, WaitingOn

Row = dict[str, Any]

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Text = Annotated[str, StringConstraints(max_length=100_000)]
Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]

PEOPLE = ("assignee", "accountable", "requester", "owner")
_KEEPS_A_VALUE = ("title", "status", "waiting_on")


class PartyRef(BaseModel):
    """A party as answers show it; only `id` counts, so that what was read can be sent back."""

    model_config = ConfigDict(extra="ignore")

    id: str


Who = PartyRef | str
"""A party: its id, a person's key, an e-mail address, or the party itself as it was read."""


class TaskEdit(BaseModel):
    """The fields of a task that people set. Those left out stay as they are; null empties one."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    description: Text | None = None
    status: TaskStatus | None = None
    assignee: Who | None = Field(None, description="Party id, person key or e-mail address.")
    accountable: Who | None = Field(None, description="A person; likewise.")
    requester: Who | None = None
    waiting_on: WaitingOn | None = None
    due: Due | None = None
    start_by: Due | None = None
    priority: Priority | None = None
    labels: list[Label] | None = Field(None, max_length=200)
    custom: dict[str, Any] | None = Field(
        None, description="Merged key by key into what is there; null empties a key."
    )


class ItemEdit(BaseModel):
    """The fields of an item that a person may choose a value for."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    kind: str | None = None
    stage: str | None = None
    owner: Who | None = None
    amount: Money | None = None
    date: CalendarDate | None = None
    custom: dict[str, Any] | None = None


class CommentEdit(BaseModel):
    """The fields of a comment that a person may choose a value for."""

    model_config = ConfigDict(extra="forbid")

    body: Text | None = None


EDITS: Mapping[str, type[BaseModel]] = {"task": TaskEdit, "item": ItemEdit, "comment": CommentEdit}


def read(kind: str, patch: Mapping[str, Any]) -> BaseModel:
    """A patch as its model. Raises Refused `validation_failed` with the reason per field."""
    try:
        return EDITS[kind].model_validate(dict(patch))
    except ValidationError as error:
        raise Refused(
            "validation_failed",
            "Some fields are not as they should be.",
            422,
            {".".join(map(str, one["loc"])): one["msg"] for one in error.errors()},
        ) from None


def values_of(tx: Connection, edit: BaseModel) -> Row:
    """The fields that an edit sets, as `flow.change` takes them. Raises Refused."""
    found: Row = {}
    errors: dict[str, str] = {}
    for name in edit.model_fields_set:
        value = getattr(edit, name)
        if name == "custom":
            for key, one in (value or {}).items():
                found[f"custom.{key}"] = one
        elif value is None and name in _KEEPS_A_VALUE:
            errors[name] = "This cannot be empty; leave it out to keep it."
        elif name in PEOPLE:
            party = _party(tx, value)
            if value is not None and party is None:
                errors[name] = f"There is no party '{_name_of(value)}'; see GET /api/v1/parties."
            elif party and name == "accountable" and party["kind"] != "person":
                errors[name] = f"{party['name']} is no person, and only a person is accountable."
            else:
                found[name] = party["id"] if party else None
        else:
            found[name] = _stored(value)
    if errors:
        raise Refused("validation_failed", "Some fields are not as they should be.", 422, errors)
    return found


def _name_of(value: Who) -> str:
    return value.id if isinstance(value, PartyRef) else value


def _party(tx: Connection, value: Who | None) -> Row | None:
    return work.find_party(tx, _name_of(value)) if value is not None else None


def _stored(value: Any) -> Any:
    """Plain data, as rows keep it; moments in UTC."""
    if isinstance(value, Due) and value.at is not None:
        return {"at": value.at.astimezone(UTC).isoformat().replace("+00:00", "Z")}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, CalendarDate):
        return value.isoformat()
    return str(value) if isinstance(value, str) else value
