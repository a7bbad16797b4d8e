"""Words of a requester or a model stand in a note on every desk as they were, and do nothing there."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.plugins import jira_desk, sdp, servicenow, zendesk

from deskhand.notes.markup import plain, quoted
from deskhand.plugins.contract import NoteDraft, TicketingToolPlugin
from deskhand.plugins.servicedesk_plus.config import Dialect
from deskhand.simulators.base import DeskSimulator, SimNote, run_in_process

MARK = "dh-0123456789abcdef0123"
WORDS = (
    "!http://x.test/y.png!",
    "![a](http://x.test/y.png)",
    "[click](http://evil.test)",
    "[click|http://evil.test]",
    "[x]: http://evil.test",
    "<http://evil.test>",
    "<img src=x>",
    "<a href='http://evil.test'>x</a>",
    "[code]<a href='http://evil.test'>x</a>[/code]",
    "[CODE]<b>x</b>",
    "a {{ticket.id}} b",
    "{{{jinja}}}",
    "{% if x %}",
    "@mention [~accountid:5b10]",
    "bq. x",
    "h1. x",
    "# x",
    "- x",
    "1. x",
    "+ x",
    "---",
    "{quote}{code}x{code}",
    "a :) (!) ??x?? ~x~ ^x^",
    "&lt;b&gt; &amp;",
    # commands
    r"copy \\srv\share\[x] C:\Users\_a_\*b*",
    r"grep '\[a\]' {file} | sort ~user -f --x=_y_",
    "a_b_c *.log **/x [ -f y ] `z` $(w) !run!",
)
DESKS = ("jira-platform", "jira-servicedesk", "zendesk", "servicenow-text", "servicenow-html", "sdp")

_ACTING = {
    *("a", "img", "b", "em", "strong", "del", "h1", "h2", "hr", "ul", "script"),  # of HTML
    *(
        "link",
        "media",
        "mediaSingle",
        "mediaInline",
        "emoji",
        "mention",
        "inlineCard",
        "heading",
        "bulletList",
        "rule",
        "strike",
    ),  # of ADF
}


class _Html(HTMLParser):
    """Elements and visible text of HTML."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def _nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(inner for child in node.get("content", ()) for inner in _nodes(child))]


def _shown(desk: str, stored: str) -> tuple[set[str], str]:
    """Kinds of elements that a reader's page has for a stored note, and the words on it."""
    if desk.startswith("jira"):
        nodes = _nodes(json.loads(stored))
        kinds = {node["type"] for node in nodes} | {mark["type"] for node in nodes for mark in node.get("marks", ())}
        return kinds, "".join(node.get("text", "") for node in nodes)
    if desk == "servicenow-text":
        assert "[code]" not in stored.casefold()
        return set(), stored
    if desk == "servicenow-html":
        stored = stored.removeprefix("[code]").removesuffix("[/code]")
        assert "[code]" not in stored.casefold()
    page = _Html(stored)
    return page.tags, page.text


@pytest.fixture(scope="module", params=DESKS)
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, DeskSimulator, TicketingToolPlugin]]:
    name: str = request.param
    async with AsyncExitStack() as stack:
        simulator: DeskSimulator
        if name.startswith("jira"):
            jira = jira_desk.make_simulator(issue_writes=())
            server = await stack.enter_async_context(run_in_process(jira.build()))
            plugin = jira_desk.make_plugin(jira, server.url, jira_note_route=name.removeprefix("jira-"))
            stack.push_async_callback(plugin.aclose)
            yield name, jira, plugin
        elif name == "zendesk":
            simulator = zendesk.new_simulator()
            server = await stack.enter_async_context(run_in_process(simulator.build()))
            yield name, simulator, await stack.enter_async_context(zendesk.RunningDesk(simulator, server).plugin())
        elif name == "sdp":
            simulator = sdp.new_simulator(Dialect.ON_PREMISES)
            server = await stack.enter_async_context(run_in_process(simulator.build()))
            yield name, simulator, await stack.enter_async_context(sdp.RunningDesk(simulator, server).plugin())
        else:
            simulator = servicenow.new_simulator()
            server = await stack.enter_async_context(run_in_process(simulator.build()))
            style = name.removeprefix("servicenow-")
            running = servicenow.RunningDesk(simulator, server)
            yield name, simulator, await stack.enter_async_context(running.plugin(servicenow_note_format=style))


async def _written(desk: tuple[str, DeskSimulator, TicketingToolPlugin], body: str) -> tuple[SimNote, set[str], str]:
    name, simulator, plugin = desk
    ticket = simulator.file_ticket(subject="Printer jams", requester=simulator.store.person("requester@corp.test"))
    await plugin.add_note(ticket.id, NoteDraft(body=body, mark=MARK))
    return ticket.notes[0], *_shown(name, ticket.notes[0].body)


@pytest.mark.parametrize("words", WORDS)
async def test_words_do_nothing_and_stay_as_they_were(
    desk: tuple[str, DeskSimulator, TicketingToolPlugin], words: str
) -> None:
    blocks = (plain(words), f"The subject is “{plain(words)}”.", quoted(words), f"1. {plain(words)}")
    note, kinds, text = await _written(desk, "\n\n".join(blocks))
    # A bare address is an address wherever somebody types one as wiki text; nobody's words can give it another name.
    bare = {"link"} if desk[0] == "jira-servicedesk" else set()
    assert not kinds & (_ACTING - bare), note.body
    meant = re.sub(r"\[(/?code)\]", r"[ \1]", words, flags=re.IGNORECASE) if desk[0] == "servicenow-text" else words
    assert text.count(meant) >= len(blocks), note.body
    assert "\u200b" not in note.body


async def test_a_picture_a_model_writes_is_never_loaded(desk: tuple[str, DeskSimulator, TicketingToolPlugin]) -> None:
    note, kinds, _ = await _written(desk, "see ![a](http://x.test/y.png) <img src=x>")
    assert not kinds & {"img", "media", "mediaSingle"}, note.body
