"""Where text went, read from the journal: of chains, of failures, of local models and of runs from before."""

from __future__ import annotations

from typing import Any

import pytest

from deskhand.executions.sent import SentTo, sent_to

HOUSE = {"connection": "house", "host": "llm.house.example", "is_local": True}
VENDOR = {"connection": "vendor", "host": "api.vendor.example", "is_local": False}
OTHER = {"connection": "installation", "host": "", "is_local": False}


def step(*places: dict[str, Any], masked: dict[str, int] | None = None, before: list[str] | None = None) -> Any:
    asked = {"model": "m", "messages": 1, "sent_to": list(places), **({"masked": masked} if masked else {})}
    details = {"fallbacks": [{"reason": reason} for reason in before]} if before else {}
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
