"""What was typed into a form of preferences as a change of the tenant, and who changed them last.

What decides is ``TenantService.update_tenant``, as over the API. The API replaces preferences as a whole; a form has a
part of them, so it is put among the others under the tenant's lock, and only if nobody changed that part meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.audit import service as audit
from deskhand.audit.filters import AuditFilters
from deskhand.errors import ConflictError, DeskhandError, NotFoundError
from deskhand.kit.problem import invalid_input
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.preferences.boxes import Box, filled
from deskhand.tenants.preferences.rules import Kind
from deskhand.tenants.preferences.sections import Section
from deskhand.tenants.schemas import TenantConfigUpdate
from deskhand.tenants.service import TenantService

PREFERENCES = "enhancement_preferences"
NEW = "new"
"""Stands for the place of a rule that is not there yet."""
_LOOKED_THROUGH = 200
_CHANGED = "Somebody changed this meanwhile; nothing was saved. What you see is what counts now."


@dataclass(frozen=True, slots=True)
class Changed:
    """Who changed a part of the preferences last."""

    by: str
    at: datetime


class Preferences:
    """What can be done with a tenant's preferences, in the caller's transaction.

    Args:
        tenants: Of that tenant's session.
        actor: Who acts, for the audit log.
    """

    def __init__(self, tenants: TenantService, *, actor: str) -> None:
        self._tenants = tenants
        self._actor = actor

    async def save(self, tenant_id: str, section: Section, typed: Mapping[str, str], digest: str) -> TenantConfig:
        """Take over a form.

        Raises:
            ConflictError: Somebody else changed what it is about since it was drawn.
            InvalidInputError: A value is wrong; the pointers name which.
        """
        tenant = await self._tenants.get_tenant(tenant_id, for_update=True)
        _ensure_same(part_of(tenant, section), digest)
        stored = stored_in(tenant, section.place)
        return await self._update(tenant_id, {section.place: filled(stored, section.boxes, typed)})

    async def save_rule(
        self, tenant_id: str, kind: Kind, place: str, *, typed: Mapping[str, str], digest: str
    ) -> TenantConfig:
        """Take over the form of one rule. Raises as ``save``, and:

        Raises:
            NotFoundError: There is no such rule.
        """
        tenant = await self._tenants.get_tenant(tenant_id, for_update=True)
        rules = rules_of(tenant, kind)
        _ensure_same(rules, digest)
        before = {} if place == NEW else rules[place_of(rules, place)]
        rule = filled(before, kind.boxes, typed)
        if rule.get("vip") in ("true", "false"):
            rule["vip"] = rule["vip"] == "true"
        if place == NEW:
            rules = [*rules, rule]
        else:
            rules[place_of(rules, place)] = rule
        return await self._set_rules(tenant, kind, rules)

    async def remove_rule(self, tenant_id: str, kind: Kind, place: str, *, digest: str) -> TenantConfig:
        """Take one rule away. Raises as ``save_rule``."""
        tenant = await self._tenants.get_tenant(tenant_id, for_update=True)
        rules = rules_of(tenant, kind)
        _ensure_same(rules, digest)
        del rules[place_of(rules, place)]
        return await self._set_rules(tenant, kind, rules)

    async def _set_rules(self, tenant: TenantConfig, kind: Kind, rules: list[Any]) -> TenantConfig:
        stored = stored_in(tenant, PREFERENCES)
        return await self._update(tenant.tenant_id, {PREFERENCES: {**stored, kind.key: rules}})

    async def _update(self, tenant_id: str, body: Mapping[str, Any]) -> TenantConfig:
        try:
            data = TenantConfigUpdate.model_validate(body)
        except ValidationError as error:
            raise invalid_input(error) from error
        return await self._tenants.update_tenant(tenant_id, data, actor=self._actor, may_set_limits=False)


def stored_in(tenant: TenantConfig, place: str) -> dict[str, Any]:
    """What is stored of the preferences, or of the companies."""
    return dict(getattr(tenant, place) or {})


def part_of(tenant: TenantConfig, section: Section) -> dict[str, Any]:
    """What is stored of one form."""
    stored = stored_in(tenant, section.place)
    return {name: stored[name] for name in sorted({box.path[0] for box in section.boxes}) if name in stored}


def rules_of(tenant: TenantConfig, kind: Kind) -> list[Any]:
    """The rules of one list, as they are stored."""
    stored = stored_in(tenant, PREFERENCES).get(kind.key)
    return list(stored) if isinstance(stored, list) else []


def place_of(rules: list[Any], place: str) -> int:
    """Where a rule of an address stands.

    Raises:
        NotFoundError: There is none.
    """
    if not (place.isascii() and place.isdecimal()) or int(place) >= len(rules):
        raise NotFoundError("There is no such rule any more.")
    return int(place)


def digest_of(part: Any) -> str:
    """Names what a form was drawn from."""
    return hashlib.sha256(json.dumps(part, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def faults_by_box(boxes: tuple[Box, ...], error: DeskhandError | None, *, under: tuple[str, ...]) -> dict[str, str]:
    """What is wrong with which box, as far as the error says it of one.

    Args:
        boxes: Of the form.
        error: What the service said.
        under: Where in a request the form's values stand.
    """
    found: dict[str, str] = {}
    for fault in error.errors if error else ():
        parts = tuple(fault.pointer.split("/"))[1:]
        for box in boxes:
            *above, last = (*under, *box.path)
            # Of a value of another kind than a field has, the object above it is named, and the field in the words.
            named = parts == tuple(above) and fault.detail.startswith(f"{last} ")
            if named or parts[: len(above) + 1] == (*above, last):
                found.setdefault(box.name, fault.detail.removeprefix(f"{last} "))
    return found


async def last_changes(session: AsyncSession, tenant_id: str) -> dict[str, Changed]:
    """Who changed each part last, by the part's name, as far as the newest entries of the audit log tell."""
    filters = AuditFilters(operation="tenant.update", resource_type="tenant")
    page = await audit.list_entries(session, tenant_id=tenant_id, filters=filters, limit=_LOOKED_THROUGH)
    found: dict[str, Changed] = {}
    for entry in page.items:
        before, after = ((entry.details or {}).get(side) or {} for side in ("before", "after"))
        names = _differing(before.get(PREFERENCES) or {}, after.get(PREFERENCES) or {})
        if before.get("company_mapping") != after.get("company_mapping"):
            names.add("company_mapping")
        for name in names:
            found.setdefault(name, Changed(entry.actor, entry.created_at))
    return found


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def _ensure_same(part: Any, digest: str) -> None:
    if digest_of(part) != digest:
        raise ConflictError(_CHANGED)
