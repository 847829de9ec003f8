"""The sandbox's HTTP face: GitHub's answers, pages, limits and refusals, and an issue's page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from connectors.github import marker
from connectors.github.sandbox_hooks import Hook
from connectors.github.sandbox_page import issue_page, list_page
from connectors.github.sandbox_state import Refused, Repository, Row
from connectors.sdk.sandbox import Asgi, Effect

if TYPE_CHECKING:
    from connectors.github.sandbox import GithubSandbox

DOCS = "https://docs.github.com/rest"


class _Answer(Exception):
    """Leaves a handler with an error answer."""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"message": message, "documentation_url": DOCS, "status": str(status), **more}


class GithubApi:
    """Answers requests from the sandbox's state, under its lock."""

    def __init__(self, sandbox: GithubSandbox) -> None:
        self.sandbox = sandbox

    def app(self) -> Asgi:
        issue, comment = "/issues/{number:int}", "/issues/comments/{comment:int}"
        mint = "/app/installations/{installation:int}/access_tokens"
        routes = [
            Route("/user", self._api, methods=["GET"], name="user"),
            Route(mint, self._api, methods=["POST"], name="mint"),
            Route("/search/issues", self._api, methods=["GET"], name="search"),
        ]
        for root in ("/repos/{owner}/{repo}", "/repositories/{id:int}"):
            routes += [
                Route(root + tail, self._api, methods=methods, name=name)
                for tail, name, methods in (
                    ("", "repository", ["GET"]),
                    ("/issues", "issues", ["GET", "POST"]),
                    ("/issues/comments", "all_comments", ["GET"]),
                    (comment, "comment", ["GET", "PATCH", "DELETE"]),
                    (issue, "issue", ["GET", "PATCH"]),
                    (f"{issue}/comments", "comments", ["GET", "POST"]),
                    ("/labels", "labels", ["GET"]),
                    ("/assignees", "assignees", ["GET"]),
                    ("/milestones", "milestones", ["GET"]),
                    ("/hooks", "hooks", ["GET", "POST"]),
                    ("/hooks/{hook:int}", "hook", ["GET", "PATCH", "DELETE"]),
                    ("/hooks/{hook:int}/pings", "pings", ["POST"]),
                )
            ]
        page = "/{owner}/{repo}/{kind}/{number:int}"
        routes.append(Route(page, self._page, methods=["GET", "POST"]))
        routes.append(Route("/", self._list, methods=["GET"]))
        starlette = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _not_found})

        return starlette

    async def _api(self, request: Request) -> Response:
        body = await request.body()
        try:
            with self.sandbox.lock:
                self._admit(request)
                value = self._handle(request, body)
                status = 201 if request.method == "POST" else 200
                status = 204 if value is None else status
                response = self._response(request, status, value)
        except Refused as refused:
            errors = {"errors": refused.errors}
            response = self._response(
                request, 422, _Answer(422, "Validation Failed", **errors).body
            )
        except _Answer as answer:
            response = self._response(request, answer.status, answer.body)
        return response

    def _admit(self, request: Request) -> None:
        minting = request.scope["route"].name == "mint"
        if not minting and not self.sandbox.tokens.know(request.headers.get("authorization", "")):
            raise _Answer(401, "Bad credentials")
        if not request.headers.get("user-agent"):
            raise _Answer(403, "Request forbidden by administrative rules.")
        if self.sandbox.remaining <= 0:
            user = self.sandbox.state.users[self.sandbox.bot]
            raise _Answer(403, f"API rate limit exceeded for user ID {user}.")
        self.sandbox.remaining -= 1

    def _handle(self, request: Request, body: bytes) -> Any:
        name = request.scope["route"].name
        if name == "user":
            return self.sandbox.state.user(self.sandbox.bot)
        if name == "search":
            return self._search(request.query_params)
        if name == "mint":
            status, answer = self.sandbox.tokens.mint(
                request.headers.get("authorization", ""), request.path_params["installation"]
            )
            if status != 201:
                raise _Answer(status, answer["message"])
            return answer
        repository = self._repository(request)
        if request.method == "GET":
            return self._read(request, repository, name)
        if repository.archived:
            raise _Answer(403, "Repository was archived so is read-only.")
        fields = self._fields(request, body)
        if name in ("hooks", "hook", "pings"):
            return self._hooks(request, repository, name, fields)
        return self._write(request, repository, name, fields)

    def _search(self, query: Mapping[str, str]) -> Row:
        """Of the search only what counts the issues or the pull requests of one repository."""
        asked = re.fullmatch(r"repo:(\S+) is:(issue|pull-request)", query.get("q", ""))
        found = self.sandbox.state.repositories.values()
        named = [one for one in found if asked and one.name.casefold() == asked[1].casefold()]
        if not asked or not named:
            raise _Answer(422, "Validation Failed", errors=[{"field": "q", "code": "invalid"}])
        pulls = asked[2] == "pull-request"
        rows = [row for row in named[0].issues.values() if ("pull_request" in row) == pulls]
        size = min(max(_whole(query.get("per_page"), 30), 1), 100)
        return {"total_count": len(rows), "incomplete_results": False, "items": rows[:size]}

    def _read(self, request: Request, repository: Repository, name: str) -> Any:
        if name == "repository":
            counts = {"network_count": 0, "subscribers_count": 1, "has_discussions": False}
            return {**self.sandbox.state.repository(repository), **counts}
        if name == "issue":
            return self._issue(request, repository)
        if name == "comment":
            return self._comment(request, repository)
        if name == "hooks":
            hooks = self.sandbox.hooks
            return [hooks.shown(hook) for hook in hooks.of(repository.name)]
        if name == "hook":
            return self.sandbox.hooks.shown(self._hook(request, repository))
        query = request.query_params
        if name == "labels":
            return list(repository.labels.values())
        if name == "milestones":
            return list(repository.milestones.values())
        if name == "assignees":
            return [self.sandbox.state.user(login) for login in self.sandbox.state.users]
        if name == "issues":
            rows = list(repository.issues.values())
            state = query.get("state", "open")
            rows = [row for row in rows if state in ("all", row["state"])]
        else:
            rows = list(repository.comments.values())
            if name == "comments":
                url = self._issue(request, repository)["url"]
                rows = [row for row in rows if row["issue_url"] == url]
        rows = [row for row in rows if row["updated_at"] >= query.get("since", "")]
        if name == "comments":
            return rows  # one issue's comments come in the order of their ids, whatever is asked
        key = "updated_at" if query.get("sort") == "updated" else "created_at"
        direction = query.get("direction", "desc" if name == "issues" else "asc")
        return sorted(rows, key=lambda row: (row[key], row["id"]), reverse=direction == "desc")

    def _fields(self, request: Request, body: bytes) -> Row:
        if request.method == "DELETE" or not body:
            return {}
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            raise _Answer(400, "Problems parsing JSON") from None
        if not isinstance(fields, dict):
            raise _Answer(422, "Invalid request.\n\nFor 'links/0/schema', not an object.")
        return fields

    def _hooks(self, request: Request, repository: Repository, name: str, fields: Row) -> Any:
        hooks = self.sandbox.hooks
        if name == "hooks":
            hook = hooks.save(repository.name, None, fields)
            self.sandbox.ping(hook)
            return hooks.shown(hook)
        hook = self._hook(request, repository)
        if name == "pings":
            self.sandbox.ping(hook)
        elif request.method == "DELETE":
            del hooks.registered[hook.id]
        else:
            return hooks.shown(hooks.save(repository.name, hook, fields))
        return None

    def _hook(self, request: Request, repository: Repository) -> Hook:
        for hook in self.sandbox.hooks.of(repository.name):
            if hook.id == request.path_params["hook"]:
                return hook
        raise _Answer(404, "Not Found")

    def _write(self, request: Request, repository: Repository, name: str, fields: Row) -> Any:
        state, bot = self.sandbox.state, self.sandbox.bot
        key = next(iter(marker.keys(str(fields.get("body") or ""))), None)
        if name == "issues":
            row = state.create_issue(repository, fields, bot)
            effect = Effect("create", "issue", str(row["id"]), fields, key)
        elif name == "issue":
            number = self._issue(request, repository)["number"]
            if self._ignores():
                return repository.issues[number]
            row = state.edit_issue(repository, number, fields, bot)
            effect = Effect("update", "issue", str(row["id"]), fields, key)
        elif name == "comments":
            issue = self._issue(request, repository)
            if issue["locked"]:
                raise _Answer(403, "Unable to create comment because issue is locked.")
            row = state.create_comment(repository, issue["number"], fields.get("body"), bot)
            effect = Effect("create", "comment", str(row["id"]), fields, key)
        else:
            id = self._comment(request, repository)["id"]
            if request.method == "DELETE":
                state.delete_comment(repository, id, bot)
                self.sandbox.ledger.append(Effect("delete", "comment", str(id), {}))
                return None
            if self._ignores():
                return repository.comments[id]
            row = state.edit_comment(repository, id, fields.get("body"), bot)
            effect = Effect("update", "comment", str(id), fields, key)
        self.sandbox.ledger.append(effect)
        return row

    def _ignores(self) -> bool:
        """Whether this update is one that GitHub answers with success and does not carry out."""
        if self.sandbox.faults.silent:
            self.sandbox.faults.silent -= 1
            return True
        return False

    def _repository(self, request: Request) -> Repository:
        params = request.path_params
        for repository in self.sandbox.state.repositories.values():
            full_name = f"{params.get('owner')}/{params.get('repo')}".casefold()
            if repository.id == params.get("id") or repository.name.casefold() == full_name:
                return repository
        raise _Answer(404, "Not Found")

    def _issue(self, request: Request, repository: Repository) -> Row:
        number = request.path_params["number"]
        if number in repository.gone:
            raise _Answer(410, "This issue was deleted")
        if number not in repository.issues:
            raise _Answer(404, "Not Found")
        return repository.issues[number]

    def _comment(self, request: Request, repository: Repository) -> Row:
        if request.path_params["comment"] not in repository.comments:
            raise _Answer(404, "Not Found")
        return repository.comments[request.path_params["comment"]]

    def _response(self, request: Request, status: int, value: Any) -> Response:
        headers = {
            "x-github-media-type": "github.v3; format=json",
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": str(max(self.sandbox.remaining, 0)),
            "x-ratelimit-reset": str(int(self.sandbox.resets.timestamp())),
            "x-ratelimit-resource": "core",
        }
        if status == 201 and "url" in value:
            headers["location"] = value["url"]
        if status == 200 and isinstance(value, list):
            value = self._page_of(request, value, headers)
        body = b"" if value is None else json.dumps(value, ensure_ascii=False).encode()
        if status == 200 and request.method == "GET":
            etag = f'W/"{hashlib.sha256(body).hexdigest()}"'
            headers["etag"] = etag
            if request.headers.get("if-none-match") == etag:
                self.sandbox.remaining += 1  # GitHub does not count it
                return Response(status_code=304, headers=headers)
        return Response(body, status, headers, media_type="application/json; charset=utf-8")

    def _page_of(self, request: Request, rows: list[Row], headers: dict[str, str]) -> list[Row]:
        query = request.query_params
        size = min(max(_whole(query.get("per_page"), 30), 1), 100)
        number = max(_whole(query.get("page"), 1), 1)
        last = max((len(rows) + size - 1) // size, 1)
        # GitHub's links name the repository by its id
        path = request.url.path
        if path.startswith("/repos/"):
            tail = path.split("/", 4)[4]
            path = f"/repositories/{self._repository(request).id}/{tail}"
        if request.scope["route"].name == "issues":
            return self._cursor_page(request, rows, headers, path)
        links = []
        for rel, page in (
            ("prev", number - 1),
            ("next", number + 1),
            ("last", last),
            ("first", 1),
        ):
            if (
                1 <= page <= last
                and (page > number) == (rel in ("next", "last"))
                and page != number
            ):
                link = urlencode({**query, "page": page})
                links.append(f'<{self.sandbox.url}{path}?{link}>; rel="{rel}"')
        if links:
            headers["link"] = ", ".join(links)
        return rows[(number - 1) * size : number * size]

    def _cursor_page(
        self, request: Request, rows: list[Row], headers: dict[str, str], path: str
    ) -> list[Row]:
        """Issues are paged by a cursor: the links lead on, and to no last page."""
        query = dict(request.query_params)
        size = min(max(_whole(query.get("per_page"), 30), 1), 100)
        after = query.pop("after", None)
        number = max(_whole(query.get("page"), 1), 1)
        start = _place(after) if after is not None else (number - 1) * size
        if start + size < len(rows):
            cursor = base64.urlsafe_b64encode(f"cursor:{start + size}".encode()).decode()
            link = urlencode({**query, "after": cursor, "page": number + 1})
            headers["link"] = f'<{self.sandbox.url}{path}?{link}>; rel="next"'
        return rows[start : start + size]

    # the page ---------------------------------------------------------------------------------

    async def _list(self, _: Request) -> Response:
        with self.sandbox.lock:
            repositories = self.sandbox.state.repositories.values()
            return HTMLResponse(
                list_page([(one.name, list(one.issues.values())) for one in repositories])
            )

    async def _page(self, request: Request) -> Response:
        body = await request.body()
        with self.sandbox.lock:
            try:
                if request.path_params["kind"] not in ("issues", "pull"):
                    raise _Answer(404, "Not Found")
                repository = self._repository(request)
                issue = self._issue(request, repository)
            except _Answer:
                return HTMLResponse("<h1>404</h1>This is not the page you are looking for.", 404)
            number = issue["number"]
            if request.method == "POST":
                form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
                by = (
                    form.get("by")
                    if form.get("by") in self.sandbox.people
                    else self.sandbox.people[0]
                )
                self._act(form.get("action", ""), form.get("body", ""), str(by), repository, number)
                return RedirectResponse(request.url.path, 303)
            comments = [c for c in repository.comments.values() if c["issue_url"] == issue["url"]]
            return HTMLResponse(issue_page(repository.name, issue, comments, self.sandbox.people))

    def _act(self, action: str, text: str, by: str, repository: Repository, number: int) -> None:
        if text.strip():
            self.sandbox.comment(number, text, by, repository.name)
        if action == "close":
            self.sandbox.close_issue(number, by, repository.name)
        elif action == "reopen":
            self.sandbox.reopen_issue(number, by, repository.name)


async def _not_found(_: Request, __: Exception) -> Response:
    body = json.dumps(_Answer(404, "Not Found").body)
    return Response(body, 404, media_type="application/json; charset=utf-8")


def _place(cursor: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("cursor:"))
    except ValueError:
        raise _Answer(422, "The value of `after` is not a cursor.") from None


def _whole(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else default
