"""Tickets kept as test cases: as a run once read them, with what is expected of the agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.access.principal import Principal
from deskhand.agents.service import AgentService
from deskhand.audit import service as audit
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from deskhand.kit.crypto import SecretBox
from deskhand.lab import repository
from deskhand.lab.comparing import Said, said_in
from deskhand.lab.models import TestCase
from deskhand.lab.past import TICKET
from deskhand.lab.schemas import Expected, NewTestCase, TestCaseView
from deskhand.plugins.registry import PluginManager

MOST_TEST_CASES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A run that may be kept as a test case: the ticket that it read, if it read one, and what it said."""

    agent_id: UUID
    subject: str | None
    number: str | None
    said: Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What is kept in one tenant.

    Attributes:
        session: A tenant session.
        secrets: Decrypts the tenant's connections.
        plugins: Registered desks.
        principal: Who asks.
    """

    session: AsyncSession
    secrets: SecretBox
    plugins: PluginManager
    principal: Principal

    async def keep(self, agent_id: UUID, wanted: NewTestCase) -> TestCaseView:
        """Keep a ticket as a run of the agent read it, with what is expected of the agent.

        Raises:
            NotFoundError: There is no such agent.
            InvalidInputError: The run is not one of this agent, or has read no ticket.
            ConflictError: The agent has as many test cases as it may have.
        """
        await self.agents.get_agent(agent_id)
        found = await repository.own_ticket_of(self.session, wanted.execution_id)
        if found is None or found[0].agent_id != agent_id or "refused" in found[1]:
            raise invalid("/execution_id", "this agent has no such run that read a ticket")
        execution, raw = found
        if len(await repository.kept_of(self.session, agent_id)) >= MOST_TEST_CASES:
            raise ConflictError(f"An agent has {MOST_TEST_CASES} test cases at most; remove one first.")
        ticket = TICKET.validate_python(raw)
        case = await repository.case_of_execution(self.session, execution.id)
        # A run of the lab took place at another time, and so does what is kept of it.
        as_of = case[0].as_of if case is not None and case[0].as_of else execution.started_at
        test = TestCase(
            id=uuid4(),
            tenant_id=self.tenant,
            agent_id=agent_id,
            name=wanted.name,
            tool_type=ticket.tool_type,
            ticket_ref=ticket.id,
            number=ticket.display_id,
            ticket=raw,
            as_of=as_of,
            expected=wanted.expected.as_truth(),
            created_by=self.principal.actor[:255],
        )
        await repository.add(self.session, test)
        await self.session.refresh(test)
        await self._record_test("test_case.create", test, after={"expected": test.expected})
        return test_view(test)

    async def read(self, execution_id: UUID) -> Read:
        """What a run has read and said, for the form by which its ticket is kept.

        Raises:
            NotFoundError: There is no such run.
        """
        execution = await repository.find_execution(self.session, execution_id)
        if execution is None:
            raise NotFoundError(f"There is no execution {execution_id}.")
        found = await repository.own_ticket_of(self.session, execution_id)
        ticket = found[1] if found and "refused" not in found[1] else {}
        said = said_in(execution.output_result, await repository.intents_of(self.session, execution_id))
        return Read(
            agent_id=execution.agent_id,
            subject=ticket.get("subject"),
            number=ticket.get("display_id"),
            said=said,
        )

    async def test_cases(self, agent_id: UUID) -> list[TestCaseView]:
        """An agent's test cases, newest first.

        Raises:
            NotFoundError: There is no such agent.
        """
        await self.agents.get_agent(agent_id)
        return [test_view(one) for one in await repository.kept_of(self.session, agent_id)]

    async def remove(self, test_case_id: UUID) -> UUID:
        """Remove a test case with the ticket that it keeps; runs of the lab that it was part of stay.

        Returns:
            The agent whose it was.

        Raises:
            NotFoundError: There is none of that id.
        """
        test = await repository.find_test_case(self.session, test_case_id)
        if test is None or not await repository.delete_test_case(self.session, test_case_id):
            raise NotFoundError(f"There is no test case {test_case_id}.")
        await self._record_test("test_case.delete", test, before={"expected": test.expected})
        return test.agent_id

    @property
    def tenant(self) -> str:
        """Whose lab it is."""
        assert self.principal.tenant_id is not None  # the guard asked for a role in a tenant
        return self.principal.tenant_id

    @property
    def agents(self) -> AgentService:
        """The tenant's agents."""
        return AgentService(
            self.session,
            tenant_id=self.tenant,
            actor=self.principal.actor,
            secrets=self.secrets,
            plugins=self.plugins,
        )

    async def _record_test(
        self,
        operation: str,
        test: TestCase,
        *,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        await audit.record(
            self.session,
            tenant_id=self.tenant,
            actor=self.principal.actor,
            operation=operation,
            resource_type="test_case",
            resource_id=test.id,
            before=before,
            after=after,
            details={"agent_id": str(test.agent_id), "name": test.name, "ticket_ref": test.ticket_ref},
        )


def test_view(test: TestCase) -> TestCaseView:
    """One test case, for people."""
    fields = {name: words[0] for name, words in test.expected["fields"].items()}
    names = ("id", "agent_id", "name", "tool_type", "ticket_ref", "number", "as_of", "created_by", "created_at")
    return TestCaseView(
        **{name: getattr(test, name) for name in names},
        subject=str(test.ticket.get("subject") or ""),
        expected=Expected(**fields, solution=test.expected["solution"]),
    )


def invalid(pointer: str, detail: str) -> InvalidInputError:
    """One fault, as a sentence and beside its field."""
    sentence = f"{detail[:1].upper()}{detail[1:]}."
    return InvalidInputError(sentence, errors=[FieldProblem(pointer, detail)])
