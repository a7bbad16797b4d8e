"""What we tell people to paste works with ordinary tickets and with our own answers.

The script is the one a person pastes, run by a plain interpreter; the templates are rendered as the desks document it:
a variable goes into the body as it stands, unless the template names an escaping. The ServiceNow rule has its own file.
"""

import http.server
import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.simulators.test_base import SECRET

from deskhand.plugins.contract import TicketEvent, TicketingToolPlugin, WebhookRequest
from deskhand.plugins.jira import JiraPlugin
from deskhand.plugins.servicedesk_plus import ServiceDeskPlusPlugin
from deskhand.plugins.servicenow import ServiceNowPlugin
from deskhand.plugins.zendesk import ZendeskPlugin
from deskhand.plugins.zendesk.webhook import trigger_body

URL = "https://hooks.corp.test/a1"
HOSTILE = {
    "inch sign": '19" monitor is black',
    "path": "Drive \\\\srv\\share gone",
    "line break": "a\r\nb\tc",
    "end of the object": '"}]}',
    "separators": "\u2028 \x00 Größe 👍",
    "nothing": "",
}
SMALL = 4096

# -- the script --------------------------------------------------------------------------------------


class Hook:
    """A receiver on a loopback socket; 0 ends the connection without an answer."""

    def __init__(self, *answers: int, retry_after: str | None = None) -> None:
        self.requests: list[WebhookRequest] = []
        waiting, requests = list(answers), self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                requests.append(WebhookRequest(headers=headers, body=body))
                status = waiting.pop(0)
                if not status:
                    return
                self.send_response(status)
                if retry_after is not None and status != 202:
                    self.send_header("Retry-After", retry_after)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                return

        # A thread for each: somebody's late connection to a port that was another's must not keep the script waiting.
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> "Hook":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def save_script(folder: Path, url: str) -> Path:
    guide = ServiceDeskPlusPlugin.setup_guide(webhook_url=url, secret=SECRET)
    (script,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    # A name for each address: of a file written anew within a second and as long, Python takes the old byte code.
    file = folder / f"notify_deskhand_{urlsplit(url).port}.py"
    file.write_text(script, "utf-8")
    return file


def run_script(file: Path, request: Path) -> tuple[int, list[float]]:
    """The script's ``main``, with a clock that only notes how long it should have slept."""
    spec = importlib.util.spec_from_file_location("notify_deskhand", file)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    pauses: list[float] = []
    return script.main("request.updated", str(request), sleep=pauses.append), pauses


def save_request(folder: Path, *, encoding: str = "utf-8", **fields: Any) -> Path:
    editor = {"id": "5", "email_id": "ines@desk.test", "department": {"name": "x" * 9000}}
    raw = {"id": "234759000000307383", "last_updated_time": {"value": "1795255260000"}, "last_updated_by": editor}
    file = folder / "v3.json"
    data = {"request": {**raw, **fields}, "diff": {"priority": ["Low", "High"]}}
    file.write_bytes(json.dumps(data, ensure_ascii=False).encode(encoding))
    return file


def read(hook: Hook) -> list[TicketEvent]:
    """The events, each with a right signature and all under one delivery id."""
    now = datetime.now(UTC)
    names = {
        ServiceDeskPlusPlugin.validate_webhook(request, secrets=[SECRET], now=now).delivery_id
        for request in hook.requests
    }
    assert len(names) == 1
    events = [ServiceDeskPlusPlugin.extract_metadata(request) for request in hook.requests]
    return [event for event in events if isinstance(event, TicketEvent)]


@pytest.mark.parametrize(
    ("answers", "retry_after", "pauses", "code"),
    [
        ((503, 202), None, [0, 2], 0),
        ((503, 429, 202), "45", [0, 45, 45], 0),
        ((429, 202), "99999", [0, 600], 0),
        ((503, 202), "Wed, 21 Oct 2026 07:28:00 GMT", [0, 2], 0),
        ((0, 500, 202), None, [0, 2, 10], 0),
        ((503,) * 8, None, [0, 2, 10, 30, 60, 120, 180, 240], 1),
        ((401,), None, [0], 1),
    ],
)
def test_the_script_tells_again_over_minutes(
    tmp_path: Path, answers: tuple[int, ...], retry_after: str | None, pauses: list[float], code: int
) -> None:
    with Hook(*answers, retry_after=retry_after) as hook:
        assert run_script(save_script(tmp_path, hook.url), save_request(tmp_path)) == (code, pauses)
    event = read(hook)[-1]
    assert len(hook.requests) == len(answers)
    assert (event.ticket.ticket_id, event.actor.email) == ("234759000000307383", "ines@desk.test")
    assert event.revision == "1795255260000"


@pytest.mark.parametrize("text", [*HOSTILE.values(), "<td>v</td>" * 200_000], ids=[*HOSTILE, "2 MB"])
def test_the_script_sends_little_whatever_is_in_the_request(tmp_path: Path, text: str) -> None:
    fields = dict.fromkeys(("subject", "description", "udf_fields", "resolution", "status", "priority"), text)
    with Hook(202) as hook:
        assert run_script(save_script(tmp_path, hook.url), save_request(tmp_path, **fields))[0] == 0
    assert len(hook.requests[0].body) < SMALL
    assert len(read(hook)) == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_the_script_reads_the_file_in_the_encoding_of_the_server(tmp_path: Path, encoding: str) -> None:
    request = save_request(tmp_path, encoding=encoding, subject="Größe")
    with Hook(202) as hook:
        command = [sys.executable, str(save_script(tmp_path, hook.url)), "request.created", str(request)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert read(hook)[0].event == "request.created"


def test_two_changes_in_one_moment_are_two_events(tmp_path: Path) -> None:
    names = set()
    for description in ("first", "second"):
        with Hook(202) as hook:
            run_script(save_script(tmp_path, hook.url), save_request(tmp_path, description=description))
        names.add(hook.requests[0].headers["webhook-id"])
    assert len(names) == 2


# -- the templates -----------------------------------------------------------------------------------

_IDS = {
    "RequestId": "1001",
    "LastUpdatedTime": "Nov 28, 2026 07:20 AM",
    "initiator.accountId": "712020:9f5a1c7e-1111-4222-8333-444455556666",
    "issue.id": "10042",
    "issue.key": "HELP-42",
    "issue.updated": "2026-11-28T07:20:00.000+0000",
    "comment.id": "77",
    "comment.author.accountId": "712020:9f5a1c7e-1111-4222-8333-444455556666",
    "ticket.id": "35436",
    "ticket.status": "Open",
    "ticket.priority": "High",
    "ticket.updated_at_with_timestamp": "2026-11-28T07:20:00Z",
    "current_user.id": "20978392",
    "current_user.email": "ines@desk.test",  # an address that Zendesk has checked
}
"""What the desk makes or checks itself. Everything else is written by people, and may be anything."""


def render(template: str, text: str) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        for suffix, quoted in ((".asJsonString", True), (".jsonEncode", False)):  # Jira's two escapings
            if name.endswith(suffix):
                whole = json.dumps(_IDS.get(name.removesuffix(suffix), text))
                return whole if quoted else whole[1:-1]
        return _IDS.get(name, text)

    return re.sub(r"\$(\w+)|\{\{([\w.]+)\}\}", value, template)


def templates() -> Iterator[tuple[str, type[TicketingToolPlugin], str]]:
    """Every body in our guides."""
    for plugin, name in ((ServiceDeskPlusPlugin, "Cloud webhook"), (JiraPlugin, "Automation")):
        (body,) = re.findall(r"```json\n(.*?)```", plugin.setup_guide(webhook_url=URL, secret=SECRET), re.DOTALL)
        yield name, plugin, body
    line = re.search(r'`("comment": \{.*?\})`', JiraPlugin.setup_guide(webhook_url=URL, secret=SECRET))
    assert line is not None
    commented = body.replace('"created"', '"commented"').rstrip().removesuffix("}")
    yield "Automation, comment", JiraPlugin, f"{commented}, {line[1]}}}"
    for event in ("ticket.created", "ticket.updated"):
        yield f"Zendesk {event}", ZendeskPlugin, trigger_body(event)


TEMPLATES = {name: (plugin, body) for name, plugin, body in templates()}


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_ticket_breaks_a_template(name: str, text: str) -> None:
    plugin, template = TEMPLATES[name]
    body = render(template, text)
    json.loads(body)
    event = plugin.extract_metadata(WebhookRequest(headers={}, body=body.encode()))
    assert isinstance(event, TicketEvent)
    assert event.ticket.ticket_id in _IDS.values()
    assert len(body) < SMALL


def test_the_escaping_we_recommend_holds() -> None:
    for text in HOSTILE.values():
        for template in ('{"a": {{issue.summary.asJsonString}}}', '{"a": "{{issue.summary.jsonEncode}}"}'):
            assert json.loads(render(template, text)) == {"a": text}


@pytest.mark.parametrize(
    ("plugin", "body"),
    [
        (ServiceDeskPlusPlugin, {"event": "request.created", "request_id": "17"}),
        (JiraPlugin, {"event": "created", "issue": {"id": "17"}}),
        (ZendeskPlugin, {"event": "ticket.created", "ticket_id": "17"}),
        (ServiceNowPlugin, {"event": "incident.created", "sys_id": "46f1784ba9fe19810018aa27fbb23482"}),
    ],
)
def test_an_event_and_an_id_are_enough(plugin: type[TicketingToolPlugin], body: dict[str, Any]) -> None:
    event = plugin.extract_metadata(WebhookRequest(headers={}, body=json.dumps(body).encode()))
    assert isinstance(event, TicketEvent)
    assert event.ticket.subject is None
