"""The address of the list of executions: what a form sends is understood, and what a link says comes back the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deskhand.engine.status import ExecutionStatus
from deskhand.executions.console.filters import PERIODS, ListForm, with_query

NOW = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)
AGENT = uuid4()


def test_an_empty_form_asks_for_everything() -> None:
    filters = ListForm.model_validate({"status": "", "agent": "", "ticket": "", "period": "", "cursor": ""}).filters(
        NOW
    )
    assert filters.status == []
    assert (filters.agent_id, filters.ticket_ref, filters.since, filters.needs_attention) == (None, None, None, False)


@pytest.mark.parametrize("status", list(ExecutionStatus))
def test_each_state_can_be_asked_for(status: ExecutionStatus) -> None:
    assert ListForm(status=status.value).filters(NOW).status == [status]


def test_what_needs_somebody_is_no_state_of_its_own() -> None:
    filters = ListForm(status="attention").filters(NOW)
    assert filters.needs_attention
    assert filters.status == []


@pytest.mark.parametrize(("period", "length"), [(name, length) for name, (_, length) in PERIODS.items()])
def test_a_period_counts_back_from_now(period: str, length: timedelta) -> None:
    assert ListForm(period=period).filters(NOW).since == NOW - length


@pytest.mark.parametrize(("name", "value"), [("status", "melted"), ("period", "99y")])
def test_a_word_nobody_knows_is_as_if_it_were_not_there(name: str, value: str) -> None:
    assert ListForm.model_validate({name: value}).filters(NOW) == ListForm().filters(NOW)


@pytest.mark.parametrize(
    "form", [{"agent": "x"}, {"ticket": "x" * 101}, {"ticket": "a\0b"}, {"retried": -1}, {"cursor": "x" * 501}]
)
def test_a_value_that_cannot_be_is_refused(form: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ListForm.model_validate(form)


@given(
    st.sampled_from(["", "attention", *ExecutionStatus]), st.text(st.characters(codec="utf-8"), max_size=20),
    st.sampled_from(["", *PERIODS]), st.booleans(),
)  # fmt: skip
def test_a_link_to_a_list_leads_to_that_list(status: str, ticket: str, period: str, with_agent: bool) -> None:
    if "\0" in ticket:
        return
    form = ListForm(status=status, ticket=ticket, period=period, agent=AGENT if with_agent else None, cursor="c")
    address = urlsplit(form.address())
    again = ListForm.model_validate(dict(parse_qsl(address.query, keep_blank_values=True)))
    assert address.path == "/executions"
    assert again.filters(NOW) == form.filters(NOW)
    assert again.cursor is None  # a filter that was changed starts on the first page


def test_a_link_changes_what_it_names_and_keeps_the_rest() -> None:
    form = ListForm(status="failed", agent=AGENT, ticket="HELP-1")
    assert form.address(status=None) == f"/executions?agent={AGENT}&ticket=HELP-1"
    assert form.bulk_address("retry") == f"/executions/bulk?verb=retry&agent={AGENT}&ticket=HELP-1"
    assert with_query("/x", {"a": "", "b": None}) == "/x"
    assert with_query("/x", {"a": 0, "b": "ä&="}) == "/x?a=0&b=%C3%A4%26%3D"
