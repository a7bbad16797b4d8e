"""The link in a note by which a reader says whether it helped, without signing in: signed, and good for some days.

It names its tenant, its run and its last moment, and opens nothing else. Nothing of it is stored: who reads the note
may use it, and all of them together are one voice.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from deskhand.errors import NotFoundError
from deskhand.kit.crypto import SecretBox, same_secret
from deskhand.kit.marks import verdict_line

MOST_CHARACTERS = 250
_TOKEN = re.compile(r"([0-9a-z_-]{1,100})\.([0-9a-f]{32})\.([0-9a-f]{1,11})\.([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class LinkedNote:
    """What a link that holds is about."""

    tenant_id: str
    execution_id: UUID


class VerdictLinks:
    """Makes and reads the links of one installation.

    Args:
        secrets: Has the key they are signed with.
        public_url: Where people's browsers find the API.
    """

    def __init__(self, secrets: SecretBox, public_url: str) -> None:
        self._secrets = secrets
        self._public_url = public_url

    def line(self, tenant_id: str, execution_id: UUID, *, until: datetime) -> str:
        """The last line of a note, in Markdown.

        Args:
            tenant_id: Whose run it is.
            execution_id: The run that writes the note.
            until: When the link ends.
        """
        said = f"{tenant_id}.{execution_id.hex}.{int(until.timestamp()):x}"
        return verdict_line(self._public_url, f"{said}.{self._signature(said)}")

    def read(self, token: str, *, now: datetime) -> LinkedNote:
        """What a link is about.

        Raises:
            NotFoundError: It is not ours or has ended: one answer for both, before anything is looked up.
        """
        parts = _TOKEN.fullmatch(token)
        said, _, signature = token.rpartition(".")
        is_ours = same_secret(signature.encode(errors="replace"), self._signature(said).encode())
        if parts is None or not is_ours or now >= datetime.fromtimestamp(int(parts[3], 16), UTC):
            raise NotFoundError("This link holds no more.")
        return LinkedNote(parts[1], UUID(parts[2]))

    def _signature(self, said: str) -> str:
        # Derived at each use: a process that serves for months takes up a key ring that was rotated meanwhile.
        key = self._secrets.derive("feedback links")
        return hmac.new(key, said.encode(errors="replace"), hashlib.sha256).hexdigest()
