"""Items, the business objects that cases are about, and the parties that take part."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from hub import present
from hub.api.auth import Anyone, HubDep
from hub.api.errors import not_found
from hub.api.paging import Cursor, Limit, Page, at_moment, at_name, cut
from hub.store import work
from hub.store.work import WorkFilter
from mappings.canonical import Item, Party

router = APIRouter(tags=["items"])


@router.get("/items")
def list_items(
    hub: HubDep,
    caller: Anyone,
    connection: str | None = None,
    object: str | None = None,
    external_id: str | None = None,
    kind: str | None = None,
    case: str | None = None,
    q: Annotated[str | None, Query(description="Text in title or stage.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Item]:
    """Items, the last changed first."""
    after = at_moment("items", cursor)
    narrow = WorkFilter(
        connection=connection, object=object, external_id=external_id, kind=kind, case=case, q=q
    )
    with hub.database.read() as tx:
        rows = work.search(tx, "item", narrow, hub.clock(), after=after, limit=limit + 1)
        shown, following = cut(rows, limit, "items", lambda row: (row["updated_at"], row["id"]))
        return Page(items=present.items(tx, shown), next=following)


@router.get("/items/{id}")
def get_item(hub: HubDep, caller: Anyone, id: str, response: Response) -> Item:
    """One item."""
    with hub.database.read() as tx:
        rows = list(work.load(tx, "item", [id]).values())
        if not rows:
            raise not_found("item", id)
        item = present.items(tx, rows)[0]
    response.headers["ETag"] = f'"{item.version}"'
    return item


@router.get("/parties")
def list_parties(
    hub: HubDep,
    caller: Anyone,
    q: Annotated[str | None, Query(description="Text in name or e-mail address.")] = None,
    kind: Literal["person", "group", "organisation", "system", "assistant"] | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Party]:
    """Everybody who takes part, by name."""
    after = at_name("parties", cursor)
    with hub.database.read() as tx:
        rows = work.list_parties(tx, q, limit + 1, kind=kind, after=after)
    shown, following = cut(rows, limit, "parties", lambda row: (row["name"], row["id"]))
    return Page(items=[present.party(dict(row)) for row in shown], next=following)
