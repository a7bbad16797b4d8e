"""Shapes of people and of the forms they fill in."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from deskhand.access.limits import LIMIT, Limit
from deskhand.access.principal import Role
from deskhand.kit.schema import InputModel

# The form HTML gives an email field (https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address).
EMAIL_PATTERN = r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$"
EmailAddress = Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=EMAIL_PATTERN)]
ROLE_WORDS = {
    "viewer": "sees everything, changes nothing",
    "operator": "runs, retries and approves",
    "editor": "changes agents and knowledge",
    "tenant_admin": "all of that, and people and keys",
}
"""What each role may do, for people who choose one."""
PersonName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class PersonInvite(InputModel):
    """A person to let into the tenant."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"email": "ann@example.com", "name": "Ann Lee", "role": "operator"}]}
    )

    email: EmailAddress = Field(description="What the person signs in with.")
    name: PersonName | None = Field(None, description="What colleagues call the person.")
    role: Role = Field(description="What the person may do in this tenant.")
    companies: Limit = Field(None, description=LIMIT)


class PersonChange(InputModel):
    """Another role in the tenant, or other companies that the person is limited to; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "viewer"}]})

    role: Role | None = Field(None, description="What the person may do in this tenant from now on.")
    companies: Limit = Field(None, description=f"{LIMIT} Null takes the limit away.")


class PersonResponse(BaseModel):
    """A person as a member of the tenant."""

    id: UUID
    email: str
    name: str | None
    role: Role
    companies: list[str] | None = Field(description="Companies that the person is limited to; null for all.")
    is_active: bool = Field(description="Whether the account may sign in at all.")
    has_password: bool = Field(description="False until the person has used the link of the invitation.")
    has_second_factor: bool = Field(description="Whether signing in asks for a code of the person's authenticator app.")
    member_since: datetime
    last_sign_in_at: datetime | None


class PasswordLinkResponse(BaseModel):
    """A link for the person, which works once."""

    url: str = Field(description="Page to open in a browser. It is shown this once; hand it over yourself.")
    expires_at: datetime


class PersonInvited(PersonResponse):
    """A person who was let in."""

    link: PasswordLinkResponse = Field(description="The link that sets the new account's password.")


class InvitationResponse(BaseModel):
    """Somebody with an account who was asked into the tenant, and belongs to it once the answer is yes."""

    id: UUID
    email: str
    role: Role = Field(description="What the person may do in this tenant after saying yes.")
    companies: list[str] | None = Field(description="Companies that the person will be limited to; null for all.")
    created_at: datetime
    created_by: str = Field(description="Who invited.")
    expires_at: datetime


class InvitationMade(InvitationResponse):
    """A person who was asked."""

    link: PasswordLinkResponse = Field(
        description="The link that accepts, for whoever is signed in to the account. It sets no password."
    )
