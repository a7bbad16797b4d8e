"""Files of simulated desks, and the store beside a desk that gives one out to whoever has its address."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from deskhand.simulators.base.state import SimFile, SimTicket, TicketStore


def every_file(store: TicketStore) -> Iterator[tuple[SimTicket, SimFile]]:
    """Each file with the ticket that it hangs on."""
    return ((ticket, file) for ticket in store.tickets.values() for file in ticket.attachments)


def file_answer(file: SimFile) -> Response:
    """Its bytes, as a download."""
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}"}
    return Response(file.content, media_type=file.content_type, headers=headers)


def media_path(file: SimFile) -> str:
    """Where the store has it: an address that nobody guesses, as vendors sign theirs."""
    return f"/media/{file_token(file)}/{quote(file.name, safe='')}"


def file_token(file: SimFile) -> str:
    """A word that only who was told it knows."""
    return hashlib.sha256(f"file {file.id} {file.name}".encode()).hexdigest()[:32]


def media_route(store: TicketStore) -> Route:
    """The store. Its address is the only credential it knows."""

    async def give(request: Request) -> Response:
        # Stores in the cloud refuse a second way to sign in; here it tells whoever carries a desk's credentials along.
        if "authorization" in request.headers:
            return PlainTextResponse("Only one auth mechanism allowed", 400)
        token = request.path_params["token"]
        found = next((file for _, file in every_file(store) if file_token(file) == token), None)
        return PlainTextResponse("Not found", 404) if found is None else file_answer(found)

    return Route("/media/{token}/{name:path}", give, methods=["GET"])
