"""The template's Acme Desk with what some of the seeded bugs need to trip over, and OAuth."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from connectors.sdk import ObjectSpec, TransientError, Watcher
from connectors.sdk.auth import ClientCredentials
from connectors.sdk.faults import Kind
from connectors.sdk.records import Cursor, Json
from connectors.sdk.sandbox import Asgi
from hub_acme.connector import BASE_URL, AcmeConnector
from hub_acme.sandbox import AcmeSandbox

TICKETS: dict[str, ObjectSpec] = {"ticket": AcmeConnector.objects["ticket"]}


class Vendor(AcmeSandbox):
    """Also pages by offset, forgets tokens of lists, gives single records by their path, hides
    failures in answers, and takes a POST that says nothing.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 1
        self.failing = False

    def expire_cursor(self) -> None:
        self.epoch += 1

    def app(self) -> Asgi:
        inner = super().app()
        assert isinstance(inner, Starlette)
        inner.router.routes.insert(0, Route("/seen", self._guarded(self._seen), methods=["POST"]))
        inner.router.routes.append(Route("/{object}s/{id}", self._guarded(self._one)))
        return inner

    def hidden_failure(self) -> None:
        self.failing = True

    def _one(self, request: Request, body: Json) -> tuple[int, Json]:
        row = self.rows[request.path_params["object"]].get(request.path_params["id"])
        if row is None or row["deleted"]:
            return 404, {"message": "no such record"}
        return 200, row

    def _seen(self, request: Request, body: Json) -> tuple[int, Json]:
        return 200, {}

    def _list(self, request: Request, body: Json) -> tuple[int, Json]:
        query = request.query_params
        if self.failing:
            self.failing = False
            empty = {f"{request.path_params['object']}s": [], "next": None}
            return 200, {"ok": False, "error": "overloaded", **empty}
        if "epoch" in query and int(query["epoch"]) != self.epoch:
            return 410, {"message": "this list has been forgotten"}
        if "offset" in query:
            rows = [
                row
                for row in self.rows[request.path_params["object"]].values()
                if row["updated_at"] >= query.get("updated_since", "")
            ]
            rows.sort(key=lambda row: (row["updated_at"], int(row["id"])))
            start = int(query["offset"])
            return 200, {"tickets": rows[start : start + self.page], "total": len(rows)}
        status, answer = super()._list(request, body)
        return status, {**answer, "epoch": self.epoch}


class Sound(AcmeConnector):
    """Nothing is wrong with it: the measure of the others."""

    sandbox: ClassVar[str] = "tests.connectors.conformance.vendor:Vendor"
    objects: ClassVar[dict[str, ObjectSpec]] = TICKETS

    def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Any:
        answer = super()._get(path, params)
        if isinstance(answer, dict) and answer.get("ok") is False:
            raise TransientError(f"Acme Desk failed to answer: {answer.get('error')}.")
        return answer


class SoundWithComments(Sound):
    objects: ClassVar[dict[str, ObjectSpec]] = dict(AcmeConnector.objects)


class SoundWatcher(Sound, Watcher):
    """Asks again and again while it waits."""

    def setup(self) -> None:
        super().setup()
        self.ended = threading.Event()
        self._closing.callback(self.ended.set)

    def wait(self, object: str, cursor: Cursor, timeout: float) -> bool:
        until = time.monotonic() + timeout
        while time.monotonic() < until and not self.ended.is_set():
            if any(page.records for page in self.pull(object, cursor, ())):
                return True
            self.ended.wait(0.05)
        return False


# -------------------------------------------------------------------------------------------- OAuth


class OAuthVendor(Vendor):
    """Access tokens that end, refresh tokens that may be used once."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)
        self.access = ""
        self.refresh = ""

    def kind(self, method: str, path: str) -> Kind:
        return "sign-in" if path == "/token" else super().kind(method, path)

    def expire_token(self) -> None:
        self.access = "none"

    def app(self) -> Asgi:
        inner = super().app()
        assert isinstance(inner, Starlette)
        inner.router.routes.insert(0, Route("/token", self._token, methods=["POST"]))
        return inner

    async def _token(self, request: Request) -> JSONResponse:
        form = await request.form()
        with self.lock:
            known = form.get("refresh_token") in (None, self.refresh)
            if form.get("client_secret") != self.env()["HUB_SANDBOX_ACME_TOKEN"]:
                return JSONResponse({"error": "invalid_client"}, 401)
            if not known:
                return JSONResponse({"error": "invalid_grant"}, 400)
            number = next(self._numbers)
            self.access, self.refresh = f"access-{number}", f"refresh-{number}"
            return JSONResponse(
                {"access_token": self.access, "refresh_token": self.refresh, "expires_in": 3600}
            )

    def _guarded(self, handle: Any) -> Any:
        inner = super()._guarded(handle)

        async def answer(request: Request) -> Any:
            if request.headers.get("authorization") != f"Bearer {self.access}":
                return JSONResponse({"message": "This token has ended"}, 401)
            headers = [pair for pair in request.scope["headers"] if pair[0] != b"authorization"]
            bearer = f"Bearer {self.env()['HUB_SANDBOX_ACME_TOKEN']}".encode()
            request.scope["headers"] = [*headers, (b"authorization", bearer)]
            return await inner(Request(request.scope, request.receive))

        return answer


class SoundOAuth(Sound):
    sandbox: ClassVar[str] = "tests.connectors.conformance.vendor:OAuthVendor"

    def setup(self) -> None:
        base = self.settings.base_url or BASE_URL
        self.signing_in = self.oauth2(
            f"{base}/token",
            "client",
            ClientCredentials(),
            client_secret=self.settings.auth.token,
            client_auth="client_secret_post",
        )
        self.api = self.http(base, auth=self.signing_in)
