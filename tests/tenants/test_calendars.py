"""Which of a tenant's calendars counts for a ticket, and what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deskhand.errors import ConfigurationError
from deskhand.tenants.calendars import Calendar, Calendars, check_calendars, stored_calendars
from deskhand.tenants.traits import Knowledge, Trait, whole

OFFICE: dict[str, Any] = {"name": "Office", "timezone": "Europe/Berlin", "hours": ["mon-fri 09:00-17:00"]}
ALWAYS: dict[str, Any] = {"name": "Always", "timezone": "UTC", "hours": ["mon-sun 00:00-24:00"]}
SUNDAY = datetime(2026, 5, 10, 12, tzinfo=UTC)
MONDAY = SUNDAY + timedelta(days=1)
HOUR = timedelta(hours=1)


def calendars(*stored: dict[str, Any]) -> Calendars:
    return stored_calendars({"calendars": list(stored)})


@pytest.mark.parametrize(("company", "is_open"), [
    (whole("7", "Nordwind"), True),  # by name
    (whole("NORDWIND"), True),
    (whole("8", "Suedwerk"), False),
    (whole(), False),  # of nobody
    (Trait(), None),  # nobody knows whose
    (Trait(("9",), Knowledge.IDS), None),  # by an id without a name, and the calendar says a name
])  # fmt: skip
def test_the_first_calendar_about_the_company_counts(company: Trait, *, is_open: bool | None) -> None:
    both = calendars({**ALWAYS, "company": ["Nordwind"]}, OFFICE)
    assert both.is_open(SUNDAY, company) is is_open
    assert both.name_companies


def test_in_their_order() -> None:
    both = calendars({**ALWAYS, "company": ["Nordwind"]}, {**OFFICE, "company": ["Nordwind", "Suedwerk"]})
    assert both.is_open(SUNDAY, whole("Nordwind")) is True
    assert both.is_open(SUNDAY, whole("Suedwerk")) is False
    # For everybody else there is none: Monday to Friday.
    assert [both.is_open(at, whole("Ostbau")) for at in (SUNDAY, MONDAY)] == [False, True]


def test_without_a_calendar_it_is_monday_to_friday() -> None:
    none = stored_calendars(None)
    assert not none.name_companies
    assert [none.is_open(at, Trait()) for at in (SUNDAY, MONDAY)] == [False, True]
    assert none.wait(SUNDAY, HOUR, Trait()) == SUNDAY + HOUR
    assert none.working_days(SUNDAY, 2, Trait()) == SUNDAY + timedelta(days=2)


@pytest.mark.parametrize(("counts", "until"), [(True, datetime(2026, 5, 11, 8, tzinfo=UTC)), (False, SUNDAY + HOUR)])
def test_a_wait_counts_working_time_where_the_calendar_says_so(counts: bool, until: datetime) -> None:
    both = calendars({**ALWAYS, "company": ["Nordwind"], "count_waits": True}, {**OFFICE, "count_waits": counts})
    assert both.wait(SUNDAY, HOUR, whole("Suedwerk")) == until
    # Whose it is nobody knows: the calendar for everybody else.
    assert both.wait(SUNDAY, HOUR, Trait()) == until
    assert both.wait(SUNDAY, HOUR, whole("Nordwind")) == SUNDAY + HOUR


@pytest.mark.parametrize("stored", ["office", [{"name": "x"}], [{**OFFICE, "hours": ["9-17"]}], [{**OFFICE, "x": 1}]])
def test_calendars_that_cannot_be_read_are_said_to_be_broken(stored: Any) -> None:
    with pytest.raises(ConfigurationError, match="calendars cannot be read"):
        stored_calendars({"calendars": stored})


def test_one_of_them_is_for_everybody_else() -> None:
    office, always = Calendar.model_validate(OFFICE), Calendar.model_validate(ALWAYS)
    theirs = Calendar.model_validate({**ALWAYS, "company": ["Nordwind"]})
    assert check_calendars([theirs, office]) == [theirs, office]
    with pytest.raises(ValueError, match="'Office' and 'Always' have none"):
        check_calendars([office, theirs, always])
