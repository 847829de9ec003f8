"""Items, the business objects that cases are about."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from hub import present
from hub.api.auth import Anyone, HubDep
from hub.api.errors import not_found
from hub.api.paging import Cursor, Limit, Page, at_moment, cut
from hub.hub import Hub
from hub.store import sameness, work
from hub.store.work import WorkFilter
from mappings.canonical import Item

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
    """One item; of one that was merged into another, that one."""
    return shown_item(hub, id, response)


def shown_item(hub: Hub, id: str, response: Response | None = None) -> Item:
    """An item as it is now, or the one it was merged into, with its version as ETag. Raises Problem
    404.
    """
    with hub.database.read() as tx:
        rows = list(work.load(tx, "item", [sameness.answers_for(tx, id)]).values())
        if not rows:
            raise not_found("item", id)
        item = present.items(tx, rows)[0]
    if response is not None:
        response.headers["ETag"] = f'"{item.version}"'
    return item
