"""The conversation for outside beside that of the note: when there is one, and what the note's is told of it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from deskhand.errors import ConfigurationError
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.constrained import ConstrainedModel
from deskhand.notes.facts import NoteFacts, Source, Turn
from deskhand.plugins.contract import Ticket
from deskhand.work import front
from deskhand.work.ticket_outcomes import Seen
from deskhand.work.told import NOTHING, Told

TICKET = Ticket(tool_type="zendesk", id="1", display_id="1", subject="VPN")
ARTICLE = Source(ref="K1", kind="article", label="KB-1", title="VPN", text="Restart it.", score=0.9)
FACTS = NoteFacts(ticket_ref="1", subject="VPN", description="It drops.", sources=(ARTICLE,))


def seen(facts: NoteFacts = FACTS, told: Told = NOTHING) -> Seen:
    timely: Any = None
    return Seen(TICKET, facts, timely, told=told)


def test_one_conversation_does_where_nothing_internal_was_found() -> None:
    assert seen().knows_as_much_as(seen())
    # How telling a word is hangs on how many articles a look-up may see, so that one article has two scores.
    assert seen().knows_as_much_as(seen(replace(FACTS, sources=(replace(ARTICLE, score=0.5),))))


@pytest.mark.parametrize(
    "house",
    [
        seen(replace(FACTS, sources=(ARTICLE, replace(ARTICLE, ref="K2", label="KB-2")))),
        seen(replace(FACTS, conversation=(Turn(who="technician", text="She is leaving.", public=False),))),
        seen(told=Told(below="An article.")),
    ],
    ids=["a source", "an internal note", "what was told"],
)
def test_two_are_held_where_the_house_knows_more(house: Seen) -> None:
    assert not seen().knows_as_much_as(house)


def test_the_notes_conversation_is_told_what_the_requester_answered_meanwhile() -> None:
    toolbox: Any = SimpleNamespace(heard=("It is the T14.",))
    facts = front.Front.with_answers(FACTS, toolbox)
    assert facts.conversation == (Turn(who="requester", text="It is the T14.", public=True),)
    toolbox.heard = ()
    assert front.Front.with_answers(FACTS, toolbox) == FACTS


def _fails(*_: Any) -> Any:
    raise ConfigurationError("There is no such model.")


@pytest.mark.parametrize(
    ("build", "does"),
    [
        (lambda *_: object(), True),
        (lambda *_: ConstrainedModel.__new__(ConstrainedModel), False),
        (_fails, False),
    ],
    ids=["calls tools", "fills a form", "not set up"],
)
def test_a_model_that_calls_no_tools_speaks_to_nobody(monkeypatch: pytest.MonkeyPatch, build: Any, does: bool) -> None:
    monkeypatch.setattr(front, "build_model", build)
    run: Any = SimpleNamespace(version=SimpleNamespace(llm_config={}), http=None)
    assert front.drives(run, GatewaySettings()) is does
