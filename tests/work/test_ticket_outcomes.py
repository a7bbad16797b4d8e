"""What a ticket's run ends in beside a note: replies within bounds, fields that were set, closed schemas."""

from __future__ import annotations

from typing import Any, cast

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskhand.agents.outcomes import OutcomeKind
from deskhand.errors import ForbiddenError
from deskhand.plugins.contract import TicketChanges, WriteReceipt
from deskhand.plugins.errors import DeskPermissionError, DeskUnavailableError, DeskValidationError
from deskhand.work.hands import DeskHands
from deskhand.work.ticket_outcomes import ASKED, FIELDS_KEY, SCHEMAS, _set_fields, _within

ANSWERS: dict[OutcomeKind, dict[str, Any]] = {
    OutcomeKind.REPLY: {"reply": "Restart it."},
    OutcomeKind.FIELDS: {"priority": "high", "category": None, "group": "Network", "reason": "Many are affected."},
    OutcomeKind.REPORT: {"report": "Nothing new."},
    OutcomeKind.NONE: {"done": "Linked the two."},
}


@pytest.mark.parametrize("kind", [kind for kind in OutcomeKind if kind is not OutcomeKind.NOTE])
def test_each_kind_is_asked_for_and_takes_its_own_answer_alone(kind: OutcomeKind) -> None:
    assert ASKED[kind].endswith(".")
    validator = jsonschema.Draft202012Validator(dict(SCHEMAS[kind]))
    answer = ANSWERS[kind]
    assert validator.is_valid(answer)
    assert not validator.is_valid({**answer, "more": "x"})
    assert not validator.is_valid({})
    for other, foreign in ANSWERS.items():
        assert validator.is_valid(foreign) is (other is kind)


@pytest.mark.parametrize("fields", [{"priority": "urgent"}, {"category": "x" * 101}, {"group": 5}])
def test_fields_that_are_no_priority_or_no_label_are_refused(fields: dict[str, Any]) -> None:
    answer = {**ANSWERS[OutcomeKind.FIELDS], **fields}
    assert not jsonschema.Draft202012Validator(dict(SCHEMAS[OutcomeKind.FIELDS])).is_valid(answer)


@given(text=st.text(st.sampled_from("ab \n"), max_size=200), words=st.integers(2, 20))
def test_a_reply_has_at_most_its_words_and_is_a_beginning_that_says_it_is_cut(text: str, words: int) -> None:
    shown = _within(text, words)
    if len(text.split()) <= words:
        assert shown == text
        return
    kept = shown.split()
    assert len(kept) <= words
    assert kept[-1] == "…"
    assert text.split()[: len(kept) - 1] == kept[:-1]


def test_a_reply_is_cut_within_its_line_and_the_lines_before_stay_as_they_are() -> None:
    reply = "Hello Ann,\n\n1. Open   the menu.\n2. Choose Restart and wait for a minute."
    assert _within(reply, 9) == "Hello Ann,\n\n1. Open   the menu.\n2. Choose …"
    assert _within("one two three four", 3) == "one two …"


class Desk:
    """Hands that keep what was to be set, or refuse it."""

    def __init__(self, refusal: Exception | None = None, *, approved: dict[str, Any] | None = None) -> None:
        self.approved = approved
        self.asked: list[tuple[str, str]] = []
        self.set: list[tuple[TicketChanges, str]] = []
        self.refusal = refusal

    async def ask(self, name: str, arguments: dict[str, Any], *, key: str, reason: str) -> dict[str, Any]:
        assert key == FIELDS_KEY
        self.asked.append((name, reason))
        return arguments if self.approved is None else self.approved

    async def update_ticket(self, changes: TicketChanges, *, key: str) -> WriteReceipt:
        self.set.append((changes, key))
        if self.refusal:
            raise self.refusal
        return WriteReceipt(id="1", ticket_id="1")


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ({"priority": "high", "category": None, "group": None}, {"priority": "high"}),
        ({"priority": None, "category": "", "group": "Network"}, {"group": "Network"}),
        ({"priority": "low", "category": "VPN", "group": "Network"}, None),
    ],
)
async def test_fields_are_set_in_one_write_and_null_leaves_one_as_it_is(
    answer: dict[str, Any], wanted: dict[str, str] | None
) -> None:
    desk, wanted = Desk(), answer if wanted is None else wanted
    told = await _set_fields(cast(DeskHands, desk), {**answer, "reason": "As usual."})
    assert told == {"set": wanted, "reason": "As usual."}
    assert desk.set == [(TicketChanges(**wanted), FIELDS_KEY)]


async def test_an_answer_that_sets_nothing_writes_nothing() -> None:
    desk = Desk()
    told = await _set_fields(
        cast(DeskHands, desk), {"priority": None, "category": "", "group": None, "reason": "Fine."}
    )
    assert (told, desk.set) == ({"set": {}, "reason": "Fine."}, [])


@pytest.mark.parametrize(
    "refusal",
    [DeskValidationError("No category 'VPN'."), DeskPermissionError("Not yours."), ForbiddenError("Not granted.")],
)
async def test_what_the_desk_refuses_is_told_and_is_not_said_to_be_set(refusal: Any) -> None:
    told = await _set_fields(cast(DeskHands, Desk(refusal)), {"category": "VPN", "reason": "So."})
    assert told == {"set": {}, "reason": "So.", "refused": refusal.detail}


async def test_what_a_person_made_of_the_fields_is_set_and_told() -> None:
    desk = Desk(approved={"priority": "low"})
    told = await _set_fields(cast(DeskHands, desk), {"priority": "high", "reason": "Many are affected."})
    assert told == {"set": {"priority": "low"}, "reason": "Many are affected."}
    assert desk.asked == [("update_ticket", "Many are affected.")]
    assert desk.set == [(TicketChanges(priority="low"), FIELDS_KEY)]


async def test_a_desk_that_is_away_is_no_refusal() -> None:
    with pytest.raises(DeskUnavailableError):
        await _set_fields(cast(DeskHands, Desk(DeskUnavailableError("Away."))), {"group": "Network"})
