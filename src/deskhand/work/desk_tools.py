"""A desk's granted operations as tools of a model: arguments in, what the model reads out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from deskhand.errors import ForbiddenError, NotApprovedError, StoodBackError
from deskhand.llm.loop import Handler, ToolInputError, ToolSpec, call_key
from deskhand.plugins.contract import (
    LinkKind,
    Note,
    Operation,
    Ticket,
    TicketChanges,
    TicketDraft,
    TicketLink,
    TicketQuery,
    ValueKind,
    WriteReceipt,
)
from deskhand.plugins.errors import REFUSALS, DeskRateLimitedError, DeskUnavailableError
from deskhand.tools.asking import ASK, REASON, with_reason
from deskhand.tools.desk import LOG_TIME, MOST_TICKETS, as_granted
from deskhand.tools.values import Scope, ToolOperation
from deskhand.work.asking import Requester
from deskhand.work.companies import TICKET, read_ticket
from deskhand.work.conversation import is_ours
from deskhand.work.hands import DeskHands
from deskhand.work.last_look import CLOSING
from deskhand.work.logging_time import as_asked, log_time
from deskhand.work.ticket_query import filed_since, query_of
from deskhand.work.views import LISTED_LIMIT, Limits, changes_view, notes_view, ticket_view

PAGE = 100
PAGES = 10
DEFAULT_TICKETS = 20
NOTES = TypeAdapter(list[Note])
AWAY = (DeskUnavailableError, DeskRateLimitedError)

Args = Mapping[str, Any]
Seen = Callable[[Ticket], None]
"""Told of every ticket that was read, so that it can be cited."""


class DeskTools:
    """The tools of one desk in one run.

    Args:
        hands: The road to the desk.
        seen: Told of every ticket that the model was shown.
        requester: Asks who filed the run's ticket.
        limits: How much of a ticket the model is shown at once.
    """

    def __init__(self, hands: DeskHands, seen: Seen, requester: Requester, limits: Limits) -> None:
        self._hands = hands
        self._limits = limits
        self._requester = requester
        self._seen = seen
        self.moved_own = False
        self.heard: list[str] = []
        self._reads: dict[str, Callable[[Args], Awaitable[Any]]] = {
            "get_ticket": self._get_ticket,
            "list_notes": self._list_notes,
            "ticket_changes": self._ticket_changes,
            "search_tickets": self._search_tickets,
            "list_values": self._list_values,
        }
        self._writes: dict[str, Callable[[Args, str], Awaitable[WriteReceipt]]] = {
            "add_note": self._note,
            "reply": self._note,
            "update_ticket": self._update_ticket,
            "assign": self._assign,
            "transition": self._transition,
            "resolve": self._resolve,
            "create_ticket": self._create_ticket,
            "link_tickets": self._link_tickets,
            LOG_TIME: lambda args, name: log_time(self._hands, args, key=call_key(name)),
        }

    def offered(self, *, spoken_for: frozenset[str] = frozenset()) -> Iterator[ToolOperation]:
        """Operations a model is offered: granted, and with something to touch.

        Args:
            spoken_for: What the run itself does at its end, on its own ticket.
        """
        for operation in self._hands.provider.operations:
            if not (operation.for_model and self._hands.may(operation.name) and self._hands.voice.offers(operation)):
                continue
            # A tool that could only be refused is not shown at all: a small model calls whatever it sees, and each call
            # costs.
            own_only = bool(operation.scopes) and self._hands.scope(operation.name) is Scope.OWN
            if own_only and (self._hands.own is None or operation.name in spoken_for):
                continue
            yield operation

    def spec(self, operation: ToolOperation, *, name: str, description: str) -> ToolSpec:
        """The tool of one operation, under the name that this run's model knows it by."""
        asks = operation.is_write and self._hands.needs_approval(operation.name)
        return ToolSpec(
            name=name,
            description=f"{description} A person approves it first." if asks else description,
            parameters=with_reason(as_granted(operation, asks=True)) if asks else as_granted(operation, asks=False),
            handler=self._handler(operation),
            kind="write" if operation.is_write else "tool",
            keeps_own_steps=True,
        )

    def _handler(self, operation: ToolOperation) -> Handler:
        name = operation.name

        async def call(args: dict[str, Any]) -> Any:
            try:
                if name == ASK:
                    return await self._ask_requester(args)
                if operation.is_write:
                    return self._done(await self._write_as_approved(name, args))
                return await self._reads[name](args)
            # The refusal goes into the journal, so that people see on the run's page what the model wanted and may not.
            except ForbiddenError as error:
                await self._refused(name, args, error.detail)
                raise ToolInputError(error.detail) from error
            except StoodBackError as error:
                return {"done": False, "withheld": error.detail}
            except NotApprovedError as error:
                # An answer and no fault: the model looks again, or goes on without.
                return {"done": False, "not_approved": error.detail}
            except REFUSALS as error:
                # Told to the model, which may go on without it: it is not what the run owes.
                raise ToolInputError(error.detail) from error
            except AWAY as error:
                # A read on a desk that is away may be missing from a ticket's note, which then says so. A write must be
                # tried again, and a run without a ticket has nothing to say without its desk.
                if operation.is_write or self._hands.own is None:
                    raise
                return {"unavailable": f"{self._hands.provider.name} does not answer: {error.detail}"}

        return call

    async def _write_as_approved(self, name: str, args: dict[str, Any]) -> WriteReceipt:
        arguments = {key: value for key, value in args.items() if key not in ("ticket_id", REASON)}
        # Before anybody is asked: what the scope leaves out is no question for a person.
        if other := arguments.get("other_ticket_id"):
            await self._hands.find_ticket(name, other)
        if name == LOG_TIME:
            arguments = await as_asked(self._hands, arguments)
        ref = args.get("ticket_id")
        self.moved_own = self.moved_own or (name in CLOSING and self._hands.own is not None)
        approved = await self._hands.ask(name, arguments, key=call_key(name), ref=ref, reason=args.get(REASON, ""))
        return await self._writes[name]({**approved, **({} if ref is None else {"ticket_id": ref})}, name)

    async def _ask_requester(self, args: dict[str, Any]) -> dict[str, Any]:
        key, asked = call_key(ASK), {"question": args["question"]}
        approved = await self._hands.ask(ASK, asked, key=key, reason=args.get(REASON, ""))
        told = await self._requester.ask(str(approved["question"]), key=key)
        self.heard += [str(note["body"]) for note in told.get("answer", ())]
        return told

    async def _refused(self, name: str, args: Args, why: str) -> None:
        """Show in the trace what was asked for and not granted."""

        async def refusal() -> Any:
            return {"refused": why}

        trace = {"tool": self._hands.tool_id, "operation": name, "arguments": dict(args)}
        await self._hands.journal.step(
            name="refuse_call", key=call_key("refused"), kind="compute", input=trace, body=refusal
        )

    def _done(self, receipt: WriteReceipt) -> dict[str, Any]:
        dry = self._hands.journal.execution.mode != "live"
        outcome = {"done": True, "ticket_id": receipt.ticket_id, "id": receipt.id}
        filed = {"number": receipt.display_id, "url": receipt.url} if receipt.display_id else {}
        return {**outcome, **filed, **({"dry_run": True} if dry else {})}

    # -- reads -------------------------------------------------------------------------------

    async def _get_ticket(self, args: Args) -> Any:
        ticket = await self._ticket("get_ticket", args)
        return {**ticket_view(ticket, limit=self._limits.description), **self._notes(ticket.notes)}

    def _notes(self, notes: tuple[Note, ...], most: int | None = None) -> dict[str, Any]:
        limits, desk = self._limits, self._hands.desk
        most = limits.notes if most is None else most
        return notes_view(notes, most=most, limit=limits.note, is_ours=lambda note: is_ours(note, desk))

    async def _list_notes(self, args: Args) -> Any:
        hands, public = self._hands, True if self._hands.voice.is_outside else args.get("public")
        # Some desks send all notes with the ticket and have no list of their own.
        if Operation.LIST_NOTES not in hands.desk.manifest.operations:
            notes = (await self._ticket("list_notes", args)).notes
            return self._notes(tuple(note for note in notes if public is None or note.public is public))
        hands.require("list_notes")
        ticket_id = await hands.find_ticket("list_notes", args.get("ticket_id"))
        hands.voice.ensure_may_read("list_notes", hands.tool_id, ticket_id)
        raw = await hands.journal.step(
            name="list_notes",
            key=call_key("list_notes"),
            kind="tool",
            input={**args, "ticket_id": ticket_id, "tool": hands.tool_id},
            body=lambda: hands.desk.list_notes(ticket_id, public=public, page_size=args.get("limit", DEFAULT_TICKETS)),
        )
        notes = tuple(NOTES.validate_python(raw["notes"]))
        # The desk's page is newest first and the view wants the oldest first.
        return {**self._notes(notes[::-1], len(notes)), "more": raw["next_cursor"] is not None}

    async def _ticket_changes(self, args: Args) -> Any:
        hands = self._hands
        hands.require("ticket_changes")
        ticket_id = await hands.find_ticket("ticket_changes", args.get("ticket_id"))
        raw = await hands.journal.step(
            name="ticket_changes",
            key=call_key("ticket_changes"),
            kind="tool",
            input={"ticket_id": ticket_id, "tool": hands.tool_id},
            body=lambda: hands.desk.ticket_changes(ticket_id),
        )
        return changes_view(raw)

    async def _ticket(self, name: str, args: Args) -> Ticket:
        hands = self._hands
        hands.require(name)
        ticket_id = await hands.find_ticket(name, args.get("ticket_id"))
        hands.voice.ensure_may_read(name, hands.tool_id, ticket_id)
        raw = await hands.journal.step(
            name=name,
            key=call_key(name),
            kind="tool",
            input={"ticket_id": ticket_id, "tool": hands.tool_id},
            body=lambda: hands.wall.read(hands.desk, ticket_id, with_notes=True),
        )
        ticket = read_ticket(raw)
        self._seen(ticket)
        return hands.voice.heard(ticket)

    async def _search_tickets(self, args: Args) -> Any:
        query, created = query_of(args, self._hands.desk.manifest.filters)
        return await self.search(query, created=created, limit=args.get("limit", DEFAULT_TICKETS), trace=dict(args))

    async def search(
        self, query: TicketQuery, *, created: datetime | None, limit: int, trace: Mapping[str, Any], key: str = ""
    ) -> dict[str, Any]:
        """Find tickets, remember them as listed, and show them.

        Args:
            query: What to look for.
            created: Only tickets filed since.
            limit: Tickets at most.
            trace: What the trace says was asked for.
            key: Journal key; empty for the call that is being handled.
        """
        hands = self._hands
        hands.require("search_tickets")

        async def look() -> Any:
            return await self._pages(query, created, min(limit, MOST_TICKETS))

        raw = await hands.journal.step(
            name="search_tickets",
            key=key or call_key("search_tickets"),
            kind="tool",
            input={**trace, "tool": hands.tool_id},
            body=look,
        )
        tickets = [TICKET.validate_python(one) for one in raw["tickets"]]
        for ticket in tickets:
            # On a replay as well: the journal answers the search, and the grant of listed tickets hangs on this memory.
            hands.note_listed(ticket.id, ticket.display_id)
            self._seen(ticket)
        shown = hands.voice.listed
        return {"tickets": [shown(ticket_view(one, limit=LISTED_LIMIT)) for one in tickets], "more": raw["more"]}

    async def _pages(self, query: TicketQuery, created: datetime | None, limit: int) -> dict[str, Any]:
        """Tickets that fit, from as many pages as it takes; whether there may be more is said, not guessed."""
        tickets: list[Ticket] = []
        cursor: str | None = None
        # Bounded: a desk that filters badly could make a worker read its whole history for one search.
        for _ in range(PAGES):
            page = await self._hands.desk.search_tickets(replace(query, cursor=cursor, page_size=PAGE))
            admitted = await self._hands.wall.admitted(self._hands.desk, page.tickets)
            tickets.extend(one for one in admitted if created is None or filed_since(one, created))
            cursor = page.next_cursor
            if cursor is None or len(tickets) > limit:
                break
        more = len(tickets) > limit or cursor is not None
        # Notes and custom fields are left out of the journal: a search of a hundred tickets would store megabytes of
        # strangers' text that the model is not shown.
        return {"tickets": [replace(one, notes=(), custom={}) for one in tickets[:limit]], "more": more}

    async def _list_values(self, args: Args) -> Any:
        hands = self._hands
        hands.require("list_values")
        kind = ValueKind(args["kind"])
        raw = await hands.journal.step(
            name="list_values",
            key=call_key("list_values"),
            kind="tool",
            input={**args, "tool": hands.tool_id},
            body=lambda: hands.desk.list_values(kind),
        )
        return {"values": [str(value["name"]) for value in raw]}

    # -- writes ------------------------------------------------------------------------------

    async def _note(self, args: Args, name: str) -> WriteReceipt:
        return await self._hands.add_note(
            args["body"], key=call_key(name), name=name, ref=args.get("ticket_id"), owed=False
        )

    async def _update_ticket(self, args: Args, name: str) -> WriteReceipt:
        return await self._hands.update_ticket(changes_of(args), key=call_key(name), ref=args.get("ticket_id"))

    async def _assign(self, args: Args, name: str) -> WriteReceipt:
        desk, email, group = self._hands.desk, args.get("assignee_email"), args.get("group")

        async def make(ticket_id: str, mark: str) -> WriteReceipt:
            return await desk.assign(ticket_id, assignee_email=email, group=group, mark=mark)

        return await self._write(name, args, make)

    async def _transition(self, args: Args, name: str) -> WriteReceipt:
        desk, status = self._hands.desk, args["status"]
        return await self._write(name, args, lambda ticket_id, mark: desk.transition(ticket_id, status, mark=mark))

    async def _resolve(self, args: Args, name: str) -> WriteReceipt:
        desk, words = self._hands.desk, args["resolution"]
        return await self._write(name, args, lambda ticket_id, mark: desk.resolve(ticket_id, words, mark=mark))

    async def _create_ticket(self, args: Args, name: str) -> WriteReceipt:
        plain = {key: value for key, value in args.items() if key != "tags"}
        return await self._hands.create_ticket(
            TicketDraft(**plain, tags=tuple(args.get("tags", ()))), key=call_key(name)
        )

    async def _link_tickets(self, args: Args, name: str) -> WriteReceipt:
        desk, other, url = self._hands.desk, args.get("other_ticket_id"), args.get("url", "")
        if (other is None) == (not url):
            raise ToolInputError("Name the other ticket by other_ticket_id, or one elsewhere by url: one of the two.")
        # The other end passes the scope too: a link shows on both tickets.
        ticket_id = "" if other is None else await self._hands.find_ticket(name, other)
        kind = LinkKind(args.get("kind", LinkKind.RELATED.value))
        link = TicketLink(kind=kind, ticket_id=ticket_id, url=url, title=args.get("title", ""))
        return await self._write(name, args, lambda own, mark: desk.link_tickets(own, link, mark=mark))

    async def _write(self, name: str, args: Args, make: Callable[[str, str], Awaitable[WriteReceipt]]) -> WriteReceipt:
        trace = {key: value for key, value in args.items() if key != "ticket_id"}
        return await self._hands.write(name, args.get("ticket_id"), key=call_key(name), shown=trace, make=make)


def changes_of(args: Args) -> TicketChanges:
    """Arguments of ``update_ticket`` as what a desk is asked to set."""
    return TicketChanges(
        **{field: args.get(field) for field in ("subject", "description", "priority", "category", "group")},
        add_tags=tuple(args.get("add_tags", ())),
        remove_tags=tuple(args.get("remove_tags", ())),
        custom=args.get("custom", {}),
    )
