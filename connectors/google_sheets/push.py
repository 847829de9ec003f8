"""Writing rows: what a batch of changes means for the cells, and whether it came about.

Google offers no compare-and-set and rows move at any moment, so a push reads, writes only the cells
that differ, reads again, and puts right what landed in the wrong row meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from connectors.google_sheets.cells import Cell, same
from connectors.google_sheets.client import SheetsClient
from connectors.google_sheets.plan import Plan, Planner, unmoved
from connectors.google_sheets.table import Row, Sheet, Table
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    ConnectorError,
    Outcome,
    PayloadError,
    RateLimitError,
    RejectedError,
    Result,
    TransientError,
)
from connectors.sdk.pushing import result_of
from connectors.sdk.tables import key_of

log = structlog.get_logger("connectors.google_sheets")
ATTEMPTS = 3
"""How often a batch is planned anew because people changed the sheet under it, and put right."""


class Push:
    """One batch on its way. `known` is what the last pull of this process remembered."""

    def __init__(
        self, client: SheetsClient, changes: Sequence[Change], known: Mapping[str, str] | None
    ) -> None:
        self._client = client
        self._changes = changes
        self._known = known or {}
        self._header = client.layout.key
        self._planner = Planner(client, changes, known)
        self._wrote = False

    def run(self) -> list[Result]:
        """A result for each change. Raises the connection's errors while nothing is written."""
        plan = self._planned()
        try:
            self._write_cells(plan, list(plan.puts))
            self._append(plan)
        except (AuthError, ConfigError, RateLimitError) as error:
            if not self._wrote:
                raise
            self._put_off(plan, error)
        if any(key not in plan.results for key in range(len(self._changes))):
            try:
                self._confirm(plan)
            except ConnectorError as error:
                self._put_off(plan, error)
        return [plan.results[at] for at in range(len(self._changes))]

    # ----------------------------------------------------------------------------------- planning

    def _planned(self) -> Plan:
        """A plan over the sheet as it is right now, formulas looked at before."""
        sheets = self._client.read()
        for _ in range(ATTEMPTS):
            plan = self._planner.plan(sheets)
            if not plan.puts:
                return plan
            self._planner.spare_formulas(plan)
            # directly before writing: people sort and insert rows while we look at formulas
            now = self._client.values()
            if unmoved(plan, now):
                return plan
            sheets = self._client.described(now)
        raise TransientError("The spreadsheet keeps changing while the hub writes it.", 30.0)

    # ------------------------------------------------------------------------------------ writing

    def _write_cells(self, plan: Plan, keys: Sequence[str]) -> None:
        """All cells of these rows in one request; where Google refuses it, the halves, so that one
        protected cell does not hold up the others.
        """
        keys = [key for key in keys if plan.puts.get(key)]
        if not keys:
            return
        cells = [
            (put.sheet, put.row, put.column, put.value) for key in keys for put in plan.puts[key]
        ]
        try:
            self._client.write(cells)
            self._wrote = True
        except RejectedError as error:
            if len(keys) == 1:
                owners = plan.owners.get(keys[0], ())
                plan.settle(keys[0], {at: self._result(error, at) for at in owners})
                return
            self._write_cells(plan, keys[: len(keys) // 2])
            self._write_cells(plan, keys[len(keys) // 2 :])
        except (RateLimitError, AuthError, ConfigError):
            raise
        except (TransientError, PayloadError) as error:
            self._wrote = True  # perhaps
            for key in keys:
                owners = plan.owners.get(key, ())
                plan.settle(key, {at: self._result(error, at) for at in owners})

    def _append(self, plan: Plan) -> None:
        by_sheet: dict[str, list[str]] = {}
        for key, (sheet, _) in plan.news.items():
            by_sheet.setdefault(sheet.title, []).append(key)
        for keys in by_sheet.values():
            try:
                self._append_rows(plan, keys)
                self._wrote = True
            except (RateLimitError, AuthError, ConfigError):
                raise
            except (TransientError, PayloadError, RejectedError) as error:
                self._wrote = self._wrote or not isinstance(error, RejectedError)
                if isinstance(error, RejectedError) and len(keys) > 1:
                    for key in keys:
                        self._append_one(plan, key)
                    continue
                self._fail(plan, keys, error)

    def _append_one(self, plan: Plan, key: str) -> None:
        try:
            self._append_rows(plan, [key])
            self._wrote = True
        except (TransientError, PayloadError, RejectedError) as error:
            if isinstance(error, RateLimitError):
                raise
            self._fail(plan, [key], error)

    def _append_rows(self, plan: Plan, keys: Sequence[str]) -> None:
        sheet = plan.news[keys[0]][0]
        left = min(sheet.headers.values())
        right = max(column for key in keys for column in plan.news[key][1])
        lines = [
            [plan.news[key][1].get(column) for column in range(left, right + 1)] for key in keys
        ]
        first = self._client.append(sheet, left, lines)
        dated = {
            column
            for key in keys
            for column, value in plan.news[key][1].items()
            if column in sheet.formats and not isinstance(value, str)
        }
        if dated:
            try:
                self._client.dress(sheet, first, len(keys), sorted(dated))
            except ConnectorError as error:
                log.warning("new rows show dates as numbers", sheet=sheet.title, error=str(error))

    def _fail(self, plan: Plan, keys: Sequence[str], error: ConnectorError) -> None:
        for key in keys:
            plan.settle(key, {at: self._result(error, at) for at in plan.owners.get(key, ())})

    def _result(self, error: ConnectorError, at: int) -> Result:
        # the key is written with the row, and looked for before every write
        return result_of(error, self._changes[at], repeatable=True)

    def _put_off(self, plan: Plan, error: ConnectorError) -> None:
        """Nobody knows whether the rest came about; the next attempt will see."""
        wait = error.retry_after if isinstance(error, TransientError) else None
        later = Result(Outcome.RETRY, message=str(error), retry_after=wait)
        for at in range(len(self._changes)):
            plan.results.setdefault(at, later)

    # --------------------------------------------------------------------------------- confirming

    def _confirm(self, plan: Plan) -> None:
        """Say what the rows now hold, after putting right what moved between look and write."""
        now = Table(self._client.described(self._client.values()), self._known)
        for _ in range(ATTEMPTS):
            again = self._mend(plan, now)
            if not again:
                break
            self._client.write(again)
            now = Table(self._client.described(self._client.values()), self._known)
        for key, owners in plan.owners.items():
            row = now.rows.get(key)
            for at in owners:
                if at in plan.results:
                    continue
                plan.results[at] = self._confirmed(row, key)

    def _confirmed(self, row: Row | None, key: str) -> Result:
        if row is None:
            return Result(
                Outcome.RETRY,
                message=f"Google took the row {key}, yet it is not there: somebody removed it, or "
                "the write was dropped.",
            )
        return Result(Outcome.OK, record=row.record())

    def _mend(self, plan: Plan, now: Table) -> list[tuple[Sheet, int, int, Cell]]:
        """Cells that landed in another row because rows moved: what stood there comes back, and
        the value goes where it belongs.
        """
        again = []
        for key, puts in plan.puts.items():
            row = now.rows.get(key)
            for put in puts:
                if row is None or (row.sheet.title, row.number) == (put.sheet.title, put.row):
                    continue
                sheet = now.sheet(put.sheet.title) or put.sheet
                if not same(sheet.cell(put.row, put.column), put.value):
                    continue  # the row moved after the write and took the value along
                if same(row.cell(put.column), put.value):
                    continue
                victim = key_of(sheet.cell(put.row, sheet.headers[self._header]))
                before = plan.table.rows.get(victim)
                if before is None:
                    log.error("a row moved while it was written", sheet=put.sheet.title, key=key)
                else:
                    again.append((sheet, put.row, put.column, before.cell(put.column)))
                again.append((row.sheet, row.number, put.column, put.value))
                put.sheet, put.row = row.sheet, row.number
        return again
