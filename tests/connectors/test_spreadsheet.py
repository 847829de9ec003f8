"""The spreadsheet connector on real files, as people and programs leave them."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
import subprocess
import threading
import time
import tracemalloc
import zipfile
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from pydantic import ValidationError

from connectors.sdk import (
    Change,
    ConfigError,
    NotSentError,
    Outcome,
    Record,
    TransientError,
    UnsupportedError,
)
from connectors.spreadsheet import files
from connectors.spreadsheet.connector import SpreadsheetConfig, SpreadsheetConnector
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from mappings.check import check_mapping
from mappings.compiler import compile_mapping
from mappings.language import load_mapping

HEADERS = ["ID", "Title", "Status", "Owner", "Due", "Notes"]


@pytest.fixture
def sandbox(tmp_path: Path) -> Any:
    with SpreadsheetSandbox(tmp_path) as running:
        yield running


def connect(path: Path, **settings: Any) -> SpreadsheetConnector:
    return SpreadsheetConnector("tracker", SpreadsheetConfig(path=str(path), **settings))


def workbook(path: Path, *lines: list[Any], sheet: str = "Tracker") -> Path:
    book = openpyxl.Workbook()
    book.worksheets[0].title = sheet
    for line in lines:
        book.worksheets[0].append(line)
    book.save(path)
    return path


def lain(path: Path) -> None:
    """The file was written an hour ago."""
    before = time.time() - 3600
    os.utime(path, (before, before))


def create(key: str, **fields: Any) -> Change:
    return Change("create", "row", key, fields)


def update(key: str, base: dict[str, Any] | None = None, **fields: Any) -> Change:
    return Change("update", "row", f"change-{key}", fields, id=key, base=base)


def pull(connector: SpreadsheetConnector, cursor: Any = None) -> tuple[list[Record], Any]:
    records: list[Record] = []
    for page in connector.pull("row", cursor or {}, ()):
        records += page.records
        cursor = page.cursor
    return records, cursor


def table(path: Path) -> list[tuple[Any, ...]]:
    return list(openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True))


# both ways

VALUES = {
    "Title": "Sign the contract — Zürich",
    "Status": "Open",
    "Notes": 'two\nlines, a comma; and "quotes"',
    "Due": "2026-03-01",
    "Owner": None,
}


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv", "t.tsv"])
def test_what_was_written_is_read_again(tmp_path: Path, name: str) -> None:
    connector = connect(tmp_path / name)
    (result,) = connector.push([create("A1", **VALUES)])
    assert result.outcome is Outcome.OK
    assert result.record is not None
    assert result.record.id == "A1"
    (record,), cursor = pull(connector)
    assert record == result.record
    assert {"Owner": None, **record.data} == {**VALUES, "ID": "A1"}
    assert pull(connector, cursor) == ([], cursor)


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv"])
@pytest.mark.parametrize(
    "text",
    ["=1+1", "=HYPERLINK(1)", "+41 44", "-", "@x", "\tx", "'=x", "''=x", "'x", "#N/A", "00012",
     "1.10", "a,b", "  spaced"],
)  # fmt: skip
def test_text_stays_text(tmp_path: Path, name: str, text: str) -> None:
    connector = connect(tmp_path / name)
    (result,) = connector.push([create("A1", Title=text)])
    assert result.record is not None
    assert result.record.data["Title"] == text
    assert pull(connector)[0][0].data["Title"] == text


def test_no_program_takes_our_text_for_a_formula(tmp_path: Path) -> None:
    connect(tmp_path / "t.xlsx").push([create("A1", Title="=1+1")])
    cell = openpyxl.load_workbook(tmp_path / "t.xlsx").worksheets[0]["B2"]
    assert (cell.data_type, cell.value) == ("s", "=1+1")
    connect(tmp_path / "t.csv").push([create("A1", Title="=1+1", Amount=-5)])
    content = (tmp_path / "t.csv").read_bytes().decode("utf-8-sig")
    assert content == "ID,Title,Amount\r\nA1,'=1+1,-5\r\n"


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv"])
@pytest.mark.parametrize("value", [0, -5, 3.25, 0.0000001, 1234567890123, True, False])
def test_numbers_and_booleans_stay_themselves(tmp_path: Path, name: str, value: Any) -> None:
    connector = connect(tmp_path / name)
    connector.push([create("A1", Amount=value)])
    found = pull(connector)[0][0].data["Amount"]
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


def test_a_date_goes_into_a_column_of_dates_as_a_date(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", HEADERS, ["1", "a", "Open", "", date(2026, 1, 2), ""])
    sheet = openpyxl.load_workbook(path)
    sheet.worksheets[0]["E2"].number_format = "dd.mm.yyyy"
    sheet.save(path)
    connector = connect(path)
    (result,) = connector.push([create("2", Due="2026-03-04", Title="2026-03-04")])
    assert result.record is not None
    assert (result.record.data["Due"], result.record.data["Title"]) == ("2026-03-04", "2026-03-04")
    cells = openpyxl.load_workbook(path).worksheets[0]
    assert cells["E3"].value == datetime(2026, 3, 4)
    assert cells["E3"].number_format == "dd.mm.yyyy"
    assert cells["B3"].value == "2026-03-04"


def test_a_date_and_a_moment_are_different_things(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ["ID", "Due", "At"])
    book = openpyxl.load_workbook(path)
    book.worksheets[0].append(["1", date(2026, 3, 1), datetime(2026, 7, 1, 9, 30)])
    book.save(path)
    connector = connect(path, timezone="Europe/Zurich")
    data = pull(connector)[0][0].data
    assert (data["Due"], data["At"]) == ("2026-03-01", "2026-07-01T09:30:00+02:00")
    connector.push([update("1", At="2026-07-01T10:00:00Z")])
    assert pull(connector)[0][0].data["At"] == "2026-07-01T12:00:00+02:00"
    types = {field.name: field.type for field in connector.discover("row")}
    assert types == {"ID": "text", "Due": "date", "At": "datetime"}


# keys, columns, conflicts


def test_a_create_with_a_known_key_updates_and_repeating_changes_nothing(tmp_path: Path) -> None:
    connector = connect(tmp_path / "t.xlsx")
    batch = [create("k1", Title="a"), create("k2", ID="X7", Title="b")]
    connector.push(batch)
    content = (tmp_path / "t.xlsx").read_bytes()
    assert [result.outcome for result in connector.push(batch)] == [Outcome.OK, Outcome.OK]
    assert (tmp_path / "t.xlsx").read_bytes() == content
    connector.push([create("k3", ID="X7", Title="c")])
    assert table(tmp_path / "t.xlsx") == [("ID", "Title"), ("k1", "a"), ("X7", "c")]
    found = connector.find("row", [batch[1], create("nobody")])
    assert found[0] is not None
    assert found[0].id == "X7"
    assert found[1] is None


def test_an_unknown_column_is_added_beside_what_is_there(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ["ID", "Title"], ["1", "a", "a stray remark"])
    connect(path).push([update("1", Status="Open", Empty=None)])
    assert table(path)[0] == ("ID", "Title", None, "Status")
    assert table(path)[1] == ("1", "a", "a stray remark", "Open")


def test_a_cell_that_somebody_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ["ID", "Title", "Status"], ["1", "theirs", "Open"])
    connector = connect(path)
    base = {"ID": "1", "Title": "old", "Status": "Open"}
    results = connector.push([update("1", base, Title="ours"), update("1", base, Status="Done")])
    assert [result.outcome for result in results] == [Outcome.CONFLICT, Outcome.OK]
    assert results[0].record is not None
    assert results[0].record.data["Title"] == "theirs"
    assert table(path)[1] == ("1", "theirs", "Done")


def test_what_cannot_be_written_is_said_per_change(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ["ID", "Title"], ["1", "a"])
    results = connect(path).push(
        [
            update("9", Title="x"),
            update("1", ID="2"),
            update("1", Title="x" * 40_000),
            update("1", Title="fine\x00\x0b"),
        ]
    )
    assert [result.outcome.value for result in results] == ["missing", "rejected", "rejected", "ok"]
    assert list(results[1].field_errors) == ["ID"]
    assert "32767" in results[2].field_errors["Title"]
    assert table(path)[1] == ("1", "fine")
    with pytest.raises(UnsupportedError):
        connect(path).push([Change("delete", "row", "k", {}, id="1")])


def test_rows_without_a_key_and_copies_of_a_row_are_passed_over(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "t.xlsx",
        [" ID ", "Title", None, "Title"],
        [12, "first", "x", "other"],
        [None, "no key yet"],
        [12.0, "copy"],
        ["00012", "another"],
    )
    records, _ = pull(connect(path))
    assert [(record.id, record.data["Title (1)"]) for record in records] == [
        ("12", "first"),
        ("00012", "another"),
    ]
    assert records[0].data["Title (2)"] == "other"
    assert "Title" not in records[0].data, "which of the two would it be?"


# what changed


def test_only_rows_that_changed_are_read_and_a_missing_key_counts_twice(
    sandbox: SpreadsheetSandbox,
) -> None:
    connector = connect(sandbox.path)
    connector.push([create("1", Title="a"), create("2", Title="b"), create("3", Title="c")])
    records, cursor = pull(connector)
    assert [record.id for record in records] == ["1", "2", "3"]
    sandbox.edit("2", Status="Done", Due=date(2026, 5, 1))
    records, cursor = pull(connector, cursor)
    assert [(record.id, record.data["Status"], record.data["Due"]) for record in records] == [
        ("2", "Done", "2026-05-01")
    ]
    sandbox.delete("1")
    records, cursor = pull(connector, cursor)
    assert records == []
    records, cursor = pull(connector, cursor)
    assert [(record.id, record.deleted) for record in records] == [("1", True)]
    assert pull(connector, cursor) == ([], cursor)


def test_a_row_that_was_cut_and_pasted_is_not_deleted(sandbox: SpreadsheetSandbox) -> None:
    connector = connect(sandbox.path)
    connector.push([create("1", Title="a")])
    _, cursor = pull(connector)
    sandbox.delete("1")
    _, cursor = pull(connector, cursor)
    sandbox.edit("1", Title="a", Status="Open")
    records, cursor = pull(connector, cursor)
    assert [record.deleted for record in records] == [False]
    assert pull(connector, cursor)[0] == []


def test_a_pull_can_be_continued_after_any_page(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ["ID"], *[[str(number)] for number in range(1200)])
    pages = list(connect(path).pull("row", {}, ()))
    assert [len(page.records) for page in pages] == [200] * 6
    rest, _ = pull(connect(path), pages[0].cursor)
    assert [record.id for record in rest] == [str(number) for number in range(200, 1200)]


def test_another_table_does_not_delete_the_rows_of_the_former(tmp_path: Path) -> None:
    _, cursor = pull(connect(workbook(tmp_path / "a.xlsx", ["ID"], ["1"])))
    other = connect(workbook(tmp_path / "b.xlsx", ["ID"], ["2"]))
    for _ in range(3):
        records, cursor = pull(other, cursor)
        assert not any(record.deleted for record in records)


def test_a_formula_that_nobody_calculated_is_not_an_empty_cell(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ["ID", "Total", "Note"], ["1", "=1+1", None])
    assert pull(connect(path))[0][0].data == {"ID": "1", "Note": None}


# people and their programs


@pytest.mark.parametrize("lock", ["~$tracker.xlsx", ".~lock.tracker.xlsx#"])
def test_an_open_file_is_left_alone_until_it_is_closed(
    sandbox: SpreadsheetSandbox, lock: str
) -> None:
    connector = connect(sandbox.path)
    (sandbox.path.parent / lock).write_bytes(b"x")
    content = sandbox.path.read_bytes()
    with pytest.raises(TransientError, match="is open in a spreadsheet program; close it"):
        connector.push([create("1", Title="a")])
    assert sandbox.path.read_bytes() == content
    pull(connector)
    (sandbox.path.parent / lock).unlink()
    assert connector.push([create("1", Title="a")])[0].outcome is Outcome.OK


def test_a_damaged_file_is_never_written_over(sandbox: SpreadsheetSandbox) -> None:
    connector = connect(sandbox.path)
    connector.push([create("1", Title="a")])
    _, cursor = pull(connector)
    good = sandbox.damage()
    broken = sandbox.path.read_bytes()
    for attempt in (
        lambda: connector.push([create("2", Title="b")]),
        lambda: pull(connector, cursor),
        connector.check,
    ):
        with pytest.raises(ConfigError, match=r"tracker\.xlsx is damaged.*Restore a copy"):
            attempt()
    assert sandbox.path.read_bytes() == broken
    sandbox.restore(good)
    assert connector.push([create("2", Title="b")])[0].outcome is Outcome.OK
    assert [row["ID"] for row in sandbox.rows()] == ["1", "2"]


def test_what_somebody_saves_while_the_hub_writes_is_kept(
    sandbox: SpreadsheetSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = connect(sandbox.path)
    connector.push([create("1", Title="a")])
    replace = files.replace
    edits = iter(["Done"])

    def late(path: Path, content: bytes, expected: Any) -> None:
        for status in edits:
            sandbox.edit("1", Status=status)
        replace(path, content, expected)

    monkeypatch.setattr(files, "replace", late)
    connector.push([create("2", Title="b")])
    assert [(row["ID"], row["Status"]) for row in sandbox.rows()] == [("1", "Done"), ("2", None)]


def test_a_kill_before_the_file_is_replaced_leaves_the_old_one(
    sandbox: SpreadsheetSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = connect(sandbox.path)
    content = sandbox.path.read_bytes()

    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", kill)
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # a killed process clears nothing
        with pytest.raises(Killed):
            connector.push([create("1", Title="a")])
    assert sandbox.path.read_bytes() == content
    assert list(sandbox.path.parent.glob(".*.tmp"))
    connector.push([create("1", Title="a")])
    assert [row["ID"] for row in sandbox.rows()] == ["1"]
    assert not list(sandbox.path.parent.glob(".*.tmp"))


def test_two_hubs_at_once_lose_nothing(sandbox: SpreadsheetSandbox) -> None:
    def work(name: str) -> None:
        for number in range(5):
            connect(sandbox.path).push([create(f"{name}{number}", Title=name)])

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {row["ID"] for row in sandbox.rows()} == {f"{n}{i}" for n in "ab" for i in range(5)}


def test_what_people_made_of_the_workbook_stays(sandbox: SpreadsheetSandbox) -> None:
    connector = connect(sandbox.path)
    connector.push([create("1", Title="a"), create("2", Title="b")])
    book = openpyxl.load_workbook(sandbox.path)
    sheet = book.worksheets[0]
    assert book.sheetnames == ["Tracker", "Notes"]
    assert book["Notes"]["A1"].value == "This sheet belongs to the team."
    assert sheet["A1"].font.bold
    assert sheet.column_dimensions["B"].width == 44
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == "A1:F3"
    status = next(field for field in connector.discover("row") if field.name == "Status")
    assert status.type == "choice"
    assert "In progress" in status.choices


def test_the_default_mapping_fits_the_tracker(sandbox: SpreadsheetSandbox) -> None:
    file = resources.files("connectors.spreadsheet") / "mappings" / "row.yaml"
    spec, findings = load_mapping("row.yaml", file.read_text("utf-8"))
    assert spec is not None
    assert [*findings, *check_mapping(spec)] == []
    headers = [field.name for field in connect(sandbox.path).discover("row")]
    assert headers == HEADERS
    assert compile_mapping(spec).source_fields <= set(headers)


# files as they come


def test_a_csv_keeps_its_encoding_delimiter_and_other_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes('ID;Titel;Menge\r\n007;"Grö;ße";1,50\r\n;ohne;\r\n'.encode("cp1252"))
    connector = connect(path)
    (record,), _ = pull(connector)
    assert record.data == {"ID": "007", "Titel": "Grö;ße", "Menge": "1,50"}
    connector.push([create("8", Titel="neu"), update("007", Menge=2)])
    assert path.read_bytes().decode("cp1252") == (
        'ID;Titel;Menge\r\n007;"Grö;ße";2\r\n;ohne;\r\n8;neu;\r\n'
    )


def test_a_byte_order_mark_stays_and_is_no_part_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfID,Title\n1,a\n")
    connector = connect(path)
    assert pull(connector)[0][0].data == {"ID": "1", "Title": "a"}
    connector.push([update("1", Title="ü")])
    assert path.read_bytes() == b"\xef\xbb\xbfID,Title\n1,\xc3\xbc\n"


def test_headers_further_down_and_other_sheets_are_found(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ["Our tracker"], [], ["No", "Title"], [7, "a"])
    connector = connect(path, header_row=3, key="No", sheet="Tracker")
    connector.push([create("8", Title="b")])
    assert [record.id for record in pull(connector)[0]] == ["7", "8"]
    with pytest.raises(ConfigError, match="it has: Tracker"):
        connect(path, sheet="Plan").check()


def test_what_is_missing_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=str(tmp_path / "t.xlsx")):
        pull(connect(tmp_path / "t.xlsx"))
    path = workbook(tmp_path / "t.xlsx", ["Key", "Title"])
    for attempt in (connect(path).check, lambda: connect(path).push([create("1", Title="x")])):
        with pytest.raises(ConfigError, match="no column 'ID' in row 1; its headers: Key, Title"):
            attempt()
    with pytest.raises(ConfigError, match="max_size"):
        pull(connect(path, max_size=100))
    with pytest.raises(ValidationError, match=r"save an older file as \.xlsx"):
        connect(tmp_path / "t.xls")
    connect(path, key="Key").check()


def test_a_workbook_that_unpacks_to_a_flood_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 30_000_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(ConfigError, match="unpacks to 30000000 bytes"):
        pull(connect(path, max_size=100_000))


def test_five_thousand_rows_are_written_and_read_in_seconds(tmp_path: Path) -> None:
    connector = connect(tmp_path / "t.xlsx")
    started = time.monotonic()
    batch = [create(f"K{n}", Title=f"Row {n}", Amount=n, Due="2026-03-01") for n in range(5000)]
    results = connector.push(batch)
    records, _ = pull(connector)
    took = time.monotonic() - started
    assert {result.outcome for result in results} == {Outcome.OK}
    assert records[4999].data == {
        "ID": "K4999",
        "Title": "Row 4999",
        "Amount": 4999,
        "Due": "2026-03-01",
    }
    assert took < 30


def test_fetch_names_what_is_gone(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ["ID", "Title"], ["1", "a"])
    records = connect(path).fetch("row", ["1", "2"])
    assert [(record.id, record.deleted) for record in records] == [("1", False), ("2", True)]


# the trouble that people and programs make between reading and writing


def test_sorted_and_copied_rows_and_new_columns_stay_the_rows_they_were(
    sandbox: SpreadsheetSandbox,
) -> None:
    connector = connect(sandbox.path)
    connector.push(
        [create(key, Title=title) for key, title in (("1", "c"), ("2", "b"), ("3", "a"))]
    )
    records, cursor = pull(connector)
    bases = {record.id: dict(record.data) for record in records}
    sandbox.sort("Title")
    sandbox.copy("2")
    assert pull(connector, cursor)[0] == []
    sandbox.insert_column("Status", "Priority")
    assert pull(connector, cursor)[0] == []
    results = connector.push([update(key, bases[key], Status=f"of {key}") for key in "123"])
    assert [result.outcome for result in results] == [Outcome.OK] * 3
    rows = [(row["ID"], row["Title"], row["Status"]) for row in sandbox.rows()]
    assert rows == [("3", "a", "of 3"), ("2", "b", "of 2"), ("1", "c", "of 1"), ("2", "b", None)]


def test_a_renamed_header_is_noticed_and_no_second_column_appears(
    sandbox: SpreadsheetSandbox,
) -> None:
    connector = connect(sandbox.path)
    connector.push([create("1", Title="a", Status="Open")])
    (record,), _ = pull(connector)
    _, cursor = pull(connector)
    sandbox.rename("Status", "State")
    (moved,) = [
        row for page in connector.pull("row", cursor, ("Status", "Title")) for row in page.records
    ]
    assert "Status" not in moved.data, "a header that is gone is no empty cell"
    assert moved.data["State"] == "Open"
    (result,) = connector.push([update("1", dict(record.data), Status="Done")])
    assert result.outcome is Outcome.REJECTED
    assert "was it renamed?" in result.field_errors["Status"]
    assert "Status" not in sandbox.rows()[0]
    sandbox.rename("ID", "Number")
    with pytest.raises(ConfigError, match="no column 'ID' in row 1; its headers: Number, Title"):
        pull(connector)


def test_a_merged_header_names_its_first_column_and_merged_cells_are_not_torn(
    sandbox: SpreadsheetSandbox,
) -> None:
    connector = connect(sandbox.path)
    connector.push([create("1", Title="a"), create("2", Title="b")])
    with sandbox.changing() as sheet:
        sheet.merge_cells("B1:C1")
        sheet.merge_cells("D2:D3")
    names = [field.name for field in connector.discover("row")]
    assert names == ["ID", "Title", "Owner", "Due", "Notes"]
    results = connector.push([update("2", Owner="ann"), update("1", Owner="bob")])
    assert [result.outcome for result in results] == [Outcome.REJECTED, Outcome.OK]
    assert "merged" in results[0].field_errors["Owner"]


def test_a_formula_is_not_written_over(sandbox: SpreadsheetSandbox) -> None:
    connector = connect(sandbox.path)
    connector.push([create("1", Title="a")])
    with sandbox.changing() as sheet:
        sheet["F2"] = '=B2&"!"'
    (result,) = connector.push([update("1", Notes="ours", Title="b")])
    assert result.outcome is Outcome.REJECTED
    assert "formula" in result.field_errors["Notes"]
    assert sandbox.row("1")["Notes"] == '=B2&"!"'


def test_dates_of_a_workbook_that_counts_from_1904_are_the_same_days(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ["ID", "Due"])
    book = openpyxl.load_workbook(path)
    book.epoch = CALENDAR_MAC_1904
    book.worksheets[0].append(["1", date(2026, 3, 1)])
    book.save(path)
    connector = connect(path)
    assert pull(connector)[0][0].data["Due"] == "2026-03-01"
    connector.push([update("1", Due="2026-03-02")])
    assert pull(connector)[0][0].data["Due"] == "2026-03-02"
    again = openpyxl.load_workbook(path)
    assert again.epoch == CALENDAR_MAC_1904
    assert again.worksheets[0]["B2"].value == datetime(2026, 3, 2)


def test_a_file_that_is_half_written_is_awaited_and_not_believed(
    sandbox: SpreadsheetSandbox, tmp_path: Path
) -> None:
    connector = connect(sandbox.path)
    connector.push([create("1", Title="a")])
    whole = sandbox.begin_saving()
    with pytest.raises(TransientError, match="is being saved right now"):
        pull(connector)
    sandbox.restore(whole)
    assert [record.id for record in pull(connector)[0]] == ["1"]
    path = tmp_path / "export.csv"
    path.write_bytes(b"ID,Title\n1,first\n2,sec")
    with pytest.raises(TransientError, match="middle of a line"):
        pull(connect(path))
    with pytest.raises(TransientError, match="is read after 60 s"):
        pull(connect(path, settle=60))
    lain(path)
    assert [record.id for record in pull(connect(path, settle=60))[0]] == ["1", "2"]


def test_an_entity_in_a_workbook_is_never_expanded(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", ["ID"], ["1"])
    evil = tmp_path / "evil.xlsx"
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(evil, "w") as bad:
        for entry in good.infolist():
            content = good.read(entry)
            if entry.filename == "xl/worksheets/sheet1.xml":
                content = bomb + content
            bad.writestr(entry, content)
    lain(evil)
    with pytest.raises(ConfigError, match="damaged"):
        pull(connect(evil))


def test_a_full_disk_leaves_the_old_file_and_the_change_waits(
    sandbox: SpreadsheetSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = connect(sandbox.path)
    content = sandbox.path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(NotSentError, match="No space left"):
            connector.push([create("1", Title="a")])
    assert sandbox.path.read_bytes() == content
    assert not list(sandbox.path.parent.glob(".*.tmp"))


def test_a_share_that_is_not_mounted_is_awaited(tmp_path: Path) -> None:
    connector = connect(tmp_path / "share" / "t.xlsx")
    with pytest.raises(NotSentError, match="Is the share mounted"):
        pull(connector)
    with pytest.raises(NotSentError, match="Is the share mounted"):
        connector.push([create("1", Title="a")])
    with pytest.raises(ConfigError, match="Is the share mounted"):
        connector.check()


def test_a_change_in_a_large_table_is_found_with_a_small_cursor(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = [f"{number},Row {number}\n" for number in range(20_000)]
    path.write_text("ID,Title\n" + "".join(lines))
    connector = connect(path)
    records, cursor = pull(connector)
    assert len(records) == 20_000
    assert len(json.dumps(cursor)) < 30_000
    lines[7_777] = "7777,changed\n"
    path.write_text("ID,Title\n" + "".join(lines))
    records, cursor = pull(connector, cursor)
    assert ("7777", "changed") in [(record.id, record.data["Title"]) for record in records]
    assert len(records) < 40
    assert pull(connector, cursor)[0] == []


def test_a_large_table_is_read_in_flat_memory(tmp_path: Path) -> None:
    connector = connect(tmp_path / "t.csv")

    def peak(rows: int) -> int:
        with (tmp_path / "t.csv").open("w") as file:
            file.write("ID,Title,Notes\n")
            file.writelines(f"{number},Row,{'x' * 50}\n" for number in range(rows))
        size = (tmp_path / "t.csv").stat().st_size
        tracemalloc.start()
        for _ in connector.pull("row", {}, ()):
            pass
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high - 2 * size  # the file, and its text while its encoding is found out

    assert peak(30_000) < 30_000 * 150 + 1_000_000  # the keys, to know a copied row


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed")
def test_libreoffice_shows_the_rows_as_they_were_written(
    sandbox: SpreadsheetSandbox, tmp_path: Path
) -> None:
    connect(sandbox.path).push(
        [create("1", Title="=1+1", Status="Open", Due="2026-03-01"), create("2", Title="Größe")]
    )
    home = tmp_path / "office"
    subprocess.run(
        [
            "soffice",
            f"-env:UserInstallation=file://{home}",
            "--headless",
            "--convert-to",
            "csv:Text - txt - csv (StarCalc):44,34,76,1",
            "--outdir",
            str(home),
            str(sandbox.path),
        ],
        check=True,
        capture_output=True,
        timeout=100,
    )
    with (home / "tracker.csv").open(encoding="utf-8", newline="") as shown:
        assert list(csv.reader(shown)) == [
            HEADERS,
            ["1", "=1+1", "Open", "", "2026-03-01", ""],
            ["2", "Größe", "", "", "", ""],
        ]


@pytest.mark.skipif(not shutil.which("soffice"), reason="LibreOffice is not installed")
def test_formulas_and_formats_outlive_the_hub_and_libreoffice(
    sandbox: SpreadsheetSandbox, tmp_path: Path
) -> None:
    connector = connect(sandbox.path)
    connector.push([create("1", Title="a"), create("2", Title="b")])
    with sandbox.changing() as sheet:
        sheet["H1"], sheet["H2"], sheet["H3"] = "Cost", 20, 22.5
        sheet["I1"], sheet["I2"] = "Total", "=SUM(H2:H3)"
        sheet["H2"].number_format = "#,##0.00"
        sheet["B2"].font = openpyxl.styles.Font(italic=True, color="FF0000")
    connector.push([update("1", Title="A"), create("3", Title="c", Cost=100)])
    for _ in range(2):  # once as the hub left it, once as LibreOffice left that
        sheet = openpyxl.load_workbook(sandbox.path).worksheets[0]
        assert sheet["I2"].value == "=SUM(H2:H3)"
        assert sheet["H2"].number_format == "#,##0.00"
        assert sheet["B2"].font.italic
        assert sheet["B2"].value == "A"
        subprocess.run(
            [
                "soffice",
                f"-env:UserInstallation=file://{tmp_path / 'home'}",
                "--headless",
                "--convert-to",
                "xlsx",
                "--outdir",
                str(tmp_path / "saved"),
                str(sandbox.path),
            ],
            check=True,
            capture_output=True,
            timeout=100,
        )
        shutil.copy(tmp_path / "saved" / sandbox.path.name, sandbox.path)
    lain(sandbox.path)
    totals = {record.id: record.data.get("Total") for record in pull(connector)[0]}
    assert totals["1"] == 42.5


def test_a_reader_is_not_confused_by_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"ID,Title\n1,a\n")
    lain(tmp_path / "t.xlsx")
    with pytest.raises(ConfigError, match="damaged"):
        pull(connect(tmp_path / "t.xlsx"))
    content = io.BytesIO()
    openpyxl.Workbook().save(content)
    (tmp_path / "t.csv").write_bytes(content.getvalue())
    with pytest.raises(ConfigError, match="CSV"):
        pull(connect(tmp_path / "t.csv"))
