"""Configuration of one ServiceDesk Plus connection.

Defaults that no vendor document confirms (statuses, the history field, the auth header of old builds)
are fields, so that an instance which differs needs a setting and no new release.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from deskhand.plugins.oauth import credential_key


class Dialect(StrEnum):
    """The two products that share the name and most of the API."""

    ON_PREMISES = "on_premises"
    CLOUD = "cloud"


class ServiceDeskPlusConfig(BaseModel):
    """Fields as stored for a tenant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servicedesk_url: str = Field(description="Address of the desk, e.g. https://desk.example.com:8443")
    servicedesk_api_key: SecretStr = Field(description="On-premises: technician key. Cloud: OAuth refresh token.")
    servicedesk_dialect: Dialect = Dialect.ON_PREMISES
    servicedesk_portal: str | None = Field(default=None, description="Portal name, for addresses with /app/<portal>")
    servicedesk_client_id: str | None = Field(default=None, description="Cloud: OAuth client id")
    servicedesk_client_secret: SecretStr | None = Field(default=None, description="Cloud: OAuth client secret")
    servicedesk_accounts_url: str = Field(
        default="https://accounts.zoho.com", description="Cloud: Zoho accounts server of your region"
    )
    servicedesk_bot_email: str | None = Field(
        default=None, description="Mail address of the technician account Deskhand uses; recognises its own events"
    )
    servicedesk_auth_header: str = Field(default="authtoken", description="On-premises: header of the technician key")
    servicedesk_accept: str = "application/vnd.manageengine.sdp.v3+json"
    servicedesk_resolved_status: str = "Resolved"
    servicedesk_closed_statuses: tuple[str, ...] = ("Resolved", "Closed", "Canceled", "Cancelled")
    servicedesk_company_field: str = Field(
        default="site", description="Reference that names the client: site, or account on ServiceDesk Plus MSP"
    )
    servicedesk_mark_field: str | None = Field(
        default=None,
        pattern=r"^udf_\w+$",
        description="Additional field (single line, e.g. udf_sline_9) that keeps the mark of a request Deskhand"
        " creates; without one the mark is the last line of the description",
    )
    servicedesk_history_field: str = Field(default="resolved_time", description="Time field of resolved tickets")

    @field_validator("servicedesk_url", "servicedesk_accounts_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")) or any(c.isspace() for c in value):
            raise ValueError("must be an address that starts with https:// (or http:// on a private network)")
        return value.rstrip("/")

    @field_validator("servicedesk_api_key")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("must not be empty")
        return value

    @model_validator(mode="after")
    def _cloud_needs_a_client(self) -> ServiceDeskPlusConfig:
        if self.is_cloud and not (self.servicedesk_client_id and self.servicedesk_client_secret):
            raise ValueError("ServiceDesk Plus Cloud requires: servicedesk_client_id, servicedesk_client_secret")
        return self

    @property
    def is_cloud(self) -> bool:
        """True for the Cloud dialect."""
        return self.servicedesk_dialect is Dialect.CLOUD

    @property
    def api_url(self) -> str:
        """Base of every API call, ending in a slash."""
        portal = f"/app/{self.servicedesk_portal}" if self.servicedesk_portal else ""
        return f"{self.servicedesk_url}{portal}/api/v3/"

    @property
    def note_key(self) -> str:
        """What the dialect calls a note in bodies."""
        return "request_note" if self.is_cloud else "note"

    @property
    def cost_fields(self) -> tuple[str, ...]:
        """What the dialect calls the costs of a work log."""
        return ("tech_charge", "other_charge") if self.is_cloud else ("owner_cost", "other_cost")

    def token_form(self) -> dict[str, str]:
        """The refresh request (Cloud)."""
        secret = self.servicedesk_client_secret
        return {
            "grant_type": "refresh_token",
            "refresh_token": self.servicedesk_api_key.get_secret_value(),
            "client_id": self.servicedesk_client_id or "",
            "client_secret": secret.get_secret_value() if secret else "",
        }

    def token_key(self) -> str:
        """Key of this connection's access token in the process-wide cache."""
        # By the credential itself and not the tenant: two tenants of one account share its token, and a changed secret
        # has none.
        return credential_key(self.servicedesk_accounts_url, *self.token_form().values())
