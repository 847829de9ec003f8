"""The contract of a connector: one class, up to four small roles, one configuration model.

A connector knows its vendor's paging, auth, signing and error names. It never sleeps, retries, maps
or stores, and
its construction does no I/O. Methods are synchronous and may be called from several threads at
once.

    class AcmeConnector(Connector, Source, Sink, Receiver): ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import ClassVar

from connectors.sdk.config import ConnectionConfig
from connectors.sdk.records import (
    Change,
    Cursor,
    Delivery,
    Field,
    Json,
    ObjectSpec,
    Page,
    Parsed,
    Record,
    Reply,
    Result,
    Subscription,
)


class Connector(ABC):
    """One configured account at a vendor. Subclasses name what they are and what they can do.

    `sandbox` is `"module:Class"` of the local server that behaves like the vendor, imported only
    when asked for.
    `default_mappings` are file names in the connector's `mappings/` folder that apply where a
    workspace has none.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    config: ClassVar[type[ConnectionConfig]]
    objects: ClassVar[Mapping[str, ObjectSpec]]
    sandbox: ClassVar[str]
    names_people_by_email: ClassVar[bool] = False
    """Whether a person without an entry under `identities` is written by e-mail address."""

    def __init__(self, connection: str, settings: ConnectionConfig) -> None:
        """`connection` is the name the account has in hub.yaml. No I/O here."""
        self.connection = connection
        self.settings = settings

    @abstractmethod
    def check(self) -> None:
        """Return if the credentials work. Raises AuthError or ConfigError that say what a person
        must do.
        """

    def close(self) -> None:
        """Give back sockets and files. Called once, when the connection is reconfigured or the hub
        stops.
        """
        return None


class Source(ABC):
    """A connector that can be read."""

    @abstractmethod
    def discover(self, object: str) -> Sequence[Field]:
        """The fields this account really has, custom ones included."""

    @abstractmethod
    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """Pages of records changed since `cursor`, oldest first, each with the cursor that follows
        it.

        `fields` are the top-level vendor fields the mappings read; a connector may return more.
        Equal timestamps
        and records that change while paging must not be lost. An empty iterator or page means:
        nothing new.
        """

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        """These records now. One that is gone comes back with `deleted=True`."""
        raise NotImplementedError

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """For each create whose outcome is unknown: the record that carries its key, or None."""
        raise NotImplementedError

    def read(self, object: str, id: str) -> bytes:
        """An attachment's bytes."""
        raise NotImplementedError


class Sink(ABC):
    """A connector that can be written to."""

    @abstractmethod
    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        """Carry out a batch (all of one object, at most its `batch`), one result per change, in
        order.

        Repeating a batch is harmless wherever the spec says `keyed`. Errors that concern the whole
        connection
        (AuthError, RateLimitError, ConfigError) are raised before anything was written; everything
        about one
        change is a Result. A network failure after sending is `unknown`, before sending `retry`.
        """


class Receiver(ABC):
    """A connector whose vendor sends webhooks."""

    handshake_before_verify: ClassVar[bool] = False
    """Whether a POST is offered to `handshake` before `verify`: for vendors whose handshake cannot
    be signed, because it hands over the secret (Asana) or comes before there is one (Slack). Such a
    `handshake` must recognise its own kind strictly, as anybody may have sent it.
    """

    stored_headers: Collection[str] = ()
    """Further headers that `verify` or `parse` reads and that may be stored, in lower case. The
    intake keeps the usual ones (content type, signatures, event, delivery id) by itself.
    """

    @abstractmethod
    def verify(self, delivery: Delivery) -> str | None:
        """The delivery id if genuine (None: the vendor has none), judged at `delivery.received_at`.

        Raises SignatureError. The raw bytes are judged; nothing is parsed that an attacker could
        have written.
        """

    def handshake(self, delivery: Delivery) -> Reply | None:
        """The reply a vendor wants before it sends anything (GET challenge, HEAD probe, `ping`),
        else None.
        """
        return None

    def acknowledge(self, delivery: Delivery) -> Reply | None:
        """The success answer where our JSON will not do."""
        return None

    @abstractmethod
    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        """What a genuine delivery says. Pure. Raises PayloadError. Knowingly ignored events give an
        empty list.
        """


class Subscriber(ABC):
    """A connector whose vendor registers webhooks by API."""

    @abstractmethod
    def subscribe(self, url: str) -> Subscription: ...

    @abstractmethod
    def renew(self, subscription: Subscription) -> Subscription: ...

    @abstractmethod
    def unsubscribe(self, subscription: Subscription) -> None: ...


__all__ = ["Connector", "Json", "Receiver", "Sink", "Source", "Subscriber"]
