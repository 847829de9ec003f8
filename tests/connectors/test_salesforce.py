"""The Salesforce connector against its sandbox, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pydantic import ValidationError

from connectors.salesforce.config import SalesforceConfig
from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.sandbox import SalesforceSandbox
from connectors.salesforce.sandbox_oauth import CLIENT_ID, CLIENT_SECRET, JWT_USER
from connectors.sdk import (
    AuthError,
    Change,
    ConfigError,
    Outcome,
    RateLimitError,
    Record,
    TransientError,
    UnsupportedError,
)

FIELDS = ("Name", "StageName", "Amount", "Account", "Owner", "Contact_Email__c")
START = datetime(2026, 3, 1, 10, tzinfo=UTC)


class Clock:
    """The org's time, which moves when a test says so."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def tick(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@pytest.fixture
def clock() -> Clock:
    return Clock()


OPEN: list[SalesforceConnector] = []


@pytest.fixture
def org(clock: Clock) -> Iterator[SalesforceSandbox]:
    with SalesforceSandbox(page_size=90, clock=clock) as sandbox:
        assert isinstance(sandbox, SalesforceSandbox)
        yield sandbox
        while OPEN:
            OPEN.pop().close()


def connect(org: SalesforceSandbox, **more: Any) -> SalesforceConnector:
    settings = {
        "base_url": org.url,
        "auth": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET},
        **more,
    }
    OPEN.append(SalesforceConnector("crm", SalesforceConfig.model_validate(settings)))
    return OPEN[-1]


@pytest.fixture
def crm(org: SalesforceSandbox) -> SalesforceConnector:
    return connect(org)


def drain(
    crm: SalesforceConnector, cursor: Mapping[str, Any], object: str = "opportunity"
) -> tuple[list[Record], Mapping[str, Any]]:
    """One full run: its records and the cursor it leaves, which must survive JSON."""
    records: list[Record] = []
    for page in crm.pull(object, cursor, FIELDS):
        records.extend(page.records)
        cursor = json.loads(json.dumps(page.cursor))
    return records, cursor


def create(key: str, **fields: Any) -> Change:
    base = {"Name": f"Deal {key}", "StageName": "Prospecting", "CloseDate": "2026-12-31"}
    return Change("create", "opportunity", key=key, fields={**base, **fields})


def update(id: str, key: str = "k", **fields: Any) -> Change:
    return Change("update", "opportunity", key=key, fields=fields, id=id)


# ------------------------------------------------------------------------------------------ pull


def test_a_record_carries_who_where_and_what_the_mappings_ask_for(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    account = org.create_account("Acme")
    id = org.create_opportunity(
        "Acme, 20 tenants",
        stage="Negotiation",
        amount=12000.0,
        account=account,
        contact_email="ann@customer.test",
        owner="dana@acme.test",
    )
    [record], _ = drain(crm, {})
    assert record.id == id
    assert record.version == "2026-03-01T10:00:00.000Z"
    assert record.updated_at == START
    assert record.url == f"{org.url}/lightning/r/Opportunity/{id}/view"
    assert record.actor == org.user("dana@acme.test")
    assert record.data["Account"] == {"Name": "Acme"}
    assert record.data["Owner"] == {"Name": "Dana Meier", "Email": "dana@acme.test"}
    assert record.data["AccountId"] == account
    assert record.data["Amount"] == 12000.0
    assert record.data["Contact_Email__c"] == "ann@customer.test"
    assert "attributes" not in record.data


def test_five_hundred_records_of_one_second_all_come_once(org: SalesforceSandbox) -> None:
    """Whatever the page size, and with a batch of the query smaller than the page."""
    ids = {org.create_opportunity(f"Deal {n}") for n in range(500)}
    for size in (100, 250, 2000):
        records, cursor = drain(connect(org, page_size=size), {})
        assert len(records) == 500
        assert {record.id for record in records} == ids
        assert drain(connect(org, page_size=size), cursor) == ([], cursor)


def test_a_run_that_stops_after_every_page_still_gets_to_the_end(
    org: SalesforceSandbox,
) -> None:
    """Each page's cursor is a place to go on from, also within one second's records."""
    ids = {org.create_opportunity(f"Deal {n}") for n in range(230)}
    crm = connect(org, page_size=50)
    cursor: Mapping[str, Any] = {}
    seen: list[str] = []
    for _ in range(6):
        page = next(iter(crm.pull("opportunity", cursor, FIELDS)), None)
        if page is None:
            break
        seen += [record.id for record in page.records]
        cursor = page.cursor
    assert sorted(seen) == sorted(ids)
    assert drain(crm, cursor)[0] == []


def test_a_record_changed_while_paging_comes_again_with_its_new_state(
    org: SalesforceSandbox, clock: Clock
) -> None:
    ids = [org.create_opportunity(f"Deal {n}") for n in range(30)]
    crm = connect(org, page_size=10)
    pages = crm.pull("opportunity", {}, FIELDS)
    records = list(next(pages).records)
    clock.tick(seconds=30)
    org.set_stage(records[0].id, "Closed Won", by="dana@acme.test")
    org.set_stage(ids[-1], "Closed Lost")
    for page in pages:
        records += page.records
    latest = {record.id: record.data["StageName"] for record in records}
    assert set(latest) == set(ids)
    assert latest[records[0].id] == "Closed Won"
    assert latest[ids[-1]] == "Closed Lost"


def test_what_commits_late_is_found_by_looking_back(
    org: SalesforceSandbox, crm: SalesforceConnector, clock: Clock
) -> None:
    """A long transaction's stamp lies before records we have already read; ours is not repeated."""
    clock.tick(minutes=4)
    org.create_opportunity("On time")
    _, cursor = drain(crm, {})
    clock.now = START
    late = org.create_opportunity("Late")
    records, cursor = drain(crm, cursor)
    assert [record.id for record in records] == [late]
    assert drain(crm, cursor)[0] == []


def test_what_commits_late_behind_an_interrupted_run_is_found_too(
    org: SalesforceSandbox, clock: Clock
) -> None:
    """The resumed run goes straight on; the run after it looks back to before the interruption."""
    clock.now = datetime.now(UTC)
    for n in range(20):
        org.create_opportunity(f"Deal {n}")
    crm = connect(org, page_size=10)
    cursor = next(iter(crm.pull("opportunity", {}, FIELDS))).cursor
    clock.tick(minutes=-2)
    late = org.create_opportunity("Late")
    clock.tick(minutes=30)
    org.create_opportunity("Much later")
    resumed, cursor = drain(crm, cursor)
    assert late not in [record.id for record in resumed]
    again, cursor = drain(crm, cursor)
    assert [record.id for record in again] == [late]
    assert drain(crm, cursor)[0] == []


def test_a_deleted_record_is_reported_and_a_purged_one_is_missed_by_fetch_only(
    org: SalesforceSandbox, crm: SalesforceConnector, clock: Clock
) -> None:
    kept, dropped = org.create_opportunity("Kept"), org.create_opportunity("Dropped")
    _, cursor = drain(crm, {})
    clock.tick(minutes=1)
    org.delete("Opportunity", dropped)
    [record], cursor = drain(crm, cursor)
    assert (record.id, record.deleted) == (dropped, True)
    org.purge("Opportunity", dropped)
    here, gone, never = crm.fetch("opportunity", [kept[:15], dropped, "not an id'"])
    assert (here.id, here.deleted) == (kept, False)
    assert (gone.id, gone.deleted) == (dropped, True)
    assert (never.id, never.deleted) == ("not an id'", True)


def test_a_field_that_an_admin_removes_between_pulls_does_not_stop_them(
    org: SalesforceSandbox, crm: SalesforceConnector, clock: Clock
) -> None:
    """One unknown name would make Salesforce refuse the whole query."""
    org.add_field("Opportunity", "Region__c")
    org.create_opportunity("Deal", Region__c="EMEA")
    wanted = [*FIELDS, "Region__c", "Never_There__c"]
    [page] = crm.pull("opportunity", {}, wanted)
    assert page.records[0].data["Region__c"] == "EMEA"
    org.remove_field("Opportunity", "Region__c")
    clock.tick(minutes=1)
    org.create_opportunity("Next")
    [page] = crm.pull("opportunity", page.cursor, wanted)
    assert page.records[-1].data["Name"] == "Next"
    assert "Region__c" not in page.records[-1].data


def test_fetch_reads_more_records_and_fields_than_one_address_can_hold(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    for n in range(500):
        org.add_field("Opportunity", f"A_Rather_Long_Field_Name_{n:03d}__c")
    ids = [
        org.create_opportunity(f"Deal {n}", A_Rather_Long_Field_Name_499__c=str(n))
        for n in range(250)
    ]
    records = crm.fetch("opportunity", ids)
    assert [record.id for record in records] == ids
    assert records[249].data["A_Rather_Long_Field_Name_499__c"] == "249"
    assert records[0].data["Owner"]["Email"] == "hub@acme.test"


def test_tasks_and_users_are_read_too(org: SalesforceSandbox, crm: SalesforceConnector) -> None:
    task = org.create_task("Call Ann", owner="lee@acme.test", ActivityDate="2026-03-04")
    [record], _ = drain(crm, {}, "task")
    assert record.id == task
    assert record.data["ActivityDate"] == "2026-03-04"
    assert record.data["Owner"]["Email"] == "lee@acme.test"
    users, _ = drain(crm, {}, "user")
    assert {user.data["Email"] for user in users} >= {"dana@acme.test", "lee@acme.test"}
    with pytest.raises(UnsupportedError):
        crm.fetch("lead", [])


def test_cases_and_contacts_go_both_ways(
    org: SalesforceSandbox, crm: SalesforceConnector, clock: Clock
) -> None:
    ann = org.create_contact("Ann", "Keller", email="ann@customer.test")
    case = org.create_case("Invoice wrong", ContactId=ann)
    [found], _ = drain(crm, {}, "case")
    assert (found.id, found.data["Status"]) == (case, "New")
    assert found.data["CaseNumber"] == "00001001"
    [contact], _ = drain(crm, {}, "contact")
    assert contact.data["Name"] == "Ann Keller"
    [read] = crm.fetch("case", [case])
    assert read.data["Contact"] == {"Name": "Ann Keller", "Email": "ann@customer.test"}
    [closed] = crm.push([Change("update", "case", "k", {"Status": "Closed"}, id=case)])
    assert closed.record is not None
    assert closed.record.data["IsClosed"] is True
    [nameless] = crm.push([Change("create", "contact", "k2", {"FirstName": "Bo"})])
    assert nameless.outcome is Outcome.REJECTED
    assert set(nameless.field_errors) == {"LastName"}


def test_discover_tells_custom_fields_choices_and_what_is_required(
    crm: SalesforceConnector,
) -> None:
    fields = {field.name: field for field in crm.discover("opportunity")}
    assert fields["StageName"].type == "choice"
    assert "Closed Won" in fields["StageName"].choices
    assert fields["StageName"].required
    assert fields["OwnerId"].type == "user"
    assert fields["Account"].type == "object"
    assert not fields["SystemModstamp"].writable
    assert fields["Contact_Email__c"].label == "Contact Email"


# --------------------------------------------------------------------------------------- sign-in


def test_check_accepts_both_flows_and_names_the_wrong_org(org: SalesforceSandbox) -> None:
    connect(org, organization_id=org.org.id[:15]).check()
    key = {
        "client_id": CLIENT_ID,
        "username": JWT_USER,
        "private_key": org.sign_in.private_key(),
    }
    connect(org, auth=key).check()
    with pytest.raises(ConfigError, match="organization_id"):
        connect(org, organization_id="00D5g0000099999").check()
    with pytest.raises(AuthError, match="pre-authorised"):
        connect(org, auth={**key, "username": "who@acme.test"}).check()
    with pytest.raises(ConfigError, match="private key"):
        connect(org, auth={**key, "private_key": "no key"}).check()
    with pytest.raises(AuthError, match="client_secret") as error:
        connect(org, auth={"client_id": CLIENT_ID, "client_secret": "guessed-secret"}).check()
    assert "guessed-secret" not in str(error.value)


def test_a_refresh_token_signs_in_and_a_person_can_agree_in_a_browser(
    org: SalesforceSandbox,
) -> None:
    app = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    connect(org, auth={**app, "refresh_token": org.sign_in.refresh_token}).check()
    with pytest.raises(AuthError, match="invalid_grant"):
        connect(org, auth={**app, "refresh_token": "an older one"}).check()
    crm = connect(org, auth={**app, "consent": True})
    with pytest.raises(AuthError, match="hub connections authorize"):
        crm.check()
    assert crm.consent is not None
    consent = crm.consent.begin("https://hub.example.com/oauth/callback")
    sent_back = requests.get(consent.url, timeout=10, allow_redirects=False).headers["location"]
    answer = parse_qs(urlsplit(sent_back).query)
    crm.consent.finish(consent, answer["code"][0], answer["state"][0])
    crm.check()
    org.expire_sessions()
    crm.check()
    assert org.sign_in.count == 3, "the refresh token that came with it does the rest"


def test_a_session_that_ends_in_the_middle_of_a_run_is_renewed_once(
    org: SalesforceSandbox,
) -> None:
    for n in range(25):
        org.create_opportunity(f"Deal {n}")
    crm = connect(org, page_size=10)
    pages = crm.pull("opportunity", {}, FIELDS)
    records = list(next(pages).records)
    org.expire_sessions()
    for page in pages:
        records += page.records
    assert len(records) == 25
    assert org.sign_in.count == 2


def test_many_threads_that_find_the_session_ended_sign_in_once(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    ids = [org.create_opportunity(f"Deal {n}") for n in range(8)]
    crm.check()
    org.expire_sessions()
    together = threading.Barrier(8)

    def read(id: str) -> str:
        together.wait(10)
        return crm.fetch("opportunity", [id])[0].id

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, ids)) == ids
    assert org.sign_in.count == 2


def test_sessions_that_never_last_are_a_persons_business(
    org: SalesforceSandbox, crm: SalesforceConnector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(org.sign_in, "knows", lambda authorization: False)
    with pytest.raises(AuthError, match="login hours"):
        crm.check()


def test_a_used_up_allowance_asks_for_patience(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    id = org.create_opportunity("Deal")
    crm.check()
    org.allowance = 0
    with pytest.raises(RateLimitError, match="15000/15000") as limit:
        list(crm.pull("opportunity", {}, FIELDS))
    assert limit.value.retry_after == 900
    org.allowance = 15_000
    org.faults.status, org.faults.retry_after = [403], "7"
    with pytest.raises(RateLimitError) as limit:
        crm.push([update(id, Name="New")])
    assert limit.value.retry_after == 7
    org.faults.status = [503]
    [later] = crm.push([update(id, Name="New")])
    assert (later.outcome, later.retry_after) == (Outcome.RETRY, 7)
    assert org.ledger == []


def test_an_org_that_cannot_be_reached_is_tried_again(org: SalesforceSandbox) -> None:
    crm = connect(org, base_url="http://127.0.0.1:9")
    with pytest.raises(TransientError):
        crm.check()
    [result] = crm.push([create("k1")])
    assert result.outcome is Outcome.RETRY


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "http://acme.my.salesforce.com"},
        {"base_url": "https://login.salesforce.com"},
        {"auth": {"client_id": "id"}},
        {"auth": {"client_id": "id", "username": "u"}},
        {"auth": {"client_id": "id", "refresh_token": "t", "consent": True}},
        {"auth": {"client_id": "id", "client_secret": "s", "private_key": "k", "username": "u"}},
        {"hub_key_field": "Name = 'x'"},
    ],
)
def test_a_configuration_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    right = {
        "base_url": "https://acme.my.salesforce.com",
        "auth": {"client_id": "id", "client_secret": "secret"},
    }
    SalesforceConfig.model_validate(right)
    with pytest.raises(ValidationError):
        SalesforceConfig.model_validate({**right, **wrong})


# ------------------------------------------------------------------------------------------ push


def test_a_batch_tells_what_became_of_each_change(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    """Good, refused, locked, deleted and unknown side by side; only the good are written."""
    good, locked, deleted, guarded = (org.create_opportunity(f"Deal {n}") for n in range(4))
    org.locked[locked] = 1
    org.delete("Opportunity", deleted)
    org.refuse[guarded] = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Ask finance first.")
    results = crm.push(
        [
            update(good, StageName="Negotiation"),
            update(good, Amount=5.0),
            update(locked, Name="New"),
            update(deleted, Name="New"),
            update("0065gZZZZZZZZZZ", Name="New"),
            update("nonsense", Name="New"),
            update(guarded, Name="New"),
            update(good, StageName="No such stage"),
            update(good, OwnerId="0055g0000000zzz"),
            update(good, Nothing__c="x"),
            update(good, IsWon=True),
            create("k1"),
            create("k2", CloseDate=None),
        ]
    )
    assert [result.outcome.value for result in results] == [
        "ok",
        "ok",
        "retry",
        "missing",
        "missing",
        "missing",
        "rejected",
        "rejected",
        "rejected",
        "rejected",
        "rejected",
        "ok",
        "rejected",
    ]
    assert results[0].record is not None
    assert results[0].record.data["StageName"] == "Negotiation"
    assert results[0].record.data["Amount"] == 5.0
    assert "Ask finance first." in results[6].message
    assert set(results[7].field_errors) == {"StageName"}
    assert set(results[8].field_errors) == {"OwnerId"}
    assert set(results[9].field_errors) == {"Nothing__c"}
    assert set(results[10].field_errors) == {"IsWon"}
    assert set(results[12].field_errors) == {"CloseDate"}
    assert [effect.op for effect in org.ledger] == ["create", "update", "update"]
    assert org.record("Opportunity", locked)["Name"] == "Deal 1"


def test_a_request_refused_as_a_whole_is_halved_until_the_culprit_is_alone(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    """A field that vanished after we read the description makes Salesforce refuse all 16."""
    org.add_field("Opportunity", "Region__c")
    ids = [org.create_opportunity(f"Deal {n}") for n in range(16)]
    crm.discover("opportunity")
    org.remove_field("Opportunity", "Region__c")
    changes = [update(id, Name="New") for id in ids]
    changes[11] = update(ids[11], Region__c="EMEA")
    results = crm.push(changes)
    assert [r.outcome for r in results].count(Outcome.OK) == 15
    assert results[11].outcome is Outcome.REJECTED
    assert len(org.ledger) == 15


def test_a_create_whose_answer_was_lost_happens_once(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    """And repeating it does not undo what a person changed in between."""
    org.faults.cut_after_effect = 1
    changes = [create("hub-1"), create("hub-2")]
    assert [r.outcome for r in crm.push(changes)] == [Outcome.UNKNOWN, Outcome.UNKNOWN]
    found = crm.find("opportunity", [*changes, create("hub-3")])
    assert found[0] is not None
    assert found[1] is not None
    assert found[2] is None
    org.set_stage(found[0].id, "Closed Won", by="dana@acme.test")
    again = crm.push(changes)
    assert [r.outcome for r in again] == [Outcome.OK, Outcome.OK]
    assert [r.record.id for r in again if r.record] == [found[0].id, found[1].id]
    assert [effect.key for effect in org.ledger] == ["hub-1", "hub-2"]
    assert org.record("Opportunity", found[0].id)["StageName"] == "Closed Won"


def test_a_create_in_doubt_that_a_person_deleted_is_not_made_again(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    org.faults.cut_after_effect = 1
    crm.push([create("hub-1")])
    [found] = crm.find("opportunity", [create("HUB-1")])
    assert found is not None
    org.delete("Opportunity", found.id, by="dana@acme.test")
    [result] = crm.push([create("hub-1")])
    assert result.outcome is Outcome.OK
    assert result.record is not None
    assert result.record.deleted
    assert len(org.ledger) == 1


def test_without_a_key_field_a_lost_create_stays_unknown(org: SalesforceSandbox) -> None:
    """Nothing could be looked up, and the connector says so before anyone relies on it."""
    crm = connect(org, hub_key_field=None)
    assert not crm.objects["opportunity"].keyed
    assert not crm.objects["opportunity"].find
    assert SalesforceConnector.objects["opportunity"].keyed
    [made] = crm.push([create("hub-1")])
    assert made.outcome is Outcome.OK
    assert made.record is not None
    assert made.record.data["Name"] == "Deal hub-1"
    org.faults.cut_after_effect = 1
    assert crm.push([create("hub-2")])[0].outcome is Outcome.UNKNOWN
    with pytest.raises(UnsupportedError):
        crm.find("opportunity", [create("hub-2")])


def test_a_missing_key_field_is_named_before_anything_is_written(
    org: SalesforceSandbox,
) -> None:
    crm = connect(org, hub_key_field="Other_Key__c")
    with pytest.raises(ConfigError, match="Other_Key__c"):
        crm.push([create("hub-1")])
    org.add_field("Opportunity", "Other_Key__c", unique=True)
    assert crm.push([create("hub-1")])[0].outcome is Outcome.OK


@pytest.mark.parametrize(
    ("status", "outcome"), [(500, Outcome.UNKNOWN), (502, Outcome.UNKNOWN), (503, Outcome.RETRY)]
)
def test_a_failing_server_leaves_a_create_in_doubt_unless_it_says_it_did_nothing(
    org: SalesforceSandbox, crm: SalesforceConnector, status: int, outcome: Outcome
) -> None:
    """An update says what shall be: it is simply sent again."""
    id = org.create_opportunity("Deal")
    org.faults.status = [status, status]
    assert crm.push([create("hub-1")])[0].outcome is outcome
    assert crm.push([update(id, Name="New")])[0].outcome is Outcome.RETRY
    assert crm.push([update(id, Name="New")])[0].outcome is Outcome.OK


@pytest.mark.parametrize("status", [403, 429])
def test_a_rate_limit_after_the_first_write_spares_what_was_written(
    org: SalesforceSandbox,
    crm: SalesforceConnector,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Raised while nothing is written; afterwards only the rest is to be tried again."""
    id = org.create_opportunity("Deal")
    org.faults.status = [status]
    with pytest.raises(RateLimitError):
        crm.push([update(id, Name="New")])
    upsert = org._upsert

    def then_limited(*args: Any) -> dict[str, Any]:
        org.faults.status = [status]
        return upsert(*args)

    monkeypatch.setattr(org, "_upsert", then_limited)
    made, changed = crm.push([create("hub-1"), update(id, Name="New")])
    assert made.outcome is Outcome.OK
    assert changed.outcome is Outcome.RETRY
    assert changed.retry_after is not None


def test_a_full_batch_takes_three_requests_and_a_larger_one_is_refused(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    """Look up, upsert, read back; paging of the answers aside."""
    crm.discover("opportunity")
    org.requests.clear()
    results = crm.push([create(f"hub-{n}") for n in range(200)])
    assert all(result.outcome is Outcome.OK and result.record for result in results)
    assert len({result.record.id for result in results if result.record}) == 200
    assert [method for method, _ in org.requests].count("PATCH") == 1
    assert len(org.requests) <= 8
    with pytest.raises(UnsupportedError, match="200"):
        crm.push([create(f"more-{n}") for n in range(201)])


def test_deleting_twice_is_one_effect_and_no_error(
    org: SalesforceSandbox, crm: SalesforceConnector
) -> None:
    id = org.create_opportunity("Deal")
    gone = Change("delete", "opportunity", key="k", fields={}, id=id)
    [first] = crm.push([gone])
    assert first.outcome is Outcome.OK
    assert first.record is not None
    assert first.record.deleted
    assert crm.push([gone])[0].outcome is Outcome.OK
    assert len(org.ledger) == 1


def test_our_own_write_comes_back_with_our_name_on_it(
    org: SalesforceSandbox, crm: SalesforceConnector, clock: Clock
) -> None:
    id = org.create_opportunity("Deal", owner="dana@acme.test")
    _, cursor = drain(crm, {})
    clock.tick(minutes=1)
    [result] = crm.push([update(id, StageName="Closed Won")])
    [echo], _ = drain(crm, cursor)
    assert result.record is not None
    assert (echo.id, echo.version) == (id, result.record.version)
    assert echo.actor == org.org.integration
