"""The sandbox's Web API: Slack's methods, scopes, cursors and error codes, and a page of a channel
on which a person can talk and press buttons.
"""

from __future__ import annotations

import base64
import json
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.sdk.sandbox import Asgi, Effect
from connectors.slack.blocks import ACTIONS, DECIDED, SUBJECT
from connectors.slack.mrkdwn import escape
from connectors.slack.sandbox_blocks import check_blocks
from connectors.slack.sandbox_page import channel_page
from connectors.slack.sandbox_state import APP, BOT, BOT_USER, TEAM, Channel, Refused, Row

if TYPE_CHECKING:
    from connectors.slack.sandbox import SlackSandbox

_HISTORY = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}
_PER_MINUTE = {"users.list": 20, "users.info": 100, "chat.postMessage": 60}
BURST = 2
"""How far beyond its published limits Slack lets a method go."""

Args = Mapping[str, Any]


class SlackApi:
    """Answers requests from the sandbox's workspace, under its lock."""

    def __init__(self, sandbox: SlackSandbox) -> None:
        self.sandbox = sandbox
        self.state = sandbox.state
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self.methods: Mapping[str, tuple[str, set[str], Callable[[Args], Row]]] = {
            "auth.test": ("", set(), self._auth_test),
            "users.list": ("users:read", {"cursor", "limit"}, self._users_list),
            "users.info": ("users:read", {"user"}, self._users_info),
            "users.lookupByEmail": ("users:read.email", {"email"}, self._lookup),
            "users.conversations": (
                "channels:read",
                {"types", "exclude_archived", "cursor", "limit"},
                self._conversations,
            ),
            "conversations.open": ("im:write", {"users", "prevent_creation"}, self._open),
            "conversations.history": (
                "",
                {
                    *("channel", "oldest", "latest", "inclusive", "cursor", "limit"),
                    "include_all_metadata",
                },
                self._history,
            ),
            "conversations.replies": (
                "",
                {
                    *("channel", "ts", "oldest", "latest", "inclusive", "cursor", "limit"),
                    "include_all_metadata",
                },
                self._replies,
            ),
            "chat.postMessage": (
                "chat:write",
                {
                    *("channel", "text", "blocks", "metadata", "thread_ts"),
                    *("unfurl_links", "unfurl_media", "reply_broadcast"),
                },
                self._post,
            ),
            "chat.update": (
                "chat:write",
                {"channel", "ts", "text", "blocks", "metadata"},
                self._update,
            ),
            "chat.delete": ("chat:write", {"channel", "ts"}, self._delete),
        }

    def app(self) -> Asgi:
        page = f"/client/{TEAM}/{{channel}}"
        return Starlette(
            routes=[
                Route("/api/oauth.v2.access", self._token, methods=["POST"]),
                Route("/api/{method}", self._api, methods=["GET", "POST"]),
                Route("/", self._front),
                Route(page, self._page, methods=["GET"]),
                Route(page, self._act, methods=["POST"]),
            ]
        )

    async def _api(self, request: Request) -> Response:
        body = await request.body()
        with self.sandbox.lock:
            method = request.path_params["method"]
            headers = {"x-oauth-scopes": ",".join(sorted(self.sandbox.scopes))}
            try:
                answer = {"ok": True, **self._handle(method, request, body)}
            except Refused as refused:
                answer = {"ok": False, "error": refused.code, **refused.more}
                if refused.code == "ratelimited":
                    return _json(answer, {"retry-after": "3"}, 429)
            return _json(answer, headers)

    def _handle(self, method: str, request: Request, body: bytes) -> Row:
        token = request.headers.get("authorization", "")
        if not token.startswith("Bearer "):
            raise Refused("not_authed")
        self.sandbox.admit(token.removeprefix("Bearer "))
        if method not in self.methods:
            raise Refused("unknown_method", req_method=method)
        scope, known, answer = self.methods[method]
        self._need(scope)
        args = _args(request, body)
        if method.startswith(("chat.", "conversations.open")) and request.method != "POST":
            raise Refused("invalid_post_type")
        if args.keys() - known:
            raise Refused("invalid_arguments", response_metadata={"messages": sorted(args)})
        self._limit(method, str(args.get("channel", "")))
        return answer(args)

    def _need(self, scope: str) -> None:
        if scope and scope not in self.sandbox.scopes:
            provided = ",".join(sorted(self.sandbox.scopes))
            raise Refused("missing_scope", needed=scope, provided=provided)

    def _limit(self, method: str, channel: str) -> None:
        if not self.sandbox.limits:
            return
        place = f"{method}:{channel}" if method == "chat.postMessage" else method
        recent, now = self._recent[place], time.monotonic()
        while recent and recent[0] < now - 60:
            recent.popleft()
        if len(recent) >= BURST * _PER_MINUTE.get(method, 50):
            raise Refused("ratelimited")
        recent.append(now)

    # who we are and who there is ----------------------------------------------------------------

    def _auth_test(self, args: Args) -> Row:
        return {
            "url": f"{self.sandbox.url}/",
            "team": "Sandbox",
            "user": "hub",
            "team_id": TEAM,
            "user_id": BOT_USER,
            "bot_id": BOT,
            "is_enterprise_install": False,
        }

    def _users_list(self, args: Args) -> Row:
        rows = [self._person(row) for row in self.state.users.values()]
        return _page(rows, "members", args, 1000) | {"cache_ts": int(self.state.now())}

    def _person(self, row: Row) -> Row:
        if "users:read.email" in self.sandbox.scopes:
            return row
        return {**row, "profile": {k: v for k, v in row["profile"].items() if k != "email"}}

    def _users_info(self, args: Args) -> Row:
        row = self.state.users.get(str(args.get("user")))
        if row is None:
            raise Refused("user_not_found")
        return {"user": self._person(row)}

    def _lookup(self, args: Args) -> Row:
        return {"user": self.state.user_by_email(str(args.get("email", "")))}

    def _conversations(self, args: Args) -> Row:
        kinds = str(args.get("types", "public_channel")).split(",")
        for kind in kinds:
            if kind not in _HISTORY:
                raise Refused("invalid_types")
            self._need(f"{_HISTORY[kind]}:read")
        rows = [
            channel.shown()
            for channel in self.state.channels.values()
            if channel.kind in kinds
            and BOT_USER in channel.members
            and not (channel.archived and args.get("exclude_archived") == "true")
        ]
        return _page(rows, "channels", args, 999)

    def _open(self, args: Args) -> Row:
        users = str(args.get("users", "")).split(",")
        if not users[0]:
            raise Refused("users_list_not_supplied")
        for id in users:
            if id not in self.state.users:
                raise Refused("user_not_found")
            if self.state.users[id]["deleted"]:
                raise Refused("user_disabled")
        if len(users) > 1:
            self._need("mpim:write")
        channel = self.state.direct(users, not args.get("prevent_creation"))
        return {"channel": {"id": channel.id}} if channel else {"channel": None, "no_op": True}

    # messages -----------------------------------------------------------------------------------

    def _channel(self, id: Any, *, scope: str | None = None) -> Channel:
        channel = self.state.channels.get(str(id))
        hidden = channel is not None and channel.kind != "public_channel"
        if channel is None or (hidden and BOT_USER not in channel.members):
            raise Refused("channel_not_found")
        if scope:
            self._need(f"{_HISTORY[channel.kind]}:{scope}")
        if BOT_USER not in channel.members:
            raise Refused("not_in_channel")
        return channel

    def _history(self, args: Args) -> Row:
        channel = self._channel(args.get("channel"), scope="history")
        rows = [row for row in channel.history() if _between(row["ts"], args)]
        if args.get("cursor"):  # a time, so that what is written meanwhile moves nothing
            begun, _, ts = _decoded(args["cursor"]).partition(":")
            if begun != "next_ts":
                raise Refused("invalid_cursor")
            rows = [row for row in rows if row["ts"] <= ts]
        found = _page(self._shown(rows, args), "messages", {**args, "cursor": ""}, 999)
        if found["has_more"]:
            next = f"next_ts:{rows[len(found['messages'])]['ts']}"
            found["response_metadata"] = {"next_cursor": base64.b64encode(next.encode()).decode()}
        return found | {"pin_count": 0, "channel_actions_ts": None, "channel_actions_count": 0}

    def _replies(self, args: Args) -> Row:
        """By the `ts` of the message that began the thread, or of one reply: then just that one."""
        channel = self._channel(args.get("channel"), scope="history")
        row = channel.messages.get(str(args.get("ts")))
        if row is None:
            raise Refused("thread_not_found")
        if row.get("thread_ts") not in (None, row["ts"]):
            return {"messages": self._shown([row], args), "has_more": False}
        begun, *replies = channel.thread(row["ts"])
        rest = [one for one in replies if _between(one["ts"], args)]
        found = _page(self._shown(rest, args), "messages", args, 1000)
        return found | {"messages": [*self._shown([begun], args), *found["messages"]]}

    def _shown(self, rows: list[Row], args: Args) -> list[Row]:
        everything = args.get("include_all_metadata") == "true"
        return [self.state.seen(row, everything=everything) for row in rows]

    def _check_content(self, args: Args) -> None:
        text = args.get("text")
        if not isinstance(text, str | None) or not (text or args.get("blocks")):
            raise Refused("no_text")
        if text and len(text) > 40_000:
            raise Refused("msg_too_long")
        if "blocks" in args:
            check_blocks(args["blocks"])
        told = args.get("metadata")
        if told is not None:
            if not isinstance(told, dict) or told.keys() != {"event_type", "event_payload"}:
                raise Refused("invalid_metadata_format")
            if not str(told["event_type"]).isidentifier():
                raise Refused("invalid_metadata_schema")

    def _post(self, args: Args) -> Row:
        channel = self._channel(args.get("channel"))
        if channel.archived:
            raise Refused("is_archived")
        self._check_content(args)
        thread = args.get("thread_ts")
        if thread is not None and thread not in channel.messages:
            raise Refused("thread_not_found")
        more = {k: args[k] for k in ("blocks", "metadata") if k in args}
        row = self.state.post(
            channel, BOT_USER, args.get("text") or "", thread=thread, bot_id=BOT, app_id=APP, **more
        )
        key = (args.get("metadata") or {}).get("event_payload", {}).get("key")
        self._effect("create", channel, row, key)
        shown = self.state.seen(row, everything=True)
        return {"channel": channel.id, "ts": row["ts"], "message": shown}

    def _ours(self, args: Args, refusal: str) -> tuple[Channel, str]:
        channel, ts = self._channel(args.get("channel")), args.get("ts")
        if not isinstance(ts, str) or ts not in channel.messages:
            raise Refused("message_not_found")
        if channel.messages[ts].get("app_id") != APP:
            raise Refused(refusal)
        return channel, ts

    def _update(self, args: Args) -> Row:
        channel, ts = self._ours(args, "cant_update_message")
        self._check_content(args)
        changes = {k: args[k] for k in ("text", "blocks", "metadata") if k in args}
        if "text" in args and "blocks" not in args:
            changes["blocks"] = []
        before = channel.messages[ts]
        row = self.state.edit(channel, ts, BOT_USER, **changes)
        id = f"{channel.id}:{ts}"
        self.sandbox.ledger.append(Effect("update", "message", id, _changed(before, row)))
        shown = {k: v for k, v in row.items() if k != "ts"}
        return {"channel": channel.id, "ts": ts, "text": row["text"], "message": shown}

    def _delete(self, args: Args) -> Row:
        channel, ts = self._ours(args, "cant_delete_message")
        row = channel.messages[ts]
        self.state.delete(channel, ts)
        self._effect("delete", channel, row, None)
        return {"channel": channel.id, "ts": ts}

    def _effect(self, op: str, channel: Channel, row: Row, key: str | None) -> None:
        id = f"{channel.id}:{row['ts']}"
        self.sandbox.ledger.append(Effect(op, "message", id, {**row}, key))

    # signing in, and the page -------------------------------------------------------------------

    async def _token(self, request: Request) -> Response:
        form = {
            name: values[0] for name, values in parse_qs((await request.body()).decode()).items()
        }
        with self.sandbox.lock:
            try:
                return _json({"ok": True, **self.sandbox.rotate(form)})
            except Refused as refused:
                return _json({"ok": False, "error": refused.code})

    async def _front(self, request: Request) -> Response:
        with self.sandbox.lock:
            first = next(iter(self.state.channels))
        return RedirectResponse(f"/client/{TEAM}/{first}", 303)

    async def _page(self, request: Request) -> Response:
        with self.sandbox.lock:
            channel = self.state.channels.get(request.path_params["channel"])
            if channel is None:
                return HTMLResponse("No such channel.", 404)
            return HTMLResponse(channel_page(self.state, channel, self.sandbox.notice))

    async def _act(self, request: Request) -> Response:
        body = (await request.body()).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        channel = request.path_params["channel"]
        await run_in_threadpool(self._do, channel, form)
        return RedirectResponse(request.url.path, 303)

    def _do(self, channel: str, form: Mapping[str, str]) -> None:
        by = form.get("by", "")
        if "choice" in form:
            self.sandbox.click(f"{channel}:{form['ts']}", form["choice"], by)
        elif form.get("text", "").strip():
            text, thread = escape(form["text"]), form.get("thread")  # as Slack's own clients do
            if thread:
                self.sandbox.reply(f"{channel}:{thread}", text, by)
            else:
                self.sandbox.say(text, by, channel)


def _changed(before: Row, after: Row) -> Row:
    """What an update changed of a message, in the connector's words."""
    words = {SUBJECT: "subject", ACTIONS: "buttons", DECIDED: "decided"}

    def said(row: Row) -> Row:
        blocks = row.get("blocks", ())
        parts: dict[str, list[Row]] = {}
        for block in blocks:
            parts.setdefault(words.get(block["block_id"], "text"), []).append(block)
        return parts | ({} if blocks else {"text": [row["text"]]})

    old, new = said(before), said(after)
    return {
        name: new.get(name) for name in old.keys() | new.keys() if old.get(name) != new.get(name)
    }


def _json(value: Row, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    kind = "application/json; charset=utf-8"
    return Response(json.dumps(value), status, {"content-type": kind, **(headers or {})})


def _args(request: Request, body: bytes) -> Args:
    if request.method == "GET":
        return dict(request.query_params)
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refused("invalid_post_type")
    try:
        value = json.loads(body)
    except ValueError:
        raise Refused("invalid_json") from None
    if not isinstance(value, dict):
        raise Refused("json_not_object")
    return value


def _between(ts: str, args: Args) -> bool:
    oldest, latest = float(args.get("oldest") or 0), float(args.get("latest") or 1e12)
    at = float(ts)
    if args.get("inclusive") == "true":
        return oldest <= at <= latest
    return oldest < at < latest


def _decoded(cursor: str) -> str:
    try:
        return base64.b64decode(cursor).decode()
    except ValueError:
        raise Refused("invalid_cursor") from None


def _page(rows: list[Row], name: str, args: Args, most: int) -> Row:
    try:
        limit = int(args.get("limit", 100))
        start = int(_decoded(args["cursor"])) if args.get("cursor") else 0
    except ValueError:
        raise Refused("invalid_cursor") from None
    if not 0 < limit <= most:
        raise Refused("invalid_limit")
    found: Row = {name: rows[start : start + limit]}
    more = len(rows) > start + limit
    if name == "messages":  # the other lists tell by their cursor alone
        found["has_more"] = more
    if more:
        cursor = base64.b64encode(str(start + limit).encode()).decode()
        found["response_metadata"] = {"next_cursor": cursor}
    return found
