"""Whether keys open what is stored encrypted: a backup with other keys could not be lived from."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from deskhand.agents.reencryption import SECRETS
from deskhand.errors import ConfigurationError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database


async def try_secrets(db: Database, keys: Sequence[str]) -> tuple[int, int]:
    """How many stored secrets a ring of keys opens, and how many it does not.

    Args:
        db: Reaches the platform; its schema is this version's.
        keys: The ring.
    """
    box = SecretBox(keys)
    opened: list[bool] = []
    async with db.platform_session() as session:
        for column in (getattr(model, name) for model, names in SECRETS for name in names):
            tokens = await session.scalars(select(column).where(column.is_not(None)))
            opened += [_opens(box, token) for token in tokens]
    return opened.count(True), opened.count(False)


def _opens(box: SecretBox, token: str | bytes) -> bool:
    try:
        box.decrypt(token)
    except ConfigurationError:
        return False
    return True
