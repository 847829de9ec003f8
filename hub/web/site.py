"""What every page shares: templates, who is looking, the headers that keep a browser careful, and
the check that a form was sent from our own page.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Coroutine, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import resources
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined

from hub import identity
from hub.flow import connections as flow
from hub.flow import proving
from hub.hub import Hub
from hub.identity import Caller
from hub.live import NoWorkspace, Snapshot
from hub.process.calendar import Calendar
from hub.process.drawing.style import STYLE
from hub.store import overview
from hub.web import words

COOKIE = "hub_session"
MOST_BYTES = 256 * 1024
"""A form that is larger was not filled in by a person."""

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # addresses hold tokens, and so do those of the pages that link onward
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

_STATIC = resources.files("hub.web") / "static"
STATIC: dict[str, tuple[bytes, str]] = {
    name: ((_STATIC / name).read_bytes(), kind)
    for name, kind in (
        ("hub.css", "text/css; charset=utf-8"),
        ("hub.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    )
}
STATIC["diagram.css"] = (STYLE.encode(), "text/css; charset=utf-8")
VERSION = hashlib.sha256(b"".join(body for body, _ in STATIC.values())).hexdigest()[:12]
"""Part of the address of every static file, so that it can be cached for good."""

_kept: ContextVar[dict[str, Snapshot | None]] = ContextVar("kept")
"""The workspace that one request is answered with."""


class Stop(Exception):
    """Ends a request with a plain, kind page: what is the matter, and what to do."""

    def __init__(self, status: int, title: str, text: str, hint: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.text = text
        self.hint = hint


Typed = dict[str, list[str]]


async def typed(request: Request) -> Typed:
    """The fields of a sent form. Only what a browser's plain form sends is taken."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in ("", "application/x-www-form-urlencoded"):
        raise Stop(415, "This is not a form", "Send application/x-www-form-urlencoded.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise Stop(413, "That is too much", "A form may hold 256 KiB. Please shorten the text.")
    found: Typed = {}
    try:
        pairs = parse_qsl(bytes(body).decode("utf-8", "replace"), keep_blank_values=True,
                          max_num_fields=1000)  # fmt: skip
    except ValueError:
        raise Stop(413, "That is too much", "A form may have 1000 fields.") from None
    for name, value in pairs:
        found.setdefault(name, []).append(value.replace("\x00", ""))
    return found


def first(sent: Mapping[str, list[str]], name: str) -> str:
    """The first value of a field, trimmed; empty if it was not sent."""
    return (sent.get(name) or [""])[0].strip()


@dataclass(frozen=True, slots=True)
class When:
    """A moment as a page shows it: in words, exactly on hover, and for machines."""

    text: str
    exact: str
    iso: str
    late: bool = False

    def __bool__(self) -> bool:
        return bool(self.text)


class Site:
    """The dashboard of one hub."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.templates = Environment(
            loader=PackageLoader("hub.web", "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.filters |= {
            "label": words.label,
            "shown": words.value,
            "amount": words.amount,
            "safe_url": safe_url,
        }
        self.templates.globals |= {"version": VERSION, "count": words.count}
        self.templates.globals["ui"] = self.templates.get_template("icons.html").module

    # -------------------------------------------------------------------------------- looking

    @property
    def now(self) -> datetime:
        return self.hub.clock()

    def snapshot(self) -> Snapshot | None:
        """The workspace in force, the same for a whole request; None before the first."""
        kept = _kept.get(None)
        if kept is not None and "snapshot" in kept:
            return kept["snapshot"]
        found: Snapshot | None
        try:
            found = self.hub.live.current()
        except NoWorkspace:
            found = None
        if kept is not None:
            kept["snapshot"] = found
        return found

    def calendar(self) -> Calendar:
        snapshot = self.snapshot()
        return snapshot.workspace.calendar if snapshot else Calendar()

    def due(self, by: datetime | None) -> When:
        """A deadline for a page."""
        calendar = self.calendar()
        return When(
            words.due(by, self.now, calendar),
            words.exact(by, calendar.timezone),
            by.isoformat() if by else "",
            by is not None and by < self.now,
        )

    def past(self, moment: datetime | None) -> When:
        """Something that happened, for a page."""
        zone = self.calendar().timezone
        return When(
            words.ago(moment, self.now, zone),
            words.exact(moment, zone),
            moment.isoformat() if moment else "",
        )

    # -------------------------------------------------------------------------------- callers

    def caller(self, request: Request) -> Caller:
        """Whoever is signed in. Stops with a kind page if nobody is."""
        cookie = request.cookies.get(COOKIE)
        found = identity.by_session(self.hub, cookie) if cookie else None
        if found is None:
            raise Stop(
                # the front door is a page of its own: whoever comes to the hub's address is welcome
                200 if request.url.path == "/" else 401,
                "Please sign in",
                "This page is for people who are signed in. You sign in with a link that works"
                " once, so there is no password to remember.",
                "hub sign-in",
            )
        return found

    def acting(self, request: Request, sent: Mapping[str, list[str]]) -> Caller:
        """Whoever sent a form of ours. Stops if it came from somewhere else."""
        caller = self.caller(request)
        self.refuse_foreign(request)
        if not hmac.compare_digest(first(sent, "csrf").encode(), self.seal(caller).encode()):
            raise Stop(
                403,
                "This form is out of date",
                "Nothing was changed. Go back, load the page again, and send it once more.",
            )
        return caller

    def refuse_foreign(self, request: Request) -> None:
        """Stop what another site made a browser send. `Origin: null` is what our own pages send,
        as they give no referrer.
        """
        site = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin", "null")
        hosts = {request.headers.get("host", "")}
        if self.hub.settings.public_url:
            hosts.add(urlsplit(self.hub.settings.public_url).netloc)
        foreign = origin != "null" and urlsplit(origin).netloc not in hosts
        if foreign or site not in ("same-origin", "none"):
            raise Stop(
                403,
                "This form came from another site",
                "Nothing was changed. Open the page here and send the form from there.",
            )

    def seal(self, caller: Caller) -> str:
        """What only a page of this session can know."""
        key, text = self.hub.settings.secret_key, f"csrf\n{caller.token}"
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    # ------------------------------------------------------------------------------- answering

    def page(
        self, template: str, caller: Caller, *, status: int = 200, nav: str = "", **values: Any
    ) -> HTMLResponse:
        """A page of the dashboard."""
        snapshot = self.snapshot()
        with self.hub.database.read() as tx:
            trouble = overview.counts(tx).exceptions
            capturing = flow.capturing(tx, snapshot) if snapshot else []
        return self.plain(
            template,
            status=status,
            caller=caller,
            csrf=self.seal(caller),
            nav=nav,
            workspace=snapshot.workspace.name if snapshot else "",
            unsigned=unsigned(snapshot),
            capturing=capturing,
            trouble=trouble,
            **values,
        )

    def plain(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A page that needs nobody to be signed in."""
        text = self.templates.get_template(template).render(now=self.now, **values)
        return HTMLResponse(text, status)

    def stopped(self, stop: Stop) -> HTMLResponse:
        return self.plain("stop.html", status=stop.status, stop=stop)

    def route(self) -> type[APIRoute]:
        """The route class of all pages: adds the headers, and turns `Stop` into its page."""
        site = self

        class Page(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                handle = super().get_route_handler()

                async def guarded(request: Request) -> Response:
                    _kept.set({})
                    try:
                        response = await handle(request)
                    except Stop as stop:
                        response = site.stopped(stop)
                    for name, value in HEADERS.items():
                        response.headers.setdefault(name, value)
                    return response

                return guarded

        return Page


def unsigned(snapshot: Snapshot | None) -> list[str]:
    """Connections that take deliveries without any proof."""
    return [] if snapshot is None else proving.unsigned(snapshot)


def safe_url(url: str | None) -> str:
    """An address that may become a link: a vendor's record must not bring a script along."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def session_lifetime() -> int:
    """How long a browser keeps its session, in seconds."""
    return identity.SESSION // timedelta(seconds=1)
