"""Where words stand in a tenant's rows: every column of every table, read as text."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.errors import InvalidInputError
from deskhand.kit.db.base import Base

LEAST_CHARACTERS = 5
"""Of a word: a shorter one stands in rows of everybody."""

# As PostgreSQL writes a row out, which is what its columns hold; jsonb is written as JSON, so quotes would be escaped.
FOUND = "EXISTS (SELECT 1 FROM unnest(CAST(:words AS text[])) w WHERE position(lower(w) IN lower({row}::text)) > 0)"
_ESCAPED = frozenset('"\\')


def ensure_telling(words: Sequence[str]) -> list[str]:
    """The words by which a person is looked for, without those that are empty.

    Raises:
        InvalidInputError: There is none, or one would be found in the rows of others.
    """
    told = [word.strip() for word in words if word.strip()]
    if not told:
        raise InvalidInputError("Say who: an address, and whatever else the person is called.")
    for word in told:
        if len(word) < LEAST_CHARACTERS:
            raise InvalidInputError(f"'{word}' is too short to tell one person from others: name the whole of it.")
        if _ESCAPED & set(word):
            raise InvalidInputError(f"'{word}' holds a quotation mark or a backslash, which is no part of a name.")
    return told


def tenant_tables() -> list[str]:
    """Every table with rows of tenants, those that refer to others first; complete with ``deskhand.models``."""
    return [table.name for table in reversed(Base.metadata.sorted_tables) if "tenant_id" in table.columns]


async def mentions(session: AsyncSession, tenant_id: str, words: Sequence[str]) -> dict[str, int]:
    """How many rows of a tenant hold one of the words, by table; tables without one are left out.

    Args:
        session: A platform session.
        tenant_id: Whose rows.
        words: In any case of letters.
    """
    found = {}
    for table in tenant_tables():
        count = await session.scalar(
            text(f"SELECT count(*) FROM {table} t WHERE t.tenant_id = :tenant AND {FOUND.format(row='t')}"),  # noqa: S608 - names of our models
            {"tenant": tenant_id, "words": list(words)},
        )
        if count:
            found[table] = count
    return found
