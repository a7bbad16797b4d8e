"""``deskhand serve``."""

from __future__ import annotations

from functools import partial

import typer
import uvicorn

from deskhand.api import ApiConfig, create_app
from deskhand.appstate import SignInRules
from deskhand.cli.common import check_login, opened_installation, read_settings, run, start_logging
from deskhand.kit.edge import EdgeLimits, guarded
from deskhand.kit.parent import end_with_parent
from deskhand.llm.embedded.server import read_endpoint
from deskhand.settings import Settings, role_names

app = typer.Typer()


@app.callback()
def main() -> None:
    """The API process."""


@app.command()
def serve() -> None:
    """Run the API and the console."""
    end_with_parent()
    settings = read_settings()
    start_logging(settings)
    with opened_installation() as installation:
        config = ApiConfig(
            database_url=installation.database_url,
            platform_url=installation.platform_url,
            prover=installation.prover,
            encryption_keys=installation.encryption_keys,
            reread_keys=installation.reread_keys,
            public_url=installation.public_url,
            allow_private_addresses=settings.allow_private_addresses,
            mcp_commands=settings.mcp_commands,
            llm_base_url=settings.llm_base_url,
            sign_in_rules=SignInRules(
                break_glass_only=settings.break_glass_only,
                second_factor_roles=role_names(settings.second_factor_roles),
            ),
            llm_api_key=settings.llm_api_key.get_secret_value() if settings.llm_api_key else None,
            embedded=partial(read_endpoint, installation.model_state_file),
        )
        limits = edge_limits(settings)
        application = create_app(config, limits)
        run(check_login(installation))  # again in the lifespan, where a refusal would be a traceback
        uvicorn.run(
            application,
            host=settings.host,
            port=settings.port,
            http=guarded(limits),
            ws="none",
            forwarded_allow_ips=settings.trusted_proxies,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=settings.http_keep_alive_seconds,
            timeout_graceful_shutdown=10,
        )


def edge_limits(settings: Settings) -> EdgeLimits:
    """What one client may cost, by the settings."""
    return EdgeLimits(
        head_seconds=settings.http_head_seconds,
        body_seconds=settings.http_body_seconds,
        connections=settings.http_connections,
        per_client=settings.http_connections_per_client,
        key_minute=settings.http_requests_per_key,
        address_minute=settings.http_requests_per_address,
        trusted_proxies=[proxy.strip() for proxy in settings.trusted_proxies.split(",") if proxy.strip()],
    )
