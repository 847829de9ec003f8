"""The HTTP side of the sandbox: Sheets v4, the few calls of Drive v3, and the token endpoint, with
Google's shapes and its strictness about names it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from connectors.google_sheets.sandbox_grid import (
    Area,
    Box,
    Refused,
    Tab,
    area,
    bad,
    put,
    values,
)
from connectors.google_sheets.sandbox_page import page
from connectors.google_sheets.sandbox_shapes import (
    Query,
    about,
    choice,
    keys,
    masked,
    params,
    refusal,
    spread,
)
from connectors.sdk.sandbox import Asgi

if TYPE_CHECKING:
    from connectors.google_sheets.sandbox import GoogleSheetsSandbox

RENDER = {"FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA"}
TIMES = {"SERIAL_NUMBER", "FORMATTED_STRING"}
INPUT = {"RAW", "USER_ENTERED"}
LONGEST = timedelta(days=1)
PROTECTED = (
    "You are trying to edit a protected cell or object. Please contact the spreadsheet owner to "
    "remove protection if you need to edit."
)


class SheetsApi:
    """Answers requests out of the state of one sandbox, one at a time."""

    def __init__(self, sandbox: GoogleSheetsSandbox) -> None:
        self._box = sandbox

    def app(self) -> Asgi:
        async def answer(scope: Any, receive: Any, send: Any) -> None:
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            status, headers, content = self.respond(scope, body)
            pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": status, "headers": pairs})
            await send({"type": "http.response.body", "body": content})

        return answer

    def respond(self, scope: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        method = scope["method"]
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        with self._box.lock:
            if (method, path) == ("GET", "/"):
                html = page(self._box.tabs, self._box.title).encode()
                return 200, {"content-type": "text/html; charset=utf-8"}, html
            if (method, path) == ("POST", "/token"):
                status, answer = self._box.google.token(body)
                return status, {"content-type": "application/json"}, json.dumps(answer).encode()
            try:
                self._signed_in(headers.get("authorization", ""), path)
                found = self._route(method, path, query, self._json(body))
            except Refused as refused:
                return refused.code, _JSON, refusal(refused)
        if found is None:
            return 204, {}, b""
        return 200, _JSON, json.dumps(found, ensure_ascii=False).encode()

    def _signed_in(self, header: str, path: str) -> None:
        scopes = self._box.google.tokens.get(header.removeprefix("Bearer "))
        if scopes is None:
            raise Refused(
                401,
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials. Expected OAuth 2 access token.",
            )
        needed = "drive" if path.startswith("/drive/") else "spreadsheets"
        if needed not in scopes:
            raise Refused(
                403,
                "PERMISSION_DENIED",
                "Request had insufficient authentication scopes.",
                "insufficientPermissions",
            )

    def _json(self, body: bytes) -> Any:
        try:
            return json.loads(body) if body else None
        except ValueError:
            raise bad("Invalid JSON payload received.") from None

    def _route(self, method: str, path: str, query: Query, body: Any) -> Any:
        for wanted, pattern, act in (
            ("GET", r"/v4/spreadsheets/([^/:]+)", self._get),
            ("GET", r"/v4/spreadsheets/([^/:]+)/values:batchGet", self._batch_get),
            ("POST", r"/v4/spreadsheets/([^/:]+)/values:batchUpdate", self._batch_update),
            ("POST", r"/v4/spreadsheets/([^/:]+)/values:batchClear", self._batch_clear),
            ("POST", r"/v4/spreadsheets/([^/:]+)/values/(.+):append", self._append),
            ("POST", r"/v4/spreadsheets/([^/:]+):batchUpdate", self._format),
            ("GET", r"/drive/v3/files/([^/]+)", self._file),
            ("POST", r"/drive/v3/files/([^/]+)/watch", self._watch),
            ("POST", r"/drive/v3/channels/stop", self._stop),
        ):
            match = re.fullmatch(pattern, path)
            if match and wanted == method:
                rest = [unquote(part) for part in match.groups()]
                if rest and rest[0] != self._box.spreadsheet:
                    raise Refused(404, "NOT_FOUND", "Requested entity was not found.", "notFound")
                return act(query, body, *rest[1:])
        raise Refused(404, "NOT_FOUND", "Method not found.")

    # ------------------------------------------------------------------------------------ reading

    def _get(self, query: Query, body: Any) -> Any:
        asked = params(query, {"ranges", "fields", "includeGridData"})
        areas = [area(self._box.tabs, text) for text in asked.get("ranges", [])]
        tabs = [tab for tab in self._box.tabs if not areas or any(one.tab is tab for one in areas)]
        whole = {
            "spreadsheetId": self._box.spreadsheet,
            "properties": {
                "title": self._box.title,
                "locale": self._box.locale,
                "autoRecalc": "ON_CHANGE",
                "timeZone": self._box.zone,
            },
            "sheets": [
                about(tab, at, [a for a in areas if a.tab is tab]) for at, tab in enumerate(tabs)
            ],
            "spreadsheetUrl": f"https://docs.google.com/spreadsheets/d/{self._box.spreadsheet}/edit",
        }
        return masked(whole, asked["fields"][0]) if "fields" in asked else whole

    def _batch_get(self, query: Query, body: Any) -> Any:
        known = {"ranges", "majorDimension", "valueRenderOption", "dateTimeRenderOption"}
        asked = params(query, known)
        option = choice(asked, "valueRenderOption", RENDER, "FORMATTED_VALUE")
        choice(asked, "dateTimeRenderOption", TIMES, "SERIAL_NUMBER")
        ranges = []
        for text in asked.get("ranges", []):
            found = area(self._box.tabs, text)
            cells = values(found, option)
            part: dict[str, Any] = {"range": found.name, "majorDimension": "ROWS"}
            ranges.append(part | ({"values": cells} if cells else {}))
        return {"spreadsheetId": self._box.spreadsheet, "valueRanges": ranges}

    # ------------------------------------------------------------------------------------ writing

    def _batch_update(self, query: Query, body: Any) -> Any:
        params(query, set())
        known = {"valueInputOption", "data", "includeValuesInResponse"}
        keys(body, known | {"responseValueRenderOption", "responseDateTimeRenderOption"})
        option = body.get("valueInputOption")
        if option not in INPUT:
            raise bad("'valueInputOption' is required but not specified")
        writes = []
        for part in body.get("data") or []:
            keys(part, {"range", "values", "majorDimension"})
            writes.append(self._checked(area(self._box.tabs, part["range"]), part.get("values")))
        cells = 0
        silent = self._box.faults.silent > 0
        if silent:
            self._box.faults.silent -= 1
        touched: dict[tuple[int, int], tuple[Tab, dict[int, Any]]] = {}
        for where, lines in writes:
            for row, column, value in spread(where, lines):
                cells += value is not None
                if value is None or silent:
                    continue
                put(where.tab.box(row, column), value, option)
                touched.setdefault((where.tab.id, row), (where.tab, {}))[1][column] = value
        for (_, row), (tab, parts) in touched.items():
            self._box.note("update", tab, row, parts)
        if touched:
            self._box.changed()
        return {
            "spreadsheetId": self._box.spreadsheet,
            "totalUpdatedRows": len({(one.tab.id, one.top) for one, _ in writes}),
            "totalUpdatedColumns": len({(one.tab.id, one.left) for one, _ in writes}),
            "totalUpdatedCells": cells,
            "totalUpdatedSheets": len({one.tab.id for one, _ in writes}),
            "responses": [self._updated(one, lines) for one, lines in writes],
        }

    def _checked(self, where: Area, lines: Any) -> tuple[Area, list[list[Any]]]:
        """The cells to write, if all of them may be. Nothing is written when one may not."""
        if not isinstance(lines, list) or not all(isinstance(line, list) for line in lines):
            raise bad("Invalid value at 'data.values'")
        for _, column, value in spread(where, lines):
            put(Box(), value, "RAW")
            if value is not None and column in where.tab.protected:
                raise bad(f"Invalid data[0]: {PROTECTED}")
        return where, lines

    def _updated(self, where: Area, lines: Sequence[Sequence[Any]]) -> dict[str, Any]:
        right = where.left + max((len(line) for line in lines), default=1) - 1
        written = Area(where.tab, where.top, where.left, where.top + len(lines) - 1, right)
        return {
            "spreadsheetId": self._box.spreadsheet,
            "updatedRange": written.name,
            "updatedRows": len(lines),
            "updatedColumns": right - where.left + 1,
            "updatedCells": sum(value is not None for line in lines for value in line),
        }

    def _append(self, query: Query, body: Any, text: str) -> Any:
        asked = params(query, {"valueInputOption", "insertDataOption", "includeValuesInResponse"})
        keys(body, {"range", "values", "majorDimension"})
        option = choice(asked, "valueInputOption", INPUT, "")
        inserting = choice(asked, "insertDataOption", {"OVERWRITE", "INSERT_ROWS"}, "OVERWRITE")
        if not option:
            raise bad("'valueInputOption' is required but not specified")
        found = area(self._box.tabs, text)
        tab = found.tab
        table = tab.table(found)
        lines = body.get("values") or []
        top, left = table.bottom + 1, table.left
        where = Area(tab, top, left, top + len(lines) - 1, tab.columns)
        self._checked(where, lines)
        updated = self._updated(where, lines)
        if self._box.faults.silent:
            self._box.faults.silent -= 1
        else:
            if inserting == "INSERT_ROWS":
                tab.boxes[top - 1 : top - 1] = [[] for _ in lines]
                tab.rows += len(lines)
            for row, column, value in spread(where, lines):
                put(tab.box(row, column), value, option)
            for at, line in enumerate(lines):
                parts = {left + n: one for n, one in enumerate(line) if one is not None}
                self._box.note("create", tab, top + at, parts)
            self._box.changed()
        return {
            "spreadsheetId": self._box.spreadsheet,
            "tableRange": table.name,
            "updates": updated,
        }

    def _batch_clear(self, query: Query, body: Any) -> Any:
        params(query, set())
        keys(body, {"ranges"})
        areas = [area(self._box.tabs, text) for text in body["ranges"]]
        for where in areas:
            for row, column in where.cells():
                put(where.tab.box(row, column), "", "RAW")
        self._box.changed()
        cleared = [where.name for where in areas]
        return {"spreadsheetId": self._box.spreadsheet, "clearedRanges": cleared}

    def _format(self, query: Query, body: Any) -> Any:
        """Of the many requests of batchUpdate the one that sets number formats."""
        params(query, set())
        keys(body, {"requests"})
        for request in body["requests"]:
            keys(request, {"repeatCell"})
            repeat = request["repeatCell"]
            keys(repeat, {"range", "cell", "fields"})
            place = repeat["range"]
            keys(
                place,
                {"sheetId", "startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex"},
            )
            if repeat["fields"] != "userEnteredFormat.numberFormat":
                raise bad("Invalid requests[0].repeatCell: unsupported fields")
            tab = next((one for one in self._box.tabs if one.id == place["sheetId"]), None)
            if tab is None:
                raise bad(f"Invalid requests[0].repeatCell: No grid with id: {place['sheetId']}")
            form = repeat["cell"]["userEnteredFormat"]["numberFormat"]
            for row in range(place["startRowIndex"] + 1, place["endRowIndex"] + 1):
                for column in range(place["startColumnIndex"] + 1, place["endColumnIndex"] + 1):
                    tab.box(row, column).format = form
        self._box.changed()
        replies: list[dict[str, Any]] = [{} for _ in body["requests"]]
        return {"spreadsheetId": self._box.spreadsheet, "replies": replies}

    # -------------------------------------------------------------------------------------- drive

    def _file(self, query: Query, body: Any) -> Any:
        asked = params(query, {"fields", "supportsAllDrives"})
        whole = {
            "kind": "drive#file",
            "id": self._box.spreadsheet,
            "name": self._box.title,
            "version": str(self._box.version),
            "modifiedTime": self._box.modified.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "trashed": False,
        }
        return masked(whole, asked["fields"][0]) if "fields" in asked else whole

    def _watch(self, query: Query, body: Any) -> Any:
        params(query, {"supportsAllDrives"})
        keys(body, {"id", "type", "address", "token", "expiration", "kind", "payload", "params"})
        address = str(body.get("address", ""))
        if body.get("type") != "web_hook" or not body.get("id"):
            raise Refused(400, "", "Unknown channel type", "channelUnknown")
        if not address.startswith(("https://", "http://127.0.0.1")):
            raise Refused(400, "", "WebHook callback must be HTTPS", "push.webhookUrlNotHttps")
        if body["id"] in self._box.used:
            raise Refused(400, "", f"Channel id {body['id']} not unique", "channelIdNotUnique")
        now = datetime.now(UTC)
        asked = int(body.get("expiration") or (now + timedelta(hours=1)).timestamp() * 1000)
        ends = min(asked, int((now + LONGEST).timestamp() * 1000))
        return self._box.open(str(body["id"]), address, str(body.get("token", "")), ends)

    def _stop(self, query: Query, body: Any) -> Any:
        params(query, set())
        keys(body, {"id", "resourceId"})
        channel = self._box.channels.get(body.get("id"))
        if channel is None or body.get("resourceId") != self._box.resource:
            message = f"Channel '{body.get('id')}' not found for project 'sandbox-project'"
            raise Refused(404, "", message, "notFound")
        del self._box.channels[body["id"]]
        return None


_JSON = {"content-type": "application/json; charset=UTF-8"}
