"""Files the browser loads: ours and the vendored ones, served by this process and cached for good.

The address carries a hash of the content, so an upgrade is seen at once and an unchanged file is never asked for again.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

ROOT = Path(__file__).resolve().parent / "static"
PREFIX = "/static"


@cache
def static_url(name: str) -> str:
    """Address of a static file, e.g. ``console.css`` → ``/static/console.css?v=1a2b3c4d5e6f``.

    Raises:
        FileNotFoundError: There is no such file; a template names it wrongly.
    """
    digest = hashlib.sha256((ROOT / name).read_bytes()).hexdigest()[:12]
    return f"{PREFIX}/{name}?v={digest}"


class _FingerprintedFiles(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        fingerprinted = b"v=" in scope.get("query_string", b"")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if fingerprinted else "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


def mount_static(app: FastAPI) -> None:
    """Serve the console's files under ``/static``."""
    app.mount(PREFIX, _FingerprintedFiles(directory=ROOT), name="static")
