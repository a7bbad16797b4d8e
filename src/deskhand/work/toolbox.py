"""All a run may do, in one place: the hands on each granted desk, knowledge, and the tools a model is offered.

Only what the version of the agent was granted is here at all; a name that a model makes up is answered with the names
there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from deskhand.engine.claims import Ending
from deskhand.kit.db.readers import Readers
from deskhand.llm.loop import OUTPUT_TOOL, ToolSpec
from deskhand.notes.facts import Source
from deskhand.plugins.contract import Ticket, TicketChanges
from deskhand.tools.mail import MAIL
from deskhand.tools.values import Provider, ToolOperation
from deskhand.work.approvals import Approver
from deskhand.work.asking import Requester
from deskhand.work.desk_tools import DeskTools
from deskhand.work.facts import live_source
from deskhand.work.hands import DeskHands
from deskhand.work.knowledge_tools import KnowledgeTools
from deskhand.work.mail_tools import MailHands
from deskhand.work.outside.hands import OutsideHands
from deskhand.work.source_tools import SourceHands
from deskhand.work.told import Told
from deskhand.work.views import USUAL, Limits, shown
from deskhand.work.voice import SPEAKS, Voice

POST = "post_message"
"""Of what reaches outside, the one operation that brings nothing back to read."""
_NAME_LENGTH = 64  # what model vendors allow


class Sources:
    """What a run has seen and may cite, by the id that the model was given."""

    def __init__(self) -> None:
        self._by_ref: dict[str, Source] = {}

    def add(self, source: Source) -> None:
        """Remember something that was shown."""
        # The newest view of a source counts: a tool may show a ticket that a search listed once more, in full.
        self._by_ref[source.ref] = source

    def forget(self) -> None:
        """Let nothing be cited that was shown so far."""
        self._by_ref.clear()

    def beside(self, known: Sequence[Source]) -> tuple[Source, ...]:
        """Everything that is not among the known ones, in the order of first sight."""
        # Compared by label and not by reference: code calls a past ticket T1, and the model's tool calls it
        # ticket:4711.
        there = {(source.kind, source.label) for source in known}
        return tuple(source for source in self._by_ref.values() if (source.kind, source.label) not in there)


class Toolbox:
    """The tools of one run.

    Args:
        desks: Hands on each granted desk that is connected; the one of the run's ticket first.
        sources: Takes what is shown to the model.
        approver: Asks people; remembers what came of it.
        knowledge: The tenant's knowledge, if it is granted.
        mail: The tenant's mail, if it is granted and set up.
        outside: Chats, receivers and hosts, the same way.
        sources_of_tenant: The tenant's own tools that are granted.
        limits: How much of a ticket a desk's tools show at once.
        voice: For whom the model's words are; the hands have the same.
    """

    def __init__(
        self,
        desks: Sequence[DeskHands],
        *,
        sources: Sources,
        approver: Approver,
        knowledge: KnowledgeTools | None = None,
        mail: MailHands | None = None,
        outside: Sequence[OutsideHands] = (),
        sources_of_tenant: Sequence[SourceHands] = (),
        limits: Limits = USUAL,
        voice: Voice | None = None,
    ) -> None:
        self.voice = voice or Voice()
        self.sources = sources
        self.approver = approver
        self.desks = tuple(desks)
        self._desk_tools = {
            hands.tool_id: DeskTools(
                hands,
                partial(self._saw, hands),
                Requester(hands, hands.journal, hands.db),
                limits,
            )
            for hands in desks
        }
        self._knowledge = knowledge
        self.mail = mail
        self.outside = {hands.provider.tool_id: hands for hands in outside}
        self._tenants_own = tuple(sources_of_tenant)

    def _saw(self, hands: DeskHands, ticket: Ticket) -> None:
        self.sources.add(live_source(ticket))
        hands.last_look.saw(ticket)

    @property
    def own(self) -> DeskHands | None:
        """The hands on the desk of the ticket that started the run."""
        return next((hands for hands in self.desks if hands.own is not None), None)

    @property
    def heard(self) -> tuple[str, ...]:
        """What requesters answered to the run's questions."""
        return tuple(text for tools in self._desk_tools.values() for text in tools.heard)

    @property
    def may_have_closed(self) -> bool:
        """Whether the run has moved its own ticket to another status, so that nobody else need have solved it."""
        return any(tools.moved_own for tools in self._desk_tools.values())

    @property
    def speaks(self) -> bool:
        """Whether a model may be offered an operation whose words a requester reads."""
        return any(hands.may(name) for hands in self.desks for name in SPEAKS)

    def begin(self, readers: Readers, *, alone: bool = False) -> None:
        """Begin a conversation with the run's model: for the house, or for outside."""
        own = self.own
        self.voice.begin(readers, None if own is None else (own.tool_id, str(own.own)), alone=alone)

    def guard(self) -> None:
        """Let a person approve every write of the run, whatever was granted: its ticket is a sensitive one."""
        for hands in (*self.desks, *self.outside.values(), *self._tenants_own, *((self.mail,) if self.mail else ())):
            hands.guard()

    def tell(self, told: Told) -> None:
        """Let what the tenant tells about the ticket be cited, and its rules be repeated to nobody outside."""
        for source in told.sources:
            self.sources.add(source)
        for hands in (*self.desks, *self.outside.values(), *((self.mail,) if self.mail else ())):
            hands.kept_inside = (*hands.kept_inside, told.rules)

    def forget(self) -> None:
        """Forget what was found and listed: the run's ticket is another company's now."""
        self.sources.forget()
        for hands in self.desks:
            hands.forget_listed()

    def searching(self) -> Iterator[tuple[DeskHands, DeskTools]]:
        """Desks on which the run may look for tickets."""
        for hands in self.desks:
            if hands.may("search_tickets"):
                yield hands, self._desk_tools[hands.tool_id]

    def specs(self, *, spoken_for: frozenset[str] = frozenset()) -> list[ToolSpec]:
        """Every granted operation as a tool of a model.

        Args:
            spoken_for: What the run itself does at its end, on its own ticket.
        """
        offered: list[tuple[Provider, ToolOperation]] = [
            (hands.provider, operation)
            for hands in self.desks
            for operation in self._desk_tools[hands.tool_id].offered(spoken_for=spoken_for)
        ]
        # Counted over what is granted, so that a name does not hang on what this run ends in.
        names = Counter(
            operation.name
            for hands in self.desks
            for operation in hands.provider.operations
            if hands.may(operation.name)
        )
        specs = [
            self._desk_tools[provider.tool_id].spec(
                operation,
                # With the tool's name only where two desks have the operation: a small model knows the short one best.
                name=tool_name(provider, operation, alone=names[operation.name] == 1),
                description=_description(provider, operation, alone=len(self.desks) == 1),
            )
            for provider, operation in offered
        ]
        if self._knowledge is not None:
            specs += [
                self._knowledge.spec(one, name=one.name, description=one.description)
                for one in self._knowledge.offered()
            ]
        if self.mail is not None and not self.voice.alone:
            specs += [
                self.mail.spec(one, name=tool_name(MAIL, one, alone=True), description=one.description)
                for one in self.mail.offered()
            ]
        specs += [
            hands.spec(one, name=tool_name(hands.provider, one, alone=True), description=one.description)
            for hands in self.outside.values()
            for one in hands.offered()
            if not self.voice.is_outside or (one.name == POST and self.voice.offers(one))
        ]
        return [*specs, *self._own_specs({OUTPUT_TOOL, *names, *(spec.name for spec in specs)})]

    def _own_specs(self, taken: set[str]) -> Iterator[ToolSpec]:
        # Nobody says whom what such a tool answers is for, so it is for the house.
        for hands in () if self.voice.is_outside else self._tenants_own:
            for one in hands.offered():
                name = _free_name(tool_name(hands.provider, one, alone=True), taken)
                taken.add(name)
                words = _description(hands.provider, one, alone=False)
                yield hands.spec(one, name=name, description=words)


def tool_name(provider: Provider, operation: ToolOperation, *, alone: bool) -> str:
    """What a model calls an operation: its own name, and with the tool's where that would not be clear."""
    if alone and not provider.prefixed:
        return operation.name
    # The tool's name is cut and the operation's is not: it is the part by which a model knows what it does.
    # Of a tenant's own tool the slug: "openapi:" tells a model nothing, and vendors allow no colon.
    prefix = provider.tool_id.rpartition(":")[2]
    return f"{prefix[: _NAME_LENGTH - 1 - len(operation.name)]}_{operation.name}"


def _free_name(name: str, taken: Collection[str]) -> str:
    """The name, or one like it that nothing else has.

    Of a tool "update" and its operation "ticket" comes a desk's own name, and one must not be called for the other.
    """
    free, number = name, 2
    while free in taken:
        free = f"{name[: _NAME_LENGTH - 1 - len(str(number))]}_{number}"
        number += 1
    return free


def _description(provider: Provider, operation: ToolOperation, *, alone: bool) -> str:
    return operation.description if alone else f"{provider.name}: {operation.description}"


def tools_text(specs: Sequence[ToolSpec]) -> str:
    """The tools in words, for ``{{tools}}`` in a prompt."""
    return "\n".join(f"- {spec.name}: {spec.description}" for spec in specs) or "none"


def with_shown(ending: Ending, toolbox: Toolbox) -> Ending:
    """The end of a run that says which of its internal notes a requester sees."""
    words = " ".join(filter(None, (hands.discretion.words for hands in toolbox.desks)))
    return replace(ending, output={**(ending.output or {}), "became_public": words}) if words else ending


__all__ = ["Sources", "TicketChanges", "Toolbox", "shown", "tool_name", "tools_text", "with_shown"]
