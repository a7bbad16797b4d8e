"""Control endpoints of every simulator, under ``/_sim``. See the package's docstring for the list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from deskhand.simulators.base.desk import SimulatedDesk
from deskhand.simulators.base.faults import Fault
from deskhand.simulators.base.rules import NoteRules
from deskhand.simulators.base.state import Effects, SimFile, SimNote, SimTicket
from deskhand.simulators.base.webhooks import WebhookTarget


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ClockBody(_Body):
    now: datetime | None = None
    advance: float | None = None


class LagBody(_Body):
    seconds: float


class FileBody(_Body):
    """A file that is attached; ``content`` is base64."""

    name: str
    content: Base64Bytes = b""
    content_type: str = "application/octet-stream"


Files = list[FileBody | str]
"""Of a name alone, an empty file."""


class TicketBody(_Body):
    """A new ticket; ``description`` is Markdown."""

    subject: str
    description: str = ""
    requester: str = "requester@corp.test"
    priority: str | None = None
    category: str | None = None
    group: str | None = None
    company: str | None = None
    parent: str | None = None
    split_from: str | None = None
    attachments: Files = []


class ChangeBody(_Body):
    """What a technician changes; the mail address in ``by`` names who."""

    by: str = "technician@desk.test"
    subject: str | None = None
    status: str | None = None
    priority: str | None = None
    category: str | None = None
    group: str | None = None


class NoteBody(_Body):
    """A note somebody writes; ``body`` is Markdown."""

    body: str
    author: str = "technician@desk.test"
    public: bool = False
    attachments: Files = []


Handler = Callable[[Request], Awaitable[Response]]


def control_routes(sim: SimulatedDesk) -> list[Mount]:
    """Routes under ``/_sim`` for one simulator."""
    table: list[tuple[str, str, Callable[[Request, Any], Any], type[BaseModel] | None]] = [
        ("GET", "/", lambda _r, _b: _about(sim), None),
        ("POST", "/reset", lambda _r, _b: sim.reset(), None),
        ("POST", "/clock", lambda _r, body: _turn_clock(sim, body), ClockBody),
        ("GET", "/faults", lambda _r, _b: sim.faults.as_json(), None),
        ("POST", "/faults", lambda _r, body: sim.faults.add(body), Fault),
        ("DELETE", "/faults", lambda _r, _b: sim.faults.clear(), None),
        ("POST", "/index-lag", lambda _r, body: setattr(sim.store, "index_lag", body.seconds), LagBody),
        ("GET", "/rules", lambda _r, _b: sim.store.rules.model_dump(), None),
        ("PUT", "/rules", lambda _r, body: setattr(sim.store, "rules", body), NoteRules),
        ("POST", "/expire-tokens", lambda _r, _b: sim.expire_tokens(), None),
        ("GET", "/effects", lambda _r, _b: _all_effects(sim), None),
        ("GET", "/effects/{ticket_id}", lambda r, _b: _effects(sim, _ticket(sim, r)), None),
        ("GET", "/calls", lambda _r, _b: list(sim.calls), None),
        ("GET", "/webhooks", lambda _r, _b: sim.sender.as_json(), None),
        ("PUT", "/webhooks", lambda _r, body: setattr(sim.sender, "target", body), WebhookTarget),
        ("POST", "/webhooks/flush", lambda _r, _b: {"sent": sim.sender.flush()}, None),
        ("GET", "/tickets", lambda _r, _b: [summary(t) for t in sim.store.tickets.values()], None),
        ("POST", "/tickets", lambda _r, body: _file(sim, body), TicketBody),
        ("GET", "/tickets/{ticket_id}", lambda r, _b: _full(sim, _ticket(sim, r)), None),
        ("PATCH", "/tickets/{ticket_id}", lambda r, body: _change(sim, _ticket(sim, r), body), ChangeBody),
        ("POST", "/tickets/{ticket_id}/notes", lambda r, body: _note(sim, _ticket(sim, r), body), NoteBody),
    ]
    return [
        Mount("/_sim", routes=[Route(path, _endpoint(act, model), methods=[verb]) for verb, path, act, model in table])
    ]


class _UnknownTicketError(Exception):
    """The path names a ticket that does not exist."""


def _endpoint(act: Callable[[Request, Any], Any], model: type[BaseModel] | None) -> Handler:
    async def handle(request: Request) -> Response:
        try:
            # No body is an empty one, so that `curl -X POST` alone does what the defaults say.
            body = model.model_validate_json(await request.body() or b"{}") if model else None
            answer = act(request, body)
        except ValidationError as error:
            # In words, since it is read by whoever wrote the test or typed the curl.
            return Response(error.json(include_url=False), status_code=422, media_type="application/json")
        except _UnknownTicketError as error:
            return JSONResponse({"detail": f"There is no ticket {error}."}, status_code=404)
        return Response(status_code=204) if answer is None else JSONResponse(answer)

    return handle


def _ticket(sim: SimulatedDesk, request: Request) -> SimTicket:
    ticket = sim.store.get(request.path_params["ticket_id"])
    if ticket is None:
        raise _UnknownTicketError(request.path_params["ticket_id"])
    return ticket


def _about(sim: SimulatedDesk) -> dict[str, Any]:
    return {
        "tool_type": sim.tool_type,
        "product": sim.product,
        "simulator": True,
        "now": sim.clock().isoformat(),
        "tickets": len(sim.store.tickets),
        "calls": len(sim.calls),
    }


def _turn_clock(sim: SimulatedDesk, body: ClockBody) -> dict[str, str]:
    # One of the two: to freeze and to move at once would leave open from where it moves.
    if body.advance is not None:
        sim.clock.advance(body.advance)
    else:
        sim.clock.freeze(body.now)
    return {"now": sim.clock().isoformat()}


def _effects(sim: SimulatedDesk, ticket: SimTicket) -> dict[str, Any]:
    return sim.store.effects.get(ticket.id, Effects()).as_json()


def _all_effects(sim: SimulatedDesk) -> dict[str, Any]:
    tickets = {ticket_id: effects.as_json() for ticket_id, effects in sim.store.effects.items()}
    return {
        "notes": sum(effects["notes"] for effects in tickets.values()),
        "updates": sum(effects["updates"] for effects in tickets.values()),
        "created": sum(effects["created"] for effects in tickets.values()),
        "tickets": tickets,
    }


def summary(ticket: SimTicket) -> dict[str, Any]:
    """A ticket's fields without its notes."""
    return {
        "id": ticket.id,
        "display_id": ticket.display_id,
        "subject": ticket.subject,
        "status": ticket.status,
        "priority": ticket.priority,
        "category": ticket.category,
        "group": ticket.group,
        "company": ticket.company,
        "assignee": ticket.assignee.email if ticket.assignee else None,
        "requester": ticket.requester.email,
        "created_at": ticket.created_at.isoformat(),
        "updated_at": ticket.updated_at.isoformat(),
        "notes": len(ticket.notes),
    }


def _full(sim: SimulatedDesk, ticket: SimTicket) -> dict[str, Any]:
    return {
        **summary(ticket),
        "description": ticket.description,
        "description_html": sim.safe_html(ticket.description),
        "resolution": ticket.resolution,
        "notes": [_note_json(sim, note) for note in ticket.notes],
        "mails": [{"to": mail.to, "rule": mail.rule, "sent_at": mail.sent_at.isoformat()} for mail in ticket.mails],
    }


def _note_json(sim: SimulatedDesk, note: SimNote) -> dict[str, Any]:
    return {
        "id": note.id,
        "body": note.body,
        "html": sim.safe_html(note.body),
        "public": note.public,
        "author": note.author.email,
        "created_at": note.created_at.isoformat(),
    }


def _file(sim: SimulatedDesk, body: TicketBody) -> dict[str, Any]:
    fields = {
        name: value
        for name in ("priority", "category", "group", "company", "parent", "split_from")
        if (value := getattr(body, name)) is not None
    }
    ticket = sim.file_ticket(
        subject=body.subject,
        description=sim.from_markdown(body.description),
        requester=sim.store.person(body.requester),
        attachments=_attached(sim, body.attachments),
        **fields,
    )
    return summary(ticket)


def _attached(sim: SimulatedDesk, files: Files) -> list[SimFile]:
    whole = [FileBody(name=one) if isinstance(one, str) else one for one in files]
    return [SimFile(sim.new_file_id(), one.name, one.content, one.content_type) for one in whole]


def _change(sim: SimulatedDesk, ticket: SimTicket, body: ChangeBody) -> dict[str, Any]:
    changes = body.model_dump(exclude={"by"}, exclude_none=True)
    if body.status is not None:
        # What the vendor sets along with a status: a ticket that is closed without a time of it exists nowhere.
        changes.update(sim.closing_fields(body.status))
    # An agent's account, whoever is named: at these desks only staff may change a ticket's fields.
    sim.change(ticket, changes, by=sim.store.person(body.by, is_agent=True))
    return summary(ticket)


def _note(sim: SimulatedDesk, ticket: SimTicket, body: NoteBody) -> dict[str, Any]:
    # An internal note is an agent's, whoever is named: at these desks nobody else can write one.
    author = sim.store.person(body.author, is_agent=not body.public)
    files = _attached(sim, body.attachments)
    note = sim.write_note(ticket, sim.from_markdown(body.body), public=body.public, author=author, files=files)
    return _note_json(sim, note)
