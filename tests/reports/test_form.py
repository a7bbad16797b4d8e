"""The address of the pages: what is typed, what the API is asked, and the links that lead back."""

from __future__ import annotations

from datetime import date
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest
from pydantic import ValidationError

from deskhand.reports.console.form import RANGES, ReportForm, file_address
from deskhand.reports.models import CostGroup, PerformanceGroup
from deskhand.reports.schemas import MAX_DAYS, CostPage, CostQuery, PerformanceQuery, SpanQuery, SpanView

AGENT = UUID("01890000-0000-7000-8000-000000000001")
MAY = SpanView(since=date(2026, 5, 1), until=date(2026, 5, 31), zone="Europe/Berlin")


def said(address: str) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(urlsplit(address).query).items()}


def test_an_empty_form_asks_for_what_the_api_answers_by_itself() -> None:
    assert ReportForm().query(CostQuery) == CostQuery()
    assert ReportForm().query(PerformanceQuery) == PerformanceQuery()
    assert ReportForm().address("/costs") == "/costs"


def test_what_is_typed_is_what_is_asked() -> None:
    form = ReportForm(
        since=" 2026-05-01 ", until="2026-05-31", zone="Europe/Berlin ", group="ticket", agent=str(AGENT), trials="true"
    )
    query = form.query(CostQuery)
    assert (query.since, query.until, query.zone) == (MAY.since, MAY.until, MAY.zone)
    assert (query.group, query.agent_id, query.trials) == (CostGroup.TICKET, AGENT, True)


def test_a_page_is_asked_for_nothing_that_it_has_not() -> None:
    """The platform's page has neither agents nor groups, and an address that names them is no fault."""
    query = ReportForm(group="ticket", agent=str(AGENT), zone="Asia/Tokyo").query(SpanQuery)
    assert query == SpanQuery(zone="Asia/Tokyo")


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"since": "1"}, "since"), ({"until": "soon"}, "until"), ({"zone": "localtime"}, "zone"),
        ({"group": "tenant"}, "group"), ({"agent": "Triage"}, "agent_id"), ({"trials": "yes"}, "trials"),
    ],
)  # fmt: skip
def test_what_the_api_refuses_the_form_refuses(typed: dict[str, str], field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ReportForm(**typed).query(CostQuery)
    assert [fault["loc"] for fault in refused.value.errors()] == [(field,)]


def test_a_change_of_the_address_keeps_the_rest() -> None:
    form = ReportForm(zone="Europe/Berlin", group="agent", agent=str(AGENT))
    assert said(form.address("/costs", trials="true")) == {
        "zone": "Europe/Berlin", "group": "agent", "agent": str(AGENT), "trials": "true",
    }  # fmt: skip
    assert said(form.address("/costs", group="", agent="")) == {"zone": "Europe/Berlin"}
    odd = ReportForm(zone="a&b=c#d é")
    assert said(odd.address("/costs")) == {"zone": "a&b=c#d é"}, "an address says what was typed, whatever that is"


def test_each_range_ends_with_the_day_that_is_shown_last_and_can_be_asked() -> None:
    ranges = ReportForm(zone="Europe/Berlin").ranges("/costs", MAY)
    assert [words for words, _, _ in ranges] == ["7 days", "30 days", "90 days", "a year"]
    for days, (_, address, shown) in zip(RANGES, ranges, strict=True):
        values = said(address)
        since, until = date.fromisoformat(values["since"]), date.fromisoformat(values["until"])
        assert (until, (until - since).days + 1) == (MAY.until, days)
        assert not shown, "31 days are none of them"
        assert ReportForm(**values).query(CostQuery).zone == "Europe/Berlin"
    assert max(RANGES) == MAX_DAYS
    shown = ReportForm().ranges("/costs", SpanView(since=date(2026, 5, 25), until=MAY.until, zone="UTC"))
    assert [chosen for _, _, chosen in shown] == [True, False, False, False]


def test_a_file_has_its_days_named_also_where_the_page_left_them_open() -> None:
    address = file_address("/file", CostQuery(group=CostGroup.AGENT, agent_id=AGENT, trials=True), MAY)
    assert said(address) == {
        "since": "2026-05-01", "until": "2026-05-31", "zone": "Europe/Berlin",
        "group": "agent", "agent_id": str(AGENT), "trials": "true",
    }  # fmt: skip
    again = CostPage.model_validate(said(address))
    assert (again.since, again.until, again.group, again.trials) == (MAY.since, MAY.until, CostGroup.AGENT, True)
    assert set(said(file_address("/file", SpanQuery(), MAY))) == {"since", "until", "zone"}


def test_every_group_of_performance_is_one_of_costs() -> None:
    """The form is one, and the link from one page to the other leaves the group out."""
    assert {one.value for one in PerformanceGroup} < {one.value for one in CostGroup}
