"""Google Sheets with people in it: rows move, are copied, lose their keys; headers change."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr, ValidationError

from connectors.google_sheets.cells import same, write_cell
from connectors.google_sheets.connector import GoogleSheetsConfig, GoogleSheetsConnector
from connectors.google_sheets.memory import Memory
from connectors.google_sheets.sandbox import KEY, GoogleSheetsSandbox
from connectors.google_sheets.sandbox_grid import DATE, Box
from connectors.google_sheets.sandbox_oauth import CLIENT_EMAIL, CLIENT_ID, CLIENT_SECRET, keys
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    Outcome,
    PayloadError,
    RateLimitError,
    Record,
    UnsupportedError,
)

ZURICH = ZoneInfo("Europe/Zurich")


@pytest.fixture
def sandbox() -> Iterator[GoogleSheetsSandbox]:
    with GoogleSheetsSandbox() as running:
        yield running


@pytest.fixture
def sheets(sandbox: GoogleSheetsSandbox) -> Iterator[GoogleSheetsConnector]:
    connector = connect(sandbox)
    yield connector
    connector.close()


def connect(sandbox: GoogleSheetsSandbox, **settings: Any) -> GoogleSheetsConnector:
    block = {
        "base_url": sandbox.url,
        "spreadsheet": sandbox.spreadsheet,
        "sheets": "Tasks",
        "auth": {"client_email": CLIENT_EMAIL, "private_key": keys()[0]},
        **settings,
    }
    return GoogleSheetsConnector("tracker", GoogleSheetsConfig.model_validate(block))


def pull(
    connector: GoogleSheetsConnector, cursor: Any = None, fields: Any = ()
) -> tuple[list[Record], Any]:
    records: list[Record] = []
    for page in connector.pull("row", cursor or {}, fields):
        records += page.records
        cursor = page.cursor
    return records, cursor


def create(key: str, **fields: Any) -> Change:
    return Change("create", "row", key, fields)


def update(key: str, base: Any = None, **fields: Any) -> Change:
    return Change("update", "row", f"change-{key}", fields, id=key, base=base)


def ids(records: list[Record]) -> list[str]:
    return [record.id for record in records]


# reading


def test_a_row_is_read_with_dates_numbers_and_boxes_as_what_they_are(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add(
        "a", Title="Call ACME", Due=date(2026, 3, 4), Hours=1.5, Urgent=True, Notes="=not a formula"
    )
    sandbox.add("b", Title="00012", Due="next week", Hours=3.0, Urgent=False)
    (first, second), _ = pull(sheets)
    assert first.data == {
        "Title": "Call ACME",
        "Status": None,
        "Owner": None,
        "Due": "2026-03-04",
        "Hours": 1.5,
        "Urgent": True,
        "Notes": "=not a formula",
        KEY: "a",
    }
    assert (second.data["Title"], second.data["Due"], second.data["Hours"]) == (
        "00012",
        "next week",
        3,
    )
    assert first.url is not None
    assert first.url.endswith("#gid=0&range=2:2")
    assert [one.data for one in sheets.fetch("row", ["a", "b"])] == [first.data, second.data]


def test_a_moment_has_the_zone_of_the_spreadsheet_or_the_configured_one(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Due=datetime(2026, 7, 1, 9, 30))
    assert pull(sheets)[0][0].data["Due"] == "2026-07-01T09:30:00+02:00"
    other = connect(sandbox, timezone="Asia/Tokyo")
    assert pull(other)[0][0].data["Due"] == "2026-07-01T09:30:00+09:00"
    other.close()


@pytest.mark.parametrize(
    ("value", "kind", "cell"),
    [
        ("2026-03-04", "date", 46085),
        ("2026-03-04", "datetime", 46085),
        ("2026-03-04", "plain", "2026-03-04"),
        ("2026-07-01T07:30:00Z", "datetime", 46204 + 9.5 / 24),
        ("2026-07-01T23:30:00Z", "date", 46205),
        ("12:00", "time", 0.5),
        ("soon", "date", "soon"),
        (None, "date", ""),
        (True, "plain", True),
        ("=1+1", "plain", "=1+1"),
        (["a", "b"], "plain", "a, b"),
        ({"a": 1}, "plain", '{"a": 1}'),
        (2**60, "plain", str(2**60)),
    ],
)
def test_a_value_becomes_the_cell_that_its_column_wants(value: Any, kind: Any, cell: Any) -> None:
    written = write_cell(value, kind, ZURICH)
    assert same(written, cell)
    assert type(written) is type(cell)


def test_columns_may_be_inserted_and_sorted_without_a_change(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    for key, title in (("a", "Zoo"), ("b", "Ant"), ("c", "Moth")):
        sandbox.add(key, Title=title)
    _, cursor = pull(sheets)
    sandbox.sort("Title")
    assert pull(sheets, cursor) == ([], cursor)
    sandbox.insert_column("Status")
    sandbox.insert_row(3)
    assert pull(sheets, cursor) == ([], cursor)
    sandbox.edit("c", Status="Done")
    records, _ = pull(sheets, cursor)
    assert [(one.id, one.data["Status"]) for one in records] == [("c", "Done")]


def test_a_renamed_header_is_no_empty_column(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call", Status="Open")
    _, cursor = pull(sheets, fields={"Title", "Status"})
    sandbox.rename_header("Status", "State")
    (row,), _ = pull(sheets, cursor, {"Title", "Status"})
    assert "Status" not in row.data
    assert row.data["State"] == "Open"
    sandbox.rename_header("State", "Status")
    assert pull(sheets, cursor, {"Title", "Status"}) == ([], cursor)


def test_a_missing_key_column_or_sheet_is_named(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.rename_header(KEY, "Code")
    with pytest.raises(ConfigError, match="has no column '_hub_key' in row 1"):
        sheets.check()
    sandbox.rename_sheet("Tasks", "To do")
    with pytest.raises(ConfigError, match="no sheet of a name under sheets"):
        pull(sheets)
    first = connect(sandbox, sheets=[], key="Code")
    first.check()
    assert first.config.model_fields["sheets"].description
    first.close()


def test_a_deletion_is_believed_at_the_second_miss(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Stays")
    sandbox.add("b", Title="Goes")
    _, cursor = pull(sheets)
    sandbox.delete("b")
    records, cursor = pull(sheets, cursor)
    assert records == []
    records, cursor = pull(sheets, cursor)
    assert [(one.id, one.deleted) for one in records] == [("b", True)]
    assert pull(sheets, cursor) == ([], cursor)


def test_a_row_that_is_cut_and_pasted_between_two_pulls_is_not_deleted(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call")
    _, cursor = pull(sheets)
    sandbox.delete("a")
    _, cursor = pull(sheets, cursor)
    sandbox.add("a", Title="Call")
    records, cursor = pull(sheets, cursor)
    assert records == []
    assert pull(sheets, cursor) == ([], cursor)


def test_a_copied_row_leaves_the_original_alone(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call ACME")
    _, cursor = pull(sheets)
    sandbox.copy("a", Title="Call BETA")
    assert pull(sheets, cursor)[0] == []
    # sorted so that the copy comes first: the row that is as it was is the original
    sandbox.sort("Title")
    sandbox.sort("Title", reverse=True)
    assert pull(sheets, cursor)[0] == []


def test_a_cleared_key_is_no_deletion_and_comes_back_with_the_next_write(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call ACME")
    sandbox.add("b", Title="Call BETA")
    _, cursor = pull(sheets)
    sandbox.clear_key("a")
    for _ in range(3):
        records, cursor = pull(sheets, cursor)
        assert records == []
    sheets.push([update("b", Status="Done")])
    assert [row[KEY] for row in sandbox.rows()] == ["a", "b"]


def test_a_pull_writes_nothing_and_a_push_names_new_rows_and_copies(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Old")
    _, cursor = pull(sheets)
    sandbox.add(Title="Typed by a person")
    sandbox.copy("a", Title="Copied by a person")
    sandbox.faults.read_only = True
    assert pull(sheets, cursor)[0] == []
    assert sandbox.faults.forbidden == []
    sandbox.faults.read_only = False
    sheets.push([update("a", Status="Done")])
    records, cursor = pull(sheets, cursor)
    assert sorted(one.data["Title"] for one in records) == [
        "Copied by a person",
        "Old",
        "Typed by a person",
    ]
    assert len(set(ids(records))) == 3
    assert ids(pull(sheets, cursor)[0]) == []


def test_adopt_names_rows_without_a_push_and_only_in_the_hubs_own_column(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add(Title="Typed by a person")
    assert sheets.adopt("row", {}) == 1
    assert len(pull(sheets)[0]) == 1
    assert sheets.adopt("row", {}) == 0
    business = connect(sandbox, key="Title")
    sandbox.add(Owner="ann@example.com")
    assert business.adopt("row", {}) == 0
    assert ids(pull(business)[0]) == ["Typed by a person"]
    business.close()


def test_unticked_boxes_and_prepared_formulas_make_no_row(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call")
    sandbox.add(Urgent=False, Hours=0)
    assert sheets.adopt("row", pull(sheets)[1]) == 0


def test_formulas_without_a_value_look_not_emptied(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call", Hours=2)
    sandbox.formula("a", "Hours", "=IMPORTRANGE(A1)", "#REF!")
    assert "Hours" not in pull(sheets)[0][0].data
    sandbox.formula("a", KEY, "=A2", "#N/A")
    with pytest.raises(PayloadError, match="shows #N/A in row 2"):
        pull(sheets)


def test_rows_keep_their_identity_from_sheet_to_sheet(sandbox: GoogleSheetsSandbox) -> None:
    both = connect(sandbox, sheets=["Tasks", "Done"])
    sandbox.add("a", Title="Call")
    _, cursor = pull(both)
    sandbox.move("a", "Done")
    (record,), _ = pull(both, cursor)
    assert (record.id, record.data["_sheet"], record.address) == ("a", "Done", {"sheet": "Done"})
    result, refused = both.push(
        [create("b", Title="New", _sheet="Done"), create("c", Title="New", _sheet="Elsewhere")]
    )
    assert result.outcome is Outcome.OK
    assert sandbox.row("b")["_sheet"] == "Done"
    assert refused.outcome is Outcome.REJECTED
    (moved,) = both.push([update("a", _sheet="Tasks")])
    assert moved.field_errors == {"_sheet": "rows are moved by people only"}
    fields = {one.name: one for one in both.discover("row")}
    assert fields["_sheet"].choices == ("Tasks", "Done")
    assert fields["Status"].choices[0] == "Open"
    both.close()


def test_fields_have_the_type_their_cells_have_in_common(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call", Due=date(2026, 3, 4), Hours=2, Urgent=True)
    types = {one.name: one.type for one in sheets.discover("row")}
    assert types == {
        "Title": "text",
        "Status": "choice",
        "Owner": "text",
        "Due": "date",
        "Hours": "number",
        "Urgent": "boolean",
        "Notes": "text",
        KEY: "text",
    }


def test_a_sheet_that_is_too_long_is_refused(sandbox: GoogleSheetsSandbox) -> None:
    small = connect(sandbox, max_rows=2)
    for key in "abc":
        sandbox.add(key, Title="Call")
    with pytest.raises(ConfigError, match="more than max_rows"):
        small.check()
    small.close()


def test_unchanged_files_are_skipped_where_drive_is_believed(sandbox: GoogleSheetsSandbox) -> None:
    lazy = connect(sandbox, skip_unchanged=True)
    sandbox.add("a", Title="Call")
    _, cursor = pull(lazy)
    before = len(sandbox.faults.requests)
    assert pull(lazy, cursor) == ([], cursor)
    assert [one.split("?")[0] for one in sandbox.faults.requests[before:]] == [
        f"GET /drive/v3/files/{sandbox.spreadsheet}"
    ]
    sandbox.edit("a", Title="Call back")
    assert ids(pull(lazy, cursor)[0]) == ["a"]
    lazy.close()


def test_a_cursor_of_ten_thousand_rows_is_small_and_says_the_same_again() -> None:
    named = {f"T-{number:05}": f"{number * 7919:012x}" for number in range(10_000)}
    memory = Memory(named, {"T-00001"})
    stored = memory.stored()
    assert Memory.of(stored) == memory
    assert memory.stored() == stored
    assert sum(map(len, stored.values())) < 110_000
    assert Memory.of({"rows": "nonsense", "digests": "", "missing": ""}) == Memory()


def test_a_cursor_of_another_table_is_forgotten(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call")
    _, cursor = pull(sheets)
    other = connect(sandbox, sheets="Done")
    assert pull(other, cursor)[0] == []
    other.close()


# writing


def test_text_stays_text_and_dates_become_dates(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Old", Due=date(2026, 1, 1))
    results = sheets.push(
        [
            update("a", Title="=HYPERLINK(1)", Notes="00012", Due="2026-03-04"),
            create("b", Title="+41 44", Due="2026-12-24", Urgent=True),
        ]
    )
    assert [one.outcome for one in results] == [Outcome.OK, Outcome.OK]
    tab = sandbox.tab()
    assert (tab.box(2, 1).value, tab.box(2, 1).formula) == ("=HYPERLINK(1)", None)
    assert tab.box(2, 7).value == "00012"
    assert [row["Due"] for row in sandbox.rows()] == ["2026-03-04", "2026-12-24"]
    assert tab.box(3, 4).format == DATE
    assert results[1].record is not None
    assert results[1].record.data["Due"] == "2026-12-24"


def test_only_cells_that_differ_are_written_and_formulas_are_never_overwritten(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call", Status="Open", Hours=2)
    sandbox.formula("a", "Hours", "=1+1", 2)
    sandbox.formula("a", "Title", '="Call"', "Call")
    (result,) = sheets.push([update("a", Title="Call", Status="Done", Hours=2)])
    assert result.outcome is Outcome.OK
    assert [effect.fields for effect in sandbox.ledger] == [{"Status": "Done"}]
    (refused,) = sheets.push([update("a", Hours=3)])
    assert refused.field_errors == {"Hours": "is calculated by a formula"}
    assert sandbox.tab().box(2, 5).formula == "=1+1"


def test_a_hundred_changes_take_a_handful_of_requests(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    for number in range(50):
        sandbox.add(f"a{number}", Title="Call")
    sheets.check()
    before = len(sandbox.faults.requests)
    changes = [update(f"a{number}", Status="Done") for number in range(50)]
    changes += [create(f"b{number}", Title="New") for number in range(50)]
    results = sheets.push(changes)
    assert {one.outcome for one in results} == {Outcome.OK}
    assert [one.record and one.record.id for one in results] == [
        *(f"a{number}" for number in range(50)),
        *(f"b{number}" for number in range(50)),
    ]
    assert len(sandbox.faults.requests) - before == 8
    assert len(sandbox.rows()) == 100


def test_a_protected_cell_holds_up_nobody_else(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    for key in "abcd":
        sandbox.add(key, Title="Call")
    sandbox.protect("Notes")
    changes = [update(key, Status="Done") for key in "abc"]
    results = sheets.push([*changes, update("d", Notes="no"), create("e", Notes="no")])
    assert [one.outcome for one in results] == [*[Outcome.OK] * 3, *[Outcome.REJECTED] * 2]
    assert "protected" in results[3].message
    assert [row["Status"] for row in sandbox.rows()] == ["Done", "Done", "Done", ""]


def test_rows_that_move_between_look_and_write_are_put_right(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    for key, title in (("a", "Zoo"), ("b", "Ant"), ("c", "Moth")):
        sandbox.add(key, Title=title, Notes=f"of {key}")

    def sort() -> None:
        sandbox.before_write = None
        sandbox.sort("Title")

    sandbox.before_write = sort
    results = sheets.push([update("a", Notes="new a"), update("b", Notes="new b")])
    assert [one.outcome for one in results] == [Outcome.OK, Outcome.OK]
    assert {row[KEY]: row["Notes"] for row in sandbox.rows()} == {
        "a": "new a",
        "b": "new b",
        "c": "of c",
    }


def test_a_row_that_a_person_types_meanwhile_is_not_overwritten(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call")

    def type_below() -> None:
        sandbox.before_write = None
        sandbox.add(Title="Typed meanwhile")

    sandbox.before_write = type_below
    (result,) = sheets.push([create("b", Title="New")])
    assert result.outcome is Outcome.OK
    assert sorted(row["Title"] for row in sandbox.rows()) == ["Call", "New", "Typed meanwhile"]


def test_what_stands_below_the_table_moves_down(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call")
    sandbox.tab().box(4, 1).value = "a remark below the table"
    sheets.push([create(key, Title="New") for key in "bcd"])
    titles = [row["Title"] for row in sandbox.rows()]
    assert titles == ["Call", "New", "New", "New", "a remark below the table"]


def test_a_column_that_is_inserted_while_the_hub_looks_at_formulas_is_noticed(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call", Owner="ann")
    real = sheets._client.formulas

    def formulas(*given: Any) -> Any:
        sheets._client.formulas = real  # type: ignore[method-assign]
        sandbox.insert_column("Status", "Phone")
        return real(*given)

    sheets._client.formulas = formulas  # type: ignore[assignment, method-assign]
    assert sheets.push([update("a", Status="Done")])[0].outcome is Outcome.OK
    row = sandbox.row("a")
    assert (row["Phone"], row["Status"], row["Owner"]) == ("", "Done", "ann")


def test_somebody_elses_edit_of_the_same_cell_is_a_conflict(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call", Status="Open")
    base = pull(sheets)[0][0].data
    sandbox.edit("a", Status="On hold")
    (result,) = sheets.push([update("a", base, Status="Done")])
    assert result.outcome is Outcome.CONFLICT
    assert result.record is not None
    assert result.record.data["Status"] == "On hold"
    # the same wish is no conflict, nor is an edit of another cell
    assert sheets.push([update("a", base, Status="On hold")])[0].outcome is Outcome.OK
    assert sheets.push([update("a", base, Notes="Done")])[0].outcome is Outcome.OK


def test_a_repeated_create_leaves_a_persons_edit_alone(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sheets.push([create("a", Title="Call", Status="Open")])
    sandbox.edit("a", Status="Done")
    (result,) = sheets.push([create("a", Title="Call", Status="Open")])
    assert result.outcome is Outcome.OK
    assert sandbox.row("a")["Status"] == "Done"
    assert len(sandbox.rows()) == 1


def test_a_create_and_its_update_may_come_in_one_batch(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    results = sheets.push([create("a", Title="Call"), update("a", Status="Done")])
    assert [one.outcome for one in results] == [Outcome.OK, Outcome.OK]
    assert [(row["Title"], row["Status"]) for row in sandbox.rows()] == [("Call", "Done")]


def test_what_cannot_be_written_is_refused_by_name(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call")
    results = sheets.push(
        [
            update("a", Colour="red"),
            update("a", Notes="x" * 50_001),
            update("a", **{KEY: "b"}),
            update("gone", Title="Call"),
        ]
    )
    assert [one.outcome for one in results] == [*[Outcome.REJECTED] * 3, Outcome.MISSING]
    assert [list(one.field_errors) for one in results[:3]] == [["Colour"], ["Notes"], [KEY]]
    with pytest.raises(UnsupportedError, match="never deleted"):
        sheets.push([Change("delete", "row", "k", {}, id="a")])


def test_a_table_beside_other_cells_is_not_written_in_the_wrong_columns(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    tab = sandbox.tab()
    for line in tab.boxes:
        line.insert(0, Box())
    tab.box(2, 1).value = "a remark beside the table"
    tab.box(2, 2).value = "Call"
    tab.box(2, 9).value = "a"
    (result,) = sheets.push([create("b", Title="New")])
    assert result.outcome is Outcome.REJECTED
    assert "leave an empty column" in result.message
    assert [row["Title"] for row in sandbox.rows()] == ["Call"]
    assert tab.value(3, 1) == ""


def test_formulas_that_always_change_do_not_hold_up_a_write(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call")
    sandbox.formula("a", "Hours", "=RAND()", 0.1)
    tick = iter(range(100))
    real = sheets._client.values

    def values() -> Any:
        sandbox.formula("a", "Hours", "=RAND()", 0.1 + next(tick))
        return real()

    sheets._client.values = values  # type: ignore[method-assign]
    assert sheets.push([update("a", Status="Done")])[0].outcome is Outcome.OK


def test_batches_of_one_process_wait_for_each_other(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    threads = [
        threading.Thread(target=sheets.push, args=([create("a", Title="Call")],)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sandbox.rows()) == 1


def test_a_new_column_changes_no_row_until_something_stands_in_it(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    for key in "ab":
        sandbox.add(key, Title="Call")
    _, cursor = pull(sheets)
    sandbox.insert_column("Status", "Phone")
    records, cursor = pull(sheets, cursor)
    assert records == []
    sandbox.edit("b", Phone="+41 44")
    assert ids(pull(sheets, cursor)[0]) == ["b"]


def test_the_first_write_to_a_sheet_without_any_key_names_its_rows(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add(Title="Typed by a person")
    other = connect(sandbox)
    # a process that has not pulled cannot tell new rows from those that lost their key
    other.push([create("x", Title="First")])
    assert [row[KEY] for row in sandbox.rows()] == ["", "x"]
    other.close()
    pull(sheets)
    sheets.push([create("y", Title="Second")])
    assert all(row[KEY] for row in sandbox.rows())


def test_an_update_of_a_row_that_lost_its_key_finds_it_by_what_it_says(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call")
    sandbox.add("b", Title="Write")
    base = pull(sheets)[0][0].data
    sandbox.clear_key("a")
    fresh = connect(sandbox)
    for connector in (fresh, sheets):
        (result,) = connector.push([update("a", base, Status="Done")])
        assert result.outcome is Outcome.OK
    assert [(row[KEY], row["Status"]) for row in sandbox.rows()] == [("a", "Done"), ("b", "")]
    fresh.close()


def test_a_lost_answer_is_repeated_without_a_second_row(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call")
    sheets.check()
    sandbox.faults.on, sandbox.faults.cut_after_effect = "write", 2
    changes = [update("a", Status="Done"), create("b", Title="New")]
    assert {one.outcome for one in sheets.push(changes)} == {Outcome.RETRY}
    assert [one.outcome for one in sheets.push(changes)] == [Outcome.OK, Outcome.OK]
    assert [(row["Title"], row["Status"]) for row in sandbox.rows()] == [
        ("Call", "Done"),
        ("New", ""),
    ]


def test_a_quota_that_ends_between_two_writes_puts_off_the_rest(
    sandbox: GoogleSheetsSandbox, sheets: GoogleSheetsConnector
) -> None:
    sandbox.add("a", Title="Call")
    sheets.check()

    real = sandbox.changed

    def changed() -> None:
        real()
        sandbox.faults.on, sandbox.faults.status = "write", [429]
        sandbox.faults.retry_after = "9"

    sandbox.changed = changed  # type: ignore[method-assign]
    results = sheets.push([update("a", Status="Done"), create("b", Title="New")])
    assert [one.outcome for one in results] == [Outcome.RETRY, Outcome.RETRY]
    assert {one.retry_after for one in results} == {9}


# signing in, and what Google refuses


def test_a_key_file_or_a_key_with_written_line_breaks_signs_in(
    sandbox: GoogleSheetsSandbox,
) -> None:
    pem = keys()[0]
    file = json.dumps({"type": "service_account", "client_email": CLIENT_EMAIL, "private_key": pem})
    for auth in (
        {"key_file": file},
        {"client_email": CLIENT_EMAIL, "private_key": pem.replace("\n", "\\n")},
    ):
        connector = connect(sandbox, auth=auth)
        connector.check()
        assert pem[60:90] not in repr(connector.settings)
        connector.close()
    broken = connect(sandbox, auth={"key_file": '{"type": "authorized_user"}'})
    with pytest.raises(ConfigError, match=r"auth\.key_file is not the JSON key"):
        broken.check()
    broken.close()


def test_a_person_agrees_once_in_the_browser(sandbox: GoogleSheetsSandbox) -> None:
    person = connect(sandbox, auth={"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
    with pytest.raises(AuthError, match="run hub connections authorize"):
        person.check()
    assert person.consent is not None
    consent = person.consent.begin("http://127.0.0.1:1/callback")
    assert "access_type=offline" in consent.url
    assert "code_challenge_method=S256" in consent.url
    code, state = sandbox.agree(consent.url)
    person.consent.finish(consent, code, state)
    person.check()
    sandbox.google.tokens.clear()
    person.check()
    person.close()


def test_a_refresh_token_signs_in_and_a_dead_one_is_told(sandbox: GoogleSheetsSandbox) -> None:
    auth = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "refresh_token": next(iter(sandbox.google.refresh)),
    }
    alive = connect(sandbox, auth=auth)
    alive.check()
    alive.close()
    dead = connect(sandbox, auth={**auth, "refresh_token": "1//dead"})
    with pytest.raises(AuthError, match="invalid_grant"):
        dead.check()
    dead.close()


@pytest.mark.parametrize(
    ("status", "error", "raised", "says"),
    [
        (403, {"status": "PERMISSION_DENIED"}, AuthError, CLIENT_EMAIL),
        (403, {"errors": [{"reason": "userRateLimitExceeded"}]}, RateLimitError, "slow down"),
        (403, {"details": [{"reason": "SERVICE_DISABLED"}]}, ConfigError, "Enable the Google"),
        (
            403,
            {"details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]},
            AuthError,
            "fewer scopes",
        ),
        (404, {"status": "NOT_FOUND"}, ConfigError, "share it with"),
        (400, {"status": "FAILED_PRECONDITION"}, ConfigError, "save it as Google Sheets"),
        (429, {"status": "RESOURCE_EXHAUSTED"}, RateLimitError, "slow down"),
    ],
)
def test_googles_refusals_say_who_must_do_what(
    status: int, error: dict[str, Any], raised: type[Exception], says: str
) -> None:
    body = json.dumps({"error": {"code": status, "message": "inner workings", **error}}).encode()
    sandbox = GoogleSheetsSandbox()
    sandbox.wording = lambda status: ({}, body)  # type: ignore[method-assign]
    with sandbox:
        sheets = connect(sandbox)
        sheets.check()
        sandbox.faults.on, sandbox.faults.status = "read", [status]
        with pytest.raises(raised, match=says) as caught:
            pull(sheets)
        assert "inner workings" not in str(caught.value)
        sheets.close()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"spreadsheet": "https://docs.google.com/document/d/x"}, "address of the spreadsheet"),
        ({"spreadsheet": "short"}, "address of the spreadsheet"),
        ({"sheets": ["Tasks", "tasks"]}, "listed twice"),
        ({"timezone": "Mars/Olympus"}, "must be a zone"),
        ({"auth": {"client_email": CLIENT_EMAIL}}, "give key_file"),
        ({"auth": {"client_id": "x", "key_file": "s3cret-text"}}, "give key_file"),
        ({"key": " "}, "header of a column"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_shown(settings: Any, says: str) -> None:
    block = {
        "spreadsheet": GoogleSheetsSandbox.spreadsheet,
        "auth": {"key_file": SecretStr("{}")},
        **settings,
    }
    with pytest.raises(ValidationError, match=says) as caught:
        GoogleSheetsConfig.model_validate(block)
    assert "s3cret" not in str(caught.value)


def test_the_spreadsheet_may_be_given_by_its_address() -> None:
    id = GoogleSheetsSandbox.spreadsheet
    for text in (id, f"https://docs.google.com/spreadsheets/d/{id}/edit?gid=0#gid=0"):
        settings = GoogleSheetsConfig.model_validate(
            {"spreadsheet": text, "auth": {"key_file": "{}"}}
        )
        assert settings.spreadsheet == id
