"""Whether the desk has told of a ticket lately, so that a run whose look is young has to look again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from deskhand.intake.second_look import has_news
from deskhand.kit.db.session import Database

RUN, AGENT, TRIGGER = UUID(int=1), UUID(int=7), UUID(int=8)
SEED = (
    "INSERT INTO agents (id, tenant_id, name, status, system_prompt) VALUES (:agent, 'acme', 'a', 'draft', 'p')",
    "INSERT INTO agent_triggers (id, agent_id, tenant_id, trigger_type, hmac_secret)"
    " VALUES (:trigger, :agent, 'acme', 'webhook', 'unused')",
    "INSERT INTO webhook_deliveries (tenant_id, trigger_id, delivery_id, outcome, http_status, tool_type, ticket_ref,"
    " execution_id, received_at) VALUES ('acme', :trigger, 'd', :outcome, 202, :tool, '10017', :run,"
    " clock_timestamp() - make_interval(secs => :seconds))",
)
COMING: list[tuple[dict[str, Any], bool]] = [
    ({"outcome": "ignored"}, True),
    ({"outcome": "accepted", "run": UUID(int=2)}, True),
    ({"run": RUN}, False),
    ({"seconds": 30}, False),
    ({"tool": "zendesk"}, False),
]


@pytest.mark.parametrize(("said", "told"), COMING, ids=[str(said) for said, _ in COMING])
async def test_what_came_since_is_news_unless_the_run_began_with_it(
    clean_db: Database, make_tenant: Any, said: dict[str, Any], told: bool
) -> None:
    await make_tenant("acme")
    values = {
        "agent": AGENT,
        "trigger": TRIGGER,
        "outcome": "coalesced",
        "tool": "jira",
        "run": None,
        "seconds": 0,
        **said,
    }
    async with clean_db.tenant_session("acme") as session:
        for statement in SEED:
            await session.execute(text(statement), {key: one for key, one in values.items() if f":{key}" in statement})
    for ticket_id, expected in (("10017", told), ("10018", False)):
        asked = has_news(clean_db, "acme", ("jira", ticket_id), within=timedelta(seconds=10), besides=RUN)
        assert await asked is expected
