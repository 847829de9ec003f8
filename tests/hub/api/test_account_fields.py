"""The fields of a connection's account by API: what maps each, and what became of them."""

from __future__ import annotations

from hub.apply import apply
from hub.flow import drift
from hub.registry import connector_classes
from hub.store import schemas
from tests.hub.api.conftest import ENV, Api, workspace_files

MAPPING = "mapping: row\nextends: spreadsheet-row\nconnection: tracker\n"


def discover(api: Api) -> None:
    drift.tend(api.hub)
    with api.hub.database.write() as tx:
        schemas.ask(tx, "tracker")
    while drift.tend(api.hub) and drift.discover(api.hub):
        pass


def test_fields_are_told_with_what_maps_them_and_what_became_of_them(api: Api) -> None:
    assert api.get("connections/tracker/schema")["items"] == [], "nobody has asked yet"
    files = {**workspace_files(api.sheet), "mappings/row.yaml": MAPPING}
    apply(api.hub.database, files, connector_classes(), api.hub.clock(), env=ENV, force=True)
    api.pull()
    discover(api)
    (row,) = api.get("connections/tracker/schema")["items"]
    assert (row["connection"], row["object"]) == ("tracker", "row")
    assert (row["not_read"], row["not_written"], row["changes"]) == ([], [], [])
    fields = {one["name"]: one for one in row["fields"]}
    assert fields["Title"]["maps"] == ["title"]
    assert ".yaml:" in fields["Title"]["place"]
    assert fields["Title"]["trouble"] is None

    text = api.sheet.read_text(encoding="utf-8")
    api.sheet.write_text(text.replace("Status", "State", 1), encoding="utf-8")
    discover(api)
    (row,) = api.get("connections/tracker/schema", object="row")["items"]
    fields = {one["name"]: one for one in row["fields"]}
    assert fields["Status"]["type"] == "gone"
    assert "renamed to 'State'" in fields["Status"]["trouble"]
    assert "status" in row["not_read"]
    told = {one["field"]: one["what"] for one in row["changes"]}
    assert (told["Status"], told["State"]) == ("is gone", "is new")
    assert row["seen_at"] >= row["changes"][0]["at"]


def test_what_is_not_there_is_named(api: Api) -> None:
    answer = api.call("GET", "connections/tracker/schema?object=mail")
    assert (answer.status_code, answer.json()["code"]) == (404, "object_unknown")
    assert "it has: row" in answer.json()["detail"]
    assert api.call("GET", "connections/none/schema").json()["code"] == "connection_unknown"
