"""Whom a person or a key is limited to: the client companies of a tenant whose runs and tickets it may see.

A member of a tenant sees every company; one that is limited sees what runs did for those that its membership names.
So the session says whom it is limited to, and restrictive policies keep every other run's rows from it, whatever query
somebody writes. It only narrows what the tenant's policies show already, and needs no proof: a session that says
nothing is the product's own, or an unlimited member's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

LIMIT_SETTING = "app.limited_to"

_UNLIMITED = f"COALESCE((SELECT current_setting('{LIMIT_SETTING}', true)), '') = ''"
_BY_COMPANY = f"{_UNLIMITED} OR (tool_type || ':' || company_id) = ANY ((SELECT session_limit())::text[])"


# The policy of run_companies holds inside it, so that a run of another company is not there.
_BY_RUN = "EXISTS (SELECT 1 FROM run_companies c WHERE c.tenant_id = <table>.tenant_id AND c.execution_id = <run>)"


def _by_run(table: str, column: str = "execution_id") -> str:
    return f"{_UNLIMITED} OR {_BY_RUN}".replace("<run>", f"{table}.{column}").replace("<table>", table)


OF_RUNS = (
    "alert_conditions",
    "approvals",
    "cost_corrections",
    "execution_steps",
    "lab_cases",
    "model_spending",
    "schedule_fires",
    "storm_reports",
    "ticket_storms",
    "webhook_deliveries",
)
"""Tables whose rows belong to a run that they name; a test finds them by their column."""

LIMIT_CONDITIONS: Mapping[str, str] = {
    "run_companies": _BY_COMPANY,
    "desk_companies": _BY_COMPANY,
    "agent_executions": _by_run("agent_executions", "id"),
    **{table: _by_run(table) for table in OF_RUNS},
}
"""By table, what its policy says; `deskhand doctor` compares it with the catalog."""


def limit_text(companies: Iterable[str]) -> str:
    """A limit as its setting holds it, also of one that names nobody and sees nothing.

    Args:
        companies: ``<desk>:<the desk's id of the company>`` each.
    """
    return json.dumps(list(companies))
