"""How the conformance kit makes things happen to mail."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from connectors.email.connector import PAGE
from connectors.email.sandbox import EmailSandbox
from connectors.sdk.records import Change, Json
from connectors.sdk.sandbox import Drill, Inapplicable

READER = "ann@customer.test"


class EmailDrill(Drill):
    """People who write to the hub, and to whom it writes."""

    page = PAGE

    def __init__(self, sandbox: EmailSandbox) -> None:
        self._sandbox = sandbox
        self._made = 0
        self._ahead = 0.0

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        ids = []
        for _ in range(count):
            self._made += 1
            ids.append(f"<p{self._made}@customer.test>")
            when = at or datetime.now(UTC) + timedelta(seconds=self._ahead)
            raw = (
                f"Message-ID: {ids[-1]}\r\nFrom: Ann <{READER}>\r\nTo: {self._sandbox.address}\r\n"
                f"Subject: Question {self._made}\r\nDate: {email.utils.format_datetime(when)}\r\n"
                f"\r\nWhat about {self._made}?\r\n"
            )
            self._sandbox.deliver(self._sandbox.address, raw.encode(), at=when)
        return ids

    def edit(self, object: str, id: str) -> None:
        """A mail never changes; what does is where it lies."""
        self.move(object, id)

    def remove(self, object: str, id: str) -> None:
        self._sandbox.discard(self._sandbox.address, id)

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        """What came to the hub and what it sent, by Message-ID."""
        mails = [
            *self._sandbox.inbox(self._sandbox.address),
            *self._sandbox.sent(self._sandbox.address),
        ]
        return {str(mail["Message-ID"]): {"subject": str(mail["Subject"])} for mail in mails}

    def creation(self, object: str, key: str) -> Change:
        fields = {"to": [READER], "subject": f"News of {key}", "text": "There is news."}
        return Change("create", object, key, fields)

    def refusal(self, object: str, key: str) -> Change:
        """A line break would smuggle in a header."""
        fields = {"to": [READER], "subject": "One\r\nBcc: all@customer.test", "text": "Two"}
        return Change("create", object, key, fields)

    def move(self, object: str, id: str) -> None:
        """A person moves a mail to another folder, and back."""
        self._sandbox.move_away_and_back(self._sandbox.address, id)

    def expire_cursor(self) -> None:
        """The server numbers the mailbox anew."""
        self._sandbox.renumber(self._sandbox.address)

    def expire_token(self) -> None:
        if not self._sandbox.oauth:
            raise Inapplicable("a password does not expire by itself; tokens have their own test")
        self._sandbox.expire_token()

    def ignore_writes(self, count: int) -> None:
        raise Inapplicable("a mail that was accepted cannot be read back from its reader")

    def clock(self, ahead: float) -> None:
        self._ahead = ahead
