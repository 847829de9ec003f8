"""The live updates of `hub.stream` as server-sent events."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from hub.api.auth import Anyone
from hub.stream import Stream

__all__ = ["Stream", "router"]

router = APIRouter(tags=["live"])


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def stream(request: Request, caller: Anyone) -> StreamingResponse:
    """Server-sent events: `event: change` with `{"topics": [...]}` (task, case, exception, push
    ...) after each change.
    """
    source: Stream = request.app.state.stream
    return StreamingResponse(
        source.watch(),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
