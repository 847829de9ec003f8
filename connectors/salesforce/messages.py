"""Outbound messages: SOAP that Salesforce posts when a record changes.

They carry no signature and only the fields an admin ticked, may come twice and out of order, so a
message is proof of nothing but "look at this record".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from connectors.salesforce.objects import PREFIXES
from connectors.salesforce.soql import id18, is_id
from connectors.sdk import PayloadError

DTD = "xml_dtd_forbidden"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
OUTBOUND = "{http://soap.sforce.com/2005/09/outbound}"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
ACK = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/">'
    b"<soapenv:Body>"
    b'<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound">'
    b"<Ack>true</Ack>"
    b"</notificationsResponse></soapenv:Body></soapenv:Envelope>"
)


@dataclass(frozen=True, slots=True)
class Notification:
    """One record's turn in a message: `sobject` is the API name of its object."""

    id: str
    sobject: str
    record: str


@dataclass(frozen=True, slots=True)
class Message:
    organization: str
    action: str
    notifications: Sequence[Notification]

    @property
    def delivery_id(self) -> str:
        """The notification's id, or one made of all of them: a repeat of the same set is one
        delivery.
        """
        ids = sorted(notification.id for notification in self.notifications)
        if len(ids) == 1:
            return ids[0]
        digest = hashlib.sha256("\n".join([self.action, *ids]).encode()).hexdigest()
        return f"{self.action}-{digest[:32]}"


def _text(parent: Element, tag: str, place: str) -> str:
    text = (parent.findtext(tag) or "").strip()
    if not text:
        raise PayloadError(f"The outbound message has no {tag.split('}')[-1]}.", place)
    return text


def _notification(element: Element, place: str) -> Notification:
    sobject = element.find(OUTBOUND + "sObject")
    if sobject is None:
        raise PayloadError("A notification has no sObject.", place)
    # the object's own namespace differs between enterprise and partner messages
    record = next((c.text or "" for c in sobject if c.tag.rsplit("}", 1)[-1] == "Id"), "").strip()
    if not is_id(record):
        raise PayloadError("A notification's sObject has no record id.", f"{place}/sObject/Id")
    named = sobject.get(XSI_TYPE, "").rsplit(":", 1)[-1]
    return Notification(
        id=id18(_text(element, OUTBOUND + "Id", f"{place}/Id")),
        sobject=named or PREFIXES.get(record[:3], ""),
        record=id18(record),
    )


def read_message(body: bytes) -> Message:
    """The message in a request body. Raises PayloadError for what is none; its `place` is
    `xml_dtd_forbidden` for a DTD, which Salesforce never sends and nobody expands here.
    """
    try:
        envelope = fromstring(body, forbid_dtd=True)
    except DefusedXmlException:
        raise PayloadError(
            f"The message declares a DTD; Salesforce never does ({DTD}).", DTD
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise PayloadError(f"The outbound message is not XML: {error}.") from None
    place = "Envelope/Body/notifications"
    notifications = envelope.find(f"{SOAP}Body/{OUTBOUND}notifications")
    if envelope.tag != SOAP + "Envelope" or notifications is None:
        raise PayloadError("This is not an outbound message.", place)
    elements = notifications.findall(OUTBOUND + "Notification")
    if not elements:
        raise PayloadError("The outbound message carries no notification.", place)
    return Message(
        organization=id18(_text(notifications, OUTBOUND + "OrganizationId", place)),
        action=id18(_text(notifications, OUTBOUND + "ActionId", place)),
        notifications=[
            _notification(element, f"{place}/Notification[{number}]")
            for number, element in enumerate(elements, 1)
        ],
    )
