"""The org inside the Salesforce sandbox: objects, records, users, and what Salesforce checks before
it saves.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from connectors.salesforce.sandbox_soql import SoqlError, getter, parse
from connectors.salesforce.sandbox_tables import Column, Table, new_tables
from connectors.salesforce.soql import id18, is_id

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Refusal(Exception):
    """Why a record is not saved, in Salesforce's words."""

    def __init__(self, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.fields = fields


class Org:
    """Not locked: the sandbox holds its lock around every call."""

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        self.tables = {table.name: table for table in new_tables()}
        self.clock = clock or (lambda: datetime.now(UTC))
        self._counter = 0
        self._cases = 0
        self.id = self._insert("Organization", {"Name": "Acme AG"}, "")
        self.integration = self._insert(
            "User",
            {
                "Name": "Process Hub Integration",
                "Email": "hub@acme.test",
                "Username": "hub@acme.test",
                "IsActive": True,
            },
            "",
        )

    def now(self) -> str:
        """Salesforce keeps stamps to the second, so records written together share one."""
        return f"{self.clock().astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000+0000"

    def _new_id(self, prefix: str) -> str:
        self._counter += 1
        rest, text = self._counter, ""
        while rest:
            rest, digit = divmod(rest, 62)
            text = DIGITS[digit] + text
        return id18(prefix + "5g" + text.rjust(10, "0"))

    def _insert(self, name: str, values: Mapping[str, Any], by: str) -> str:
        table = self.tables[name]
        id, stamp = self._new_id(table.prefix), self.now()
        row: dict[str, Any] = {column: None for column in table.columns}
        for column in table.columns.values():
            if column.default is not None:
                row[column.name] = column.default
        if "OwnerId" in row:
            row["OwnerId"] = by
        row.update(values)
        if "IsDeleted" in row:
            row["IsDeleted"] = False
        row.update(
            Id=id,
            CreatedDate=stamp,
            CreatedById=by or id,
            LastModifiedDate=stamp,
            LastModifiedById=by or id,
            SystemModstamp=stamp,
        )
        self._derive(name, row)
        table.rows[id] = row
        return id

    def create(self, name: str, values: Mapping[str, Any], by: str) -> str:
        """The new id. Raises Refusal."""
        table = self.table(name)
        clean = self._clean(table, values, None)
        missing = [
            column.name
            for column in table.columns.values()
            if column.required and column.writable and clean.get(column.name) is None
        ]
        if missing:
            raise Refusal(
                "REQUIRED_FIELD_MISSING",
                f"Required fields are missing: [{', '.join(missing)}]",
                tuple(missing),
            )
        return self._insert(name, clean, by)

    def update(self, name: str, id: str, values: Mapping[str, Any], by: str) -> dict[str, Any]:
        """What changed, old values aside; every save moves the stamps, even an empty one."""
        table = self.table(name)
        row = self.row(name, id)
        clean = self._clean(table, values, row)
        for column, value in clean.items():
            if value is None and table.columns[column].required:
                raise Refusal(
                    "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{column}]", (column,)
                )
        changed = {column: value for column, value in clean.items() if row[column] != value}
        stamp = self.now()
        row.update(clean, LastModifiedDate=stamp, SystemModstamp=stamp, LastModifiedById=by)
        self._derive(name, row)
        return changed

    def delete(self, name: str, id: str, by: str) -> None:
        """Into the recycle bin."""
        stamp = self.now()
        self.row(name, id).update(
            IsDeleted=True, LastModifiedDate=stamp, SystemModstamp=stamp, LastModifiedById=by
        )

    def undelete(self, name: str, id: str, by: str) -> None:
        """Out of the recycle bin again."""
        stamp = self.now()
        row = self.table(name).rows[id18(id)]
        row.update(
            IsDeleted=False, LastModifiedDate=stamp, SystemModstamp=stamp, LastModifiedById=by
        )

    def merge(self, name: str, winner: str, losers: Sequence[str], by: str) -> None:
        """Make one record of up to three: the losers go into the recycle bin and name the winner.

        https://developer.salesforce.com/docs/atlas.en-us.apexcode.meta/apexcode/langCon_apex_dml_examples_merge.htm
        """
        self.update(name, winner, {}, by)
        for id in losers:
            self.row(name, id)["MasterRecordId"] = id18(winner)
            self.delete(name, id, by)

    def table(self, name: str) -> Table:
        for table in self.tables.values():
            if table.name.lower() == name.lower():
                return table
        raise Refusal("INVALID_TYPE", f"sObject type '{name}' is not supported.")

    def row(self, name: str, id: str) -> dict[str, Any]:
        """A live record. Raises Refusal as an update of it would."""
        table = self.table(name)
        if not is_id(id):
            raise Refusal("MALFORMED_ID", f"{name} ID: id value of incorrect type: {id}", ("Id",))
        row = table.rows.get(id18(id))
        if row is None:
            raise Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if row.get("IsDeleted"):
            raise Refusal("ENTITY_IS_DELETED", "entity is deleted")
        return row

    def holder(self, name: str, column: str, value: str) -> dict[str, Any] | None:
        """The live record that has this unique value; letters' case does not matter."""
        for row in self.table(name).rows.values():
            if str(row[column] or "").casefold() == value.casefold() and not row.get("IsDeleted"):
                return row
        return None

    def _derive(self, name: str, row: dict[str, Any]) -> None:
        if name == "Opportunity":
            row["IsWon"] = row["StageName"] == "Closed Won"
            row["IsClosed"] = str(row["StageName"]).startswith("Closed")
        if name == "Task":
            row["IsClosed"] = row["Status"] == "Completed"
        if name == "Contact":
            row["Name"] = " ".join(filter(None, (row["FirstName"], row["LastName"])))
        if name == "Case":
            self._case(row)

    def _case(self, row: dict[str, Any]) -> None:
        closed = row["Status"] == "Closed"
        if row["CaseNumber"] is None:
            self._cases += 1
            row["CaseNumber"] = f"{1000 + self._cases:08d}"
        row["IsClosed"] = closed
        row["ClosedDate"] = (row["ClosedDate"] or row["SystemModstamp"]) if closed else None

    def _clean(
        self, table: Table, values: Mapping[str, Any], row: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        known = {name.lower(): column for name, column in table.columns.items()}
        clean: dict[str, Any] = {}
        for name, value in values.items():
            column = known.get(name.lower())
            if column is None:
                raise Refusal(
                    "INVALID_FIELD", f"No such column '{name}' on sobject of type {table.name}"
                )
            if not column.writable:
                raise Refusal(
                    "INVALID_FIELD_FOR_INSERT_UPDATE",
                    f"Unable to create/update fields: {column.name}. Please check the security "
                    "settings of this field and verify that it is read/write for your profile or "
                    "permission set.",
                    (column.name,),
                )
            clean[column.name] = self._value(table, column, value, row)
        return clean

    def _value(
        self, table: Table, column: Column, value: Any, row: Mapping[str, Any] | None
    ) -> Any:
        if value is None or value == "":
            return None
        here = (column.name,)
        if column.type in ("string", "textarea", "combobox", "email", "picklist"):
            text = str(value)
            if len(text) > column.length:
                raise Refusal(
                    "STRING_TOO_LONG",
                    f"{column.label or column.name}: data value too large: {text[:40]} "
                    f"(max length={column.length})",
                    here,
                )
            if column.type == "email" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
                raise Refusal(
                    "INVALID_EMAIL_ADDRESS",
                    f"{column.label}: invalid email address: {text}",
                    here,
                )
            if column.values and text not in column.values:
                raise Refusal(
                    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
                    f"{column.label or column.name}: bad value for restricted picklist field: "
                    f"{text}",
                    here,
                )
            holder = self.holder(table.name, column.name, text) if column.unique else None
            if holder is not None and (row is None or holder["Id"] != row["Id"]):
                raise Refusal(
                    "DUPLICATE_VALUE",
                    f"duplicate value found: {column.name} duplicates value on record with id: "
                    f"{holder['Id'][:15]}",
                )
            return text
        if column.type == "date":
            return self._date(value)
        if column.type == "currency":
            try:
                return float(value)
            except (TypeError, ValueError):
                raise Refusal("JSON_PARSER_ERROR", f"Cannot deserialize double: {value}") from None
        if column.type == "reference":
            text = id18(str(value))
            homes = [self.tables[name] for name in column.targets if name in self.tables]
            if not any(text in home.rows for home in homes):
                raise Refusal(
                    "INVALID_CROSS_REFERENCE_KEY",
                    f"{column.name}: id value of incorrect type or not found: {value}",
                    here,
                )
            return text
        return value

    @staticmethod
    def _date(value: Any) -> str:
        try:
            return date.fromisoformat(str(value)[:10]).isoformat()
        except ValueError:
            raise Refusal(
                "JSON_PARSER_ERROR",
                f"Cannot deserialize instance of date from VALUE_STRING value {value}",
            ) from None

    # --------------------------------------------------------------------------------- queries

    def parent(self, table: Table, row: Mapping[str, Any], relation: str) -> Any:
        """The record a relationship leads to, None if it is empty. Raises SoqlError."""
        for column in table.columns.values():
            if column.relation and column.relation.lower() == relation.lower():
                for target in column.targets:
                    found = (
                        self.tables[target].rows.get(row[column.name] or "")
                        if (target in self.tables)
                        else None
                    )
                    if found is not None:
                        return found
                return None
        raise SoqlError(
            "INVALID_FIELD",
            f"Didn't understand relationship '{relation}' in field path. If you are attempting to "
            "use a custom relationship, be sure to append the '__r'.",
        )

    def select(self, soql: str, *, deleted: bool) -> list[dict[str, Any]]:
        """Rows as the API shows them, without `attributes` at the parents' level only where the
        parent is empty. Raises SoqlError.
        """
        query = parse(soql)
        try:
            table = self.table(query.name)
        except Refusal as error:
            raise SoqlError(error.code, str(error)) from None
        names = {name.lower(): name for name in table.columns}
        used = [*query.fields, *(f for f, _ in query.order), *(f for f, _ in query.tested)]
        for path in used:
            self._known(table, names, path)
        if len({path.lower() for path in query.fields}) != len(query.fields):
            raise SoqlError("INVALID_FIELD", "duplicate field selected")
        for path, kind in query.tested:
            column = table.columns.get(names.get(path.lower(), ""))
            if column and column.type == "datetime" and kind not in ("datetime", "null"):
                raise SoqlError(
                    "INVALID_FIELD",
                    f"value of filter criterion for field '{column.name}' must be of type dateTime "
                    "and should not be enclosed in quotes",
                )
        found = []
        for row in table.rows.values():
            get = getter(row, partial(self.parent, table, row))
            if (deleted or not row.get("IsDeleted")) and query.test(get):
                found.append((row, get))
        for path, down in reversed(query.order):
            keys = {id(row): _sortable(get(path.lower())) for row, get in found}
            found.sort(key=lambda pair: keys[id(pair[0])], reverse=down)
        return [self._shown(table, names, row, query.fields) for row, _ in found[: query.limit]]

    def _known(self, table: Table, names: Mapping[str, str], path: str) -> None:
        head, dot, rest = path.partition(".")
        if not dot:
            if head.lower() not in names:
                raise SoqlError(
                    "INVALID_FIELD",
                    f"No such column '{path}' on entity '{table.name}'. If you are attempting to "
                    "use a custom field, be sure to append the '__c' after the custom field name.",
                )
            return
        self.parent(table, dict.fromkeys(table.columns), head)
        column = next(
            c for c in table.columns.values() if (c.relation or "").lower() == head.lower()
        )
        homes = [self.tables[name] for name in column.targets if name in self.tables]
        # a parent that may be of several objects is seen as `Name`, which has these two
        if rest.lower() in ("name", "email") and len(column.targets) > 1:
            return
        if not any(rest.lower() == name.lower() for home in homes for name in home.columns):
            raise SoqlError("INVALID_FIELD", f"No such column '{rest}' on entity '{head}'.")

    def _shown(
        self,
        table: Table,
        names: Mapping[str, str],
        row: Mapping[str, Any],
        fields: tuple[str, ...],
    ) -> dict[str, Any]:
        shown: dict[str, Any] = {"attributes": attributes(table.name, row["Id"])}
        for path in fields:
            head, dot, rest = path.partition(".")
            if not dot:
                shown[names[head.lower()]] = row[names[head.lower()]]
                continue
            above = self.parent(table, row, head)
            if above is None:
                shown.setdefault(head, None)
                continue
            kind = next(t.name for t in self.tables.values() if above["Id"] in t.rows)
            inner = shown.setdefault(head, {"attributes": attributes(kind, above["Id"])})
            inner[rest] = {k.lower(): v for k, v in above.items()}.get(rest.lower())
        return shown


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value if value is not None else "")


def attributes(name: str, id: str) -> dict[str, str]:
    return {"type": name, "url": f"/services/data/v62.0/sobjects/{name}/{id}"}
