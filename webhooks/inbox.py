"""What the intake is given from outside: connections to look up and an inbox to store into.

Both are small protocols, so that this floor knows neither the store nor the registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from connectors.sdk import Delivery, Parsed, Receiver, SignatureError

Verdict = Literal["genuine", "unsigned"]


class Out(Receiver):
    """Stands where a connection's connector should be and cannot be built; nothing is genuine."""

    def verify(self, delivery: Delivery) -> str | None:
        raise SignatureError("This connection takes no deliveries now.")

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How one connection takes deliveries. `out` says why it takes none now (its receiver is then
    `Out`): its senders are told to come back.

    `token_hash` is the SHA-256 of the token in the address. With `token_required` an address
    without it is refused; otherwise such a delivery is judged by its signature alone. `max_body`
    is in bytes, None for the application's cap. `on_secret` stores a secret that a handshake
    handed over, or raises PermissionError where none is awaited now; None says that this connection
    never awaits one. Such a handshake is refused.
    """

    connection: str
    receiver: Receiver
    token_hash: bytes | None = field(default=None, repr=False)
    token_required: bool = False
    unsigned: bool = False
    capture: bool = False
    max_body: int | None = None
    on_secret: Callable[[str], None] | None = None
    out: str = ""


class Connections(Protocol):
    """The connections that take deliveries."""

    def get(self, name: str) -> Endpoint | None:
        """The endpoint, or None where there is none. Called on the event loop: answers from
        memory.
        """


@dataclass(
    slots=True
)  # not frozen: that makes building one, which every request does, 4 times dearer
class Incoming:
    """One judged delivery on its way to the inbox.

    `url` is the public URL as called, the token shown as `***`. `headers` holds the allow-listed
    ones only. `body` is what was signed: the bytes after any Content-Encoding was undone.
    `body_hash` is its SHA-256 in hex. `delivery_id` is always safe to index and store as text.
    """

    connection: str
    delivery_id: str | None
    received_at: datetime
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    body_hash: str
    verdict: Verdict
    capture: bool


class Stored(NamedTuple):
    """The row that now holds a delivery; `duplicate` where it was there before."""

    id: str
    duplicate: bool = False


class Unsure(Exception):
    """The database was lost while it committed: a batch may be stored, or not."""


class Inbox(Protocol):
    """Where deliveries become durable."""

    def store(self, batch: Sequence[Incoming]) -> Sequence[Stored]:
        """Store all of them in one transaction and say what became of each, in order.

        Returns only after the commit is on disk; raises if nothing was stored, and Unsure where
        that is not known: then nobody is told that it was, and it is not stored a second time.
        One batch may hold the same delivery twice. Always called from one and the same thread.
        """
