"""The agent's webhook, ahead of the framework.

Most of what the API does is accept events, and for an event the framework's routing, dependencies and response model
cost more than everything we do with it. The route in ``endpoints.py`` documents the address and serves whatever
spelling of it the door lets pass; both hand the same request to the same inbox.
"""

from __future__ import annotations

import re
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from deskhand.errors import DeskhandError
from deskhand.intake.endpoints import receive_agent_webhook
from deskhand.kit.problem import problem_response

# Lower case alone, as we print it. Another spelling of the same id goes the long way through the route and gets the
# same answer.
ADDRESS = re.compile(r"/agents/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})/webhook")


class WebhookDoor:
    """Middleware that answers ``POST /agents/{agent_id}/webhook`` and passes on everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        address = ADDRESS.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if address is None:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        # The framework's error handlers stand behind this middleware, so the door renders a refusal itself, by the same
        # code.
        try:
            answer = await receive_agent_webhook(UUID(address[1]), request)
        except DeskhandError as error:
            response: Response = problem_response(request, error)
        else:
            response = Response(answer.model_dump_json(), status_code=202, media_type="application/json")
        await response(scope, receive, send)
