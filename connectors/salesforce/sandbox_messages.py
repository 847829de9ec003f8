"""The sandbox's outbound messages: a queue that posts SOAP until the other side acknowledges.

As at Salesforce, a failed message is sent again with growing pauses, up to 100 records travel in
one message, a record's values are those at the time of sending, and one may arrive twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape

import requests
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Salesforce pauses for up to two hours; a demo should recover while one looks."""
MESSAGE_SIZE = 100
CARRIED = {
    "Opportunity": ("Id", "Name", "StageName", "SystemModstamp"),
    "Task": ("Id", "Subject", "Status", "SystemModstamp"),
    "Case": ("Id", "CaseNumber", "Status", "SystemModstamp"),
    "Contact": ("Id", "Name", "Email", "SystemModstamp"),
}
"""The fields an admin ticked for each message."""
_ACTIONS = {name: f"04k5g000000000{place}AAA" for place, name in enumerate(CARRIED, 1)}
_ACK = "{http://soap.sforce.com/2005/09/outbound}Ack"


@dataclass(frozen=True, slots=True)
class Pending:
    id: str
    record: str


class Announcer:
    """One thread that sends what is due. `read` gives a record's present values or None."""

    def __init__(
        self,
        organization: str,
        read: Callable[[str, str], Mapping[str, Any] | None],
        url: Callable[[], str | None],
    ) -> None:
        self.organization = organization
        self.read = read
        self.url = url
        self.recording = False
        """Keep what happens under `recorded`, whether or not anybody is told of it."""
        self.recorded: list[tuple[str, Pending]] = []
        self.queues: dict[str, list[Pending]] = {name: [] for name in CARRIED}
        self.duplicates = 0
        """Send this many acknowledged messages once more."""
        self.attempts: list[tuple[str, bool]] = []
        """Every message sent: its object, and whether it was acknowledged."""
        self._failures = dict.fromkeys(CARRIED, 0)
        self._due = dict.fromkeys(CARRIED, 0.0)
        self._counter = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="salesforce-outbound", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout=15)

    def add(self, name: str, record: str) -> None:
        told = self.url() is not None
        if name not in CARRIED or not (told or self.recording):
            return
        with self._changed:
            self._counter += 1
            pending = Pending(f"04l5g{self._counter:010d}AAA", record)
            if self.recording:
                self.recorded.append((name, pending))
            if told:
                self.queues[name].append(pending)
                self._changed.notify_all()

    def wait_idle(self, timeout: float = 10.0) -> bool:
        """Whether everything was acknowledged within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not any(self.queues.values()), timeout)

    def _next(self) -> tuple[str, list[Pending]] | None:
        """The next message to send; None when stopping."""
        with self._changed:
            while not self._stopping:
                waiting = [name for name, queue in self.queues.items() if queue]
                soonest = min(waiting, key=self._due.__getitem__, default=None)
                pause = None if soonest is None else self._due[soonest] - time.monotonic()
                if soonest is not None and pause is not None and pause <= 0:
                    return soonest, self.queues[soonest][:MESSAGE_SIZE]
                self._changed.wait(pause)
        return None

    def _run(self) -> None:
        while (job := self._next()) is not None:
            name, batch = job
            acknowledged = self._post(self.message(name, batch))
            with self._changed:
                self.attempts.append((name, acknowledged))
                if acknowledged:
                    self._failures[name], self._due[name] = 0, 0.0
                    if self.duplicates:
                        self.duplicates -= 1
                    else:
                        self.queues[name] = self.queues[name][len(batch) :]
                else:
                    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures[name], 10))
                    self._failures[name] += 1
                    self._due[name] = time.monotonic() + pause
                self._changed.notify_all()

    def _post(self, body: bytes) -> bool:
        url = self.url()
        if url is None:
            return False
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
        try:
            answer = requests.post(
                url, data=body, headers=headers, timeout=10, allow_redirects=False
            )
            tree = fromstring(answer.content, forbid_dtd=True)
        except (requests.RequestException, ParseError, DefusedXmlException, ValueError):
            return False
        ack = tree.find(f".//{_ACK}")
        return answer.status_code == 200 and ack is not None and (ack.text or "").strip() == "true"

    def message(self, name: str, batch: Sequence[Pending]) -> bytes:
        """The SOAP envelope with these notifications."""
        parts = []
        for pending in batch:
            row = self.read(name, pending.record) or {"Id": pending.record}
            fields = "".join(
                f"<sf:{column}>{escape(str(row[column]))}</sf:{column}>"
                for column in CARRIED[name]
                if row.get(column) is not None
            )
            parts.append(
                f"<Notification><Id>{pending.id}</Id>"
                f'<sObject xsi:type="sf:{name}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
                f"{fields}</sObject></Notification>"
            )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>'
            '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
            '<notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
            f"<OrganizationId>{self.organization}</OrganizationId>"
            f"<ActionId>{_ACTIONS[name]}</ActionId>"
            '<SessionId xsi:nil="true"/>'
            f"{''.join(parts)}</notifications></soapenv:Body></soapenv:Envelope>"
        ).encode()
