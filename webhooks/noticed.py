"""What was answered without a row in the inbox, for whoever watches: refused deliveries, duplicates
and handshakes.

A notice never holds a body, a signature or a token: of the headers the names, and the values of
those few that help to find a wrong setting. A stranger decides how much of this there is, so the
watcher says what it still wants, and everything else is only counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal, Protocol

MOST_HEADERS = 40
LONGEST_NAME = 60
LONGEST_VALUE = 200
LONGEST_REASON = 600

_SHOWN = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "date",
        "expect",
        "forwarded",
        "host",
        "transfer-encoding",
        "user-agent",
        "via",
        "x-event-key",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
    }
)
_SHOWN_SUFFIXES = ("-delivery", "-event", "-timestamp", "-topic")

_PARTS: Mapping[str, str] = {
    "connection_unknown": "route",
    "connection_unavailable": "route",
    "method_not_allowed": "method",
    "request_malformed": "size",
    "body_too_large": "size",
    "body_timeout": "size",
    "encoding_invalid": "encoding",
    "encoding_unsupported": "encoding",
    "signature_invalid": "signature",
    "timestamp_out_of_window": "timestamp",
    "handshake_rejected": "handshake",
    "cannot_store": "store",
}

Outcome = Literal["refused", "duplicate", "handshake"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One answer that left no row.

    `code` is that of the problem, else the outcome again. `part` names the check that refused.
    `path` is without token and query; `size` is in bytes as far as known; `remote` is the address
    of the socket, which may be a proxy's. A header whose value is not for showing stands there as
    `***`. Of a duplicate `reason` is the id of the delivery that it equals. A notice of an address
    that names no connection has an empty one, and its `path` is as it was asked for.
    """

    connection: str
    at: datetime
    outcome: Outcome
    code: str
    part: str
    reason: str
    method: str
    path: str
    size: int | None
    remote: str | None
    headers: Mapping[str, str]


class Notices(Protocol):
    """Who watches. Both are called on the event loop and answer from memory."""

    def wanted(self, connection: str, outcome: Outcome, code: str) -> bool:
        """Count one answer; whether its particulars are wanted too. `connection` is empty where
        the address names none that there is.
        """

    def note(self, notice: Notice) -> None:
        """Take the particulars."""


def part_of(code: str, part: str = "") -> str:
    """The check that a refusal failed at."""
    return part or _PARTS.get(code, code)


def shown_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Header names as they came, and the values of those that are neither secret nor a proof."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        if len(found) == MOST_HEADERS:
            break
        found[_printable(name, LONGEST_NAME)] = (
            _printable(value, LONGEST_VALUE) if _shows(name) else "***"
        )
    return found


def reason_of(text: str) -> str:
    """Why, in one line."""
    return _printable(text, LONGEST_REASON)


@lru_cache(maxsize=1024)
def _shows(name: str) -> bool:
    return name in _SHOWN or name.endswith(_SHOWN_SUFFIXES)


def _printable(text: str, longest: int) -> str:
    cut = text[:longest]
    return cut if cut.isprintable() else "".join(c if c.isprintable() else "?" for c in cut)
