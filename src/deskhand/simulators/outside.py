"""Slack's and Teams' incoming webhooks, a receiver of signed webhooks and a small API, in one simulator.

Each refuses what its vendor refuses, in the vendor's words: Slack with ``invalid_payload``, ``no_text`` or
``invalid_blocks``, a Teams workflow with its error object, both with 429 and ``Retry-After``. What was taken is kept,
so that a test can count it. ``deskhand simulator outside`` runs it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from deskhand.kit.clock import utc_now
from deskhand.simulators.base.faults import Fault, FaultLayer, FaultList
from deskhand.simulators.base.server import RunningServer

CARD = "application/vnd.microsoft.card.adaptive"
TEAMS_BYTES = 28 * 1024
TOLERANCE = 300
_SECTION, _BLOCKS, _TEXT = 3_000, 50, 40_000


@dataclass(frozen=True, slots=True)
class Posted:
    """One message that a channel took."""

    channel: str
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Its words as the vendor's client would show them, without the form."""
        if "blocks" in self.body:
            return "\n".join(block["text"]["text"] for block in self.body["blocks"])
        cards = [one["content"] for one in self.body.get("attachments", ())]
        return "".join(run["text"] for card in cards for part in card["body"] for run in part["inlines"])


@dataclass(frozen=True, slots=True)
class Received:
    """One signed event as it arrived; the same id may arrive again."""

    id: str
    timestamp: str
    body: Mapping[str, Any]


@dataclass
class OutsideSimulator:
    """The server.

    Attributes:
        key: Of the small API, as a bearer token, and part of every webhook's address.
        signing_secret: Of the receiver.
        posted: What the chats took, in order.
        received: What the receiver took, doubles included.
        calls: Requests of the small API: method, path, headers, body.
        archived: Channels that answer as Slack does for archived ones.
        says: What the small API tells besides, in its body and its ETag.
    """

    key: str = field(default_factory=lambda: secrets.token_hex(12))
    signing_secret: str = field(default_factory=lambda: "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
    host: str = "127.0.0.1"
    port: int = 0
    posted: list[Posted] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    archived: set[str] = field(default_factory=set)
    says: str = ""

    def __post_init__(self) -> None:
        self.faults = FaultList(utc_now)
        self._server = RunningServer(self.build(), host=self.host, port=self.port)

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    @property
    def url(self) -> str:
        """Base address, which is the small API's too."""
        return self._server.url

    def slack_url(self, channel: str) -> str:
        """Address of a channel's webhook, as Slack gives it out."""
        return f"{self.url}/services/T{channel.upper()}/B0001/{self.key}"

    def teams_url(self, channel: str) -> str:
        """Address of a channel's workflow, as Power Automate gives it out."""
        path = f"/powerautomate/automations/direct/workflows/{channel}/triggers/manual/paths/invoke"
        return f"{self.url}{path}?api-version=1&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={self.key}"

    def settings(self) -> dict[str, Any]:
        """Settings of a tenant that uses all of it."""
        return {
            "slack": {"channels": {"leads": self.slack_url("leads"), "ops": self.slack_url("ops")}},
            "teams": {"channels": {"leads": self.teams_url("leads")}},
            "webhook": {"endpoints": {"cmdb": {"url": f"{self.url}/receiver", "secret": self.signing_secret}}},
            "http": {"hosts": {self.url: {"headers": {"Authorization": f"Bearer {self.key}"}}}},
        }

    def times(self) -> Counter[str]:
        """By id, how often the receiver got an event."""
        return Counter(one.id for one in self.received)

    def build(self) -> Starlette:
        """The ASGI application, behind the fault layer."""
        return Starlette(
            routes=[
                Route("/services/{team}/{hook}/{token}", self._slack, methods=["POST"]),
                Route(
                    "/powerautomate/automations/direct/workflows/{channel}/triggers/manual/paths/invoke",
                    self._teams,
                    methods=["POST"],
                ),
                Route("/receiver", self._receive, methods=["POST"]),
                Route("/_sim/outside", self._kept),
                Route("/api/{path:path}", self._api, methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            ],
            middleware=[Middleware(FaultLayer, faults=self.faults, render=_render)],
        )

    async def _slack(self, request: Request) -> Response:
        if not hmac.compare_digest(request.path_params["token"], self.key):
            return PlainTextResponse("no_service", 404)
        channel = request.path_params["team"].removeprefix("T").lower()
        if channel in self.archived:
            return PlainTextResponse("channel_is_archived", 410)
        body = await _object(request)
        fault = "invalid_payload" if body is None else _slack_fault(body)
        if body is None or fault:
            return PlainTextResponse(fault, 400)
        self.posted.append(Posted(f"slack:{channel}", body))
        return PlainTextResponse("ok")

    async def _teams(self, request: Request) -> Response:
        if not hmac.compare_digest(request.query_params.get("sig", ""), self.key):
            return _workflow_error(401, "Unauthorized", "The request is not authenticated: the signature is not valid.")
        if len(await request.body()) > TEAMS_BYTES:
            return _workflow_error(413, "RequestEntityTooLarge", "The message is larger than 28 KB.")
        body = await _object(request)
        if body is None or not _is_card_message(body):
            sentence = "The input body for trigger 'manual' of type 'Request' did not match its schema definition."
            return _workflow_error(400, "TriggerInputSchemaMismatch", sentence)
        self.posted.append(Posted(f"teams:{request.path_params['channel']}", body))
        return Response(status_code=202)

    async def _receive(self, request: Request) -> Response:
        raw = await request.body()
        headers = {name: request.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")}
        if not _is_signed(self.signing_secret, headers, raw):
            return JSONResponse({"error": "the signature does not fit"}, 401)
        self.received.append(Received(headers["id"], headers["timestamp"], json.loads(raw)))
        return Response(status_code=204)

    async def _api(self, request: Request) -> Response:
        raw = await request.body()
        self.calls.append(
            {
                "method": request.method,
                "path": request.url.path,
                "query": dict(request.query_params),
                "headers": dict(request.headers),
                "body": json.loads(raw) if raw else None,
            }
        )
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return JSONResponse({"error": "who are you?"}, 401)
        if "redirect" in request.query_params:
            return Response(status_code=302, headers={"Location": request.query_params["redirect"]})
        size = int(request.query_params.get("size", "0"))
        # It tells what it was sent, credential included, as test services on the web do.
        seen = {"method": request.method, "authorization": request.headers["authorization"], "filling": "x" * size}
        return JSONResponse({**seen, "says": self.says}, headers={"ETag": f'"{self.says}"'})

    async def _kept(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "posted": [{"channel": one.channel, "text": one.text} for one in self.posted],
                "received": [{"id": one.id, "type": one.body.get("type")} for one in self.received],
            }
        )


async def _object(request: Request) -> dict[str, Any] | None:
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        return None
    try:
        body = json.loads(await request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _slack_fault(body: Mapping[str, Any]) -> str:
    text, blocks = body.get("text"), body.get("blocks")
    if not text and not blocks and not body.get("attachments"):
        return "no_text"
    if text is not None and (not isinstance(text, str) or len(text) > _TEXT):
        return "invalid_payload"
    if blocks is None:
        return ""
    if not isinstance(blocks, list) or len(blocks) > _BLOCKS:
        return "invalid_blocks_format"
    return "" if all(_is_section(block) for block in blocks) else "invalid_blocks"


def _is_section(block: Any) -> bool:
    text = block.get("text") if isinstance(block, dict) else None
    if not isinstance(text, dict) or block.get("type") != "section":
        return False
    words = text.get("text")
    fits = isinstance(words, str) and 0 < len(words) <= _SECTION
    return fits and (text.get("type") == "mrkdwn" or (text.get("type") == "plain_text" and "verbatim" not in text))


def _is_card_message(body: Mapping[str, Any]) -> bool:
    attachments = body.get("attachments")
    if body.get("type") != "message" or not isinstance(attachments, list) or not attachments:
        return False
    return all(
        isinstance(one, dict)
        and one.get("contentType") == CARD
        and isinstance(one.get("content"), dict)
        and one["content"].get("type") == "AdaptiveCard"
        and isinstance(one["content"].get("version"), str)
        and bool(one["content"].get("body"))
        for one in attachments
    )


def _workflow_error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def _is_signed(secret: str, headers: Mapping[str, str], raw: bytes) -> bool:
    """Written from the specification and not from our own signer, so that the two check each other."""
    if not headers["id"] or not headers["timestamp"].isdecimal():
        return False
    if abs(utc_now().timestamp() - int(headers["timestamp"])) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((headers["id"].encode(), headers["timestamp"].encode(), raw))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    offered = [one.removeprefix("v1,") for one in headers["signature"].split(" ") if one.startswith("v1,")]
    return any(hmac.compare_digest(expected, one) for one in offered)


def _render(fault: Fault, request: Request) -> Response:
    if fault.status == 429:
        words = "rate_limited" if request.url.path.startswith("/services/") else ""
        return PlainTextResponse(words, 429, {"Retry-After": "1"})
    return PlainTextResponse("", fault.status)
