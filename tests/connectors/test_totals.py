"""How many records there are in all, as each vendor tells: what a progress bar measures against."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import respx

from connectors.github.sandbox import GithubSandbox
from connectors.google_sheets.sandbox import GoogleSheetsSandbox
from connectors.jira.sandbox import JiraSandbox
from connectors.redmine.connector import RedmineConnector
from connectors.redmine.sandbox import ANN, RedmineSandbox
from connectors.salesforce.config import SalesforceConfig
from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.salesforce.sandbox_oauth import CLIENT_ID, CLIENT_SECRET
from connectors.sdk import Page, Source
from connectors.sdk.conformance import Stage
from connectors.sdk.paging import last_page
from connectors.spreadsheet.connector import SpreadsheetConfig, SpreadsheetConnector
from tests.connectors import test_github, test_google_sheets, test_jira, test_rest, test_spreadsheet


def pages(connector: Source, object: str, cursor: Any = None, fields: Any = ()) -> list[Page]:
    return list(connector.pull(object, cursor or {}, fields))


def told(found: Sequence[Page]) -> list[int | None]:
    return [page.total for page in found]


@pytest.fixture
def org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox() as sandbox:
        for number in range(5):
            sandbox.create_opportunity(f"Deal {number}")
        yield sandbox


def salesforce(org: SalesforceSandbox, **more: Any) -> SalesforceConnector:
    auth = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    settings = SalesforceConfig.model_validate({"base_url": org.url, "auth": auth, **more})
    return SalesforceConnector("crm", settings)


def test_salesforce_counts_an_object_once_there_is_more_than_a_page(org: SalesforceSandbox) -> None:
    with closing(salesforce(org, page_size=2)) as crm:
        found = pages(crm, "opportunity", fields=("Name",))
        assert set(told(found)[:2]) == {5}
        assert told(pages(crm, "opportunity", found[0].cursor, ("Name",)))[0] is None
    with closing(salesforce(org)) as crm:
        assert told(pages(crm, "opportunity", fields=("Name",))) == [None]


def test_a_query_job_says_how_many_rows_it_has(org: SalesforceSandbox) -> None:
    org.jobs.largest = 2
    with closing(salesforce(org, bulk_above=3)) as crm:
        found: list[Page] = []
        cursor: Any = {}
        while len([one for page in found for one in page.records]) < 5:
            turn = pages(crm, "opportunity", cursor, ("Name",))
            found, cursor = found + turn, turn[-1].cursor
    assert {page.total for page in found if page.records} == {5}


def test_jira_is_asked_for_its_approximate_count() -> None:
    with JiraSandbox() as sandbox:
        ids = [sandbox.create_issue(f"Issue {number}") for number in range(5)]
        with closing(test_jira.connect(sandbox, page_size=2)) as jira:
            count = len({one.id for page in pages(jira, "issue") for one in page.records})
            assert count >= len(ids)
            assert set(told(pages(jira, "issue"))) == {count}
            sandbox.faults.requests.clear()
            pages(jira, "issue", pages(jira, "issue")[-1].cursor)
            assert sum("approximate-count" in one for one in sandbox.faults.requests) == 1


def test_redmine_says_with_each_list_how_many_there_are() -> None:
    with closing(Stage(RedmineConnector, "issue")) as stage:
        sandbox = stage.sandbox
        assert isinstance(sandbox, RedmineSandbox)
        for number in range(120):
            sandbox.create({"subject": f"Issue {number}"}, ANN)
        count = len(sandbox.issues)
        connector = stage.connector()
        found = pages(connector, "issue")
        assert len(found) > 1
        assert set(told(found)) == {count}
        assert set(told(pages(connector, "user"))) == {len(sandbox.users)}
        assert set(told(pages(connector, "comment"))) <= {None}


def test_github_counts_issues_and_pull_requests_by_search_and_comments_by_the_last_page() -> None:
    sandbox = GithubSandbox(repositories=("acme/ops", "acme/web"))
    sandbox.start()
    try:
        for number in range(101):
            sandbox.open_issue(f"issue {number}")
        here = sandbox.open_issue("elsewhere", repo="acme/web")
        for number in range(102):
            sandbox.comment(here, f"comment {number}", repo="acme/web")
        with closing(test_github.connect(sandbox)) as github:
            found = pages(github, "issue")
            assert told(found)[0] == sum(len(page.records) for page in found) == 102
            assert 102 in told(pages(github, "comment"))
    finally:
        sandbox.stop()


@pytest.mark.parametrize(
    ("link", "number"),
    [
        ('<https://a.test/x?page=2>; rel="next", <https://a.test/x?page=34>; rel="last"', 34),
        ('<https://a.test/x?per_page=1&page=7&sort=a>; rel="last"', 7),
        ('<https://a.test/x?after=abc&page=2>; rel="next"', None),
        ('<https://a.test/x?page=many>; rel="last"', None),
        ("", None),
    ],
    ids=["both", "last", "cursor", "odd", "none"],
)
def test_the_number_of_a_last_page(link: str, number: int | None) -> None:
    assert last_page({"link": link}) == number


def test_a_sheet_has_as_many_records_as_rows_with_a_key() -> None:
    with (
        GoogleSheetsSandbox() as sandbox,
        closing(test_google_sheets.connect(sandbox)) as sheets,
    ):
        [before] = pages(sheets, "row")
        assert before.total == len(before.records)
        sandbox.add("Z-1", Title="One more")
        [after] = pages(sheets, "row", before.cursor)
        assert (len(after.records), after.total) == (1, len(before.records) + 1)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_tells_about_how_many_rows_it_has_and_exactly_once_it_was_read(
    tmp_path: Path, kind: str
) -> None:
    lines = [["ID", "Title"], *([f"R-{n}", "two\nlines" if n == 7 else "one"] for n in range(450))]
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(lines)
    else:
        test_spreadsheet.workbook(path, *lines)
    test_spreadsheet.lain(path)
    with closing(SpreadsheetConnector("t", SpreadsheetConfig(path=str(path)))) as connector:
        *first, last = told(pages(connector, "row"))
    assert last == 450
    assert first
    assert all(one in (450, 451) for one in first)


@respx.mock
def test_a_described_service_says_where_its_total_stands() -> None:
    rows = [{"id": str(n), "at": f"2026-03-01T10:00:0{n}Z"} for n in range(3)]
    listing = respx.get("https://api.acme.test/things")
    listing.respond(200, json={"rows": rows, "meta": {"total": 3}})
    words = test_rest.listed(
        records="$.rows",
        since={"parameter": "since"},
        paging={"kind": "page", "total": "$.meta.total"},
    )
    with closing(test_rest.connected(words)) as connector:
        found = pages(connector, "thing")
        assert told(found) == [3]
        listing.respond(200, json={"rows": rows[2:], "meta": {"total": 1}})
        assert set(told(pages(connector, "thing", found[-1].cursor))) <= {None}
