"""Items by API: recognised by `match`, linked, merged; and what the end of their record means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.apply import apply
from hub.flow.pull import pull
from hub.registry import connector_classes
from hub.store import events
from tests.hub.api.conftest import ENV, Api, workspace_files, write_sheet

MAPPING = """\
mapping: {name}-row
connection: {name}
object: row
entity: item
deletes: {{in: {deletes}}}
match: {{by: title}}
fields:
  kind: {{value: order}}
  title: $.Title
  stage: $.Status
"""


@pytest.fixture
def orders(api: Api) -> Path:
    """Another sheet, whose rows are items too, as the tracker's are."""
    path = api.sheet.with_name("orders.csv")
    write_sheet(path, {"9": {"ID": "9", "Title": "Order Laptops", "Status": "Paid"}})
    use(api)
    return path


def use(api: Api, deletes: str = "tombstone") -> None:
    files = workspace_files(api.sheet)
    sheet = api.sheet.with_name("orders.csv")
    files["hub.yaml"] += f"  orders: {{connector: spreadsheet, path: {sheet}, key: ID}}\n"
    for name in ("tracker", "orders"):
        files[f"mappings/{name}.yaml"] = MAPPING.format(name=name, deletes=deletes)
    apply(api.hub.database, files, connector_classes(), api.hub.clock(), env=ENV, force=True)


def bring_in(api: Api, times: int = 1) -> None:
    for _ in range(times):
        for name in ("tracker", "orders"):
            assert pull(api.hub, name, "row", full=True, force=True).error is None
            api.work()


def items(api: Api) -> dict[str, Any]:
    return {one["title"]: one for one in api.get("items")["items"]}


def links(item: Any) -> list[tuple[str, str]]:
    return sorted((one["connection"], one["external_id"]) for one in item["links"])


def test_an_item_of_two_tools_is_matched_unlinked_linked_and_merged(api: Api, orders: Path) -> None:
    bring_in(api)
    (item,) = items(api).values()
    path = f"items/{item['id']}"
    assert links(item) == [("orders", "9"), ("tracker", "1")], "what agrees in title is one"
    assert item["stage"] == "Open", "what was here first is not overwritten unasked"

    left = api.call("DELETE", f"{path}/links/orders")
    assert links(left.json()) == [("tracker", "1")]
    bring_in(api)
    assert links(api.get(path)) == [("tracker", "1")], "a record that was unlinked is left alone"
    linked = api.post(f"{path}/links", {"connection": "orders", "external_id": "9"}, status=201)
    assert links(linked) == [("orders", "9"), ("tracker", "1")]

    write_sheet(
        orders,
        {
            "9": {"ID": "9", "Title": "Order Laptops", "Status": "Paid"},
            "10": {"ID": "10", "Title": "Order 42", "Status": "Paid"},
        },
    )
    bring_in(api)
    other = next(one for one in items(api).values() if one["id"] != item["id"])
    assert links(other) == [("orders", "10")]
    refused = api.call("POST", f"items/{other['id']}/merge", json={"into": item["id"]})
    assert refused.status_code == 409
    assert "orders" in refused.json()["detail"]
    api.call("DELETE", f"{path}/links/orders")
    merged = api.post(f"items/{other['id']}/merge", {"into": item["id"]})
    assert merged["id"] == item["id"]
    assert links(merged) == [("orders", "10"), ("tracker", "1")]
    assert api.get(f"items/{other['id']}")["id"] == item["id"], "it answers for both"
    assert len(items(api)) == 1


@pytest.mark.parametrize(
    ("deletes", "told"), [("tombstone", 1), ("cancel", 1), ("ignore", 0)], ids=str
)
def test_an_item_whose_record_is_gone_stays_and_says_so(
    api: Api, orders: Path, deletes: str, told: int
) -> None:
    """An item has no status of ours that could be cancelled: its stage stays as it was."""
    rest = {"8": {"ID": "8", "Title": "Chairs", "Status": "Paid"}}
    both = {**rest, "9": {"ID": "9", "Title": "Order Laptops", "Status": "Open"}}
    use(api, deletes)
    write_sheet(orders, both)
    bring_in(api)
    before = items(api)["Order laptops"]
    write_sheet(orders, rest)
    bring_in(api, 3)
    item = api.get(f"items/{before['id']}")
    assert item["stage"] == before["stage"]
    assert links(item) == links(before)
    gone = {one["connection"]: one["remote_deleted"] for one in item["links"]}
    assert gone == {"orders": True, "tracker": False}
    assert len(happened(api, item["id"], "item.deleted")) == told
    assert api.get("exceptions")["items"] == []

    write_sheet(orders, both)
    bring_in(api, 2)
    item = api.get(f"items/{before['id']}")
    assert not any(one["remote_deleted"] for one in item["links"])
    assert len(happened(api, item["id"], "item.restored")) == told


def happened(api: Api, item: str, type: str) -> list[Any]:
    with api.hub.database.read() as tx:
        return [one for one in events.of(tx, subject=item, limit=100) if one["type"] == type]
