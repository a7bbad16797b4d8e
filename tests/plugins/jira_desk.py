"""A simulated Jira site and a plugin on it, for the tests of the Jira desk."""

from __future__ import annotations

from typing import Any

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.base import DeskContext
from deskhand.plugins.jira import JiraPlugin
from deskhand.plugins.jira.config import JiraConfig
from deskhand.plugins.jira.sim_world import account_id
from deskhand.plugins.jira.simulator import JiraSimulator
from deskhand.plugins.testing import TEST_HTTP
from deskhand.plugins.testing.contract import NOW

TOKEN = "ATATT3xFfGF0-simulated"


def make_simulator(**options: Any) -> JiraSimulator:
    return JiraSimulator(api_key=TOKEN, now=NOW, **options)


def reset(simulator: JiraSimulator) -> None:
    """Empty; the clock stands at the contract's time, because an event's own time is checked against it."""
    simulator.reset()
    simulator.clock.freeze(NOW)


def make_plugin(simulator: JiraSimulator, url: str, *, http: HttpClientFactory = TEST_HTTP, **extra: Any) -> JiraPlugin:
    values = {
        "jira_url": url,
        "jira_api_token": TOKEN,
        "jira_project_key": simulator.project,
        "jira_email": simulator.store.bot.email,
        "jira_account_id": account_id(simulator.store.bot),
        **extra,
    }
    return JiraPlugin(JiraConfig.model_validate(values), DeskContext(http=http))
