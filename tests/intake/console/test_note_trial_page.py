"""A note on trial from the page of the desk: asked for, refused with the setting to change, looked at again."""

from __future__ import annotations

import re

from tests.support.api import Api
from tests.support.desk_pages import answering, desk_pages, said
from tests.support.people import form

from deskhand.intake.console import noting
from deskhand.simulators.base.rules import NoteRules


def hidden(html: str, name: str) -> list[str]:
    """Values of a form's hidden boxes."""
    return re.findall(rf'name="{name}" value="([^"]*)"', html)


async def test_a_note_is_tried_from_the_page_and_looked_at_again(api: Api) -> None:
    async with answering("servicedesk_plus") as (simulator, typed):
        pages = await desk_pages(api, **typed)
        page = await pages.page("servicedesk_plus")
        assert "Nobody has seen yet what ManageEngine ServiceDesk Plus does with a note of ours" in said(page)
        requester = simulator.store.person("alice@acme.test", name="<b>Alice</b>")
        ticket = simulator.file_ticket(subject="VPN drops", requester=requester, status="Open")
        address = f"{noting.router.prefix}/servicedesk_plus".format(tenant_id="acme")
        (key,) = hidden(page, "key")
        absent = await form(pages.boss, address, f"{address}/note-trial", ticket="999999", key=key)
        assert (absent.status_code, ticket.notes) == (422, [])
        assert "The note was not tried." in said(absent.text)
        assert 'value="999999"' in absent.text, "what was typed is still there"
        empty = await form(pages.boss, address, f"{address}/note-trial", ticket=" ", key=key)
        assert (empty.status_code, "The note was not tried." in said(empty.text)) == (422, True)

        simulator.store.rules = NoteRules(publish=True, status="<i>Onhold</i>")
        done = await form(pages.boss, address, f"{address}/note-trial", ticket=ticket.display_id, key=key)
        assert (done.status_code, done.headers["location"]) == (303, f"{address}#note-trial")
        shown = await pages.page("servicedesk_plus")
        assert "Refused: notes do not stay inside." in said(shown)
        assert "The desk shows our internal note to the requester. " in said(shown)
        assert "To change: Setup, Automation" in said(shown)
        assert ("<i>Onhold</i>" in shown, "&lt;i&gt;Onhold&lt;/i&gt;" in shown) == (False, True)
        assert "alice@acme.test" not in said(shown)

        # Looked at again: nothing more is written, and what the desk has corrected meanwhile is seen.
        ticket.notes[0].public, ticket.status = False, "Open"
        again_key, _ = hidden(shown, "key")
        again = await form(pages.boss, address, f"{address}/note-trial", ticket=ticket.display_id, key=again_key)
        assert (again.status_code, len(ticket.notes)) == (303, 1)
        assert "Technicians alone see it." in said(await pages.page("servicedesk_plus"))
