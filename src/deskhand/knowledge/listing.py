"""Whether a desk's listing of its history comes to an end. Pure.

A desk whose cursor leads back, or which gives the same tickets again and again, would keep an import going for ever;
one that invents new ones without end would fill the database. An import can be run again and goes on where it was, so
it may stop, as long as it says so.
"""

from __future__ import annotations

from deskhand.plugins.contract import TicketPage

MAX_PAGES = 20_000
"""Of one import: two million tickets at the usual size of a page."""
MAX_PAGES_WITHOUT_NEWS = 50
"""Pages in a row without a ticket that was not there before. A desk may repeat the tickets of a border, or show none of
a page to our account."""


class ListingWatch:
    """Sees the pages of one import go by."""

    def __init__(self) -> None:
        self._cursors: set[str] = set()
        self._tickets: set[int] = set()
        self._pages = 0
        self._without_news = 0

    def why_stop(self, page: TicketPage) -> str:
        """Why the page after this one is not to be asked for; empty to go on."""
        self._pages += 1
        names = {hash((ticket.id, ticket.updated_at)) for ticket in page.tickets}
        names |= {hash(one.ref) for one in page.skipped}
        self._without_news = 0 if names - self._tickets else self._without_news + 1
        self._tickets |= names
        if page.next_cursor is None:
            return ""
        if page.next_cursor in self._cursors:
            return "The desk's list leads back to a page that was read already"
        self._cursors.add(page.next_cursor)
        if self._without_news >= MAX_PAGES_WITHOUT_NEWS:
            return f"The desk says that there is more, and {MAX_PAGES_WITHOUT_NEWS} pages in a row had nothing new"
        if self._pages >= MAX_PAGES:
            return f"{MAX_PAGES} pages were read, which is as much as one import takes"
        return ""
