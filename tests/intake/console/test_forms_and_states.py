"""How the desks' pages are read: each box has its name and its words, and each state of a desk shows in the list."""

from __future__ import annotations

import re

import pytest
from tests.intake.console.test_setup import SECRET, active_agent, event, send
from tests.support.api import Api
from tests.support.desk_pages import DeskPages, desk_pages, said

from deskhand.intake.console import explanations
from deskhand.intake.console.desks import BOX, GROUPS, is_begun
from deskhand.intake.console.explanations import explain
from deskhand.intake.schemas import Outcome
from deskhand.plugins.registry import BUILT_IN
from deskhand.tenants.desks.fields import DeskField, fields_of
from deskhand.tenants.endpoints import TENANTS
from deskhand.tenants.schemas import ConnectionResponse


async def row(pages: DeskPages, tool_type: str) -> str:
    """What the list says of one desk."""
    listed = await pages.page()
    start = listed.index(f'id="desk-{tool_type}"')
    return said(f"<main><tr {listed[start:].split('</tr>')[0]}</main>")


@pytest.mark.parametrize("tool_type", BUILT_IN)
async def test_each_box_has_a_label_its_words_and_an_id_of_its_own(api: Api, tool_type: str) -> None:
    pages = await desk_pages(api)
    page = await pages.page(tool_type)
    fields = fields_of(BUILT_IN[tool_type])
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
    for one in fields:
        assert page.count(f'name="{BOX}{one.name}"') == 1
        assert f'<label for="field-{one.name}">' in page
        assert f'aria-describedby="field-{one.name}-help"' in page
        assert f'id="field-{one.name}-help"' in page
    headings = {words for group, words in GROUPS.items() if any(one.group == group for one in fields)}
    assert all(words in said(page) for words in headings)
    secrets = re.findall(r'<input id="field-(\w+)"[^>]* type="password"[^>]*>', page)
    assert secrets == [one.name for one in fields if one.kind == "secret"]
    assert 'type="password" value' not in page


@pytest.mark.parametrize("kind", ["text", "number", "flag", "choice", "lines", "pairs"])
def test_what_is_written_in_a_box_is_read_as_what_it_was(kind: str) -> None:
    values = {"text": "word", "number": 7, "flag": True, "choice": "one", "lines": ["a", "b"], "pairs": {"a": "b"}}
    one = DeskField(
        name="x",
        label="X",
        help="",
        kind=kind,
        group="further",
        is_required=False,
        is_kept=False,  # type: ignore[arg-type]
    )
    assert one.read(one.written(values[kind])) == values[kind]
    assert one.read("") is None
    assert one.read(" \r\n ") is None


async def test_a_desk_that_was_begun_over_the_api_says_what_it_lacks(api: Api) -> None:
    pages = await desk_pages(api)
    platform = await api.platform()
    body = {"zendesk_subdomain": "acme", "zendesk_api_token": "of-zendesk"}
    assert (await platform.patch(f"{TENANTS}/acme", json=body)).status_code == 200
    words = await row(pages, "zendesk")
    assert ("Not complete" in words, "Zendesk with OAuth requires: zendesk_client_id" in words) == (True, True)
    page = said(await pages.page("zendesk"))
    assert ("Not complete" in page, "Make it the default desk" in page) == (True, False)
    assert "Not connected" in said(await pages.page("jira"))


async def test_the_list_tells_heard_from_refused_and_names_a_few_agents(api: Api) -> None:
    pages = await desk_pages(api, webhook_signing_secret=SECRET)
    words = await row(pages, "servicedesk_plus")
    assert ("not heard yet Set up" in words, "no agent yet" in words) == (True, True)
    for name in "ABCDE":
        await active_agent(api, f"Agent {name}")
    await send(api, event())
    words = await row(pages, "servicedesk_plus")
    assert ("Heard" in words, "Agent A, Agent B, Agent C and 2 more" in words) == (True, True)
    await send(api, event(), secret="another-secret-of-32-characters-x")
    assert "Refused" in await row(pages, "servicedesk_plus")
    assert "Refused" in said(await pages.page("servicedesk_plus"))


def test_a_desk_counts_as_begun_with_whatever_is_there() -> None:
    nothing = ConnectionResponse(
        tool_type="jira", name="Jira", is_default=False, is_complete=False, missing=["x"], settings={}, secrets_set=[]
    )
    assert not is_begun(nothing)
    for change in ({"is_default": True}, {"is_complete": True}, {"settings": {"a": "b"}}, {"secrets_set": ["a"]}):
        assert is_begun(nothing.model_copy(update=change))


def test_whoever_is_refused_is_told_what_to_do() -> None:
    known = [one for _, one in explanations._SIGNATURES] + list(explanations._REFUSED.values())
    assert len({one.title for one in known}) == len(known)
    assert all(one.advice for one in known)
    assert not explain(Outcome.ACCEPTED, None, 202).advice
    assert explain(Outcome.COALESCED, None, 202).advice
    assert explain(Outcome.IGNORED, "the agent is off", 202).title == "Heard, and nothing was started"
