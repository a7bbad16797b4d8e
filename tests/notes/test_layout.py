from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given as random
from hypothesis import settings
from hypothesis import strategies as st

from deskhand.notes import grounding
from deskhand.notes.layout import (
    CheckedDraft,
    NoteFacts,
    Source,
    Step,
    Suggestion,
    check_draft,
    compose_note,
    draft_prompt,
    draft_schema,
    needs_model,
    quoted_steps,
)

RESET = Source(
    ref="T1",
    kind="ticket",
    label="INC-1008",
    title="Forgot password - Maria Lopez",
    problem="Maria Lopez in Lyon forgot her password.",
    text="Verified identity, reset AD password with temporary one, forced change at next logon.",
    url="https://desk.example.com/1008",
    score=0.92,
)
PORTAL = Source(
    ref="T2",
    kind="ticket",
    label="INC-1009",
    title="Password expired while remote",
    text="Reset via self-service portal https://reset.example.com and synced over VPN.",
    score=0.81,
)
ARTICLE = Source(
    ref="K1",
    kind="article",
    label="KB-7",
    title="Reset a password",
    text="Use this for passwords.\n\n## Steps\n\n1. Ask for the employee number.\n2. Reset it in the console.\n",
    score=0.7,
)
SYSTEM = Source(ref="S1", kind="system", label="srv-ad01", title="domain controller", score=0.8)
TICKET = NoteFacts(
    ticket_ref="INC-1",
    subject="Forgot email password",
    description="User forgot their email password. See http://evil.example.com/reset",
    sources=(RESET, PORTAL, ARTICLE, SYSTEM),
    suggestions=(
        Suggestion(field="category", value="access", votes=5, of=6, current="other"),
        Suggestion(field="priority", value=None),
    ),
    model_label="qwen2.5-coder-1.5b (embedded model)",
)


def checked(*steps: tuple[str, str], summary: str = "The user forgot their email password.") -> CheckedDraft:
    draft = {"summary": summary, "next_steps": [{"source": ref, "text": text} for ref, text in steps]}
    return check_draft(draft, TICKET)


def test_a_grounded_draft_is_kept_whole() -> None:
    draft = checked(
        ("T1", "Verify the identity of the user."),
        ("T1", "Reset the AD password with a temporary one"),
    )
    assert draft.summary == "The user forgot their email password."
    assert [(step.text, step.ref) for step in draft.steps] == [
        ("Verify the identity of the user.", "T1"),
        ("Reset the AD password with a temporary one.", "T1"),
    ]
    assert draft.dropped == ()
    assert not draft.extractive


@pytest.mark.parametrize(
    ("ref", "text", "reason"),
    [
        ("T1", "The password has been reset and the problem is resolved.", "done"),
        ("T1", "Verified identity, reset AD password with temporary one.", "reports"),
        ("T1", "Reset the AD password for Maria Lopez.", "stand"),
        ("T1", "Verify identity of Maria, then reset the AD password with a temporary one.", "Maria"),
        ("T1", "Unable to reset AD password.", "instruction"),
        ("T1", "Reset the AD password with a temporary one valid for 8 hours.", "8"),
        ("T1", "Reset the AD password on srv-ad99.", "srv-ad99"),
        ("T1", "Reset the password at http://evil.example.com/reset.", "evil"),
        ("T1", "Reset the AD password and call +1 555 0100.", "555"),
        ("T1", "Reinstall the printer driver and restart the spooler.", "stand"),
        ("T1", "Verify.", "little"),
        ("T1", "", "little"),
    ],
)
def test_what_does_not_stand_is_dropped(ref: str, text: str, reason: str) -> None:
    draft = checked((ref, text), ("T1", "Force a password change at next logon."))
    assert [step.text for step in draft.steps] == ["Force a password change at next logon."]
    assert reason in draft.dropped[0].reason


def test_a_step_picked_by_number_is_the_articles_own() -> None:
    draft = check_draft({"article_steps": ["K1.2", "K1.9", "K1.2"]}, TICKET)
    assert draft.steps == (Step("Reset it in the console.", "K1"),)
    assert [one.reason for one in draft.dropped] == ["is not a step of any article"]


def test_steps_of_a_procedure_keep_its_order() -> None:
    draft = check_draft(
        {
            "article_steps": ["K1.2"],
            "next_steps": [
                {"source": "T1", "text": "Force a password change at next logon."},
                {"source": "T1", "text": "Ask for the employee number."},
            ],
        },
        TICKET,
    )
    assert [step.text for step in draft.steps] == [
        "Ask for the employee number.",
        "Reset it in the console.",
        "Force a password change at next logon.",
    ]


def test_a_copied_article_step_is_cited_to_the_article() -> None:
    draft = checked(("T1", "Ask for the employee number"))
    assert draft.steps == (Step("Ask for the employee number.", "K1"),)


@pytest.mark.parametrize(
    ("sentence", "command"),
    [
        ("Reset the password.", True),
        ("If the account is locked, unlock it.", True),
        ("Locked: unlock it and find the source.", True),
        ("Meeting policy changed to allow sharing for presenters.", False),
        ("Phishing: message purged from all mailboxes.", False),
        ("Unable to join the network.", False),
        ("Role Z_AP_CLERK assigned after approval.", False),
        ("Setzen Sie das Kennwort zurück.", True),
    ],
)
def test_what_a_command_is(sentence: str, command: bool) -> None:
    assert grounding.is_command(sentence) is command


def test_a_link_of_the_source_may_be_named() -> None:
    draft = checked(("T2", "Reset it through the self-service portal https://reset.example.com."))
    assert [step.ref for step in draft.steps] == ["T2"]


def test_a_wrong_citation_is_corrected_to_the_source_that_says_it() -> None:
    draft = checked(("T1", "Sync over VPN after the self-service portal."))
    assert [step.ref for step in draft.steps] == ["T2"]


def test_a_repeated_step_is_said_once() -> None:
    draft = checked(("T1", "Reset the AD password."), ("T1", "Reset AD password with temporary one."))
    assert [step.text for step in draft.steps] == ["Reset AD password with temporary one."]
    assert "repeats" in draft.dropped[0].reason


@pytest.mark.parametrize(
    "summary",
    [
        "I forgot my password.",
        "The issue has been resolved.",
        "Maria forgot the email password.",
        "The printer on floor 3 is jammed.",
        "User forgot the email password of server EX-01.",
    ],
)
def test_a_summary_that_is_not_true_of_the_ticket_is_left_out(summary: str) -> None:
    draft = checked(("T1", "Reset the AD password."), summary=summary)
    assert draft.summary == ""
    assert compose_note(TICKET, draft).markdown.startswith("**Forgot email password**")


def test_if_nothing_stands_the_best_solution_is_quoted_and_said_so() -> None:
    draft = checked(("T1", "Buy a new computer."))
    assert draft.extractive
    note = compose_note(TICKET, draft)
    assert "“Verified identity, reset AD password with temporary one, forced change at next logon.”" in note.markdown
    assert "quoted" in note.markdown
    assert note.extractive
    assert note.confidence == "medium"


@pytest.mark.parametrize("draft", [{}, {"next_steps": None, "summary": None}, {"next_steps": [{}]}])
def test_a_draft_with_holes_is_no_reason_to_fail(draft: dict[str, Any]) -> None:
    assert check_draft(draft, TICKET).extractive


def test_the_note_has_every_section_and_a_number_for_every_source() -> None:
    note = compose_note(TICKET, checked(("T1", "Reset the AD password."), ("K1", "Ask for the employee number.")))
    for part in ("**Next steps**", "**Similar solved tickets**", "**Procedure**", "srv-ad01", "**Confidence:** high"):
        assert part in note.markdown
    assert "category access (5 of 6 similar tickets, now other)" in note.markdown
    assert "priority" not in note.markdown  # the evidence was too thin, and a section is never padded
    assert "[INC-1008](<https://desk.example.com/1008>)" in note.markdown
    assert note.cited == ("K1", "T1", "T2")


def test_a_procedures_first_step_is_never_out_of_sight() -> None:
    second = compose_note(TICKET, check_draft({"article_steps": ["K1.2"]}, TICKET)).markdown
    assert "(2 steps, the first: Ask for the employee number.)" in second
    first = compose_note(TICKET, check_draft({"article_steps": ["K1.1"]}, TICKET)).markdown
    assert first.count("Ask for the employee number.") == 1


def test_nothing_found_is_said_and_nothing_is_made_up() -> None:
    alone = NoteFacts(ticket_ref="1", subject="Strange noise", description="", unavailable=("the knowledge base",))
    assert not needs_model(alone)
    note = compose_note(alone, CheckedDraft())
    assert "No similar solved ticket" in note.markdown
    assert "the knowledge base" in note.markdown
    assert note.confidence == "low"
    assert note.word_count < 60


def test_loose_matches_are_shown_at_most_and_never_turned_into_steps() -> None:
    loose = Source(ref="T1", kind="ticket", label="INC-5", title="VPN", text="Replaced the router.", score=0.2)
    ticket = NoteFacts(ticket_ref="1", subject="Wireless is slow", description="", sources=(loose,))
    assert not needs_model(ticket)
    note = compose_note(ticket, CheckedDraft())
    assert "loose match" in note.markdown
    assert note.confidence == "low"


def test_invented_demo_content_is_marked() -> None:
    invented = Source(
        ref="T1", kind="ticket", label="INV-1", title="x", text="Restarted it.", score=0.9, synthetic=True
    )
    ticket = NoteFacts(ticket_ref="1", subject="x", description="", sources=(invented,))
    assert "*invented demo ticket*" in compose_note(ticket, check_draft({}, ticket)).markdown


def test_a_source_that_was_down_lowers_the_confidence() -> None:
    down = NoteFacts(
        ticket_ref="1",
        subject=TICKET.subject,
        description="",
        sources=TICKET.sources,
        unavailable=("articles (timeout)",),
    )
    note = compose_note(down, CheckedDraft("", (Step("Reset the AD password.", "T1"),)))
    assert note.confidence == "medium"
    assert "**Could not be asked:** articles (timeout)" in note.markdown


def test_a_file_that_nobody_read_is_named_and_lowers_nothing() -> None:
    whole = compose_note(TICKET, CheckedDraft("", (Step("Reset the AD password.", "T1"),)))
    for names, said in (
        (("screen [1].png",), "**Not read:** 1 file (screen [1].png)."),
        (tuple("abcde"), "**Not read:** 5 files (a, b, c, …)."),
    ):
        note = compose_note(replace(TICKET, unread=names), CheckedDraft("", (Step("Reset the AD password.", "T1"),)))
        assert said in note.markdown.replace("\\", "")
        assert note.confidence == whole.confidence


def test_the_prompt_is_short_and_the_schema_names_only_what_was_found() -> None:
    prompt = draft_prompt(TICKET, house_rules="x" * 5000)
    assert len(prompt.prompt.split()) < 400
    assert prompt.instructions.endswith("x" * 5000)
    assert "K1.1 Ask for the employee number." in prompt.prompt
    schema = draft_schema(TICKET)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["properties"]["article_steps"]["items"]["enum"] == ["K1.1", "K1.2"]
    assert schema["properties"]["next_steps"]["items"]["properties"]["source"]["enum"] == ["T1", "T2"]


def test_strangers_cannot_forge_markup_or_citations() -> None:
    nasty = NoteFacts(
        ticket_ref="1",
        subject="**URGENT** [9] <img src=x onerror=alert(1)> [click](http://evil.example.com)",
        description="",
        sources=(Source(ref="T1", kind="ticket", label="[7]", title="`x` <b>", text="", url="javascript:alert(1)"),),
    )
    markdown = compose_note(nasty, CheckedDraft()).markdown
    assert not re.search(r"<(?!https?:)", markdown)
    assert "](http" not in markdown
    assert "javascript" not in markdown
    assert set(re.findall(r"\[(\d+)\]", markdown)) == {"1"}


def test_when_a_model_is_out_of_reach_the_quotation_is_still_a_note() -> None:
    note = compose_note(TICKET, CheckedDraft(steps=tuple(quoted_steps(TICKET)), extractive=True))
    assert "INC-1008" in note.markdown


TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(
        st.sampled_from(
            ["reset", "Password", "[3]", "http://x.y", "4.10.08", "\n", "printer", "has been fixed", "ö" * 90]
        ),
        max_size=300,
    ).map(" ".join),
)
SOURCES = st.lists(
    st.builds(
        Source,
        ref=st.just(""),
        kind=st.sampled_from(["ticket", "article", "system"]),
        label=TEXTS,
        title=TEXTS,
        text=TEXTS,
        problem=TEXTS,
        url=st.one_of(st.none(), TEXTS),
        score=st.one_of(st.none(), st.floats(0, 1)),
        synthetic=st.booleans(),
    ),
    max_size=12,
)


@st.composite
def inputs(draw: st.DrawFn) -> NoteFacts:
    sources = draw(SOURCES)
    named = [
        Source(**{**{f: getattr(s, f) for f in Source.__slots__}, "ref": f"R{number}"})
        for number, s in enumerate(sources)
    ]
    return NoteFacts(
        ticket_ref="INC-1",
        subject=draw(TEXTS),
        description=draw(TEXTS),
        sources=tuple(named),
        suggestions=tuple(
            Suggestion(field="category", value=draw(TEXTS), votes=1, of=2) for _ in range(draw(st.integers(0, 2)))
        ),
        unavailable=tuple(draw(st.lists(TEXTS, max_size=6))),
        unread=tuple(draw(st.lists(TEXTS, max_size=4))),
        model_label=draw(TEXTS),
    )


@settings(max_examples=150, deadline=None)
@random(
    inputs(),
    st.lists(st.tuples(st.integers(0, 12), TEXTS), max_size=5),
    TEXTS,
)
def test_every_note_is_short_cites_what_exists_and_invents_nothing(
    ticket: NoteFacts, steps: list[tuple[int, str]], summary: str
) -> None:
    draft = {"summary": summary, "next_steps": [{"source": f"R{n}", "text": text} for n, text in steps]}
    kept = check_draft(draft, ticket)
    note = compose_note(ticket, kept)
    assert note.word_count == len(note.markdown.split()) <= 500
    refs = {source.ref for source in ticket.sources}
    assert set(note.cited) <= refs
    numbers = {int(found) for found in re.findall(r"(?<!\\)\[(\d+)\]", note.markdown)}
    assert numbers <= set(range(1, len(note.cited) + 1))
    known = "\n".join([ticket.ticket_text, *(f"{s.title}\n{s.text}" for s in ticket.sources)])
    for step in kept.steps:
        if not step.quoted:
            assert grounding.invented(step.text, facts=[known], link_facts=[known]) == []
            assert not grounding.claims_done(step.text)


def test_an_article_without_steps_is_quoted_and_not_made_a_step() -> None:
    text = "If it is always on, " * 30
    manual = Source(ref="K1", kind="article", label="GNOME-fan", title="The fan", text=text, score=0.7)
    facts = NoteFacts(ticket_ref="1", subject="The fan of my laptop is always on", description="", sources=(manual,))
    note = compose_note(facts, check_draft({}, facts)).markdown
    assert "**What GNOME-fan says** [1]: “If it is always on, If it" in note
    assert "…” – the beginning of it; check that it fits here." in note
    assert "1. If it" not in note
    assert "- [1] GNOME-fan The fan\n" in note


def test_a_loose_match_without_a_solution_is_not_shown_at_all() -> None:
    bug = Source(ref="T1", kind="ticket", label="BUG-5", title="Rain", text="", score=0.25)
    facts = NoteFacts(ticket_ref="1", subject="Rain is leaking on the server", description="", sources=(bug,))
    note = compose_note(facts, check_draft({}, facts))
    assert "BUG-5" not in note.markdown
    assert "No similar solved ticket and no article was found" in note.markdown
    assert (note.confidence, note.confidence_reason) == ("low", "nothing comparable was found")
    near = NoteFacts(ticket_ref="1", subject="Rain", description="", sources=(replace(bug, score=0.5),))
    note = compose_note(near, check_draft({}, near))
    assert "BUG-5" in note.markdown
    assert "nobody wrote down" in note.confidence_reason
