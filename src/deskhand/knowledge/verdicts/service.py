"""Verdicts on notes: given, given again, read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.audit import service as audit
from deskhand.errors import NotFoundError
from deskhand.kit.page import Page
from deskhand.knowledge.models import EnhancementFeedback
from deskhand.knowledge.verdicts import repository
from deskhand.knowledge.verdicts.schemas import VerdictGiven, VerdictQuery
from deskhand.tenants.models import EnhancementHistory


def voice_of(principal: Principal) -> str:
    """Whose verdict it is: a person has one on each note, however they came in."""
    return (principal.person.email if principal.person else principal.actor)[:255]


async def get_note(session: AsyncSession, execution_id: UUID) -> EnhancementHistory:
    """What a run wrote.

    Raises:
        NotFoundError: There is no such run, or it wrote no note.
    """
    note = await repository.find_note(session, execution_id)
    if note is None:
        raise NotFoundError(f"There is no note of an execution '{execution_id}'.")
    return note


async def give(
    session: AsyncSession, execution_id: UUID, verdict: VerdictGiven, *, voice: str | None, actor: str
) -> EnhancementFeedback:
    """Keep a verdict on a run's note; an earlier one of the same voice is replaced.

    Args:
        session: A tenant session.
        execution_id: The run that wrote the note.
        verdict: What is said.
        voice: Who says it; None: whoever opened the note's link, one voice for each note.
        actor: For the audit log.

    Raises:
        NotFoundError: The run wrote no note.
    """
    note = await get_note(session, execution_id)
    values = verdict.model_dump()
    row = await repository.put(
        session,
        {
            **values,
            "tenant_id": note.tenant_id,
            "ticket_id": note.ticket_id,
            "enhancement_id": note.id,
            "technician_email": voice,
        },
    )
    await audit.record(
        session,
        tenant_id=note.tenant_id,
        actor=actor,
        operation="feedback.give",
        resource_type="execution",
        resource_id=str(note.id),
        after=values,
    )
    return row


async def of_note(session: AsyncSession, execution_id: UUID) -> Sequence[EnhancementFeedback]:
    """Verdicts on a run's note, the newest first.

    Raises:
        NotFoundError: The run wrote no note.
    """
    await get_note(session, execution_id)
    return await repository.of_note(session, execution_id)


async def if_judged(session: AsyncSession, execution_id: UUID) -> Sequence[EnhancementFeedback] | None:
    """Verdicts on a run's note; None where there is no note that could have any."""
    if await repository.find_note(session, execution_id) is None:
        return None
    return await repository.of_note(session, execution_id)


async def of_notes(session: AsyncSession, executions: Collection[UUID]) -> dict[UUID, list[EnhancementFeedback]]:
    """Verdicts on the notes of these runs, the newest first; a run that wrote none is left out."""
    said: dict[UUID, list[EnhancementFeedback]] = {one: [] for one in await repository.with_notes(session, executions)}
    for verdict in await repository.of_notes(session, list(said)):
        if verdict.enhancement_id is not None:
            said[verdict.enhancement_id].append(verdict)
    return said


async def list_verdicts(session: AsyncSession, wanted: VerdictQuery) -> Page[EnhancementFeedback]:
    """The tenant's verdicts, the newest first."""
    return await repository.list_verdicts(session, wanted)
