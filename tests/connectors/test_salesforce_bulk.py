"""A large first load: through a query job of Bulk 2.0, and by the ordinary way where that fails."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.salesforce import bulk
from connectors.salesforce.config import SalesforceConfig
from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.salesforce.sandbox_oauth import CLIENT_ID, CLIENT_SECRET
from connectors.sdk import PayloadError, Record, TransientError

FIELDS = ("Name", "StageName", "Amount", "Account", "Owner", "Description", "IsWon")
START = datetime(2026, 3, 1, 10, tzinfo=UTC)
DESCRIPTION = [
    {"name": "Id", "type": "id"},
    {"name": "Name", "type": "string"},
    {"name": "Count__c", "type": "int"},
    {"name": "Amount", "type": "currency"},
    {"name": "IsWon", "type": "boolean"},
    {"name": "SystemModstamp", "type": "datetime"},
]


@pytest.fixture
def org() -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox() as sandbox:
        sandbox.org.clock = lambda: START
        sandbox.jobs.largest = 4
        yield sandbox


@pytest.fixture
def crm(org: SalesforceSandbox) -> Iterator[SalesforceConnector]:
    yield from connected(org, bulk_above=10)


def connected(org: SalesforceSandbox, **more: Any) -> Iterator[SalesforceConnector]:
    settings = {
        "base_url": org.url,
        "auth": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
        **more,
    }
    connector = SalesforceConnector("crm", SalesforceConfig.model_validate(settings))
    yield connector
    connector.close()


def deals(org: SalesforceSandbox, count: int) -> set[str]:
    account = org.create_account("Acme")
    return {
        org.create_opportunity(
            f"Deal {n}",
            amount=n + 0.5,
            account=account if n % 2 else None,
            Description='One\n"two", three' if n % 3 == 0 else None,
        )
        for n in range(count)
    }


def pull(
    crm: SalesforceConnector, cursor: Mapping[str, Any]
) -> tuple[list[Record], Mapping[str, Any]]:
    """One turn of the hub: its records, and the cursor as it comes back from the database."""
    records: list[Record] = []
    for page in crm.pull("opportunity", cursor, FIELDS):
        records += page.records
        cursor = json.loads(json.dumps(page.cursor))
    return records, cursor


def test_a_large_object_comes_by_a_job_that_nobody_waits_for(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    ids = deals(org, 11)
    records, cursor = pull(crm, {})
    assert records == []
    assert set(cursor) == {"job"}
    records, cursor = pull(crm, cursor)
    assert {record.id for record in records} == ids
    assert "job" not in cursor
    assert org.jobs.jobs == {}, "the results are cleared away"
    before = len(org.requests)
    assert {record.id for record in pull(crm, cursor)[0]} == ids, "the overlap, once"
    assert ("GET", "/services/data/v62.0/limits/recordCount") not in org.requests[before:]


def test_its_records_are_those_that_the_ordinary_way_gives(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    deals(org, 11)
    org.jobs.wait = 0
    by_job, _ = pull(crm, {})
    for slow in connected(org, bulk_above=None):
        assert {record.id: record for record in by_job} == {
            record.id: record for record in pull(slow, {})[0]
        }


def test_a_load_goes_on_from_the_part_it_had_reached(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    ids = deals(org, 11)
    _, cursor = pull(crm, {})
    found: list[str] = []
    while "job" in cursor:
        page = next(iter(crm.pull("opportunity", cursor, FIELDS)))
        found += [record.id for record in page.records]
        cursor = page.cursor
    assert sorted(found) == sorted(ids)


def test_what_changes_while_the_results_are_read_comes_with_the_next_pull(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    ids = deals(org, 11)
    _, cursor = pull(crm, {})
    pages = crm.pull("opportunity", cursor, FIELDS)
    next(pages)
    org.org.clock = lambda: START + timedelta(hours=1)
    org.set_stage(min(ids), "Closed Won")
    new = org.create_opportunity("New")
    for page in pages:
        cursor = page.cursor
    stages = {record.id: record.data["StageName"] for record in pull(crm, cursor)[0]}
    assert stages[min(ids)] == "Closed Won"
    assert new in stages


@pytest.mark.parametrize("how", ["failed", "gone"])
def test_a_job_that_is_lost_leaves_the_ordinary_way(
    org: SalesforceSandbox, crm: SalesforceConnector, how: str
) -> None:
    ids = deals(org, 11)
    org.jobs.wait, org.jobs.fail = 0, how == "failed"
    page = next(iter(crm.pull("opportunity", {}, FIELDS)))
    if how == "gone":
        org.jobs.jobs.clear()
    records, cursor = pull(crm, page.cursor)
    assert {record.id for record in records} == ids
    assert "stamp" in cursor


def test_a_refused_job_leaves_the_ordinary_way_and_a_bad_hour_does_not(
    org: SalesforceSandbox, crm: SalesforceConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = deals(org, 11)
    org.faults.on, org.faults.status = "read", []
    refused = [{"errorCode": "FEATURENOTENABLED", "message": "Bulk API is not enabled"}]
    monkeypatch.setattr(org.jobs, "answer", lambda *_: (400, refused))
    assert {record.id for record in pull(crm, {})[0]} == ids
    monkeypatch.setattr(org.jobs, "answer", lambda *_: (502, refused))
    with pytest.raises(TransientError):
        pull(crm, {})


def test_parts_in_a_circle_end(
    org: SalesforceSandbox, crm: SalesforceConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    deals(org, 11)
    _, cursor = pull(crm, {})
    results = org.jobs._results
    monkeypatch.setattr(org.jobs, "_results", lambda job, params: results(job, {}))
    with pytest.raises(PayloadError, match="circle"):
        pull(crm, cursor)


def test_rows_have_the_types_that_the_object_says() -> None:
    text = (
        '"Id","Name","Count__c","Amount","IsWon","SystemModstamp","Owner.Name","Owner.Email",'
        '"Account.Name"\n'
        '"006","a, ""b""\nc","7","1.50","true","2026-03-01T10:00:00.000Z","Dana","",""\n'
        '"007","","","","false","2026-03-01T10:00:00.000Z","","",""\n'
    )
    assert bulk.read(text.encode(), DESCRIPTION) == [
        {
            "Id": "006",
            "Name": 'a, "b"\nc',
            "Count__c": 7,
            "Amount": 1.5,
            "IsWon": True,
            "SystemModstamp": "2026-03-01T10:00:00.000+0000",
            "Owner": {"Name": "Dana", "Email": None},
            "Account": None,
        },
        {
            "Id": "007",
            "Name": None,
            "Count__c": None,
            "Amount": None,
            "IsWon": False,
            "SystemModstamp": "2026-03-01T10:00:00.000+0000",
            "Owner": None,
            "Account": None,
        },
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Sign in</html>",
        b'"Id","Name"\n"006"\n',
        b'"Id"\n"006',
        b'"Id","Count__c"\n"006","x"\n',
        b"\xff\xfe",
    ],
)
def test_what_is_no_table_is_a_payload_error(body: bytes) -> None:
    with pytest.raises(PayloadError):
        bulk.read(body, DESCRIPTION)
