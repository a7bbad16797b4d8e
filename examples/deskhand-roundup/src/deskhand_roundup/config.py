"""Configuration of one Roundup connection.

Every tracker has a schema of its own, so the names that differ from the "classic" template are fields.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator


class RoundupConfig(BaseModel):
    """Fields as stored for a tenant, in ``connection_extras`` under ``roundup``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    roundup_url: str = Field(description="Address of the tracker, e.g. https://tracker.example.com/support")
    roundup_user: str = Field(min_length=1, description="Login of the account Deskhand uses; recognises its own events")
    roundup_password: SecretStr = Field(description="Password of that account")
    roundup_web_url: str | None = Field(
        default=None,
        description="`web` in the [tracker] section of its config.ini, if the API is reached under another address",
    )
    roundup_resolved_status: str = "resolved"
    roundup_closed_statuses: tuple[str, ...] = ("resolved", "done-cbb")
    roundup_public_field: str = Field(
        default="public", description="Boolean property of messages; only `false` makes one internal"
    )
    roundup_group_field: str | None = Field(
        default=None, description="Link property of issues that names the group in charge, if the tracker has one"
    )

    @field_validator("roundup_url", "roundup_web_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.startswith(("https://", "http://")) or any(c.isspace() for c in value):
            raise ValueError("must be an address that starts with https:// (or http:// on a private network)")
        return value.rstrip("/")

    @field_validator("roundup_password")
    @classmethod
    def _not_empty(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("must not be empty")
        return value

    @property
    def web_url(self) -> str:
        """The tracker as people and its own request checks know it."""
        return self.roundup_web_url or self.roundup_url
