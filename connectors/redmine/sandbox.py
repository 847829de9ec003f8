"""A Redmine on loopback: for tests, demos, and whoever has no account.

Strict where Redmine is: lists hold open issues unless asked otherwise, unknown filters and
attributes are passed over in silence, so are transitions that the workflow does not know, a PUT
answers 204 and nothing else, times have whole seconds, and a webhook is sent once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.redmine.sandbox_hooks import Hooks
from connectors.sdk import Delivery
from connectors.sdk.records import Json
from connectors.sdk.sandbox import Asgi, Drill, Effect, HttpSandbox

TOKEN = "redmine-sandbox-key-not-a-secret"
SECRET = "redmine-sandbox-webhook-secret-not-a-secret"
PROJECT = {"id": 1, "name": "Onboarding"}
STATUSES = {1: "New", 2: "In Progress", 3: "Resolved", 4: "Feedback", 5: "Closed", 6: "Rejected"}
CLOSED = (5, 6)
FROM_REJECTED = (1,)
"""The workflow: from Rejected only back to New; from anywhere else to anywhere."""
PRIORITIES = {3: "Low", 4: "Normal", 5: "High"}
USERS = {1: "hub", 2: "ann", 3: "bob"}
HUB, ANN = 1, 2
CUSTOM = {7: "Region", 9: "Hub key"}
REGIONS = ("north", "south")
PLAIN = ("subject", "description", "start_date", "due_date", "done_ratio", "is_private")
MARK = re.compile(r"\n*<!-- hub-key:\S+ -->\s*$")
Row = dict[str, Any]


class RedmineSandbox(HttpSandbox):
    name: ClassVar[str] = "redmine"
    key_field: int | None = None
    """Set by tests: the custom field that the connection names for our key."""
    page = 10

    def __init__(self) -> None:
        super().__init__()
        self.issues: dict[int, Row] = {}
        self.journals: dict[int, Row] = {}
        self.users: dict[int, Row] = {}
        self.sent: list[Delivery] = []
        self.hooks = Hooks()
        self.ahead = timedelta()
        self.ignored = 0
        self.last = {"issue": 0, "journal": 0, "user": 0}
        for login in USERS.values():
            self.add_user(login, datetime(2026, 1, 1, tzinfo=UTC))

    def start(self, port: int = 0) -> None:
        super().start(port)
        self.hooks.start()

    def stop(self) -> None:
        self.hooks.stop()
        super().stop()

    def connection(self) -> dict[str, Any]:
        block: dict[str, Any] = {
            "connector": "redmine",
            "base_url": self.url,
            "auth": {"api_key": "env:HUB_SANDBOX_REDMINE_KEY"},
            "webhook": {"secret": "env:HUB_SANDBOX_REDMINE_SECRET"},
            "project": "onboarding",
            "people": True,
        }
        return block | ({"key_field": self.key_field} if self.key_field else {})

    def env(self) -> dict[str, str]:
        return {"HUB_SANDBOX_REDMINE_KEY": TOKEN, "HUB_SANDBOX_REDMINE_SECRET": SECRET}

    def drill(self) -> Drill:
        from connectors.redmine.drill import RedmineDrill

        return RedmineDrill(self)

    def populate(self) -> None:
        for subject in ("Wire the tenant", "Invoice is wrong", "Cannot sign in"):
            number = self.create({"subject": subject, "status_id": 1}, ANN)["id"]
        self.note(number, "It worked yesterday.", ANN)

    def goes_on(self, answer: Json) -> bool:
        """Lists within an issue have no pages."""
        return isinstance(answer, dict) and (
            answer.get("offset", 0) + answer.get("limit", 0) < answer.get("total_count", 0)
        )

    def wording(self, status: int) -> tuple[dict[str, str], bytes]:
        return {"content-type": "application/json"}, b'{"errors":["refused on purpose"]}'

    # ------------------------------------------------------------------------------------- state

    def next(self, kind: str) -> int:
        self.last[kind] += 1
        return self.last[kind]

    def now(self, at: datetime | None = None) -> str:
        return ((at or datetime.now(UTC)) + self.ahead).strftime("%Y-%m-%dT%H:%M:%SZ")

    def add_user(self, login: str, at: datetime | None = None) -> int:
        number = self.next("user")
        self.users[number] = {
            "id": number, "login": login, "admin": login == "hub", "firstname": login.title(),
            "lastname": "Example", "mail": f"{login}@redmine.example", "created_on": self.now(at),
            "updated_on": self.now(at), "last_login_on": None, "status": 1,
        }  # fmt: skip
        return number

    def create(self, fields: Row, by: int, at: datetime | None = None) -> Row:
        with self.lock:
            number, now = self.next("issue"), self.now(at)
            row = dict.fromkeys(PLAIN) | {
                "id": number, "subject": "", "description": "", "done_ratio": 0,
                "is_private": False, "status_id": 1, "priority_id": 4, "author_id": by,
                "assigned_to_id": None, "parent_issue_id": None, "cf": {7: "", 9: ""},
                "created_on": now, "updated_on": now, "closed_on": None,
            }  # fmt: skip
            self.issues[number] = row
            self._set(row, fields)
            self._announce("issue.created", row, now)
            return row

    def change(self, row: Row, fields: Row, by: int, at: datetime | None = None) -> Row | None:
        """Change an issue as anybody does: a journal keeps what changed, the webhook goes out."""
        with self.lock:
            before, now = dict(row), self.now(at)
            self._set(row, fields)
            details = [
                {"property": "attr", "name": name, "old_value": before[name], "new_value": value}
                for name, value in row.items()
                if before[name] != value
            ]
            notes = str(fields.get("notes") or "")
            if not details and not notes:
                return None
            row["updated_on"] = now
            journal = {
                "id": self.next("journal"), "issue": row["id"], "user_id": by, "notes": notes,
                "created_on": now, "updated_on": now, "details": details,
                "private_notes": bool(fields.get("private_notes")),
            }  # fmt: skip
            self.journals[journal["id"]] = journal
            self._announce("issue.updated", row, now, journal)
            return journal

    def note(self, issue: int, text: str, by: int, at: datetime | None = None) -> Row:
        return self.change(self.issues[issue], {"notes": text}, by, at) or {}

    def _set(self, row: Row, fields: Row) -> None:
        for name in (*PLAIN, "status_id", "priority_id", "assigned_to_id", "parent_issue_id"):
            if name in fields:
                row[name] = int(fields[name]) if name.endswith("_id") and fields[name] else (
                    fields[name] or None)  # fmt: skip
        row["cf"] = row["cf"] | {
            one["id"]: one["value"]
            for one in fields.get("custom_fields", ())
            if one["id"] in row["cf"]
        }

    def delete(self, number: int) -> None:
        with self.lock:
            self._announce("issue.deleted", self.issues.pop(number), self.now())
            for journal in [one for one in self.journals.values() if one["issue"] == number]:
                del self.journals[journal["id"]]

    def _announce(self, event: str, row: Row, at: str, journal: Row | None = None) -> None:
        data: Row = {"issue": self._issue(row)}
        if journal:
            changes = [
                {**one, "prop_key": one["name"], "value": one["new_value"]}
                for one in journal["details"]
            ]
            data["journal"] = {**self._journal(journal), "details": changes}
            del data["journal"]["private_notes"]
        body = json.dumps({"type": event, "timestamp": at, "data": data}).encode()
        self.sent.append(self.sign(body, at=datetime.now(UTC)))
        if self.webhook_url:
            self.hooks.send(self.sent[-1])

    # ------------------------------------------------------------------------------------ shapes

    def _issue(self, row: Row) -> Row:
        shown = {
            name: row[name] for name in ("id", *PLAIN, "created_on", "updated_on", "closed_on")
        }
        shown |= {
            "project": PROJECT,
            "tracker": {"id": 1, "name": "Task"},
            "status": _status(row["status_id"]),
            "priority": {"id": row["priority_id"], "name": PRIORITIES[row["priority_id"]]},
            "author": self._person(row["author_id"]),
            "custom_fields": [
                {"id": id, "name": name, "value": row["cf"][id]} for id, name in CUSTOM.items()
            ],
        }
        if row["assigned_to_id"]:
            shown["assigned_to"] = self._person(row["assigned_to_id"])
        if row["parent_issue_id"]:
            shown["parent"] = {"id": row["parent_issue_id"]}
        return shown

    def _person(self, number: int) -> Row:
        user = self.users.get(number, {"firstname": "Anonymous", "lastname": ""})
        return {"id": number, "name": f"{user['firstname']} {user['lastname']}".strip()}

    def _journal(self, journal: Row) -> Row:
        shown = {name: value for name, value in journal.items() if name not in ("issue", "user_id")}
        return shown | {"user": self._person(journal["user_id"])}

    # -------------------------------------------------------------------------------------- HTTP

    def app(self) -> Asgi:
        return Starlette(
            routes=[
                Route("/users/current.json", self._guarded(self._me)),
                Route("/users.json", self._guarded(self._list_users)),
                Route("/users/{id:int}.json", self._guarded(self._show_user)),
                Route("/issue_statuses.json", self._guarded(self._statuses)),
                Route("/enumerations/issue_priorities.json", self._guarded(self._priorities)),
                Route("/custom_fields.json", self._guarded(self._custom_fields)),
                Route("/projects/onboarding/memberships.json", self._guarded(self._members)),
                Route("/issues.json", self._guarded(self._list_issues), methods=["GET"]),
                Route("/issues.json", self._guarded(self._post), methods=["POST"]),
                Route("/issues/{id:int}.json", self._guarded(self._show), methods=["GET"]),
                Route("/issues/{id:int}.json", self._guarded(self._put), methods=["PUT"]),
                Route("/issues/{id:int}.json", self._guarded(self._delete), methods=["DELETE"]),
                Route("/journals/{id:int}.json", self._guarded(self._put_note), methods=["PUT"]),
            ]
        )

    def _guarded(self, handle: Any) -> Any:
        async def answer(request: Request) -> Response:
            if request.headers.get("x-redmine-api-key") != TOKEN:
                return Response(status_code=401)
            written = await request.body()
            if written and request.headers.get("content-type") != "application/json":
                return Response(status_code=422)
            with self.lock:
                status, value = handle(request, json.loads(written or b"null"))
            return Response(status_code=status) if value is None else JSONResponse(value, status)

        return answer

    def _paged(self, request: Request, name: str, rows: list[Row]) -> tuple[int, Json]:
        offset = int(request.query_params.get("offset", 0))
        limit = min(int(request.query_params.get("limit", 25)), 100, self.page)
        page = rows[offset : offset + limit]
        return 200, {name: page, "total_count": len(rows), "offset": offset, "limit": limit}

    def _me(self, request: Request, body: Json) -> tuple[int, Json]:
        return 200, {"user": {**self.users[HUB], "api_key": TOKEN}}

    def _list_users(self, request: Request, body: Json) -> tuple[int, Json]:
        status = int(request.query_params.get("status", 1))
        rows = [row for row in self.users.values() if row["status"] == status]
        return self._paged(request, "users", sorted(rows, key=lambda row: row["login"]))

    def _show_user(self, request: Request, body: Json) -> tuple[int, Json]:
        row = self.users.get(request.path_params["id"])
        return (200, {"user": {**row, "api_key": "users-key-not-a-secret"}}) if row else (404, None)

    def _statuses(self, request: Request, body: Json) -> tuple[int, Json]:
        return 200, {"issue_statuses": [_status(number) for number in STATUSES]}

    def _priorities(self, request: Request, body: Json) -> tuple[int, Json]:
        rows = [{"id": id, "name": name, "active": True} for id, name in PRIORITIES.items()]
        return 200, {"issue_priorities": rows}

    def _custom_fields(self, request: Request, body: Json) -> tuple[int, Json]:
        common = {"customized_type": "issue", "is_required": False, "multiple": False}
        values = [{"value": value, "label": value} for value in REGIONS]
        region = {"id": 7, "name": "Region", "field_format": "list", "possible_values": values}
        key = {"id": 9, "name": "Hub key", "field_format": "string"}
        return 200, {"custom_fields": [common | region, common | key]}

    def _members(self, request: Request, body: Json) -> tuple[int, Json]:
        rows = [
            {"id": number, "project": PROJECT, "user": self._person(number), "roles": []}
            for number in self.users
        ]
        return self._paged(request, "memberships", rows)

    def _list_issues(self, request: Request, body: Json) -> tuple[int, Json]:
        query, rows = request.query_params, list(self.issues.values())
        if query.get("status_id", "o") == "o":
            rows = [row for row in rows if row["status_id"] not in CLOSED]
        if query.get("author_id") == "me":
            rows = [row for row in rows if row["author_id"] == HUB]
        for name in ("created_on", "updated_on"):
            if query.get(name, "").startswith(">="):
                rows = [row for row in rows if row[name] >= query[name][2:]]
        rows.sort(key=lambda row: row["id"], reverse="sort" not in query)
        if query.get("sort", "").startswith("updated_on"):
            rows.sort(key=lambda row: row["updated_on"])
        return self._paged(request, "issues", [self._issue(row) for row in rows])

    def _show(self, request: Request, body: Json) -> tuple[int, Json]:
        row = self.issues.get(request.path_params["id"])
        if row is None:
            return 404, None
        shown = self._issue(row)
        if "journals" in request.query_params.get("include", ""):
            shown["journals"] = [
                self._journal(one) for one in self.journals.values() if one["issue"] == row["id"]
            ]
        return 200, {"issue": shown}

    def _post(self, request: Request, body: Json) -> tuple[int, Json]:
        fields = body["issue"]
        if fields.get("project_id") != "onboarding":
            return 404, None
        errors = _errors({"subject": "", **fields})
        if errors:
            return 422, {"errors": errors}
        row = self.create(fields, HUB)
        self.ledger.append(Effect("create", "issue", str(row["id"]), fields))
        return 201, {"issue": self._issue(row)}

    def _put(self, request: Request, body: Json) -> tuple[int, Json]:
        row, fields = self.issues.get(request.path_params["id"]), dict(body["issue"])
        if row is None:
            return 404, None
        errors = _errors(fields)
        if errors:
            return 422, {"errors": errors}
        if self.ignored:
            self.ignored -= 1
            return 204, None
        if row["status_id"] == 6 and int(fields.get("status_id", 6)) not in (6, *FROM_REJECTED):
            del fields["status_id"]  # the workflow does not allow it; Redmine does not say so
        journal = self.change(row, fields, HUB)
        if journal and journal["notes"]:
            id = f"{row['id']}-{journal['id']}"
            self.ledger.append(Effect("create", "comment", id, fields))
        else:
            self.ledger.append(Effect("update", "issue", str(row["id"]), fields))
        return 204, None

    def _delete(self, request: Request, body: Json) -> tuple[int, Json]:
        number = request.path_params["id"]
        if number not in self.issues:
            return 404, None
        self.delete(number)
        self.ledger.append(Effect("delete", "issue", str(number), {}))
        return 204, None

    def _put_note(self, request: Request, body: Json) -> tuple[int, Json]:
        journal = self.journals.get(request.path_params["id"])
        if journal is None:
            return 404, None
        if self.ignored:
            self.ignored -= 1
            return 204, None
        self.edit_note(journal, body["journal"]["notes"])
        id = f"{journal['issue']}-{journal['id']}"
        self.ledger.append(Effect("update", "comment", id, dict(body["journal"])))
        return 204, None

    def edit_note(self, journal: Row, text: str) -> None:
        """The issue's `updated_on` does not move with it, and no webhook is sent."""
        journal |= {"notes": text, "updated_on": self.now()}
        if not text and not journal["details"]:
            del self.journals[journal["id"]]

    def sign(self, body: bytes, *, at: datetime, secret: str | None = None) -> Delivery:
        signature = hmac.new((secret or SECRET).encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "content-type": "application/json",
            "user-agent": "Redmine",
            "x-redmine-signature-256": f"sha256={signature}",
        }
        url = self.webhook_url or "https://hub.example.com/webhooks/redmine"
        return Delivery("POST", url, headers, body, at)


def _status(number: int) -> Row:
    return {"id": number, "name": STATUSES[number], "is_closed": number in CLOSED}


def _errors(fields: Row) -> list[str]:
    errors = []
    if "subject" in fields and not fields["subject"]:
        errors.append("Subject cannot be blank")
    for name, label in (("due_date", "Due date"), ("start_date", "Start date")):
        try:
            date.fromisoformat(fields.get(name) or "2026-01-01")
        except ValueError:
            errors.append(f"{label} is not a valid date")
    if str(fields.get("assigned_to_id") or "1") not in map(str, range(1, 1000)):
        errors.append("Assignee is invalid")
    for one in fields.get("custom_fields", ()):
        if one["id"] == 7 and one["value"] not in ("", *REGIONS):
            errors.append("Region is not included in the list")
    return errors
