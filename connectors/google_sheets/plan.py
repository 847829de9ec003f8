"""What a batch of changes means for the cells: which to set, which rows to add, what cannot be."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from connectors.google_sheets.cells import TEXT_LIMIT, Cell, same, write_cell
from connectors.google_sheets.client import SheetsClient
from connectors.google_sheets.table import SHEET, Row, Sheet, Table
from connectors.sdk import Change, Outcome, Result
from connectors.sdk.tables import CellError, key_of, plain


def key_for(change: Change, header: str) -> str:
    """The key of the row that a change is about."""
    if change.op == "update" and change.id is not None:
        return change.id
    return key_of(change.fields.get(header)) or key_of(change.key)


@dataclass
class Put:
    """A cell to be set in the row of a key."""

    sheet: Sheet
    row: int
    column: int
    value: Cell
    key: str


@dataclass
class Plan:
    """What a batch comes to: cells of rows that are there, new rows, and what cannot be.

    `puts` and `news` are by key; `owners` says which changes a key stands for. Housekeeping (keys
    for rows that have none) has no owner.
    """

    table: Table
    puts: dict[str, list[Put]] = field(default_factory=dict)
    news: dict[str, tuple[Sheet, dict[int, Cell]]] = field(default_factory=dict)
    owners: dict[str, list[int]] = field(default_factory=dict)
    results: dict[int, Result] = field(default_factory=dict)

    def settle(self, key: str, results: Mapping[int, Result]) -> None:
        self.results.update(results)
        self.puts.pop(key, None)
        self.news.pop(key, None)


class Planner:
    """Plans one batch. `known` is what the last pull of this process remembered, None before it:
    copies cannot be told from originals then, nor rows that lost their key from new ones.
    """

    def __init__(
        self, client: SheetsClient, changes: Sequence[Change], known: Mapping[str, str] | None
    ) -> None:
        self._client = client
        self._changes = changes
        self._known = known
        self._header = client.layout.key

    def plan(self, sheets: Sequence[Sheet]) -> Plan:
        """The plan over these sheets."""
        table = Table(sheets, self._known or {})
        plan = Plan(table)
        for at, change in enumerate(self._changes):
            key = key_for(change, self._header)
            plan.owners.setdefault(key, []).append(at)
            try:
                refused = self._add(plan, change, key)
            except CellError as error:
                refused = self._unfit(change, error)
            if refused is not None:
                plan.results[at] = refused
        if self._client.settings.assigns and self._known is not None:
            housekeeping(plan)
        return plan

    def _add(self, plan: Plan, change: Change, key: str) -> Result | None:
        row = plan.table.rows.get(key)
        if row is None and change.op == "update" and key not in plan.news:
            row = self._cleared(plan.table, change, key)
            if row is None:
                return Result(Outcome.MISSING, message=f"The row {key} is not there any more.")
            at = row.sheet.headers[self._header]
            plan.puts.setdefault(key, []).append(Put(row.sheet, row.number, at, key, key))
        if row is not None and change.op == "create":
            # made by an earlier attempt, or by a person: what they wrote since stays
            return None
        sheet = row.sheet if row else self._home(plan.table, change)
        if row is None and key in plan.news:
            sheet = plan.news[key][0]
        if sheet is None:
            reason = "is no sheet of this connection"
            return _refused(f"'{change.fields[SHEET]}' {reason}.", {SHEET: reason})
        unknown = [name for name in change.fields if name not in sheet.headers and name != SHEET]
        if unknown:
            names = ", ".join(f"'{name}'" for name in unknown)
            return _refused(
                f"The sheet '{sheet.title}' has no column {names}: add it, rename it back, or "
                "change the mapping.",
                dict.fromkeys(unknown, "there is no such column"),
            )
        wanted = {
            name: write_cell(value, sheet.kind(name), sheet.zone)
            for name, value in change.fields.items()
            if name not in (self._header, SHEET)
        }
        if row is None:
            _, cells = plan.news.setdefault(key, (sheet, {sheet.headers[self._header]: key}))
            cells.update({sheet.headers[name]: value for name, value in wanted.items()})
            return None
        return self._refuse(change, row, wanted) or self._alter(plan, row, key, wanted)

    def _alter(self, plan: Plan, row: Row, key: str, wanted: Mapping[str, Cell]) -> Result | None:
        puts = plan.puts.setdefault(key, [])
        for name, value in wanted.items():
            column = row.sheet.headers[name]
            puts[:] = [put for put in puts if put.column != column]
            if not same(value, row.cell(column)):
                puts.append(Put(row.sheet, row.number, column, value, key))
        if not puts:
            del plan.puts[key]
        return None

    def _home(self, table: Table, change: Change) -> Sheet | None:
        title = change.fields.get(SHEET)
        return table.sheets[0] if title is None else table.sheet(str(title))

    def _cleared(self, table: Table, change: Change, key: str) -> Row | None:
        """The row whose key somebody cleared, if it still says what the hub last saw."""
        base = {name: part for name, part in (change.base or {}).items() if name != self._header}
        alike = [
            row
            for row in table.keyless
            if base and all(row.data.get(name) == part for name, part in base.items())
        ]
        return table.cleared.get(key) or (alike[0] if len(alike) == 1 else None)

    def _refuse(self, change: Change, row: Row, wanted: Mapping[str, Cell]) -> Result | None:
        renamed = key_of(change.fields.get(self._header, row.key)) or row.key
        if change.op == "update" and row.key and renamed != row.key:
            reason = "names the row for good and cannot be changed"
            return _refused(f"{row.place}: '{self._header}' {reason}.", {self._header: reason})
        moved = change.fields.get(SHEET, row.sheet.title)
        if str(moved).casefold() != row.sheet.title.casefold():
            reason = "rows are moved by people only"
            return _refused(f"{row.place}: {reason}.", {SHEET: reason})
        if change.op != "update" or change.base is None:
            return None
        for name, value in wanted.items():
            if name not in change.base or name not in row.data:
                continue
            if row.data[name] != change.base[name]:
                if same(value, row.cell(row.sheet.headers[name])):
                    continue
                return Result(
                    Outcome.CONFLICT,
                    record=row.record(),
                    message=f"{row.place}: somebody changed '{name}' meanwhile.",
                )
        return None

    def _unfit(self, change: Change, error: CellError) -> Result:
        bad = {}
        for name, value in change.fields.items():
            try:
                plain(value, TEXT_LIMIT)
            except CellError as reason:
                bad[name] = str(reason)
        names = ", ".join(f"'{name}'" for name in bad)
        return _refused(f"The value of {names} {error}.", bad)

    def spare_formulas(self, plan: Plan) -> None:
        """Refuse changes of cells that a formula calculates; the rest of the batch goes on."""
        by_sheet: dict[str, tuple[Sheet, set[int]]] = {}
        for puts in plan.puts.values():
            for put in puts:
                by_sheet.setdefault(put.sheet.title, (put.sheet, set()))[1].add(put.column)
        for title, (sheet, columns) in by_sheet.items():
            ordered = sorted(columns)
            typed = self._client.formulas(sheet, ordered)
            names = {at: name for name, at in sheet.headers.items()}
            for key, puts in list(plan.puts.items()):
                hit = {
                    names[put.column]: "is calculated by a formula"
                    for put in puts
                    if put.sheet.title == title
                    and _is_formula(typed[ordered.index(put.column)], put)
                }
                if hit:
                    told = ", ".join(f"'{name}'" for name in hit)
                    refused = _refused(
                        f"row {puts[0].row} of '{title}': {told} is calculated by a formula.", hit
                    )
                    plan.settle(key, dict.fromkeys(plan.owners.get(key, ()), refused))


def housekeeping(plan: Plan) -> None:
    """Add keys for new rows, back for rows whose key was cleared, and others for copies."""
    given_back = {id(row): key for key, row in plan.table.cleared.items()}
    for row in [*plan.table.keyless, *plan.table.copies]:
        column = row.sheet.headers[row.sheet.layout.key]
        key = given_back.get(id(row)) or uuid.uuid4().hex[:20]
        if key in plan.puts or any(
            put.row == row.number and put.sheet is row.sheet
            for puts in plan.puts.values()
            for put in puts
        ):
            continue  # a change of this very row brings its key along
        plan.puts[key] = [Put(row.sheet, row.number, column, key, key)]


def unmoved(plan: Plan, now: Sequence[Sheet]) -> bool:
    """Whether headers, keys and the cells to be written stand where the plan saw them. Other cells
    may change: formulas like NOW() always do.
    """
    later = {sheet.title.casefold(): sheet for sheet in now}
    for sheet in plan.table.sheets:
        other = later.get(sheet.title.casefold())
        if other is None or len(other.values) < sheet.layout.header_row:
            return False
        if other.headers != sheet.headers:
            return False
        column = sheet.headers[sheet.layout.key]
        last = max(len(sheet.values), len(other.values))
        if any(sheet.cell(row, column) != other.cell(row, column) for row in range(1, last + 1)):
            return False
    return all(
        later[put.sheet.title.casefold()].cell(put.row, put.column)
        == put.sheet.cell(put.row, put.column)
        for puts in plan.puts.values()
        for put in puts
    )


def _refused(message: str, fields: Mapping[str, str]) -> Result:
    return Result(Outcome.REJECTED, message=message, field_errors=dict(fields))


def _is_formula(typed: Sequence[Sequence[Cell]], put: Put) -> bool:
    """A text that begins with = is a formula unless the cell shows that very text."""
    cell = typed[put.row - 1][0] if put.row <= len(typed) and typed[put.row - 1] else ""
    if not isinstance(cell, str) or not cell.startswith("="):
        return False
    return bool(put.sheet.cell(put.row, put.column) != cell)
