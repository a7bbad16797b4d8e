"""Two halves of a split that say the same are one vote: the one that was made out of the other is not kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from tests.support.runs import ticket

from deskhand.knowledge.boundaries import may_keep
from deskhand.plugins.contract import Ticket, TicketingToolPlugin
from deskhand.plugins.errors import DeskNotFoundError
from deskhand.tenants.boundaries import NO_BOUNDARIES

ORIGIN = ticket(id="1", is_closed=True, description="It  drops.", resolution="Restart it.")
HALF = replace(ORIGIN, id="2", subject="CLONE - VPN drops", description="It drops.", split_from="1")


@dataclass
class _Desk:
    """A desk that has one ticket, or none."""

    origin: Ticket | None = ORIGIN

    async def get_ticket(self, ticket_id: str, **_: Any) -> Ticket:
        if self.origin is None or self.origin.id != ticket_id:
            raise DeskNotFoundError("gone")
        return self.origin


@pytest.mark.parametrize(
    ("half", "origin", "kept"),
    [
        (HALF, ORIGIN, False),
        (replace(HALF, description="Another message of the same mail."), ORIGIN, True),
        (replace(HALF, resolution="Replaced the router."), ORIGIN, True),
        (HALF, replace(ORIGIN, is_closed=False), True),
        (HALF, None, True),
        (replace(HALF, split_from=None), ORIGIN, True),
        (replace(HALF, is_closed=False), ORIGIN, True),
    ],
    ids=["same", "other words", "other solution", "origin open", "origin gone", "no split", "still open"],
)
async def test_a_half_is_kept_where_it_says_something_of_its_own(
    half: Ticket, origin: Ticket | None, kept: bool
) -> None:
    desk = cast(TicketingToolPlugin, _Desk(origin))
    assert await may_keep(NO_BOUNDARIES, desk, half) is kept
