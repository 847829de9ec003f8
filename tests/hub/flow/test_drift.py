"""Schema drift: a field that is renamed, gone or another is kept aside, that field only, and told;
once it fits again, what waited comes in and goes out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connectors.github.sandbox import GithubSandbox
from connectors.jira.sandbox import JiraSandbox
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.sdk import Record, TransientError
from connectors.spreadsheet.connector import SpreadsheetConnector
from connectors.spreadsheet.sandbox import SpreadsheetSandbox
from hub.flow import drift
from hub.store import exceptions
from hub.store import tables as t
from tests.hub.flow.conftest import MakeWorld
from tests.hub.flow.world import World

ROW = "mappings/row.yaml"
TRACKER = {ROW: "mapping: row\nextends: spreadsheet-row\nconnection: tracker\n"}


@pytest.fixture
def sheet(make: MakeWorld, tracker: SpreadsheetSandbox) -> World:
    """A hub over a tracker with one row, whose columns are known."""
    world = make({"tracker": tracker}, TRACKER)
    tracker.edit("R1", Title="One", Status="In progress", Notes="first", Owner="dana@acme.test")
    world.settle()
    world.discover()
    return world


def about(world: World) -> list[dict[str, Any]]:
    """What is open about fields of accounts."""
    return [row for row in world.exceptions() if row["data"].get("about") == drift.ABOUT]


def rest(world: World) -> None:
    """Everything that waits has its turn, the accounts included."""
    for _ in range(2):
        world.follow()
        world.settle()
    world.follow()


def test_nothing_is_told_of_an_account_that_stays_as_it_is(sheet: World) -> None:
    sheet.discover()
    rest(sheet)
    assert sheet.exceptions() == []
    assert sheet.pushes() == []


def test_a_renamed_column_is_kept_aside_and_the_rest_flows_on(
    sheet: World, tracker: SpreadsheetSandbox
) -> None:
    tracker.rename("Status", "State")
    tracker.edit("R1", Title="Two", State="Done")
    rest(sheet)
    assert sheet.task["title"] == "Two"
    assert sheet.task["status"] == "in_progress", "neither emptied nor set to its default"
    [told] = about(sheet)
    assert told["type"] == "mapping_error"
    assert told["severity"] == "high"
    assert told["title"] == "'Status' of tracker was probably renamed to 'State'"
    assert "Write $.State in that line" in told["detail"]
    assert "spreadsheet-row" in told["data"]["mapping"] or ".yaml:" in told["data"]["mapping"]
    assert told["owner"] == sheet.party("dana")
    assert len(sheet.exceptions()) == 1


def test_what_is_edited_meanwhile_is_not_written_and_goes_out_once_the_column_is_back(
    sheet: World, tracker: SpreadsheetSandbox
) -> None:
    tracker.rename("Status", "State")
    rest(sheet)
    sheet.edit(sheet.task["id"], status="done", title="Ours")
    rest(sheet)
    row = tracker.row("R1")
    assert (row["Title"], row["State"]) == ("Ours", "In progress")
    assert "Status" not in row
    tracker.rename("State", "Status")
    sheet.discover()
    rest(sheet)
    assert tracker.row("R1")["Status"] == "Done"
    assert sheet.exceptions() == []
    sent = len(sheet.pushes(t.pushes.c.status == "sent"))
    rest(sheet)
    assert len(sheet.pushes(t.pushes.c.status == "sent")) == sent


def test_a_column_that_is_back_is_noticed_by_the_next_pull(
    sheet: World, tracker: SpreadsheetSandbox
) -> None:
    tracker.rename("Status", "State")
    rest(sheet)
    assert len(about(sheet)) == 1
    tracker.rename("State", "Status")
    tracker.edit("R1", Status="Done")
    sheet.clock.ahead = timedelta(minutes=11)
    rest(sheet)
    assert sheet.task["status"] == "done"
    assert sheet.exceptions() == []


def test_another_revision_mends_it_and_what_waited_comes_in(
    sheet: World, tracker: SpreadsheetSandbox
) -> None:
    tracker.rename("Status", "State")
    tracker.edit("R1", State="Done")
    rest(sheet)
    assert sheet.task["status"] == "in_progress"
    values = "{Open: open, In progress: in_progress, Done: done}"
    sheet.apply({ROW: TRACKER[ROW] + f"fields:\n  status: {{from: $.State, values: {values}}}\n"})
    rest(sheet)
    assert sheet.task["status"] == "done"
    assert sheet.exceptions() == []


@pytest.mark.parametrize("way", ["removed", "emptied"])
def test_a_column_without_a_header_is_gone_and_empties_nothing(
    sheet: World, tracker: SpreadsheetSandbox, way: str
) -> None:
    with tracker.changing() as page:
        column = [cell.value for cell in page[1]].index("Notes") + 1
        if way == "removed":
            page.delete_cols(column)
        else:
            page.cell(1, column).value = None
    tracker.edit("R1", Title="Two")
    rest(sheet)
    assert (sheet.task["title"], sheet.task["description"]) == ("Two", "first")
    [told] = about(sheet)
    assert told["title"] == "'Notes' of tracker is gone"


def test_of_two_columns_with_one_name_neither_is_read(
    sheet: World, tracker: SpreadsheetSandbox
) -> None:
    tracker.insert_column("Title", "Notes")
    tracker.edit("R1", Title="Two")
    rest(sheet)
    assert (sheet.task["title"], sheet.task["description"]) == ("Two", "first")
    [told] = about(sheet)
    assert told["title"] == "tracker has 'Notes' twice now"
    sheet.edit(sheet.task["id"], description="ours")
    rest(sheet)
    assert sheet.pushes(t.pushes.c.status == "sent") == []


def test_a_column_inserted_before_the_others_disturbs_nothing(
    sheet: World, tracker: SpreadsheetSandbox
) -> None:
    tracker.insert_column("Title", "Phase")
    tracker.edit("R1", Title="Two")
    sheet.discover()
    rest(sheet)
    assert sheet.task["title"] == "Two"
    assert sheet.exceptions() == []
    [row] = sheet.all(t.schemas)
    told = [(one["field"], one["what"]) for one in row["fields"]["changes"]]
    assert ("Phase", "is new") in told


def test_a_choice_that_is_new_is_told_before_anybody_has_it(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    mapping = (
        "mapping: deal\nextends: salesforce-opportunity\nconnection: crm\nfields:\n  stage:\n"
        "    from: $.StageName\n    values: {"
        + ", ".join(
            f"{one!r}: s{n}" for n, one in enumerate(crm.choices("Opportunity", "StageName"))
        )
        + "}\n    otherwise: exception\n"
    )
    world = make({"crm": crm}, {"mappings/deal.yaml": mapping})
    crm.create_opportunity("Acme", stage="Negotiation")
    world.settle()
    world.discover()
    assert about(world) == []
    crm.rename_choice("Opportunity", "StageName", "Negotiation", "Haggling")
    world.discover()
    [told] = about(world)
    assert told["type"] == "unmapped_value"
    assert "'Negotiation' was probably renamed to 'Haggling'" in told["detail"]
    crm.rename_choice("Opportunity", "StageName", "Haggling", "Negotiation")
    world.discover()
    assert about(world) == []


def test_a_field_that_is_gone_in_salesforce_does_not_hold_the_others_up(
    make: MakeWorld, crm: SalesforceSandbox
) -> None:
    mapping = (
        "mapping: deal\nextends: salesforce-opportunity\nconnection: crm\nfields:\n"
        "  custom.region: $.Region__c\n"
    )
    crm.add_field("Opportunity", "Region__c", label="Region")
    world = make({"crm": crm}, {"mappings/deal.yaml": mapping})
    crm.create_opportunity("Acme", Region__c="EMEA")
    world.settle()
    world.discover()
    [item] = world.all(t.items)
    assert item["custom"]["region"] == "EMEA"
    crm.remove_field("Opportunity", "Region__c")
    crm.add_field("Opportunity", "Area__c", label="Region")
    # before the account is asked again, somebody edits both
    world.edit(item["id"], "item", title="Acme Solar", **{"custom.region": "APAC"})
    world.work()
    [record] = crm.records("Opportunity")
    assert record["Name"] == "Acme Solar", "the field that can be written is"
    world.discover()
    rest(world)
    [item] = world.all(t.items)
    assert (item["title"], item["custom"]["region"]) == ("Acme Solar", "APAC")
    [told] = about(world)
    assert told["data"]["renamed_to"] == "Area__c"


def test_a_discover_that_fails_is_trouble_of_the_connection_and_no_drift(
    sheet: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Any, object: str) -> Any:
        raise TransientError("The share is away.")

    monkeypatch.setattr(SpreadsheetConnector, "discover", fail)
    before = sheet.all(t.schemas)
    sheet.discover()
    [row] = sheet.all(t.schemas)
    assert row["fields"] == before[0]["fields"]
    assert about(sheet) == []
    [state] = sheet.all(t.connections)
    assert (state["failures"], state["last_error"]) == (1, "The share is away.")


def test_a_discover_that_finds_nothing_is_not_believed(
    sheet: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SpreadsheetConnector, "discover", lambda self, object: [])
    before = sheet.all(t.schemas)
    sheet.discover()
    [row] = sheet.all(t.schemas)
    assert (row["fields"], about(sheet)) == (before[0]["fields"], [])


def test_an_account_is_asked_once_a_day_and_never_while_it_is_paused(
    sheet: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    known = SpreadsheetConnector.discover

    def count(self: Any, object: str) -> Any:
        asked.append(object)
        return known(self, object)

    monkeypatch.setattr(SpreadsheetConnector, "discover", count)
    sheet.follow()
    assert asked == []
    [row] = sheet.all(t.schemas)
    assert timedelta(hours=22) < row["due_at"] - row["seen_at"] < timedelta(hours=26)
    with sheet.hub.database.write() as tx:
        tx.execute(t.connections.update().values(status="paused"))
    sheet.discover()
    assert asked == []
    with sheet.hub.database.write() as tx:
        tx.execute(t.connections.update().values(status="active"))
    sheet.follow()
    assert asked == ["row"]


def test_what_a_person_closed_stays_closed(sheet: World, tracker: SpreadsheetSandbox) -> None:
    tracker.rename("Notes", "Remarks")
    rest(sheet)
    [told] = about(sheet)
    with sheet.hub.unit() as unit:
        exceptions.close(unit.tx, told["id"], "waived", unit.now, None, "we know")
    sheet.discover()
    rest(sheet)
    assert about(sheet) == []
    tracker.edit("R1", Title="Two")
    rest(sheet)
    assert (sheet.task["title"], sheet.task["description"]) == ("Two", "first")


def test_a_field_that_was_taken_off_the_screen_is_kept_aside_and_sent_once_it_is_back(
    make: MakeWorld,
) -> None:
    with JiraSandbox() as jira:
        mapping = "mapping: issue\nextends: jira-issue\nconnection: jira\n"
        world = make({"jira": jira}, {"mappings/issue.yaml": mapping})
        issue = jira.create_issue("One")
        world.settle()
        world.discover()
        jira.take_off_screen("duedate")
        task = world.task["id"]
        world.edit(task, title="Two", due={"date": "2026-12-24"})
        world.work()
        assert jira.issue(issue)["fields"]["summary"] == "Two"
        [refused] = world.exceptions()
        assert refused["data"]["field"] == "due"
        assert "was refused for 'duedate'" in refused["detail"]
        sent = len(world.pushes())
        world.settle()
        assert len(world.pushes()) == sent, "what was refused as it is goes out no second time"
        world.discover()
        [told] = about(world)
        assert "cannot be written any more" in told["title"]
        jira.put_on_screen("duedate")
        world.discover()
        rest(world)
        assert jira.issue(issue)["fields"]["duedate"] == "2026-12-24"
        assert world.exceptions() == []


def test_a_default_does_not_replace_what_a_thin_webhook_leaves_out(
    make: MakeWorld, github: GithubSandbox
) -> None:
    line = "custom.kind: {from: $.kind, default: plain, direction: in}"
    mapping = f"mapping: issue\nextends: github-issue\nconnection: github\nfields:\n  {line}\n"
    world = make({"github": github}, {"mappings/issue.yaml": mapping})

    def heard(title: str, source: str, **more: str) -> dict[str, Any]:
        data = {"title": title, "state": "open", **more}
        world.bring(Record("issue", "1", data), source=source)
        world.work()
        assert world.task["title"] == title
        return dict(world.task["custom"])

    assert heard("One", "webhook", kind="rare")["kind"] == "rare"
    assert heard("Two", "webhook")["kind"] == "rare", "it only says less"
    assert heard("Three", "pull")["kind"] == "plain", "a list says all there is"
