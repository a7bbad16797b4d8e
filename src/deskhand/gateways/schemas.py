"""Shapes of connections to models over HTTP. A key goes in and never comes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from deskhand.gateways.models import ConnectionKind
from deskhand.kit.db.base import TENANT_ID_LENGTH
from deskhand.kit.schema import NOT_BLANK, InputModel, storable_text

SLUG = "^[a-z][a-z0-9-]{0,39}$"
MOST_ALIASES = 100
_ADDRESS = r"^https?://[A-Za-z0-9\[]([A-Za-z0-9.:\]-]*[A-Za-z0-9\]])?(/[A-Za-z0-9._~/-]*)?$"
_WITH_ADDRESS = (ConnectionKind.OPENAI_COMPATIBLE, ConnectionKind.LITELLM_PROXY)


def _visible(value: SecretStr) -> SecretStr:
    if not all("!" <= char <= "~" for char in value.get_secret_value()):
        raise ValueError("must be of visible ASCII characters without spaces, which a header can carry")
    return value


def _callable(value: str) -> str:
    # A port that is none shows only when it is asked for.
    try:
        _ = urlsplit(value).port
    except ValueError as error:
        raise ValueError("must be an address whose port, if it names one, is a number up to 65535") from error
    return value


Slug = Annotated[str, StringConstraints(pattern=SLUG)]
Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(storable_text),
    Field(description="Name for people.", json_schema_extra=NOT_BLANK),
]
Address = Annotated[str, StringConstraints(max_length=500, pattern=_ADDRESS), AfterValidator(_callable)]
Key = Annotated[
    SecretStr,
    Field(min_length=1, max_length=4_000, json_schema_extra={"pattern": "^[!-~]+$"}),
    AfterValidator(_visible),
]
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Aliases = Annotated[dict[ModelName, ModelName], Field(max_length=MOST_ALIASES)]
Region = Annotated[str, StringConstraints(strip_whitespace=True, max_length=60), AfterValidator(storable_text)]
TenantIds = Annotated[
    list[Annotated[str, StringConstraints(pattern="^[a-z0-9][a-z0-9-]*$", max_length=TENANT_ID_LENGTH)]],
    Field(max_length=1_000),
]

_ALIASES = "What a model's name stands for here: agents may name the left one, the right one is asked for."
_LOCAL = "Its models run in your own house, so that tickets that no other model may read can go to it."
_REGION = "Where its models run, in your own words (`EU`, `us-east-1`); each run says to which its text went."
_DEFAULT = "Agents that name no connection use it."
_TENANTS = "For the platform: the tenants that may use it; null lets all."


class NewConnection(InputModel):
    """A connection to models: with a tenant's key its own, with a platform key one that tenants share."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": "house",
                    "kind": "litellm_proxy",
                    "name": "Our LiteLLM",
                    "base_url": "https://llm.example.com/v1",
                    "api_key": "sk-the-virtual-key",
                    "aliases": {"claude-3-5-sonnet": "claude-sonnet-4-5"},
                    "is_default": True,
                }
            ]
        }
    )

    slug: Slug = Field(description="Its short name: agents name it in `llm_config.connection`.")
    kind: ConnectionKind = Field(
        description="`openai_compatible`: any gateway that speaks it; `litellm_proxy`; `embedded`: the model on this"
        " machine; `litellm_sdk`: vendors without a gateway, for the platform alone."
    )
    name: Name
    base_url: Address | None = Field(None, description="Up to and with `/v1`.")
    api_key: Key | None = Field(None, description="Stored encrypted, and never shown.")
    aliases: Aliases = Field(default_factory=dict, description=_ALIASES)
    is_local: bool = Field(False, description=_LOCAL)
    region: Region = Field("", description=_REGION)
    is_default: bool = Field(False, description=_DEFAULT)
    tenants: TenantIds | None = Field(None, description=_TENANTS)

    @model_validator(mode="after")
    def _complete(self) -> NewConnection:
        if self.slug == INSTALLATION:
            raise ValueError(f"'{INSTALLATION}' is what agents call the installation's own settings; take another slug")
        if fault := fault_of(self.kind, self.base_url, has_key=self.api_key is not None):
            raise ValueError(fault)
        return self


INSTALLATION = "installation"
"""What agents call the way that the installation's settings lead; no connection may have this slug."""


def fault_of(kind: ConnectionKind, base_url: str | None, *, has_key: bool) -> str:
    """What a connection of this kind lacks or cannot have; empty if nothing."""
    if kind in _WITH_ADDRESS and base_url is None:
        return f"base_url is needed: a connection of the kind '{kind.value}' is a server's address, up to and with /v1"
    if kind is ConnectionKind.EMBEDDED and (base_url is not None or has_key):
        return "base_url and api_key do not belong to the kind 'embedded': that model runs on this machine"
    return ""


class ConnectionChange(InputModel):
    """What is to be different; what is left out stays, the key too."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"aliases": {"gpt-4": "gpt-4o"}}]})

    name: Name | None = None
    base_url: Address | None = Field(None, description="At another host only together with a new `api_key`.")
    api_key: Key | None = Field(None, description="A new one; null takes the stored one away.")
    aliases: Aliases | None = Field(None, description=_ALIASES)
    is_local: bool | None = Field(None, description=_LOCAL)
    region: Region | None = Field(None, description=_REGION)
    is_default: bool | None = Field(None, description=_DEFAULT)
    tenants: TenantIds | None = Field(None, description=_TENANTS)

    @model_validator(mode="after")
    def _no_nothing(self) -> ConnectionChange:
        for name in ("name", "base_url", "aliases", "is_local", "region", "is_default"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} must have a value; leave it out to keep it")
        return self


class ConnectionView(BaseModel):
    """A connection to models, without its key."""

    slug: str
    kind: ConnectionKind
    name: str
    by_platform: bool = Field(description="The platform's, which alone may change it.")
    base_url: str | None = Field(description="Of the platform's, for the platform alone.")
    has_key: bool
    aliases: dict[str, str]
    is_local: bool
    region: str
    is_default: bool
    tenants: list[str] | None = Field(description="For the platform: who may use it; null is all.")
    listed_models: list[str] = Field(description="What its gateway listed when it was tested last.")
    checked_at: datetime | None = Field(description="When it was tested last.")
    check_fault: str | None = Field(description="What was wrong then.")
    created_at: datetime
    updated_at: datetime


class ConnectionTrial(InputModel):
    """How to test a connection."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"model": "gpt-4o"}]})

    model: ModelName | None = Field(None, description="Ask this model for one word too, which costs a few tokens.")


class ConnectionCheck(BaseModel):
    """One thing that was looked at."""

    name: str = Field(description="`key`, `models`, `alias`, `chat` or `library`.")
    ok: bool
    detail: str = Field(description="What was found, or exactly what is wrong.")


class ConnectionReport(BaseModel):
    """What a test of a connection found."""

    ok: bool
    checks: list[ConnectionCheck]
    listed_models: list[str] | None = Field(description="What the gateway lists; null if it could not be asked.")
