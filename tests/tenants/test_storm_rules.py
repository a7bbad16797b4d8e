"""What a tenant says of outages: what may be set, what is refused, and what is read of what was stored."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.support.api import Api

from deskhand.tenants.storm_rules import DEFAULT_LEAST, DEFAULT_WINDOW, StormRules, storm_rules

USUAL = StormRules()


@pytest.mark.parametrize(
    "stored",
    [None, {}, {"storms": None}, {"storms": []}, {"storms": "on"}, {"storms": {"least": "many"}}, {"storms": {"x": 1}}],
)
def test_what_nobody_understands_is_as_usual(stored: dict[str, Any] | None) -> None:
    assert storm_rules(stored) == USUAL
    assert (USUAL.on, USUAL.least, USUAL.window_minutes, USUAL.tell) == (True, DEFAULT_LEAST, DEFAULT_WINDOW, [])


def test_what_is_stored_counts() -> None:
    stored = {"on": False, "least": 8, "window_minutes": 30, "tell": ["ann@acme.example"]}
    assert storm_rules({"storms": stored, "notes": {}}).model_dump() == stored


REFUSED: dict[str, dict[str, Any]] = {
    "two are no storm": {"least": 2},
    "nor is a number without end": {"least": 1_001},
    "four minutes are none": {"window_minutes": 4},
    "nor is more than a day": {"window_minutes": 1_441},
    "no address": {"tell": ["ann"]},
    "nobody of the tenant's": {"tell": ["zoe@elsewhere.example"]},
    "no number": {"least": "five"},
    "no such setting": {"lest": 5},
}


@pytest.mark.parametrize("stored", REFUSED.values(), ids=REFUSED)
async def test_what_makes_no_sense_is_refused_and_named(admin: httpx2.AsyncClient, stored: dict[str, Any]) -> None:
    answer = await admin.patch("/api/v1/tenants/acme", json={"enhancement_preferences": {"storms": stored}})
    assert answer.status_code == 422, answer.text
    pointers = [one["pointer"] for one in answer.json()["errors"]]
    assert any(one.startswith("/enhancement_preferences/storms") for one in pointers), pointers


async def test_the_form_sets_what_the_api_shows(api: Api, admin: httpx2.AsyncClient) -> None:
    assert api.db is not None
    settings = (await admin.get("/settings")).text
    assert 'id="storms"' in settings
    assert "Tickets that make an outage" in settings
    digest = settings.split('action="/settings/storms"')[1].split('name="digest" value="')[1].split('"')[0]
    typed = {"storms.on": "true", "storms.least": "9", "storms.window_minutes": "45", "storms.tell": ""}
    boxes = {f"box.{name}": value for name, value in typed.items()}
    saved = await admin.post("/settings/storms", data={"digest": digest, **boxes})
    assert saved.status_code == 303, saved.text
    shown = (await admin.get("/api/v1/tenants/acme")).json()["enhancement_preferences"]["storms"]
    assert (shown["least"], shown["window_minutes"]) == (9, 45)
    wrong = await admin.post("/settings/storms", data={"digest": "x", **boxes, "box.storms.least": "2"})
    assert wrong.status_code in (409, 422)
