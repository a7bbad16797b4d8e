"""The shop of ``tests/connectors/openapi/shop.yaml``: its document, a server of ours that counts, and npm's Prism."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.support.npm import need_npm
from tests.support.product import until
from tests.support.real_providers import accepts

from deskhand.simulators.base.server import run_in_process

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "tests" / "connectors" / "openapi" / "shop.yaml"
PRISM = ROOT / ".cache" / "prism" / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
TOKEN = "canary-token-of-the-shop"
Answer = Callable[[Request], Response]


@dataclass
class Seen:
    """What came to the shop's own server."""

    url: str = ""
    document: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    answer: Answer = lambda request: JSONResponse({"item": "a lamp", "path": request.url.path})

    async def take(self, request: Request) -> Response:
        body = await request.body()
        self.requests.append(
            {
                "method": request.method,
                "target": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
                "raw": request.scope["raw_path"].decode(),
                "headers": dict(request.headers),
                "body": json.loads(body) if body.startswith(b"{") else body.decode(),
            }
        )
        return self.answer(request)

    async def say(self, _request: Request) -> Response:
        return Response(self.document or SHOP.read_text(encoding="utf-8"), media_type="application/yaml")


@asynccontextmanager
async def shop_server() -> AsyncIterator[Seen]:
    """A server that has the document at ``/openapi.yaml`` and takes everything else."""
    seen = Seen()
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    app = Starlette(routes=[Route("/openapi.yaml", seen.say), Route("/{rest:path}", seen.take, methods=methods)])
    async with run_in_process(app) as server:
        seen.url = server.url
        yield seen


@asynccontextmanager
async def prism(document: Path) -> AsyncIterator[str]:
    """npm's Prism as a mock of a document; its address. Skips where it is not installed; in CI that is a failure."""
    need_npm(PRISM, "Prism")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["node", str(PRISM), "mock", "--host", "127.0.0.1", "--port", str(port), str(document)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:

            async def listens() -> bool:
                assert process.poll() is None, "Prism has ended"
                return accepts(port)

            assert await until(listens)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
