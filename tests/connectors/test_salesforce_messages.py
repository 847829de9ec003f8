"""Outbound messages: what proves them, what they name, and what Salesforce wants to hear back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from defusedxml.ElementTree import fromstring

import connectors.salesforce
from connectors.salesforce.config import SalesforceConfig
from connectors.salesforce.connector import SalesforceConnector
from connectors.salesforce.soql import id18, quoted
from connectors.sdk import Delivery, Fetch, PayloadError, SignatureError

FIXTURES = Path(connectors.salesforce.__file__).parent / "fixtures"
LEADS = (FIXTURES / "outbound_message_leads.xml").read_bytes()
OPPORTUNITIES = (FIXTURES / "outbound_message_opportunities.xml").read_bytes()
BOMB = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;&x;">]>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">&y;</soapenv:Envelope>"""
EXTERNAL = b"""<?xml version="1.0"?><!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>"""


def connector(organization_id: str | None = None) -> SalesforceConnector:
    settings = SalesforceConfig.model_validate(
        {
            "base_url": "https://acme.my.salesforce.com",
            "auth": {"client_id": "id", "client_secret": "secret"},
            "organization_id": organization_id,
        }
    )
    return SalesforceConnector("crm", settings)


def delivery(body: bytes) -> Delivery:
    return Delivery(
        method="POST",
        url="https://hub.example.com/webhooks/crm",
        headers={"content-type": "text/xml; charset=utf-8"},
        body=body,
        received_at=datetime(2026, 3, 1, tzinfo=UTC),
    )


def test_a_real_message_is_verified_parsed_and_acknowledged() -> None:
    """Its leads are no object of ours: knowingly ignored, and acknowledged all the same."""
    crm = connector(organization_id="0123456789ABCDENNN")
    id = crm.verify(delivery(LEADS))
    assert id is not None
    assert id.startswith("05h370200108OsUAAU-")
    assert crm.parse(delivery(LEADS)) == []
    reply = crm.acknowledge(delivery(LEADS))
    assert reply is not None
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/xml")
    ack = fromstring(reply.body).find(".//{http://soap.sforce.com/2005/09/outbound}Ack")
    assert ack is not None
    assert ack.text == "true"


def test_a_message_names_each_record_once_with_its_long_id() -> None:
    crm = connector(organization_id="00D5g000004Acme")
    crm.verify(delivery(OPPORTUNITIES))
    assert crm.parse(delivery(OPPORTUNITIES)) == [
        Fetch("opportunity", ["0065g00000XyZaBAAV"]),
        Fetch("task", ["00T5g00000QqQqQEAV"]),
    ]


def test_a_message_without_types_is_read_by_the_ids_prefix() -> None:
    """Partner messages may leave xsi:type out; an id begins with its object."""
    bare = OPPORTUNITIES.replace(b' xsi:type="sf:Opportunity"', b"").replace(
        b' xsi:type="sf:Task"', b""
    )
    assert connector().parse(delivery(bare)) == connector().parse(delivery(OPPORTUNITIES))


def test_the_same_set_of_notifications_has_the_same_id_in_any_order() -> None:
    swapped = (
        OPPORTUNITIES.replace(b"04l5g00000AbCdEAAV", b"@")
        .replace(b"04l5g00000AbCdGAAV", b"04l5g00000AbCdEAAV")
        .replace(b"@", b"04l5g00000AbCdGAAV")
    )
    other = OPPORTUNITIES.replace(b"04l5g00000AbCdGAAV", b"04l5g00000AbCdHAAV")
    crm = connector()
    assert crm.verify(delivery(swapped)) == crm.verify(delivery(OPPORTUNITIES))
    assert crm.verify(delivery(other)) != crm.verify(delivery(OPPORTUNITIES))


@pytest.mark.parametrize("body", [BOMB, EXTERNAL, BOMB.decode().encode("utf-16")])
def test_a_message_with_a_document_type_is_never_expanded(body: bytes) -> None:
    """Before any entity is expanded or any file is opened: refused where the proof stands in the
    message, else kept for a person.
    """
    with pytest.raises(SignatureError) as caught:
        connector(organization_id="00D5g000004Acme").verify(delivery(body))
    assert caught.value.code == "xml_dtd_forbidden"
    assert connector().verify(delivery(body)) is None
    with pytest.raises(PayloadError, match="xml_dtd_forbidden"):
        connector().parse(delivery(body))


def test_a_message_of_another_organisation_is_refused() -> None:
    with pytest.raises(SignatureError, match="another Salesforce organisation"):
        connector(organization_id="00D5g000004Acme").verify(delivery(LEADS))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"\xff\xfe\x00",
        OPPORTUNITIES[:900],
        b"<a>" * 5000,
        b'<?xml version="1.0" encoding="no-such-coding"?><a/>',
        b"<html><body>hello</body></html>",
        OPPORTUNITIES.replace(b"<sf:Id>0065g00000XyZaB</sf:Id>", b""),
        OPPORTUNITIES.replace(b"0065g00000XyZaB<", b"'; DROP--<"),
    ],
)
def test_what_is_no_message_is_a_payload_error_and_never_anything_else(body: bytes) -> None:
    """It is stored and quarantined, unless the organisation had to be proven."""
    crm = connector()
    crm.verify(delivery(body))
    with pytest.raises(PayloadError):
        crm.parse(delivery(body))
    with pytest.raises(SignatureError):
        connector(organization_id="00D5g0000099999").verify(delivery(body))


@pytest.mark.parametrize("long", ["05h370200108OsUAAU", "04l37000000L0E5AAK", "5005g00000AbCdEAAV"])
def test_a_short_id_becomes_the_long_one(long: str) -> None:
    """The first two pairs are from the recorded message."""
    assert id18(long[:15]) == long
    assert id18(long) == long
    assert id18("nothing") == "nothing"


def test_values_cannot_leave_their_quotes() -> None:
    assert quoted('O\'Hara\\ "x"\n') == "'O\\'Hara\\\\ \\\"x\\\"\\n'"
