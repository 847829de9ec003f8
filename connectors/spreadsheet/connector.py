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
    NotSentError,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Result,
    Sink,
    Source,
    Tier,
    TransientError,
    UnsupportedError,
)
from connectors.sdk.records import Cursor
from connectors.sdk.tables import CellError, as_moment, key_of, plain
from connectors.spreadsheet import files
from connectors.spreadsheet.changes import Known, Seen
from connectors.spreadsheet.config import SpreadsheetConfig
from connectors.spreadsheet.csvfile import CsvEditor, CsvReader
from connectors.spreadsheet.table import (
    TEXT_LIMIT,
    Damaged,
    Editor,
    Kind,
    Layout,
    Reader,
    Row,
)
from connectors.spreadsheet.xlsx import XlsxEditor, XlsxReader

ROW = "row"
PAGE = 200
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
            anywhere=False,
            batch=1000,
        )
    }
    tier = Tier.GOLD
    sandbox: ClassVar[str] = "connectors.spreadsheet.sandbox:SpreadsheetSandbox"
    settings: SpreadsheetConfig

    # ------------------------------------------------------------------------------------------
    # the file

    def setup(self) -> None:
        """Where in the file the table is."""
        settings = self.settings
        tabs = settings.path.lower().endswith(".tsv")
        self.layout = Layout(
            key=settings.key,
            sheet=settings.sheet,
            header_row=settings.header_row,
            timezone=settings.timezone,
            encoding=settings.encoding,
            delimiter=settings.delimiter or ("\t" if tabs else None),
            max_unpacked=10 * settings.max_size,
        )

    @property
    def path(self) -> Path:
        # a link stays a link: what it points to is replaced
        return Path(self.settings.path).resolve()

    def _table(self, snapshot: files.Snapshot) -> Reader:
        """The table in a file that was read; TransientError where it is being written just now."""
        path = self.path
        csv = path.suffix.lower() in (".csv", ".tsv")
        if csv and snapshot.fresh and not snapshot.content.endswith((b"\n", b"\r", b"\x00")):
            raise TransientError(f"{path.name} ends in the middle of a line: it is being written.")
        try:
            return _reader(path.name, self.layout, snapshot.content)
        except Damaged:
            if snapshot.fresh or files.opened_by(path):
                raise TransientError(f"{path.name} is being saved right now.") from None
            raise

    def _read(self) -> files.Snapshot:
        snapshot = files.read(self.path, self.settings.max_size, self.settings.settle)
        if snapshot is None:
            raise ConfigError(
                f"There is no file {self.path}. Put it there with a header row that has a column "
                f"'{self.settings.key}', or change path."
            )
        return snapshot

    def _rows(self, keys: Collection[str]) -> dict[str, Row]:
        return {row.key: row for row in self._table(self._read()).rows() if row.key in keys}

    def check(self) -> None:
        """The file can be read, has its key column, and its folder can be written."""
        try:
            table = self._table(self._read())
        except TransientError as error:
            raise ConfigError(str(error)) from None
        for _ in table.rows():
            pass
        files.may_write(self.path)

    # ------------------------------------------------------------------------------------------
    # reading

    def discover(self, object: str) -> Sequence[Field]:
        """The headers, each with the type that its cells have in common."""
        self.spec(object)
        table = self._table(self._read())
        choices = table.choices()
        kinds = {name: Kind(self.layout) for name in table.columns}
        for row in table.rows():
            for name, kind in kinds.items():
                kind.add(row.data.get(name))
        return [
            Field(
                name,
                "choice" if name in choices else kind.name(),
                label=name,
                choices=tuple(choices.get(name, ())),
                required=name == self.settings.key,
                known="named",
            )
            for name, kind in kinds.items()
        ]

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """Rows that differ from what the cursor remembers. A key that is gone is reported deleted
        when it is missing for the second time: people cut and paste.
        """
        self.spec(object)
        settings = self.settings
        source = f"{self.path}|{settings.sheet or ''}|{settings.key}"
        if cursor.get("source") != source:
            cursor = {}  # another table: its rows say nothing about those of the former
        known = Known(cursor)
        marks = files.stamp(self.path)
        if not known.missed and marks and cursor.get("stamp") == list(marks):
            return
        snapshot = self._read()
        stamp = None if snapshot.fresh else _stamp(snapshot)
        if not known.missed and cursor.get("sha256") == snapshot.sha256:
            if cursor.get("stamp") != stamp:
                yield Page([], {**cursor, "stamp": stamp})
            return
        table = self._table(snapshot)
        base = {"source": source, "headers": list(table.columns)}
        now: Seen | None = None
        if known.grouped:
            now = Seen()
            for row in table.rows():
                now.add(row)
        skip = known.done(snapshot.sha256)
        seen, done = Seen(), 0
        unseen = {*known.rows, *known.missed}
        page: list[Record] = []
        for row in table.rows():
            digest = seen.add(row)
            unseen.discard(row.key)
            if not known.changed(row, digest, now):
                continue
            done += 1
            if done <= skip:
                continue
            if len(page) == PAGE:
                here = {"sha256": snapshot.sha256, "done": done - 1}
                yield Page(page, {**base, **known.stored(), "at": here}, table.about())
                page = []
            page.append(_record(row))
        page += [Record(ROW, key, {}, deleted=True) for key in sorted(unseen & known.missed)]
        left = {
            **base,
            "stamp": stamp,
            "sha256": snapshot.sha256,
            **seen.stored(),
            "missing": sorted(unseen - known.missed),
        }
        if page or left != dict(cursor):
            yield Page(page, left, seen.count)

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        """These rows as they are in the file now."""
        self.spec(object)
        rows = self._rows(frozenset(ids))
        return [
            _record(rows[id]) if id in rows else Record(ROW, id, {}, deleted=True) for id in ids
        ]

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """The rows these creates would have made."""
        self.spec(object)
        if files.stamp(self.path) is None:
            return [None] * len(changes)
        keys = list(map(self._key_of, changes))
        rows = self._rows(frozenset(keys))
        return [_record(rows[key]) if key in rows else None for key in keys]

    # ------------------------------------------------------------------------------------------
    # writing

    def _key_of(self, change: Change) -> str:
        if change.op == "update" and change.id is not None:
            return change.id
        given = plain(change.fields.get(self.settings.key), TEXT_LIMIT)
        return key_of(given) or key_of(plain(change.key, TEXT_LIMIT))

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        """All changes in one rewrite of the file: all of them are in it, or none."""
        for change in changes:
            if change.op not in self.spec(change.object).push:
                raise UnsupportedError("Rows are never deleted; set their status.")
        path = self.path
        with files.writing(path):
            for _ in range(ATTEMPTS):
                files.refuse_if_open(path)
                snapshot = files.read(path, self.settings.max_size, self.settings.settle)
                try:
                    return self._rewrite(path, snapshot, changes)
                except files.Changed:
                    continue  # somebody saved in between: start from what they saved
        raise NotSentError(f"{path.name} keeps changing while the hub writes it.")

    def _rewrite(
        self, path: Path, snapshot: files.Snapshot | None, changes: Sequence[Change]
    ) -> Sequence[Result]:
        keys = frozenset(map(self._key_of, changes))
        before: dict[str, Row] = {}
        if snapshot is not None:
            before = {row.key: row for row in self._table(snapshot).rows() if row.key in keys}
        table = _editor(path.name, self.layout, snapshot.content if snapshot else b"")
        if snapshot is None:
            table.column_of(self.settings.key)
        table.key_column  # noqa: B018 - raises with what is missing
        now: dict[str, dict[str, Any]] = {key: dict(row.data) for key, row in before.items()}
        columns = frozenset(table.columns)
        refused: dict[int, Result] = {}
        dirty = snapshot is None
        for at, change in enumerate(changes):
            key = self._key_of(change)
            current = now.get(key)
            problem = self._refuse(change, key, current, columns)
            if problem is not None:
                refused[at] = problem
                continue
            cells = current or {}
            ours = change.op == "create" and key == key_of(change.key)
            repeated = ours and current is not None  # people may have gone on from there
            wanted = {
                name: value
                for name, value in ({} if repeated else change.fields).items()
                if name != self.settings.key and not self._same(value, cells.get(name))
            }
            try:
                if wanted or current is None:
                    table.write(key, wanted)
                    dirty = True
            except CellError as error:
                refused[at] = Result(
                    Outcome.REJECTED,
                    message=f"Row {key} of {path.name}: '{error.field}' {error}.",
                    field_errors={error.field: str(error)},
                )
                continue
            now.setdefault(key, {self.settings.key: key}).update(wanted)
        after = before
        if dirty:
            content = table.dump()
            rows = _reader(path.name, self.layout, content).rows()
            after = {row.key: row for row in rows if row.key in keys}
            marks = (snapshot.mtime_ns, snapshot.size, snapshot.inode) if snapshot else None
            files.replace(path, content, marks)
        return [
            refused.get(at) or Result(Outcome.OK, record=_record(after[self._key_of(change)]))
            for at, change in enumerate(changes)
        ]

    def _same(self, value: Any, cell: Any) -> bool:
        """Whether a cell already says this, in whatever form the file keeps it."""
        try:
            value = plain(value, TEXT_LIMIT)
        except CellError:
            return False
        if value is None or cell is None or isinstance(value, bool) or isinstance(cell, bool):
            return value is cell
        if value == cell or str(value) == str(cell):
            return True
        if isinstance(value, str) and isinstance(cell, str):
            zone = self.layout.zone
            moment = as_moment(value, zone)
            return moment is not None and moment == as_moment(cell, zone)
        return False

    def _refuse(
        self,
        change: Change,
        key: str,
        current: Mapping[str, Any] | None,
        columns: Collection[str],
    ) -> Result | None:
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
            if change.base is None or name not in change.base:
                continue
            if name not in columns:
                reason = "is no column any more; was it renamed? Change the mapping, or the header"
                return Result(
                    Outcome.REJECTED,
                    message=f"{place}: '{name}' {reason}.",
                    field_errors={name: reason},
                )
            if name not in current:
                continue
            if current[name] != change.base[name] and not self._same(value, current[name]):
                return Result(
                    Outcome.CONFLICT,
                    record=Record(ROW, key, current, key=key),
                    message=f"{place}: somebody changed '{name}' meanwhile.",
                )
        return None


def _reader(name: str, layout: Layout, content: bytes) -> Reader:
    if name.lower().endswith((".csv", ".tsv")):
        return CsvReader(name, layout, content)
    return XlsxReader(name, layout, content)


def _editor(name: str, layout: Layout, content: bytes) -> Editor:
    if name.lower().endswith((".csv", ".tsv")):
        return CsvEditor(name, layout, content)
    return XlsxEditor(name, layout, content)


def _stamp(snapshot: files.Snapshot) -> list[int]:
    return [snapshot.mtime_ns, snapshot.size, snapshot.inode]


def _record(row: Row) -> Record:
    return Record(ROW, row.key, row.data, key=row.key)
