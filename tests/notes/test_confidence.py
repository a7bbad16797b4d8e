"""Confidence follows the agreement of solutions; systems, steps and the model are named only where they have a part."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.notes.confidence import rate
from deskhand.notes.draft import check_draft, without_model
from deskhand.notes.facts import NoteFacts, Source, Suggestion
from deskhand.notes.layout import compose_note

PASSWORD = (
    "Use this when a password is forgotten.\n\n1. Verify who is asking: call back on the number in the directory.\n"
    "2. Check whether the account is locked, expired or disabled.\n3. Locked: unlock it and find the source.\n"
    '4. Forgotten: set a temporary password and tick "change at next logon".\n'
    "5. Expired while remote: send the user to the self-service portal.\n6. Ask the user to sign in while you wait.\n"
)
ARTICLE = Source(ref="K1", kind="article", label="KB-PASSWORD", title="Passwords", text=PASSWORD, score=0.9)


def solved(number: int, text: str, *, score: float, title: str = "Something else") -> Source:
    return Source(ref=f"T{number}", kind="ticket", label=f"INC{number}", title=title, text=text, score=score)


def facts(*sources: Source, subject: str = "Outlook asks for password", **more: Any) -> NoteFacts:
    return NoteFacts(ticket_ref="1", subject=subject, description="", sources=sources, **more)


def confidence(given: NoteFacts, *steps: tuple[str, str]) -> str:
    draft = {"next_steps": [{"source": ref, "text": text} for ref, text in steps]}
    return rate(given, check_draft(draft, given))[0]


def test_one_ticket_that_is_all_but_the_same_is_worth_more_than_three_of_one_category() -> None:
    same = facts(
        solved(1, "Removed the cached credential and restarted Outlook.", score=0.99, title="Outlook asks again")
    )
    assert confidence(same, ("T1", "Remove the cached credential and restart Outlook.")) == "high"
    category = Suggestion(field="category", value="email", votes=3, of=3)
    others = facts(
        solved(1, "Enabled the online archive for two years.", score=0.7),
        solved(2, "Corrected the record of the relay.", score=0.68),
        solved(3, "Explained the limit and gave a link.", score=0.66),
        suggestions=(category,),
    )
    assert confidence(others, ("T1", "Enable the online archive for two years.")) == "medium"


def test_close_tickets_with_one_solution_confirm_each_other() -> None:
    both = facts(
        solved(1, "Replaced pickup rollers and cleaned tray.", score=0.7),
        solved(2, "Cleaned the tray, replaced the rollers.", score=0.65),
    )
    assert confidence(both, ("T1", "Replace the pickup rollers and clean the tray.")) == "high"


def test_a_solution_in_the_note_is_never_called_absent() -> None:
    loose = facts(solved(1, "Replaced the router in the cellar.", score=0.25))
    note = compose_note(loose, check_draft({}, loose))
    assert "Replaced the router" in note.markdown
    assert (note.confidence, "loosely" in note.confidence_reason) == ("low", True)
    article = facts(ARTICLE, subject="Forgot my password")
    note = compose_note(article, check_draft({"next_steps": []}, article))
    assert "no solution" not in note.markdown
    assert "Forgotten: set a temporary password" in note.markdown


@pytest.mark.parametrize(
    ("subject", "case", "other"),
    [
        ("Forgot my password", "Forgotten: set", "Expired while remote"),
        ("I am locked out", "Locked: unlock", "Forgotten: set"),
        ("Password expired, working remote", "Expired while remote", "Locked: unlock"),
    ],
)
@pytest.mark.parametrize("picks", [["K1.1", "K1.2"], ["K1.1", "K1.2", "K1.6"], []])
def test_the_step_for_the_tickets_case_is_there_whatever_the_model_picks(
    subject: str, case: str, other: str, picks: list[str]
) -> None:
    given = facts(ARTICLE, subject=subject)
    note = compose_note(given, check_draft({"article_steps": picks}, given)).markdown
    assert case in note
    assert other not in note
    lines = [line for line in note.splitlines() if line[:2] in ("1.", "2.", "3.", "4.")]
    assert [line[3:] for line in lines] == sorted((line[3:] for line in lines), key=lambda one: PASSWORD.find(one[:12]))


def test_a_note_the_model_had_no_part_in_does_not_name_it_and_says_why() -> None:
    given = facts(ARTICLE, subject="Forgot my password", model_label="gpt-9")
    kept = check_draft({"summary": "The user forgot the password.", "article_steps": ["K1.1"]}, given)
    assert "with gpt-9" in compose_note(given, kept).markdown
    alone = compose_note(given, without_model(given, shortfall="it did not answer in time")).markdown
    assert "gpt-9" not in alone
    assert "did not answer in time" in alone
    assert "Forgotten: set a temporary password" in alone
    assert "gpt-9" not in compose_note(given, check_draft({}, given)).markdown


def test_systems_are_named_as_far_as_the_ticket_names_them() -> None:
    systems = (
        Source(ref="S1", kind="system", label="srv-fs01", title="file server", text="10.0.0.1", named="SRV-FS01"),
        Source(ref="S2", kind="system", label="srv-sap01", title="ERP", text="10.0.0.2", named="SAP"),
        Source(ref="S3", kind="system", label="wlc-01", title="controller", named="wireless network"),
    )
    note = compose_note(facts(*systems, subject="srv-fs01 and SAP are slow"), check_draft({}, facts())).markdown
    assert "**Systems the ticket names:** srv-fs01 (file server)." in note
    assert "**It may concern:** srv-sap01 (ERP) – the ticket says “SAP”." in note
    assert "wlc-01" not in note


def test_a_solution_of_several_lines_is_quoted_line_for_line() -> None:
    commands = "cd C:\\Temp_[x]\ndel *.tmp\nnet stop spooler"
    given = facts(solved(1, commands, score=0.9))
    note = compose_note(given, check_draft({}, given)).markdown
    assert "> cd C:\\\\Temp\\_\\[x\\]\\\n> del \\*.tmp\\\n> net stop spooler" in note


def test_an_article_of_several_cases_of_which_the_ticket_names_none_is_little_to_go_by() -> None:
    vague = facts(ARTICLE, subject="Right click does nothing")
    assert rate(vague, without_model(vague, shortfall="")) == (
        "low",
        "the procedure is for several cases, and the ticket names none of them",
    )
    named = facts(ARTICLE, subject="I am locked out")
    assert rate(named, without_model(named, shortfall=""))[0] == "medium"
