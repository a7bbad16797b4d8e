"""Client companies inside a tenant: which of them a session works for, and how rows and sessions name them.

A service provider's desk holds tickets of many client companies. What belongs to one must not help another, whatever
query somebody writes; so the tables of ``CompanyModel`` have a restrictive policy, and a session says with a proof what
it may see (``session_companies()`` in ``tenancy.sql``). A session that names nothing sees what is shared.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from deskhand.kit.storable import storable_text
from deskhand.kit.words import folded

COMPANIES_SETTING = "app.companies"
NO_DESK = ""
"""Stands in a scope for rows that belong to no desk and no company."""
NAME_SIGN = "="
"""Begins the id of a company that a source knows by its name alone; no desk's own id begins so."""

Scope = tuple[str, ...]
"""Companies, desks as a whole, or ``*``; as the policy compares them."""

EVERY_COMPANY: Scope = ("*",)
"""For housekeeping, imports and administration: said where it is meant, and never by default."""
SHARED_ONLY: Scope = ()

COMPANY_CONDITION = (
    "shared OR (SELECT '*' = ANY (session_companies()))"
    " OR COALESCE(tool_type, '') = ANY ((SELECT session_companies())::text[])"
    " OR (tool_type || ':' || company_id) = ANY ((SELECT session_companies())::text[])"
)
"""What the policy of every ``CompanyModel`` table says; a test and `deskhand doctor` compare it with the catalog."""


def company_scope(tool_type: str, company_id: str, name: str) -> Scope:
    """What a session may see that works for one company: by its id, and what knows a name of it alone."""
    names = [f"{tool_type}:{id_by_name(name)}"] if name.strip() else []
    return tuple(storable_text(key) for key in (f"{tool_type}:{company_id}", *names))


def id_by_name(name: str) -> str:
    """What stands for the id of a company of which only the name is known."""
    return f"{NAME_SIGN}{folded(storable_text(name))}"[:255]


def scope_text(scope: Iterable[str]) -> str:
    """A scope as its setting holds it; empty for one that names nothing."""
    keys = list(scope)
    return json.dumps(keys) if keys else ""
