"""What is said of a form's faults, who changed a part last, and which rule an address means."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.api import Api

from deskhand.errors import ConflictError, FieldProblem, InvalidInputError, NotFoundError
from deskhand.tenants.preferences.changes import (
    NEW,
    Preferences,
    digest_of,
    faults_by_box,
    last_changes,
    part_of,
    place_of,
    rules_of,
    stored_in,
)
from deskhand.tenants.preferences.pages import LIMITS, ORDER
from deskhand.tenants.preferences.rules import BOUNDARIES, MACHINES
from deskhand.tenants.preferences.sections import APPROVALS, NOTES, PRIORITIES_OF_DESKS, SECTIONS, company_section
from deskhand.tenants.schemas import RateLimits, TenantConfigUpdate
from deskhand.tenants.service import TenantService

COMPANIES = company_section({"jira": "Jira", "*": "Every other desk"})


def error(*faults: tuple[str, str]) -> InvalidInputError:
    return InvalidInputError("Wrong.", errors=[FieldProblem(pointer, detail) for pointer, detail in faults])


@pytest.mark.parametrize(
    ("pointer", "detail", "found"),
    [
        ("/enhancement_preferences/notes/oldest_ticket_days", "is less", {"notes.oldest_ticket_days": "is less"}),
        ("/enhancement_preferences/notes", "oldest_ticket_days must be a whole number",
         {"notes.oldest_ticket_days": "must be a whole number"}),
        # Of another field whose name only begins so, and of what no box is about.
        ("/enhancement_preferences/notes", "oldest_ticket_days_more must be a number", {}),
        ("/enhancement_preferences/approvals/four_eyes", "must be true", {}),
        ("/enhancement_preferences", "must not be larger than 65536 bytes", {}),
        ("/notes/oldest_ticket_days", "must be less", {}),
    ],
)  # fmt: skip
def test_a_fault_is_found_at_its_box(pointer: str, detail: str, found: dict[str, str]) -> None:
    assert faults_by_box(NOTES.boxes, error((pointer, detail)), under=("enhancement_preferences",)) == found


def test_a_fault_of_one_of_several_lines_stands_at_their_box_and_the_first_counts() -> None:
    mail = "/enhancement_preferences/approvals/notices/mail"
    faults = error((f"{mail}/0", "a@b.example is no active member"), (f"{mail}/1", "c@d.example is no active member"))
    found = faults_by_box(APPROVALS.boxes, faults, under=("enhancement_preferences",))
    assert found == {"approvals.notices.mail": "a@b.example is no active member"}


def test_a_fault_of_a_rule_is_found_by_its_place() -> None:
    one = error(("/enhancement_preferences/boundaries/2/name", "is missing"))
    assert faults_by_box(BOUNDARIES.boxes, one, under=("enhancement_preferences", "boundaries", "2")) == {
        "name": "is missing"
    }
    assert faults_by_box(BOUNDARIES.boxes, one, under=("enhancement_preferences", "boundaries", "1")) == {}
    assert faults_by_box(BOUNDARIES.boxes, None, under=("enhancement_preferences", "boundaries", "2")) == {}


@pytest.mark.parametrize("place", ["2", "-1", "x", "", "٠", "1.0"])
def test_a_place_that_is_none_is_said_to_be_none(place: str) -> None:
    with pytest.raises(NotFoundError):
        place_of(["a", "b"], place)


def test_places_are_counted_from_nothing() -> None:
    assert [place_of(["a", "b"], place) for place in ("0", "1", "01")] == [0, 1, 1]


def test_a_digest_is_of_what_is_stored_and_not_of_its_order() -> None:
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})
    assert len({digest_of(one) for one in ({}, [], None, {"a": None}, {"a": [2, 1]}, {"a": [1, 2]})}) == 6


def test_every_part_is_drawn_once_and_every_limit_has_words() -> None:
    assert set(ORDER) == {*SECTIONS, COMPANIES.key}
    assert set(LIMITS) == set(RateLimits.model_fields)
    names = [box.name for section in (*SECTIONS.values(), COMPANIES) for box in section.boxes]
    assert len(names) == len(set(names))


@pytest.fixture
async def api(api: Api) -> Api:
    await api.tenant("acme")
    return api


async def change(api: Api, actor: str, **preferences: Any) -> None:
    """Replace the preferences as the API does."""
    async with api.db.tenant_session("acme") as session:
        tenants = TenantService(session, secrets=api.state.secrets, plugins=api.state.plugins)
        data = TenantConfigUpdate.model_validate(preferences)
        await tenants.update_tenant("acme", data, actor=actor, may_set_limits=False)


async def test_who_changed_a_part_last_is_told_for_each_part(api: Api) -> None:
    one, other = {"notes": {"verdict_link": True}}, {"machines": [{"name": "N", "tags": ["n"]}]}
    await change(api, "ann", enhancement_preferences=one)
    await change(api, "ben", enhancement_preferences={**one, **other})
    await change(api, "cleo", company_mapping={"jira": "one"})
    await change(api, "dana", name="Acme again")
    async with api.db.tenant_session("acme") as session:
        found = await last_changes(session, "acme")
    assert {name: changed.by for name, changed in found.items()} == {
        "notes": "ann",
        "machines": "ben",
        "company_mapping": "cleo",
    }
    await change(api, "eve", enhancement_preferences=other)
    async with api.db.tenant_session("acme") as session:
        assert (await last_changes(session, "acme"))["notes"].by == "eve"


async def preferences(api: Api, session: Any, actor: str = "ann") -> Preferences:
    return Preferences(TenantService(session, secrets=api.state.secrets, plugins=api.state.plugins), actor=actor)


async def test_of_two_who_save_one_part_the_second_is_refused_and_of_two_parts_none(api: Api) -> None:
    async with api.db.tenant_session("acme") as session:
        tenant = await TenantService(session, secrets=api.state.secrets, plugins=api.state.plugins).get_tenant("acme")
        notes, priorities = (digest_of(part_of(tenant, one)) for one in (NOTES, PRIORITIES_OF_DESKS))
    async with api.db.tenant_session("acme") as session:
        await (await preferences(api, session)).save("acme", NOTES, {"notes.nothing_found": "say"}, notes)
    async with api.db.tenant_session("acme") as session:
        typed = {"priority_mapping.high": "P2"}
        await (await preferences(api, session)).save("acme", PRIORITIES_OF_DESKS, typed, priorities)
    with pytest.raises(ConflictError):
        async with api.db.tenant_session("acme") as session:
            await (await preferences(api, session)).save("acme", NOTES, {"notes.nothing_found": "silent"}, notes)
    async with api.db.tenant_session("acme") as session:
        tenant = await TenantService(session, secrets=api.state.secrets, plugins=api.state.plugins).get_tenant("acme")
        kept = stored_in(tenant, "enhancement_preferences")
    assert (kept["notes"]["nothing_found"], kept["priority_mapping"]) == ("say", {"high": "P2"})


async def test_rules_keep_their_order_and_what_the_form_does_not_know(api: Api) -> None:
    rules = [{"name": name, "tags": [name.lower()], "speak": "once"} for name in ("A", "B", "C")]
    await change(api, "ann", enhancement_preferences={"machines": rules, "own": 1})
    async with api.db.tenant_session("acme") as session:
        work = await preferences(api, session)
        typed = {"name": "Bb", "tags": "b\nbb", "speak": "once", "quiet_hours": "12"}
        changed = await work.save_rule("acme", MACHINES, "1", typed=typed, digest=digest_of(rules))
        middle = {"name": "Bb", "tags": ["b", "bb"], "speak": "once", "quiet_hours": 12}
        assert rules_of(changed, MACHINES) == [rules[0], middle, rules[2]]
        digest = digest_of(rules_of(changed, MACHINES))
        changed = await work.save_rule("acme", MACHINES, NEW, typed={"name": "D", "vip": "false"}, digest=digest)
        assert rules_of(changed, MACHINES)[3] == {"name": "D", "vip": False}
        digest = digest_of(rules_of(changed, MACHINES))
        changed = await work.remove_rule("acme", MACHINES, "0", digest=digest)
        assert [one["name"] for one in rules_of(changed, MACHINES)] == ["Bb", "C", "D"]
        assert stored_in(changed, "enhancement_preferences")["own"] == 1
        with pytest.raises(ConflictError):
            await work.remove_rule("acme", MACHINES, "0", digest=digest)
        now = digest_of(rules_of(changed, MACHINES))
        with pytest.raises(NotFoundError):
            await work.save_rule("acme", MACHINES, "3", typed=typed, digest=now)
