"""When a tenant's people work: calendars of client companies and its own, and what counts by them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, ValidationError

from deskhand.errors import ConfigurationError
from deskhand.kit.cron import zone
from deskhand.kit.schema import InputModel
from deskhand.kit.working_time import (
    HOLIDAY_PATTERN,
    HOURS_PATTERN,
    MONDAY_TO_FRIDAY,
    WorkingTime,
    read_holidays,
    read_hours,
)
from deskhand.tenants.notification_rules import Zone
from deskhand.tenants.traits import Labels, Trait

MOST_CALENDARS = 50
MOST_HOLIDAYS = 120
"""Of one calendar; with fewer than a year's days there is always one on which somebody works."""


def _check_hours(line: str) -> str:
    read_hours([line])
    return line


def _check_holiday(line: str) -> str:
    read_holidays([line])
    return line


HoursLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=150),
    AfterValidator(_check_hours),
    Field(json_schema_extra={"pattern": HOURS_PATTERN}),
]
HolidayLine = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=100),
    AfterValidator(_check_holiday),
    Field(json_schema_extra={"pattern": HOLIDAY_PATTERN}),
]


class Calendar(InputModel):
    """When people work, for some client companies or, without one, for everybody else."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)] = Field(
        description="For people."
    )
    company: Labels | None = Field(
        None,
        description="Client companies whose tickets count by it, by name or by the desk's id. Left out, everything that"
        " no other calendar is about; runs that no ticket started, too.",
    )
    timezone: Zone = Field(description="IANA name of the zone whose clock is meant, such as `Europe/Berlin`.")
    hours: list[HoursLine] = Field(
        min_length=1,
        max_length=14,
        description="Days and times, such as `mon-fri 08:00-12:00 13:00-17:00`. An end before its beginning is on the"
        " next day.",
    )
    holidays: list[HolidayLine] = Field(
        default_factory=list,
        max_length=MOST_HOLIDAYS,
        description="Days on which nobody works, of one year (`2026-04-03 Good Friday`) or of every year (`12-25`).",
    )
    count_waits: bool = Field(
        False,
        description="Whether the time that a call waits for approval, and a run for its requester, runs within these"
        " hours alone.",
    )

    @property
    def working_time(self) -> WorkingTime:
        """Its hours."""
        return WorkingTime(zone(self.timezone), read_hours(self.hours), read_holidays(self.holidays))


@dataclass(frozen=True, slots=True)
class Calendars:
    """A tenant's calendars, in their order; there may be none."""

    calendars: tuple[Calendar, ...] = ()

    @property
    def name_companies(self) -> bool:
        """Whether any is about companies, so that their names are needed."""
        return any(one.company for one in self.calendars)

    def is_open(self, at: datetime, company: Trait) -> bool | None:
        """Whether a time is in working time; None where nobody knows whose counts.

        Args:
            at: An aware time.
            company: What is known of the ticket's.
        """
        known, calendar = self._find(company)
        if not known:
            return None
        return (calendar.working_time if calendar else MONDAY_TO_FRIDAY).is_open(at)

    def wait(self, start: datetime, amount: timedelta, company: Trait) -> datetime:
        """When a wait is over that somebody gave a length: of working time, where the calendar says so."""
        calendar = self._find(company)[1]
        if calendar is None or not calendar.count_waits:
            return start + amount
        return calendar.working_time.after(start, amount)

    def working_days(self, start: datetime, days: int, company: Trait) -> datetime:
        """The same time of day so many working days later."""
        calendar = self._find(company)[1]
        return (calendar.working_time if calendar else MONDAY_TO_FRIDAY).days_after(start, days)

    def _find(self, company: Trait) -> tuple[bool, Calendar | None]:
        """Whether it is known which calendar counts, and which; unknown, the one for everybody else does for a wait."""
        verdicts = [(one.company is not None and company.any_of(one.company), one) for one in self.calendars]
        usual = next((one for _, one in verdicts if one.company is None), None)
        # In their order: what comes before the one that fits must surely not fit.
        for fits, calendar in verdicts:
            if fits is None:
                return False, usual
            if fits:
                return True, calendar
        return True, usual


NO_CALENDARS = Calendars()
_CALENDARS = TypeAdapter(list[Calendar])


def stored_calendars(preferences: Mapping[str, Any] | None) -> Calendars:
    """The calendars as they are stored.

    Raises:
        ConfigurationError: They cannot be read.
    """
    stored = (preferences or {}).get("calendars")
    try:
        return NO_CALENDARS if stored is None else Calendars(tuple(_CALENDARS.validate_python(stored)))
    except ValidationError as error:
        raise ConfigurationError("The tenant's calendars cannot be read; set them again in its preferences.") from error


def check_calendars(calendars: list[Calendar]) -> list[Calendar]:
    """Refuse a second calendar for everybody else, which would never count.

    Raises:
        ValueError: There are two.
    """
    usual = [one.name for one in calendars if one.company is None]
    if len(usual) > 1:
        raise ValueError(
            f"may have one calendar without a company, and '{usual[0]}' and '{usual[1]}' have none: name the companies"
            " of one of them"
        )
    return calendars
