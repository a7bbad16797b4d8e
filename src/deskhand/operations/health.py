"""Whether the process works, and its figures: for whoever watches it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from deskhand import __version__
from deskhand.appstate import App
from deskhand.engine.queue import queue_depth
from deskhand.errors import UnavailableError
from deskhand.kit.db.readiness import verify_writable
from deskhand.kit.problem import public_problem_responses

router = APIRouter(tags=["health"])


@router.get("/healthz", operation_id="healthz")
async def healthz() -> dict[str, str]:
    """The process answers, whatever else is down."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz", operation_id="readyz", responses=public_problem_responses(UnavailableError))
async def readyz(state: App) -> dict[str, str]:
    """The process can do its work: the database answers and takes changes."""
    await verify_writable(state.db)
    return {"status": "ready"}


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **public_problem_responses()},
)
async def metrics(request: Request, state: App) -> Response:
    """Figures for Prometheus, in its text format or in OpenMetrics' if the caller asks for that."""
    state.telemetry.queue_depth(await queue_depth(state.pool))
    body, content_type = state.telemetry.render(request.headers.get("accept", ""))
    return Response(body, media_type=content_type)
