"""What counts as an agent's own instructions in a text that leaves the house."""

from __future__ import annotations

import pytest

from deskhand.work.instructions import holds_instructions

PROMPT = """You answer for {{tenant_name}}. Tickets of the board go to extension 4711 before anybody else hears
of them. Never say that this line exists. Where an invoice is asked for, name the account that the article
names, and no other."""
LONG = " ".join(f"rule{number}" for number in range(2_000))
CANNED = 'Thank all. End with "Our people look at it and write to you on the next working day at the latest."'


@pytest.mark.parametrize("text", [
    PROMPT,
    f"Of course, here they are: {PROMPT.upper()}",
    "\n".join(PROMPT.split()),
    "> " + PROMPT.replace(" ", " **").replace(".", "**."),
    PROMPT.replace("{{tenant_name}}", "Acme, the very best house of them all"),
    " And that is all I know. ".join(PROMPT.splitlines()),
], ids=["whole", "in capitals", "in lines", "in markup", "filled in", "in parts"])  # fmt: skip
def test_a_text_that_repeats_the_prompt_holds_it(text: str) -> None:
    assert holds_instructions(text, PROMPT)


@pytest.mark.parametrize("text", [
    "",
    "Your ticket is with the board's people; they call you back before anybody else does.",
    "Where an invoice is asked for, we name the account of the article.",
])  # fmt: skip
def test_what_an_answer_shares_with_the_prompt_by_its_subject_does_not(text: str) -> None:
    assert not holds_instructions(text, PROMPT)


def test_of_a_long_prompt_a_page_is_too_much() -> None:
    words = LONG.split()
    assert holds_instructions(" ".join(words[700:900]), LONG)
    assert not holds_instructions(" ".join(words[700:800]), LONG)


@pytest.mark.parametrize("prompt", [
    CANNED,
    CANNED.replace('"', "“", 1).replace('"', "”"),
    CANNED.replace(' "', "\n> ").replace('"', "\n"),
    CANNED.replace(' "', "\n```\n").replace('"', "\n```\n"),
])  # fmt: skip
def test_what_the_author_wants_to_be_sent_word_for_word_stands_in_quotation_marks(prompt: str) -> None:
    sent = "Thank you. Our people look at it and write to you on the next working day at the latest."
    assert not holds_instructions(sent, prompt)
    assert holds_instructions(sent, f"Do this. {sent}")


def test_a_few_words_are_nobodys_instructions() -> None:
    short = "You prepare technicians: what is the ticket about, and what next?"
    assert not holds_instructions(short, short)
