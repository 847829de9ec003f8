"""Deskly: a help desk that does not exist, and that can be switched between all the ways in which
JSON APIs page, sign in, wrap and sign; with the description that fits each.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import queue
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any, ClassVar, Literal

import httpx
import yaml

from connectors.rest.sandbox_api import DesklyApi, Row
from connectors.sdk.faults import Kind
from connectors.sdk.records import Delivery
from connectors.sdk.sandbox import Asgi, Drill, Effect, HttpSandbox

CLIENT_SECRET = "sandbox-deskly-credential-not-a-secret"
SIGNING_SECRET = "whsec_c2FuZGJveC1kZXNrbHktc2lnbmluZy1ub3QtYS1zZWNyZXQ="
Paging = Literal["none", "page", "offset", "cursor", "link", "next_url", "feed"]
Auth = Literal["header", "query", "basic", "bearer", "oauth2"]
Scheme = Literal["standard-webhooks", "hmac", "stripe", "github", "slack", "token", "basic"]
SIZE = 20
"""Records per page that the description asks for."""

PAGINGS: dict[str, Row] = {
    "none": {"kind": "none"},
    "page": {"kind": "page", "total": "total", "size_parameter": "per_page", "size": SIZE},
    "offset": {"kind": "offset", "total": "total", "size_parameter": "limit", "size": SIZE},
    "link": {"kind": "link", "size_parameter": "limit", "size": SIZE},
    "next_url": {"kind": "next_url", "next": "next", "size_parameter": "limit", "size": SIZE},
}
AUTHS: dict[str, tuple[Row, Row]] = {
    "header": ({"type": "header", "name": "X-Api-Key"}, {"key": "env:HUB_SANDBOX_DESKLY"}),
    "query": ({"type": "query", "name": "api_key"}, {"key": "env:HUB_SANDBOX_DESKLY"}),
    "basic": ({"type": "basic"}, {"username": "hub", "password": "env:HUB_SANDBOX_DESKLY"}),
    "bearer": ({"type": "bearer"}, {"token": "env:HUB_SANDBOX_DESKLY"}),
    "oauth2": (
        {"type": "oauth2", "grant": "client_credentials", "token_url": "/oauth/token"},
        {"client_id": "hub", "client_secret": "env:HUB_SANDBOX_DESKLY"},
    ),
}
"""By kind: what the description says, and what the connection."""


class DesklySandbox(HttpSandbox):
    """Tickets with notes below them. The switches stand as the description in `deskly.yaml` does.

    `wrapped`: bodies and answers stand in a member of the object's name. `polite`: every answer
    has status 200, and failures say `ok: false`.
    """

    name: ClassVar[str] = "rest"

    def __init__(
        self,
        paging: Paging = "cursor",
        auth: Auth = "oauth2",
        *,
        wrapped: bool = True,
        polite: bool = False,
        scheme: Scheme = "standard-webhooks",
    ) -> None:
        super().__init__()
        self.paging, self.auth, self.scheme = paging, auth, scheme
        self.wrapped, self.polite = wrapped, polite
        self.failing = False
        """Whether the next request fails."""
        self.secret, self.bot = CLIENT_SECRET, "hub@deskly.test"
        self.tickets: dict[int, Row] = {}
        self.notes: dict[int, Row] = {}
        self.events: list[Row] = []
        self.ahead = 0.0
        self.epoch = 1
        self.api = DesklyApi(self)
        self._last = 0
        self._queue: queue.Queue[Delivery | None] = queue.Queue()

    # the service ------------------------------------------------------------------------------

    def app(self) -> Asgi:
        return self.api.app()

    def kind(self, method: str, path: str) -> Kind:
        return "sign-in" if path == "/oauth/token" else super().kind(method, path)

    def wording(self, status: int) -> tuple[dict[str, str], bytes]:
        error = {"code": "refused", "message": "Not now.", "fields": []}
        return {"content-type": "application/json"}, json.dumps({"error": error}).encode()

    def goes_on(self, answer: Any) -> bool:
        if isinstance(answer, dict) and "meta" in answer:
            return bool(answer["meta"]["more"])
        if isinstance(answer, dict) and "next" in answer:
            return answer["next"] is not None
        rows = answer if isinstance(answer, list) else answer.get("tickets", ())
        return self.paging != "none" and len(rows) == SIZE

    def start(self, port: int = 0) -> None:
        super().start(port)
        self._sender = threading.Thread(target=self._send_all, name="deskly-hooks", daemon=True)
        self._sender.start()

    def stop(self) -> None:
        self._queue.put(None)
        self._sender.join(timeout=15)
        super().stop()

    def description(self) -> Row:
        """The description of the service as it is switched now."""
        text = (resources.files("connectors.rest") / "deskly.yaml").read_text("utf-8")
        service: Row = yaml.safe_load(text)
        service["auth"] = AUTHS[self.auth][0]
        for name, each in service["objects"].items():
            # every list has a dictionary of its own, so that switching one leaves the others
            lists = [each["list"], each["key"]["find"]]
            if self.paging not in ("cursor", "feed"):
                each["list"]["paging"] = copy.deepcopy(PAGINGS[self.paging])
            if self.paging == "link":
                for one in lists:
                    one["records"] = "$"
            if not self.wrapped:
                each["get"]["record"] = "$"
                for op in ("create", "update"):
                    each[op].pop("wrap")
                    each[op]["answer"] = "$"
            if self.paging == "feed" and name == "ticket":
                each["list"] = {
                    "path": "/v1/tickets/changes",
                    "records": "tickets",
                    "start": {"start": 0},
                    "paging": {**each["list"]["paging"], "keep": True, "expired": [410]},
                }
        if self.polite:
            service["errors"] |= {
                "when": "$.ok == false",
                "code": "error.code",
                "codes": {
                    "unauthorized": "auth",
                    "not_found": "missing",
                    "invalid": "rejected",
                },
            }
        service["webhook"] |= self._webhook_words()
        return service

    def _webhook_words(self) -> Row:
        words: Row = {"scheme": self.scheme}
        if self.scheme == "hmac":
            words |= {
                "header": "X-Deskly-Signature",
                "prefix": "sha512=",
                "encoding": "base64",
                "algorithm": "sha512",
                "base": "{timestamp}.{body}",
                "timestamp_header": "X-Deskly-Time",
            }
        if self.scheme == "token":
            words |= {"header": "X-Deskly-Token"}
        return words

    def connection(self) -> dict[str, Any]:
        return {
            "connector": "rest",
            "base_url": self.url,
            "auth": AUTHS[self.auth][1],
            "webhook": {"secret": "env:HUB_SANDBOX_DESKLY_SIGNING"},
            "service": self.description(),
        }

    def env(self) -> dict[str, str]:
        return {
            "HUB_SANDBOX_DESKLY": CLIENT_SECRET,
            "HUB_SANDBOX_DESKLY_SIGNING": SIGNING_SECRET,
        }

    def drill(self) -> Drill:
        from connectors.rest.drill import DesklyDrill

        return DesklyDrill(self)

    def populate(self) -> None:
        first = self.make_ticket(
            {"subject": "Printer on fire", "priority": "high"}, by="ann@x.test"
        )
        self.make_note(first["id"], {"text": "Third time this week."}, by="ben@x.test")
        self.make_ticket({"subject": "New starter on Monday", "state": "open"}, by="ben@x.test")
        self.make_ticket({"subject": "Door badge does not open", "tags": ["site"]}, by="ann@x.test")

    # what people and the API do -----------------------------------------------------------------

    def moment(self, seconds: float = 0.0) -> str:
        """Deskly's clock, to the millisecond."""
        now = datetime.now(UTC) + timedelta(seconds=self.ahead + seconds)
        return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def make_ticket(
        self, fields: Row, *, by: str, at: str | None = None, ours: bool = False
    ) -> Row:
        """Somebody opens a ticket."""
        with self.lock:
            row: Row = {
                "id": self._next(),
                "subject": "",
                "body": "",
                "state": "new",
                "priority": "normal",
                "assignee": None,
                "due_on": None,
                "tags": [],
                "external_id": None,
                **fields,
                "deleted": False,
                "updated_at": at or self.moment(),
                "updated_by": by,
            }
            self.tickets[row["id"]] = row
            self._note_effect("create", "ticket", row, fields, ours)
            return row

    def edit_ticket(self, id: int, *, by: str, ours: bool = False, **fields: Any) -> Row:
        """Somebody changes a ticket."""
        with self.lock:
            row = {**self.tickets[id], **fields, "updated_at": self.moment(), "updated_by": by}
            self.tickets[id] = row
            self._note_effect("update", "ticket", row, fields, ours)
            return row

    def remove_ticket(self, id: int, *, by: str, ours: bool = False) -> None:
        """Somebody deletes a ticket; lists that ask for it show what was deleted."""
        with self.lock:
            row = self.tickets[id]
            self.tickets[id] = {**row, "deleted": True, "updated_at": self.moment()}
            self._note_effect("delete", "ticket", row, {}, ours)

    def make_note(
        self, ticket: int, fields: Row, *, by: str, at: str | None = None, ours: bool = False
    ) -> Row:
        """Somebody writes below a ticket, which counts as a change of it."""
        with self.lock:
            row: Row = {
                "id": self._next(),
                "ticket_id": ticket,
                "text": "",
                "external_id": None,
                **fields,
                "author": by,
                "updated_at": at or self.moment(),
            }
            self.notes[row["id"]] = row
            self._touch(ticket, row["updated_at"])
            self._note_effect("create", "note", row, fields, ours)
            return row

    def edit_note(self, id: int, *, by: str, ours: bool = False, **fields: Any) -> Row:
        with self.lock:
            row = {**self.notes[id], **fields, "updated_at": self.moment(), "author": by}
            self.notes[id] = row
            self._touch(row["ticket_id"], row["updated_at"])
            self._note_effect("update", "note", row, fields, ours)
            return row

    def remove_note(self, id: int, *, by: str, ours: bool = False) -> None:
        with self.lock:
            row = self.notes.pop(id)
            self._touch(row["ticket_id"], self.moment())
            self._note_effect("delete", "note", row, {}, ours)

    def _touch(self, ticket: int, at: str) -> None:
        self.tickets[ticket] = {**self.tickets[ticket], "updated_at": at}

    def _next(self) -> int:
        self._last += 1
        return self._last

    # webhooks -----------------------------------------------------------------------------------

    def _note_effect(self, op: str, object: str, row: Row, fields: Row, ours: bool) -> None:
        if ours:
            key = fields.get("external_id") or row.get("external_id")
            self.ledger.append(Effect(op, object, str(row["id"]), dict(fields), key))
        done = {"create": "created", "update": "updated", "delete": "deleted"}[op]
        thin = object == "note" or op == "delete"
        event = {
            "id": f"evt_{len(self.events) + 1:06}",
            "type": f"{object}.{done}",
            "data": {"id": row["id"]} if thin else {object: dict(row)},
        }
        self.events.append(event)
        if self.webhook_url:
            self._queue.put(self.signed(json.dumps(event).encode(), datetime.now(UTC)))

    def signed(self, body: bytes, at: datetime, secret: str | None = None) -> Delivery:
        """A delivery as Deskly sends it by the scheme it is switched to."""
        secret, seconds = secret or SIGNING_SECRET, str(int(at.timestamp()))
        headers = {"content-type": "application/json", **self._proof(body, seconds, secret)}
        url = self.webhook_url or "http://127.0.0.1:9/webhooks/deskly"
        return Delivery("POST", url, headers, body, at)

    def _proof(self, body: bytes, at: str, secret: str) -> dict[str, str]:
        def mac(base: bytes, algorithm: str = "sha256", key: bytes = secret.encode()) -> bytes:
            return hmac.new(key, base, algorithm).digest()

        if self.scheme == "standard-webhooks":
            id = f"msg_{hashlib.sha256(body).hexdigest()[:20]}"
            signature = mac(f"{id}.{at}.".encode() + body, key=_packed(secret))
            text = f"v1,{base64.b64encode(signature).decode()}"
            return {"webhook-id": id, "webhook-timestamp": at, "webhook-signature": text}
        if self.scheme == "hmac":
            text = base64.b64encode(mac(f"{at}.".encode() + body, "sha512")).decode()
            return {"x-deskly-signature": f"sha512={text}", "x-deskly-time": at}
        if self.scheme == "stripe":
            return {"stripe-signature": f"t={at},v1={mac(f'{at}.'.encode() + body).hex()}"}
        if self.scheme == "github":
            return {"x-hub-signature-256": f"sha256={mac(body).hex()}"}
        if self.scheme == "slack":
            text = mac(f"v0:{at}:".encode() + body).hex()
            return {"x-slack-signature": f"v0={text}", "x-slack-request-timestamp": at}
        if self.scheme == "token":
            return {"x-deskly-token": secret}
        pair = base64.b64encode(f"hub:{secret}".encode()).decode()
        return {"authorization": f"Basic {pair}"}

    def drain(self) -> None:
        """Return once every webhook so far was delivered or has failed."""
        self._queue.join()

    def _send_all(self) -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while (sent := self._queue.get()) is not None:
                with suppress(httpx.HTTPError):
                    client.post(sent.url, content=sent.body, headers=dict(sent.headers))
                self._queue.task_done()


def _packed(secret: str) -> bytes:
    with suppress(ValueError):
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    return secret.encode()
