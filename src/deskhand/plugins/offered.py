"""What a plugin refuses because its manifest does not offer it, and the note for a link that a desk cannot keep."""

from __future__ import annotations

from deskhand.plugins.contract import LinkKind, Manifest, NoteDraft, TicketChanges, TicketLink, TicketQuery
from deskhand.plugins.errors import DeskUnsupportedError, DeskValidationError

_SAID = {
    LinkKind.RELATED: "Related to",
    LinkKind.DUPLICATES: "Duplicates",
    LinkKind.BLOCKS: "Blocks",
    LinkKind.CAUSED_BY: "Caused by",
    LinkKind.CHILD_OF: "Part of",
}
_IN_TITLE = str.maketrans({"[": "(", "]": ")", "\\": "\\\\"})
_IN_ADDRESS = str.maketrans({"<": "%3C", ">": "%3E", "\\": "%5C"})


def require_filters(query: TicketQuery, manifest: Manifest) -> None:
    """Refuse a search that the desk would answer with too much.

    Raises:
        DeskUnsupportedError: A filter is set that the desk cannot search by.
    """
    unknown = sorted(query.used - manifest.filters)
    if unknown:
        raise DeskUnsupportedError(f"{manifest.name} cannot search by {', '.join(unknown)}.", fields=tuple(unknown))


def require_settable(changes: TicketChanges, manifest: Manifest) -> None:
    """Refuse to leave out what was to be set.

    Raises:
        DeskUnsupportedError: A field is set that the desk has no place for.
    """
    unknown = sorted(changes.used - manifest.settable)
    if unknown:
        raise DeskUnsupportedError(f"{manifest.name} tickets have no {', '.join(unknown)}.", fields=tuple(unknown))


def require_link(ticket_id: str, link: TicketLink, manifest: Manifest) -> None:
    """Refuse what is no link.

    Raises:
        DeskValidationError: It names no ticket, two, or the ticket itself.
        DeskUnsupportedError: The desk has no such kind.
    """
    if bool(link.ticket_id) == bool(link.url):
        raise DeskValidationError("A link names one ticket: by ticket_id on this desk, or by url.", fields=("link",))
    if link.ticket_id == ticket_id:
        raise DeskValidationError("A ticket cannot be linked with itself.", fields=("ticket_id",))
    if link.url and not link.url.startswith(("https://", "http://")):
        raise DeskValidationError("The url of a link begins with https:// or http://.", fields=("url",))
    if link.ticket_id and link.kind not in manifest.links:
        offered = ", ".join(sorted(manifest.links))
        raise DeskUnsupportedError(f"{manifest.name} has no link '{link.kind.value}'; it has: {offered}.")


def link_note(link: TicketLink, mark: str) -> NoteDraft:
    """The internal note that names a ticket elsewhere."""
    # A line break, a bracket or a stroke of a stranger's would end the link early and begin something else.
    title = " ".join((link.title or link.url).split()).translate(_IN_TITLE)
    address = "%20".join(link.url.split()).translate(_IN_ADDRESS)
    return NoteDraft(body=f"{_SAID[link.kind]}: [{title}](<{address}>)", mark=mark)


__all__ = ["link_note", "require_filters", "require_link", "require_settable"]
