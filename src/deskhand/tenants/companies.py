"""Whether a tenant's desk serves one company or many, and what a run for one of them may see.

A tenant sets each desk to ``company`` or ``one``. Where it set nothing, a desk is one company until it names the first
one: from then on what belongs to one company is kept from the others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.db.companies import EVERY_COMPANY, NAME_SIGN, NO_DESK, SHARED_ONLY, Scope, company_scope, id_by_name
from deskhand.kit.storable import storable_text
from deskhand.kit.words import folded
from deskhand.tenants.models import DeskCompany, RunCompany

CompanyMode = Literal["company", "one"]
EVERY_DESK = "*"
"""In a mapping: what holds for every desk that is not named."""
LENGTH = 255

Named = tuple[str, str, str]
"""A company as a desk names it: tool type, id, name."""


async def note_companies(session: AsyncSession, tenant_id: str, named: Iterable[Named]) -> dict[tuple[str, str], str]:
    """Remember companies that a desk has named, each under its newest name, and under the first for good.

    Returns:
        By desk and id, the name, folded, by which rows that know a name alone mean it; empty where none does.
    """
    # In one order, so that two imports at once wait for each other instead of holding each other up.
    told = {
        (tool, storable_text(company_id)[:LENGTH]): storable_text(name)[:LENGTH]
        for tool, company_id, name in sorted(named)
    }
    one = DeskCompany
    stored = select(one.tool_type, one.company_id, one.name, one.known_as).where(
        one.tool_type.in_({tool for tool, _ in told}), one.company_id.in_({company_id for _, company_id in told})
    )
    names: dict[tuple[str, str], str] = {}
    first: dict[tuple[str, str], str] = {}
    for tool, company_id, name, known_as in await session.execute(stored):
        names[tool, company_id], first[tool, company_id] = name, known_as or ""
    # Most tickets name a company that is there already; they write nothing.
    if news := {key: name for key, name in told.items() if names.get(key) != name}:
        fresh = await _first_names(session, {key: name for key, name in news.items() if key not in names})
        first |= await _store(session, tenant_id, news, fresh)
    return {key: first[key] for key in told}


async def _store(
    session: AsyncSession,
    tenant_id: str,
    news: Mapping[tuple[str, str], str],
    fresh: Mapping[tuple[str, str], str],
) -> dict[tuple[str, str], str]:
    rows = [
        {
            **{"tenant_id": tenant_id, "tool_type": tool, "company_id": company_id, "name": name},
            "known_as": fresh.get((tool, company_id)),
        }
        for (tool, company_id), name in news.items()
    ]
    statement = insert(DeskCompany).values(rows)
    written = await session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "tool_type", "company_id"],
            set_={"name": statement.excluded.name, "updated_at": func.now()},
        ).returning(DeskCompany.tool_type, DeskCompany.company_id, DeskCompany.known_as)
    )
    # As they stand there: another session may have told of one of them just before.
    return {(tool, company_id): known_as or "" for tool, company_id, known_as in written}


async def ids_by_name(session: AsyncSession, desks: Collection[str]) -> dict[tuple[str, str], str]:
    """By desk and what stands for a name, the id of the one company that is called so now."""
    bearers: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in await _stored(session, desks):
        if not one.company_id.startswith(NAME_SIGN):
            bearers[one.tool_type, id_by_name(one.name)].add(one.company_id)
    return {name: ids.pop() for name, ids in bearers.items() if len(ids) == 1}


async def _stored(session: AsyncSession, desks: Collection[str]) -> Sequence[DeskCompany]:
    if not desks:
        return ()
    return (await session.scalars(select(DeskCompany).where(DeskCompany.tool_type.in_(desks)))).all()


async def _first_names(session: AsyncSession, fresh: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """The names that companies which were not there have for good: those that none had before them."""
    taken = {(one.tool_type, one.known_as) for one in await _stored(session, {tool for tool, _ in fresh})}
    first: dict[tuple[str, str], str] = {}
    for (tool, company_id), name in fresh.items():
        word = folded(name)[:LENGTH]
        # What is known by its name alone is no company of its own: it is that of whoever has the name.
        if word and not company_id.startswith(NAME_SIGN) and (tool, word) not in taken:
            first[tool, company_id] = word
            taken.add((tool, word))
    return first


async def note_run_company(
    session: AsyncSession, tenant_id: str, execution_id: UUID, *, tool_type: str, company_id: str
) -> None:
    """Remember whom a run works for; of one that comes to work for another company, that it is no one company's."""
    values = {"tenant_id": tenant_id, "execution_id": execution_id, "tool_type": tool_type}
    statement = insert(RunCompany).values(**values, company_id=storable_text(company_id)[:LENGTH])
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["tenant_id", "execution_id"],
            # What it was shown of the first stands in its journal beside what it was shown of the second.
            set_={"company_id": ""},
            where=RunCompany.company_id != statement.excluded.company_id,
        )
    )


async def naming_desks(session: AsyncSession) -> frozenset[str]:
    """Tool types of the session's tenant that have named a company."""
    return frozenset(await session.scalars(select(DeskCompany.tool_type).distinct()))


async def known_companies(session: AsyncSession) -> Sequence[DeskCompany]:
    """Every company that a desk of the session's tenant has named, by name."""
    query = select(DeskCompany).order_by(DeskCompany.name, DeskCompany.tool_type, DeskCompany.company_id)
    return (await session.scalars(query)).all()


def mode_of(mapping: Mapping[str, str], tool_type: str, naming: Collection[str]) -> CompanyMode:
    """Whether a desk's tickets are kept apart by company.

    Args:
        mapping: The tenant's setting.
        tool_type: Which desk.
        naming: Desks that have named a company.
    """
    said = mapping.get(tool_type) or mapping.get(EVERY_DESK)
    if said is not None:
        # What is no known word is the careful one of the two.
        return "one" if said == "one" else "company"
    return "company" if tool_type in naming else "one"


def scope_of(
    mapping: Mapping[str, str],
    naming: Collection[str],
    desks: Iterable[str],
    *,
    tool_type: str | None,
    company: tuple[str, str] | None,
) -> Scope:
    """What a run may see.

    Args:
        mapping: The tenant's setting.
        naming: Desks that have named a company.
        desks: Every tool type the tenant may have history of.
        tool_type: Desk of the run's ticket; None of a run without one.
        company: Id of the ticket's company, as far as its desk tells, and the name that it is known as.
    """
    known = {*desks, *naming, *mapping, *([tool_type] if tool_type else [])} - {EVERY_DESK}
    apart = {desk for desk in known if mode_of(mapping, desk, naming) == "company"}
    if tool_type in apart:
        assert tool_type is not None
        return company_scope(tool_type, *company) if company else SHARED_ONLY
    # The tenant itself is one company, whatever desks its history came from.
    if not apart and mapping.get(EVERY_DESK) != "company":
        return EVERY_COMPANY
    return (NO_DESK, *sorted(known - apart))


__all__ = [
    "EVERY_DESK",
    "CompanyMode",
    "Named",
    "ids_by_name",
    "known_companies",
    "mode_of",
    "naming_desks",
    "note_companies",
    "note_run_company",
    "scope_of",
]
