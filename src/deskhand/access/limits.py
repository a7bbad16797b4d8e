"""Memberships and keys that are limited to client companies: what they may open, and whom they may name.

Who is limited sees the runs and tickets of its companies, what is known about these, and what is shared
(``kit/db/limited.py``); and opens nothing but what is marked here, so that a page or an address that somebody adds is
closed to it until somebody has thought about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import Field, StringConstraints
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.appstate import AppState
from deskhand.errors import FieldProblem, ForbiddenError, InvalidInputError
from deskhand.kit.db.companies import Scope, company_scope, id_by_name

MOST = 200
"""Companies that one limit may name."""
LIMIT = (
    "Companies whose tickets and runs alone are shown, each as `<desk>:<the desk's id of it>`. Who is limited only"
    " reads. Left out or null: everything of the tenant."
)
Key = Annotated[str, StringConstraints(min_length=3, max_length=306, pattern=r"^[a-z0-9_]+:[^\x00-\x1f\x7f]+$")]
Limit = Annotated[list[Key] | None, Field(max_length=MOST, examples=[["zendesk:361523"]])]

# The table belongs to a room above this one.
_NAMED = text(
    "SELECT tool_type, company_id, name, coalesce(known_as, '') FROM desk_companies WHERE tenant_id = :tenant_id"
    " ORDER BY lower(name), tool_type, company_id"
)

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])
_OPEN: set[Callable[..., Any]] = set()


@dataclass(frozen=True, slots=True)
class NamedCompany:
    """A company as a desk of the tenant has named it."""

    tool_type: str
    company_id: str
    name: str
    known_as: str = ""

    @property
    def key(self) -> str:
        """How a limit names it."""
        return f"{self.tool_type}:{self.company_id}"


def open_to_limited(endpoint: _Endpoint) -> _Endpoint:
    """Mark an endpoint that shows a limited caller no more than is its companies'; every other one is closed to it."""
    _OPEN.add(endpoint)
    return endpoint


def is_open_to_limited(endpoint: Callable[..., Any]) -> bool:
    """Whether an endpoint is marked."""
    return endpoint in _OPEN


def refuse_limited(request: Request, principal: Principal) -> None:
    """Let nobody go on who is limited to companies where more than these would be shown.

    Raises:
        ForbiddenError: The caller is limited, and the endpoint is not marked.
    """
    if principal.limited_to is not None and not is_open_to_limited(request.scope["route"].endpoint):
        raise ForbiddenError(
            "Your access is limited to the tickets of some companies, and this shows or changes more than those."
        )


async def named_companies(session: AsyncSession, tenant_id: str) -> list[NamedCompany]:
    """Every company that a desk of a tenant has named, by name.

    Args:
        session: Of the tenant, or the platform's.
        tenant_id: Whose desks.
    """
    return [NamedCompany(*row) for row in await session.execute(_NAMED, {"tenant_id": tenant_id})]


async def companies_to_choose(session: AsyncSession, tenant_id: str) -> list[NamedCompany]:
    """As ``named_companies``, each company once: by its id where the desk has told it, else by its name."""
    named = await named_companies(session, tenant_id)
    by_id = {(one.tool_type, id_by_name(one.known_as)) for one in named if one.known_as}
    return [one for one in named if (one.tool_type, one.company_id) not in by_id]


async def scope_of_limit(app: AppState, tenant_id: str, limit: Sequence[str]) -> Scope:
    """What a limited caller may see of what is known: by the ids of its companies, and rows that know a name alone."""
    async with app.db.tenant_session(tenant_id, limited_to=limit) as session:
        # The policy of that table lets through the companies of the limit.
        named = await named_companies(session, tenant_id)
    return tuple(key for one in named for key in company_scope(one.tool_type, one.company_id, one.known_as))


async def known_limit(session: AsyncSession, tenant_id: str, wanted: Sequence[str] | None) -> list[str] | None:
    """A limit whose companies the tenant's desks have named.

    Args:
        session: Of the tenant, or the platform's.
        tenant_id: Whose desks.
        wanted: What somebody asked for; None: no limit.

    Raises:
        InvalidInputError: A company is not among them; a limit with a slip in it would show nothing and say nothing.
    """
    if wanted is None:
        return None
    known = {one.key for one in await named_companies(session, tenant_id)}
    faults = [
        FieldProblem(pointer=f"/companies/{place}", detail="no desk of this tenant has named such a company")
        for place, key in enumerate(wanted)
        if key not in known
    ]
    if faults:
        raise InvalidInputError(
            "A company is known as soon as a ticket or an import names it; the page People lists those there are.",
            errors=faults,
        )
    return sorted(set(wanted))
