"""The door answers the webhook's one spelling by itself and hands everything else to the framework, untouched."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from deskhand.errors import RateLimitedError
from deskhand.intake import door
from deskhand.intake.door import ADDRESS, WebhookDoor
from deskhand.intake.schemas import DeliveryAnswer, Outcome

AGENT = uuid.uuid4()


class _Framework:
    """What stands behind the door; remembers what reached it."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)


async def _sent(app: WebhookDoor, **scope: Any) -> list[Message]:
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    whole = {"type": "http", "method": "POST", "headers": [], "query_string": b"", "state": {}, **scope}
    await app(whole, receive, send)
    return messages


@pytest.mark.parametrize(
    "scope",
    [
        {"path": f"/agents/{AGENT}/webhook", "method": "GET"},
        {"path": f"/agents/{str(AGENT).upper()}/webhook" if str(AGENT).upper() != str(AGENT) else "/agents/X/webhook"},
        {"path": f"/agents/{AGENT}/webhook/"},
        {"path": f"/agents/{AGENT}/webhook\n"},
        {"path": f"/x/agents/{AGENT}/webhook"},
        {"path": "/agents/../webhook"},
        {"path": f"/agents/{AGENT}/webhook", "type": "websocket"},
    ],
)
async def test_every_other_request_is_the_frameworks(scope: dict[str, Any]) -> None:
    framework = _Framework()
    assert await _sent(WebhookDoor(framework), **scope) == []
    assert len(framework.scopes) == 1


def _answering(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[uuid.UUID], DeliveryAnswer]
) -> tuple[WebhookDoor, _Framework]:
    async def receive_agent_webhook(agent_id: uuid.UUID, request: Any) -> DeliveryAnswer:
        return answer(agent_id)

    monkeypatch.setattr(door, "receive_agent_webhook", receive_agent_webhook)
    framework = _Framework()
    return WebhookDoor(framework), framework


async def test_the_webhook_is_answered_ahead_of_the_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[uuid.UUID] = []

    def accept(agent_id: uuid.UUID) -> DeliveryAnswer:
        asked.append(agent_id)
        return DeliveryAnswer(status=Outcome.ACCEPTED)

    app, framework = _answering(monkeypatch, accept)
    head, body = await _sent(app, path=f"/agents/{AGENT}/webhook")
    assert (head["status"], asked, framework.scopes) == (202, [AGENT], [])
    assert json.loads(body["body"])["status"] == "accepted"


async def test_a_refusal_at_the_door_is_a_problem_document_as_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(agent_id: uuid.UUID) -> DeliveryAnswer:
        raise RateLimitedError("Slow down.", retry_after=7)

    app, _ = _answering(monkeypatch, refuse)
    head, body = await _sent(app, path=f"/agents/{AGENT}/webhook")
    headers = dict(head["headers"])
    assert head["status"] == 429
    assert headers[b"content-type"].startswith(b"application/problem+json")
    assert headers[b"retry-after"] == b"7"
    assert json.loads(body["body"])["detail"] == "Slow down."


def test_the_address_is_the_one_that_the_product_gives_out() -> None:
    from_product = f"/agents/{AGENT}/webhook"
    match = ADDRESS.fullmatch(from_product)
    assert match is not None
    assert uuid.UUID(match[1]) == AGENT
