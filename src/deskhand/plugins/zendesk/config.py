"""Configuration of one Zendesk connection.

OAuth with client credentials is the way in; API tokens are a legacy that Zendesk switches off (``API_TOKENS_END``).
What differs between accounts (where a category or a resolution is kept) is a field.
"""

from __future__ import annotations

import base64
import re
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from deskhand.plugins.oauth import credential_key
from deskhand.plugins.zendesk.manifest import API_TOKENS_END

_SUBDOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")


class Auth(StrEnum):
    """How the connection proves who it is."""

    OAUTH = "oauth"
    API_TOKEN = "api_token"  # noqa: S105 - the name of a mode


class ZendeskConfig(BaseModel):
    """Fields as stored for a tenant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zendesk_subdomain: str = Field(description="The part before .zendesk.com")
    zendesk_api_token: SecretStr = Field(
        description=f"OAuth client secret; with zendesk_auth=api_token an API token (until {API_TOKENS_END})"
    )
    zendesk_auth: Auth = Field(
        default=Auth.OAUTH,
        description=f"oauth: client credentials; api_token: legacy, Zendesk ends it on {API_TOKENS_END}",
    )
    zendesk_client_id: str | None = Field(default=None, description="OAuth: identifier of the confidential client")
    zendesk_scope: str = Field(
        default="read tickets:write",
        description="OAuth: scope to ask for; audits, where our marks are, need the global `read`",
    )
    zendesk_email: str | None = Field(
        default=None, description="Address of our account: signs in with an API token, recognises our own events"
    )
    zendesk_user_id: int | None = Field(
        default=None, description="Id of our account (the connection test shows it); recognises our own events"
    )
    zendesk_url: str | None = Field(
        default=None, description="Address instead of https://<subdomain>.zendesk.com, for a gateway"
    )
    zendesk_category_field: int | None = Field(default=None, description="Id of the ticket field that is the category")
    zendesk_resolution_field: int | None = Field(
        default=None, description="Id of the ticket field that keeps the resolution; empty: the solving comment"
    )
    zendesk_resolution_public: bool = Field(default=True, description="The requester may read the solving comment")

    @field_validator("zendesk_subdomain")
    @classmethod
    def _subdomain(cls, value: str) -> str:
        if not _SUBDOMAIN.fullmatch(value):
            raise ValueError("must be the part before .zendesk.com: letters, digits and hyphens")
        return value.lower()

    @field_validator("zendesk_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("https://", "http://")) or any(c.isspace() for c in value):
            raise ValueError("must be an address that starts with https:// (or http:// on a private network)")
        return value.rstrip("/")

    @field_validator("zendesk_api_token")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("must not be empty")
        return value

    @model_validator(mode="after")
    def _credentials_are_complete(self) -> ZendeskConfig:
        if self.uses_oauth and not self.zendesk_client_id:
            raise ValueError("Zendesk with OAuth requires: zendesk_client_id")
        if not self.uses_oauth and not self.zendesk_email:
            raise ValueError("Zendesk with an API token requires: zendesk_email")
        return self

    @property
    def uses_oauth(self) -> bool:
        """True if access tokens are fetched with a client id and secret."""
        return self.zendesk_auth is Auth.OAUTH

    @property
    def base_url(self) -> str:
        """Address of the account, without a slash at the end."""
        return self.zendesk_url or f"https://{self.zendesk_subdomain}.zendesk.com"

    def basic_authorization(self) -> str:
        """The ``Authorization`` header of an API token."""
        pair = f"{self.zendesk_email}/token:{self.zendesk_api_token.get_secret_value()}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def token_request(self) -> dict[str, str]:
        """The client-credentials request."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.zendesk_client_id or "",
            "client_secret": self.zendesk_api_token.get_secret_value(),
            "scope": self.zendesk_scope,
        }

    def token_key(self) -> str:
        """Key of this connection's access token in the process-wide cache."""
        return credential_key(self.base_url, *self.token_request().values())
