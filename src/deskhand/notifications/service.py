"""What people choose to be told of, and what was sent: for pages and the API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.audit.service import PLATFORM, ChainReport, record
from deskhand.errors import ConflictError, ForbiddenError, NotFoundError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import database_now
from deskhand.kit.page import Page, cut_page, decode_cursor
from deskhand.notifications import repository
from deskhand.notifications.gathering import lines_of
from deskhand.notifications.kinds import MEANINGS, usual_pace
from deskhand.notifications.links import Subscriber
from deskhand.notifications.models import Kind, MessageState, Notification, Pace
from deskhand.notifications.schemas import Choices, ChoicesView, ChoiceView, MessageQuery, MessageView
from deskhand.storms.schemas import StormView
from deskhand.tenants.mail import mail_settings
from deskhand.tenants.notification_rules import notification_rules

AGAIN = (MessageState.FAILED, MessageState.DOUBT)


@dataclass(frozen=True, slots=True)
class Held:
    """What the page says first: whether mail can leave at all, and how much waits for it."""

    can_mail: bool
    waiting: int


async def get_choices(session: AsyncSession, principal: Principal, secrets: SecretBox) -> ChoicesView:
    """What the caller is told of; a key, whom no mail reaches, is told of nothing."""
    assert principal.tenant_id is not None  # the session dependency refused it before
    tenant = await repository.tenant_of(session, principal.tenant_id)
    can_mail = mail_settings(tenant, secrets) is not None
    person = principal.person
    if person is None:
        return ChoicesView(email=None, named=False, can_mail=can_mail, choices=[])
    named = person.email.lower() in {one.lower() for one in notification_rules(tenant.enhancement_preferences).mail}
    chosen = await repository.choices(session, person.user_id)
    views = [
        ChoiceView(
            kind=kind,
            title=meaning.title,
            help=meaning.help,
            pace=Pace(
                chosen.get((person.user_id, kind), usual_pace(kind, person.email, tenant.enhancement_preferences))
            ),
            chosen=(person.user_id, kind) in chosen,
        )
        for kind, meaning in MEANINGS.items()
        if principal.may(meaning.role)
    ]
    return ChoicesView(email=person.email, named=named, can_mail=can_mail, choices=views)


async def choose(session: AsyncSession, principal: Principal, wanted: Choices, secrets: SecretBox) -> ChoicesView:
    """Change what the caller is told of; what is being gathered and is wanted no more is left out.

    Raises:
        ConflictError: A key calls, whom no mail reaches.
        ForbiddenError: The role may not be told of a kind.
    """
    person = principal.person
    if person is None:
        raise ConflictError("A key is told of nothing: sign in as a person to choose what you are told of.")
    assert principal.tenant_id is not None  # the session dependency refused it before
    paces = wanted.paces()
    for kind in paces:
        if not principal.may(MEANINGS[kind].role):
            raise ForbiddenError(f"This needs the role {MEANINGS[kind].role}; yours is {principal.role}.")
    await _keep(session, principal.tenant_id, person.user_id, paces, actor=principal.actor)
    return await get_choices(session, principal, secrets)


async def subscriber_email(session: AsyncSession, subscriber: Subscriber) -> str:
    """The address that a link stops mails to.

    Raises:
        NotFoundError: Its person is no member any more, and gets no mails.
    """
    for user_id, email, _ in await repository.members(session):
        if user_id == subscriber.user_id:
            return email
    raise NotFoundError("This link holds no more: nothing is sent to its reader.")


async def stop(session: AsyncSession, subscriber: Subscriber) -> None:
    """Tell a person of nothing more by mail.

    Raises:
        NotFoundError: The person is no member any more, and gets no mails.
    """
    email = await subscriber_email(session, subscriber)
    paces = dict.fromkeys(Kind, Pace.OFF)
    await _keep(session, subscriber.tenant_id, subscriber.user_id, paces, actor=f"link:{email}")


async def list_messages(session: AsyncSession, query: MessageQuery) -> Page[MessageView]:
    """What was sent, is gathered, and failed, the newest first.

    Raises:
        NotFoundError: The cursor is not one of this list.
    """
    position = decode_cursor(query.cursor, datetime, UUID)
    after = None if position is None else (position[0], position[1])
    rows = await repository.list_messages(session, query.state, after=after, limit=query.limit + 1)
    return cut_page([_view(row) for row in rows], query.limit, lambda one: (one.created_at, one.id))


async def held(session: AsyncSession, tenant_id: str, secrets: SecretBox) -> Held:
    """Whether the tenant's mail can leave."""
    tenant = await repository.tenant_of(session, tenant_id)
    return Held(mail_settings(tenant, secrets) is not None, await repository.count_held_up(session))


async def send_again(session: AsyncSession, message_id: UUID, *, principal: Principal) -> MessageView:
    """Let a message that failed, or is in doubt, leave once more.

    Raises:
        NotFoundError: There is none.
        ConflictError: It was sent, or is on its way.
    """
    message = await repository.get_message(session, message_id)
    if message is None:
        raise NotFoundError(f"There is no notification {message_id}.")
    if message.state not in AGAIN:
        raise ConflictError(f"This message is {message.state}; only one that failed or is in doubt can be sent again.")
    before = message.state
    # The fence goes on counting, so that a worker which still has it can change nothing.
    message.state, message.why = MessageState.READY, ""
    message.due_at = await database_now(session)
    await session.flush()
    await record(
        session,
        tenant_id=message.tenant_id,
        actor=principal.actor,
        operation="notification.send_again",
        resource_type="notification",
        resource_id=message.id,
        before={"state": before},
        after={"state": message.state.value},
        details={"to": message.recipient},
    )
    return _view(message)


async def note_broken_chains(session: AsyncSession, reports: Iterable[ChainReport]) -> None:
    """Let administrators be told, once, of an audit log of theirs that does not verify.

    Args:
        session: A platform session.
        reports: As ``deskhand audit verify`` found them.
    """
    for report in reports:
        # The platform's own log is no tenant's: whoever runs the command reads it.
        if report.broken_at is not None and report.tenant_id != PLATFORM:
            await repository.note_broken_chain(session, report.tenant_id, report.broken_at)


async def note_storm(session: AsyncSession, tenant_id: str, storm: StormView) -> None:
    """Let people be told, once, of an outage of which tickets tell.

    Args:
        session: The session in which it is recognised.
        tenant_id: The tenant.
        storm: The storm.
    """
    await repository.note_storm(session, tenant_id, storm)


async def note_published(
    session: AsyncSession, tenant_id: str, *, run: UUID, agent: UUID, note: str, ticket: str | None
) -> None:
    """Let people be told, once, of an internal note that a desk shows to a requester.

    Args:
        session: The session in which the agent is paused for it.
        tenant_id: The tenant.
        run: Which wrote it.
        agent: Whose run.
        note: The desk's id of it.
        ticket: Of the run.
    """
    await repository.note_published(session, tenant_id, run=run, agent=agent, note=note, ticket=ticket)


async def troubles(session: AsyncSession) -> list[str]:
    """What keeps people of any tenant from being told, in a platform session: a sentence for each tenant."""
    return [
        f"{tenant_id}: {held} held up, {failed} failed within a day"
        for tenant_id, held, failed in await repository.troubles(session)
    ]


async def _keep(session: AsyncSession, tenant_id: str, user_id: UUID, paces: dict[Kind, Pace], *, actor: str) -> None:
    if not paces:
        return
    await repository.lock_tenant(session, tenant_id, wait=True)
    before = {kind: pace for (_, kind), pace in (await repository.choices(session, user_id)).items()}
    await repository.choose(session, tenant_id, user_id, paces)
    off = {kind for kind, pace in paces.items() if pace is Pace.OFF}
    for message in await repository.open_messages_of(session, user_id):
        message.items = {key: one for key, one in message.items.items() if one["kind"] not in off}
        if not message.items:
            await session.delete(message)
    await session.flush()
    await record(
        session,
        tenant_id=tenant_id,
        actor=actor,
        operation="notification.choose",
        resource_type="user",
        resource_id=user_id,
        before={kind: before.get(kind) for kind in paces},
        after={kind: pace.value for kind, pace in paces.items()},
    )


def _view(message: Notification) -> MessageView:
    lines = [line.as_json() for line in lines_of(message.items).values()]
    return MessageView.model_validate(
        {
            "lines": lines,
            **{
                name: getattr(message, name)
                for name in ("id", "recipient", "pace", "state", "due_at", "attempt", "why", "created_at")
            },
        }
    )
