"""The contract of a connector: one class, up to five small roles, one configuration model.

A connector knows its vendor's paging, auth, signing and error names. It never sleeps, retries, maps
or stores, and its construction does no I/O. Methods are synchronous and may be called from several
threads at once.

    class AcmeConnector(Connector, Source, Sink, Receiver): ...
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from enum import IntEnum
from functools import partial
from typing import Any, ClassVar, Literal

import httpx
from pydantic import SecretStr

from connectors.sdk.auth import AuthorizationCode, ClientAuth, Grant, OAuth2
from connectors.sdk.config import ConnectionConfig
from connectors.sdk.errors import ConfigError, UnsupportedError
from connectors.sdk.host import Host
from connectors.sdk.http import Bucket, Explain, HttpClient, bucket_of
from connectors.sdk.network import Destinations
from connectors.sdk.quota import Usage
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


class Tier(IntEnum):
    """What the conformance kit found a connector to keep; each tier includes those below it."""

    NONE = 0
    BRONZE = 1
    """Pulls and maps."""
    SILVER = 2
    """Pushes without doubling, verifies webhooks."""
    GOLD = 3
    """Batches, deletions, every fault a vendor shows, renewal of what expires."""


class Connector(ABC):
    """One configured account at a vendor. Subclasses name what they are and what they can do.

    `sandbox` is `"module:Class"` of the local server that behaves like the vendor, imported only
    when asked for. Files in the connector's `mappings/` folder apply where a workspace has none.
    `tier` is what the connector claims; its conformance test fails when that is not what it earns.
    `waived` names checks that it does not keep, each with the reason people are shown.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    config: ClassVar[type[ConnectionConfig]]
    objects: ClassVar[Mapping[str, ObjectSpec]]
    sandbox: ClassVar[str]
    tier: ClassVar[Tier] = Tier.NONE
    waived: ClassVar[Mapping[str, str]] = {}
    rates: ClassVar[Mapping[str, str]] = {}
    """The vendor's limits by bucket, as in `{"write": "80/minute"}`; see `HttpClient`."""
    names_people_by_email: ClassVar[bool] = False
    """Whether a person without an entry under `identities` is written by e-mail address."""
    reaches_people_by: ClassVar[Literal["email", "account"] | None] = None
    """How its object `message` finds a person: by e-mail address, so anybody, or by an account in
    the tool. None: it writes to nobody.
    """
    takes_buttons: ClassVar[bool] = False
    """Whether a `message` may carry `buttons` and `decided`, and be updated; see the README of
    slack. A pressed one comes back as an `Answer`.
    """

    def __init__(
        self, connection: str, settings: ConnectionConfig, host: Host | None = None
    ) -> None:
        """`connection` is the name the account has in hub.yaml. No I/O here."""
        if not isinstance(settings, self.config):
            raise ConfigError(f"Connection '{connection}' needs the settings of '{self.name}'.")
        self.connection = connection
        self.settings = settings
        self.host = host or Host()
        self._closing = ExitStack()
        self._clients: list[HttpClient] = []
        self.setup()

    @classmethod
    def offers(cls, settings: Mapping[str, Json]) -> Mapping[str, ObjectSpec]:
        """The objects of a connection that is configured so, secrets unresolved: those of the
        class, unless its configuration says what it offers.
        """
        return cls.objects

    def setup(self) -> None:
        """Build clients and tables from `self.settings`. Called once; no I/O here either."""
        return None

    def http(
        self,
        base_url: str,
        *,
        auth: httpx.Auth | None = None,
        headers: Mapping[str, str] | None = None,
        explain: Explain | None = None,
        bucket: Bucket = bucket_of,
    ) -> HttpClient:
        """A client with this connection's deadline, destinations and pace; closed with it."""
        client = HttpClient(
            base_url,
            title=self.title,
            headers=headers,
            auth=auth,
            explain=explain,
            deadline=self.settings.deadline,
            rates=self.rates,
            take=partial(self.host.pace.take, self.connection),
            bucket=bucket,
            destinations=Destinations(self.settings.networks),
        )
        self._closing.callback(client.close)
        self._clients.append(client)
        return client

    def usage(self) -> Usage:
        """What was asked of the vendor since the connection was configured, and what it says of its
        own limit: of several, the one that is nearest.
        """
        said = [client.quota for client in self._clients if client.quota is not None]
        return Usage(
            sum(client.requests for client in self._clients),
            min(said, key=lambda one: one.remaining / one.limit) if said else None,
        )

    def oauth2(
        self,
        token_url: str,
        client_id: str,
        grant: Grant,
        *,
        client_secret: SecretStr | None = None,
        client_auth: ClientAuth | None = None,
        remedies: Mapping[str, str] | None = None,
    ) -> OAuth2:
        """OAuth 2 for `http(auth=…)`, with the tokens in the hub's vault."""
        auth = OAuth2(
            self.connection,
            title=self.title,
            token_url=token_url,
            client_id=client_id,
            grant=grant,
            vault=self.host.vault,
            client_secret=client_secret,
            client_auth=client_auth,
            destinations=Destinations(self.settings.networks),
            deadline=self.settings.deadline,
            remedies=remedies,
        )
        self._closing.callback(auth.close)
        self.consent = auth if isinstance(grant, AuthorizationCode) else None
        return auth

    consent: OAuth2 | None = None
    """Set where a person has to agree in a browser before the first request."""

    def spec(self, object: str) -> ObjectSpec:
        """What can be done with an object. Raises UnsupportedError for an unknown one."""
        found = self.objects.get(object)
        if found is None:
            raise UnsupportedError(
                f"{self.title} has no object '{object}' here; it has {', '.join(self.objects)}."
            )
        return found

    @abstractmethod
    def check(self) -> None:
        """Return if the credentials work. Raises AuthError or ConfigError that say what a person
        must do.
        """

    def close(self) -> None:
        """Give back sockets and files. Called once, when the connection is reconfigured or the hub
        stops.
        """
        self._closing.close()


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

    def covers(self, object: str, address: Mapping[str, Any]) -> bool:
        """Whether a pull of everything would show a record with this address, as this connection is
        configured now. One that it leaves out (a repository that is not listed any more) is not
        missed. Does no I/O.
        """
        return True

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        """These records now. One that is gone comes back with `deleted=True`."""
        raise NotImplementedError

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        """For each create whose outcome is unknown: the record that carries its key, or None."""
        raise NotImplementedError

    def read(self, object: str, id: str) -> bytes:
        """An attachment's bytes."""
        raise NotImplementedError


class Watcher(ABC):
    """A source that notices a change when it happens: a mailbox that is listened to, a long poll.
    Only a wake-up: the hub pulls at once instead of at the next turn, and in turn all the same.
    """

    @abstractmethod
    def wait(self, object: str, cursor: Cursor, timeout: float) -> bool:
        """True as soon as something of this object may have changed since `cursor` (the one that
        the last pull left), at once where it has already. False after `timeout` seconds, or when
        `close` is called meanwhile by another thread.

        Blocks a thread of its own, up to half an hour at a time. Raises what `pull` raises, and
        UnsupportedError where this account cannot be listened to: the hub then asks no more until
        the connection changes. A pull after True may find nothing, but moves the cursor, so that
        asking again does not return at once.
        """


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

    def adopt(self, object: str, cursor: Cursor) -> int:
        """Give records that have no identity yet one, where the vendor knows none (rows of a
        sheet): how many. Called before a pull, with the cursor it begins at, where the mapping
        writes too; the pull then shows them.
        """
        return 0


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

    def prepare(self) -> None:
        """Begin to get what `verify` will need and must not wait for (an issuer's public keys).
        Called off the event loop, again and again; returns at once.
        """
        return None

    @classmethod
    def proved_by(cls, settings: Mapping[str, Json]) -> Sequence[str]:
        """Which keys under `webhook` can prove a delivery to a connection that is configured so,
        secrets unresolved: one of them must be there. Empty: what proves it stands elsewhere.
        """
        return cls.proofs

    proofs: ClassVar[Sequence[str]] = ("secret", "token")
    """What `proved_by` says where it is the same for every connection: `secret` of vendors that
    sign, `token` of those that cannot.
    """

    awaits_secret: bool = False
    """Whether a handshake may hand over a signing secret, which is then stored beside those there
    are: only where the address itself is a secret, as nobody can sign such a handshake.
    """

    def acknowledge(self, delivery: Delivery) -> Reply | None:
        """The success answer where our JSON will not do."""
        return None

    def sign(self, delivery: Delivery, *, id: str = "") -> Delivery:
        """`delivery` as the genuine sender would send it: with the headers (at some vendors the
        query, or the token in the address) that prove it, signed at `received_at` with the newest
        secret. `id` is the sender's name for it, made up where it is left out.

        For `hub sign`, sandboxes and tests. Raises ConfigError where the connection has no secret,
        UnsupportedError where only the vendor holds what signs.
        """
        raise UnsupportedError(
            "Nothing is known of how its sender signs; send a test from the vendor instead."
        )

    @abstractmethod
    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        """What a genuine delivery says. Pure. Raises PayloadError. Knowingly ignored events give an
        empty list.
        """


class Subscriber(ABC):
    """A connector whose vendor registers webhooks by API. The hub subscribes once, renews at half
    life, and keeps the secret where the vendor hands one over.
    """

    @abstractmethod
    def subscribe(self, url: str) -> Subscription:
        """Register `url`, or take over what is registered for it already: repeating is harmless."""

    @abstractmethod
    def renew(self, subscription: Subscription) -> Subscription:
        """Prolong it, or replace it where the vendor knows no prolonging. Raises NotFoundError
        where it has ended; the hub then subscribes anew.
        """

    @abstractmethod
    def unsubscribe(self, subscription: Subscription) -> None:
        """End it. One that is gone already is fine."""


__all__ = ["Connector", "Json", "Receiver", "Sink", "Source", "Subscriber", "Tier", "Watcher"]
