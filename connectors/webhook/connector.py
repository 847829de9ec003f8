"""Systems that only POST, as a connector. It receives and nothing else: there is nothing to read
from and nothing to write to, so a delivery must hold the whole record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from connectors.sdk import (
    ConfigError,
    ConnectionConfig,
    Connector,
    Delivery,
    ObjectSpec,
    Parsed,
    PayloadError,
    Receiver,
    Record,
    Reply,
    Tier,
)
from connectors.sdk.records import Json
from connectors.webhook.config import ObjectWords, WebhookConnection
from connectors.webhook.events import cloud_events, event_key, plain_event
from connectors.webhook.paths import (
    condition_of,
    header_in,
    link_of,
    path_of,
    text_of,
)
from connectors.webhook.proof import check_secrets, prove

TYPES = {"standard-webhooks": "$.type", "stripe": "$.type", "cloudevents": "$.type"}
"""Where the type of event stands, by scheme."""
DELIVERIES = {"standard-webhooks": "header:webhook-id", "stripe": "$.id"}
"""Where the delivery's id stands, by scheme."""
LONGEST = 200
"""Characters of a record's id."""


class WebhookConnector(Connector, Receiver):
    name: ClassVar[str] = "webhook"
    title: ClassVar[str] = "Webhook"
    config: ClassVar[type[ConnectionConfig]] = WebhookConnection
    sandbox: ClassVar[str] = "connectors.webhook.sandbox:WebhookSandbox"
    objects: ClassVar[Mapping[str, ObjectSpec]] = {}
    tier: ClassVar[Tier] = Tier.GOLD

    settings: WebhookConnection

    @classmethod
    def offers(cls, settings: Mapping[str, Json]) -> Mapping[str, ObjectSpec]:
        """What stands under `objects`, whatever else is still wrong with the configuration."""
        found = {}
        for name, words in settings["objects"].items():
            gone = words.get("deleted_events") or words.get("deleted_when")
            found[str(name)] = ObjectSpec(
                title=str(words.get("title") or str(name).replace("_", " ").capitalize()),
                webhook=True,
                deletes="reported" if gone else "unseen",
                parent=words.get("parent_object"),
            )
        return found

    def setup(self) -> None:
        self.objects = self.offers(self.settings.model_dump(mode="python"))  # type: ignore[misc]
        event = self.settings.event or TYPES.get(self.settings.scheme)
        delivery = self.settings.delivery or DELIVERIES.get(self.settings.scheme)
        self._event, self._event_header = event, header_in(event)
        self._delivery, self._delivery_header = delivery, header_in(delivery)
        self.stored_headers = [self._event_header] if self._event_header else []

    def check(self) -> None:
        """There is nobody to ask; what can be known beforehand is whether the secrets are any."""
        webhook = self.settings.webhook
        proven = any(secret.get_secret_value() for secret in webhook.secret)
        by_address = self.settings.proven_by == "token" and webhook.token is not None
        if not (proven or by_address or webhook.unsigned):
            raise ConfigError(
                "No delivery could prove itself: set webhook.secret (scheme token: or "
                "webhook.token, which stands in the address)."
            )
        check_secrets(self.settings)

    # ------------------------------------------------------------------------------------- arriving

    def verify(self, delivery: Delivery) -> str | None:
        prove(delivery, self.settings)
        return self._id_of(delivery)

    def _id_of(self, delivery: Delivery) -> str | None:
        """The sender's id; else the body's hash, one and the same within the window.

        An id in a header that the signature does not cover counts together with the body, so that
        nobody can make a later delivery pass for one that came already.
        """
        digest = hashlib.sha256(delivery.body).hexdigest()
        if self._delivery_header:
            given = delivery.headers.get(self._delivery_header, "")
            if given:
                covered = self.settings.covers(self._delivery_header)
                return given if covered else f"{given}:{digest[:32]}"
        else:
            try:
                given = self._id_inside(delivery)
            except PayloadError:  # genuine, though unreadable: it is stored and put aside
                given = ""
            if given:
                return given
        if not self.settings.window:
            return None
        part = int(delivery.received_at.timestamp() // self.settings.window)
        return f"sha256:{digest}:{part}"

    def _id_inside(self, delivery: Delivery) -> str:
        if self.settings.scheme == "cloudevents" and self._delivery is None:
            keys = [event_key(event) for event in self._cloud_events(delivery)]
            if len(keys) < 2:
                return keys[0] if keys else ""
            return f"batch:{hashlib.sha256(repr(keys).encode()).hexdigest()}"
        if self._delivery is None:
            return ""
        return text_of(path_of(self._delivery).read(plain_event(delivery))) or ""

    def handshake(self, delivery: Delivery) -> Reply | None:
        """The answer to a CloudEvents sender that asks whether it may send, if it is a known one.
        https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md

        Its callback address is never called.
        """
        origin = delivery.headers.get("webhook-request-origin", "")
        known = {one.lower() for one in self.settings.origins}
        if delivery.method != "OPTIONS" or origin.lower() not in known:
            return None
        headers = {
            "webhook-allowed-origin": origin,
            "webhook-allowed-rate": str(self.settings.rate),
            "allow": "POST, OPTIONS",
        }
        return Reply(200, headers=headers)

    # -------------------------------------------------------------------------------------- reading

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        if self.settings.scheme == "cloudevents":
            events: Sequence[Json] = self._cloud_events(delivery)
        else:
            events = [plain_event(delivery)]
        return [record for event in events for record in self._records(delivery, event)]

    def _cloud_events(self, delivery: Delivery) -> list[Mapping[str, Json]]:
        trusted = self.settings.unsigned_headers or self.settings.webhook.unsigned
        return cloud_events(delivery, lambda header: trusted or self.settings.covers(header))

    def _records(self, delivery: Delivery, event: Json) -> list[Record]:
        kind = self._kind(delivery, event)
        if _among(kind, self.settings.ignore):
            return []
        wanted = [
            (name, words)
            for name, words in self.settings.objects.items()
            if _among(kind, words.events) or _among(kind, words.deleted_events)
        ]
        if not wanted:
            raise PayloadError(
                f"No object takes events of type '{kind:.100}': name it under an object's "
                "`events`, or under `ignore`.",
                self._event or "event",
            )
        return [
            record
            for name, words in wanted
            for record in _read(name, words, event, gone=_among(kind, words.deleted_events))
        ]

    def _kind(self, delivery: Delivery, event: Json) -> str:
        if self._event_header:
            kind: str | None = delivery.headers.get(self._event_header, "").strip() or None
        else:
            kind = text_of(path_of(self._event).read(event)) if self._event else ""
        if kind is not None:
            return kind
        if all(words.events == ["*"] for words in self.settings.objects.values()):
            return ""  # nobody asks for it
        raise PayloadError(
            f"The delivery does not say what happened ({self._event}).", str(self._event)
        )


def _among(kind: str, patterns: Sequence[str]) -> bool:
    return any(
        kind.startswith(pattern[:-1]) if pattern.endswith("*") else kind == pattern
        for pattern in patterns
    )


def _read(name: str, words: ObjectWords, event: Json, *, gone: bool) -> list[Record]:
    found = path_of(words.records).read(event)
    rows = found if isinstance(found, list) else [found]
    return [_record(name, words, row, gone) for row in rows]


def _record(name: str, words: ObjectWords, row: Any, gone: bool) -> Record:
    place = f"objects.{name}"
    if not isinstance(row, dict):
        raise PayloadError(f"There is no {name} at {words.records}.", f"{place}.records")
    id = text_of(path_of(words.id).read(row))
    if id is None or len(id) > LONGEST:
        raise PayloadError(f"A {name} without an id at {words.id}.", f"{place}.id")

    def text(path: str | None) -> str | None:
        return text_of(path_of(path).read(row)) if path else None

    version = path_of(words.version).read(row) if words.version else None
    moment = _moment(path_of(words.updated_at or words.version or "$").read(row))
    deleted = gone or bool(words.deleted_when and condition_of(words.deleted_when).holds(row))
    return Record(
        name,
        id,
        row,
        version=_ordered(version),
        updated_at=moment,
        url=link_of(words.url, row) if words.url else None,
        deleted=deleted,
        parent=text(words.parent),
        actor=text(words.actor),
    )


def _moment(value: Any) -> datetime | None:
    """A time with its zone; a date or a time without one is no moment."""
    if not isinstance(value, str) or not 19 < len(value) < 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _ordered(value: Any) -> str | None:
    """A version as text that sorts: numbers filled up, times in UTC to the microsecond. The hub
    compares texts, and "9" sorts behind "10".
    """
    if moment := _moment(value):
        return moment.isoformat(timespec="microseconds")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        return value.zfill(20)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, int) and 0 <= value < 10**20:
        return f"{value:020d}"
    if isinstance(value, float) and 0 <= value < 10**20:
        return f"{value:027.6f}"
    return str(value)[:LONGEST] or None
