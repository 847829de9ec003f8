"""Any JSON API as a connector: what it is, its description says."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import httpx
from pydantic import SecretStr, ValidationError

from connectors.rest.answers import Api
from connectors.rest.config import RestConfig
from connectors.rest.discovery import fields_of
from connectors.rest.objects import ObjectWords, Request
from connectors.rest.reading import Reading
from connectors.rest.receiving import Receiving
from connectors.rest.service import Service, read_service
from connectors.rest.templates import compile_template
from connectors.rest.writing import Writer
from connectors.sdk import (
    ApiKey,
    AuthorizationCode,
    Basic,
    Bearer,
    Change,
    ClientCredentials,
    Connector,
    ConnectorError,
    Delivery,
    Field,
    HttpResponse,
    JwtBearer,
    ObjectSpec,
    Page,
    Parsed,
    QueryKey,
    Receiver,
    Record,
    RefreshToken,
    Reply,
    Result,
    SignatureError,
    Sink,
    Source,
    Tier,
    UnsupportedError,
)
from connectors.sdk.auth import Grant
from connectors.sdk.pushing import push_each
from connectors.sdk.records import Cursor, Json
from connectors.sdk.schemes import SCHEMES

__all__ = ["RestConfig", "RestConnector"]


class RestConnector(Connector, Source, Sink, Receiver):
    """A service by its description."""

    name: ClassVar[str] = "rest"
    title: ClassVar[str] = "REST (any JSON API)"
    config = RestConfig
    objects: ClassVar[Mapping[str, ObjectSpec]] = {}
    sandbox: ClassVar[str] = "connectors.rest.sandbox:DesklySandbox"
    tier = Tier.GOLD
    settings: RestConfig

    @classmethod
    def offers(cls, settings: Mapping[str, Json]) -> Mapping[str, ObjectSpec]:
        """The objects of the description; none where it is not valid (that is told elsewhere)."""
        try:
            service = read_service(settings.get("service"))
        except (ValidationError, TypeError):
            return {}
        return offered(service)

    def setup(self) -> None:
        settings, service = self.settings, self.settings.service
        # what a class says of itself, this connection's description says
        vars(self).update(
            title=service.title or "The service", objects=offered(service), rates=service.rates
        )
        base = settings.base_url or compile_template(service.base_url or "").fill(
            {"values": settings.values}
        )
        client = self.http(
            base,
            auth=self._auth(base),
            headers={"accept": "application/json", **service.headers, **settings.headers},
            explain=self._explain,
        )
        self._api = Api(client, service.errors, self.title, settings.values)
        self._readings: dict[str, Reading] = {}
        above_last = sorted(
            service.objects.items(), key=lambda item: bool(item[1].list and item[1].list.for_each)
        )
        for name, words in above_last:
            above = self._readings.get((words.list and words.list.for_each) or "")
            self._readings[name] = Reading(self._api, name, words, above)
        self._writers = {
            name: Writer(self._api, words, self._readings[name])
            for name, words in service.objects.items()
        }
        self._receiving: Receiving | None = None
        if service.webhook is not None:
            shapes = {name: reading.shape for name, reading in self._readings.items()}
            hooks = service.webhook
            keys = None if hooks.scheme == "none" else hooks.public_keys(hooks.scheme, self.http)
            self._receiving = Receiving(hooks, settings.webhook, shapes, keys)
            self.stored_headers = self._receiving.headers
            if scheme := self._receiving.scheme:
                self.awaits_secret = scheme.hands_over and settings.webhook.token is not None
                vars(self).update(handshake_before_verify=scheme.unproved)

    def _explain(self, response: HttpResponse) -> ConnectorError | None:
        return self._api.explain(response)

    def _auth(self, base: str) -> httpx.Auth | None:
        words, given = self.settings.service.auth, self.settings.auth
        if words.type == "header" and given.key is not None:
            return ApiKey(given.key, words.name or "", words.prefix)
        if words.type == "query" and given.key is not None:
            return QueryKey(given.key, words.name or "")
        if words.type == "bearer" and given.token is not None:
            return Bearer(given.token, words.scheme)
        if words.type == "basic" and words.filler is not None and given.key is not None:
            return Basic(given.key.get_secret_value(), SecretStr(words.filler))
        if words.type == "basic" and given.password is not None:
            return Basic(given.username or "", given.password)
        if words.type != "oauth2":
            return None
        token_url = _below(base, words.token_url or "")
        return self.oauth2(
            token_url,
            given.client_id or "",
            self._grant(base, token_url),
            client_secret=given.client_secret,
            client_auth=words.client_auth,
        )

    def _grant(self, base: str, token_url: str) -> Grant:
        words, given = self.settings.service.auth, self.settings.auth
        if words.grant == "refresh_token" and given.refresh_token is not None:
            return RefreshToken(given.refresh_token)
        if words.grant == "authorization_code":
            return AuthorizationCode(
                _below(base, words.authorize_url or ""), words.scope, words.extra
            )
        if words.grant == "jwt_bearer" and given.private_key is not None:
            return JwtBearer(
                given.issuer or "",
                given.subject or given.issuer or "",
                words.audience or token_url,
                given.private_key,
                words.scope,
                algorithm=words.algorithm,
            )
        return ClientCredentials(words.scope)

    # ------------------------------------------------------------------------------------------
    # reading

    def check(self) -> None:
        service = self.settings.service
        if service.check:
            self._api.send("GET", service.check, {})
            return
        for reading in self._readings.values():
            if reading.words.list is not None and not reading.words.list.for_each:
                reading.sample()
                return

    def discover(self, object: str) -> Sequence[Field]:
        """As described, or read off a first page."""
        reading = self._reading(object)
        if reading.words.fields:
            return [Field(**one.model_dump()) for one in reading.words.fields]
        return fields_of(reading.sample())

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        return self._reading(object).pull(cursor)

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        return self._reading(object).fetch(ids)

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        return self._reading(object).find(changes)

    def _reading(self, object: str) -> Reading:
        self.spec(object)
        return self._readings[object]

    # ------------------------------------------------------------------------------------------
    # writing

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        for change in changes:
            if change.op not in self.spec(change.object).push:
                raise UnsupportedError(f"{self.title} cannot {change.op} a {change.object} here.")
        keyed = all(self.spec(change.object).keyed for change in changes)
        return push_each(
            changes, lambda change: self._writers[change.object].push(change), repeatable=keyed
        )

    # ------------------------------------------------------------------------------------------
    # webhooks

    def verify(self, delivery: Delivery) -> str | None:
        if self._receiving is None:
            raise SignatureError(f"The description of {self.title} says nothing of webhooks.")
        return self._receiving.verify(delivery)

    def handshake(self, delivery: Delivery) -> Reply | None:
        return self._receiving.handshake(delivery) if self._receiving else None

    def acknowledge(self, delivery: Delivery) -> Reply | None:
        return self._receiving.acknowledge() if self._receiving else None

    def sign(self, delivery: Delivery, *, id: str = "") -> Delivery:
        if self._receiving is None:
            raise UnsupportedError(f"The description of {self.title} says nothing of webhooks.")
        return self._receiving.sign(delivery, id)

    def prepare(self) -> None:
        if self._receiving and self._receiving.keys:
            self._receiving.keys.prepare()

    @classmethod
    def proved_by(cls, settings: Mapping[str, Json]) -> Sequence[str]:
        try:
            service = read_service(settings.get("service"))
        except (ValidationError, TypeError):
            return ("secret", "token")
        name = service.webhook.scheme if service.webhook else "none"
        return SCHEMES[name].proof if name in SCHEMES else ("token",)

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        return self._receiving.parse(delivery) if self._receiving else []


def _below(base: str, target: str) -> str:
    return target if target.startswith(("http://", "https://")) else base.rstrip("/") + target


def offered(service: Service) -> dict[str, ObjectSpec]:
    """What can be done with each object, by its description."""
    told = {
        event.object: event.deleted
        for event in (service.webhook.events.values() if service.webhook else ())
        if not event.ignore
    }
    gone = {
        event.object
        for event in (service.webhook.events.values() if service.webhook else ())
        if event.deleted
    }
    return {
        name: _spec(name, words, name in told, name in gone)
        for name, words in service.objects.items()
    }


def _spec(name: str, words: ObjectWords, told: bool, gone: bool) -> ObjectSpec:
    deletes: Literal["reported", "swept", "unseen"] = "unseen"
    if words.deleted or gone:
        deletes = "reported"
    elif words.list is not None and not words.list.paging.keep:
        deletes = "swept"  # but a feed shows what it still holds, which need not be all there is
    writes: dict[Literal["create", "update", "delete"], object] = {
        "create": words.create,
        "update": words.update,
        "delete": words.delete,
    }
    key = words.key
    return ObjectSpec(
        title=words.title or name.replace("_", " ").capitalize(),
        pull=words.list is not None,
        fetch=words.get is not None and _by_id_alone(words.get),
        push=frozenset(op for op, how in writes.items() if how is not None),
        webhook=told,
        find=bool(key and key.field and (key.find or words.list)),
        conclusive=bool(key and key.conclusive),
        keyed=bool(key and key.idempotent),
        deletes=deletes,
        whole=words.list is None or words.list.shows_all,
        parent=words.parent_object,
    )


def _by_id_alone(words: Request) -> bool:
    """Whether a request needs no more of a record than its id."""
    texts = [words.path, *(text for text in words.query.values() if isinstance(text, str))]
    return all(compile_template(text).names <= {"id", "values"} for text in texts)
