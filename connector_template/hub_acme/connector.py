"""Acme Desk as a connector: tickets and their comments, both ways.

Acme Desk does not exist. Every method shows what the hub expects of yours; the conformance kit
(`tests/`) says whether it still holds. Take away the roles that your system does not have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr
from pydantic import Field as Setting

from connectors.sdk import (
    Bearer,
    Change,
    ConfigError,
    ConnectionConfig,
    Connector,
    ConnectorError,
    Delivery,
    Field,
    NotFoundError,
    ObjectSpec,
    Outcome,
    Page,
    Parsed,
    PayloadError,
    Receiver,
    Record,
    Reply,
    Result,
    Sink,
    Source,
    Subscriber,
    Subscription,
    Tier,
)
from connectors.sdk.json_bodies import decode_json
from connectors.sdk.paging import Listed, Mark, Row, walk
from connectors.sdk.pushing import result_of
from connectors.sdk.records import Cursor, Json
from connectors.sdk.signatures import check_fresh, check_hmac

BASE_URL = "https://api.acme-desk.example"
PAGE = 100
"""Records on one page, and ids or keys in one question."""
LATE = timedelta(seconds=60)
"""How late Acme Desk's lists may show a change."""


class AcmeAuth(BaseModel):
    """How the hub signs in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr = Setting(description="API token, from Acme Desk under Settings, API.")


class AcmeConfig(ConnectionConfig):
    """What a connection to Acme Desk may say in hub.yaml, beside what every connection may."""

    auth: AcmeAuth = Setting(description="How the hub signs in.")


class AcmeConnector(Connector, Source, Sink, Receiver, Subscriber):
    name: ClassVar[str] = "acme"
    title: ClassVar[str] = "Acme Desk"
    config: ClassVar[type[ConnectionConfig]] = AcmeConfig
    sandbox: ClassVar[str] = "hub_acme.sandbox:AcmeSandbox"
    tier: ClassVar[Tier] = Tier.GOLD
    rates: ClassVar[Mapping[str, str]] = {"all": "200/second"}
    objects: ClassVar[Mapping[str, ObjectSpec]] = {
        "ticket": ObjectSpec(
            title="Ticket",
            pull=True,
            fetch=True,
            push=frozenset({"create", "update", "delete"}),
            webhook=True,
            find=True,
            keyed=True,
            deletes="reported",
            batch=50,
        ),
        "comment": ObjectSpec(
            title="Comment",
            pull=True,
            fetch=True,
            push=frozenset({"create"}),
            webhook=True,
            find=True,
            keyed=True,
            deletes="reported",
            batch=50,
            parent="ticket",
        ),
    }

    settings: AcmeConfig

    def setup(self) -> None:
        self.api = self.http(
            self.settings.base_url or BASE_URL, auth=Bearer(self.settings.auth.token)
        )

    # ---------------------------------------------------------------------------------- source

    def check(self) -> None:
        """The cheapest request that needs the credentials."""
        if not isinstance(self._get("/me"), dict):
            raise ConfigError("This is not Acme Desk. Check `base_url`.")

    def discover(self, object: str) -> Sequence[Field]:
        self.spec(object)
        return [
            Field(
                name=str(one["name"]),
                type=one["type"],
                label=str(one.get("label", "")),
                choices=tuple(one.get("choices", ())),
                required=bool(one.get("required")),
                writable=bool(one.get("writable")),
            )
            for one in self._rows(self._get(f"/fields/{object}"), "fields")
        ]

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        """What changed since the cursor, oldest first. `walk` knows how to lose nothing."""
        self.spec(object)

        def ask(since: str, after: Json) -> Listed:
            params: dict[str, str | int] = {"limit": PAGE}
            if since:
                params["updated_since"] = since
            if after is not None:
                params["after"] = str(after)
            answer = self._get(f"/{object}s", params)
            return Listed(self._rows(answer, f"{object}s"), answer.get("next"))

        steps = walk(
            ask, Mark.of(cursor), id=_id, stamp=_updated, back=_earlier, place="Acme's list",
            drifts=False,
        )  # fmt: skip
        for rows, mark in steps:
            yield Page([_record(object, row) for row in rows], mark.stored())

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        found = {one.id: one for one in self._named(object, "ids", ids)}
        return [found.get(id) or Record(object, id, {}, deleted=True) for id in ids]

    def find(self, object: str, changes: Sequence[Change]) -> Sequence[Record | None]:
        found = {
            one.key: one
            for one in self._named(object, "external_keys", [change.key for change in changes])
        }
        return [found.get(change.key) for change in changes]

    def _named(self, object: str, by: str, names: Sequence[str]) -> Iterator[Record]:
        self.spec(object)
        for start in range(0, len(names), PAGE):
            params: dict[str, str | int] = {
                by: ",".join(names[start : start + PAGE]),
                "limit": PAGE,
            }
            for row in self._rows(self._get(f"/{object}s", params), f"{object}s"):
                yield _record(object, row)

    # ------------------------------------------------------------------------------------ sink

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        """One batch request. Acme Desk answers part by part, in order; it keeps our key as
        `external_key` and gives back what it has under it, so repeating is harmless.
        """
        object = changes[0].object
        self.spec(object)
        writes = [
            {
                "op": change.op,
                "id": change.id,
                "external_key": change.key if change.op == "create" else None,
                "parent": change.parent,
                "version": change.version,
                "fields": dict(change.fields),
            }
            for change in changes
        ]
        try:
            answer = self.api.request("POST", f"/{object}s/batch", json={"writes": writes}).json()
            parts = self._rows(answer, "results")
            if len(parts) != len(changes):
                raise PayloadError("Acme Desk answered another number of writes than it was sent.")
            return [self._result(object, part) for part in parts]
        except PayloadError as error:  # the answer is spoilt, the effect is not
            return [result_of(error, change, repeatable=True) for change in changes]
        except ConnectorError as error:
            if type(error).__name__ in ("AuthError", "ConfigError", "RateLimitError"):
                raise  # about the connection; nothing was written
            return [result_of(error, change, repeatable=True) for change in changes]

    def _result(self, object: str, part: Row) -> Result:
        status = part.get("status")
        if status in (200, 201):
            return Result(Outcome.OK, _record(object, part.get(object)))
        if status == 404:
            return Result(Outcome.MISSING, message="Acme Desk has no such record any more.")
        if status == 409:
            return Result(Outcome.CONFLICT, message="Somebody changed it at the same time.")
        errors = {
            str(one.get("field", "*")): str(one.get("message", "refused"))
            for one in part.get("errors", ())
            if isinstance(one, dict)
        }
        told = " ".join(f"{name}: {text}." for name, text in errors.items())
        return Result(Outcome.REJECTED, message=f"Acme Desk refused. {told}", field_errors=errors)

    # -------------------------------------------------------------------------------- receiver

    def verify(self, delivery: Delivery) -> str | None:
        """HMAC-SHA256 over `timestamp.body`, in hex."""
        stamp = delivery.headers.get("x-acme-timestamp", "")
        signature = delivery.headers.get("x-acme-signature", "")
        base = stamp.encode() + b"." + delivery.body
        check_hmac(base, self.settings.webhook.secret, [signature] if signature else [])
        check_fresh(stamp, delivery.received_at)
        return delivery.headers.get("x-acme-delivery")

    def handshake(self, delivery: Delivery) -> Reply | None:
        """Acme Desk sends a signed `ping` before anything else."""
        if delivery.headers.get("x-acme-event") != "ping":
            return None
        return Reply(200, b'{"pong":true}', {"content-type": "application/json"})

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        body = decode_json(delivery.body, "the delivery")
        event = body.get("event") if isinstance(body, dict) else None
        object, _, what = str(event).partition(".")
        if object not in self.objects:
            return []  # events of objects that we do not know, now or in years
        row = body.get(object)
        if not isinstance(row, dict):
            raise PayloadError(f"A delivery of {event} without its {object}.", object)
        return [_record(object, {**row, "deleted": what == "deleted" or row.get("deleted")})]

    # ------------------------------------------------------------------------------ subscriber

    def subscribe(self, url: str) -> Subscription:
        """Acme Desk keeps one hook for an address and gives it back when asked again."""
        return _subscription(self.api.request("POST", "/hooks", json={"url": url}).json())

    def renew(self, subscription: Subscription) -> Subscription:
        return _subscription(self.api.request("POST", f"/hooks/{subscription.id}/renew").json())

    def unsubscribe(self, subscription: Subscription) -> None:
        try:
            self.api.request("DELETE", f"/hooks/{subscription.id}")
        except NotFoundError:
            return

    # ----------------------------------------------------------------------------------- reading

    def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        return self.api.request("GET", path, params=params).json()

    @staticmethod
    def _rows(answer: Json, name: str) -> list[dict[str, Any]]:
        rows = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise PayloadError(f"Acme Desk answered without a list of {name}.", name)
        return rows


def _record(object: str, row: Any) -> Record:
    if not isinstance(row, dict) or "id" not in row:
        raise PayloadError(f"A {object} without id.", "id")
    parent = row.get("ticket_id")
    return Record(
        object,
        str(row["id"]),
        {name: value for name, value in row.items() if name not in ("deleted", "external_key")},
        address={"desk": row.get("desk")},
        version=_updated(row),
        updated_at=_moment(row),
        url=row.get("url"),
        deleted=bool(row.get("deleted")),
        parent=str(parent) if parent is not None else None,
        actor=row.get("updated_by"),
        key=row.get("external_key"),
    )


def _id(row: Row) -> str:
    if "id" not in row:
        raise PayloadError("A record without id.", "id")
    return str(row["id"])


def _updated(row: Row) -> str:
    value = row.get("updated_at")
    if not isinstance(value, str):
        raise PayloadError("A record without updated_at.", "updated_at")
    return value


def _moment(row: Row) -> datetime:
    try:
        return datetime.fromisoformat(_updated(row))
    except ValueError:
        raise PayloadError("A record whose updated_at is no time.", "updated_at") from None


def _earlier(since: str) -> str:
    """The mark, less what Acme Desk's lists may be late."""
    return (_moment({"updated_at": since}) - LATE).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _subscription(answer: Json) -> Subscription:
    if not isinstance(answer, dict) or "id" not in answer:
        raise PayloadError("Acme Desk answered without a hook.", "id")
    ends = answer.get("expires_at")
    return Subscription(
        str(answer["id"]),
        datetime.fromisoformat(ends) if isinstance(ends, str) else None,
        answer.get("secret"),
    )
