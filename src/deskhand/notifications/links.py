"""The link in a mail by which its reader stops these mails, without signing in: signed, and good for nothing else.

It names a tenant and a person and opens neither. It does not end: a mail is found years later, and must be stoppable.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from uuid import UUID

from deskhand.errors import NotFoundError
from deskhand.kit.crypto import SecretBox, same_secret

MOST_CHARACTERS = 250
_TOKEN = re.compile(r"([0-9a-z_-]{1,100})\.([0-9a-f]{32})\.([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Whose mails a link stops."""

    tenant_id: str
    user_id: UUID


class StopLinks:
    """Makes and reads the links of one installation.

    Args:
        secrets: Has the key they are signed with.
        public_url: Where people's browsers find the console.
    """

    def __init__(self, secrets: SecretBox, public_url: str) -> None:
        self._secrets = secrets
        self._public_url = public_url.rstrip("/")

    def address(self, tenant_id: str, user_id: UUID) -> str:
        """Where a person's mails of one tenant are stopped."""
        said = f"{tenant_id}.{user_id.hex}"
        return f"{self._public_url}/notifications/stop?token={said}.{self._signature(said)}"

    def read(self, token: str) -> Subscriber:
        """Whose mails a link stops.

        Raises:
            NotFoundError: It is not ours.
        """
        parts = _TOKEN.fullmatch(token)
        said, _, signature = token.rpartition(".")
        is_ours = same_secret(signature.encode(errors="replace"), self._signature(said).encode())
        if parts is None or not is_ours:
            raise NotFoundError("This link holds no more. Sign in to choose what you are told of.")
        return Subscriber(parts[1], UUID(parts[2]))

    def _signature(self, said: str) -> str:
        # Derived at each use: a process that serves for months takes up a key ring that was rotated meanwhile.
        key = self._secrets.derive("links that stop notifications")
        return hmac.new(key, said.encode(errors="replace"), hashlib.sha256).hexdigest()
