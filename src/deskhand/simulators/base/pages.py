"""The simulator's own small web page: list tickets, read one with its notes, create one."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from deskhand.simulators.base.desk import SimulatedDesk

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


def page_routes(sim: SimulatedDesk) -> list[Route]:
    """``/`` and ``/ui/...`` for one simulator."""

    def render(name: str, status: int = 200, **values: object) -> Response:
        return HTMLResponse(_TEMPLATES.get_template(name).render(sim=sim, **values), status_code=status)

    async def index(_request: Request) -> Response:
        tickets = sorted(sim.store.tickets.values(), key=lambda ticket: ticket.updated_at, reverse=True)
        return render("index.html", tickets=tickets)

    async def show(request: Request) -> Response:
        ticket = sim.store.get(request.path_params["ticket_id"])
        if ticket is None:
            return render("missing.html", 404)
        notes = [(note, sim.safe_html(note.body)) for note in reversed(ticket.notes)]
        return render(
            "ticket.html",
            ticket=ticket,
            description=sim.safe_html(ticket.description),
            resolution=sim.safe_html(ticket.resolution),
            notes=notes,
            work_logs=[(log, sim.safe_html(log.text)) for log in ticket.work_logs],
        )

    async def create(request: Request) -> Response:
        form = await request.form()
        subject = str(form.get("subject") or "").strip()
        if not subject:
            return render("missing.html", 422)
        ticket = sim.file_ticket(
            subject=subject,
            description=sim.from_markdown(str(form.get("description") or "")),
            requester=sim.store.person(str(form.get("requester") or "requester@corp.test")),
            priority=str(form.get("priority") or "") or None,
        )
        return RedirectResponse(f"/ui/tickets/{ticket.id}", status_code=303)

    return [
        Route("/", index, methods=["GET"]),
        Route("/ui/tickets", create, methods=["POST"]),
        Route("/ui/tickets/{ticket_id}", show, methods=["GET"]),
    ]
