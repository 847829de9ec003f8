"""Who takes part, what each is called in the tools, and who is still unknown there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hub import present
from hub.api.auth import Anyone, HubDep, Operator
from hub.api.errors import Problem, not_found
from hub.api.paging import Cursor, Limit, Page, at_account, at_name, cut
from hub.api.repeating import Repeatable
from hub.flow import people
from hub.store import accounts, work
from mappings.canonical import Party

router = APIRouter(tags=["people"], route_class=Repeatable)

Row = dict[str, Any]
Name = Annotated[str, StringConstraints(min_length=1, max_length=400, strip_whitespace=True)]


class Account(BaseModel):
    """A user of a tool, and who that is."""

    connection: str
    object: str | None = Field(description="The kind of its record; null for a mere name.")
    external_id: str = Field(description="The id of its record, or the name.")
    handle: str | None = Field(
        description="What is written there for them; null where nothing can be given to them."
    )
    names: list[str] = Field(description="What they are called there, in lower case.")
    title: str | None = Field(description="What the tool shows.")
    email: str | None
    active: bool = Field(description="False: deactivated, or gone.")
    party: str | None = Field(description="Who it is; null: nobody knows.")
    evidence: Literal["identities", "email", "external", "person"] | None = Field(
        description="How we know: people.yaml, the address, a record of an outsider, or a person"
        " said so."
    )
    disputed: str | None = Field(
        description="An address that speaks for somebody else: a person is asked."
    )


class PartyShown(Party):
    """Whoever takes part, with what they are called in the tools."""

    accounts: list[Account]


class Said(BaseModel):
    """Somebody says who is called so in a tool."""

    model_config = ConfigDict(extra="forbid")

    connection: str
    name: Name = Field(description="An id, login or address there.")
    person: str = Field(description="Who it is: a party's id, a person's key, or an address.")


class TakenBack(BaseModel):
    """Somebody takes back who is called so; or says that it is not whom the address speaks for."""

    model_config = ConfigDict(extra="forbid")

    connection: str
    name: Name


def shown(row: Row) -> Account:
    """An account as the API shows it."""
    about = {name: row[name] for name in Account.model_fields}
    return Account(**about | {"object": row["object"] or None, "handle": row["handle"] or None})


@router.get("/parties")
def list_parties(
    hub: HubDep,
    caller: Anyone,
    q: Annotated[str | None, Query(description="Text in name or e-mail address.")] = None,
    kind: Literal["person", "group", "organisation", "system", "assistant"] | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PartyShown]:
    """Everybody who takes part, by name, with what they are called in the tools."""
    after = at_name("parties", cursor)
    with hub.database.read() as tx:
        rows = work.list_parties(tx, q, limit + 1, kind=kind, after=after)
        page, following = cut(rows, limit, "parties", lambda row: (row["name"], row["id"]))
        called = accounts.of_parties(tx, [row["id"] for row in page])
    return Page(
        items=[
            PartyShown(
                **dict(present.party(dict(row))),
                accounts=[shown(one) for one in called.get(row["id"], ())],
            )
            for row in page
        ],
        next=following,
    )


@router.get("/accounts")
def list_accounts(
    hub: HubDep,
    caller: Operator,
    connection: str | None = None,
    unknown: Annotated[
        bool, Query(description="Only those whom nobody knows, or who are disputed.")
    ] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Account]:
    """The users of the tools, and who each is."""
    after = at_account("accounts", cursor)
    with hub.database.read() as tx:
        rows: Sequence[Row] = accounts.listed(
            tx, connection=connection, unknown=unknown, after=after, limit=limit + 1
        )
    page, following = cut(rows, limit, "accounts", accounts.key_of)
    return Page(items=[shown(row) for row in page], next=following)


@router.post("/accounts/identify")
def identify(hub: HubDep, caller: Operator, body: Said) -> Account:
    """Say who somebody is in a tool. Whatever waited for that goes on by itself."""
    with hub.unit() as unit:
        party = work.find_party(unit.tx, body.person)
        if party is None:
            raise not_found("person", body.person)
        with unit.acting(caller.actor()):
            try:
                account = people.identify(unit, body.connection, body.name, party)
            except LookupError as error:
                raise Problem(404, "account_unknown", str(error)) from error
    hub.soon("drain")
    hub.soon("bring_in")
    return shown(account)


@router.post("/accounts/unidentify")
def unidentify(hub: HubDep, caller: Operator, body: TakenBack) -> Account:
    """Take back who somebody is in a tool."""
    with hub.unit() as unit, unit.acting(caller.actor()):
        try:
            account = people.unidentify(unit, body.connection, body.name)
        except LookupError as error:
            raise Problem(404, "account_unknown", str(error)) from error
        except ValueError as error:
            raise Problem(409, "said_in_people_yaml", str(error)) from error
    hub.soon("bring_in")
    return shown(account)
