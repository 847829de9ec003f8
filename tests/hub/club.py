"""A fictional vendor over real HTTP that has what no other sandbox brings together: people who
agree in a browser, refresh tokens that rotate and work once, webhooks registered by API that end,
and objects that stand in the connection's own configuration.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from connectors.sdk import (
    Change,
    Connector,
    Delivery,
    ObjectSpec,
    Outcome,
    Page,
    Parsed,
    Receiver,
    Record,
    Reply,
    Result,
    SignatureError,
    Sink,
    Source,
    Subscriber,
    Subscription,
)
from connectors.sdk import Field as VendorField
from connectors.sdk.auth import AuthorizationCode, ClientCredentials, Grant, RefreshToken
from connectors.sdk.config import ConnectionConfig
from connectors.sdk.faults import Asgi, Kind
from connectors.sdk.records import Cursor, Json
from connectors.sdk.sandbox import HttpSandbox

ID, SECRET = "club-client", "club-secret-of-nobody"
FIRST = "refresh-0"
THING = """
mapping: club-thing
connector: club
object: thing
entity: task
fields:
  title: $.title
"""
"""A mapping of the object that the sandbox has unless told otherwise."""


class ClubAuth(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    secret: SecretStr = Field(description="The client's secret.")
    refresh: SecretStr | None = Field(None, description="A refresh token from elsewhere.")
    agree: bool = Field(False, description="A person agrees in a browser.")


class ClubConfig(ConnectionConfig):
    auth: ClubAuth = Field(description="How to sign in.")
    kinds: list[str] = Field(default_factory=list, description="The objects there are.")


class ClubConnector(Connector, Source, Sink, Receiver, Subscriber):
    """What the configuration lists under `kinds` are its objects."""

    name: ClassVar[str] = "club"
    title: ClassVar[str] = "Club"
    config: ClassVar[type[ConnectionConfig]] = ClubConfig
    objects: ClassVar[Mapping[str, ObjectSpec]] = {}
    sandbox: ClassVar[str] = "tests.hub.club:ClubSandbox"
    handshake_before_verify: ClassVar[bool] = True

    @classmethod
    def offers(cls, settings: Mapping[str, Json]) -> Mapping[str, ObjectSpec]:
        spec = ObjectSpec(
            "Thing", pull=True, fetch=True, webhook=True, push=frozenset({"create", "update"})
        )
        return dict.fromkeys(settings.get("kinds", ()), spec)

    def setup(self) -> None:
        settings = self.settings
        assert isinstance(settings, ClubConfig)
        base = settings.base_url or ""
        grant: Grant = ClientCredentials()
        if settings.auth.agree:
            grant = AuthorizationCode(f"{base}/authorize", "all")
        elif settings.auth.refresh:
            grant = RefreshToken(settings.auth.refresh)
        auth = self.oauth2(f"{base}/token", ID, grant, client_secret=settings.auth.secret)
        self._client = self.http(base, auth=auth)

    def check(self) -> None:
        self._client.request("GET", "me")

    def discover(self, object: str) -> Sequence[VendorField]:
        return []

    def pull(self, object: str, cursor: Cursor, fields: Collection[str]) -> Iterator[Page]:
        after = int(cursor.get("after", 0))
        while True:
            answer = self._client.request("GET", f"things/{object}", params={"after": after})
            some = answer.json()
            if not some:
                return
            after = some[-1]["row"]
            yield Page([_record(object, one) for one in some], {"after": after})

    def fetch(self, object: str, ids: Sequence[str]) -> Sequence[Record]:
        found = self._client.request("GET", f"things/{object}").json()
        return [_record(object, one) for one in found if str(one["row"]) in ids]

    def push(self, changes: Sequence[Change]) -> Sequence[Result]:
        results = []
        for one in changes:
            at = f"things/{one.object}/{one.id}" if one.id else f"things/{one.object}"
            there = self._client.request("PUT" if one.id else "POST", at, json=dict(one.fields))
            results.append(Result(Outcome.OK, _record(one.object, there.json())))
        return results

    def verify(self, delivery: Delivery) -> str | None:
        given = delivery.headers.get("club-signature", "")
        for secret in self.settings.webhook.secret:
            if hmac.compare_digest(given, signature(secret.get_secret_value(), delivery.body)):
                return None
        raise SignatureError("Not signed with any secret of ours.")

    def handshake(self, delivery: Delivery) -> Reply | None:
        offered = delivery.headers.get("club-secret")
        return Reply(204, secret=offered) if offered else None

    def parse(self, delivery: Delivery) -> Sequence[Parsed]:
        import json

        found = json.loads(delivery.body)
        return [_record(found["kind"], found["thing"])]

    def subscribe(self, url: str) -> Subscription:
        answer = self._client.request("POST", "hooks", json={"url": url}).json()
        return _subscription(answer)

    def renew(self, subscription: Subscription) -> Subscription:
        return _subscription(self._client.request("PUT", f"hooks/{subscription.id}").json())

    def unsubscribe(self, subscription: Subscription) -> None:
        self._client.request("DELETE", f"hooks/{subscription.id}", accept=[404])


def signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _record(object: str, thing: Mapping[str, Any]) -> Record:
    return Record(object, str(thing["row"]), dict(thing), version=f"{thing['edit']:08d}")


def _subscription(answer: Mapping[str, Any]) -> Subscription:
    ends = answer["ends"]
    return Subscription(
        answer["id"], datetime.fromisoformat(ends) if ends else None, answer.get("secret")
    )


class ClubSandbox(HttpSandbox):
    """`asked` are the grants of all token requests. While `gate` is closed, those wait. `lifetime`
    is that of webhooks, None: they do not end. `now` is the vendor's clock.
    """

    name: ClassVar[str] = "club"

    def __init__(self, kinds: Sequence[str] = ("thing",)) -> None:
        super().__init__()
        self.kinds = list(kinds)
        self.agree = True
        self.asked: list[str] = []
        self.reused: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = threading.Semaphore(0)
        self.now = lambda: datetime.now(UTC)
        self.lifetime: timedelta | None = timedelta(hours=1)
        self.offers_secrets = True
        self.hooks: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self.things: dict[str, list[dict[str, Any]]] = {}
        self._live: set[str] = set()
        self._refresh: set[str] = {FIRST}
        self._used: set[str] = set()
        self._codes: dict[str, tuple[str, str]] = {}
        self._count = 0

    def connection(self) -> dict[str, Any]:
        return {
            "connector": self.name,
            "base_url": self.url,
            "auth": {"secret": "env:CLUB_SECRET"},
            "kinds": self.kinds,
            "webhook": {"secret": "env:CLUB_HOOK"},
        }

    def env(self) -> dict[str, str]:
        return {"CLUB_SECRET": SECRET, "CLUB_HOOK": "an-old-hook-secret", "CLUB_REFRESH": FIRST}

    def kind(self, method: str, path: str) -> Kind:
        return "sign-in" if path in ("/token", "/authorize") else super().kind(method, path)

    def put(self, kind: str, **values: Any) -> dict[str, Any]:
        """A person makes a thing, or edits the one with this `row`."""
        with self.lock:
            self._count += 1
            there = self.things.setdefault(kind, [])
            old = next((one for one in there if one["row"] == values.get("row")), None)
            thing = {**(old or {"row": self._count}), **values, "edit": self._count}
            there[:] = [one for one in there if one is not old] + [thing]
            return thing

    def forget_tokens(self) -> None:
        """Access tokens end; refresh tokens stay good."""
        self._live.clear()

    def _tokens(self, rotates: bool = True) -> dict[str, Any]:
        self._count += 1
        access, refresh = f"access-{self._count}", f"refresh-{self._count}"
        self._live.add(access)
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": 3600}
        if rotates:
            self._refresh.add(refresh)
            answer["refresh_token"] = refresh
        return answer

    def app(self) -> Asgi:
        app = FastAPI()

        @app.get("/authorize")
        def authorize(
            client_id: str, redirect_uri: str, state: str, code_challenge: str
        ) -> Response:
            assert client_id == ID
            answer = {"state": state, "error": "access_denied"}
            if self.agree:
                code = secrets.token_urlsafe(8)
                self._codes[code] = (redirect_uri, code_challenge)
                answer = {"state": state, "code": code}
            return RedirectResponse(f"{redirect_uri}?{urlencode(answer)}", 302)

        @app.post("/token")
        def token(
            request: Request,
            grant_type: str = Form(),
            refresh_token: str = Form(""),
            code: str = Form(""),
            redirect_uri: str = Form(""),
            code_verifier: str = Form(""),
        ) -> Response:
            self.waiting.release()
            self.gate.wait(20)
            expected = base64.b64encode(f"{ID}:{SECRET}".encode()).decode()
            if request.headers.get("authorization") != f"Basic {expected}":
                return JSONResponse({"error": "invalid_client"}, 401)
            with self.lock:
                self.asked.append(grant_type)
                if grant_type == "client_credentials":
                    return JSONResponse(self._tokens(rotates=False))
                if grant_type == "refresh_token" and refresh_token in self._refresh:
                    self._refresh.remove(refresh_token)
                    self._used.add(refresh_token)
                    return JSONResponse(self._tokens())
                if refresh_token in self._used:
                    self.reused.append(refresh_token)
                challenge = base64.urlsafe_b64encode(
                    hashlib.sha256(code_verifier.encode()).digest()
                )
                wanted = (redirect_uri, challenge.decode().rstrip("="))
                if grant_type == "authorization_code" and self._codes.pop(code, None) == wanted:
                    return JSONResponse(self._tokens())
                return JSONResponse({"error": "invalid_grant"}, 400)

        @app.middleware("http")
        async def only_members(request: Request, go_on: Any) -> Any:
            bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
            if request.url.path not in ("/token", "/authorize"):
                self.calls.append(f"{request.method} {request.url.path}")
                if bearer not in self._live:
                    return JSONResponse({"error": "who are you?"}, 401)
            return await go_on(request)

        @app.get("/me")
        def me() -> dict[str, str]:
            return {"name": "bot"}

        @app.get("/things/{kind}")
        def things(kind: str, after: int = 0) -> list[dict[str, Any]]:
            return [one for one in self.things.get(kind, ()) if one["row"] > after][:50]

        @app.post("/things/{kind}")
        async def create(kind: str, request: Request) -> dict[str, Any]:
            return self.put(kind, **await request.json())

        @app.put("/things/{kind}/{row}")
        async def update(kind: str, row: int, request: Request) -> Any:
            if all(one["row"] != row for one in self.things.get(kind, ())):
                return JSONResponse({"error": "no such thing"}, 404)
            return self.put(kind, **{**await request.json(), "row": row})

        self._hook_routes(app)
        return app

    def _hook_routes(self, app: FastAPI) -> None:
        def shown(id: str) -> dict[str, Any]:
            hook = self.hooks[id]
            hook["ends"] = (self.now() + self.lifetime).isoformat() if self.lifetime else None
            told = hook if self.offers_secrets else {**hook, "secret": None}
            return {"id": id, **told}

        @app.post("/hooks")
        async def subscribe(request: Request) -> Any:
            url = (await request.json())["url"]
            known = [id for id, hook in self.hooks.items() if hook["url"] == url]
            id = known[0] if known else f"hook-{len(self.calls)}"
            self.hooks.setdefault(id, {"url": url, "secret": f"handed-over-with-{id}"})
            return shown(id)

        @app.put("/hooks/{id}")
        def renew(id: str) -> Any:
            return shown(id) if id in self.hooks else JSONResponse({"error": "no such hook"}, 404)

        @app.delete("/hooks/{id}")
        def unsubscribe(id: str) -> Any:
            gone = self.hooks.pop(id, None)
            return Response(status_code=204) if gone else JSONResponse({"error": "gone"}, 404)
