"""Files of Jira issues: how they are asked for, what is taken for one, and what the simulated site answers."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.plugins.jira_desk import TOKEN, make_plugin, make_simulator
from tests.support.in_process import InProcess

from deskhand.plugins.contract import MAX_FILE_BYTES, AttachedFile
from deskhand.plugins.errors import DeskNotFoundError, DeskProtocolError, DeskValidationError
from deskhand.plugins.files import whole_file
from deskhand.plugins.jira import JiraPlugin, mapping
from deskhand.plugins.jira.config import JiraConfig
from deskhand.plugins.shapes import attached_files
from deskhand.simulators.base.state import SimFile
from deskhand.simulators.jira.simulator import JiraSimulator

URL = "https://acme.atlassian.net"
LOG = SimFile("70123", "client log.txt", b"0x80070035", "text/plain")


@pytest.fixture
def site() -> JiraSimulator:
    return make_simulator()


def plugin_on(site: JiraSimulator, transport: httpx2.AsyncBaseTransport | None = None) -> JiraPlugin:
    """Its connection needs no closing: nothing of it is a socket."""
    return make_plugin(site, URL, http=InProcess(transport=transport or httpx2.ASGITransport(site.build())))


def file_with(simulator: JiraSimulator, *files: SimFile) -> str:
    requester = simulator.store.person("requester@corp.test")
    return simulator.file_ticket(subject="Printer jams", requester=requester, attachments=list(files)).id


async def test_a_file_is_asked_of_the_site_itself_and_of_no_other_host(site: JiraSimulator) -> None:
    ticket_id = file_with(site, LOG)
    plugin = plugin_on(site)
    ticket = await plugin.get_ticket(ticket_id)
    assert ticket.files == (AttachedFile(id="70123", name="client log.txt", size=10),)
    site.calls.clear()
    assert await plugin.read_file(ticket_id, ticket.files[0]) == LOG.content
    assert [call["path"] for call in site.calls] == ["/rest/api/3/attachment/content/70123"]
    site.hidden.add(ticket_id)
    with pytest.raises(DeskNotFoundError):
        await plugin.read_file(ticket_id, ticket.files[0])


@pytest.mark.parametrize("said", [{"size": 9}, {"size": 0}])
async def test_what_has_another_length_is_not_the_file(site: JiraSimulator, said: dict[str, int]) -> None:
    ticket_id = file_with(site, LOG)
    plugin = plugin_on(site)
    with pytest.raises(DeskProtocolError, match="that is not the file"):
        await plugin.read_file(ticket_id, AttachedFile(id=LOG.id, name=LOG.name, **said))
    # Where the site says no length, what comes is believed.
    assert await plugin.read_file(ticket_id, AttachedFile(id=LOG.id, name=LOG.name)) == LOG.content


def test_a_long_file_is_refused_by_what_came_as_well() -> None:
    file = AttachedFile(id="1", name="dump.bin")
    assert len(whole_file(bytes(MAX_FILE_BYTES), file, desk="Jira")) == MAX_FILE_BYTES
    with pytest.raises(DeskValidationError, match=r"'dump\.bin' at Jira has 10\.0 MiB; files of up to 10 MiB are read"):
        whole_file(bytes(MAX_FILE_BYTES + 1), file, desk="Jira")


async def test_a_redirect_is_not_followed_with_our_credentials(site: JiraSimulator) -> None:
    asked: list[httpx2.URL] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url)
        return httpx2.Response(303, headers={"Location": "https://media.example.test/file/1?token=x"})

    plugin = plugin_on(site, httpx2.MockTransport(answer))
    with pytest.raises(DeskProtocolError, match="redirect"):
        await plugin.read_file("1", AttachedFile(id="1", name="log.txt"))
    assert [str(url) for url in asked] == [f"{URL}/rest/api/3/attachment/content/1?redirect=false"]


async def test_a_refusal_has_the_words_of_the_site(site: JiraSimulator) -> None:
    body = {"errorMessages": ["Attachments are disabled"], "errors": {}}
    plugin = plugin_on(site, httpx2.MockTransport(lambda _: httpx2.Response(404, json=body)))
    with pytest.raises(DeskNotFoundError, match="Attachments are disabled"):
        await plugin.read_file("1", AttachedFile(id="1", name="log.txt"))


# -- shapes ----------------------------------------------------------------------------------------

ODD: list[Any] = [
    "text",
    None,
    7,
    [],
    {},
    {"filename": "no id.txt", "size": 1},
    {"id": "", "filename": "empty id.txt"},
    {"id": True, "filename": "id of a truth.txt"},
    {"id": ["1"], "filename": "id of a list.txt"},
    {"id": "8", "size": 1},
    {"id": "9", "filename": "  "},
    {"id": 10, "filename": " number.txt ", "size": "12"},
    {"id": "11", "filename": "less.txt", "size": -1},
    {"id": "12", "filename": "words.txt", "size": "1 KB"},
    {"id": "13", "filename": "truth.txt", "size": True},
    {"id": "14", "filename": "digits.txt", "size": "9" * 5000},
    {"id": "15", "filename": "whole.txt", "size": 3, "author": "?"},
]
ODD_LENGTHS = ("less.txt", "words.txt", "truth.txt", "digits.txt")
READ = [
    ("10", "number.txt", 12),
    *((str(ident), name, None) for ident, name in enumerate(ODD_LENGTHS, 11)),
    ("15", "whole.txt", 3),
]


def test_odd_attachments_count_as_not_there() -> None:
    files = attached_files(ODD, name="filename")
    assert [(file.id, file.name, file.size) for file in files] == READ
    assert {file.public for file in files} == {None}
    for rows in (None, "text", 5, {}, {"id": "1", "filename": "a.txt"}, [[ODD[-1]]]):
        assert attached_files(rows, name="filename") == ()


@pytest.mark.parametrize("value", [None, "", "a.txt", {"id": "1"}, 5])
def test_an_issue_with_an_odd_list_is_read_without_files(value: Any) -> None:
    config = JiraConfig.model_validate({"jira_url": URL, "jira_api_token": TOKEN, "jira_project_key": "HELP"})
    issue = {"id": "1", "key": "HELP-1", "fields": {"summary": "Printer", "attachment": value}}
    assert mapping.read_ticket(issue, config, mapping.priority_map({})).files == ()


# -- the simulated site ----------------------------------------------------------------------------


async def test_the_site_redirects_to_its_store_which_takes_no_credentials(site: JiraSimulator) -> None:
    file_with(site, LOG)
    path, signed_in = "/rest/api/3/attachment/content/70123", {"Authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(site.build()), base_url=URL) as client:
        assert (await client.get(path)).status_code == 401
        answers = [await client.get(path, params=wish, headers=signed_in) for wish in ({}, {"redirect": "true"})]
        assert [answer.status_code for answer in answers] == [303, 303]
        place = answers[0].headers["location"]
        assert place.startswith(f"{URL}/media/")
        given = await client.get(place)
        assert (given.content, given.headers["content-type"]) == (LOG.content, "text/plain; charset=utf-8")
        assert (await client.get(place, headers=signed_in)).status_code == 400
        assert (await client.get("/media/guessed/client%20log.txt")).status_code == 404
        assert (await client.get(path, params={"redirect": "maybe"}, headers=signed_in)).status_code == 400
        site.burst = (1, 60.0)
        codes = [(await client.get(path, params={"redirect": "false"}, headers=signed_in)).status_code for _ in "ab"]
        assert codes == [200, 429]
