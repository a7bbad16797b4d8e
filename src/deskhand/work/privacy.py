"""What a run keeps from models: by its tenant's rules, and with the names that its ticket's own fields tell."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

from deskhand.kit.masking.masker import Masker
from deskhand.plugins.contract import Ticket
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.privacy_rules import privacy_rules
from deskhand.work.run import Run


def masker_for(execution_id: UUID, tenant: TenantConfig, key: bytes) -> Masker:
    """The masker of one run, also where its tenant keeps nothing back: an earlier attempt may have had other rules.

    Args:
        execution_id: The run: its placeholders are the same in each attempt, and those of no other run.
        tenant: Whose rules hold.
        key: Known to the workers alone.
    """
    kinds = privacy_rules(tenant.enhancement_preferences).kinds
    of_run = hmac.new(key, str(execution_id).encode(), hashlib.sha256).digest()
    return Masker(kinds, of_run)


def learn_people(run: Run, ticket: Ticket) -> None:
    """Take the names of everybody whom a ticket names in its fields."""
    masker = run.gateway.masker
    if masker is None:
        return
    people = (ticket.requester, ticket.assignee, *(note.author for note in ticket.notes))
    masker.learn(*(person.name for person in people if person is not None))
