"""A simulated Jira site and a plugin on it, for the tests of the Jira desk."""

from __future__ import annotations

from typing import Any

from tests.plugins.vendor_spec import Allowance, Exchange

from deskhand.kit.http import HttpClientFactory
from deskhand.plugins.contract import DeskContext
from deskhand.plugins.jira import JiraPlugin
from deskhand.plugins.jira.config import JiraConfig
from deskhand.simulators.jira.simulator import JiraSimulator
from deskhand.simulators.jira.world import account_id
from deskhand.simulators.testing import TEST_HTTP
from deskhand.simulators.testing.contract import NOW

TOKEN = "ATATT3xFfGF0-simulated"
PLATFORM_SPEC = "jira-platform-v3.2025-12.json"
SERVICE_DESK_SPEC = "jsm-servicedeskapi.2025-10.json"
GATEWAY = "/ex/jira/[^/]+"
ALLOWANCES = [
    Allowance(
        r"status (401|403|404|409|429) is not documented",
        "put in by the failure table on every operation; the vendor's pages on limits and security name them once for"
        " all, its document names them here and there",
    ),
    Allowance(
        r"assignee: request /accountId: None is not of type",
        "the operation's own description says that null unassigns; the schema of the body forgets it",
    ),
    Allowance(
        r"attachment/content/\{id\}: answer 200 has a body where none is documented",
        "the operation's own description says that it returns the contents; its answer names no media type",
    ),
    Allowance(r"issue/x/\.\./\d+: not in", "an id made to leave its place in the address; the simulator refuses it"),
]
FAULTS = {412, 500, 503}


def is_fault(exchange: Exchange) -> bool:
    """True for answers that stand for a broken way to the desk: cut off, a login page, statuses Jira never gives."""
    return exchange.status in FAULTS or exchange.response_type == "text/html" or exchange.response == b"{"


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
