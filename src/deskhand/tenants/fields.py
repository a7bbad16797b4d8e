"""Which columns of a tenant make a connection to which desk: names and messages of the specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EMAIL = "email"
"""The tool whose settings stand among the connections and that is no desk: a tenant's mail."""

SLACK, TEAMS, WEBHOOK, HTTP = "slack", "teams", "webhook", "http"
OUTSIDE = (SLACK, TEAMS, WEBHOOK, HTTP)
"""Further tools of that kind, each with places of its own (``tenants/outside.py``)."""

PLACE = r"^[a-z0-9][a-z0-9_-]{0,49}$"
"""What a tenant may call a channel or a receiver."""

BESIDE_DESKS = (EMAIL, *OUTSIDE)
"""Names among the connections that no desk's plugin reads."""


@dataclass(frozen=True, slots=True)
class ToolFields:
    """The connection of one built-in desk.

    Attributes:
        label: The desk's name in messages.
        plain: Required fields kept as they are, under the same column name.
        secret: Required fields kept encrypted, in the column ``<name>_encrypted``.
    """

    label: str
    plain: tuple[str, ...]
    secret: tuple[str, ...]
    order: tuple[str, ...]

    @property
    def requirement(self) -> str:
        """The sentence for an incomplete connection."""
        return f"{self.label} requires: {', '.join(self.order)}"


TOOL_FIELDS: Mapping[str, ToolFields] = {
    "servicedesk_plus": ToolFields(
        "ServiceDesk Plus",
        plain=("servicedesk_url",),
        secret=("servicedesk_api_key",),
        order=("servicedesk_url", "servicedesk_api_key"),
    ),
    "jira": ToolFields(
        "Jira",
        plain=("jira_url", "jira_project_key"),
        secret=("jira_api_token",),
        order=("jira_url", "jira_api_token", "jira_project_key"),
    ),
    "zendesk": ToolFields(
        "Zendesk",
        plain=("zendesk_subdomain",),
        secret=("zendesk_api_token",),
        order=("zendesk_subdomain", "zendesk_api_token"),
    ),
    "servicenow": ToolFields(
        "ServiceNow",
        plain=("servicenow_instance_url",),
        secret=("servicenow_api_key",),
        order=("servicenow_instance_url", "servicenow_api_key"),
    ),
}

PLAIN_FIELDS = tuple(name for fields in TOOL_FIELDS.values() for name in fields.plain)
SECRET_FIELDS = tuple(name for fields in TOOL_FIELDS.values() for name in fields.secret)
