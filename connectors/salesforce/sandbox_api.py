"""The API side of the Salesforce sandbox: every request to its answer, with Salesforce's errors."""

from __future__ import annotations

import asyncio
import html
import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote

from connectors.salesforce.sandbox_bulk import Jobs, Results
from connectors.salesforce.sandbox_messages import Announcer
from connectors.salesforce.sandbox_oauth import SignIn
from connectors.salesforce.sandbox_org import Org, Refusal, attributes
from connectors.salesforce.sandbox_soql import SoqlError
from connectors.salesforce.soql import id18
from connectors.sdk.faults import Kind
from connectors.sdk.sandbox import Asgi, Effect, HttpSandbox

_FAULT_CODES = {
    401: ("INVALID_SESSION_ID", "Session expired or invalid"),
    403: ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."),
    429: ("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."),
    503: ("SERVER_UNAVAILABLE", "The server is currently unavailable. Please try again later."),
}
LONGEST_ADDRESS = 16_384
Answer = tuple[int, Any]
"""A status and a JSON body (None: no content)."""


class Stop(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        entry: dict[str, Any] = {"message": message, "errorCode": code}
        if fields:
            entry["fields"] = list(fields)
        self.answer: Answer = (status, [entry])


SIGN_IN = "/services/oauth2/token"
CONSENT = "/services/oauth2/authorize"


class SalesforceServer(HttpSandbox):
    """`page_size` is the size of a query's batches; `clock` gives the stamps of changes."""

    name: ClassVar[str] = "salesforce"

    def __init__(self, page_size: int = 2000, clock: Callable[[], datetime] | None = None) -> None:
        super().__init__()
        self.org = Org(clock)
        self.sign_in = SignIn(self.org.id, self.org.integration)
        self.page_size = page_size
        self.requests: list[tuple[str, str]] = []
        """Method and path of every API request that was let in, for tests that count calls."""
        self.allowance = 15_000
        """API requests this org may still make; at 0 all are refused."""
        self.locked: dict[str, int] = {}
        """How many more writes of a record end in UNABLE_TO_LOCK_ROW, by id."""
        self.refuse: dict[str, tuple[str, str]] = {}
        """Records a validation rule protects, by id: errorCode and message."""
        self.jobs = Jobs(self.org)
        self._locators: dict[str, list[dict[str, Any]]] = {}
        self.announcer = Announcer(self.org.id, self._current, lambda: self.webhook_url)

    def start(self, port: int = 0) -> None:
        super().start(port)
        self.announcer.start()

    def stop(self) -> None:
        self.announcer.stop()
        super().stop()

    # ------------------------------------------------------------------------------------ HTTP

    def kind(self, method: str, path: str) -> Kind:
        if path in (SIGN_IN, CONSENT):
            return "sign-in"
        # a query job changes nothing
        return "read" if "/jobs/query" in path else super().kind(method, path)

    def wording(self, status: int) -> tuple[dict[str, str], bytes]:
        unknown = ("UNKNOWN_EXCEPTION", "An unexpected error occurred.")
        _, answer = Stop(status, *_FAULT_CODES.get(status, unknown)).answer
        return {"content-type": "application/json;charset=UTF-8"}, json.dumps(answer).encode()

    def app(self) -> Asgi:
        async def app(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
            body = b""
            while True:
                event = await receive()
                body += event.get("body", b"")
                if not event.get("more_body"):
                    break
            headers = {k.decode().lower(): v.decode("latin-1") for k, v in scope["headers"]}
            query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
            params = {key: values[-1] for key, values in query.items()}
            method, path = scope["method"], unquote(scope["path"])
            more: dict[str, str] = {}
            size = len(scope["raw_path"]) + len(scope["query_string"])
            if size > LONGEST_ADDRESS:
                status, reply, kind = 414, b"URI Too Long", "text/plain"
            else:
                status, reply, kind, more = await asyncio.to_thread(
                    self._serve, method, path, params, headers, body
                )
            extra = [(b"content-type", kind.encode())]
            extra.append(
                (b"sforce-limit-info", f"api-usage={15000 - self.allowance}/15000".encode())
            )
            extra += [(name.encode(), value.encode()) for name, value in more.items()]
            await send({"type": "http.response.start", "status": status, "headers": extra})
            await send({"type": "http.response.body", "body": reply})

        return app

    def _serve(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> tuple[int, bytes, str, dict[str, str]]:
        """Status, body, content type and further headers."""
        with self.lock:
            if page := re.fullmatch(r"/lightning/r/(\w+)/(\w+)/view", path):
                status, text = self._page(page[1], page[2])
                return status, text.encode(), "text/html; charset=utf-8", {}
            if path == "/" and method == "GET":
                return 200, self._list().encode(), "text/html; charset=utf-8", {}
            if path == CONSENT and method == "GET" and (target := self.sign_in.consent(params)):
                return 302, b"", "text/html; charset=utf-8", {"location": target}
            try:
                if path == SIGN_IN and method == "POST":
                    status, answer = self.sign_in.token(body, headers, self.url)
                else:
                    status, answer = self._api(method, path, params, headers, body)
            except Stop as stop:
                status, answer = stop.answer
            except (SoqlError, Refusal) as error:
                fields = getattr(error, "fields", ())
                status, answer = Stop(400, error.code, str(error), fields).answer
            if isinstance(answer, Results):
                return status, answer.body, "text/csv; charset=UTF-8", answer.headers
            reply = b"" if answer is None else json.dumps(answer).encode()
            return status, reply, "application/json;charset=UTF-8", {}

    def _api(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        match = re.fullmatch(r"/services/data/v\d+\.\d/(.+?)/?", path)
        if match is None:
            raise Stop(404, "NOT_FOUND", "The requested resource does not exist")
        if not self.sign_in.knows(headers.get("authorization", "")):
            raise Stop(401, *_FAULT_CODES[401])
        if self.allowance <= 0:
            raise Stop(403, *_FAULT_CODES[403])
        self.allowance -= 1
        self.requests.append((method, path))
        parts = match[1].split("/")
        content: Any = None
        if body:
            try:
                content = json.loads(body)
            except ValueError:
                raise Stop(400, "JSON_PARSER_ERROR", "Unexpected character") from None
        if method == "GET" and parts[0] in ("query", "queryAll"):
            return self._query(parts, params, match[1])
        if parts[:2] == ["composite", "sobjects"]:
            return self._collection(method, parts[2:], params, content)
        if parts[0] == "sobjects" and len(parts) == 3:
            return self._sobject(method, parts[1], parts[2], content)
        if parts[:2] == ["jobs", "query"]:
            return self.jobs.answer(method, parts[2:], params, content)
        if parts == ["limits", "recordCount"] and method == "GET":
            return 200, {"sObjects": self._counts(params.get("sObjects", ""))}
        raise Stop(404, "NOT_FOUND", "The requested resource does not exist")

    def _counts(self, names: str) -> list[dict[str, Any]]:
        tables = [table for table in self.org.tables.values() if table.name in names.split(",")]
        return [{"count": len(table.rows), "name": table.name} for table in tables]

    def _query(self, parts: list[str], params: Mapping[str, str], path: str) -> Answer:
        if len(parts) > 1:
            locator, _, start = parts[1].partition("-")
            rows = self._locators.get(locator)
            if rows is None or not start.isdigit():
                raise Stop(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
            at = int(start)
        else:
            rows = self.org.select(params.get("q", ""), deleted=parts[0] == "queryAll")
            locator, at = f"0r8{secrets.token_hex(8)}", 0
        page = rows[at : at + self.page_size]
        answer: dict[str, Any] = {"totalSize": len(rows), "done": True, "records": page}
        if at + len(page) < len(rows):
            self._locators[locator] = rows
            answer["done"] = False
            answer["nextRecordsUrl"] = f"/services/data/v62.0/{parts[0]}/{locator}-{at + len(page)}"
        return 200, answer

    def _sobject(self, method: str, name: str, id: str, content: Any) -> Answer:
        try:
            table = self.org.table(name)
            if id == "describe" and method == "GET":
                return 200, {
                    "name": table.name,
                    "label": table.name,
                    "keyPrefix": table.prefix,
                    "fields": [column.describe() for column in table.columns.values()],
                }
            row = self.org.row(name, id)
        except Refusal as error:
            missing = error.code in ("INVALID_TYPE", "INVALID_CROSS_REFERENCE_KEY")
            code = "NOT_FOUND" if missing else error.code
            text = "The requested resource does not exist" if missing else str(error)
            raise Stop(404, code, text) from None
        if method == "GET":
            return 200, {"attributes": attributes(table.name, row["Id"]), **row}
        if method == "PATCH" and isinstance(content, dict):
            self._save(table.name, row["Id"], content)
            return 204, None
        raise Stop(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed.")

    # ------------------------------------------------------------------------------ collections

    def _collection(
        self, method: str, target: list[str], params: Mapping[str, str], content: Any
    ) -> Answer:
        if method == "DELETE":
            ids = params.get("ids", "").split(",")
            return 200, [self._one(id, partial(self._remove, id)) for id in ids]
        records = content.get("records") if isinstance(content, dict) else None
        if not isinstance(records, list) or not all(isinstance(r, dict) for r in records):
            raise Stop(400, "JSON_PARSER_ERROR", "records is missing")
        if len(records) > 200:
            raise Stop(400, "LIMIT_EXCEEDED", "record limit reached. cannot submit more than 200")
        prepared = []
        for record in records:
            kind = (record.get("attributes") or {}).get("type", "")
            values = {k: v for k, v in record.items() if k != "attributes"}
            table = self.org.table(kind)
            known = {name.lower() for name in table.columns}
            for name in values:
                if name.lower() not in known:  # the whole request fails to be read
                    text = f"No such column '{name}' on sobject of type {kind}"
                    raise Stop(400, "INVALID_FIELD", text)
            prepared.append((table.name, values))
        if method == "POST" and not target:
            return 200, [self._one("", partial(self._make, n, v)) for n, v in prepared]
        if method == "PATCH" and not target:
            ids = [
                id18(str(next((v for k, v in values.items() if k.lower() == "id"), "")))
                for _, values in prepared
            ]
            if len(set(ids)) != len(ids):
                raise Stop(400, "DUPLICATE_VALUE", "duplicate ids in list")
            return 200, [
                self._one(id, partial(self._patch, n, id, v))
                for id, (n, v) in zip(ids, prepared, strict=True)
            ]
        if method == "PATCH" and len(target) == 2:
            column = self.org.table(target[0]).columns.get(target[1])
            if column is None or not column.unique:
                raise Stop(404, "NOT_FOUND", "Provided external ID field does not exist")
            return 200, [self._one("", partial(self._upsert, n, target[1], v)) for n, v in prepared]
        raise Stop(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed.")

    def _one(self, id: str, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """One record's answer: the others do not suffer from it."""
        try:
            return {"success": True, "errors": [], **act()}
        except Refusal as error:
            entry = {
                "statusCode": error.code,
                "message": str(error),
                "fields": list(error.fields),
            }
            shown = {"id": id} if id else {}
            return {**shown, "success": False, "errors": [entry]}

    def _make(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        id = self.org.create(name, values, self.org.integration)
        key = values.get("Hub_Key__c")
        self.ledger.append(Effect("create", name, id, dict(values), key))
        self.announcer.add(name, id)
        return {"id": id}

    def _patch(self, name: str, id: str, values: Mapping[str, Any]) -> dict[str, Any]:
        rest = {key: value for key, value in values.items() if key.lower() != "id"}
        self._save(name, id, rest)
        return {"id": id}

    def _upsert(self, name: str, column: str, values: Mapping[str, Any]) -> dict[str, Any]:
        key = values.get(column)
        if not key:
            raise Refusal("MISSING_ARGUMENT", f"{column} not specified", (column,))
        holder = self.org.holder(name, column, str(key))
        if holder is None:
            return {**self._make(name, values), "created": True}
        self._save(name, holder["Id"], values)
        return {"id": holder["Id"], "created": False}

    def _save(self, name: str, id: str, values: Mapping[str, Any]) -> None:
        row = self.org.row(name, id)
        if self.locked.get(row["Id"], 0) > 0:
            self.locked[row["Id"]] -= 1
            raise Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
        if row["Id"] in self.refuse:
            raise Refusal(*self.refuse[row["Id"]])
        if self.faults.silent:  # as where a flow puts everything back before it is saved
            self.faults.silent -= 1
            return
        changed = self.org.update(name, row["Id"], values, self.org.integration)
        if changed:
            self.ledger.append(
                Effect("update", name, row["Id"], dict(values), row.get("Hub_Key__c"))
            )
            self.announcer.add(name, row["Id"])

    def _remove(self, id: str) -> dict[str, Any]:
        for table in self.org.tables.values():
            if id18(id) in table.rows:
                self.org.delete(table.name, id18(id), self.org.integration)
                self.ledger.append(Effect("delete", table.name, id18(id), {}))
                return {"id": id18(id)}
        raise Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")

    def _current(self, name: str, id: str) -> Mapping[str, Any] | None:
        with self.lock:
            row = self.org.table(name).rows.get(id)
            return None if row is None else dict(row)

    def _list(self) -> str:
        """All records, for a person who opens the sandbox."""
        parts = []
        for table in self.org.tables.values():
            rows = [row for row in table.rows.values() if not row.get("IsDeleted")]
            items = "".join(
                f'<li><a href="/lightning/r/{table.name}/{row["Id"]}/view">'
                f"{html.escape(str(row.get('Name') or row.get('Subject') or row['Id']))}</a></li>"
                for row in rows
            )
            parts.append(f"<h2>{html.escape(table.name)}</h2><ul>{items}</ul>" if rows else "")
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Salesforce sandbox</title>'
            f"<h1>Salesforce sandbox</h1>{''.join(parts)}</html>"
        )

    def _page(self, name: str, id: str) -> tuple[int, str]:
        """A record as people see it, so that links lead somewhere."""
        try:
            table = self.org.table(name)
            row = table.rows[id18(id)]
        except (Refusal, KeyError):
            return 404, "<!doctype html><title>Not found</title><p>There is no such record."
        shown = [
            (column.label or column.name, "" if (value := row[column.name]) is None else str(value))
            for column in table.columns.values()
        ]
        cells = "".join(
            f"<tr><th align=left>{html.escape(label)}</th><td>{html.escape(text)}</td></tr>"
            for label, text in shown
        )
        title = html.escape(str(row.get("Name") or row.get("Subject") or id))
        return 200, (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            f"<h1>{title}</h1><p>{html.escape(table.name)} in the Salesforce sandbox</p>"
            f"<table>{cells}</table></html>"
        )
