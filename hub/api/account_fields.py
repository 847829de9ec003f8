"""The fields that a connection's account has: what maps each, and what changed when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from hub.api.auth import HubDep, Member
from hub.api.errors import Problem
from hub.flow.shown_schema import shown
from hub.store import schemas
from mappings.canonical import Moment

router = APIRouter(prefix="/connections", tags=["connections"])


class AccountField(BaseModel):
    """One field of the account."""

    name: str
    type: str = Field(description="`gone` where the account has it no more and it is mapped still.")
    label: str
    choices: list[str] = Field(description="What may stand in it, where that is a list.")
    required: bool
    writable: bool
    maps: list[str] = Field(description="Our fields that are read off it or written to it.")
    place: str | None = Field(description="Of the first line of the mapping that names it.")
    trouble: str | None = Field(description="What became of it that the mapping does not fit.")


class FieldChange(BaseModel):
    """A field that was another when the account was asked."""

    at: Moment
    field: str
    what: str


class AccountFields(BaseModel):
    """One object of the account, as far as it was asked."""

    connection: str
    object: str
    seen_at: Moment | None = Field(description="When the account was last asked.")
    not_read: list[str] = Field(description="Our fields that are not read until it fits again.")
    not_written: list[str] = Field(description="Our fields that are not written until then.")
    fields: list[AccountField]
    changes: list[FieldChange] = Field(description="The newest first.")


class Schema(BaseModel):
    """The objects that mappings speak of."""

    items: list[AccountFields]
    next: None = None


@router.get("/{name}/schema")
def get_schema(
    hub: HubDep,
    caller: Member,
    name: str,
    object: Annotated[str | None, Query(description="Only this one.", max_length=200)] = None,
) -> Schema:
    """The account's fields, what maps each, and what changed when. It is asked after each revision
    and once a day; nothing is known before.
    """
    snapshot = hub.live.current()
    if name not in snapshot.workspace.connections:
        raise Problem(404, "connection_unknown", f"There is no connection '{name}'.")
    if object is not None and object not in snapshot.offers(name):
        known = ", ".join(sorted(snapshot.offers(name))) or "none"
        raise Problem(404, "object_unknown", f"{name} has no object '{object}'; it has: {known}.")
    with hub.database.read() as tx:
        rows = schemas.rows(tx, name)
    return Schema(
        items=[
            AccountFields.model_validate(shown(snapshot, row))
            for (_, of), row in sorted(rows.items())
            if object is None or of == object
        ]
    )
