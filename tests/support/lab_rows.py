"""A run of the lab and a test case that are there, for tests that need one to look at."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import select

from deskhand.agents.models import AgentVersion
from deskhand.kit.db.session import Database
from deskhand.lab.models import LabCase, LabRun, TestCase
from deskhand.lab.running import compared
from deskhand.plugins.contract import Ticket

AS_OF = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
EXPECTED: dict[str, Any] = {"fields": {"category": ["Network"]}, "solution": ["KB-1"], "reopened": None}
TOOK = 2_100


class HasAgents(Protocol):
    """A world of a test that makes agents."""

    @property
    def api(self) -> Any: ...
    async def new_agent(self, *steps: str) -> dict[str, str]: ...


def ticket_of(tool_type: str, number: str = "1042", subject: str = "VPN drops") -> dict[str, Any]:
    """A ticket as a run's journal has it."""
    ticket = Ticket(tool_type=tool_type, id=number, display_id=number, subject=subject, created_at=AS_OF)
    kept: dict[str, Any] = to_jsonable_python(ticket)
    return kept


async def kept_ticket(
    db: Database, tenant_id: str, agent_id: str, tool_type: str = "servicedesk_plus", subject: str = "VPN drops"
) -> str:
    """The id of a new test case."""
    async with db.tenant_session(tenant_id) as session:
        test = TestCase(
            tenant_id=tenant_id, agent_id=UUID(agent_id), name=f"About {subject}", tool_type=tool_type,
            ticket_ref="1042", number="1042", ticket=ticket_of(tool_type, subject=subject), as_of=AS_OF,
            expected=EXPECTED, created_by="tests",
        )  # fmt: skip
        session.add(test)
        await session.flush()
        return str(test.id)


async def lab_rows(
    db: Database, tenant_id: str, agent_id: str, *verdicts: dict[str, str], state: str = "running", version: int = 1,
    subject: str = "VPN drops",
) -> str:  # fmt: skip
    """The id of a new run of the lab, with one compared ticket for each of some verdicts, and one that waits."""
    async with db.tenant_session(tenant_id) as session:
        query = select(AgentVersion.id).where(
            AgentVersion.agent_id == UUID(agent_id), AgentVersion.version_number == version
        )
        run = LabRun(
            tenant_id=tenant_id, agent_id=UUID(agent_id), agent_version_id=await session.scalar(query),
            version_number=version, tool_type="servicedesk_plus", state=state, parallel=2, max_cost_usd=Decimal(5),
            started_by="tests", comparison={}, ended_at=None if state == "running" else datetime.now(UTC),
        )  # fmt: skip
        session.add(run)
        await session.flush()
        common = {"tenant_id": tenant_id, "lab_run_id": run.id, "ticket_ref": "1042", "number": "1042"}
        cases = [
            LabCase(
                **common, place=place, subject=subject, state="compared", as_of=AS_OF, truth=EXPECTED,
                outcome={"said": {"category": "Hardware"}, "cited": ["INV-1"], "verdicts": one},
                cost_usd=Decimal("0.01"), took_ms=TOOK, is_wrong="wrong" in one.values(),
            )
            for place, one in enumerate(verdicts)
        ]  # fmt: skip
        if state == "running":
            cases.append(LabCase(**common, place=len(cases), subject=subject, state="waiting", is_wrong=False))
        session.add_all(cases)
        run.comparison = compared(cases)
        return str(run.id)


async def agent_with_test(world: HasAgents) -> dict[str, str]:
    """An agent of its own, with a test case."""
    ids = await world.new_agent()
    return {**ids, "test_case_id": await kept_ticket(world.api.db, "acme", ids["agent_id"])}


async def standing_lab(world: HasAgents) -> dict[str, str]:
    """A run of the lab that goes on, of an agent of its own."""
    ids = await world.new_agent()
    return {**ids, "lab_run_id": await lab_rows(world.api.db, "acme", ids["agent_id"])}


def kept_by_api(ids: Mapping[str, str]) -> dict[str, Any]:
    """What is sent to keep a run's ticket."""
    return {"execution_id": ids["execution_id"], "name": "VPN", "expected": {"category": "Network"}}
