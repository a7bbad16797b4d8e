"""Who is who on a ticket. Pure."""

from __future__ import annotations

from deskhand.plugins.contract import Person, Ticket


def is_requester(author: Person, ticket: Ticket) -> bool:
    """Whether somebody is surely who filed the ticket; a name alone proves nothing, for two people may share it."""
    requester = ticket.requester
    return requester is not None and bool(names_of(author) & names_of(requester))


def names_of(person: Person) -> set[tuple[str, str]]:
    """What the desk knows a person by, each with its kind, so that one's id is not taken for another's account."""
    known = (("id", person.id), ("email", person.email), ("account", person.account))
    return {(kind, str(value).casefold()) for kind, value in known if value}
