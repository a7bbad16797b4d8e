"""Configuration of one ServiceNow connection.

What differs between instances and releases (states, close codes, the priority matrix, text limits) is a field with the
stock value, so that an instance which differs needs a setting and no new release.
"""

from __future__ import annotations

import base64
import re
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from deskhand.plugins.oauth import credential_key

_NAME = re.compile(r"[a-z][a-z0-9_]{0,79}")
_PAIR = re.compile(r"[0-9]{1,2},[0-9]{1,2}")
# Stock "Priority Data Lookup": impact,urgency to priority.
_MATRIX = {f"{impact},{urgency}": str(impact + urgency - 1) for impact in (1, 2, 3) for urgency in (1, 2, 3)}


class Auth(StrEnum):
    """How the connection proves who it is."""

    BASIC = "basic"
    OAUTH = "oauth"


class NoteFormat(StrEnum):
    """How notes are written."""

    TEXT = "text"
    HTML = "html"


class ServiceNowConfig(BaseModel):
    """Fields as stored for a tenant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    servicenow_instance_url: str = Field(description="Address of the instance, e.g. https://acme.service-now.com")
    servicenow_api_key: SecretStr = Field(
        description="basic: password of the integration user; oauth: client secret of the application registry entry"
    )
    servicenow_auth: Auth = Field(default=Auth.BASIC, description="basic: user and password; oauth: client credentials")
    servicenow_username: str | None = Field(default=None, description="basic: user name of the integration user")
    servicenow_client_id: str | None = Field(default=None, description="oauth: client id")
    servicenow_bot_username: str | None = Field(
        default=None,
        description="User name our writes appear under; recognises our own events (basic: the user itself)",
    )
    servicenow_table: str = Field(default="incident", description="Table of the tickets")
    servicenow_table_parents: tuple[str, ...] = Field(
        default=("task",), description="Tables it extends, from which fields and choices are inherited"
    )
    servicenow_language: str = Field(default="en", description="Language of choice labels, as in the user's profile")
    servicenow_extra_fields: tuple[str, ...] = Field(default=(), description="Further fields to read into each ticket")
    servicenow_resolved_state: str = "6"
    servicenow_withdrawn_state: str = Field(default="8", description="State of a ticket that was created in error")
    servicenow_closed_states: tuple[str, ...] = ("6", "7", "8")
    servicenow_history_states: tuple[str, ...] = ("6", "7")
    servicenow_history_field: str = Field(default="resolved_at", description="Time field of resolved tickets")
    servicenow_close_code: str = Field(
        default="Solution provided", description="Resolution code that `resolve` sets; its values vary per release"
    )
    servicenow_priority_computed: bool = Field(
        default=True, description="The instance computes priority from impact and urgency (the stock behaviour)"
    )
    servicenow_priority_matrix: dict[str, str] = Field(
        default_factory=lambda: dict(_MATRIX), description="'impact,urgency' to priority, as the instance computes it"
    )
    servicenow_note_format: NoteFormat = Field(
        default=NoteFormat.TEXT,
        description="text: plain; html: in [code] tags, which glide.ui.security.allow_codetag must allow",
    )
    servicenow_subject_limit: int = Field(default=160, ge=20, description="Characters of short_description")
    servicenow_text_limit: int = Field(default=4000, ge=200, description="Characters of description and close notes")

    @field_validator("servicenow_instance_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if not value.startswith(("https://", "http://")) or any(c.isspace() for c in value):
            raise ValueError("must be an address that starts with https:// (or http:// on a private network)")
        return value.rstrip("/")

    @field_validator("servicenow_api_key")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("must not be empty")
        return value

    @field_validator("servicenow_table", "servicenow_history_field")
    @classmethod
    def _name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("must be the internal name: lower-case letters, digits and underscores")
        return value

    @field_validator("servicenow_table_parents", "servicenow_extra_fields")
    @classmethod
    def _names(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cls._name(value) for value in values)

    @field_validator("servicenow_priority_matrix")
    @classmethod
    def _matrix(cls, value: dict[str, str]) -> dict[str, str]:
        if not value or not all(_PAIR.fullmatch(pair) and priority.isdigit() for pair, priority in value.items()):
            raise ValueError("must look like {'1,1': '1', '1,2': '2'}: 'impact,urgency' to priority")
        return value

    @model_validator(mode="after")
    def _credentials_are_complete(self) -> ServiceNowConfig:
        if self.uses_oauth and not self.servicenow_client_id:
            raise ValueError("ServiceNow with OAuth requires: servicenow_client_id")
        if not self.uses_oauth and not self.servicenow_username:
            raise ValueError("ServiceNow with a user and password requires: servicenow_username")
        return self

    @property
    def uses_oauth(self) -> bool:
        """True if access tokens are fetched with a client id and secret."""
        return self.servicenow_auth is Auth.OAUTH

    @property
    def tables(self) -> tuple[str, ...]:
        """The ticket table and those it inherits from."""
        return (self.servicenow_table, *self.servicenow_table_parents)

    @property
    def bot(self) -> str:
        """User name of our account; empty if it is not known."""
        # An OAuth client writes under a user that its registry entry names, which the configuration cannot know.
        return self.servicenow_bot_username or ("" if self.uses_oauth else self.servicenow_username or "")

    def basic_authorization(self) -> str:
        """The ``Authorization`` header of the integration user."""
        pair = f"{self.servicenow_username}:{self.servicenow_api_key.get_secret_value()}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def token_form(self) -> dict[str, str]:
        """The client-credentials request."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.servicenow_client_id or "",
            "client_secret": self.servicenow_api_key.get_secret_value(),
        }

    def account_key(self) -> str:
        """Key of this account in the process-wide caches."""
        return credential_key(self.servicenow_instance_url, self.servicenow_username or "", *self.token_form().values())
