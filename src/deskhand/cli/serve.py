"""``deskhand serve``."""

from __future__ import annotations

import typer
import uvicorn

from deskhand.api import ApiConfig, create_app
from deskhand.cli.common import check_login, installation, run, settings, start_logging
from deskhand.kit.edge import EdgeLimits, guarded
from deskhand.kit.parent import end_with_parent
from deskhand.settings import Settings

app = typer.Typer()


@app.callback()
def main() -> None:
    """The API process."""


@app.command()
def serve() -> None:
    """Run the API and the console."""
    end_with_parent()
    given = settings()
    start_logging(given)
    with installation() as found:
        config = ApiConfig(
            database_url=found.database_url,
            encryption_keys=found.encryption_keys,
            reread_keys=found.reread_keys,
            public_url=found.public_url,
            allow_private_addresses=given.allow_private_addresses,
            llm_base_url=given.llm_base_url,
            llm_api_key=given.llm_api_key.get_secret_value() if given.llm_api_key else None,
        )
        limits = edge_limits(given)
        application = create_app(config, limits)
        run(check_login(found.database_url))  # again in the lifespan, where a refusal would be a traceback
        uvicorn.run(
            application,
            host=given.host,
            port=given.port,
            http=guarded(limits),
            ws="none",
            forwarded_allow_ips=given.trusted_proxies,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
        )


def edge_limits(given: Settings) -> EdgeLimits:
    """What one client may cost, by the settings."""
    return EdgeLimits(
        head_seconds=given.http_head_seconds,
        body_seconds=given.http_body_seconds,
        connections=given.http_connections,
        per_client=given.http_connections_per_client,
        trusted_proxies=[proxy.strip() for proxy in given.trusted_proxies.split(",") if proxy.strip()],
    )
