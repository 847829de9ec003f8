"""Deskly's HTTP: signing in, lists in every kind of paging, tickets and notes, its refusals."""

from __future__ import annotations

import base64
import binascii
import html
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from connectors.rest.sandbox import DesklySandbox

Row = dict[str, Any]
STATES = ("new", "open", "waiting", "solved")
PRIORITIES = ("low", "normal", "high")
TICKET = {
    "subject": str,
    "body": str,
    "state": str,
    "priority": str,
    "assignee": str,
    "due_on": str,
    "tags": list,
    "external_id": str,
}
NOTE = {"text": str, "external_id": str}
PAGE, MOST = 25, 100
CONTROL = {
    "page": {"page", "per_page"},
    "offset": {"offset", "limit"},
    "cursor": {"cursor", "limit"},
    "feed": {"cursor", "limit", "start"},
    "link": {"page", "limit"},
    "next_url": {"page", "limit"},
    "none": set[str](),
}


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str, message: str, fields: Mapping[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.fields = fields


def refuse(status: int, code: str, message: str, **fields: str) -> Refusal:
    return Refusal(status, code, message, fields)


class DesklyApi:
    """The routes of one sandbox."""

    def __init__(self, desk: DesklySandbox) -> None:
        self.desk = desk
        self.tokens: set[str] = set()

    def app(self) -> Starlette:
        routes = [
            Route("/", self._page),
            Route("/oauth/token", self._token, methods=["POST"]),
            self._route("/v1/me", self._me),
            self._route("/v1/tickets", self._tickets, "GET", "POST"),
            self._route("/v1/tickets/show_many", self._show_many),
            self._route("/v1/tickets/changes", self._changes),
            self._route("/v1/tickets/{id:int}", self._ticket, "GET", "PATCH", "DELETE"),
            self._route("/v1/tickets/{id:int}/notes", self._notes, "GET", "POST"),
            self._route("/v1/notes", self._find_notes),
            self._route("/v1/notes/{id:int}", self._note, "GET", "PATCH", "DELETE"),
        ]
        return Starlette(routes=routes)

    def _route(self, path: str, answer: Callable[[Request, Row], Response], *methods: str) -> Route:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            try:
                self._signed_in(request)
                if self.desk.failing:
                    self.desk.failing = False
                    raise refuse(503, "unavailable", "Not now.")
                body: Row = {}
                if request.method in ("POST", "PATCH"):
                    body = await _json(request, raw)
                with self.desk.lock:
                    return answer(request, body)
            except Refusal as no:
                if self.desk.polite:  # says 200 whatever happens, and the truth in the body
                    return JSONResponse({"ok": False, **_error(no)})
                return JSONResponse(_error(no), no.status)

        return Route(path, endpoint, methods=list(methods) or ["GET"])

    # ------------------------------------------------------------------------------------------

    def _signed_in(self, request: Request) -> None:
        desk, header = self.desk, request.headers.get("authorization", "")
        if desk.auth == "oauth2":
            good = header.removeprefix("Bearer ") in self.tokens
        elif desk.auth == "bearer":
            good = header == f"Bearer {desk.secret}"
        elif desk.auth == "basic":
            pair = base64.b64encode(f"hub:{desk.secret}".encode()).decode()
            good = header == f"Basic {pair}"
        elif desk.auth == "query":
            good = request.query_params.get("api_key") == desk.secret
        else:
            good = request.headers.get("x-api-key") == desk.secret
        if not good:
            raise refuse(401, "unauthorized", "Sign in first.")

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        pair = base64.b64encode(f"hub:{self.desk.secret}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return JSONResponse({"error": "invalid_client"}, 401)
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        token = f"deskly-{secrets.token_hex(12)}"
        self.tokens.add(token)
        return JSONResponse({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    def _me(self, request: Request, _: Row) -> Response:
        return self._one("me", {"id": 1, "email": self.desk.bot})

    # ------------------------------------------------------------------------------------------

    def _tickets(self, request: Request, body: Row) -> Response:
        desk = self.desk
        if request.method == "POST":
            fields = _fields(_unwrapped(desk, body, "ticket"), TICKET, "subject")
            row = desk.make_ticket(fields, by=desk.bot, ours=True)
            return self._one("ticket", row, 201)
        query = self._known(request, "sort", "updated_since", "external_id", "include_deleted")
        rows = list(desk.tickets.values())
        if query.get("include_deleted") != "true":
            rows = [row for row in rows if not row["deleted"]]
        if "external_id" in query:  # asks the table itself, which is always up to date
            rows = [row for row in rows if row["external_id"] == query["external_id"]]
        else:
            rows = self._indexed(rows)
        if since := query.get("updated_since"):
            rows = [row for row in rows if row["updated_at"] >= since]
        if query.get("sort") == "updated_at":
            rows.sort(key=lambda row: (row["updated_at"], row["id"]))
        return self._list(request, "tickets", rows)

    def _changes(self, request: Request, _: Row) -> Response:
        self._known(request)
        rows = sorted(
            self._indexed(self.desk.tickets.values()),
            key=lambda row: (row["updated_at"], row["id"]),
        )
        return self._list(request, "tickets", rows)

    def _show_many(self, request: Request, _: Row) -> Response:
        ids = {int(id) for id in request.query_params.get("ids", "").split(",") if id.isdigit()}
        if not ids or len(ids) > 50:
            raise refuse(400, "bad_request", "Name 1 to 50 ids.")
        rows = [self.desk.tickets[id] for id in sorted(ids) if id in self.desk.tickets]
        return JSONResponse({"tickets": [row for row in rows if not row["deleted"]]})

    def _ticket(self, request: Request, body: Row) -> Response:
        desk = self.desk
        row = desk.tickets.get(request.path_params["id"])
        if row is None or row["deleted"]:
            raise refuse(404, "not_found", "There is no such ticket.")
        if request.method == "GET":
            return self._one("ticket", row)
        if request.method == "DELETE":
            desk.remove_ticket(row["id"], by=desk.bot, ours=True)
            return Response(status_code=204)
        fields = _fields(_unwrapped(desk, body, "ticket"), TICKET)
        if desk.faults.silent:
            desk.faults.silent -= 1
            return self._one("ticket", {**row, **fields})
        return self._one("ticket", desk.edit_ticket(row["id"], by=desk.bot, ours=True, **fields))

    def _notes(self, request: Request, body: Row) -> Response:
        desk, id = self.desk, request.path_params["id"]
        if id not in desk.tickets or desk.tickets[id]["deleted"]:
            raise refuse(404, "not_found", "There is no such ticket.")
        if request.method == "POST":
            fields = _fields(_unwrapped(desk, body, "note"), NOTE, "text")
            return self._one("note", desk.make_note(id, fields, by=desk.bot, ours=True), 201)
        self._known(request)
        rows = [row for row in desk.notes.values() if row["ticket_id"] == id]
        return self._list(request, "notes", self._indexed(rows))

    def _find_notes(self, request: Request, _: Row) -> Response:
        query = self._known(request, "external_id")
        wanted = query.get("external_id")
        rows = [row for row in self.desk.notes.values() if row["external_id"] == wanted]
        return self._list(request, "notes", rows)

    def _note(self, request: Request, body: Row) -> Response:
        desk = self.desk
        row = desk.notes.get(request.path_params["id"])
        if row is None:
            raise refuse(404, "not_found", "There is no such note.")
        if request.method == "GET":
            return self._one("note", row)
        if request.method == "DELETE":
            desk.remove_note(row["id"], by=desk.bot, ours=True)
            return Response(status_code=204)
        fields = _fields(_unwrapped(desk, body, "note"), NOTE)
        if desk.faults.silent:
            desk.faults.silent -= 1
            return self._one("note", {**row, **fields})
        return self._one("note", desk.edit_note(row["id"], by=desk.bot, ours=True, **fields))

    # ------------------------------------------------------------------------------------------

    def _known(self, request: Request, *names: str) -> dict[str, str]:
        allowed = {*names, *CONTROL[self.desk.paging]}
        if self.desk.auth == "query":
            allowed.add("api_key")
        query = dict(request.query_params)
        if unknown := sorted(set(query) - allowed):
            raise refuse(400, "bad_request", f"Unknown parameter {unknown[0]}.")
        return query

    def _indexed(self, rows: Any) -> list[Row]:
        """What lists show: they may run behind."""
        if not self.desk.faults.lag:
            return list(rows)
        horizon = self.desk.moment(-self.desk.faults.lag)
        return [row for row in rows if row["updated_at"] <= horizon]

    def _one(self, name: str, row: Row, status: int = 200) -> Response:
        answer = {name: row} if self.desk.wrapped else dict(row)
        return JSONResponse({**({"ok": True} if self.desk.polite else {}), **answer}, status)

    def _list(self, request: Request, name: str, rows: list[Row]) -> Response:
        kind, query = self.desk.paging, request.query_params
        asked = query.get("per_page" if kind == "page" else "limit", str(PAGE))
        if not asked.isdigit() or not int(asked):
            raise refuse(400, "bad_request", "The page size is no number.")
        size = min(int(asked), MOST)
        if kind == "none":
            return JSONResponse({name: rows})
        if kind in ("cursor", "feed"):
            return self._by_cursor(name, rows, size, query.get("cursor"))
        if kind == "offset":
            start = _number(query.get("offset", "0"))
            return JSONResponse({name: rows[start : start + size], "total": len(rows)})
        number = max(1, _number(query.get("page", "1")))
        start = (number - 1) * size
        page, more = rows[start : start + size], start + size < len(rows)
        if kind == "page":
            return JSONResponse({name: page, "total": len(rows)})
        following = request.url.include_query_params(page=number + 1).remove_query_params("api_key")
        if kind == "next_url":
            link = f"{following.path}?{following.query}" if more else None
            return JSONResponse({name: page, "next": link})
        headers = {"link": f'<{following}>; rel="next"'} if more else {}
        return JSONResponse(page, headers=headers)

    def _by_cursor(self, name: str, rows: list[Row], size: int, cursor: str | None) -> Response:
        place = ("", 0)
        if cursor:
            try:
                epoch, at, id = base64.b64decode(cursor, validate=True).decode().split("|")
            except (ValueError, binascii.Error):
                raise refuse(400, "bad_request", "The cursor is malformed.") from None
            if int(epoch) != self.desk.epoch:
                raise refuse(410, "cursor_expired", "The cursor is no longer known.")
            place = (at, int(id))
        if name == "notes":
            rows = sorted(rows, key=lambda row: (row["updated_at"], row["id"]))
        after = [row for row in rows if (row["updated_at"], row["id"]) > place]
        page = after[:size]
        if page:
            place = (page[-1]["updated_at"], page[-1]["id"])
        token = base64.b64encode(f"{self.desk.epoch}|{place[0]}|{place[1]}".encode()).decode()
        return JSONResponse({name: page, "meta": {"next": token, "more": len(after) > size}})

    async def _page(self, request: Request) -> Response:
        """What a person sees who opens the sandbox."""
        with self.desk.lock:
            rows = [
                f"<tr><td>{row['id']}<td>{html.escape(row['subject'])}<td>{row['state']}"
                f"<td>{html.escape(row['assignee'] or '')}<td>{row['updated_at']}"
                for row in self.desk.tickets.values()
                if not row["deleted"]
            ]
        return HTMLResponse(
            "<!doctype html><meta charset=utf-8><title>Deskly</title>"
            "<style>body{font:16px system-ui;margin:2rem}td,th{padding:.3rem 1rem;text-align:left}"
            "</style><h1>Deskly</h1><table><tr><th>#<th>Subject<th>State<th>Assignee<th>Updated"
            f"{''.join(rows)}</table>"
        )


async def _json(request: Request, raw: bytes) -> Row:
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        return {name: str(value) for name, value in (await request.form()).items()}
    try:
        body = await request.json()
    except ValueError:
        raise refuse(400, "bad_request", "The body is no JSON.") from None
    if not isinstance(body, dict):
        raise refuse(400, "bad_request", "The body is no object.")
    return body


def _unwrapped(desk: DesklySandbox, body: Row, name: str) -> Row:
    if not desk.wrapped:
        return body
    inner = body.get(name)
    if not isinstance(inner, dict) or len(body) != 1:
        raise refuse(400, "bad_request", f"The body must be {{{name}: …}}.")
    return inner


def _fields(fields: Row, known: Mapping[str, type], *needed: str) -> Row:
    """The fields of a write, as strict as the service is."""
    wrong: dict[str, str] = {}
    for name, value in fields.items():
        if name not in known:
            wrong[name] = "is unknown or cannot be written"
        elif value is not None and not isinstance(value, known[name]):
            wrong[name] = f"must be a {known[name].__name__}"
    for name in ("subject", "text"):
        if (name in fields or name in needed) and not fields.get(name):
            wrong[name] = "cannot be blank"
    if fields.get("state", "new") not in STATES:
        wrong["state"] = "is not a state"
    if fields.get("priority") not in (None, *PRIORITIES):
        wrong["priority"] = "is not a priority"
    if wrong:
        raise refuse(422, "invalid", "Some fields are not right.", **wrong)
    return fields


def _number(text: str) -> int:
    if not text.isdigit():
        raise refuse(400, "bad_request", "That is no number.")
    return int(text)


def _error(no: Refusal) -> Row:
    fields = [{"field": name, "message": reason} for name, reason in no.fields.items()]
    return {"error": {"code": no.code, "message": str(no), "fields": fields}}
