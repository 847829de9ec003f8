"""The sandbox's HTTP face: Jira's REST v3, its gateway, its sign-in, and an issue's page."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.jira.sandbox_fields import ALLOWED, CREATABLE, FIELDS, document, resolution, taken
from connectors.jira.sandbox_jql import count, search, shown
from connectors.jira.sandbox_oauth import CLOUD_ID, NotGranted
from connectors.jira.sandbox_page import issue_page
from connectors.jira.sandbox_site import STATUSES, TYPES, WORKFLOWS, Issue, Refused, Row
from connectors.sdk.sandbox import Asgi, Effect

if TYPE_CHECKING:
    from connectors.jira.sandbox import JiraSandbox

EMAIL = "hub@acme.test"
TOKEN = "sandbox-jira-token-not-a-secret"  # noqa: S105 - published on purpose
API = "/rest/api/3"
_ISSUE_BODY = {"fields", "update", "properties", "transition", "historyMetadata"}


class JiraApi:
    """Answers requests from the sandbox's site, under its lock."""

    def __init__(self, sandbox: JiraSandbox) -> None:
        self.sandbox = sandbox
        self.site = sandbox.site

    def app(self) -> Asgi:
        places = [
            ("GET", "/myself", self._myself),
            ("POST", "/search/jql", self._search),
            ("POST", "/search/approximate-count", self._count),
            ("POST", "/issue/bulkfetch", self._bulk_fetch),
            ("POST", "/issue/bulk", self._bulk_create),
            ("POST", "/issue", self._create),
            ("GET", "/issue/createmeta/{project}/issuetypes", self._types),
            ("GET", "/issue/createmeta/{project}/issuetypes/{type}", self._type_fields),
            ("GET", "/issue/{issue}", self._issue),
            ("PUT", "/issue/{issue}", self._edit),
            ("DELETE", "/issue/{issue}", self._delete),
            ("GET", "/issue/{issue}/transitions", self._transitions),
            ("POST", "/issue/{issue}/transitions", self._transition),
            ("GET", "/issue/{issue}/comment", self._comments),
            ("POST", "/issue/{issue}/comment", self._add_comment),
            ("GET", "/issue/{issue}/comment/{id}", self._comment),
            ("PUT", "/issue/{issue}/comment/{id}", self._edit_comment),
            ("DELETE", "/issue/{issue}/comment/{id}", self._delete_comment),
            ("POST", "/comment/list", self._comment_list),
            ("GET", "/users/search", self._people),
            ("GET", "/user/bulk", self._people_by_id),
            ("GET", "/field", self._fields),
            ("GET", "/project/{project}", self._project),
            ("GET", "/project/{project}/statuses", self._statuses),
            ("GET", "/webhook", self.sandbox.hooks.list),
            ("POST", "/webhook", self.sandbox.hooks.register),
            ("DELETE", "/webhook", self.sandbox.hooks.remove),
            ("PUT", "/webhook/refresh", self.sandbox.hooks.refresh),
        ]
        admin = [
            ("GET", "/webhook", self.sandbox.hooks.admin_list),
            ("POST", "/webhook", self.sandbox.hooks.admin_make),
            ("GET", "/webhook/{id}", self.sandbox.hooks.admin_get),
            ("PUT", "/webhook/{id}", self.sandbox.hooks.admin_make),
            ("DELETE", "/webhook/{id}", self.sandbox.hooks.admin_remove),
        ]
        routes = [
            Route("/browse/{key}", self._page, methods=["GET", "POST"]),
            Route("/authorize", self._authorize, methods=["GET"]),
            Route("/oauth/token", self._token, methods=["POST"]),
            Route("/oauth/token/accessible-resources", self._resources, methods=["GET"]),
        ]
        for root in ("", f"/ex/jira/{CLOUD_ID}"):
            for method, path, act in places:
                routes.append(Route(root + API + path, self._door(act), methods=[method]))
            for method, path, act in admin:
                target = f"{root}/rest/webhooks/1.0{path}"
                routes.append(Route(target, self._door(act), methods=[method]))
        return Starlette(routes=routes)

    def _door(self, act: Any) -> Any:
        async def enter(request: Request) -> Response:
            raw = await request.body()
            with self.sandbox.lock:
                if refusal := self._stranger(request):
                    return refusal
                try:
                    body = json.loads(raw) if raw else None
                    status, answer = act(request, body)
                except Refused as error:
                    return JSONResponse(error.body, error.status, error.headers)
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    told = f"Invalid request payload: {type(error).__name__}"
                    return JSONResponse({"errorMessages": [told], "errors": {}}, 400)
            return Response(status_code=status) if answer is None else JSONResponse(answer, status)

        return enter

    def _stranger(self, request: Request) -> Response | None:
        """401 for whoever is not let in."""
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        basic = base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
        gateway = request.url.path.startswith("/ex/jira/")
        if scheme == "Basic" and proof == basic and not self.sandbox.locked_out:
            return None
        if scheme == "Bearer" and gateway and self.sandbox.authority.good(proof):
            return None
        if gateway:
            return JSONResponse({"code": 401, "message": "Unauthorized"}, 401)
        said = "Client must be authenticated to access this resource."
        headers = {"x-seraph-loginreason": "AUTHENTICATED_FAILED"}
        return Response(said, 401, headers, "text/plain")

    # ------------------------------------------------------------------------------------ reading

    def _myself(self, request: Request, body: Any) -> tuple[int, Any]:
        me = self.site.person(self.sandbox.bot)
        return 200, {**me, "timeZone": self.site.zone, "locale": "en_GB"}

    def _search(self, request: Request, body: Any) -> tuple[int, Any]:
        lag = self.sandbox.faults.lag
        return 200, search(
            self.site, body, self.sandbox.bot, lag, self.sandbox.page, self.sandbox.age
        )

    def _count(self, request: Request, body: Any) -> tuple[int, Any]:
        return 200, count(self.site, body, self.sandbox.bot, self.sandbox.faults.lag)

    def _bulk_fetch(self, request: Request, body: Any) -> tuple[int, Any]:
        ids = body["issueIdsOrKeys"]
        if len(ids) > 100:
            raise Refused(400, "At most 100 issues can be fetched.")
        found = [self.site.issues[id] for id in ids if id in self.site.issues]
        rows = [
            shown(one.row, body.get("fields") or ["*all"], body.get("properties") or [])
            for one in found
            if not one.deleted
        ]
        return 200, {"issues": sorted(rows, key=lambda row: int(row["id"])), "issueErrors": []}

    def _one(self, request: Request) -> Issue:
        return self.site.find(request.path_params["issue"])

    def _issue(self, request: Request, body: Any) -> tuple[int, Any]:
        fields = request.query_params.get("fields", "*all").split(",")
        properties = [
            name for name in request.query_params.get("properties", "").split(",") if name
        ]
        return 200, shown(self._one(request).row, fields, properties)

    def _comments(self, request: Request, body: Any) -> tuple[int, Any]:
        rows = list(self._one(request).row["comments"])
        if request.query_params.get("orderBy", "created").startswith("-"):
            rows.reverse()
        start = int(request.query_params.get("startAt", 0))
        size = min(int(request.query_params.get("maxResults", 100)), self.sandbox.page)
        page = [self._shown(request, row) for row in rows[start : start + size]]
        return 200, {
            "comments": page,
            "startAt": start,
            "maxResults": size,
            "total": len(rows),
        }

    def _shown(self, request: Request, row: Row) -> Row:
        expand = request.query_params.get("expand", "")
        return {n: v for n, v in row.items() if n != "properties" or "properties" in expand}

    def _comment(self, request: Request, body: Any) -> tuple[int, Any]:
        _, row = self.site.comment(request.path_params["id"], self._one(request))
        return 200, self._shown(request, row)

    def _comment_list(self, request: Request, body: Any) -> tuple[int, Any]:
        if not all(isinstance(id, int) for id in body["ids"]) or body.keys() != {"ids"}:
            raise Refused(400, "ids are numbers")
        found = []
        for id in body["ids"]:
            try:
                found.append(self._shown(request, self.site.comment(str(id))[1]))
            except Refused:
                continue
        return 200, {"values": found, "isLast": True, "total": len(found), "startAt": 0}

    def _people(self, request: Request, body: Any) -> tuple[int, Any]:
        start = int(request.query_params.get("startAt", 0))
        size = min(int(request.query_params.get("maxResults", 50)), self.sandbox.page)
        return 200, [self.site.person(id) for id in list(self.site.people)[start : start + size]]

    def _people_by_id(self, request: Request, body: Any) -> tuple[int, Any]:
        ids = request.query_params.getlist("accountId")
        found = [self.site.person(id) for id in ids if id in self.site.people]
        return 200, {"values": found, "isLast": True, "total": len(found)}

    def _fields(self, request: Request, body: Any) -> tuple[int, Any]:
        return 200, [
            {
                "id": id,
                "key": id,
                "name": name,
                "custom": id.startswith("customfield"),
                "schema": schema,
            }
            for id, name, schema in FIELDS
        ]

    def _types(self, request: Request, body: Any) -> tuple[int, Any]:
        self._project(request, body)
        types = [{"id": id, "name": name, "subtask": False} for name, id in TYPES.items()]
        return 200, {"issueTypes": types, "startAt": 0, "maxResults": 50, "total": len(types)}

    def _type_fields(self, request: Request, body: Any) -> tuple[int, Any]:
        found = []
        for id, name, schema in FIELDS:
            if id in CREATABLE - self.site.off_screen:
                label = "value" if id.startswith("customfield") else "name"
                values = [{"id": k, label: text} for text, k in ALLOWED.get(id, {}).items()]
                required = id in ("summary", "issuetype", "project", "reporter")
                meta: Row = {"fieldId": id, "key": id, "name": name, "schema": schema}
                meta |= {"required": required, "hasDefaultValue": id == "reporter"}
                found.append({**meta, **({"allowedValues": values} if values else {})})
        return 200, {"fields": found, "startAt": 0, "maxResults": 50, "total": len(found)}

    def _project(self, request: Request, body: Any) -> tuple[int, Any]:
        key = request.path_params["project"]
        if key not in self.site.projects:
            raise Refused(404, f"No project could be found with key '{key}'.")
        return 200, dict(self.site.projects[key])

    def _statuses(self, request: Request, body: Any) -> tuple[int, Any]:
        _, project = self._project(request, body)
        names = {step.to for step in WORKFLOWS[project["key"]]} | {"To Do"}
        rows = [self.site.status(name) for name in STATUSES if name in names]
        place = f"{self.sandbox.url}{API}/issuetype"
        return 200, [
            {
                "self": f"{place}/{id}",
                "id": id,
                "name": name,
                "subtask": False,
                "statuses": rows,
            }
            for name, id in TYPES.items()
        ]

    # ------------------------------------------------------------------------------------- writing

    def _note(self, op: str, object: str, id: str, fields: Any, key: str | None = None) -> None:
        self.sandbox.ledger.append(Effect(op, object, id, fields, key))

    def _silent(self) -> bool:
        if self.sandbox.faults.silent > 0:
            self.sandbox.faults.silent -= 1
            return True
        return False

    def _create(self, request: Request, body: Any) -> tuple[int, Any]:
        issue = self._made(body)
        return 201, {
            "id": issue.id,
            "key": issue.row["key"],
            "self": f"{self.sandbox.url}{API}/issue/{issue.id}",
        }

    def _made(self, body: Any) -> Issue:
        if body.keys() - _ISSUE_BODY:
            raise Refused(400, "Unrecognized field in the request.")
        fields = taken(self.site, body.get("fields"), creating=True, by=self.sandbox.bot)
        properties = {one["key"]: one["value"] for one in body.get("properties", [])}
        project = fields.pop("project")["key"]
        issue = self.site.create(project, fields, self.sandbox.bot, properties)
        key = properties.get("process-hub", {}).get("key")
        self._note("create", "issue", issue.id, body["fields"], key)
        return issue

    def _bulk_create(self, request: Request, body: Any) -> tuple[int, Any]:
        if len(body["issueUpdates"]) > 50:
            raise Refused(400, "At most 50 issues can be created at once.")
        made, errors = [], []
        for number, one in enumerate(body["issueUpdates"]):
            try:
                issue = self._made(one)
            except Refused as error:
                told = {"status": error.status, "elementErrors": error.body}
                errors.append({**told, "failedElementNumber": number})
                continue
            made.append({"id": issue.id, "key": issue.row["key"]})
        return (201 if made else 400), {"issues": made, "errors": errors}

    def _edit(self, request: Request, body: Any) -> tuple[int, Any]:
        issue = self._one(request)
        self.sandbox.slow_down(issue.id)
        if body.keys() - _ISSUE_BODY:
            raise Refused(400, "Unrecognized field in the request.")
        if request.query_params.get("notifyUsers") == "false" and not self.sandbox.admin:
            text = "To discard the user notification either admin or project admin is required."
            raise Refused(403, text)
        fields = taken(self.site, body.get("fields"), creating=False, by=self.sandbox.bot)
        if not self._silent():
            self.site.edit(issue, fields, self.sandbox.bot)
            self._note("update", "issue", issue.id, body["fields"])
        return 204, None

    def _delete(self, request: Request, body: Any) -> tuple[int, Any]:
        issue = self._one(request)
        self.site.delete(issue, self.sandbox.bot)
        self._note("delete", "issue", issue.id, {})
        return 204, None

    def _transitions(self, request: Request, body: Any) -> tuple[int, Any]:
        found = []
        for step in self.site.transitions(self._one(request)):
            row = {
                "id": step.id,
                "name": step.name,
                "to": self.site.status(step.to),
                "hasScreen": step.needs_resolution,
                "isGlobal": step.origin is None,
                "isAvailable": True,
            }
            if request.query_params.get("expand") == "transitions.fields":
                needs = {"required": True, "hasDefaultValue": False, "name": "Resolution"}
                row["fields"] = {"resolution": needs} if step.needs_resolution else {}
            found.append(row)
        return 200, {"expand": "transitions", "transitions": found}

    def _transition(self, request: Request, body: Any) -> tuple[int, Any]:
        issue = self._one(request)
        self.sandbox.slow_down(issue.id)
        if self.sandbox.conflicts:
            self.sandbox.conflicts -= 1
            raise Refused(409, "The issue could not be updated due to a conflicting update.")
        id = body["transition"]["id"]
        step = next((one for one in self.site.transitions(issue) if one.id == id), None)
        if step is None:
            raise Refused(400, f"Transition id '{id}' is not valid for this issue.")
        if step.forbidden:
            raise Refused(400, "Only the service desk may escalate.")
        fields = body.get("fields", {})
        if fields.keys() - ({"resolution"} if step.needs_resolution else set()):
            name = next(iter(fields))
            raise Refused(400, **{name: f"Field '{name}' cannot be set. It is not on the screen."})
        if step.needs_resolution and not fields.get("resolution"):
            raise Refused(400, resolution="Resolution is required.")
        given = {name: resolution(self.site, value) for name, value in fields.items()}
        if not self._silent():
            self.site.carry_out(issue, step, given, self.sandbox.bot)
            self._note("update", "issue", issue.id, {"status": step.to, **fields})
        return 204, None

    def _add_comment(self, request: Request, body: Any) -> tuple[int, Any]:
        issue = self._one(request)
        if body.keys() - {"body", "properties", "visibility"}:
            raise Refused(400, "Unrecognized field in the request.")
        more = {name: body[name] for name in ("properties", "visibility") if name in body}
        row = self.site.add_comment(issue, document(body.get("body")), self.sandbox.bot, more)
        keys = [one["value"].get("key") for one in body.get("properties", [])]
        self._note("create", "comment", row["id"], body, next(iter(keys), None))
        return 201, self._shown(request, row)

    def _edit_comment(self, request: Request, body: Any) -> tuple[int, Any]:
        issue, row = self.site.comment(request.path_params["id"], self._one(request))
        if body.keys() - {"body", "properties", "visibility"}:
            raise Refused(400, "Unrecognized field in the request.")
        values = {**body, "body": document(body.get("body"))}
        if not self._silent():
            self.site.edit_comment(issue, row, self.sandbox.bot, values)
            self._note("update", "comment", row["id"], body)
        return 200, self._shown(request, row)

    def _delete_comment(self, request: Request, body: Any) -> tuple[int, Any]:
        issue, row = self.site.comment(request.path_params["id"], self._one(request))
        self.site.delete_comment(issue, row, self.sandbox.bot)
        self._note("delete", "comment", row["id"], {})
        return 204, None

    # --------------------------------------------------------------------------- people and sign-in

    async def _page(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        with self.sandbox.lock:
            try:
                issue = self.site.find(request.path_params["key"])
            except Refused:
                return HTMLResponse("<!doctype html><title>Not here</title><p>No issue.", 404)
            if request.method == "POST":
                by = form.get("by", [self.sandbox.first_person])[0]
                if text := form.get("body", [""])[0].strip():
                    self.sandbox.comment(issue.id, text, by)
                if step := form.get("step", [""])[0]:
                    self.sandbox.transition(issue.id, step, by)
                return RedirectResponse(str(request.url.path), 303)
            if issue.row["key"] != request.path_params["key"]:
                return RedirectResponse(f"/browse/{issue.row['key']}", 302)
            steps = [step.name for step in self.site.transitions(issue, hub=False)]
            people = [one for one in self.site.people.values() if one["accountType"] == "atlassian"]
            return HTMLResponse(issue_page(issue.row, steps, people))

    async def _authorize(self, request: Request) -> Response:
        with self.sandbox.lock:
            try:
                return RedirectResponse(self.sandbox.authority.agree(request.query_params), 302)
            except NotGranted as error:
                return JSONResponse(error.body, error.status)

    async def _token(self, request: Request) -> Response:
        raw = (await request.body()).decode()
        with self.sandbox.lock:
            form = {name: values[0] for name, values in parse_qs(raw).items()}
            try:
                return JSONResponse(self.sandbox.authority.token(form))
            except NotGranted as error:
                return JSONResponse(error.body, error.status)

    async def _resources(self, request: Request) -> Response:
        scheme, _, proof = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not self.sandbox.authority.good(proof):
            return JSONResponse({"code": 401, "message": "Unauthorized"}, 401)
        return JSONResponse(
            [
                {"id": "ffffffff-0000", "url": "https://other.atlassian.net", "name": "other"},
                {"id": CLOUD_ID, "url": self.sandbox.url, "name": "acme", "scopes": []},
            ]
        )
