"""What is asked of a run of the lab, what is set as a bar, and what is sent in: at their edges."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from deskhand.errors import InvalidInputError
from deskhand.lab import endpoints, keeping, pages, service
from deskhand.lab.models import CaseState, LabCase, LabRun, LabState
from deskhand.lab.running import Standing, compared
from deskhand.lab.schemas import LEAST, MOST, Comparison, Expected, LabRequest, NewTestCase
from deskhand.tenants.replay_bar import BAR_FIELDS, ReplayBar, replay_bar


@pytest.mark.parametrize("tickets", [0, LEAST, MOST])
def test_so_many_tickets_may_be_asked_for(tickets: int) -> None:
    assert LabRequest(tickets=tickets).tickets == tickets


@pytest.mark.parametrize(
    "wanted",
    [
        {"tickets": 1},
        {"tickets": LEAST - 1},
        {"tickets": MOST + 1},
        {"tickets": -1},
        {"parallel": 0},
        {"parallel": 9},
        {"max_cost_usd": 0},
        {"max_cost_usd": "10000.01"},
        {"max_cost_usd": "0.00001"},
        {"agent_version": 0},
        {"agent_version": 2**31},
        {"tool_type": " "},
        {"tool_type": "a\x00b"},
        {"more": 1},
    ],
)
def test_what_is_out_of_bounds_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LabRequest(**wanted)


@pytest.mark.parametrize(
    "expected",
    [{}, {"category": " "}, {"category": "x" * 201}, {"solution": []}, {"solution": ["x"] * 21}, {"solution": [""]}],
)
def test_a_test_case_expects_something(expected: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Expected(**expected)


def test_what_is_expected_is_kept_as_what_people_did_is() -> None:
    expected = Expected(category=" Network ", solution=["KB-1"])
    assert expected.as_truth() == {"fields": {"category": ["Network"]}, "solution": ["KB-1"], "reopened": None}
    assert Expected(group="A").as_truth()["fields"] == {"group": ["A"]}
    with pytest.raises(ValidationError):
        NewTestCase(execution_id=uuid4(), name="", expected=expected)


def case(place: int, **columns: Any) -> LabCase:
    return LabCase(place=place, **{"state": CaseState.WAITING, "is_wrong": False, **columns})


def standing(*cases: LabCase, limit: str = "1") -> Standing:
    found = Standing(LabRun(max_cost_usd=Decimal(limit), state=LabState.RUNNING), cases)
    found.sort()
    return found


def test_tickets_that_wait_are_begun_in_their_order() -> None:
    left, running = case(0, state=CaseState.LEFT_OUT), case(1, state=CaseState.RUNNING)
    found = standing(case(9), left, case(2), running)
    assert [one.place for one in found.waiting] == [2, 9]
    assert [one.place for one in found.running] == [1]


def test_before_anything_is_known_each_ticket_has_its_share_set_aside() -> None:
    assert standing(*(case(place) for place in range(4))).may_begin()
    running = [case(place, state=CaseState.RUNNING) for place in range(3)]
    assert standing(*running, case(3)).may_begin()
    assert not standing(*running, case(3, state=CaseState.RUNNING)).may_begin()


@pytest.mark.parametrize(
    ("spent", "running", "may"),
    [(["0.25", "0.50"], 0, False), (["0.25", "0.25"], 0, True), (["0.25", "0.25"], 1, True), (["0.25"], 3, False)],
)
def test_then_as_much_as_the_dearest_has_cost(spent: list[str], running: int, may: bool) -> None:
    done = [case(place, state=CaseState.COMPARED, cost_usd=Decimal(cost)) for place, cost in enumerate(spent)]
    at_work = [case(10 + place, state=CaseState.RUNNING) for place in range(running)]
    assert standing(*done, *at_work, case(20)).may_begin() is may


def test_of_a_run_that_has_just_begun_nothing_is_known() -> None:
    figures = Comparison.model_validate(compared([case(0), case(1)]))
    assert (figures.cost_usd, figures.cost_per_ticket_usd, figures.took_p95_ms) == (0, None, None)
    assert (figures.category.agreement, figures.category.low, figures.category.high) == (None, 0, 1)
    assert (figures.reopened.reopened, figures.reopened.of) == (0, 0)


def test_what_was_left_out_costs_and_is_not_compared() -> None:
    verdicts = {"category": "right"}
    done = case(
        0, state=CaseState.COMPARED, cost_usd=Decimal("0.03"), took_ms=10, truth={"reopened": True},
        outcome={"verdicts": verdicts},
    )  # fmt: skip
    left = case(1, state=CaseState.LEFT_OUT, cost_usd=Decimal("0.01"), took_ms=99)
    figures = Comparison.model_validate(compared([done, left]))
    assert (figures.cost_usd, figures.cost_per_ticket_usd) == (Decimal("0.04"), Decimal("0.02"))
    assert (figures.took_p50_ms, figures.took_p95_ms) == (10, 10)
    assert (figures.category.right, figures.reopened.reopened, figures.reopened.wrong) == (1, 1, 0)


@pytest.mark.parametrize("bar", [0, 101, -1, 1.5, "much"])
def test_a_bar_is_a_percentage(bar: Any) -> None:
    with pytest.raises(ValidationError):
        ReplayBar(category=bar)


def test_of_a_bar_what_is_set_counts() -> None:
    assert ReplayBar().bars() == {}
    assert ReplayBar(group=100, category=1).bars() == {"category": 1, "group": 100}
    assert set(BAR_FIELDS) == set(ReplayBar.model_fields)


@pytest.mark.parametrize(
    "stored", [None, {}, {"replay_bar": None}, {"replay_bar": "80"}, {"replay_bar": {"category": 0}}]
)
def test_where_something_else_stands_there_is_no_bar(stored: dict[str, Any] | None) -> None:
    assert replay_bar(stored) == ReplayBar()


def test_a_stored_bar_is_read() -> None:
    assert replay_bar({"replay_bar": {"solution": 40}, "notes": {}}).bars() == {"solution": 40}


def test_a_form_to_begin_is_read_as_the_api_reads_its_body() -> None:
    form = pages.LabForm(tickets="100", test_cases="true", parallel="4", max_cost_usd="2.5", version="3", desk="jira")
    assert form.wanted() == LabRequest(
        agent_version=3, tool_type="jira", tickets=100, test_cases=True, parallel=4, max_cost_usd=Decimal("2.5")
    )
    assert pages.LabForm(tickets="").wanted().tickets == 0
    with pytest.raises(InvalidInputError) as refused:
        pages.LabForm(tickets="many", parallel="2.5").wanted()
    assert {one.pointer for one in refused.value.errors} == {"/tickets", "/parallel"}


def test_a_form_to_keep_takes_one_article_a_line() -> None:
    run = uuid4()
    wanted = pages.KeepForm(name="VPN", priority=" high ", solution="KB-1\r\n\r\n INV-2 ").wanted(run)
    assert (wanted.execution_id, wanted.expected.priority, wanted.expected.solution) == (run, "high", ["KB-1", "INV-2"])
    with pytest.raises(InvalidInputError):
        pages.KeepForm(name="VPN").wanted(run)


def test_a_lab_keeps_what_it_runs_again() -> None:
    assert issubclass(service.Lab, keeping.Keeping)
    assert {route.path for route in endpoints.router.routes if "test-cases" in route.path} == {  # type: ignore[attr-defined]
        "/api/v1/agents/{agent_id}/test-cases",
        "/api/v1/test-cases/{test_case_id}",
    }
