"""Queries of second factors and recovery codes. All of them need a platform session."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.models import RecoveryCode, SecondFactor


async def factor_of(session: AsyncSession, user_id: UUID) -> SecondFactor | None:
    """A person's authenticator, if there is one."""
    return (await session.execute(select(SecondFactor).where(SecondFactor.user_id == user_id))).scalar_one_or_none()


async def use_step(session: AsyncSession, factor_id: UUID, step: int) -> bool:
    """Use a time step up, atomically: of several callers with one code exactly one gets it."""
    statement = (
        update(SecondFactor)
        # By the authenticator and not by the person, who may have another one by now.
        .where(SecondFactor.id == factor_id, SecondFactor.last_step < step)
        .values(last_step=step)
        .returning(SecondFactor.id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def use_recovery_code(session: AsyncSession, user_id: UUID, digest: bytes, *, now: datetime) -> bool:
    """Use a recovery code up, atomically."""
    statement = (
        update(RecoveryCode)
        .where(RecoveryCode.user_id == user_id, RecoveryCode.code_hash == digest, RecoveryCode.used_at.is_(None))
        .values(used_at=now)
        .returning(RecoveryCode.user_id)
    )
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def unused_recovery_codes(session: AsyncSession, user_id: UUID) -> int:
    """How many recovery codes a person has left."""
    query = select(func.count()).where(RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return int(await session.scalar(query) or 0)


async def put_factor(session: AsyncSession, user_id: UUID, *, secret: str, step: int, codes: Sequence[bytes]) -> None:
    """Give a person this authenticator and these recovery codes, instead of what there was."""
    await remove_factor(session, user_id)
    session.add(SecondFactor(user_id=user_id, secret_encrypted=secret, last_step=step))
    await put_recovery_codes(session, user_id, codes)


async def put_recovery_codes(session: AsyncSession, user_id: UUID, codes: Sequence[bytes]) -> None:
    """Give a person these recovery codes, instead of what there was."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    session.add_all(RecoveryCode(user_id=user_id, code_hash=digest) for digest in codes)
    await session.flush()


async def remove_factor(session: AsyncSession, user_id: UUID) -> bool:
    """Leave a person without authenticator and recovery codes; False if there was none."""
    await session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    statement = delete(SecondFactor).where(SecondFactor.user_id == user_id).returning(SecondFactor.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None
