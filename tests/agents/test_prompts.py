"""Variables of a prompt: known ones alone, filled in once, and what is cut off is counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.agents.prompts import VARIABLES, check_prompt, render

PLAIN = st.text(st.characters(exclude_characters="{}\n", codec="utf-8"), max_size=30)


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("{{%s}}", "VALUE"),
        ("{{ %s }}", "VALUE"),
        ("{{\t%s  }}", "VALUE"),
        ("<<{{%s}}>>", "<<VALUE>>"),
        ("{{{%s}}}", "{VALUE}"),
        ("{{%s}}{{x}}", "VALUE{{x}}"),
    ],
)
def test_every_variable_is_filled_in_however_it_is_spaced(name: str, form: str, shown: str) -> None:
    assert render(form % name, {name: "VALUE"}) == shown


@pytest.mark.parametrize(
    "prompt", ["{ticket.id}", "{{ticket.id}", "{{}}", "{{ticket\n.id}}", "{% if x %}", "${ticket.id}", "{{" + "x" * 101]
)
def test_what_is_no_variable_stays_as_it_is(prompt: str) -> None:
    assert render(prompt, {"ticket.id": "VALUE"}) == prompt


def test_a_strangers_value_is_not_read_again() -> None:
    values = {"ticket.subject": "{{tools}} {{ticket.subject}}", "tools": "- resolve"}
    assert render("{{ticket.subject}} / {{tools}}", values) == "{{tools}} {{ticket.subject}} / - resolve"


@given(before=PLAIN, value=st.text(max_size=50), after=PLAIN)
def test_the_words_around_a_variable_stay(before: str, value: str, after: str) -> None:
    assert render(f"{before}{{{{ticket.subject}}}}{after}", {"ticket.subject": value}) == f"{before}{value}{after}"


def test_a_variable_without_a_value_is_empty_and_an_old_prompts_own_braces_stay() -> None:
    assert render("[{{ticket.url}}] {{customer_name}}", {}) == "[] {{customer_name}}"


def test_a_long_text_of_a_ticket_says_how_much_is_missing_and_the_tools_are_whole() -> None:
    shown = render("{{ticket.description}}", {"ticket.description": "x" * 4_010})
    assert shown == "x" * 4_000 + " … (10 more characters)"
    assert render("{{ticket.description}}", {"ticket.description": "x" * 4_000}) == "x" * 4_000
    tools = "\n".join(f"- tool_{number}: does something useful." for number in range(200))
    assert render("{{tools}}", {"tools": tools}) == tools


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("{{ticket.subjct}}", "has no variable {{ticket.subjct}}. Closest: ticket.subject"),
        ("{{tenant}}", "Closest: tenant_name"),
        ("{{Tools}}", "has no variable {{Tools}}. Closest: tools"),
        ("{{xyzzy}}", "There are: tenant_name, agent_name"),
        ("{{a1}} {{a2}} {{a1}} {{tools}}", "has no variable {{a1}}, {{a2}}."),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_there_are(prompt: str, words: str) -> None:
    with pytest.raises(ValueError) as refusal:
        check_prompt(prompt)
    assert words in str(refusal.value)
