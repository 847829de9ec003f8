"""Which Salesforce objects we carry, which of their fields we ask for, and how a row becomes a
record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from connectors.salesforce.soql import id18, literal, moment
from connectors.sdk import Field, ObjectSpec, Record

Row = Mapping[str, Any]

SOBJECTS: Mapping[str, str] = {
    "opportunity": "Opportunity",
    "task": "Task",
    "case": "Case",
    "contact": "Contact",
    "user": "User",
}
"""Our object names and Salesforce's."""
PREFIXES: Mapping[str, str] = {
    "006": "Opportunity",
    "00T": "Task",
    "500": "Case",
    "003": "Contact",
    "005": "User",
}
"""The first three characters of an id name its object."""


def _both_ways(title: str) -> ObjectSpec:
    return ObjectSpec(
        title=title,
        pull=True,
        fetch=True,
        push=frozenset({"create", "update", "delete"}),
        webhook=True,
        find=True,
        keyed=True,
        deletes="reported",
        batch=200,
    )


SPECS: Mapping[str, ObjectSpec] = {
    "opportunity": _both_ways("Opportunities"),
    "task": _both_ways("Tasks"),
    "case": _both_ways("Cases"),
    "contact": _both_ways("Contacts"),
    # users are never deleted, only made inactive
    "user": ObjectSpec(title="Users", pull=True, fetch=True, batch=200),
}

_ALWAYS = (
    "Id",
    "SystemModstamp",
    "CreatedDate",
    "LastModifiedDate",
    "LastModifiedById",
    "IsDeleted",
    "MasterRecordId",  # contacts and cases: the record that it was merged into
    "CurrencyIsoCode",  # only orgs with several currencies have it
)
_USUAL: Mapping[str, tuple[str, ...]] = {
    "Opportunity": (
        "Name",
        "StageName",
        "CloseDate",
        "Amount",
        "IsClosed",
        "IsWon",
        "AccountId",
        "Account",
        "OwnerId",
        "Owner",
    ),
    "Task": (
        "Subject",
        "Description",
        "Status",
        "Priority",
        "ActivityDate",
        "IsClosed",
        "OwnerId",
        "Owner",
        "WhatId",
        "WhoId",
    ),
    "Case": (
        "CaseNumber",
        "Subject",
        "Description",
        "Status",
        "Priority",
        "IsClosed",
        "OwnerId",
        "Owner",
        "ContactId",
        "Contact",
        "AccountId",
        "Account",
    ),
    "Contact": (
        "Name",
        "FirstName",
        "LastName",
        "Email",
        "Phone",
        "AccountId",
        "Account",
        "OwnerId",
    ),
    "User": ("Name", "Email", "Username", "IsActive"),
}
_COMPOUND = frozenset({"address", "location", "complexvalue", "base64", "anyType"})
Kind = Literal["text", "number", "boolean", "date", "datetime", "choice", "list", "user", "object"]
_TYPES: Mapping[str, Kind] = {
    "picklist": "choice",
    "multipicklist": "list",
    "int": "number",
    "long": "number",
    "double": "number",
    "currency": "number",
    "percent": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    **dict.fromkeys(_COMPOUND, "object"),
}


_NAMELESS = frozenset({"Case", "Event", "Solution", "Task"})
"""Objects without a field `Name`: a relationship to them has no name to show."""


def selection(
    description: Mapping[str, Any], asked: Collection[str] | None, hub_key: str | None
) -> list[str]:
    """The SELECT list: what every record needs, what is usual, and what was asked for; `None` asks
    for everything.

    Names the org does not have (or this user may not see) are left out: one such name would make
    Salesforce refuse the whole query. A relationship (`Account`, `Owner`) stands for the fields
    people map from it.
    """
    name = str(description["name"])
    fields = {f["name"]: f for f in description["fields"] if f["type"] not in _COMPOUND}
    relations = {
        f["relationshipName"]: f["referenceTo"]
        for f in fields.values()
        if f["relationshipName"] and not (set(f["referenceTo"]) <= _NAMELESS)
    }
    wanted: list[str] = [*_ALWAYS, *_USUAL[name]]
    if hub_key:
        wanted.append(hub_key)
    wanted += [*sorted(fields), *sorted(relations)] if asked is None else sorted(asked)
    chosen: dict[str, None] = {}
    for field in wanted:
        if field in fields:
            chosen[field] = None
        elif targets := relations.get(field):
            # what an owner or a parent may be differs by object; only User and Contact have mail
            chosen[f"{field}.Name"] = None
            if set(targets) & {"User", "Contact", "Lead"}:
                chosen[f"{field}.Email"] = None
    return list(chosen)


def _plain(value: Any) -> Any:
    """A row without the `attributes` (type, address) that Salesforce adds at every level."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "attributes"}
    return value


def record(object: str, row: Row, base_url: str, hub_key: str | None = None) -> Record:
    """One row of a query as a record. Its version is SystemModstamp, written so that text order
    is time order.
    """
    data = _plain(dict(row))
    id = id18(str(row["Id"]))
    data["Id"] = id
    changed = moment(str(row["SystemModstamp"]))
    name = SOBJECTS[object]
    actor = row.get("LastModifiedById")
    return Record(
        object=object,
        id=id,
        data=data,
        address={"type": name},
        version=literal(changed),
        updated_at=changed,
        url=f"{base_url}/lightning/r/{name}/{id}/view",
        deleted=bool(row.get("IsDeleted")),
        actor=id18(str(actor)) if actor else None,
        key=row.get(hub_key) if hub_key else None,
    )


def gone(object: str, id: str) -> Record:
    """A record that cannot be read any more: purged, or hidden from this user."""
    return Record(object=object, id=id, data={}, address={"type": SOBJECTS[object]}, deleted=True)


def fields_of(description: Mapping[str, Any]) -> Sequence[Field]:
    """What `discover` reports: the object's fields, and its relationships as read-only objects."""
    found: list[Field] = []
    for field in description["fields"]:
        kind: Kind = _TYPES.get(field["type"], "text")
        if field["type"] == "reference" and "User" in field["referenceTo"]:
            kind = "user"
        found.append(
            Field(
                name=field["name"],
                type=kind,
                label=field["label"],
                choices=[v["value"] for v in field.get("picklistValues") or () if v["active"]],
                required=bool(
                    field["createable"] and not field["nillable"] and not field["defaultedOnCreate"]
                ),
                writable=bool(field["createable"] or field["updateable"]),
            )
        )
        if field["relationshipName"]:
            found.append(
                Field(
                    name=field["relationshipName"],
                    type="object",
                    label=f"{field['label']} (record)",
                    writable=False,
                )
            )
    return found
