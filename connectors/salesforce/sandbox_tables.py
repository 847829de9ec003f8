"""Which objects and fields the sandbox's org has, and how `describe` tells them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

STAGES = (
    "Prospecting",
    "Qualification",
    "Needs Analysis",
    "Value Proposition",
    "Proposal/Price Quote",
    "Negotiation/Review",
    "Negotiation",
    "Closed Won",
    "Closed Lost",
)
TASK_STATUSES = ("Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred")


CASE_STATUSES = ("New", "Working", "Escalated", "Closed")


@dataclass(frozen=True, slots=True)
class Column:
    """One field of an object, as `describe` tells it."""

    name: str
    type: str = "string"
    label: str = ""
    length: int = 255
    values: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    relation: str | None = None
    required: bool = False
    writable: bool = True
    unique: bool = False
    default: Any = None

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": self.label or self.name,
            "type": self.type,
            "length": self.length if self.type in ("string", "textarea", "email") else 0,
            "custom": self.name.endswith("__c"),
            "createable": self.writable,
            "updateable": self.writable,
            "nillable": not self.required and self.writable,
            "defaultedOnCreate": self.default is not None or self.type == "boolean",
            "unique": self.unique,
            "externalId": self.unique,
            "calculated": False,
            "restrictedPicklist": bool(self.values),
            "referenceTo": list(self.targets),
            "relationshipName": self.relation,
            "picklistValues": [
                {"active": True, "defaultValue": v == self.default, "label": v, "value": v}
                for v in self.values
            ],
        }


def _reference(name: str, *targets: str, **more: Any) -> Column:
    relation = name.removesuffix("Id") if name.endswith("Id") else None
    return Column(name, "reference", targets=targets, relation=relation, **more)


_SYSTEM = (
    Column("Id", "id", writable=False),
    Column("CreatedDate", "datetime", writable=False),
    _reference("CreatedById", "User", writable=False),
    Column("LastModifiedDate", "datetime", writable=False),
    _reference("LastModifiedById", "User", writable=False),
    Column("SystemModstamp", "datetime", writable=False),
)
_DELETED = Column("IsDeleted", "boolean", writable=False)
_HUB_KEY = Column("Hub_Key__c", length=255, unique=True, label="Hub Key")


@dataclass(slots=True)
class Table:
    """One object: its columns by name and its records by id."""

    name: str
    prefix: str
    columns: dict[str, Column]
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)


def _table(name: str, prefix: str, *columns: Column) -> Table:
    return Table(name, prefix, {column.name: column for column in (*_SYSTEM, *columns)})


def new_tables() -> list[Table]:
    owner = _reference("OwnerId", "User")
    return [
        _table(
            "User",
            "005",
            Column("Name", required=True),
            Column("Email", "email"),
            Column("Username"),
            Column("IsActive", "boolean"),
        ),
        _table("Organization", "00D", Column("Name")),
        _table("Account", "001", _DELETED, Column("Name", required=True), owner),
        _table(
            "Opportunity",
            "006",
            _DELETED,
            Column("Name", required=True, length=120),
            Column("StageName", "picklist", values=STAGES, required=True, label="Stage"),
            Column("CloseDate", "date", required=True),
            Column("Amount", "currency"),
            Column("Description", "textarea", length=32000),
            Column("IsClosed", "boolean", writable=False),
            Column("IsWon", "boolean", writable=False),
            _reference("AccountId", "Account"),
            owner,
            Column("Contact_Email__c", "email", length=80, label="Contact Email"),
            _HUB_KEY,
        ),
        _table(
            "Task",
            "00T",
            _DELETED,
            Column("Subject", "combobox"),
            Column("Description", "textarea", length=32000),
            Column("Status", "picklist", values=TASK_STATUSES, default="Not Started"),
            Column("Priority", "picklist", values=("High", "Normal", "Low"), default="Normal"),
            Column("ActivityDate", "date", label="Due Date Only"),
            Column("IsClosed", "boolean", writable=False),
            _reference("OwnerId", "Group", "User"),
            _reference("WhatId", "Account", "Case", "Opportunity"),
            _reference("WhoId", "Contact", "Lead"),
            _HUB_KEY,
        ),
        _table(
            "Case",
            "500",
            _DELETED,
            _reference("MasterRecordId", "Case", writable=False),
            Column("CaseNumber", writable=False, label="Case Number", length=30),
            Column("Subject"),
            Column("Description", "textarea", length=32000),
            Column("Status", "picklist", values=CASE_STATUSES, default="New"),
            Column("Priority", "picklist", values=("High", "Medium", "Low"), default="Medium"),
            Column("Origin", "picklist", values=("Email", "Phone", "Web"), label="Case Origin"),
            Column("IsClosed", "boolean", writable=False),
            Column("ClosedDate", "datetime", writable=False),
            _reference("ContactId", "Contact"),
            _reference("AccountId", "Account"),
            _reference("OwnerId", "Group", "User"),
            _HUB_KEY,
        ),
        _table(
            "Contact",
            "003",
            _DELETED,
            _reference("MasterRecordId", "Contact", writable=False),
            Column("Name", writable=False, label="Full Name", length=121),
            Column("FirstName", length=40, label="First Name"),
            Column("LastName", length=80, required=True, label="Last Name"),
            Column("Email", "email", length=80),
            Column("Phone", length=40, label="Business Phone"),
            _reference("AccountId", "Account"),
            owner,
            _HUB_KEY,
        ),
    ]
