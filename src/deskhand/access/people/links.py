"""Links that are handed over: one that sets a password, and one that accepts an invitation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from deskhand.access.models import Invitation
from deskhand.access.people.repository import Member

LINK_LIFETIME = timedelta(hours=24)
"""As long as the public draft of NIST SP 800-63B-4 ("Account Recovery") lets a code live that is sent by mail."""
LINK = "dhl"


@dataclass(frozen=True, slots=True)
class Link:
    """A link's secret, known at this moment alone, when the link ends, and the page that it opens."""

    token: str
    expires_at: datetime
    page: str = "/set-password"

    def url(self, public_url: str) -> str:
        """The page to open."""
        return f"{public_url}{self.page}?token={self.token}"


@dataclass(frozen=True, slots=True)
class Invited:
    """Somebody who was let in (``member``), or asked (``invitation``), and the link to hand over."""

    link: Link
    email: str
    member: Member | None = None
    invitation: Invitation | None = None
