"""Identity providers written by others, each a process of its own: PyPI's oidc-provider-mock, npm's oidc-provider."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from tests.support.npm import need_npm

ROOT = Path(__file__).parents[2]
STRICT = Path(__file__).with_name("strict_provider") / "provider.mjs"
MODULES = ROOT / ".cache" / "strict_provider" / "node_modules"


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as client:
        client.settimeout(0.2)
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def mock_provider() -> Iterator[str]:
    """oidc-provider-mock on loopback; its issuer."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            while not accepts(port):
                assert process.poll() is None, "oidc-provider-mock has ended"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def need_strict_provider() -> None:
    """Skip where npm's provider is not installed; in CI that is a failure."""
    need_npm(MODULES / "oidc-provider", "oidc-provider")


@contextmanager
def strict_provider(port: int, redirect_uri: str, sign_out_uri: str) -> Iterator[None]:
    """npm's oidc-provider on loopback, at a port that was chosen before the client was known."""
    command = ["node", str(STRICT), str(MODULES), str(port), redirect_uri, sign_out_uri]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == f"http://127.0.0.1:{port}"
            yield
        finally:
            process.stdin.close()
            process.wait(timeout=20)


async def through_forms(client: httpx2.AsyncClient, address: str, *, login: str) -> str:
    """Sign in at the strict provider as a browser would: a name, then consent; where it sends the browser back to."""
    base = httpx2.URL(address)
    for _ in range(10):
        answer = await client.get(address)
        if answer.status_code == 200:
            kind = "login" if 'name="login"' in answer.text else "consent"
            answer = await client.post(address, data={"prompt": kind, "login": login, "password": "x"})
        assert answer.is_redirect, answer.text
        where = base.join(answer.headers["location"])
        if where.host != base.host:
            return str(where)
        address = str(where)
    raise AssertionError("the provider sends the browser round and round")
