"""Shapes of API keys and of signing in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from deskhand.access.limits import LIMIT, Limit
from deskhand.access.principal import Role
from deskhand.kit.schema import NOT_BLANK, InputModel, Instant

KeyName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255),
    Field(json_schema_extra=NOT_BLANK),
]


class ApiKeyCreate(InputModel):
    """A new key for a machine."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "deployment pipeline", "role": "editor", "expires_at": "2027-01-01T00:00:00Z"}]
        }
    )

    name: KeyName = Field(description="What the key is for.")
    role: Role = Field(description="What its holder may do.")
    companies: Limit = Field(None, description=LIMIT)
    expires_at: Instant | None = Field(None, description="When it stops working; never, if left out.")

    @field_validator("expires_at")
    @classmethod
    def _in_the_future(cls, value: datetime | None) -> datetime | None:
        if value is not None and value <= datetime.now(UTC):
            raise ValueError("must lie in the future")
        return value


class ApiKeyResponse(BaseModel):
    """A key as it is listed: everything but the key."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    tenant_id: str
    name: str
    prefix: str = Field(description="First characters of the key, enough to recognise it.")
    role: Role
    companies: list[str] | None = Field(description="Companies it is limited to; null for everything of the tenant.")
    created_at: datetime
    created_by: str | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="When it was used last, to the minute; null for never.")


class ApiKeyCreated(ApiKeyResponse):
    """A key at the only time it is shown."""

    model_config = ConfigDict(from_attributes=True)

    api_key: str = Field(description="The key itself. It is stored as a hash only and cannot be shown again.")


class SignInToken(BaseModel):
    """A token that signs a person in to the console, once."""

    token: str = Field(description="Usable once at `POST /login`.")
    url: str = Field(description="Page to open in a browser.")
    expires_at: datetime
