"""Settings of the installation, from ``DESKHAND_*`` variables or a ``deskhand.env`` file.

Only entry points (``cli``, ``api``, ``worker``, ``demo``, ``migrations/env.py``) read this module;
everything else takes arguments. No secret has a default.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict

from deskhand.kit.nearest import nearest


def default_data_dir() -> Path:
    """Where the embedded mode keeps its files: the user's data directory (XDG Base Directory)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "deskhand"


ROLE_NAMES = frozenset({"platform_admin", "tenant_admin", "operator", "editor", "viewer"})


_A_SLIP = 0.7
_OTHERS = frozenset({"SIMULATOR_KEY"})
"""What a command of ours reads by itself."""


class Settings(BaseSettings):
    """All settings; the reference page is generated from the descriptions."""

    model_config = SettingsConfigDict(env_prefix="DESKHAND_", env_file="deskhand.env", extra="ignore")

    database_url: SecretStr | None = Field(
        None, description="PostgreSQL >= 15 as role deskhand_app, for API and workers. Unset: the embedded server."
    )
    database_platform_url: SecretStr | None = Field(
        None,
        description="PostgreSQL as role deskhand_platform_login, for platform administration by the API and the command"
        " line. Workers do not need it.",
    )
    database_owner_url: SecretStr | None = Field(
        None, description="PostgreSQL as role deskhand_owner, for `deskhand db` alone. Unset: the same as DATABASE_URL."
    )
    # LISTEN belongs to a session, and a proxy that pools transactions has none to give.
    database_direct_url: SecretStr | None = Field(
        None,
        description="As DATABASE_URL but past the PgBouncer in front of it, for LISTEN alone. Unset: "
        "workers behind one look for work once a second.",
    )
    data_dir: Path = Field(
        default_factory=default_data_dir, description="Directory of the embedded server, keys and models."
    )
    pg_bin: Path | None = Field(
        None, description="Directory of the PostgreSQL server's programs for the embedded mode, instead of the wheel's."
    )
    encryption_keys: SecretStr | None = Field(
        None,
        description="Fernet keys, newest first, separated by commas. "
        "Unset: the file encryption.keys of the data directory, which is read again when it changes.",
    )
    tenant_key: SecretStr | None = Field(
        None,
        description="Random text of 32 characters or more, by which API and workers prove to the database which tenant"
        " they work for; `deskhand db upgrade` stores it there. Several, separated by commas: the first one proves."
        " Unset: the file tenant.key of the data directory, if it is there.",
    )
    # Loopback: who opens it to a network has thought of TLS and a proxy in front.
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port the API listens on; 0 picks a free one.")
    public_url: str | None = Field(None, description="Address vendors reach the API at, for webhook URLs.")
    # Off: a tenant names its desk's address, and must not make us call what only we can reach.
    allow_private_addresses: bool = Field(
        False, description="Let tenants' desks live on loopback or private addresses (SSRF guard off)."
    )
    password_sign_in: Literal["all", "break_glass"] = Field(
        "all",
        description="Whose passwords sign in: all, or those of break-glass accounts alone (`deskhand user break-glass`)"
        " where an identity provider signs everybody else in.",
    )
    second_factor_roles: str = Field(
        "",
        description="Roles that nobody has without an authenticator app, separated by commas: tenant_admin, operator,"
        " editor, viewer, platform_admin. Whoever has none is led to set one up before anything else, also after single"
        " sign-on.",
    )
    mcp_commands: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Commands that speak MCP over standard input and output, and that tenants may use as tools: a JSON"
        " object that maps a name to the command and its arguments, the command with its whole path.",
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field("json", description="json, or console for people.")

    http_head_seconds: float = Field(10.0, gt=0, description="Seconds a client may take to send a request's headers.")
    http_body_seconds: float = Field(30.0, gt=0, description="Seconds a client may take to send a request's body.")
    http_keep_alive_seconds: int = Field(
        75,
        ge=1,
        description="Seconds for which a connection that has been answered waits for its next request. More than the"
        " proxy in front keeps its own (nginx and AWS's load balancer: 60), or requests are lost in between.",
    )
    http_connections: int = Field(
        4000, ge=10, description="Open connections of one API process; fewer where it may open fewer files."
    )
    http_connections_per_client: int = Field(
        200, ge=1, description="Open connections, and requests at once, of one client address."
    )
    http_requests_per_key: int = Field(
        6000, ge=0, description="Requests a minute of one key or session, in each API process; 0: any number."
    )
    http_requests_per_address: int = Field(
        6000, ge=0, description="Requests a minute of one client address, webhooks aside; 0: any number."
    )
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Addresses and networks of reverse proxies, separated by commas: their clients are told apart by"
        " X-Forwarded-For, and their own connections are not counted as one client's.",
    )

    llm_base_url: str | None = Field(
        None, description="OpenAI-compatible gateway (LiteLLM proxy, vLLM, ...), up to and with /v1."
    )
    llm_api_key: SecretStr | None = Field(None, description="Key for the gateway.")
    llm_timeout: float = Field(
        120.0,
        gt=0,
        description="Seconds to wait for one model call; not counting its wait in line for the embedded model.",
    )
    llm_is_local: bool = Field(
        False, description="The gateway and its models are in your own house: a tenant's boundaries may ask for that."
    )
    model_path: Path | None = Field(None, description="GGUF file of the embedded model, instead of the pulled one.")
    embedded_model: str = Field("auto", description="auto, or the name of an embedded model (`deskhand models list`).")

    worker_concurrency: int = Field(20, ge=1, description="Executions one worker runs at once.")
    worker_metrics_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of a worker's /metrics and /healthz on HOST; 0 picks one, the log says which.",
    )
    run_timeout: float = Field(120.0, gt=0, description="Seconds one execution may take, from start to note.")
    run_max_steps: int = Field(25, ge=1, description="Model and tool calls one execution may make.")
    run_max_tokens: int = Field(50_000, ge=1, description="Tokens one execution may use.")
    run_max_cost_usd: float = Field(0.50, gt=0, description="Dollars one execution may cost.")

    keep_executions_days: int = Field(
        180, ge=0, le=36_500, description="Days an ended execution is kept with its trace; 0: for ever."
    )
    keep_deliveries_days: int = Field(
        30,
        ge=0,
        le=36_500,
        description="Days a webhook delivery is kept, at least 2 (a redelivery meets its first answer); 0: for ever.",
    )
    keep_schedule_fires_days: int = Field(
        180, ge=0, le=36_500, description="Days it is kept what became of a schedule's times; 0: for ever."
    )

    keep_audit_days: int = Field(
        400, ge=0, le=36_500, description="Days an entry of the audit log is kept, at least 90; 0: for ever."
    )

    @property
    def break_glass_only(self) -> bool:
        """Whether a password opens break-glass accounts alone."""
        return self.password_sign_in == "break_glass"  # noqa: S105 - names a way to sign in

    @field_validator("second_factor_roles")
    @classmethod
    def _are_roles(cls, text: str) -> str:
        # A role with a slip in it would be one that nobody has, and nobody would be asked for anything.
        if unknown := role_names(text) - ROLE_NAMES:
            raise ValueError(f"{', '.join(sorted(unknown))}: no such role; there are {', '.join(sorted(ROLE_NAMES))}")
        return text

    @field_validator("mcp_commands")
    @classmethod
    def _have_whole_paths(cls, commands: dict[str, list[str]]) -> dict[str, list[str]]:
        # Looked up nowhere: no folder of ours, and no PATH, decides which command it is.
        for name, command in commands.items():
            if not command or not Path(command[0]).is_absolute():
                raise ValueError(f"'{name}' must be a list that begins with the whole path of a command")
        return commands

    @field_validator("keep_audit_days")
    @classmethod
    def _keep_a_quarter(cls, days: int) -> int:
        if 0 < days < 90:
            raise ValueError("must be at least 90, or 0 for ever")
        return days

    @field_validator("keep_deliveries_days")
    @classmethod
    def _outlast_redeliveries(cls, days: int) -> int:
        # Vendors send again for up to a day, and a delivery that was forgotten by then would start a second run.
        if days == 1:
            raise ValueError("must be at least 2, or 0 for ever: a vendor's redelivery must meet its first answer")
        return days


def role_names(text: str) -> frozenset[str]:
    """The roles that a setting names."""
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def mistyped_variables() -> list[str]:
    """A sentence for each variable, of the environment or ``deskhand.env``, that is a setting but for a slip.

    Pydantic reads what it knows and says nothing of the rest: a slip in the database's address starts a database of
    our own instead. Names that are like none of ours may be somebody else's.
    """
    prefix = str(Settings.model_config["env_prefix"])
    known = [name.upper() for name in Settings.model_fields]
    sources = (EnvSettingsSource(Settings), DotEnvSettingsSource(Settings))
    present = {name.upper() for source in sources for name in source.env_vars}
    own = sorted(name.removeprefix(prefix) for name in present if name.startswith(prefix))
    meant = {name: nearest(name, known, likeness=_A_SLIP) for name in own if name not in {*known, *_OTHERS}}
    return [
        f"{prefix}{name} is no setting and is ignored; did you mean '{prefix}{close}'?"
        for name, close in meant.items()
        if close is not None
    ]


def load_settings() -> Settings:
    """Read the settings once, at an entry point."""
    return Settings()
