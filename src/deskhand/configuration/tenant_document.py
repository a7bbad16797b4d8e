"""A tenant's rules as a file: who approves and who is told, how notes are written, how values are mapped.

No secret and no limit: connections hold the first, and the second are the platform's to set.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from deskhand.agents.documents import API_VERSION
from deskhand.kit.schema import InputModel
from deskhand.tenants.schemas import EnhancementPreferences

KIND = "Tenant"


class TenantDocument(InputModel):
    """A tenant's rules in a file."""

    api_version: Literal["deskhand/v1"] = Field(alias="apiVersion", description="The format.")
    kind: Literal["Tenant"]
    enhancement_preferences: EnhancementPreferences = Field(description="As in the API; what is left out is unset.")

    def content(self) -> dict[str, Any]:
        """What it says, in the form in which it is stored."""
        return self.enhancement_preferences.model_dump(mode="json", exclude_unset=True)


def tenant_file(preferences: dict[str, Any]) -> dict[str, Any]:
    """Stored rules as they stand in a file."""
    return {"apiVersion": API_VERSION, "kind": KIND, "enhancement_preferences": _ordered(preferences)}


def _ordered(value: Any) -> Any:
    # JSONB gives keys back in an order of its own.
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(one) for one in value] if isinstance(value, list) else value
