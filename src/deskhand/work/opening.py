"""Opens a run's toolbox: every connection of the tenant that the agent is granted, not only the desk of the event."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from deskhand.connectors import service as connectors
from deskhand.connectors.kinds import KINDS, KindOfSource
from deskhand.connectors.models import SourceKind, ToolSource
from deskhand.errors import ConfigurationError
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.mail import Mailer
from deskhand.kit.rates import RateLimiter
from deskhand.knowledge.embedding import Embedder
from deskhand.plugins.registry import PluginManager
from deskhand.tenants.connections import connected_tools, desk_for
from deskhand.tenants.mail import mail_settings
from deskhand.tenants.note_rules import note_rules
from deskhand.tenants.note_trials.rules import why_refused
from deskhand.tools.knowledge import KNOWLEDGE
from deskhand.tools.mail import MAIL
from deskhand.tools.sources import source_provider
from deskhand.work.approvals import Approver, Look
from deskhand.work.hands import DeskHands
from deskhand.work.knowledge_tools import KnowledgeTools
from deskhand.work.mail_look import MailLook
from deskhand.work.mail_tools import MailHands
from deskhand.work.outside.opening import open_outside
from deskhand.work.rooms import room_for
from deskhand.work.run import Run
from deskhand.work.source_tools import OpenSource, SourceHands
from deskhand.work.toolbox import Sources, Toolbox
from deskhand.work.views import limits_of
from deskhand.work.voice import Voice


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolboxMaker:
    """What all toolboxes are made with.

    Attributes:
        db: Sessions.
        secrets: Decrypts the tenant's connections.
        plugins: Registered desks.
        embedder: For semantic search.
        rates: How often a place outside is called, by all runs of this worker.
        kinds: How a tenant's own tools are called.
    """

    db: Database
    secrets: SecretBox
    plugins: PluginManager
    embedder: Embedder
    rates: RateLimiter = field(default_factory=RateLimiter)
    kinds: Mapping[SourceKind, KindOfSource] = field(default_factory=lambda: KINDS)

    @asynccontextmanager
    async def open(self, run: Run) -> AsyncIterator[Toolbox]:
        """The toolbox of a run; its connections are closed afterwards.

        Raises:
            ConfigurationError: The run is about a ticket of a desk that the agent has not.
            InvalidInputError: That desk's connection is not complete.
        """
        async with AsyncExitStack() as stack:
            approver, voice = Approver(self.db, run.journal, run.actor, run.version.id, run.hours), Voice()
            desks: list[DeskHands] = []
            own_look: Look | None = None
            for tool_type in self._desks(run):
                hands = await self._hands(run, tool_type, stack, approver=approver, own_look=own_look, voice=voice)
                # The run's own desk comes first, and its ticket is what every call is bound to that touches none.
                own_look = own_look or hands.look_at_own()
                desks.append(hands)
            sources = Sources()
            granted = run.grants.get(KNOWLEDGE.tool_id)
            knowledge = None
            if granted:
                knowledge = KnowledgeTools(
                    grants=granted,
                    db=self.db,
                    journal=run.journal,
                    embedder=self.embedder,
                    seen=sources.add,
                    wall=run.wall,
                    voice=voice,
                    past=run.past,
                )
            mail = self._mail(run, approver, own_look, desks)
            outside = [
                hands
                for hands in open_outside(
                    run, self.secrets, db=self.db, rates=self.rates, approver=approver, own_look=own_look
                )
                # What is read outside is read as it is now, which a run that takes place at another time may not know.
                if run.past is None or all(operation.is_write for operation in hands.provider.operations)
            ]
            own_tools = [
                await self._source_hands(run, source, stack, approver=approver, own_look=own_look)
                for source in await self._sources(run)
            ]
            yield Toolbox(
                desks,
                sources=sources,
                approver=approver,
                knowledge=knowledge,
                mail=mail,
                outside=tuple(outside),
                sources_of_tenant=own_tools,
                # A driven model is offered no tools, so the limits are those of one that drives.
                limits=limits_of(room_for(run.version.llm_config, driven=False, max_tokens=run.journal.max_tokens)),
                voice=voice,
            )

    async def _sources(self, run: Run) -> list[ToolSource]:
        """The tenant's own tools that are granted; one that was removed since is not there."""
        granted = [tool for tool in run.grants if ":" in tool]
        # Nobody knows what such a tool would have answered at another time.
        if not granted or run.past is not None:
            return []
        async with self.db.tenant_session(run.execution.tenant_id) as session:
            return await connectors.granted_sources(session, granted)

    async def _source_hands(
        self, run: Run, source: ToolSource, stack: AsyncExitStack, *, approver: Approver, own_look: Look | None
    ) -> SourceHands:
        kind = self.kinds[SourceKind(source.kind)]
        caller = await stack.enter_async_context(kind.open(connectors.connection_of(source, self.secrets), run.http))
        opened = OpenSource(
            provider=source_provider(source),
            operations={one.name: one for one in connectors.operations_of(source)},
            revision=source.revision,
            caller=caller,
        )
        return SourceHands(
            opened,
            grants=run.grants[source.tool_id],
            journal=run.journal,
            db=self.db,
            actor=run.actor,
            approver=approver,
            own_look=own_look,
        )

    def _mail(
        self, run: Run, approver: Approver, own_look: Look | None, desks: Sequence[DeskHands]
    ) -> MailHands | None:
        granted = run.grants.get(MAIL.tool_id)
        settings = mail_settings(run.tenant, self.secrets) if granted else None
        if not granted or settings is None:
            return None
        mailer = Mailer(server=settings.server, allow_private=run.http.allow_private, before_send=run.http.before_send)
        return MailHands(
            settings,
            mailer,
            grants=granted,
            journal=run.journal,
            db=self.db,
            actor=run.actor,
            approver=approver,
            own_look=own_look,
            prompt=run.version.system_prompt,
            look=MailLook(desks),
        )

    def _desks(self, run: Run) -> list[str]:
        """Tool types of the desks, the one of the run's ticket first; another that is not connected is not there."""
        grants = run.grants
        connected = connected_tools(run.tenant, secrets=self.secrets, plugins=self.plugins)
        # Sorted, so that a model is shown the same tools in the same order on each attempt.
        others = [tool for tool in sorted(grants) if tool in connected]
        own = _own_desk(run)
        if own is None:
            return others
        if own not in grants:
            raise ConfigurationError(f"The agent has no tool '{own}'. Add it to the agent and retry the run.")
        return [own, *(tool for tool in others if tool != own)]

    async def _hands(
        self,
        run: Run,
        tool_type: str,
        stack: AsyncExitStack,
        *,
        approver: Approver,
        own_look: Look | None,
        voice: Voice,
    ) -> DeskHands:
        desk = desk_for(run.tenant, tool_type, secrets=self.secrets, plugins=self.plugins, http=run.http)
        # At once and not after all desks are open: if the next one cannot be opened, this one is still closed.
        stack.push_async_callback(desk.aclose)
        if run.past is not None:
            desk = run.past.of(desk, run.wall.decide)
        hands = DeskHands(
            desk,
            grants=run.grants[tool_type],
            own=run.execution.ticket_ref if tool_type == _own_desk(run) else None,
            journal=run.journal,
            db=self.db,
            actor=run.actor,
            approver=approver,
            own_look=own_look,
            prompt=run.version.system_prompt,
            wall=run.wall,
            voice=voice,
            hours=run.hours,
        )
        hands.discretion.refused = why_refused(run.tenant, tool_type, hands.provider.name)
        hands.last_look.ceiling = note_rules(run.tenant.enhancement_preferences).public_per_ticket_and_day
        return hands


def _own_desk(run: Run) -> str | None:
    """The desk of the ticket that started the run; None of a run that none did."""
    if not run.execution.ticket_ref:
        return None
    return run.execution.tool_type or run.tenant.tool_type
