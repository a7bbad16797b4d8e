"""What a run does whose outcome is a note: word it, find out whether it is due, write it once, remember it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_jsonable_python

from deskhand.engine.claims import Ending
from deskhand.engine.status import ExecutionStatus
from deskhand.kit.db.readers import Readers
from deskhand.kit.db.session import Database
from deskhand.knowledge.embedding import Embedder, embed_texts
from deskhand.knowledge.verdicts.grounds import Searched, keep_grounds
from deskhand.knowledge.verdicts.links import VerdictLinks
from deskhand.llm.connection import GatewaySettings
from deskhand.notes.layout import ComposedNote, NoteFacts, compose_follow_up, compose_update
from deskhand.notes.news import Content
from deskhand.plugins.contract import Ticket, WriteReceipt
from deskhand.plugins.errors import DeskNotFoundError
from deskhand.tenants.note_rules import note_rules
from deskhand.tenants.service import record_enhancement
from deskhand.work.drafting import Drafter, Share, Wording
from deskhand.work.due import Due
from deskhand.work.family import FamilyReader
from deskhand.work.front import Front
from deskhand.work.hands import DeskHands
from deskhand.work.placing import NEW_NOTE, place_of
from deskhand.work.prompting import system_prompt
from deskhand.work.repetition import (
    LastNote,
    ReadNote,
    about,
    facts_digest,
    read_begun_note,
    read_last_note,
)
from deskhand.work.research import Findings
from deskhand.work.rewriting import may_rewrite, rewrite_note, write_note
from deskhand.work.run import Run
from deskhand.work.ticket_outcomes import Seen
from deskhand.work.toolbox import Toolbox
from deskhand.work.writing import Parent

NOTE_KEY = "add_note:note"


@dataclass(frozen=True, slots=True)
class NoteOutcome:
    """Does such runs.

    Attributes:
        db: Sessions.
        gateway: How models are reached.
        timeout: Seconds of one attempt.
        links: Makes the link by which a note's readers say whether it helped.
        embedder: Made the vectors that were searched with.
    """

    db: Database
    gateway: GatewaySettings
    timeout: float
    links: VerdictLinks
    embedder: Embedder

    async def perform(
        self, run: Run, toolbox: Toolbox, own: DeskHands, seen: Seen, *, findings: Findings, front: Front | None
    ) -> Ending | None:
        """Do one, to its end; None where the ticket went to another company meanwhile, and nothing was written.

        Raises:
            ModelError: It may pass by itself, and there is time for another try.
            NotApprovedError: A person did not approve the note.
        """
        live, ticket, home, facts = run.execution.mode == "live", seen.ticket, seen.home, seen.facts
        due = Due(self.db, run, seen.key(NOTE_KEY))
        digest = facts_digest(facts, run.execution.agent_version_id, told=seen.told.around(""))
        may_write = own.may("add_note")
        # A dry run shows the note that would be written, also where it repeats the last one.
        last = await self._last_note(read_last_note, run, home) if live and may_write else None
        # Before the model is asked: the same facts would cost its tokens for a note that is thrown away. A run that has
        # asked people goes on to what they approved, whatever note another run wrote while it waited.
        if last is not None and last.facts_digest == digest and not run.waited:
            return await _nothing_new(run, last)
        wording = await self._word(run, toolbox, seen, front)
        note, body = wording.note, wording.note.markdown
        # Again, with the words: other facts may lead to the same note.
        begun = await self._last_note(read_begun_note, run, home) if live and may_write else None
        if same := next((one for one in (last, begun) if one is not None and one.says(body)), None):
            return await _nothing_new(run, same, wording.extent)
        if may_write and not note.says and (why := await due.why_not_nothing()):
            return withheld(run, why)
        subject = about(facts, run.execution.agent_version_id)
        place = place_of(last, home, ticket) if last is not None and may_rewrite(own) else NEW_NOTE
        living = place.living
        news = await due.news(note.says, last, about=subject, replaces=place.replaces)
        if last is not None and news is not None and not news:
            return await _nothing_new(run, last, wording.extent)
        why = await seen.timely.why_not(has_closed=toolbox.may_have_closed)
        has_changed = FamilyReader(self.db, run, own).has_changed
        if why or await seen.timely.has_moved() or await has_changed(seen.family, seen.key(NOTE_KEY)):
            return withheld(run, why) if why else None
        shown = _shown(wording, news, last, at=run.execution.queued_at, is_living=place.replaces)
        body, receipt = place.body(shown.markdown), None
        if may_write:
            below, ref = self._below(run), Parent(home.id) if home is not ticket else None
            body, receipt = await _write(own, body, living, key=seen.key(NOTE_KEY), below=below, ref=ref)
        output = {
            "note": {
                **_noted(wording, shown, living, body=body, note_id=receipt.id if receipt and live else None),
                "on": None if home is ticket else {"ticket_id": home.id, "number": home.display_id, "url": home.url},
            },
            "triage": to_jsonable_python(findings.triage),
            "unavailable": list(facts.unavailable),
            **_worded(wording),
        }
        if live:
            # A degraded note keeps no digest, so that the next event of the ticket tries the model again.
            told = note.says if last is None else note.says.after(last.says_so_far)
            marks = {"facts_digest": None if wording.failure else digest, "about": subject, "says": told.as_stored()}
            await self._remember(run, seen, output, {**marks, "of": place.of(ticket)}, searched=findings.query)
        return Ending(ExecutionStatus.COMPLETED, output=output)

    async def _last_note(self, read: ReadNote, run: Run, ticket: Ticket) -> LastNote | None:
        return await read(
            self.db,
            tenant_id=run.execution.tenant_id,
            agent_id=run.execution.agent_id,
            tool_type=ticket.tool_type,
            ticket_id=ticket.id,
            besides=run.execution.id,
        )

    def _below(self, run: Run) -> str:
        """What stands below the note at the desk alone: the journal is read by people who may not judge it."""
        rules = note_rules(run.tenant.enhancement_preferences)
        wanted = rules.verdict_link if run.outcome.verdict_link is None else run.outcome.verdict_link
        if not wanted:
            return ""
        # From when it was queued, so that each attempt of a run writes the same.
        until = run.execution.queued_at + timedelta(days=rules.verdict_link_days)
        return f"\n\n{self.links.line(run.execution.tenant_id, run.execution.id, until=until)}"

    async def _word(self, run: Run, toolbox: Toolbox, seen: Seen, front: Front | None) -> Wording:
        share = Share.of(run.execution, deadline=run.deadline, timeout=self.timeout, for_people=run.waited)
        drafter = Drafter(self.gateway, run.http, run.journal, share)
        said = ""
        if front is not None and front.is_all:
            seen = front.seen
        elif front is not None:
            said = await front.speak(run, toolbox, drafter)
            seen = replace(seen, facts=front.with_answers(seen.facts, toolbox))
        toolbox.begin(Readers.OUTSIDE if front is not None and front.is_all else Readers.HOUSE)
        wording = await drafter.word(
            seen.facts,
            toolbox,
            llm_config=run.version.llm_config,
            prompt=lambda specs: system_prompt(run, specs, seen.ticket, seen.told) + said,
            look=seen.look,
        )
        return replace(wording, extent=(*wording.extent, *seen.left_out))

    async def _remember(
        self, run: Run, seen: Seen, output: dict[str, Any], marks: dict[str, Any], *, searched: str
    ) -> None:
        context = {
            "sources": output["note"]["sources"],
            "unavailable": output["unavailable"],
            "agent_id": str(run.execution.agent_id),
            "tool_type": seen.ticket.tool_type,
            "note_id": output["note"]["note_id"],
            **marks,
        }
        # Before the session: it takes longest, and needs no connection. The search made it, so it is mostly there.
        (vector,) = await embed_texts(self.embedder, [searched])
        async with self.db.tenant_session(run.execution.tenant_id, companies=run.wall.scope) as session:
            await record_enhancement(
                session,
                run_id=run.execution.id,
                tenant_id=run.execution.tenant_id,
                ticket_id=seen.home.id,
                context=context,
                note=output["note"]["markdown"],
                took_ms=round((self.timeout - (run.deadline - time.monotonic())) * 1000),
            )
            await keep_grounds(
                session,
                tenant_id=run.execution.tenant_id,
                run_id=run.execution.id,
                ticket=seen.ticket,
                cited=[(one["kind"], one["ref"]) for one in context["sources"]],
                searched=Searched(run.wall.scope, vector, self.embedder.name),
            )


def withheld(run: Run, why: str) -> Ending:
    """The end of a run that writes nothing, and says why."""
    output = {"outcome": run.outcome.kind.value, "note": None, "degraded": False, "not_written": why}
    return Ending(ExecutionStatus.COMPLETED, output=output)


async def _nothing_new(run: Run, last: LastNote, read: Sequence[str] = ()) -> Ending:
    """End a run whose note the ticket already has: nothing is written, and its trace and page say so."""
    same = {"execution_id": str(last.run_id), "note_id": last.note_id}

    async def keep() -> Any:
        return same

    await run.journal.step(name="keep_last_note", kind="compute", body=keep, owed=True)
    return Ending(
        ExecutionStatus.COMPLETED, output={"note": None, "same_as": same, "degraded": False, "read": list(read)}
    )


def _noted(
    wording: Wording, shown: ComposedNote, living: LastNote | None, *, body: str, note_id: str | None
) -> dict[str, Any]:
    return {
        "markdown": body,
        "confidence": wording.note.confidence,
        "word_count": shown.word_count,
        # None for a dry run, and where a person who answered a doubt did not know the note's id
        "note_id": note_id or None,
        "sources": _cited(wording.facts, shown),
        "dropped": to_jsonable_python(wording.note.dropped),
        "replaces": {"execution_id": str(living.run_id), "note_id": living.note_id} if living else None,
    }


async def _write(
    own: DeskHands, body: str, living: LastNote | None, *, key: str, below: str, ref: str | None
) -> tuple[str, WriteReceipt]:
    """Write the note, in the last one's place where it has one; what was written, and its receipt."""
    if living is not None and living.note_id is not None:
        try:
            receipt = await rewrite_note(own, living.note_id, body, key=key, before=living.text, below=below, ref=ref)
        except DeskNotFoundError:
            # Somebody deleted it since the ticket was read.
            key = f"{key}:anew"
        else:
            return body, receipt
    approved = await own.ask("add_note", {"body": body}, key=key, ref=ref, reason="The run ends in this note.")
    body = str(approved["body"])
    return body, await write_note(own, body, key=key, below=below, ref=ref)


def _shown(
    wording: Wording, news: Content | None, last: LastNote | None, *, at: datetime, is_living: bool
) -> ComposedNote:
    """The note as it is written: whole, with what changed in it, or what the ticket's earlier notes do not say."""
    if last is not None and is_living:
        return compose_update(wording.facts, wording.checked, news=news or Content(), at=at)
    if news is None or last is None or not last.says_so_far:
        return wording.note
    return compose_follow_up(wording.facts, wording.checked, news=news, note=wording.note)


def _worded(wording: Wording) -> dict[str, Any]:
    """What the model had to do with the note, and how much of the ticket it was given."""
    return {
        "model": wording.model_name,
        "degraded": bool(wording.failure),
        "degraded_reason": wording.failure or None,
        "read": list(wording.extent),
    }


def _cited(facts: NoteFacts, note: ComposedNote) -> list[dict[str, Any]]:
    by_ref = {source.ref: source for source in facts.sources}
    return [
        {"ref": by_ref[ref].label, "kind": by_ref[ref].kind, "title": by_ref[ref].title, "url": by_ref[ref].url}
        for ref in note.cited
    ]
