"""Working time of whom a run works for: whether its moment is within it, and how long it waits for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from deskhand.plugins.contract import Ticket
from deskhand.tenants.boundaries import NO_BOUNDARIES, Boundaries
from deskhand.tenants.calendars import NO_CALENDARS, Calendars
from deskhand.tenants.traits import Trait, whole


@dataclass(frozen=True, slots=True)
class Hours:
    """A tenant's calendars, asked about tickets.

    Attributes:
        boundaries: How the tenant's desks name companies.
    """

    calendars: Calendars = NO_CALENDARS
    boundaries: Boundaries = NO_BOUNDARIES

    def are_on(self, at: datetime, ticket: Ticket | None) -> bool | None:
        """Whether a time is in working time; None where the desk does not say enough to know whose.

        Args:
            at: An aware time.
            ticket: What the run is about; None: nothing, so the tenant's own calendar counts.
        """
        return self.calendars.is_open(at, self._company(ticket))

    def wait(self, start: datetime, amount: timedelta, ticket: Ticket | None) -> datetime:
        """When a wait is over that somebody gave a length."""
        return self.calendars.wait(start, amount, self._company(ticket))

    def working_days(self, start: datetime, days: int, ticket: Ticket | None) -> datetime:
        """The same time of day so many working days later."""
        return self.calendars.working_days(start, days, self._company(ticket))

    def _company(self, ticket: Ticket | None) -> Trait:
        return whole() if ticket is None else self.boundaries.of_ticket(ticket).company
