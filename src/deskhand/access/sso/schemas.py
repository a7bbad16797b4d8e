"""Shapes of identity providers. A client secret goes in and never comes out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, WithJsonSchema

from deskhand.access.principal import Role
from deskhand.kit.schema import InputModel

MAX_RULES = 500
MAX_DOMAINS = 100
DEFAULT_SCOPES = "openid email profile"


ProviderName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"),
]
# A query or a fragment is not allowed in it (Discovery, section 3), and a name or password would be shown to everybody.
Issuer = Annotated[
    str,
    StringConstraints(
        max_length=500,
        pattern=r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?$",
    ),
]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[ -~]+$")]
ClientSecret = Annotated[SecretStr, Field(min_length=1, max_length=2000)]
Scopes = Annotated[str, StringConstraints(max_length=500, pattern=r"^([!#-\[\]-~]+ )*openid( [!#-\[\]-~]+)*$")]
ClaimName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[!-~]+$")]
GroupName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
Domain = Annotated[
    str,
    StringConstraints(
        min_length=1,
        max_length=253,
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$",
    ),
]
TenantName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[a-z0-9][a-z0-9-]*$")]
NAME_HELP = "What the button on the sign-in page says, after “Sign in with”."
RULES_HELP = "Of the rules whose group a person has, the first one decides; without any, the person has no access."


class RoleRule(InputModel):
    """Who has the group has the role, in the tenant that owns the provider."""

    group: GroupName = Field(description="As the provider sends it: a name, or an id such as Entra's object id.")
    role: Role = Field(description="What its people may do.")


class InstallationRule(InputModel):
    """Who has the group has the role in the named tenant, or administers the platform."""

    group: GroupName = Field(description="As the provider sends it: a name, or an id such as Entra's object id.")
    role: Role | Literal["platform_admin"] = Field(description="What its people may do.")
    tenant_id: TenantName | None = Field(None, description="Where; left out for platform_admin alone.")


def check_installation_rules(rules: list[InstallationRule]) -> list[InstallationRule]:
    """Each rule names a tenant, or none for platform_admin.

    Raises:
        ValueError: One does not.
    """
    for number, rule in enumerate(rules):
        if (rule.role == "platform_admin") != (rule.tenant_id is None):
            raise ValueError(
                f"rule {number + 1} must name a tenant_id, or have the role platform_admin and no tenant_id"
            )
    return rules


TenantRules = Annotated[list[RoleRule], Field(min_length=1, max_length=MAX_RULES, description=RULES_HELP)]
InstallationRules = Annotated[
    list[InstallationRule],
    Field(min_length=1, max_length=MAX_RULES, description=RULES_HELP.replace("the first", "for each tenant the first")),
    AfterValidator(check_installation_rules),
]
Domains = Annotated[
    list[Domain],
    Field(
        max_length=MAX_DOMAINS,
        description="Domains of email addresses that the provider may vouch for: an account that exists already is"
        " only connected if its address is in one of them and the provider says that it is verified.",
    ),
]
VOUCHES_HELP = (
    "Whether no second factor of Deskhand's is asked of whoever signs in with it while the ID token's `amr` has `mfa`."
    " Only for a provider of the installation."
)


def refuse_of_tenant(value: bool) -> bool:
    """A tenant's own provider is its administrator's, who could say of anybody that a second factor was shown.

    Raises:
        ValueError: It is to be trusted all the same.
    """
    if value:
        raise ValueError(
            "can be set by a platform administrator for a provider of the installation alone; whoever signs in with a"
            " tenant's own provider is asked for the second factor here"
        )
    return value


# Named in the document and refused in words: somebody who tries it should read why, and not that the field is unknown.
NotOfTenant = Annotated[
    bool, AfterValidator(refuse_of_tenant), WithJsonSchema({"type": "boolean", "const": False, "description": "False."})
]
_EXAMPLE: dict[str, Any] = {
    "name": "Acme",
    "issuer": "https://login.example.com",
    "client_id": "deskhand",
    "client_secret": "the secret that the provider shows",
    "role_rules": [{"group": "Service desk", "role": "operator"}],
    "email_domains": ["example.com"],
}


class _New(InputModel):
    name: ProviderName = Field(description=NAME_HELP)
    issuer: Issuer = Field(description="Exactly as the provider writes it; its discovery document is looked up there.")
    client_id: ClientId = Field(description="By which the provider knows this installation.")
    client_secret: ClientSecret = Field(description="Stored encrypted and never shown.")
    scopes: Scopes = Field(DEFAULT_SCOPES, description="What is asked for; openid is always among it.")
    groups_claim: ClaimName = Field("groups", description="The claim that lists a person's groups.")
    email_domains: Domains = Field(default_factory=list)
    is_active: bool = Field(True, description="Whether people can sign in with it.")


class ProviderCreate(_New):
    """A tenant's own identity provider."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    role_rules: TenantRules
    vouches_for_second_factor: NotOfTenant = False


class InstallationProviderCreate(_New):
    """An identity provider of the installation."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {**_EXAMPLE, "role_rules": [{"group": "Acme desk", "role": "operator", "tenant_id": "acme-corp"}]}
            ]
        }
    )

    role_rules: InstallationRules
    vouches_for_second_factor: bool = Field(False, description=VOUCHES_HELP)


class _Change(InputModel):
    """What is left out stays. The issuer stays for good: another one is another provider."""

    name: ProviderName | None = Field(None, description=NAME_HELP)
    client_id: ClientId | None = None
    client_secret: ClientSecret | None = Field(None, description="A new one; left out, the stored one stays.")
    scopes: Scopes | None = None
    groups_claim: ClaimName | None = None
    email_domains: Domains | None = None
    is_active: bool | None = Field(None, description="False ends every session that it opened.")


class ProviderChange(_Change):
    """Changes to a tenant's own identity provider."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Acme staff"}]})

    role_rules: TenantRules | None = None
    vouches_for_second_factor: NotOfTenant | None = None


class InstallationProviderChange(_Change):
    """Changes to an identity provider of the installation."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_active": False}]})

    role_rules: InstallationRules | None = None
    vouches_for_second_factor: bool | None = Field(None, description=VOUCHES_HELP)


class RuleResponse(BaseModel):
    """Which group gives which role."""

    group: str
    role: str
    tenant_id: str | None = Field(None, description="Where; null in the provider's own tenant, and for platform_admin.")


class ProviderResponse(BaseModel):
    """An identity provider, without its secret."""

    id: UUID
    name: str
    issuer: str
    client_id: str
    scopes: str
    groups_claim: str
    role_rules: Sequence[RuleResponse]
    email_domains: Sequence[str]
    is_active: bool
    vouches_for_second_factor: bool = Field(description=VOUCHES_HELP)
    redirect_uri: str = Field(description="To enter at the provider, as where it may send people back to.")
    sign_in_url: str = Field(description="The sign-in page with this provider's button, to hand out.")
    sign_out_url: str = Field(description="To enter at the provider, as where people may come back to after sign-out.")
    created_at: datetime
    updated_at: datetime
