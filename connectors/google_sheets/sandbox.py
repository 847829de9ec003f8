"""A Google on loopback with one spreadsheet, and people who sort, copy, insert and rename in it.

https://developers.google.com/workspace/sheets/api/reference/rest
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import httpx

from connectors.google_sheets.drill import SheetsDrill
from connectors.google_sheets.sandbox_api import SheetsApi
from connectors.google_sheets.sandbox_grid import DATE, MOMENT, Box, Refused, Tab, serial, text_of
from connectors.google_sheets.sandbox_oauth import CLIENT_EMAIL, Google, keys
from connectors.google_sheets.sandbox_shapes import refusal
from connectors.sdk.faults import Kind
from connectors.sdk.records import Delivery
from connectors.sdk.sandbox import Asgi, Drill, Effect, HttpSandbox

__all__ = ["KEY", "SECRET", "GoogleSheetsSandbox"]

KEY = "_hub_key"
SECRET = "sandbox-channel-token-not-a-secret"
HEADERS = ("Title", "Status", "Owner", "Due", "Hours", "Urgent", "Notes", KEY)
STATUSES = ["Open", "In progress", "On hold", "Done", "Cancelled"]
STATES = {403: "PERMISSION_DENIED", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}


@dataclass(slots=True)
class Channel:
    """One notification channel; `sent` counts its messages."""

    id: str
    address: str
    token: str
    ends: int
    sent: int = 0


class GoogleSheetsSandbox(HttpSandbox):
    """The spreadsheet "Team tracker" with the sheets Tasks and Done. `before_write` is called
    before each write is carried out, for people who are faster.
    """

    name: ClassVar[str] = "google_sheets"
    spreadsheet = "1sandboxSpreadsheetIdNotReal0123456789abcdefg"
    resource = "sandboxResourceId"
    title = "Team tracker"
    locale = "de_CH"
    zone = "Europe/Zurich"

    def __init__(self) -> None:
        super().__init__()
        self.tabs = [_tab("Tasks", 0), _tab("Done", 417_215_803)]
        self.google = Google()
        self.version = 1
        self.modified = datetime.now(UTC)
        self.channels: dict[str, Channel] = {}
        self.used: set[str] = set()
        self.delivered: list[Delivery] = []
        self.before_write: Callable[[], None] | None = None
        self._usual: Channel | None = None
        self._queue: queue.Queue[Delivery | None] = queue.Queue()

    def connection(self) -> dict[str, Any]:
        return {
            "connector": "google_sheets",
            "base_url": self.url,
            "spreadsheet": self.spreadsheet,
            "sheets": [tab.title for tab in self.tabs],
            "auth": {
                "client_email": CLIENT_EMAIL,
                "private_key": "env:HUB_SANDBOX_GOOGLE_PRIVATE_KEY",
            },
            "webhook": {"secret": "env:HUB_SANDBOX_GOOGLE_CHANNEL_TOKEN"},
        }

    def env(self) -> dict[str, str]:
        return {
            "HUB_SANDBOX_GOOGLE_PRIVATE_KEY": keys()[0],
            "HUB_SANDBOX_GOOGLE_CHANNEL_TOKEN": SECRET,
        }

    def app(self) -> Asgi:
        api = SheetsApi(self)
        inner = api.respond

        def respond(scope: Any, body: bytes) -> Any:
            writing = self.kind(scope["method"], scope["path"]) == "write"
            if writing and self.before_write is not None:
                self.before_write()
            return inner(scope, body)

        api.respond = respond  # type: ignore[method-assign] # a person between two requests
        return api.app()

    def kind(self, method: str, path: str) -> Kind:
        return "sign-in" if path == "/token" else super().kind(method, path)

    def goes_on(self, answer: Any) -> bool:
        """Sheets knows no pages: whatever is asked for comes at once."""
        return False

    def wording(self, status: int) -> tuple[dict[str, str], bytes]:
        state = STATES.get(status, "UNAUTHENTICATED" if status == 401 else "INTERNAL")
        message = "The service is currently unavailable."
        if status == 429:
            message = "Quota exceeded for quota metric 'Read requests' and limit 'per minute'."
        body = refusal(Refused(status, state, message))
        return {"content-type": "application/json; charset=UTF-8"}, body

    def drill(self) -> Drill:
        return SheetsDrill(self)

    def start(self, port: int = 0) -> None:
        super().start(port)
        self._sender = threading.Thread(target=self._send_all, name="drive-pushes", daemon=True)
        self._sender.start()

    def stop(self) -> None:
        self._queue.put(None)
        self._sender.join(timeout=15)
        super().stop()

    def populate(self) -> None:
        today = datetime.now(UTC).date()
        for at, (title, status, owner) in enumerate(
            [
                ("Order laptops for the new office", "Open", "ann@example.com"),
                ("Renew the certificate of the portal", "In progress", "ben@example.com"),
                ("Ask the tax office about form 12", "On hold", "ann@example.com"),
                ("Plan the summer party", "Open", ""),
            ]
        ):
            due = today + timedelta(days=3 * at + 1)
            self.add(f"k-{at + 1:04}", Title=title, Status=status, Owner=owner, Due=due)

    # --------------------------------------------------------------------------------- what happens

    def changed(self) -> None:
        """The file is another now: Drive counts, and tells every open channel."""
        self.version += 1
        self.modified = max(self.modified + timedelta(milliseconds=1), datetime.now(UTC))
        for channel in self._open_channels():
            self._notify(channel, "update", changed="content")

    def open(self, id: str, address: str, token: str, ends: int) -> dict[str, Any]:
        """A new channel, and its first message."""
        self.used.add(id)
        channel = self.channels[id] = Channel(id, address, token, ends)
        self._notify(channel, "sync")
        return {
            "kind": "api#channel",
            "id": id,
            "resourceId": self.resource,
            "resourceUri": f"https://www.googleapis.com/drive/v3/files/{self.spreadsheet}?alt=json",
            "token": token,
            "expiration": str(ends),
        }

    def sync(self) -> Delivery:
        """The first message of the channel that the hub's own address has without asking."""
        with self.lock:
            self._notify(self._own(), "sync")
            return self.delivered[-1]

    def note(self, op: str, tab: Tab, row: int, cells: Mapping[int, Any]) -> None:
        """A write for the ledger: which row, which columns."""
        names = {column: name for name, column in tab.headers().items()}
        fields = {names.get(column, str(column)): value for column, value in cells.items()}
        key = str(tab.value(row, tab.headers().get(KEY, 99)))
        self.ledger.append(Effect(op, "row", key, fields, key))

    def _own(self) -> Channel:
        if self._usual is None or self._usual.address != self.webhook_url:
            ends = int((datetime.now(UTC) + timedelta(days=1)).timestamp() * 1000)
            self._usual = Channel("sandbox-channel", self.webhook_url or "", SECRET, ends)
        return self._usual

    def _open_channels(self) -> list[Channel]:
        now = datetime.now(UTC).timestamp() * 1000
        self.channels = {id: one for id, one in self.channels.items() if one.ends > now}
        return [*self.channels.values(), *([self._own()] if self.webhook_url else [])]

    def _notify(self, channel: Channel, state: str, changed: str = "") -> None:
        channel.sent += 1
        uri = f"https://www.googleapis.com/drive/v3/files/{self.spreadsheet}?alt=json"
        ends = datetime.fromtimestamp(channel.ends / 1000, UTC)
        headers = {
            "accept": "*/*",
            "user-agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
            "x-goog-channel-id": channel.id,
            "x-goog-channel-token": channel.token,
            "x-goog-channel-expiration": ends.strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "x-goog-message-number": str(channel.sent),
            "x-goog-resource-id": self.resource,
            "x-goog-resource-state": state,
            "x-goog-resource-uri": uri,
        }
        if changed:
            headers["x-goog-changed"] = changed
        delivery = Delivery("POST", channel.address, headers, b"", datetime.now(UTC))
        self.delivered.append(delivery)
        self._queue.put(delivery)

    def _send_all(self) -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while (delivery := self._queue.get()) is not None:
                # Drive tries again for a while; here the next change says the same
                if delivery.url.startswith("http://127.0.0.1"):
                    with suppress(httpx.HTTPError):
                        client.post(delivery.url, headers=dict(delivery.headers))
                self._queue.task_done()

    def drain(self) -> None:
        """Return once every notification so far was sent."""
        self._queue.join()

    # ------------------------------------------------------------------------------ what people do

    def tab(self, title: str | None = None) -> Tab:
        return self.tabs[0] if title is None else next(t for t in self.tabs if t.title == title)

    def rows(self, sheet: str | None = None) -> list[dict[str, Any]]:
        """What a person sees: header to text, top to bottom, blank rows left out."""
        with self.lock:
            tab = self.tab(sheet)
            headers = tab.headers()
            found = []
            for row in range(2, tab.lines() + 1):
                line = {name: text_of(tab.box(row, at)) for name, at in headers.items()}
                if any(line.values()):
                    found.append(line)
            return found

    def row(self, key: str) -> dict[str, Any]:
        """The row of this key, in whichever sheet; KeyError if there is none."""
        for tab in self.tabs:
            for row in self.rows(tab.title):
                if row.get(KEY) == key:
                    return {**row, "_sheet": tab.title}
        raise KeyError(key)

    def wait_for(self, key: str, timeout: float = 10, **columns: Any) -> dict[str, Any]:
        """The row, as soon as its columns show these texts; TimeoutError with what it has."""
        deadline = time.monotonic() + timeout
        while True:
            row: dict[str, Any] = {}
            with suppress(KeyError):
                row = self.row(key)
            if row and all(row.get(name) == str(value) for name, value in columns.items()):
                return row
            if time.monotonic() > deadline:
                raise TimeoutError(f"Row {key} is {row or 'not there'} after {timeout} s.")
            time.sleep(0.02)

    def add(self, key: str = "", sheet: str | None = None, **columns: Any) -> int:
        """A person types a new row at the bottom; its number. Mostly without a key."""
        with self.lock:
            tab = self.tab(sheet)
            row = tab.lines() + 1
            self._type(tab, row, {**columns, **({KEY: key} if key else {})})
            self.changed()
            return row

    def edit(self, key: str, **columns: Any) -> None:
        """A person changes cells of a row, or types it at the bottom when it is not there."""
        with self.lock:
            try:
                tab, row = self._find(key)
            except KeyError:
                self.add(key, **columns)
                return
            self._type(tab, row, columns)
            self.changed()

    def delete(self, key: str) -> None:
        """A person deletes a row."""
        with self.lock:
            tab, row = self._find(key)
            del tab.boxes[row - 1]
            self.changed()

    def copy(self, key: str, **columns: Any) -> int:
        """A person copies a row, pastes it at the bottom and changes the copy; its number."""
        with self.lock:
            tab, row = self._find(key)
            tab.boxes[tab.lines() :] = []
            tab.boxes.append(
                [Box(one.value, one.formula, one.format) for one in tab.boxes[row - 1]]
            )
            self._type(tab, len(tab.boxes), columns)
            self.changed()
            return len(tab.boxes)

    def move(self, key: str, sheet: str) -> None:
        """A person cuts a row and pastes it into another sheet."""
        with self.lock:
            tab, row = self._find(key)
            boxes = tab.boxes.pop(row - 1)
            target = self.tab(sheet)
            target.boxes[target.lines() :] = [boxes]
            self.changed()

    def sort(self, header: str, sheet: str | None = None, reverse: bool = False) -> None:
        """A person sorts the sheet by a column."""
        with self.lock:
            tab = self.tab(sheet)
            column = tab.headers()[header]
            top, *rest = tab.boxes[: tab.lines()]
            for line in rest:
                line.extend(Box() for _ in range(column - len(line)))
            rest.sort(key=lambda line: str(line[column - 1].value), reverse=reverse)
            tab.boxes = [top, *rest]
            self.changed()

    def insert_column(self, before: str, header: str = "", sheet: str | None = None) -> None:
        """A person inserts a column to the left of another."""
        with self.lock:
            tab = self.tab(sheet)
            at = tab.headers()[before]
            for number, line in enumerate(tab.boxes, start=1):
                if len(line) >= at - 1:
                    line.insert(at - 1, Box(header if number == 1 else ""))
            tab.columns += 1
            self.changed()

    def insert_row(self, at: int, sheet: str | None = None) -> None:
        """A person inserts an empty row above row `at`."""
        with self.lock:
            self.tab(sheet).boxes.insert(at - 1, [])
            self.changed()

    def rename_header(self, old: str, new: str, sheet: str | None = None) -> None:
        with self.lock:
            tab = self.tab(sheet)
            tab.box(1, tab.headers()[old]).value = new
            self.changed()

    def rename_sheet(self, old: str, new: str) -> None:
        with self.lock:
            self.tab(old).title = new
            self.changed()

    def clear_key(self, key: str) -> None:
        """A person empties the key cell of a row."""
        self.edit(key, **{KEY: ""})

    def formula(self, key: str, header: str, text: str, value: Any) -> None:
        """A person types a formula; the sandbox does not calculate, so its value is told."""
        with self.lock:
            tab, row = self._find(key)
            box = tab.box(row, tab.headers()[header])
            box.formula, box.value = text, value
            self.changed()

    def protect(self, header: str, sheet: str | None = None) -> None:
        """A person protects a column against everybody else."""
        with self.lock:
            tab = self.tab(sheet)
            tab.protected.add(tab.headers()[header])

    def agree(self, url: str) -> tuple[str, str]:
        """A person agrees on Google's page: the code and state that their browser brings back."""
        with self.lock:
            return self.google.agree(url)

    def _find(self, key: str) -> tuple[Tab, int]:
        for tab in self.tabs:
            column = tab.headers().get(KEY, 0)
            for row in range(2, tab.lines() + 1):
                if column and str(tab.value(row, column)) == key:
                    return tab, row
        raise KeyError(key)

    def _type(self, tab: Tab, row: int, columns: Mapping[str, Any]) -> None:
        headers = tab.headers()
        for name, value in columns.items():
            box = tab.box(row, headers[name])
            box.formula = None
            if isinstance(value, date):
                box.value = serial(value)
                # typing a date makes the cell one
                box.format = dict(MOMENT if isinstance(value, datetime) else DATE)
            else:
                box.value = value


def _tab(title: str, id: int) -> Tab:
    tab = Tab(title, id)
    tab.boxes.append([Box(name) for name in HEADERS])
    tab.choices[HEADERS.index("Status") + 1] = STATUSES
    tab.box(2, HEADERS.index("Due") + 1).format = dict(DATE)
    return tab
