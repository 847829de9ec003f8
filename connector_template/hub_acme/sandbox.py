"""An Acme Desk on loopback: for tests, demos, and whoever has no account.

Yours behaves like your vendor: its paging, its refusals, its signatures, in its own shapes. The
faults every vendor shows (429, cuts, spoilt answers) stand in front of it by themselves.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.sdk import Change, Delivery, Record
from connectors.sdk.records import Json
from connectors.sdk.sandbox import Asgi, Drill, Effect, HttpSandbox

TOKEN = "acme-sandbox-token-not-a-secret"
SECRET = "acme-sandbox-webhook-secret-not-a-secret"
STATUSES = ("new", "working", "waiting", "solved")
WRITABLE = {
    "ticket": {"subject": str, "text": str, "status": str, "owner": str, "due_on": str},
    "comment": {"text": str},
}
Row = dict[str, Any]


class AcmeSandbox(HttpSandbox, Drill):
    name: ClassVar[str] = "acme"
    page = 20

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, Row]] = {"ticket": {}, "comment": {}}
        self.hooks: dict[str, Row] = {}
        self.sent: list[Delivery] = []
        self.ahead = timedelta()
        self.behind = timedelta()
        self.ignored = 0
        self._last = 0

    def connection(self) -> dict[str, Any]:
        return {
            "connector": "acme",
            "base_url": self.url,
            "auth": {"token": "env:HUB_SANDBOX_ACME_TOKEN"},
            "webhook": {"secret": "env:HUB_SANDBOX_ACME_SECRET"},
        }

    def env(self) -> dict[str, str]:
        return {"HUB_SANDBOX_ACME_TOKEN": TOKEN, "HUB_SANDBOX_ACME_SECRET": SECRET}

    def drill(self) -> Drill:
        return self

    def populate(self) -> None:
        for subject in ("Wire the tenant", "Invoice is wrong", "Cannot sign in"):
            self.save("ticket", {"subject": subject, "status": "new"}, "ann@acme.example")

    # ------------------------------------------------------------------------------------- state

    def save(
        self, object: str, fields: Mapping[str, Any], by: str, id: str | None = None,
        key: str | None = None, at: datetime | None = None,
    ) -> Row:  # fmt: skip
        """Make a record, or change one, as anybody does; the webhook goes out with it."""
        with self.lock:
            rows = self.rows[object]
            known = rows.get(id or "")
            if known is None:
                self._last += 1
                id = str(self._last)
                known = {"id": id, "desk": "main", "external_key": key, "deleted": False}
                if object == "ticket":
                    known |= {name: None for name in WRITABLE[object]} | {"status": "new"}
            stamp = (at or datetime.now(UTC)) + self.ahead
            row = {
                **known,
                **fields,
                "updated_at": stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
                "updated_by": by,
                "url": f"https://acme-desk.example/{object}s/{known['id']}",
            }
            new = known["id"] not in rows
            rows[known["id"]] = row
            what = "deleted" if row["deleted"] else "created" if new else "updated"
            self._announce(f"{object}.{what}", {object: row})
            return row

    def _announce(self, event: str, content: Row) -> None:
        body = json.dumps({"event": event, **content}, separators=(",", ":")).encode()
        self.sent.append(self.sign(body, at=datetime.now(UTC), event=event))

    # -------------------------------------------------------------------------------------- HTTP

    def app(self) -> Asgi:
        return Starlette(
            routes=[
                Route("/me", self._guarded(self._me)),
                Route("/fields/{object}", self._guarded(self._fields)),
                Route("/{object}s/batch", self._guarded(self._batch), methods=["POST"]),
                Route("/hooks", self._guarded(self._hook), methods=["POST"]),
                Route("/hooks/{id}", self._guarded(self._unhook), methods=["DELETE"]),
                Route("/hooks/{id}/renew", self._guarded(self._renew), methods=["POST"]),
                Route("/{object}s", self._guarded(self._list)),
            ]
        )

    def _guarded(self, handle: Any) -> Any:
        async def answer(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                return JSONResponse({"message": "Unknown token"}, 401)
            body = json.loads(await request.body() or b"null")
            with self.lock:
                status, value = handle(request, body)
            return Response(status_code=204) if value is None else JSONResponse(value, status)

        return answer

    def _me(self, request: Request, body: Json) -> tuple[int, Json]:
        return 200, {"name": "Process Hub", "email": "hub@acme.example"}

    def _fields(self, request: Request, body: Json) -> tuple[int, Json]:
        object = request.path_params["object"]
        fields = [{"name": name, "type": "text", "writable": True} for name in WRITABLE[object]]
        for one in fields:
            if one["name"] == "status":
                one |= {"type": "choice", "choices": list(STATUSES)}
            if one["name"] == "due_on":
                one["type"] = "date"
        for name in ("id", "desk", "updated_at", "updated_by", "url"):
            fields.append({"name": name, "type": "text", "writable": False})
        return 200, {"fields": fields}

    def _list(self, request: Request, body: Json) -> tuple[int, Json]:
        object, query = request.path_params["object"], request.query_params
        rows = sorted(self.rows[object].values(), key=_place)
        if "ids" in query:
            wanted = query["ids"].split(",")
            rows = [row for row in rows if row["id"] in wanted and not row["deleted"]]
        elif "external_keys" in query:
            wanted = query["external_keys"].split(",")
            rows = [row for row in rows if row["external_key"] in wanted and not row["deleted"]]
        else:
            limit = (datetime.now(UTC) + self.ahead - self.behind).isoformat()
            rows = [row for row in rows if not self.behind or row["updated_at"] < limit]
        rows = [row for row in rows if row["updated_at"] >= query.get("updated_since", "")]
        if "after" in query:
            at, _, id = query["after"].partition("|")
            rows = [row for row in rows if _place(row) > (at, int(id))]
        size = min(int(query.get("limit", 20)), self.page if "ids" not in query else 100)
        page = rows[:size]
        more = f"{page[-1]['updated_at']}|{page[-1]['id']}" if len(rows) > size else None
        return 200, {f"{object}s": page, "next": more}

    def _batch(self, request: Request, body: Json) -> tuple[int, Json]:
        object = request.path_params["object"]
        return 200, {"results": [self._write(object, write) for write in body["writes"]]}

    def _write(self, object: str, write: Row) -> Row:
        id, key, fields = write["id"], write["external_key"], write["fields"]
        rows = self.rows[object]
        if write["op"] == "create":
            for row in rows.values():
                if key is not None and row["external_key"] == key:
                    return {"status": 200, object: row}  # once made, given back for ever
        elif id not in rows or rows[id]["deleted"]:
            return {"status": 404}
        errors = _errors(object, write)
        if errors:
            return {"status": 422, "errors": errors}
        if self.ignored and write["op"] == "update":
            self.ignored -= 1
            return {"status": 200, object: rows[id]}
        if write["op"] == "delete":
            fields = {"deleted": True}
        if object == "comment":
            fields = {**fields, "ticket_id": write["parent"]}
        late = id in rows and write["version"] not in (None, rows[id]["updated_at"])
        if late and any(rows[id].get(name) != value for name, value in fields.items()):
            return {"status": 409}  # somebody was faster; the same once more is fine
        row = self.save(object, fields, "hub@acme.example", id, key)
        self.ledger.append(Effect(write["op"], object, row["id"], dict(write["fields"]), key))
        return {"status": 201 if write["op"] == "create" else 200, object: row}

    def _hook(self, request: Request, body: Json) -> tuple[int, Json]:
        for hook in self.hooks.values():
            if hook["url"] == body["url"]:
                return 200, hook
        hook = {"id": uuid.uuid4().hex, "url": body["url"], "secret": SECRET}
        self.hooks[hook["id"]] = hook
        return self._prolong(hook["id"])

    def _renew(self, request: Request, body: Json) -> tuple[int, Json]:
        return self._prolong(request.path_params["id"])

    def _prolong(self, id: str) -> tuple[int, Json]:
        if id not in self.hooks:
            return 404, {"message": "no such hook"}
        self.hooks[id]["expires_at"] = (datetime.now(UTC) + timedelta(days=7)).isoformat()
        return 200, self.hooks[id]

    def _unhook(self, request: Request, body: Json) -> tuple[int, Json]:
        if self.hooks.pop(request.path_params["id"], None) is None:
            return 404, {"message": "no such hook"}
        return 204, None

    # ------------------------------------------------------------------- what the kit asks for

    def seed(self, object: str, count: int, *, at: datetime | None = None) -> Sequence[str]:
        made = []
        for number in range(count):
            fields: Row = {"text": f"Text {number}"}
            if object == "comment":
                fields["ticket_id"] = self._some_ticket()
            else:
                fields |= {"subject": f"Ticket {number}", "owner": "ann@acme.example"}
            made.append(str(self.save(object, fields, "ann@acme.example", at=at)["id"]))
        return made

    def _some_ticket(self) -> str:
        return next(iter(self.rows["ticket"]), None) or self.seed("ticket", 1)[0]

    def edit(self, object: str, id: str) -> None:
        self.save(object, {"text": f"Edited {uuid.uuid4().hex}"}, "ann@acme.example", id)

    def remove(self, object: str, id: str) -> None:
        self.save(object, {"deleted": True}, "ann@acme.example", id)

    def held(self, object: str) -> Mapping[str, Mapping[str, Json]]:
        with self.lock:
            rows = self.rows[object].items()
            return {id: dict(row) for id, row in rows if not row["deleted"]}

    def creation(self, object: str, key: str) -> Change:
        if object == "comment":
            return Change("create", object, key, {"text": "Done."}, parent=self._some_ticket())
        fields = {"subject": f"Made as {key}", "text": "Please see to it.", "due_on": "2026-03-04"}
        return Change("create", object, key, fields)

    def alteration(self, record: Record, key: str) -> Change:
        return Change(
            "update", record.object, key, {"status": "working"}, record.id, record.address,
            record.parent, record.data, record.version,
        )  # fmt: skip

    def refusal(self, object: str, key: str) -> Change:
        wrong = {"text": 7} if object == "comment" else {"subject": "S", "status": "no such"}
        return Change("create", object, key, wrong, parent=self.creation(object, key).parent)

    def collide(self, record: Record, key: str) -> Change:
        self.save(record.object, {"status": "waiting"}, "ann@acme.example", record.id)
        return self.alteration(record, key)

    def deliveries(self) -> Sequence[Delivery]:
        return list(self.sent)

    def sign(
        self, body: bytes, *, at: datetime, secret: str | None = None, event: str = "ticket.created"
    ) -> Delivery:
        stamp = str(int(at.timestamp()))
        key = (secret or SECRET).encode()
        signature = hmac.new(key, stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "x-acme-event": event,
            "x-acme-delivery": uuid.uuid4().hex,
            "x-acme-timestamp": stamp,
            "x-acme-signature": signature,
        }
        url = self.webhook_url or "https://hub.example.com/webhooks/acme"
        return Delivery("POST", url, headers, body, at)

    def handshakes(self) -> Sequence[Delivery]:
        return [self.sign(b'{"event":"ping"}', at=datetime.now(UTC), event="ping")]

    def subscriptions(self) -> Mapping[str, str]:
        return {id: hook["url"] for id, hook in self.hooks.items()}

    def expire_subscription(self, id: str) -> None:
        del self.hooks[id]

    def move(self, object: str, id: str) -> None:
        self.save(object, {"desk": "second"}, "ann@acme.example", id)

    def lag(self, seconds: float) -> None:
        self.behind = timedelta(seconds=seconds)

    def ignore_writes(self, count: int) -> None:
        self.ignored = count

    def clock(self, ahead: float) -> None:
        self.ahead = timedelta(seconds=ahead)


def _place(row: Row) -> tuple[str, int]:
    return row["updated_at"], int(row["id"])


def _errors(object: str, write: Row) -> list[Row]:
    known, fields, errors = WRITABLE[object], write["fields"], []
    for name, value in fields.items():
        if name not in known:
            errors.append({"field": name, "message": "is not known"})
        elif value is not None and not isinstance(value, known[name]):
            errors.append({"field": name, "message": "has the wrong type"})
    if fields.get("status") not in (None, *STATUSES):
        errors.append({"field": "status", "message": f"is none of {', '.join(STATUSES)}"})
    if write["op"] == "create" and object == "ticket" and not fields.get("subject"):
        errors.append({"field": "subject", "message": "is missing"})
    return errors
