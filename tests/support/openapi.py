"""The shop of ``tests/connectors/openapi/shop.yaml``: document and server of ours; npm's Prism; Glances."""

from __future__ import annotations

import json
import os
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
from tests.support.mcp_servers import free_port
from tests.support.npm import need_npm, need_program
from tests.support.product import until
from tests.support.real_providers import accepts

from deskhand.simulators.base.server import run_in_process

ROOT = Path(__file__).parents[2]
SHOP = ROOT / "tests" / "connectors" / "openapi" / "shop.yaml"
PRISM = ROOT / ".cache" / "prism" / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
GLANCES = ROOT / ".cache" / "glances" / "bin" / "glances"
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
    port = free_port()
    command = ["node", str(PRISM), "mock", "--host", "127.0.0.1", "--port", str(port), str(document)]
    async with _listening(command, port) as url:
        yield url


@asynccontextmanager
async def glances(home: Path) -> AsyncIterator[str]:
    """The package index's Glances, which tells how this machine does and serves its own document; its address.

    Args:
        home: Where it keeps what it writes: a person's own settings must not decide what a test sees.
    """
    need_program(GLANCES, "Glances")
    port = free_port()
    command = [str(GLANCES), "--webserver", "--bind", "127.0.0.1", "--port", str(port), "--quiet", "--disable-webui"]
    command += ["--disable-autodiscover", "--disable-check-update", "--disable-plugin", "all"]
    command += ["--enable-plugin", "mem,system,load"]
    async with _listening(command, port, env={"HOME": str(home), "PATH": os.environ["PATH"]}) as url:
        yield url


@asynccontextmanager
async def _listening(command: list[str], port: int, env: dict[str, str] | None = None) -> AsyncIterator[str]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) as process:
        try:

            async def listens() -> bool:
                assert process.poll() is None, f"{command[:2]} has ended"
                return accepts(port)

            assert await until(listens)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()  # whoever asks Glances to end waits until its last reading is done
