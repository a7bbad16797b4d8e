"""A desk that answers whatever a test says, on a loopback socket; and a plugin of each kind connected to it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deskhand.plugins.contract import DeskContext, TicketingToolPlugin
from deskhand.plugins.registry import PluginManager
from deskhand.simulators.testing import TEST_HTTP

KEY = "kEy/with+signs=and<brackets>"
IDS = {"jira": "10001", "zendesk": "17", "servicenow": "a" * 32, "servicedesk_plus": "17"}
CONNECTIONS: dict[str, dict[str, Any]] = {
    "servicedesk_plus": {"servicedesk_url": "@", "servicedesk_api_key": KEY},
    "jira": {"jira_url": "@", "jira_api_token": KEY, "jira_project_key": "HELP", "jira_email": "bot@desk.test"},
    "zendesk": {
        "zendesk_subdomain": "acme",
        "zendesk_url": "@",
        "zendesk_api_token": KEY,
        "zendesk_client_id": "deskhand",
    },
    "servicenow": {
        "servicenow_instance_url": "@",
        "servicenow_api_key": KEY,
        "servicenow_username": "deskhand",
    },
}
TOOLS = sorted(CONNECTIONS)

Answer = Callable[[BaseHTTPRequestHandler, bytes], tuple[int, dict[str, str], bytes]]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The desk's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, content = answer(self, self.rfile.read(int(self.headers.get("content-length") or 0)))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 - names of the library

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def connect(tool: str, url: str) -> TicketingToolPlugin:
    """The desk's plugin."""
    plugin = PluginManager.installed().get_plugin(tool)
    values = {name: url if value == "@" else value for name, value in CONNECTIONS[tool].items()}
    return plugin(plugin.config_model.model_validate(values), DeskContext(http=TEST_HTTP))
