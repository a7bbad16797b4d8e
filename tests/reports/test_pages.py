"""Costs and performance in the console, without scripts: the address says what is shown, the page says all of it."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from tests.reports.conftest import MAY, NOON, MakeRun
from tests.support.console import Console

SCRIPT = "<script>alert(1)</script>"


async def page(client: httpx2.AsyncClient, path: str, status: int = 200, **query: Any) -> str:
    answer = await client.get(path, params={**MAY, **query})
    assert answer.status_code == status, answer.text
    assert "style=" not in answer.text, "the policy of pages allows no style in them"
    return answer.text


def tiles(text: str) -> dict[str, str]:
    """Each tile's figure, by the first words under it."""
    found = re.findall(r'<span class="figure">(.*?)</span>(?:<a[^>]*>)?([^<]+)', text, re.DOTALL)
    return {words.strip(): figure for figure, words in found}


async def test_costs_are_shown_to_the_last_digit_and_can_be_kept(console: Console, run: MakeRun) -> None:
    agent = await console.agent(name=SCRIPT)
    await run(agent, "0.25")
    await run(agent, "0.00000007", at=NOON + timedelta(days=2))
    await run(agent, None)
    await run(agent, "3", mode="dry_run")
    client = await console.browser(role="viewer")
    shown = await page(client, "/costs", group="agent")
    assert SCRIPT not in shown
    assert tiles(shown) == {
        "spent on models": "$0.25",
        "runs": "3",
        "tokens in, 540 out": "3,600",
        "run whose price nobody knows": "1",
        "spent on 1 trial": "$3.00",
    }
    assert "$0.25000007 to the last digit" in shown
    assert "2026-05-01 to 2026-05-31, days as they begin in UTC" in shown
    assert shown.count("$0.25000007") >= 3, "the tile, the row and the total"
    [address] = re.findall(r'href="(/api/v1/reports/costs/export[^"]*)"', shown)
    kept = (await client.get(address.replace("&amp;", "&"))).text
    assert Decimal(kept.splitlines()[1].split(",")[7]) == Decimal("0.25000007")


async def test_the_chart_is_a_drawing_with_words_and_a_table(console: Console, run: MakeRun) -> None:
    agent = await console.agent()
    await run(agent, "0.25")
    await run(agent, None, at=NOON + timedelta(days=1))
    shown = await page(await console.browser(role="viewer"), "/costs", since="2026-05-03", until="2026-05-06")
    [drawing] = re.findall(r"<svg.*?</svg>", shown, re.DOTALL)
    named = re.search(r'role="img" aria-labelledby="(\S+) (\S+)"', drawing)
    assert named is not None
    assert all(f'id="{name}"' in drawing for name in named.groups())
    assert drawing.count("<g>") == 4
    assert drawing.count('class="money"') == 1
    assert drawing.count('class="unknown"') == 1, "a day of unknown price is no day of nothing"
    assert "<title>2026-05-04: $0.25</title>" in drawing
    assert "<title>2026-05-05: 1 run whose price nobody knows</title>" in drawing
    table = shown[shown.index("The figures as a table") :]
    days = re.findall(r'<th scope="row">(2026-05-0\d)</th><td class="n" data-label="Spent">(.*?)</td>', table)[:4]
    assert [(day, re.sub("<.*?>", " ", words).split()[0]) for day, words in days] == [
        ("2026-05-03", "$0.00"), ("2026-05-04", "$0.25"), ("2026-05-05", "unknown"), ("2026-05-06", "$0.00"),
    ]  # fmt: skip


async def test_where_no_price_is_known_nothing_is_said_to_cost_nothing(console: Console, run: MakeRun) -> None:
    await run(await console.agent(), None)
    await run(await console.agent(), None, mode="dry_run")
    for query in ({"group": "agent"}, {"group": "agent", "trials": "true"}):
        shown = await page(
            await console.browser(role="viewer"), "/costs", since="2026-05-04", until="2026-05-04", **query
        )
        main = shown[shown.index("<main") :]
        assert "unknown" in main
        assert "$0.00" not in main.partition("<li>$0.50</li>")[0], "above the scale of the chart"
        assert "$0.00" not in main.partition('<ol class="names"')[2], "and below it"


async def test_performance_says_how_runs_went(console: Console, run: MakeRun) -> None:
    agent = await console.agent(name=SCRIPT)
    for seconds in (2, 4, 60):
        await run(agent, ticket=None, seconds=seconds)
    await run(agent, status="failed", error_code="desk-auth")
    shown = await page(await console.browser(role="viewer"), "/performance")
    assert tiles(shown) == {
        "of the runs that came to an end completed": "75.0 %",
        "from event to note, half of them": "4.0 s",
        "at work, half of them": "3.0 s",
    }
    assert SCRIPT not in shown
    assert f'href="/agents/{agent.id}"' in shown
    assert "Desk credentials refused" in shown
    assert "<title>2026-05-04: 3 completed, 1 failed</title>" in shown
    assert 'href="/costs" aria-current="page"' in shown, "the entry of both pages is lit"
    by_day = await page(await console.browser(role="viewer"), "/performance", group="day")
    assert "Each day" in by_day


@pytest.mark.parametrize("path", ["/costs", "/performance"])
async def test_nothing_says_what_to_do_next(console: Console, run: MakeRun, path: str) -> None:
    client = await console.browser(role="viewer")
    empty = await page(client, path)
    assert "No runs in these days" in empty
    assert 'href="/agents"' in empty
    assert "<svg" not in empty.partition("<main")[2]
    agent = await console.agent()
    await run(agent, "0.50", mode="dry_run")
    assert "No runs in these days" in await page(client, path)
    assert "No trials" in await page(client, path, trials="true", since="2026-06-01", until="2026-06-02")
    assert "Look at all agents" in await page(client, path, agent="00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize("path", ["/costs", "/performance"])
@pytest.mark.parametrize(
    ("query", "field", "words"),
    [
        ({"since": "2020-01-01"}, "until", "at most 366 days from the first one; these are 2343 days"),
        ({"since": "yesterday"}, "since", "must be a day, such as 2026-05-04"),
        ({"zone": "Europe/Berlim"}, "zone", "did you mean Europe/Berlin"),
        ({"group": SCRIPT}, "group", "Input should be"),
        ({"agent": "nobody"}, "agent", "UUID"),
        ({"trials": "maybe"}, "trials", "must be true or false"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(
    console: Console, path: str, query: dict[str, str], field: str, words: str
) -> None:
    shown = await page(await console.browser(role="viewer"), path, 422, **query)
    assert f'<span class="fault" id="fault-{field}">' in shown
    assert words in shown
    assert f'name="{field}"' in shown
    assert f'aria-describedby="fault-{field}"' in shown
    assert SCRIPT not in shown
    assert "These days cannot be shown." in shown


async def test_the_address_holds_the_filter(console: Console, run: MakeRun) -> None:
    one, other = await console.agent(name="One"), await console.agent(name="Other")
    await run(one, "0.25")
    await run(other, "4")
    client = await console.browser(role="viewer")
    query = {"group": "agent", "agent": str(one.id), "zone": "Asia/Tokyo"}
    shown = await page(client, "/costs", **query)
    assert tiles(shown)["spent on models"] == "$0.25"
    assert f'<option value="{one.id}" selected>One' in shown
    assert "days as they begin in Asia/Tokyo" in shown
    ranges = dict(re.findall(r'<a href="(/costs[^"]*)"[^>]*>(7 days|30 days|90 days|a year)<', shown))
    assert list(ranges.values()) == ["7 days", "30 days", "90 days", "a year"]
    a_week = next(address for address, words in ranges.items() if words == "7 days").replace("&amp;", "&")
    assert "since=2026-05-25&until=2026-05-31" in a_week
    assert f"agent={one.id}" in a_week
    assert (await client.get(a_week)).status_code == 200
    [switch] = re.findall(r'href="(/performance[^"]*)"', shown)
    assert "zone=Asia%2FTokyo" in switch
    assert "group" not in switch, "not every page has every group"
    assert (await client.get(switch.replace("&amp;", "&"))).status_code == 200


async def test_a_tenant_sees_its_own_alone(console: Console, run: MakeRun) -> None:
    theirs = await console.agent("globex", name="Theirs")
    await run(theirs, "9")
    await run(await console.agent(name="Ours"), "0.25")
    client = await console.browser(role="viewer")
    for path, group in (("/costs", "agent"), ("/costs", "ticket"), ("/performance", "agent")):
        shown = await page(client, path, group=group)
        assert "Theirs" not in shown
        assert "$9" not in shown
        assert "No runs in these days" in await page(client, path, group=group, agent=str(theirs.id))
