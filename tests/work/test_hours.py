"""Working time of a run's ticket: its company, by whatever name the tenant knows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deskhand.plugins.contract import Company, Ticket
from deskhand.tenants.boundaries import Boundaries
from deskhand.tenants.calendars import stored_calendars
from deskhand.work.hours import Hours

SUNDAY = datetime(2026, 5, 10, 12, tzinfo=UTC)
ALWAYS = {
    "name": "A",
    "company": ["Nordwind"],
    "timezone": "UTC",
    "hours": ["mon-sun 00:00-24:00"],
    "count_waits": True,
}
OFFICE = {"name": "O", "timezone": "UTC", "hours": ["mon-fri 09:00-17:00"], "count_waits": True}
HOURS = Hours(stored_calendars({"calendars": [ALWAYS, OFFICE]}), Boundaries(names={("jira", "7"): "Nordwind"}))


def ticket(company: Company | None) -> Ticket:
    return Ticket(tool_type="jira", id="1", display_id="H-1", subject="VPN", company=company)


def test_a_company_is_known_by_the_name_that_its_desk_last_told() -> None:
    # A desk that shows ids alone has the id in the place of the name.
    theirs, others, nobodys = ticket(Company(id="7", name="7")), ticket(Company(id="8", name="Suedwerk")), ticket(None)
    assert [HOURS.are_on(SUNDAY, one) for one in (theirs, others, nobodys, None)] == [True, False, False, False]
    assert HOURS.wait(SUNDAY, timedelta(hours=1), theirs) == SUNDAY + timedelta(hours=1)
    assert HOURS.wait(SUNDAY, timedelta(hours=1), others) == datetime(2026, 5, 11, 10, tzinfo=UTC)
    assert HOURS.working_days(SUNDAY, 1, theirs) == SUNDAY + timedelta(days=1)
    assert HOURS.working_days(SUNDAY + timedelta(days=-2), 1, None) == SUNDAY + timedelta(days=1)


def test_a_run_of_a_tenant_that_has_said_nothing_goes_by_the_clock() -> None:
    assert Hours().wait(SUNDAY, timedelta(minutes=5), ticket(None)) == SUNDAY + timedelta(minutes=5)
    assert Hours().are_on(SUNDAY, None) is False
