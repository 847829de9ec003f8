"""A table in a file as a connector: a pull tells which rows changed, a push rewrites the file.

The file is shared with people and their spreadsheet programs, so it is read as one snapshot and
replaced as a whole, never while somebody has it open.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from connectors.sdk import (
    Change,
    ConfigError,
    Connector,
    Field,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Result,
    Sink,
    Source,
    TransientError,
    UnsupportedError,
)
from connectors.sdk.records import Cursor
from connectors.spreadsheet import files
from connectors.spreadsheet.config import SpreadsheetConfig
from connectors.spreadsheet.csvfile import CsvTable
from connectors.spreadsheet.table import (
    CellError,
    Layout,
    Row,
    Table,
    as_date,
    as_moment,
    key_of,
    plain,
)
from connectors.spreadsheet.xlsx import XlsxEditor, XlsxReader

ROW = "row"
PAGE = 500
ATTEMPTS = 5


__all__ = ["SpreadsheetConfig", "SpreadsheetConnector"]


class SpreadsheetConnector(Connector, Source, Sink):
    """One table in one file."""

    name: ClassVar[str] = "spreadsheet"
    names_people_by_email = True
    title: ClassVar[str] = "Spreadsheet (Excel, CSV)"
    config = SpreadsheetConfig
    objects: ClassVar[dict[str, ObjectSpec]] = {
        ROW: ObjectSpec(
            title="Row",
            pull=True,
            fetch=True,
            push=frozenset({"create", "update"}),
            find=True,
            conclusive=True,
            keyed=True,
            deletes="swept",
            batch=1000,
        )
    }
    sandbox: ClassVar[str] = "connectors.spreadsheet.sandbox:SpreadsheetSandbox"
    settings: SpreadsheetConfig

    # ------------------------------------------------------------------------------------------
    # the file

    @property
    def path(self) -> Path:
        # a link stays a link: what it points to is replaced
        return Path(self.settings.path).resolve()

    def _layout(self) -> Layout:
        settings = self.settings
        tabs = self.path.suffix.lower() == ".tsv"
        return Layout(
            key=settings.key,
            sheet=settings.sheet,
            header_row=settings.header_row,
            timezone=settings.timezone,
            encoding=settings.encoding,
            delimiter=settings.delimiter or ("\t" if tabs else None),
            max_unpacked=10 * settings.max_size,
        )

    def _table(self, content: bytes, *, editing: bool = False) -> Table:
        path = self.path
        if path.suffix.lower() in (".csv", ".tsv"):
            return CsvTable(path.name, self._layout(), content)
        kind = XlsxEditor if editing else XlsxReader
        try:
            return kind(path.name, self._layout(), content)
        except ConfigError:
            if files.opened_by(path):
                raise TransientError(f"{path.name} is open, and being saved right now.") from None
            raise

    def _read(self) -> files.Snapshot:
        snapshot = files.read(self.path, self.settings.max_size)
        if snapshot is None:
            raise ConfigError(
                f"There is no file {self.path}. Put it there with a header row that has a column "
                f"'{self.settings.key}', or change path."
            )
        return snapshot

    def _rows(self) -> dict[str, Row]:
        return {row.key: row for row in self._table(self._read().content).rows()}

    def check(self) -> None:
        """The file can be read, has its key column, and its folder can be written."""
        table = self._table(self._read().content)
        table.key_column  # noqa: B018 - raises with what is missing
        table.rows()
        with files.writing(self.path):
            pass

    # ------------------------------------------------------------------------------------------
    # reading

    def discover(self, object: str) -> Sequence[Field]:
        """The headers, each with the type that its cells have in common."""
        _known(object)
        table = self._table(self._read().content)
        choices = table.choices()
        rows = table.rows()
        found = []
        for name in table.columns:
            values = [row.data.get(name) for row in rows]
            kind = "choice" if name in choices else _kind(values, table.layout)
            found.append(
                Field(
                    name,
                    kind,  # type: ignore[arg-type] # one of Field's literals
                    label=name,
                    choices=tuple(choices.get(name, ())),
                    required=name == self.settings.key,
                )
            )
        return found

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """Rows that differ from what the cursor remembers. A key that is gone is reported deleted
        when it is missing for the second time: people cut and paste.
        """
        _known(object)
        settings = self.settings
        source = f"{self.path}|{settings.sheet or ''}|{settings.key}"
        if cursor.get("source") != source:
            cursor = {}  # another table: its rows say nothing about those of the former
        missed: Mapping[str, int] = cursor.get("missing", {})
        marks = files.stamp(self.path)
        if not missed and marks and cursor.get("stamp") == list(marks):
            return
        snapshot = self._read()
        known: dict[str, str] = dict(cursor.get("rows", {}))
        if not missed and known and cursor.get("sha256") == snapshot.sha256:
            yield Page([], {**cursor, "stamp": _stamp(snapshot)})
            return
        rows = self._table(snapshot.content).rows()
        digests = {row.key: row.digest for row in rows}
        changed = [row for row in rows if known.get(row.key) != digests[row.key]]
        gone = [key for key in known if key not in digests]
        deleted = [key for key in gone if missed.get(key, 0) >= 1]
        missing = {key: 1 for key in gone if key not in deleted}
        for start in range(0, len(changed), PAGE):
            part = changed[start : start + PAGE]
            known |= {row.key: digests[row.key] for row in part}
            if start + PAGE < len(changed):
                # without a stamp the next pull reads the file again and goes on from here
                yield Page([_record(row) for row in part], {"source": source, "rows": {**known}})
        last = changed[(len(changed) - 1) // PAGE * PAGE :] if changed else []
        tombstones = [Record(ROW, key, {}, deleted=True) for key in deleted]
        for key in deleted:
            del known[key]
        yield Page(
            [*map(_record, last), *tombstones],
            {
                "source": source,
                "stamp": _stamp(snapshot),
                "sha256": snapshot.sha256,
                "rows": known,
                "missing": missing,
            },
        )

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        """These rows as they are in the file now."""
        _known(object)
        rows = self._rows()
        return [
            _record(rows[id]) if id in rows else Record(ROW, id, {}, deleted=True) for id in ids
        ]

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """The rows these creates would have made."""
        _known(object)
        if files.stamp(self.path) is None:
            return [None] * len(changes)
        rows = self._rows()
        keys = map(self._key_of, changes)
        return [_record(rows[key]) if key in rows else None for key in keys]

    # ------------------------------------------------------------------------------------------
    # writing

    def _key_of(self, change: Change) -> str:
        if change.op == "update" and change.id is not None:
            return change.id
        return key_of(plain(change.fields.get(self.settings.key))) or key_of(plain(change.key))

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        """All changes in one rewrite of the file: all of them are in it, or none."""
        for change in changes:
            _known(change.object)
            if change.op == "delete":
                raise UnsupportedError("Rows are never deleted; set their status.")
        path = self.path
        with files.writing(path):
            for _ in range(ATTEMPTS):
                files.refuse_if_open(path)
                snapshot = files.read(path, self.settings.max_size)
                try:
                    return self._rewrite(path, snapshot, changes)
                except files.Changed:
                    continue  # somebody saved in between: start from what they saved
        raise TransientError(f"{path.name} keeps changing while the hub writes it.")

    def _rewrite(
        self, path: Path, snapshot: files.Snapshot | None, changes: Sequence[Change]
    ) -> Sequence[Result]:
        content = snapshot.content if snapshot else b""
        table = self._table(content, editing=True)
        if snapshot is None:
            table.column_of(self.settings.key)
        before = {row.key: row for row in self._table(content).rows()} if snapshot else {}
        table.key_column  # noqa: B018 - raises with what is missing
        now: dict[str, dict[str, Any]] = {key: dict(row.data) for key, row in before.items()}
        refused: dict[int, Result] = {}
        dirty = snapshot is None
        for at, change in enumerate(changes):
            key = self._key_of(change)
            current = now.get(key)
            problem = self._refuse(change, key, current)
            if problem is not None:
                refused[at] = problem
                continue
            cells = current or {}
            wanted = {
                name: value
                for name, value in change.fields.items()
                if name != self.settings.key and not self._same(value, cells.get(name))
            }
            try:
                if wanted or current is None:
                    table.write(key, wanted)
                    dirty = True
            except CellError as error:
                bad = {name: str(error) for name, value in wanted.items() if _bad(value)}
                refused[at] = Result(
                    Outcome.REJECTED,
                    message=f"Row {key} of {path.name}: {error}.",
                    field_errors=bad,
                )
                continue
            now.setdefault(key, {self.settings.key: key}).update(wanted)
        after = before
        if dirty:
            content = table.dump()
            after = {row.key: row for row in self._table(content).rows()}
            marks = (snapshot.mtime_ns, snapshot.size, snapshot.inode) if snapshot else None
            files.replace(path, content, marks)
        return [
            refused.get(at) or Result(Outcome.OK, record=_record(after[self._key_of(change)]))
            for at, change in enumerate(changes)
        ]

    def _same(self, value: Any, cell: Any) -> bool:
        """Whether a cell already says this, in whatever form the file keeps it."""
        try:
            value = plain(value)
        except CellError:
            return False
        if value is None or cell is None or isinstance(value, bool) or isinstance(cell, bool):
            return value is cell
        if value == cell or str(value) == str(cell):
            return True
        if isinstance(value, str) and isinstance(cell, str):
            zone = self._layout().zone
            moment = as_moment(value, zone)
            return moment is not None and moment == as_moment(cell, zone)
        return False

    def _refuse(self, change: Change, key: str, current: Mapping[str, Any] | None) -> Result | None:
        place = f"Row {key} of {self.path.name}"
        if change.op != "update":
            return None
        if current is None:
            return Result(Outcome.MISSING, message=f"{place} is not there any more.")
        renamed = key_of(change.fields.get(self.settings.key, key))
        if renamed != key:
            reason = "names the row for good and cannot be changed"
            return Result(
                Outcome.REJECTED,
                message=f"{place}: '{self.settings.key}' {reason}.",
                field_errors={self.settings.key: reason},
            )
        for name, value in change.fields.items():
            if change.base is None or name not in change.base or name not in current:
                continue
            if current[name] != change.base[name] and not self._same(value, current[name]):
                return Result(
                    Outcome.CONFLICT,
                    record=Record(ROW, key, current, key=key),
                    message=f"{place}: somebody changed '{name}' meanwhile.",
                )
        return None


def _known(object: str) -> None:
    if object != ROW:
        raise UnsupportedError(f"The spreadsheet connector has no object '{object}', only 'row'.")


def _stamp(snapshot: files.Snapshot) -> list[int]:
    return [snapshot.mtime_ns, snapshot.size, snapshot.inode]


def _record(row: Row) -> Record:
    return Record(ROW, row.key, row.data, key=row.key)


def _bad(value: Any) -> bool:
    try:
        plain(value)
    except CellError:
        return True
    return False


def _kind(values: Sequence[Any], layout: Layout) -> str:
    """The type that all values have; text where they differ or there are none."""
    filled = [value for value in values if value is not None]
    if not filled:
        return "text"
    if all(isinstance(value, bool) for value in filled):
        return "boolean"
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in filled):
        return "number"
    if all(isinstance(value, str) for value in filled):
        if all(as_date(value) for value in filled):
            return "date"
        if all(as_moment(value, layout.zone) for value in filled):
            return "datetime"
    return "text"
