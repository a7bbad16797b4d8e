"""The monthly report over real rows: what was planted is recovered, costs add up, and nothing is invented."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert, select
from tests.reports.conftest import MAY, NOON, MakeRun
from tests.support.console import Console

from deskhand.agents.models import Agent, AgentVersion
from deskhand.engine.models import AgentExecution, ExecutionStep
from deskhand.kit.db.companies import EVERY_COMPANY
from deskhand.knowledge.models import EnhancementFeedback, TicketHistory
from deskhand.reports.worth.files import worth_file
from deskhand.reports.worth.repository import desks_told
from deskhand.reports.worth.schemas import WorthQuery, WorthReport
from deskhand.reports.worth.service import month_span
from deskhand.tenants.models import EnhancementHistory

DESK = "servicedesk_plus"
HOUR = 3_600_000.0
NOTE = {"note": {"markdown": "Restart the gateway."}, "triage": {"category": {"value": "Network"}}}
NOT_WRITTEN = {"note": None, "not_written": "Held out.", "not_written_code": "held_out"}


@dataclass(frozen=True)
class Planted:
    """One ticket, its run, and how it went."""

    ref: str
    held: bool | None = None
    hours: float | None = 4.0
    company: str | None = None
    output: dict[str, Any] | None = None
    cost: str | None = "0.01"
    category: str | None = "network"
    at: datetime = NOON
    number: str | None = None
    opened: bool = True
    touched: float | None = None
    reopened: bool | None = None


async def plant(console: Console, agent: Agent, tickets: Sequence[Planted]) -> dict[str, UUID]:
    """Rows as the worker and the import of the history would have written them; the runs by their tickets."""
    ids = {one.ref: uuid4() for one in tickets}
    async with console.db.tenant_session(agent.tenant_id, companies=EVERY_COMPANY) as session:
        version = await session.scalar(select(AgentVersion.id).where(AgentVersion.agent_id == agent.id))
        await session.execute(insert(AgentExecution), [_run(one, ids[one.ref], agent, version) for one in tickets])
        drawn = [_draw(one, ids[one.ref], agent) for one in tickets if one.held is not None]
        if drawn:
            await session.execute(insert(ExecutionStep), drawn)
        solved = [_solved(one, agent) for one in tickets if one.hours is not None]
        if solved:
            await session.execute(insert(TicketHistory), solved)
    return ids


def _run(one: Planted, id_: UUID, agent: Agent, version: UUID | None) -> dict[str, Any]:
    output = one.output if one.output is not None else NOT_WRITTEN if one.held else NOTE
    named = {"company": {"id": one.company, "name": f"{one.company} Ltd"}} if one.company else {}
    return {
        **{"id": id_, "tenant_id": agent.tenant_id, "agent_id": agent.id, "agent_version_id": version},
        **{"status": "completed", "attempt": 1, "tool_type": DESK, "ticket_ref": one.ref},
        **{"queued_at": one.at, "started_at": one.at, "completed_at": one.at + timedelta(seconds=9)},
        **{"input_payload": {}, "output_result": {**output, **named}},
        "token_usage": {"input_tokens": 10, "output_tokens": 5, "model_calls": 1},
        "cost_usd": None if one.cost is None else Decimal(one.cost),
    }


def _draw(one: Planted, id_: UUID, agent: Agent) -> dict[str, Any]:
    return {
        **{"execution_id": id_, "tenant_id": agent.tenant_id, "step_key": "hold_out", "name": "hold_out"},
        **{"attempt": 1, "kind": "compute", "state": "finished", "output": {"held": one.held, "company": None}},
    }


def _solved(one: Planted, agent: Agent) -> dict[str, Any]:
    assert one.hours is not None
    names = {"ticket_id": one.ref} if one.number is None else {"ticket_id": one.number, "desk_id": one.ref}
    return {
        **{
            "tenant_id": agent.tenant_id,
            "tool_type": DESK,
            "description": "Broken.",
            "source": "desk",
            "desk_id": None,
        },
        **names,
        "opened_at": one.at if one.opened else None,
        "resolved_date": one.at + timedelta(hours=one.hours),
        "category": one.category,
        "touched_at": None if one.touched is None else one.at + timedelta(hours=one.touched),
        "reopened": one.reopened,
    }


async def report(console: Console, status: int = 200, **query: str) -> dict[str, Any]:
    client = await console.client(role="viewer")
    answer = await client.get("/api/v1/reports/worth", params={"month": "2026-05", **query})
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def drawn_month(effect: float) -> list[Planted]:
    """Four hundred tickets, a third of them held out; half of those are solved within four hours."""
    lots, made = Random(7), []
    for number in range(400):
        held = lots.random() < 1 / 3
        hours = lots.lognormvariate(math.log(4), 0.9) * (1 if held else effect)
        # One in twenty is not solved by now.
        made.append(Planted(str(number), held=held, hours=None if number % 20 == 19 else hours))
    return made


async def test_a_planted_effect_is_recovered_from_the_rows(console: Console) -> None:
    await plant(console, await console.agent(), drawn_month(effect=0.5))
    told = await report(console)
    assert told["compared"] is True
    total = told["total"]
    with_notes, held_out = total["groups"]
    assert (with_notes["name"], held_out["name"]) == ("with_notes", "held_out")
    assert with_notes["tickets"] + held_out["tickets"] == total["tickets"] == 400
    assert total["held_out"] == held_out["tickets"]
    assert with_notes["solution"]["ended"] + held_out["solution"]["ended"] == 380
    [between] = total["differences"]
    assert between["verdict"] == "less"
    assert between["low"] <= -2 * HOUR <= between["high"] < 0, "four hours were made two"
    assert between["confidence"] == pytest.approx(0.95)
    assert between["value"] == pytest.approx(
        with_notes["solution"]["median_ms"] - held_out["solution"]["median_ms"], abs=1
    )


async def test_where_nothing_was_planted_nothing_is_claimed(console: Console) -> None:
    await plant(console, await console.agent(), drawn_month(effect=1.0))
    [between, *_] = (await report(console))["total"]["differences"]
    assert between["verdict"] == "none"
    assert between["low"] < 0 < between["high"]
    assert between["words"].startswith("Time to a solution: no difference that could be told from chance")


async def test_without_held_out_tickets_nothing_is_claimed_however_far_apart_they_are(console: Console) -> None:
    quick = [Planted(f"q{n}", hours=1 + n / 100) for n in range(40)]
    slow = [Planted(f"s{n}", hours=40 + n / 100, output={"note": None, "not_written": "Nothing."}) for n in range(40)]
    await plant(console, await console.agent(), [*quick, *slow])
    told = await report(console)
    assert (told["compared"], told["hold_out_share"]) == (False, 0)
    assert told["total"]["differences"] == []
    noted, not_noted = told["total"]["groups"]
    assert (noted["name"], noted["tickets"], not_noted["name"], not_noted["tickets"]) == ("noted", 40, "not_noted", 40)
    assert noted["solution"]["high_ms"] < not_noted["solution"]["low_ms"], "side by side, they are told all the same"


async def test_costs_of_companies_add_up_to_the_ledger_to_the_last_digit(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    tickets = [
        Planted(f"{company}-{n}", company=company, cost=f"0.{n + 1:08}", hours=None)
        for company, count in (("Nordwind", 3), ("Suedwerk", 2))
        for n in range(count)
    ]
    await plant(console, agent, [*tickets, Planted("nobody", cost="0.5"), Planted("unpriced", cost=None)])
    await run(agent, "0.00000009", ticket=None)
    await run(agent, "7", mode="dry_run", ticket="Nordwind-0")
    await run(agent, "3", ticket="Nordwind-0", at=NOON + timedelta(days=40))
    told = await report(console)
    sums = {one["name"]: Decimal(one["costs"]["cost_usd"]) for one in told["companies"]}
    assert sums == {
        "Nordwind Ltd": Decimal("0.00000006"),
        "Suedwerk Ltd": Decimal("0.00000003"),
        "No company named": Decimal("0.50000009"),
    }
    client = await console.client(role="viewer")
    ledger = (await client.get("/api/v1/reports/costs", params=MAY)).json()["total"]
    assert sum(sums.values()) == Decimal(ledger["cost_usd"]) == Decimal(told["total"]["costs"]["cost_usd"])
    assert told["total"]["costs"]["unpriced_runs"] == ledger["unpriced_runs"] == 1
    counts = {one["name"]: one["tickets"] for one in told["companies"]}
    assert counts == {"Nordwind Ltd": 3, "Suedwerk Ltd": 2, "No company named": 2}
    [one] = (await report(console, company=f"{DESK}:Suedwerk"))["companies"]
    assert (one["name"], one["tickets"]) == ("Suedwerk Ltd", 2)
    assert Decimal(one["costs"]["cost_usd"]) == Decimal("0.00000003")
    [nobody] = (await report(console, company=""))["companies"]
    assert nobody["tickets"] == 2
    none = await report(console, company="jira:Nordwind")
    assert (none["companies"], none["total"]) == ([], None)


async def test_a_ticket_belongs_to_the_month_of_its_first_run(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    await plant(console, agent, [Planted("old", at=NOON - timedelta(days=30)), Planted("new")])
    await run(agent, "0.25", ticket="old", output_result=NOTE)
    await run(agent, "0.25", ticket="new", at=NOON + timedelta(days=30), mode="dry_run")
    told = (await report(console))["total"]
    assert (told["tickets"], told["costs"]["runs"], told["costs"]["cost_usd"]) == (1, 2, "0.26000000")
    assert (await report(console, month="2026-04"))["total"]["tickets"] == 1
    assert (await report(console, month="2026-06"))["total"]["tickets"] == 0


async def test_suggestions_are_read_back_from_the_solved_ticket(console: Console) -> None:
    tickets = [
        Planted("kept", category="  NETWORK "),
        Planted("changed", category="Hardware"),
        Planted("empty", category=None),
        Planted("open", hours=None),
        Planted("held", held=True),
        Planted("silent", output={"note": None, "triage": {"category": {"value": "Network"}}}),
    ]
    await plant(console, await console.agent(), tickets)
    [category] = (await report(console))["total"]["suggestions"]
    assert (category["field"], category["hits"], category["of"], category["not_told"]) == ("category", 1, 2, 2)
    assert (category["low"], category["high"]) == (None, None), "of two nothing more is said"


async def test_the_first_draw_counts_and_a_note_that_was_asked_for_moves_nobody(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    await plant(console, agent, [Planted("asked", held=True), Planted("other", held=False)])
    asked = await run(agent, ticket="asked", at=NOON + timedelta(hours=1), output_result=NOTE, replay_of=uuid4())
    await console.step("acme", asked, "hold_out", step_key="hold_out", kind="compute", output={"held": False})
    with_notes, held_out = (await report(console))["total"]["groups"]
    assert (with_notes["tickets"], held_out["tickets"], held_out["noted"]) == (1, 1, 1)


async def test_what_a_desk_does_not_tell_is_not_invented(console: Console) -> None:
    agent = await console.agent()
    await plant(console, agent, [Planted("a", hours=None), Planted("b", hours=None)])
    told = (await report(console))["total"]
    assert (told["tickets"], told["unknown"]) == (2, 2), "without its history nobody knows whether they are solved"
    assert [one["solution"]["of"] for one in told["groups"]] == [0, 0]
    await plant(console, agent, [Planted("internal", number="4711", hours=2.0), Planted("unfiled", opened=False)])
    told = (await report(console))["total"]
    assert (told["tickets"], told["unknown"]) == (4, 1), "a ticket whose filing nobody tells took nobody knows how long"
    async with console.db.tenant_session("acme", companies=EVERY_COMPANY) as session:
        assert await desks_told(session, ["jira", DESK]) == {DESK}
    solution = told["groups"][0]["solution"]
    assert (solution["of"], solution["ended"], solution["median_ms"]) == (3, 1, None)


async def test_first_words_and_reopenings_are_compared_where_the_desk_told_of_them(console: Console) -> None:
    tickets = [
        Planted(
            str(n),
            held=n % 2 == 0,
            hours=8 + n / 50,
            touched=None if n % 10 == 9 else (2 if n % 2 == 0 else 1) + n / 500,
            reopened=n % 2 == 0 and n % 4 == 0 if n % 10 else None,
        )
        for n in range(200)
    ]
    await plant(console, await console.agent(), tickets)
    total = (await report(console))["total"]
    solution, first, again = total["differences"]
    assert [one["measure"] for one in total["differences"]] == ["solution", "first_touch", "reopened"]
    assert [one["confidence"] for one in total["differences"]] == [pytest.approx(1 - 0.05 / 3)] * 3
    assert solution["verdict"] == "none"
    assert (first["verdict"], first["with_notes"], first["held_out"]) == ("less", 80, 100)
    assert first["low"] <= -HOUR <= first["high"], "one hour was planted"
    assert (again["verdict"], again["with_notes"], again["held_out"]) == ("less", 100, 80)
    assert again["low"] <= -0.5 <= again["high"], "half of those held out were opened again, and none of the others"
    assert again["words"].startswith("With notes, tickets were opened again 50.0 points less often than those held out")
    with_notes, held_out = total["groups"]
    assert (with_notes["reopened"]["hits"], held_out["reopened"]["hits"], held_out["reopened"]["of"]) == (0, 40, 80)
    assert with_notes["first_touch"]["of"] == 80
    assert with_notes["first_touch"]["median_ms"] < held_out["first_touch"]["median_ms"]


async def test_votes_are_counted_by_company_and_a_three_says_nothing(console: Console) -> None:
    agent = await console.agent()
    ids = await plant(console, agent, [Planted(str(n), company="Nordwind") for n in range(5)])
    kinds = [("thumbs_up", None), ("thumbs_down", None), ("rating", 5), ("rating", 3), ("rating", 1)]
    async with console.db.tenant_session("acme") as session:
        for (ref, id_), (kind, rating) in zip(ids.items(), kinds, strict=True):
            session.add(EnhancementHistory(id=id_, tenant_id="acme", ticket_id=ref, status="completed"))
            await session.flush()
            voted = {"enhancement_id": id_, "feedback_type": kind, "rating_value": rating}
            session.add(EnhancementFeedback(tenant_id="acme", ticket_id=ref, **voted))
    [nordwind] = (await report(console))["companies"]
    assert (nordwind["votes"]["hits"], nordwind["votes"]["of"]) == (2, 4)


async def test_the_file_says_what_the_report_says(console: Console) -> None:
    tickets = [Planted(str(n), held=n % 2 == 0, hours=4 + n / 100, company="=cmd") for n in range(60)]
    await plant(console, await console.agent(), tickets)
    client = await console.client(role="viewer")
    answer = await client.get("/api/v1/reports/worth/export", params={"month": "2026-05"})
    assert answer.headers["content-disposition"] == 'attachment; filename="worth-2026-05.csv"'
    nordwind, total = csv.DictReader(io.StringIO(answer.text))
    assert nordwind["name"] == "'=cmd Ltd", "no cell is a formula"
    assert (total["key"], total["tickets"], total["held_out"], total["cost_usd"]) == ("*", "60", "30", "0.60000000")
    assert answer.text == worth_file(WorthReport.model_validate(await report(console)))
    assert (total["first_group"], total["second_group"]) == ("with_notes", "held_out")
    assert (total["category_kept"], total["category_told"], total["priority_told"]) == ("30", "30", "")
    assert total["solution_difference_verdict"] == "none"
    assert (total["reopened_difference_verdict"], total["second_reopened_told"]) == ("", "0")


async def test_another_tenants_tickets_are_in_no_report(console: Console) -> None:
    await plant(console, await console.agent("globex"), [Planted("theirs")])
    told = await report(console)
    assert (told["total"]["tickets"], told["companies"]) == (0, [])


@pytest.mark.parametrize(
    "query", [{"month": "2026-13"}, {"month": "May"}, {"zone": "Mars/Olympus"}, {"company": "x" * 401}, {"moon": "1"}]
)
async def test_what_is_no_month_is_refused(console: Console, query: dict[str, str]) -> None:
    fault = await report(console, 422, **query)
    assert fault["errors"][0]["pointer"] == f"/{next(iter(query))}"


def test_the_last_whole_month_is_meant_where_none_is_named() -> None:
    now = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    span = month_span(WorthQuery(), now)
    assert (str(span.since), str(span.until)) == ("2025-12-01", "2025-12-31")
    berlin = month_span(WorthQuery(zone="Europe/Berlin"), now)
    assert str(berlin.since) == "2026-01-01", "there it is February already"
    leap = month_span(WorthQuery(month="2028-02"), now)
    assert (str(leap.until), leap.bounds[-1]) == ("2028-02-29", datetime(2028, 3, 1, tzinfo=UTC))
