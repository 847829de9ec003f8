"""Systems that only POST, as a connector. It receives and nothing else: there is nothing to read
from and nothing to write to, so a delivery must hold the whole record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
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
from connectors.sdk.handshakes import cloud_events_permission
from connectors.sdk.records import Json
from connectors.sdk.scheme import Scheme
from connectors.sdk.schemes import SCHEMES, check_secrets
from connectors.sdk.senders import new_id, with_default
from connectors.sdk.versions import comparable
from connectors.webhook.config import ObjectWords, WebhookConnection
from connectors.webhook.events import cloud_events, event_key, events_of, plain_event
from connectors.webhook.paths import (
    condition_of,
    header_in,
    link_of,
    path_of,
    text_of,
)
from connectors.webhook.proof import prove

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
        settings = self.settings
        self._proof = SCHEMES[settings.proven_by]
        form: Scheme | None = None if settings.scheme == "cloudevents" else self._proof
        self._form = form
        usual = form.event if form else ("$.type",)
        self._events = (settings.event,) if settings.event else usual
        self._delivery = settings.delivery or (form.delivery if form else None)
        self._delivery_header = header_in(self._delivery)
        named = [header_in(place) for place in (*self._events, self._delivery)]
        self.stored_headers = [name for name in named if name]
        keys = settings.public_keys(settings.proven_by, self.http)
        self._keys, self._terms = keys, settings.terms(settings.webhook, keys, settings.user)
        behind_token = settings.webhook.token is not None
        self.awaits_secret = bool(form and form.hands_over and behind_token)
        vars(self).update(handshake_before_verify=bool(form and form.unproved))

    def prepare(self) -> None:
        if self._keys is not None:
            self._keys.prepare()

    @classmethod
    def proved_by(cls, settings: Mapping[str, Json]) -> Sequence[str]:
        scheme = settings.get("scheme")
        name = settings.get("proof", "token") if scheme == "cloudevents" else scheme
        return SCHEMES[name].proof if name in SCHEMES else ("secret", "token")

    def check(self) -> None:
        """There is nobody to ask; what can be known beforehand is whether the secrets are any."""
        webhook, proof = self.settings.webhook, self._proof.proof
        proven = "secret" in proof and any(one.get_secret_value() for one in webhook.secret)
        by_address = "token" in proof and webhook.token is not None
        if proof and not (proven or by_address or webhook.unsigned):
            raise ConfigError(
                "No delivery could prove itself: set "
                + " or ".join(f"webhook.{one}" for one in proof)
                + (" (token: as the last part of the address)." if "token" in proof else ".")
            )
        key = self.settings.key if self.settings.proven_by == "hmac" else None
        check_secrets(self.settings.proven_by, webhook.secret, key)

    # ------------------------------------------------------------------------------------- arriving

    def verify(self, delivery: Delivery) -> str | None:
        prove(delivery, self.settings, self._terms)
        return self._id_of(delivery)

    def sign(self, delivery: Delivery, *, id: str = "") -> Delivery:
        if self.settings.scheme == "cloudevents" and "content-type" not in delivery.headers:
            kind = {"content-type": "application/cloudevents+json"}
            delivery = replace(delivery, headers={**delivery.headers, **kind})
        webhook, header = self.settings.webhook, self._delivery_header
        if header:  # before the proof, which may cover it
            delivery = with_default(delivery, header, id or new_id())
        if webhook.unsigned and not webhook.secret and webhook.token is None:
            return delivery
        return self._proof.signed(delivery, self._terms, id)

    def _id_of(self, delivery: Delivery) -> str | None:
        """The sender's id; else the body's hash, one and the same within the window.

        An id in a header that the signature does not cover counts together with the body, so that
        nobody can make a later delivery pass for one that came already.
        """
        digest = hashlib.sha256(delivery.body).hexdigest()
        if self._delivery_header:
            given = delivery.headers.get(self._delivery_header, "")
            if given:
                covered = self.settings.trusts(self._delivery_header)
                return given if covered else f"{given}:{digest[:32]}"
        elif self._delivery is None and self._form and self._form.identify:
            return self._form.identify(delivery)
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
        if self._form is None:
            return cloud_events_permission(delivery, self.settings.origins, self.settings.rate)
        return self._form.handshake(delivery) if self._form.handshake else None

    def acknowledge(self, delivery: Delivery) -> Reply | None:
        return self._form.reply if self._form else None

    # -------------------------------------------------------------------------------------- reading

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        if self.settings.scheme == "cloudevents":
            events: Sequence[Json] = self._cloud_events(delivery)
        else:
            events = events_of(delivery, self._form)
        return [record for event in events for record in self._records(delivery, event)]

    def _cloud_events(self, delivery: Delivery) -> list[Mapping[str, Json]]:
        trusted = self.settings.unsigned_headers or self.settings.webhook.unsigned
        return cloud_events(delivery, lambda header: trusted or self.settings.trusts(header))

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
                self._events[0] if self._events else "event",
            )
        return [
            record
            for name, words in wanted
            for record in _read(name, words, event, gone=_among(kind, words.deleted_events))
        ]

    def _kind(self, delivery: Delivery, event: Json) -> str:
        parts = [self._part(place, delivery, event) for place in self._events]
        found = [part for part in parts if part]
        if len(found) == len(parts):
            return ".".join(found)
        if all(words.events == ["*"] for words in self.settings.objects.values()):
            return ""  # nobody asks for it
        raise PayloadError(
            f"The delivery does not say what happened ({', '.join(self._events)}).",
            self._events[parts.index(None)] if None in parts else "",
        )

    def _part(self, place: str, delivery: Delivery, event: Json) -> str | None:
        header = header_in(place)
        if header:
            return delivery.headers.get(header, "").strip() or None
        return text_of(path_of(place).read(event))


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
        version=comparable(version),
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
