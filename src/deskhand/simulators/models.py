"""A small OpenAI-compatible server with scripted answers, for tests, demos and benchmarks.

It is a real server on a real socket, so that our gateway client is exercised as it is. By default it
fills whatever JSON schema it is asked for with words from the prompt; a script can say anything else,
also faults. It is not a language model and says so: its model is called ``simulated-model``.

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

MODEL = "simulated-model"
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
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
        self._host, self._port = host, port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        assert self._server is not None, "the simulator is not started"
        return f"http://{self._host}:{self._server.sockets[0].getsockname()[1]}/v1"

    @property
    def chats(self) -> list[Seen]:
        """The chat requests so far."""
        return [request for request in self.seen if request.path.endswith("/chat/completions")]

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, self._host, self._port)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while request := await _read(reader):
                self.seen.append(request)
                if not await self._answer(request, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or we are stopping
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, request: Seen, writer: asyncio.StreamWriter) -> bool:
        reply = self._reply(request)
        await asyncio.sleep(self._latency + reply.delay)
        if reply.hang_up:
            return False
        body = reply.raw if reply.raw is not None else json.dumps(self._body(request, reply)).encode()
        head = f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Fault')}\r\nContent-Type: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        return True

    def _reply(self, request: Seen) -> Reply:
        if self._key is not None and request.headers.get("authorization") != f"Bearer {self._key}":
            return Reply(status=401, error={"message": "Incorrect API key provided.", "code": "invalid_api_key"})
        if request.path.endswith("/models"):
            return Reply()
        if not request.path.endswith("/chat/completions"):
            return Reply(status=404, error={"message": "Not found."})
        return self.replies.popleft() if self.replies else self.script(request.body)

    def _body(self, request: Seen, reply: Reply) -> dict[str, Any]:
        if reply.status != 200:
            return {"error": dict(reply.error)}
        if request.path.endswith("/models"):
            return {"object": "list", "data": [{"id": name, "object": "model"} for name in self._models]}
        return completion(request.body, reply, number=len(self.seen))


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Seen(first.split(" ")[1], headers, json.loads(raw) if raw else {})


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
    asked = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if asked is not None:
        return Reply(content=filled(asked, prompt))
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
        return filled(schema["anyOf"][-1], prompt)
    kind = schema.get("type")
    if kind == "object":
        return {name: _property(name, part, prompt) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [filled(schema.get("items", {}), prompt)] * max(1, schema.get("minItems", 1))
    simple: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "null": None}
    return simple.get(str(kind), "simulated")


def _property(name: str, schema: Mapping[str, Any], prompt: str) -> Any:
    found = re.search(r"Subject: (.+)", prompt) if name == "summary" else None
    found = found or (re.search(r"Solution: (.+)", prompt) if name == "text" else None)
    if found is None or schema.get("type") != "string":
        return filled(schema, prompt)
    words = found.group(1).strip()
    words = words if name == "summary" else f"Check whether this applies: {words}"
    return words[: schema.get("maxLength", 200)]
