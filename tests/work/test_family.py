"""Which ticket a run reads beside its own, whether its note goes there, and what keeps it away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.runs import run_of, ticket

from deskhand.kit.clock import utc_now
from deskhand.kit.db.readers import Readers
from deskhand.plugins.contract import Company, Ticket
from deskhand.plugins.errors import DeskNotFoundError, DeskPermissionError, DeskUnavailableError
from deskhand.tenants.boundaries import Boundaries, stored_rules
from deskhand.work.companies import CompanyWall
from deskhand.work.family import NO_FAMILY, Family, FamilyReader
from deskhand.work.run import Run

WHOLE = ticket(id="9", display_id="IT-9", subject="RE: Outage", description="Everything is down.")
PART = ticket(id="1", display_id="IT-1", parent="9")


@dataclass
class _Journal:
    """A journal that keeps nothing, and knows what an earlier attempt began."""

    begun_writes: frozenset[str] = frozenset()
    keys: list[str] = field(default_factory=list)

    async def step(self, *, key: str, body: Callable[[], Awaitable[Any]], **_: Any) -> Any:
        self.keys.append(key)
        return await body()


@dataclass
class _Desk:
    """A desk with one ticket, or that answers with an error."""

    has: Ticket | Exception = WHOLE

    async def get_ticket(self, ticket_id: str, **_: Any) -> Ticket:
        if isinstance(self.has, Exception):
            raise self.has
        assert ticket_id == self.has.id
        return self.has


def reader(has: Ticket | Exception = WHOLE, *, own: Ticket = PART, **more: Any) -> FamilyReader:
    run = run_of(None, outcome=more.pop("outcome", {"kind": "note"}))
    may = more.pop("may", True)
    run = replace(run, journal=cast(Any, _Journal(**more)))
    run.wall._own = own
    hands = SimpleNamespace(desk=_Desk(has), may=lambda name: may and name == "add_note")
    return FamilyReader(cast(Any, _Nowhere()), run, cast(Any, hands))


class _Nowhere:
    """No database is asked about a ticket without notes."""

    def tenant_session(self, _: str) -> Any:
        return _Session()


class _Session:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


async def test_the_note_of_a_part_goes_to_the_whole_which_is_read_first() -> None:
    this = reader()
    family = await this.read(PART, look=1)
    assert family.kin is not None
    assert (family.kin.relation, family.kin.number, family.kin.subject) == ("parent", "IT-9", "Outage")
    assert (family.home, family.kin.takes_note) == (WHOLE, True)
    assert family.extent == ("The note is on IT-9, the ticket that this one is a part of.",)
    assert "Everything is down." in family.texts[0].text
    await this.read(PART, look=2)
    assert cast(Any, this.run.journal).keys == ["read_parent", "read_parent:2"]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"is_closed": True}, "is closed"),
        ({"merged_into": "8"}, "was merged into another one"),
        ({"parent": "1"}, "is a part of this ticket as well"),
        ({"created_at": utc_now() - timedelta(days=731)}, "was filed more than 730 days ago"),
    ],
)
async def test_a_whole_that_takes_no_note_is_read_all_the_same(more: dict[str, Any], why: str) -> None:
    this = reader(replace(WHOLE, **more))
    family = await this.read(PART, look=1)
    assert family.kin is not None
    assert (family.home, family.kin.takes_note) == (None, False)
    assert family.extent == (f"IT-9 {why}, so the note is on this ticket.",)


@pytest.mark.parametrize("more", [{"may": False}, {"outcome": {"kind": "fields"}}], ids=["no grant", "no note"])
async def test_a_run_that_writes_no_note_reads_the_whole_and_says_nothing_of_a_place(more: dict[str, Any]) -> None:
    family = await reader(**more).read(PART, look=1)
    assert family.kin is not None
    assert (family.home, family.extent) == (None, ())


async def test_what_was_made_out_of_a_ticket_reads_it_and_is_noted_itself() -> None:
    family = await reader().read(replace(PART, parent=None, split_from="9"), look=1)
    assert family.kin is not None
    assert (family.kin.relation, family.home, family.extent) == ("origin", None, ())


@pytest.mark.parametrize("alone", [replace(PART, parent=None), replace(PART, parent="1"), replace(PART, parent="")])
async def test_a_ticket_by_itself_or_of_itself_asks_the_desk_nothing(alone: Ticket) -> None:
    assert await reader(DeskUnavailableError("asked")).read(alone, look=1) is NO_FAMILY


async def test_for_a_requester_no_other_ticket_is_asked_for() -> None:
    asked = reader(DeskUnavailableError("asked"))
    assert await asked.read(PART, look=1, readers=Readers.OUTSIDE) is NO_FAMILY


@pytest.mark.parametrize("error", [DeskNotFoundError("There is none."), DeskPermissionError("It is not ours.")])
async def test_a_whole_that_the_desk_does_not_show_costs_nobody_the_note(error: Exception) -> None:
    family = await reader(error).read(PART, look=1)
    assert family == Family(extent=(f"The ticket that this one is a part of was not read: {error}",))


async def test_a_desk_that_is_away_is_asked_again_by_another_attempt() -> None:
    with pytest.raises(DeskUnavailableError):
        await reader(DeskUnavailableError("away")).read(PART, look=1)


async def test_of_another_company_nothing_but_the_refusal_is_left() -> None:
    north, south = Company(id="1", name="Nordwind"), Company(id="2", name="Suedwerk")
    own = replace(PART, company=north)
    this = reader(replace(WHOLE, company=south), own=own)
    run = replace(this.run, wall=CompanyWall({"jira": "company"}, frozenset({"jira"})))
    run.wall._own = own
    family = await replace(this, run=run).read(own, look=1)
    assert (family.kin, family.home) == (None, None)
    assert "does not belong to the company" in family.extent[0]


def under(rule: dict[str, Any], has: Ticket, own: Ticket) -> FamilyReader:
    this = reader(has, own=own)
    wall = CompanyWall({}, frozenset({"jira"}), Boundaries(stored_rules({"boundaries": [rule]})))
    wall._own = own
    return replace(this, run=replace(this.run, wall=wall))


HR = [{"name": "HR", "effect": effect, "group": ["HR"]} for effect in ("approve", "local", "silence")]


@pytest.mark.parametrize("rule", HR, ids=lambda rule: str(rule["effect"]))
async def test_a_whole_that_a_rule_is_about_is_shown_to_no_run_of_a_part(rule: dict[str, Any]) -> None:
    family = await under(rule, replace(WHOLE, group="HR"), PART).read(PART, look=1)
    assert (family.kin, family.home) == (None, None)
    assert "The tenant's rule 'HR' is about this ticket" in family.extent[0]


async def test_what_a_sensitive_part_says_stays_on_it() -> None:
    part = replace(PART, group="HR")
    family = await under(HR[0], WHOLE, part).read(part, look=1)
    assert family.kin is not None
    assert (family.home, family.kin.takes_note) == (None, False)
    said = "IT-9 may be read by people who may not read this ticket, so the note is on this ticket."
    assert family.extent == (said,)


KEY = "add_note:note"


@pytest.mark.parametrize(
    ("now", "has_changed"),
    [
        (WHOLE, False),
        (replace(WHOLE, is_closed=True), True),
        (replace(WHOLE, merged_into=""), True),
        (DeskNotFoundError("gone"), True),
        (DeskPermissionError("shut"), True),
    ],
)
async def test_the_whole_is_looked_at_again_before_the_note(now: Ticket | Exception, has_changed: bool) -> None:
    assert await reader(now).has_changed(Family(home=WHOLE), KEY) is has_changed
    begun = reader(now, begun_writes=frozenset({KEY}))
    assert not await begun.has_changed(Family(home=WHOLE), KEY), "it may be there, and is finished"
    assert not await reader(now).has_changed(NO_FAMILY, KEY)
    dry: Run = reader(now).run
    dry = replace(dry, execution=replace(dry.execution, mode="dry_run"))
    assert not await replace(reader(now), run=dry).has_changed(Family(home=WHOLE), KEY)
