"""``deskhand serve``."""

from __future__ import annotations

import typer
import uvicorn

from deskhand.api import ApiConfig, create_app
from deskhand.cli.common import check_login, installation, run, settings, start_logging
from deskhand.kit.parent import end_with_parent

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
        application = create_app(config)
        run(check_login(found.database_url))  # again in the lifespan, where a refusal would be a traceback
        uvicorn.run(
            application,
            host=given.host,
            port=given.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=10,
        )
