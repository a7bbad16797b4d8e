"""Where text went, read from the journal: of chains, of failures, of local models and of runs from before."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.console import Console

from deskhand.executions.sent import SentTo, sent_to
from deskhand.llm.places import HERE

HOUSE = {"connection": "house", "host": "llm.house.example", "is_local": True}
VENDOR = {"connection": "vendor", "host": "api.vendor.example", "is_local": False}
OTHER = {"connection": "installation", "host": "", "is_local": False}


def step(*places: dict[str, Any], masked: dict[str, int] | None = None, before: list[str] | None = None) -> Any:
    asked = {"model": "m", "messages": 1, "sent_to": list(places), **({"masked": masked} if masked else {})}
    told = [{"model": "m", "connection": "c", "reason": reason, "detail": "Away."} for reason in before or ()]
    details = {"fallbacks": told} if told else {}
    return ("model", asked, {"parts": [], "provider_details": details or None})


def failed(*places: dict[str, Any]) -> Any:
    return ("model", {"model": "m", "messages": 1, "sent_to": list(places)}, None)


def test_questions_and_masks_are_counted_by_place() -> None:
    seen = sent_to([
        ("tool", {"sent_to": [VENDOR]}, {}),
        step(VENDOR, masked={"mail": 1}),
        step(VENDOR, masked={"mail": 3, "phone": 1}),
        step(VENDOR, masked={"mail": 2}),
    ])  # fmt: skip
    assert seen == [SentTo(**VENDOR, calls=3, masked={"mail": 3, "phone": 1})]


def test_a_region_is_part_of_a_place() -> None:
    seen = sent_to([step({**VENDOR, "region": "EU"}), step(VENDOR), step({**VENDOR, "region": "EU"})])
    assert [(one.region, one.calls) for one in seen] == [("EU", 2), ("", 1)]


def test_what_stays_in_the_house_is_without_nothing() -> None:
    assert sent_to([step(HOUSE, VENDOR, masked={"mail": 1}, before=["timeout"])]) == [
        SentTo(**HOUSE, calls=1),
        SentTo(**VENDOR, calls=1, masked={"mail": 1}),
    ]


@pytest.mark.parametrize(
    ("before", "asked"),
    [
        ([], [HOUSE]),
        (["unavailable"], [HOUSE, VENDOR]),
        (["unavailable", "rate_limit"], [HOUSE, VENDOR, OTHER]),
        # Passed by without a word, and so was what is not set up at all.
        (["resting"], [VENDOR]),
        (["budget", "resting"], [OTHER]),
        (["configuration"], [HOUSE]),
        (["configuration", "filter"], [HOUSE, VENDOR]),
    ],
)
def test_of_a_chain_those_that_were_asked(before: list[str], asked: list[dict[str, Any]]) -> None:
    assert sent_to([step(HOUSE, VENDOR, OTHER, before=before)]) == [SentTo(**place, calls=1) for place in asked]


def test_nobody_can_say_of_a_call_that_did_not_come_back() -> None:
    assert sent_to([failed(VENDOR, OTHER), step(VENDOR)]) == [
        SentTo(**VENDOR, calls=1, perhaps=1),
        SentTo(**OTHER, perhaps=1),
    ]


def test_a_run_from_before_this_was_kept_says_nothing() -> None:
    assert sent_to([("model", {"model": "m", "messages": 1}, {}), ("model", None, None)]) == []


async def test_the_api_and_the_page_of_a_run_say_where_its_text_went(console: Console) -> None:
    run = await console.execution(await console.agent(), status="completed", attempt=1)
    evil = "<i>EU</i>"
    for place, masked, before in (
        (VENDOR | {"region": evil}, {"mail": 2, "secret": 1}, None),
        (VENDOR | {"region": evil}, {"mail": 3}, None),
        (HOUSE, {"mail": 1}, ["timeout"]),
    ):
        kind, asked, answer = step(place, HERE.as_kept(), masked=masked, before=before)
        await console.step("acme", run, "model", kind=kind, input=asked, output=answer)
    kind, asked, _ = failed(OTHER)
    await console.step("acme", run, "model", kind=kind, input=asked, output=None, state="failed", error="away")
    client = await console.client(role="viewer")
    told = (await client.get(f"/api/v1/executions/{run}")).json()["sent_to"]
    assert told == [
        {**VENDOR, "region": evil, "calls": 2, "perhaps": 0, "masked": {"mail": 3, "secret": 1}},
        {**HOUSE, "region": "", "calls": 1, "perhaps": 0, "masked": {}},
        {**HERE.as_kept(), "region": "", "calls": 1, "perhaps": 0, "masked": {}},
        {**OTHER, "region": "", "calls": 0, "perhaps": 1, "masked": {}},
    ]
    page = (await (await console.browser()).get(f"/executions/{run}")).text
    listed = page.partition('<ul class="plain" id="sent-to">')[2].partition("</ul>")[0]
    assert listed.count("<li>") == 4
    assert "&lt;i&gt;EU&lt;/i&gt;, 2 questions; masked: 3 mail, 1 secret" in listed
    assert "in your own house, 1 question<" in listed
    assert "perhaps 1<" in listed
    assert "this machine" not in listed, "it has a name of its own"


async def test_the_page_of_a_run_that_asked_no_model_says_nothing_of_it(console: Console) -> None:
    run = await console.execution(await console.agent(), status="completed", attempt=1)
    await console.step("acme", run, "get_ticket", output={})
    client = await console.client(role="viewer")
    assert (await client.get(f"/api/v1/executions/{run}")).json()["sent_to"] == []
    assert "Read by models at" not in (await (await console.browser()).get(f"/executions/{run}")).text
