"""Every form of time that a vendor uses: what it means here, and back in the vendor's own form.

One line per vendor and field; `use` is what stands in `as`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings.source import Place
from mappings.spec import UNSET, TransformUse
from mappings.transforms import Bound, Fault, Scope, bind
from mappings.transforms.times import NAMED_FORMATS

SCOPE = Scope(None, "desk", {}, "Europe/Zurich")


class Form(NamedTuple):
    """A vendor's value, what it means, and how the mapping names the form."""

    vendor: str
    sample: Any
    meaning: str
    use: str
    params: dict[str, Any]
    back: Any = UNSET
    """What is written, where it is not the sample to the letter but the same moment."""


TEN = "2026-03-01T10:00:00Z"
FORMS = [
    Form("Salesforce SystemModstamp", "2026-03-01T10:00:00.000+0000", TEN, "datetime",
         {"format": "iso_offset"}),
    Form("Salesforce SOQL literal", "2026-03-01T10:00:00Z", TEN, "datetime", {}),
    Form("Salesforce ActivityDate", "2026-03-04", "2026-03-04", "date", {}),
    Form("Salesforce CDC header", 1772359200000, TEN, "datetime", {"format": "epoch_ms"}),
    Form("HubSpot hs_lastmodifieddate", "2026-03-01T10:00:00.123Z", "2026-03-01T10:00:00.123000Z",
         "datetime", {"format": "iso_ms"}),
    Form("HubSpot search filter", "1772359200000", TEN, "datetime", {"format": "epoch_ms_text"}),
    Form("HubSpot occurredAt", 1772359200123, "2026-03-01T10:00:00.123000Z", "datetime",
         {"format": "epoch_ms"}),
    Form("HubSpot date property", "1772582400000", "2026-03-04", "date",
         {"format": "epoch_ms_text"}),
    Form("Pipedrive v1 update_time", "2026-03-01 10:00:00", TEN, "datetime", {"format": "sql"}),
    Form("Pipedrive v2 update_time", "2026-03-01T10:00:00Z", TEN, "datetime", {}),
    Form("Pipedrive webhook", "2026-03-01T10:00:01.000Z", "2026-03-01T10:00:01Z", "datetime",
         {"format": "iso_ms"}),
    Form("Pipedrive due_date", "2026-03-04", "2026-03-04", "date", {}),
    Form("Sheets SERIAL_NUMBER, a day", 46082, "2026-03-01", "date", {"format": "excel"}),
    Form("Sheets SERIAL_NUMBER, a moment", 46082.4375, "2026-03-01T09:30:00Z", "datetime",
         {"format": "excel", "zone": "Europe/Zurich"}),
    Form("Excel 1904, a day", 44620, "2026-03-01", "date", {"format": "excel_1904"}),
    Form("Excel 1904, a moment", 44620.4375, "2026-03-01T10:30:00Z", "datetime",
         {"format": "excel_1904"}),
    Form("CSV, Swiss", "01.03.2026 11:00", TEN, "datetime",
         {"format": "%d.%m.%Y %H:%M", "zone": "Europe/Zurich"}),
    Form("CSV, American", "03/04/2026", "2026-03-04", "date", {"format": "%m/%d/%Y"}),
    Form("Airtable createdTime", "2026-03-01T10:00:00.000Z", TEN, "datetime",
         {"format": "iso_ms"}),
    Form("Airtable date field", "2026-03-04", "2026-03-04", "date", {}),
    Form("mail Date header", "Sun, 01 Mar 2026 11:00:00 +0100", TEN, "datetime",
         {"format": "rfc2822", "zone": "Europe/Zurich"}),
    Form("mail Date with a comment", "Sun, 1 Mar 2026 10:00:00 +0000 (UTC)", TEN, "datetime",
         {"format": "rfc2822"}, "Sun, 01 Mar 2026 10:00:00 +0000"),
    Form("mail Date, old zone name", "01 Mar 2026 05:00:00 EST", TEN, "datetime",
         {"format": "rfc2822"}, "Sun, 01 Mar 2026 10:00:00 +0000"),
    Form("HTTP Last-Modified", "Sun, 01 Mar 2026 10:00:00 GMT", TEN, "datetime",
         {"format": "%a, %d %b %Y %H:%M:%S GMT"}),
    Form("IMAP INTERNALDATE", "01-Mar-2026 11:00:00 +0100", TEN, "datetime",
         {"format": "%d-%b-%Y %H:%M:%S %z", "zone": "Europe/Zurich"}),
    Form("Gmail internalDate", "1772359200000", TEN, "datetime", {"format": "epoch_ms_text"}),
    Form("Graph receivedDateTime", "2026-03-01T10:00:00Z", TEN, "datetime", {}),
    Form("Graph dateTime, 7 digits", "2026-03-01T10:00:00.1234567", "2026-03-01T10:00:00.123456Z",
         "datetime", {}, "2026-03-01T10:00:00.123456Z"),
    Form("Jira updated", "2026-03-01T10:00:00.000+0000", TEN, "datetime",
         {"format": "iso_offset"}),
    Form("Jira updated, site in Zurich", "2026-03-01T11:00:00.000+0100", TEN, "datetime",
         {"format": "iso_offset", "zone": "Europe/Zurich"}),
    Form("Jira JQL", "2026-03-01 10:00", TEN, "datetime", {"format": "%Y-%m-%d %H:%M"}),
    Form("Jira duedate", "2026-03-04", "2026-03-04", "date", {}),
    Form("Jira webhook timestamp", 1772359200000, TEN, "datetime", {"format": "epoch_ms"}),
    Form("Zendesk updated_at", "2026-03-01T10:00:00Z", TEN, "datetime", {}),
    Form("Zendesk generated_timestamp", 1772359200, TEN, "datetime", {"format": "epoch"}),
    Form("ServiceNow sys_updated_on", "2026-03-01 10:00:00", TEN, "datetime", {"format": "sql"}),
    Form("ServiceNow due_date, user's zone", "2026-03-01 11:00:00", TEN, "datetime",
         {"format": "sql", "zone": "Europe/Zurich"}),
    Form("GitHub updated_at", "2026-03-01T10:00:00Z", TEN, "datetime", {}),
    Form("Freshdesk due_by", "2026-03-04T10:00:00Z", "2026-03-04T10:00:00Z", "datetime", {}),
    Form("Linear updatedAt", "2026-03-01T10:00:00.000Z", TEN, "datetime", {"format": "iso_ms"}),
    Form("Linear webhookTimestamp", 1772359200000, TEN, "datetime", {"format": "epoch_ms"}),
    Form("Linear dueDate", "2026-03-04", "2026-03-04", "date", {}),
    Form("Asana modified_at", "2026-03-01T10:00:00.000Z", TEN, "datetime", {"format": "iso_ms"}),
    Form("Asana due_on", "2026-03-04", "2026-03-04", "date", {}),
    Form("Trello due", "2026-03-04T09:00:00.000Z", "2026-03-04T09:00:00Z", "datetime",
         {"format": "iso_ms"}),
    Form("RT LastUpdated", "2026-03-01T10:00:00Z", TEN, "datetime", {}),
    Form("RT TicketSQL", "2026-03-01 10:00:00", TEN, "datetime", {"format": "sql"}),
    Form("Redmine updated_on", "2026-03-01T10:00:00Z", TEN, "datetime", {}),
    Form("Redmine due_date", "2026-03-04", "2026-03-04", "date", {}),
    Form("Slack ts", "1772359200.000100", "2026-03-01T10:00:00.000100Z", "datetime",
         {"format": "slack"}),
    Form("Slack header", "1772359200", TEN, "datetime", {"format": "epoch_text"}),
    Form("Standard Webhooks header", "1767225600", "2026-01-01T00:00:00Z", "datetime",
         {"format": "epoch_text"}),
    Form("Stripe created", 1767225600, "2026-01-01T00:00:00Z", "datetime", {"format": "epoch"}),
    Form("CloudEvents time", "2026-03-01T11:00:00+01:00", TEN, "datetime", {}, TEN),
    Form("Drive expiration", "1772359200000", TEN, "datetime", {"format": "epoch_ms_text"}),
    Form(".NET services", "/Date(1772359200000)/", TEN, "datetime", {"format": "dotnet"}),
    Form(".NET services, offset", "/Date(1772359200000+0100)/", TEN, "datetime",
         {"format": "dotnet"}, "/Date(1772359200000)/"),
]  # fmt: skip


def bound(name: str, **params: Any) -> Bound:
    return bind(TransformUse(name, params, UNSET, Place("t.yaml")))


@pytest.mark.parametrize("form", FORMS, ids=[form.vendor for form in FORMS])
def test_a_vendor_s_time_is_read_and_written_in_its_own_form(form: Form) -> None:
    step = bound(form.use, **form.params)
    assert step.outward is not None
    assert step.inward(form.sample, SCOPE) == form.meaning
    key = "date" if form.use == "date" else "at"
    written = step.outward({key: form.meaning}, SCOPE)
    assert written == (form.sample if form.back is UNSET else form.back)
    assert type(written) is type(form.sample)
    assert step.inward(written, SCOPE) == form.meaning


def is_plain(form: Form) -> bool:
    """Not a pattern of its own, a serial that is another day elsewhere, or a moment for a day."""
    named = str(form.params.get("format", "iso"))
    return not ("%" in named or named == "excel_1904" or form.vendor == "HubSpot date property")


PLAIN = [form for form in FORMS if is_plain(form)]


@pytest.mark.parametrize("form", PLAIN, ids=[form.vendor for form in PLAIN])
def test_a_vendor_s_time_is_read_without_being_told_its_form(form: Form) -> None:
    zone = {name: value for name, value in form.params.items() if name == "zone"}
    assert bound(form.use, **zone).inward(form.sample, SCOPE) == form.meaning


PRECISION = {
    **dict.fromkeys(("iso", "epoch", "epoch_text", "slack"), timedelta(microseconds=1)),
    **dict.fromkeys(
        ("iso_ms", "iso_offset", "epoch_ms", "epoch_ms_text", "dotnet"), timedelta(milliseconds=1)
    ),
    **dict.fromkeys(("sql", "rfc2822", "excel", "excel_1904"), timedelta(seconds=1)),
}
ZONES = ("UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
UNZONED = ("sql", "excel", "excel_1904")


@pytest.mark.parametrize("form", NAMED_FORMATS)
@given(
    when=st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1)),
    zone=st.sampled_from(ZONES),
)
def test_a_moment_comes_back_to_the_precision_of_the_form(
    form: str, when: datetime, zone: str
) -> None:
    """In every zone; forms that write no offset hold in zones without summer time only."""
    step = bound("datetime", format=form, zone="UTC" if form in UNZONED else zone)
    assert step.outward is not None
    precision = PRECISION[form]
    start = datetime(1970, 1, 1)
    exact = start + (when - start) // precision * precision
    text = exact.replace(tzinfo=None).isoformat() + "Z"
    assert step.inward(step.outward({"at": text}, SCOPE), SCOPE) == text


@pytest.mark.parametrize("form", [*NAMED_FORMATS, "%d.%m.%Y", "%Y%m%d"])
@given(day=st.dates(date(1971, 1, 1), date(2300, 1, 1)))
def test_a_day_comes_back_as_the_same_day(form: str, day: date) -> None:
    step = bound("date", format=form)
    assert step.outward is not None
    written = step.outward({"date": day.isoformat()}, SCOPE)
    assert step.inward(written, SCOPE) == day.isoformat()


@pytest.mark.parametrize(
    "wrong",
    [
        "/Date(abc)/",
        "/Date(99999999999999999999)/",
        "Sun, 32 Mar 2026 10:00:00 +0000",
        "Sun, 01 Foo 2026 10:00:00 +0000",
        "01 Mar 2026",
        "2026-03-01T25:00:00Z",
        "1772359200.x",
        "Sun, 01 Mar 2026 10:00:00 +9999",
    ],
)
def test_what_only_looks_like_a_time_is_named(wrong: str) -> None:
    with pytest.raises(Fault, match="is not a date"):
        bound("datetime").inward(wrong, SCOPE)


def test_a_time_in_the_hour_that_comes_twice_is_the_first_of_the_two() -> None:
    """A form without an offset cannot say which: the vendor's own value is kept where it can be."""
    step = bound("datetime", format="sql", zone="Europe/Zurich")
    assert step.outward is not None
    assert step.inward("2026-10-25 02:30:00", SCOPE) == "2026-10-25T00:30:00Z"
    assert step.outward({"at": "2026-10-25T01:30:00Z"}, SCOPE) == "2026-10-25 02:30:00"


def test_an_offset_is_kept_in_what_is_written() -> None:
    moment = datetime(2026, 7, 1, 12, 0, tzinfo=UTC).isoformat()
    step = bound("datetime", format="iso_offset", zone="America/New_York")
    assert step.outward is not None
    assert step.outward({"at": moment}, SCOPE) == "2026-07-01T08:00:00.000-0400"
