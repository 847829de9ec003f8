"""Every error as `application/problem+json` with a stable `code`, whoever raised it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from hub.live import NoWorkspace
from hub.process.answers import Refused
from mappings.states import IllegalTransition

log = structlog.get_logger("hub.api")

MEDIA_TYPE = "application/problem+json"
CODES: Mapping[int, str] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "body_timeout",
    409: "conflict",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "validation_failed",
    500: "internal_error",
    503: "unavailable",
}


DETAILS: Mapping[int, str] = {
    404: "There is nothing at this address. All calls are listed at /docs.",
    405: "This address takes other methods; `Allow` names them.",
}
"""What a framework's bare error does not say."""


class Problem(Exception):
    """An answer that is an error. `extra` are further members of the problem, such as the current
    state that a stale write ran into.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra

    def body(self) -> dict[str, Any]:
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.extra,
        }

    def response(self) -> Response:
        return JSONResponse(self.body(), self.status, self.headers, MEDIA_TYPE)


def not_found(what: str, id: str) -> Problem:
    """There is no such thing."""
    return Problem(404, "not_found", f"There is no {what} {id}.")


def invalid(errors: Mapping[str, str], detail: str = "") -> Problem:
    """The request is understood, but some of its fields are wrong; `errors` says why, by field."""
    listed = [{"field": name, "message": message} for name, message in errors.items()]
    text = detail or "; ".join(f"{name}: {message}" for name, message in errors.items())
    return Problem(422, "validation_failed", text, errors=listed)


def problem_of(error: Exception) -> Problem:
    """What an exception means to the caller. Nothing of an unexpected one is told."""
    match error:
        case Problem():
            return error
        case Refused():
            extra: dict[str, Any] = {}
            if error.errors:
                extra["errors"] = [
                    {"field": name, "message": message} for name, message in error.errors.items()
                ]
            return Problem(error.status, error.code, str(error), **extra)
        case IllegalTransition():
            return Problem(409, "illegal_transition", str(error))
        case NoWorkspace():
            return Problem(503, "no_workspace", str(error), headers={"Retry-After": "5"})
        case OperationalError():
            return Problem(
                503,
                "database_unavailable",
                "The database does not answer. Try again in a moment.",
                headers={"Retry-After": "2"},
            )
        case RequestValidationError():
            return _unreadable(error.errors())
        case ClientDisconnect():  # nobody reads this
            return Problem(400, "bad_request", "The request ended before its body.")
        case HTTPException():
            code = CODES.get(error.status_code, "error")
            detail = DETAILS.get(error.status_code, str(error.detail))
            return Problem(error.status_code, code, detail, headers=error.headers or {})
        case _:
            return Problem(
                500, "internal_error", "Something went wrong here. It was logged, not your fault."
            )


def _unreadable(errors: Sequence[Any]) -> Problem:
    found: dict[str, str] = {}
    for one in errors:
        where = [str(part) for part in one["loc"]]
        if where and where[0] in ("body", "query", "path", "header"):
            where = where[1:] or where
        found.setdefault(".".join(where), str(one["msg"]))
    return invalid(found)


def install(app: FastAPI) -> None:
    """Answer every error of an app with a problem.

    `app.state.error_page`, a function (Request, Problem) -> Response | None, may show a page to a
    browser instead, outside `/api/`.
    """

    async def answer(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status == 500:
            log.error("request failed", path=request.url.path, exc_info=error)
        page = getattr(request.app.state, "error_page", None)
        if page is not None and not request.url.path.startswith("/api/"):
            shown: Response | None = page(request, problem)
            if shown is not None:
                return shown
        return problem.response()

    for kind in (
        Problem,
        Refused,
        IllegalTransition,
        NoWorkspace,
        OperationalError,
        RequestValidationError,
        ClientDisconnect,
        HTTPException,
        Exception,
    ):
        app.add_exception_handler(kind, answer)
