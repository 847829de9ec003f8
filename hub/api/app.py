"""The API as one FastAPI application. `/`, `/cases`, `/sign-in`, `/p` and `/static` are left to
the dashboard, which is included into it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse

from hub.api import (
    absences,
    account_fields,
    cases,
    comments,
    connections,
    consent,
    decisions,
    deliveries,
    errors,
    exceptions,
    handoffs,
    health,
    items,
    links,
    merging,
    metrics,
    nudges,
    people,
    processes,
    proposals,
    reference,
    refusals,
    stream,
    tasks,
)
from hub.api.bodies import StrictBodies
from hub.api.doors import Doors
from hub.api.stream import Stream
from hub.hub import Hub

DESCRIPTION = (
    "One coordination layer above the tools people already use."
    " Calls under /api/ take a Bearer token (hub token create) and JSON;"
    " errors are application/problem+json with a stable `code`."
    " Lists answer {items, next}: send `next` as `cursor` for the following page."
)
_FAMILIES = (
    processes, tasks, comments, links, merging, items, people, absences, cases, decisions, handoffs,
    exceptions, proposals, nudges,
    deliveries, connections, account_fields, refusals,
    consent, metrics, stream,
)  # fmt: skip

PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "An error. `code` is stable; `detail` says what to do.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string", "description": "For people."},
        "errors": {
            "type": "array",
            "description": "Where fields are wrong.",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def create_api(hub: Hub, stream: Stream) -> FastAPI:
    """The API of a hub. Compose it with the dashboard's routes by `include_router`."""

    app = FastAPI(
        title="Process Hub",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={
            "default": {
                "description": "An error",
                "content": {
                    errors.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}
                },
            }
        },
        generate_unique_id_function=lambda route: route.name,
        lifespan=_until_the_end,
    )
    serve(app, hub, stream)
    errors.install(app)
    app.add_middleware(StrictBodies)
    app.add_middleware(Doors, routes=lambda: app.routes)
    api = APIRouter(prefix="/api/v1")
    for family in _FAMILIES:
        api.include_router(family.router)
    app.include_router(api)
    app.include_router(health.router)
    app.include_router(consent.callback)
    app.include_router(metrics.scrape)

    @app.get("/docs", include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        base = app.state.hub.settings.public_url or str(request.base_url)
        return HTMLResponse(
            reference.page(app.openapi(), base),
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )

    _describe_errors(app)
    return app


def serve(app: FastAPI, hub: Hub, stream: Stream) -> None:
    """Have the API answer for this hub from now on."""
    app.state.hub = hub
    app.state.stream = stream
    app.state.registry = metrics.registry_of(hub, stream)


@asynccontextmanager
async def _until_the_end(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.stream.close()


def _describe_errors(app: FastAPI) -> None:
    """Have the OpenAPI document say what errors really look like here."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        found: MutableMapping[str, Any] = generate()
        schemas = found["components"]["schemas"]
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["Problem"] = PROBLEM
        for methods in found["paths"].values():
            for spec in methods.values():
                spec.get("responses", {}).pop("422", None)
        return dict(found)

    app.openapi = openapi  # type: ignore[method-assign]
