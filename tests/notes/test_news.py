"""Two notes are compared by what they stand on, never by their words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from deskhand.notes.draft import CheckedDraft, Step
from deskhand.notes.facts import NoteFacts, Source, Suggestion
from deskhand.notes.layout import MAX_WORDS, compose_follow_up, compose_note
from deskhand.notes.news import Content, in_words, read_content

RESTART = Source(ref="T1", kind="ticket", label="1", title="VPN drops", text="Restart the VPN client.", score=0.8)
UPDATE = Source(ref="T2", kind="ticket", label="2", title="VPN slow", text="Update it to version 5.", score=0.7)
LOOSE = Source(ref="T3", kind="ticket", label="3", title="Printer", text="Replaced the toner.", score=0.1)
HOST = Source(ref="S1", kind="system", label="vpn-gw-1", title="gateway", named="VPN", score=0.9)
URGENT = Suggestion(field="priority", value="High", votes=3, of=4, current="low")
FACTS = NoteFacts(ticket_ref="9", subject="VPN drops", description="", sources=(RESTART, HOST), suggestions=(URGENT,))
STEP = Step("Restart the VPN client.", "T1")
FIRST = compose_note(FACTS, CheckedDraft(steps=(STEP,)))


def says(*steps: Step, facts: NoteFacts = FACTS) -> Content:
    return compose_note(facts, CheckedDraft(steps=steps)).says


def test_a_note_says_its_leads_its_systems_its_values_and_its_claims() -> None:
    assert FIRST.says == Content(("ticket:1",), ("vpn-gw-1",), {"priority": "High"}, (("ticket:1", STEP.text),))
    assert read_content(json.loads(json.dumps(FIRST.says.as_stored()))) == FIRST.says


@pytest.mark.parametrize(
    ("words", "is_new"),
    [
        ("Please restart the VPN client now.", False),
        ("On the laptop restart its VPN client.", False),
        ("Never restart the VPN client.", True),
        ("Restart the VPN client on port 8443.", True),
        ("Reinstall the certificate of the gateway.", True),
    ],
)
def test_the_same_said_in_other_words_is_no_news_and_another_claim_is(words: str, is_new: bool) -> None:
    again = says(Step(words, "T1"))
    # On the ticket's same words the model only words it differently; on others it may have something else to say.
    assert not again.beyond(FIRST.says, is_moved=False)
    assert bool(again.beyond(FIRST.says, is_moved=True)) is is_new


def test_another_source_system_or_value_is_news_and_what_the_ticket_has_already_is_none() -> None:
    more = replace(FACTS, sources=(RESTART, UPDATE, HOST), suggestions=(replace(URGENT, value="Urgent"),))
    news = says(STEP, facts=more).beyond(FIRST.says, is_moved=False)
    assert news == Content(("ticket:2",), (), {"priority": "Urgent"}, ())
    assert in_words(news) == "2, priority Urgent"
    followed = replace(FACTS, suggestions=(replace(URGENT, current="high"),))
    assert not says(STEP, facts=followed).beyond(FIRST.says, is_moved=True)


def test_a_loose_match_is_no_lead_and_a_note_of_it_alone_says_nothing() -> None:
    alone = NoteFacts(ticket_ref="9", subject="Noise", description="", sources=(LOOSE,))
    note = compose_note(alone, CheckedDraft())
    assert "loose match" in note.markdown
    assert not note.says


def test_a_follow_up_has_the_new_alone_and_begins_with_it() -> None:
    more = replace(FACTS, sources=(RESTART, UPDATE, HOST))
    step = Step("Update the client to version 5.", "T2")
    checked = CheckedDraft(summary="The VPN drops.", steps=(STEP, step))
    whole = compose_note(more, checked)
    news = whole.says.beyond(FIRST.says, is_moved=True)
    told = compose_follow_up(more, checked, news=news, note=whole)
    assert told.markdown.startswith("**New on this ticket: 2.**")
    assert step.text in told.markdown
    for old in (STEP.text, "vpn-gw-1", "Suggested", "The VPN drops."):
        assert old not in told.markdown
    assert told.word_count < whole.word_count <= MAX_WORDS
    assert told.confidence == whole.confidence
    # What both say is what the next note is compared with.
    both = whole.says.after(FIRST.says)
    assert not whole.says.beyond(both, is_moved=True)


def test_what_a_follow_up_leaves_out_it_does_not_call_missing() -> None:
    urgent = replace(FACTS, suggestions=(replace(URGENT, value="Urgent"),))
    ticket = replace(FACTS, sources=(RESTART, UPDATE, HOST))
    for facts, told in ((urgent, "New on this ticket: priority Urgent"), (ticket, "New on this ticket: 2")):
        whole = compose_note(facts, CheckedDraft(steps=(STEP,)))
        news = whole.says.beyond(FIRST.says, is_moved=True)
        text = compose_follow_up(facts, CheckedDraft(steps=(STEP,)), news=news, note=whole).markdown
        assert told in text
        assert "No similar" not in text
        assert "no article" not in text


def test_the_first_three_lines_say_what_it_is_about_the_best_lead_and_how_far_to_trust_it() -> None:
    lines = FIRST.markdown.splitlines()
    assert lines[0] == "**VPN drops**"
    assert lines[2].startswith("**Best lead:** [1] 1 VPN drops (close match, 0.80). **Confidence:** ")
    assert FIRST.markdown.count("Confidence") == 1


@pytest.mark.parametrize("stored", [None, [], {"sources": None, "claims": [1, ["a"]], "values": None}])
def test_what_was_stored_in_another_form_counts_as_nothing(stored: object) -> None:
    assert not read_content(stored)
