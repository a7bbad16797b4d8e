"""MCP servers to talk to: a small one of our own that does whatever a test says, and two written by others."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.npm import need_npm
from tests.support.real_providers import accepts

EVERYTHING = (
    Path(__file__).parents[2] / ".cache/everything/node_modules/@modelcontextprotocol/server-everything/dist/index.js"
)
Body = dict[str, Any]
Answer = Callable[["Exchange"], Any]
"""Of a call: its result, or None where it has written to the socket by itself."""

LOOK_UP = {
    "name": "look_up",
    "description": "Look up a printer.",
    "inputSchema": {
        "type": "object",
        "properties": {"name": {"type": "string", "pattern": "^prn-"}},
        "required": ["name"],
    },
    "annotations": {"readOnlyHint": True},
}
RESTART = {
    "name": "restart",
    "description": "Restart a printer.",
    "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    "annotations": {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True},
}


def text(words: str, **more: Any) -> Body:
    """A result of one text."""
    return {"content": [{"type": "text", "text": words}], **more}


@dataclass(slots=True)
class Exchange:
    """One message to the server.

    Attributes:
        handler: The socket, for answers that are none.
        message: What was sent.
    """

    handler: BaseHTTPRequestHandler
    message: Body

    @property
    def arguments(self) -> Body:
        """Of a call."""
        arguments: Body = self.message["params"].get("arguments", {})
        return arguments

    def raw(self, content: bytes, *, status: int = 200, kind: str = "application/json", **headers: str) -> None:
        """Answer these bytes."""
        self.handler.send_response(status)
        self.handler.send_header("content-type", kind)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.send_header("content-length", str(len(content)))
        self.handler.end_headers()
        self.handler.wfile.write(content)

    def stream(self, events: Iterator[bytes]) -> None:
        """Answer with events, until they or the client's patience end."""
        self.handler.send_response(200)
        self.handler.send_header("content-type", "text/event-stream")
        self.handler.send_header("connection", "close")
        self.handler.end_headers()
        self.handler.close_connection = True
        try:
            for event in events:
                self.handler.wfile.write(event)
        except OSError:
            return

    def result(self, value: Any) -> bytes:
        """A result as bytes."""
        return json.dumps({"jsonrpc": "2.0", "id": self.message["id"], "result": value}).encode()


@dataclass(slots=True)
class ScriptedServer:
    """A server of streamable HTTP that keeps count.

    Attributes:
        tools: What it lists.
        answers: By method or by tool; what is not here is answered as a good server would.
        called: Names of the tools that were called, in order.
        headers: Of the last message.
        sessions: Those it knows.
    """

    tools: list[Body] = field(default_factory=lambda: deepcopy([LOOK_UP, RESTART]))
    answers: dict[str, Answer] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)
    messages: list[Body] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    url: str = ""

    def greets(self, exchange: Exchange) -> None:
        """Begin a session."""
        session = uuid.uuid4().hex
        self.sessions.add(session)
        result = {
            "protocolVersion": exchange.message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "scripted", "version": "1"},
        }
        exchange.raw(exchange.result(result), mcp_session_id=session)

    def answered(self, exchange: Exchange) -> Any:
        """The result of a message."""
        method = exchange.message.get("method", "")
        if method == "tools/call":
            tool = exchange.message["params"]["name"]
            self.called.append(tool)
            answer = self.answers.get(tool)
            return answer(exchange) if answer else text(f"{tool} of {json.dumps(exchange.arguments)}")
        if method in self.answers:
            return self.answers[method](exchange)
        return {"tools": self.tools}

    def handle(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        """Answer one message."""
        exchange = Exchange(handler, json.loads(content))
        method = exchange.message.get("method", "")
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.messages.append(exchange.message)
        if method == "initialize":
            self.greets(exchange)
        elif method == "server/discover" and method not in self.answers:
            exchange.raw(b"{}", status=400)
        elif "id" not in exchange.message or not method:
            exchange.raw(b"", status=202)
        elif method != "server/discover" and self.headers.get("mcp-session-id") not in self.sessions:
            exchange.raw(b"{}", status=404)
        else:
            result = self.answered(exchange)
            if result is not None:
                exchange.raw(exchange.result(result))


@contextmanager
def scripted() -> Iterator[ScriptedServer]:
    """The small one, on loopback."""
    script = ScriptedServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            script.handle(self, self.rfile.read(int(self.headers.get("content-length") or 0)))

        def do_GET(self) -> None:
            Exchange(self, {}).raw(b"", status=405)

        def do_DELETE(self) -> None:
            script.sessions.discard(self.headers.get("mcp-session-id", ""))
            Exchange(self, {}).raw(b"", status=200)

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    script.url = f"http://127.0.0.1:{server.server_port}/mcp"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def everything() -> Iterator[str]:
    """npm's @modelcontextprotocol/server-everything over streamable HTTP; its address.

    Skips where it is not installed; in CI that is a failure.
    """
    need_npm(EVERYTHING, "server-everything")
    port = free_port()
    with _running(["node", str(EVERYTHING), "streamableHttp"], port, env={**os.environ, "PORT": str(port)}):
        yield f"http://127.0.0.1:{port}/mcp"


@contextmanager
def datasette(folder: Path) -> Iterator[str]:
    """Datasette, a product of the package index that serves MCP by itself, over a database of printers."""
    with closing(sqlite3.connect(folder / "desk.db")) as database, database:
        database.execute("CREATE TABLE printers (name TEXT, room TEXT)")
        database.execute("INSERT INTO printers VALUES ('prn-4', 'B2')")
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "datasette", "serve", str(folder / "desk.db"), "--port", str(port)]
    with _running(command, port):
        yield f"http://127.0.0.1:{port}/-/mcp"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def _running(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) as process:
        try:
            while not accepts(port):
                assert process.poll() is None, f"{command[-1]} has ended"
            yield
        finally:
            process.kill()
