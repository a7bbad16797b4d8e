"""A small OpenAI-compatible server with scripted answers, for tests, demos and benchmarks.

It is a real server on a real socket, like the simulated desks, so that our gateway client is exercised as
it is. By default it fills whatever JSON schema it is asked for with words from the prompt; a script can say
anything else, also faults. It is not a language model and says so: its model is called ``simulated-model``.

``deskhand simulator llm`` runs it; in tests, use ``async with LlmSimulator() as simulator``.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from deskhand.simulators.base.server import RunningServer, hang_up

MODEL = "simulated-model"
_TOKEN_CHARS = 4


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer.

    Attributes:
        content: Text of the assistant; an object is sent as JSON.
        tool_calls: Pairs of tool name and arguments.
        status: HTTP status; anything but 200 is a fault.
        error: The vendor's error object, for a fault.
        headers: Sent along, for example ``retry-after`` or ``x-litellm-response-cost``.
        delay: Seconds to wait first, besides the simulator's own latency.
        hang_up: Close the connection instead of answering.
        raw: Send this body as it is.
    """

    content: str | Mapping[str, Any] | None = None
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    status: int = 200
    error: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang_up: bool = False
    raw: bytes | None = None


Script = Callable[[Mapping[str, Any]], Reply]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class LlmSimulator:
    """The server.

    Args:
        replies: Given out in order; then ``script`` answers.
        script: Makes an answer from the request body; may be replaced while the server runs.
        api_key: Demanded as a bearer token; None lets anyone in.
        latency: Seconds before every answer.
        models: What ``GET /models`` lists.
        host: Address to listen on.
        port: Port; 0 takes a free one.
    """

    def __init__(
        self,
        replies: Iterable[Reply] = (),
        *,
        script: Script | None = None,
        api_key: str | None = None,
        latency: float = 0.0,
        models: Iterable[str] = (MODEL,),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.replies = deque(replies)
        self.seen: list[Seen] = []
        self.script = script or obliging
        self._key = api_key
        self._latency = latency
        self._models = tuple(models)
        self.app = Starlette(routes=[Mount("/", app=self._serve)])
        self._server = RunningServer(self.app, host=host, port=port)

    @property
    def base_url(self) -> str:
        assert self._server.port, "the simulator is not started"
        return f"{self._server.url}/v1"

    @property
    def chats(self) -> list[Seen]:
        """The chat requests so far."""
        return [request for request in self.seen if request.path.endswith("/chat/completions")]

    async def __aenter__(self) -> Self:
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The endpoint of every path, as ASGI: a reply may be to hang up, which no response object can."""
        request = Request(scope, receive)
        raw = await request.body()
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            await _json({"error": {"message": "The body is not JSON."}}, status=400)(scope, receive, send)
            return
        seen = Seen(request.url.path, dict(request.headers), body)
        self.seen.append(seen)
        # Taken before the wait: calls that run at once must not share an id.
        number = len(self.seen)
        # Before the wait, so that replies are given out in the order in which calls came in.
        reply = self._reply(seen)
        await asyncio.sleep(self._latency + reply.delay)
        if reply.hang_up:
            await hang_up(scope, receive)
            return
        answer = reply.raw if reply.raw is not None else self._body(seen, reply, number)
        await _json(answer, status=reply.status, headers=reply.headers)(scope, receive, send)

    def _reply(self, request: Seen) -> Reply:
        if self._key is not None and request.headers.get("authorization") != f"Bearer {self._key}":
            return Reply(status=401, error={"message": "Incorrect API key provided.", "code": "invalid_api_key"})
        if request.path.endswith("/models"):
            return Reply()
        if not request.path.endswith("/chat/completions"):
            return Reply(status=404, error={"message": "Not found."})
        return self.replies.popleft() if self.replies else self.script(request.body)

    def _body(self, request: Seen, reply: Reply, number: int) -> dict[str, Any]:
        if reply.status != 200:
            return {"error": dict(reply.error)}
        if request.path.endswith("/models"):
            return {"object": "list", "data": [{"id": name, "object": "model"} for name in self._models]}
        return completion(request.body, reply, number=number)


def _json(body: Mapping[str, Any] | bytes, *, status: int, headers: Mapping[str, str] | None = None) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body)
    return Response(raw, status, headers, media_type="application/json")


def completion(body: Mapping[str, Any], reply: Reply, *, number: int) -> dict[str, Any]:
    """A chat completion as the API returns it; tokens are counted as a quarter of the characters."""
    content = reply.content
    text = content if isinstance(content, str) or content is None else json.dumps(content)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": f"call_{number}_{index}",
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(args)},
            }
            for index, (name, args) in enumerate(reply.tool_calls)
        ]
    # A quarter of the characters is near enough for budgets and costs, and needs no tokenizer.
    tokens_in = len(json.dumps(body.get("messages", []))) // _TOKEN_CHARS
    tokens_out = max(1, len(json.dumps(message)) // _TOKEN_CHARS)
    return {
        "id": f"chatcmpl-sim-{number}",
        "object": "chat.completion",
        "model": body.get("model", MODEL),
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if reply.tool_calls else "stop"}],
        "usage": {
            "prompt_tokens": tokens_in,
            "completion_tokens": tokens_out,
            "total_tokens": tokens_in + tokens_out,
        },
    }


def obliging(body: Mapping[str, Any]) -> Reply:
    """Fill the asked schema with words of the prompt: valid, quick, and without any understanding."""
    prompt = "\n".join(str(message.get("content") or "") for message in body.get("messages", []))
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is not None:
        return Reply(content=filled(schema, prompt))
    required = body.get("tool_choice") == "required"
    tools = [tool["function"] for tool in body.get("tools", [])]
    if tools and required:
        answer = tools[-1]  # output tools come last
        return Reply(tool_calls=((answer["name"], filled(answer["parameters"], prompt)),))
    return Reply(content="This is a simulated answer.")


def filled(schema: Mapping[str, Any], prompt: str) -> Any:
    """A value of the schema; steps of a note are taken word for word from the source they name."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        # An optional value is "this or null", with null last: the simulated model leaves out what it may.
        return filled(schema["anyOf"][-1], prompt)
    kind = schema.get("type")
    if kind == "object":
        return {name: _property(name, part, prompt) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [filled(schema.get("items", {}), prompt)] * max(1, schema.get("minItems", 1))
    simple: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "null": None}
    return simple.get(str(kind), "simulated")


def _property(name: str, schema: Mapping[str, Any], prompt: str) -> Any:
    line = re.search(r"Subject: (.+)", prompt) if name == "summary" else None
    line = line or (re.search(r"Solution: (.+)", prompt) if name == "text" else None)
    if line is None or schema.get("type") != "string":
        return filled(schema, prompt)
    words = line.group(1).strip()
    words = words if name == "summary" else f"Check whether this applies: {words}"
    return words[: schema.get("maxLength", 200)]
