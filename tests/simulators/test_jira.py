"""The simulated Jira: its whole surface against the vendor's documents, its refusals, its webhooks on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.plugins.jira_desk import PLATFORM_SPEC, SERVICE_DESK_SPEC, TOKEN, make_simulator, reset
from tests.plugins.vendor_spec import Recorder, load_spec

from deskhand.plugins.contract import Ignored, WebhookRequest
from deskhand.plugins.jira import JiraPlugin
from deskhand.simulators.base import RunningServer, WebhookTarget, run_in_process
from deskhand.simulators.jira.simulator import JiraSimulator
from deskhand.simulators.jira.world import account_id
from deskhand.simulators.registry import build_simulator
from deskhand.simulators.testing.contract import NOW

AUTH = ("deskhand@desk.test", TOKEN)
ADF = {"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text", "text": "Hello"}]}]}
SECRET = "webhook-secret"


@dataclass(frozen=True, slots=True)
class Site:
    simulator: JiraSimulator
    recorder: Recorder
    client: httpx2.AsyncClient

    async def call(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        answer = await self.client.request(method, f"/rest/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[tuple[JiraSimulator, Recorder, RunningServer]]:
    simulator = make_simulator()
    recorder = Recorder(simulator.build())
    async with run_in_process(recorder) as server:
        yield simulator, recorder, server


@pytest.fixture
async def site(running: tuple[JiraSimulator, Recorder, RunningServer]) -> AsyncIterator[Site]:
    simulator, recorder, server = running
    reset(simulator)
    recorder.exchanges.clear()
    async with httpx2.AsyncClient(base_url=server.url, auth=AUTH) as client:
        yield Site(simulator, recorder, client)


def _file(simulator: JiraSimulator, subject: str = "Printer jams") -> str:
    text = simulator.from_markdown("**Paper** jam")
    requester = simulator.store.person("requester@corp.test")
    return simulator.file_ticket(subject=subject, description=text, requester=requester).id


async def _use_everything(site: Site) -> None:
    number = _file(site.simulator)
    issue = f"api/3/issue/{number}"
    for path in ("myself", "serverInfo", "field", "priorityscheme?expand=priorities,projects", "priority/search"):
        await site.call("GET", f"api/3/{path}")
    for path in ("priority", "project/HELP", "project/HELP/statuses", "groups/picker", "user/search?query=desk"):
        await site.call("GET", f"api/3/{path}")
    for path in ("user/assignable/search?query=desk", "issue/createmeta/HELP/issuetypes"):
        await site.call("GET", f"api/3/{path}")
    await site.call("GET", "api/3/issue/createmeta/HELP/issuetypes/10100")
    made = {"project": {"key": "HELP"}, "issuetype": {"id": "10100"}, "summary": "Second", "description": ADF}
    await site.call("POST", "api/3/issue", {"fields": made}, status=201)
    site.simulator.store.person("ines@desk.test", is_agent=True)
    update = {"fields": {"summary": "Renamed"}, "update": {"labels": [{"add": "x"}]}}
    await site.call("PUT", issue, {**update, "properties": [{"key": "itsm.run", "value": {"a": 1}}]}, status=204)
    await site.call("PUT", f"{issue}?returnIssue=true", {"fields": {"priority": {"id": "2"}}})
    await site.call("GET", f"{issue}?expand=renderedFields,changelog,transitions&properties=itsm.run")
    await site.call("GET", f"{issue}/properties/itsm.run")
    await site.call("PUT", f"{issue}/properties/other", {"b": 2}, status=201)
    await site.call("GET", f"{issue}/editmeta")
    await site.call("PUT", f"{issue}/assignee", {"accountId": account_id(site.simulator.store.bot)}, status=204)
    internal = [{"key": "sd.public.comment", "value": {"internal": True}}]
    comment = await site.call("POST", f"{issue}/comment", {"body": ADF, "properties": internal}, status=201)
    assert comment["jsdPublic"] is False
    await site.call("GET", f"{issue}/comment?orderBy=-created&maxResults=5")
    await site.call("GET", f"{issue}/comment/{comment['id']}")
    for query in (
        {"jql": "project = HELP"},
        {"jql": "project = HELP", "fields": ["summary", "comment"], "maxResults": 1},
    ):
        await site.call("POST", "api/3/search/jql", query)
    await site.call("GET", "api/3/search/jql?jql=project=HELP&fields=summary,status&maxResults=1")
    await site.call("POST", "api/3/search/approximate-count", {"jql": "project = HELP"})
    await site.call("GET", f"{issue}/transitions?expand=transitions.fields")
    resolve = {"transition": {"id": "761"}, "fields": {"resolution": {"name": "Done"}}}
    await site.call("POST", f"{issue}/transitions", resolve, status=204)
    await _use_the_service_desk(site)


async def _use_the_service_desk(site: Site) -> None:
    desk = "servicedeskapi"
    for path in ("info", "servicedesk", "servicedesk/1", "servicedesk/1/requesttype", "servicedesk/1/queue"):
        await site.call("GET", f"{desk}/{path}")
    await site.call("GET", f"{desk}/servicedesk/1/queue?includeCount=true")
    await site.call("GET", f"{desk}/servicedesk/1/queue/10/issue")
    values = {"summary": "Third", "description": "h2. Please"}
    body = {"serviceDeskId": "1", "requestTypeId": "17", "requestFieldValues": values}
    made = await site.call("POST", f"{desk}/request", body, status=201)
    request = f"{desk}/request/{made['issueKey']}"
    written = await site.call("POST", f"{request}/comment", {"body": "Hello", "public": False}, status=201)
    await site.call("GET", f"{request}/comment?public=false")
    await site.call("GET", f"{request}/comment/{written['id']}")
    for path in ("", "/status", "/transition", "/sla"):
        await site.call("GET", request + path)
    move = {"id": "21", "additionalComment": {"body": "Which printer?"}}
    await site.call("POST", f"{request}/transition", move, status=204)


async def test_the_whole_surface_follows_the_vendors_documents(site: Site) -> None:
    await _use_everything(site)
    platform, desk = load_spec(PLATFORM_SPEC), load_spec(SERVICE_DESK_SPEC)
    of_desk = [exchange for exchange in site.recorder.exchanges if "servicedeskapi" in exchange.path]
    of_platform = [exchange for exchange in site.recorder.exchanges if "servicedeskapi" not in exchange.path]
    for spec, exchanges in ((platform, of_platform), (desk, of_desk)):
        report = spec.check(exchanges)
        assert not report.problems, report.problems


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "api/3/search?jql=project=HELP", None, 410, "CHANGE-2046"),
        ("POST", "api/3/search/jql", {"jql": "order by key"}, 400, "Unbounded JQL"),
        ("POST", "api/3/search/jql", {"jql": "project = HELP", "startAt": 0}, 400, "Invalid request payload"),
        ("POST", "api/3/search/jql", {"jql": "project = HELP", "maxResults": 5001}, 400, "5000"),
        ("POST", "api/3/search/jql", {"jql": "project = NOPE"}, 400, "does not exist for the field 'project'"),
        ("POST", "api/3/search/jql", {"jql": "colour = red"}, 400, "Field 'colour' does not exist"),
        ("POST", "api/3/search/jql", {"jql": "project = HELP AND"}, 400, "Error in the JQL Query"),
        ("POST", "api/3/search/jql", {"jql": 'text ~ "a (b"'}, 400, "Unable to parse the text"),
        ("POST", "api/3/search/jql", {"jql": 'updated > "soon"'}, 400, "Date value 'soon'"),
        ("POST", "api/3/search/jql", {"jql": "project = HELP", "nextPageToken": "x"}, 400, "page token"),
        ("POST", "api/3/search/jql", {"jql": "project=HELP", "reconcileIssues": list(range(51))}, 400, "at most 50"),
        ("POST", "servicedeskapi/request/{id}/comment", {"body": "x"}, 400, "'public' is required"),
        ("POST", "servicedeskapi/request/{id}/comment", {"body": "x", "public": True, "y": 1}, 400, "payload"),
        ("POST", "servicedeskapi/request/99999/comment", {"body": "x", "public": True}, 404, "do not have permission"),
        ("POST", "api/3/issue/{id}/comment", {"body": "plain"}, 400, "Comment body is not valid"),
        ("PUT", "api/3/issue/{id}", {"fields": {"description": "plain"}}, 400, "Atlassian Document"),
        ("PUT", "api/3/issue/{id}", {"fields": {"status": {"name": "Resolved"}}}, 400, "appropriate screen"),
        ("PUT", "api/3/issue/{id}", {"fields": {"summary": "x" * 256}}, 400, "255 characters"),
        ("PUT", "api/3/issue/{id}", {"fields": {"labels": ["a b"]}}, 400, "contain spaces"),
        ("POST", "api/3/issue/{id}/transitions", {"transition": {"id": "2"}}, 400, "not valid"),
        ("POST", "api/3/issue/{id}/transitions", {"transition": {"id": "761"}}, 400, "Resolution is required"),
        ("GET", "api/3/issue/99999", None, 404, "do not have permission"),
        ("GET", "api/3/nothing", None, 404, "No endpoint"),
    ],
)
async def test_what_the_vendor_refuses_is_refused(
    site: Site, method: str, path: str, body: object, status: int, words: str
) -> None:
    number = _file(site.simulator)
    answer = await site.client.request(method, "/rest/" + path.replace("{id}", number), json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    shape = {"errorMessage", "i18nErrorMessage"} if "servicedeskapi" in path else {"errorMessages", "errors"}
    assert set(answer.json()) == shape


async def test_a_search_without_fields_answers_with_ids_only(site: Site) -> None:
    number = _file(site.simulator)
    found = await site.call("POST", "api/3/search/jql", {"jql": "project = HELP"})
    assert found == {"issues": [{"id": number}], "isLast": True}


async def test_jql_reads_what_people_write(site: Site) -> None:
    first, second = _file(site.simulator, "Printer jams"), _file(site.simulator, "Mail is slow")
    await site.call("PUT", f"api/3/issue/{first}", {"fields": {"labels": ["urgent"]}}, status=204)
    for statement, wanted in (
        ("project = HELP and (summary ~ printers or labels = urgent)", [first]),
        ("project = HELP AND NOT summary ~ printer", [second]),
        ("project = HELP AND labels is EMPTY", [second]),
        ("project = HELP AND assignee is not EMPTY", []),
        ("key in (HELP-1, HELP-2) ORDER BY key DESC", [second, first]),
        ("statusCategory != Done AND updated >= -1d ORDER BY created ASC", [first, second]),
        ('status = "Waiting for support" AND reporter = "requester@corp.test" order by id', [first, second]),
        ("assignee = currentUser()", []),
    ):
        found = await site.call("POST", "api/3/search/jql", {"jql": statement})
        assert [row["id"] for row in found["issues"]] == wanted, statement


async def test_version_2_speaks_wiki_and_version_3_adf(site: Site) -> None:
    number = _file(site.simulator)
    assert (await site.call("GET", f"api/2/issue/{number}"))["fields"]["description"] == "*Paper* jam"
    assert (await site.call("GET", f"api/3/issue/{number}"))["fields"]["description"]["type"] == "doc"


class _Receiver:
    """Takes webhooks; fails as often as told."""

    def __init__(self) -> None:
        self.requests: list[WebhookRequest] = []
        self.failures = 0

    async def take(self, request: Request) -> Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append(WebhookRequest(headers=headers, body=await request.body()))
        self.failures -= 1
        return Response(status_code=503 if self.failures >= 0 else 204)


async def test_webhooks_are_repeated_under_one_identifier_and_a_comment_is_one_delivery(site: Site) -> None:
    receiver = _Receiver()
    app = Starlette(routes=[Route("/hook", receiver.take, methods=["POST"])])
    async with run_in_process(app) as server:
        simulator = site.simulator
        number = _file(simulator)
        simulator.sender.target = WebhookTarget(url=f"{server.url}/hook", secret=SECRET, retry_delays=(0.01, 0.01))
        receiver.failures = 2
        simulator.write_note(
            simulator.store.tickets[number],
            simulator.from_markdown("Still *jams*"),
            public=True,
            author=simulator.store.person("requester@corp.test"),
        )
        await asyncio.wait_for(simulator.sender.drain(), 20)
        simulator.sender.target = WebhookTarget()
    assert len(receiver.requests) == 4
    identifiers = [request.headers["x-atlassian-webhook-identifier"] for request in receiver.requests]
    assert len(set(identifiers)) == 2
    retries = [request.headers.get("x-atlassian-webhook-retry") for request in receiver.requests]
    assert sorted(str(retry) for retry in retries) in (["1", "1", "None", "None"], ["1", "2", "None", "None"])
    verified = {
        JiraPlugin.validate_webhook(request, secrets=[SECRET], now=NOW).delivery_id for request in receiver.requests
    }
    assert verified == {f"comment-{number}-{simulator.store.tickets[number].notes[0].id}"}
    names = {json.loads(request.body)["webhookEvent"] for request in receiver.requests}
    assert names == {"comment_created", "jira:issue_updated"}
    assert not any(isinstance(JiraPlugin.extract_metadata(request), Ignored) for request in receiver.requests)


async def test_it_is_offered_by_name_and_shows_its_page() -> None:
    app = build_simulator("jira", api_key=TOKEN)
    async with run_in_process(app) as server, httpx2.AsyncClient(base_url=server.url) as client:
        made = await client.post("/_sim/tickets", json={"subject": "Printer jams", "description": "**Paper** jam"})
        assert made.json()["display_id"] == "HELP-1"
        page = await client.get(f"/ui/tickets/{made.json()['id']}")
        assert "<strong>Paper</strong> jam" in page.text
