"""Configuration of one Jira Service Management connection.

What no vendor document confirms (resolution field, history field, address of the OAuth gateway, whether
a resolution is public) is a field, so that a site which differs needs a setting and no new release.
"""

from __future__ import annotations

import base64
import re
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from deskhand.plugins.oauth import credential_key

_PROJECT_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")


class NoteRoute(StrEnum):
    """How notes are written."""

    SERVICE_DESK = "servicedesk"
    PLATFORM = "platform"


class JiraConfig(BaseModel):
    """Fields as stored for a tenant.

    The credential is an API token of ``jira_email`` (Basic); without an email it is sent as a bearer token; with
    ``jira_client_id`` it is the secret of an OAuth 2.0 client (service account), and access tokens are fetched with it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    jira_url: str = Field(description="Address of the site, e.g. https://example.atlassian.net")
    jira_api_token: SecretStr = Field(description="API token; with jira_client_id the OAuth client secret")
    jira_project_key: str = Field(description="Key of the service project, e.g. HELP")
    jira_email: str | None = Field(default=None, description="Account of the API token; empty: bearer token")
    jira_account_id: str | None = Field(
        default=None, description="accountId of our account (the connection test shows it); recognises our own events"
    )
    jira_cloud_id: str | None = Field(default=None, description="Cloud id, for OAuth and scoped tokens")
    jira_gateway_url: str = Field(default="https://api.atlassian.com", description="Used with jira_cloud_id")
    jira_client_id: str | None = Field(default=None, description="OAuth 2.0 client id of a service account")
    jira_token_url: str = Field(default="https://auth.atlassian.com/oauth/token", description="Where tokens come from")
    jira_note_route: NoteRoute = Field(
        default=NoteRoute.SERVICE_DESK,
        description="servicedesk: `public` is explicit, wiki text; platform: ADF with sd.public.comment",
    )
    jira_notify_users: bool = Field(
        default=True, description="False edits without mail; needs project administration rights"
    )
    jira_time_zone: str | None = Field(
        default=None, description="Time zone of JQL dates; empty: that of our account's profile"
    )
    jira_history_field: str = Field(
        default="updated",
        pattern=r"^[A-Za-z]+$",
        description="JQL time field by which the history is listed and an import goes on",
    )
    jira_resolved_status: str = Field(default="Resolved", description="Preferred among the done statuses on offer")
    jira_resolution: str = Field(default="Done", description="Resolution to set where the transition asks for one")
    jira_resolution_field: str | None = Field(
        default=None, description="Custom field that holds the resolution text; empty: the resolving comment"
    )
    jira_resolution_public: bool = Field(default=True, description="The requester may read the resolving comment")
    jira_category_field: str = Field(default="components", description="Field that holds the category")
    jira_group_field: str | None = Field(
        default=None, description="Custom field that holds the support group, e.g. customfield_10200"
    )
    jira_organization_field: str | None = Field(
        default=None, description="Field `Organizations` of the service project, e.g. customfield_10002"
    )
    jira_issue_type: str | None = Field(
        default=None, description="Type of the tickets Deskhand creates; empty: the project's first"
    )
    jira_property: str = Field(default="itsm.run", max_length=255, description="Issue property for our marks")

    @field_validator("jira_url", "jira_gateway_url", "jira_token_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")) or any(c.isspace() for c in value):
            raise ValueError("must be an address that starts with https:// (or http:// on a private network)")
        return value.rstrip("/")

    @field_validator("jira_api_token")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("must not be empty")
        return value

    @field_validator("jira_project_key")
    @classmethod
    def _key(cls, value: str) -> str:
        if not _PROJECT_KEY.fullmatch(value):
            raise ValueError("must be a project key such as HELP: letters, digits and underscores")
        return value.upper()  # Jira's keys are; service desks are compared by it

    @field_validator("jira_time_zone")
    @classmethod
    def _zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError("must be a time zone such as Europe/Berlin") from error
        return value

    @model_validator(mode="after")
    def _oauth_is_complete(self) -> JiraConfig:
        if self.jira_client_id and not self.jira_cloud_id:
            raise ValueError("Jira with OAuth requires: jira_cloud_id")
        # Both would leave open which credential is meant, and a wrong guess would be sent to the other's server.
        if self.jira_client_id and self.jira_email:
            raise ValueError("jira_email belongs to API tokens and jira_client_id to OAuth: set one of them")
        return self

    @property
    def api_url(self) -> str:
        """Base of every API call: the site, or the gateway for OAuth and scoped tokens."""
        return f"{self.jira_gateway_url}/ex/jira/{self.jira_cloud_id}" if self.jira_cloud_id else self.jira_url

    @property
    def uses_oauth(self) -> bool:
        """True if access tokens are fetched with a client id and secret."""
        return self.jira_client_id is not None

    def static_authorization(self) -> str:
        """The ``Authorization`` header of a token that does not change."""
        token = self.jira_api_token.get_secret_value()
        # A scoped token of a service account belongs to no address.
        if self.jira_email is None:
            return f"Bearer {token}"
        return "Basic " + base64.b64encode(f"{self.jira_email}:{token}".encode()).decode()

    def token_request(self) -> dict[str, str]:
        """The client-credentials request."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.jira_client_id or "",
            "client_secret": self.jira_api_token.get_secret_value(),
        }

    def token_key(self) -> str:
        """Key of this connection's access token in the process-wide cache."""
        return credential_key(self.jira_token_url, *self.token_request().values())
