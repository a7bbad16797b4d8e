"""The settings' pages: what is saved counts over the API, and who may."""

from __future__ import annotations

import re
from html import unescape

import pytest
from sqlalchemy import select
from tests.support.api import Api
from tests.support.people import account, browser
from tests.support.preferences import SETTINGS, boss, hidden, send, stored

from deskhand.audit.models import AuditLog
from deskhand.kit.masking.kinds import MaskKind
from deskhand.tenants.models import TenantConfig
from deskhand.tenants.replay_bar import replay_bar

RULES = f"{SETTINGS}/rules/boundaries"


AS_USUAL = {"notes__verdict_link": "false", "notes__read_files": "true", "notes__pictures": "house"}
"""What stands in the boxes that are chosen from."""


@pytest.fixture
async def api(api: Api) -> Api:
    await api.tenant("acme")
    return api


async def test_an_untouched_form_changes_nothing(api: Api) -> None:
    client = await boss(api)
    page = (await client.get(SETTINGS)).text
    typed = dict(re.findall(r'<input id="notes-[^"]+" name="box\.([^"]+)" type="text" value="([^"]*)"', page))
    assert typed["notes.public_per_ticket_and_day"] == "5"
    boxes = {name.replace(".", "__"): text for name, text in typed.items()}
    answer = await send(client, f"{SETTINGS}/notes", **boxes, notes__nothing_found="auto", **AS_USUAL)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{SETTINGS}?saved=notes#notes")
    assert await stored(api) == {"company_mapping": {}}


async def test_what_is_saved_counts_over_the_api_and_the_rest_stays(api: Api) -> None:
    client, key = await boss(api), await api.member("acme", "tenant_admin")
    own = {"workflow_config": {"own": 1}, "notes": {"latest_event_hours": 5}}
    await key.patch("/api/v1/tenants/acme", json={"enhancement_preferences": own})
    typed = {"public_per_ticket_and_day": "0", "nothing_found": "silent", "latest_event_hours": ""}
    typed |= {"oldest_ticket_days": "30", "verdict_link": "true", "read_files": "true"}
    boxes = {f"notes__{name}": text for name, text in typed.items()}
    answer = await send(client, f"{SETTINGS}/notes", **boxes)
    assert answer.status_code == 303, answer.text
    assert (await key.get("/api/v1/tenants/acme")).json()["enhancement_preferences"] == {
        "workflow_config": {"own": 1},
        "notes": {
            "latest_event_hours": None,
            "public_per_ticket_and_day": 0,
            "nothing_found": "silent",
            "oldest_ticket_days": 30,
            "verdict_link": True,
        },
    }
    page = (await client.get(f"{SETTINGS}?saved=notes")).text
    assert "<strong>Saved.</strong>" in page
    assert "boss@acme.example" in page


async def test_a_fault_stands_at_its_box_and_what_was_typed_stays(api: Api) -> None:
    client = await boss(api)
    faults = (("oldest_ticket_days", "soon", "must be a whole number"), ("verdict_link_days", "400", "90"))
    for name, typed, words in faults:
        answer = await send(client, f"{SETTINGS}/notes", **{f"notes__{name}": typed})
        assert answer.status_code == 422
        page = unescape(answer.text)
        assert words in page.partition(f'id="notes-notes-{name}-fault">')[2].partition("</p>")[0]
        assert f'value="{typed}"' in page
        assert "Nothing was saved.</strong> Look at what is marked below." in page
    assert await stored(api) == {"company_mapping": {}}


async def test_notices_that_reach_nobody_are_refused_at_their_box(api: Api) -> None:
    client = await boss(api)
    told = {"approvals__notices__mail": "nobody@acme.example", "approvals__notices__channels": "slack ops"}
    answer = await send(client, f"{SETTINGS}/approvals", approvals__four_eyes="true", **told)
    assert answer.status_code == 422
    page = unescape(answer.text)
    assert "nobody@acme.example is no active member" in page
    assert 'id="approvals-approvals-notices-channels-fault"' in page
    saved = await send(client, f"{SETTINGS}/approvals", approvals__four_eyes="true")
    assert saved.status_code == 303
    assert (await stored(api))["approvals"] == {"four_eyes": True}


async def test_companies_and_priorities_are_set_and_taken_away(api: Api) -> None:
    client = await boss(api)
    page = (await client.get(SETTINGS)).text
    assert 'name="box.servicedesk_plus"' in page
    assert 'name="box.jira"' not in page
    assert (await send(client, f"{SETTINGS}/companies", servicedesk_plus="company")).status_code == 303
    await send(client, f"{SETTINGS}/priorities", priority_mapping__critical="P1", priority_mapping__low="")
    kept = await stored(api)
    assert kept == {"company_mapping": {"servicedesk_plus": "company"}, "priority_mapping": {"critical": "P1"}}
    await send(client, f"{SETTINGS}/companies", servicedesk_plus="")
    assert (await stored(api))["company_mapping"] == {}


async def test_a_rule_is_made_changed_and_removed(api: Api) -> None:
    client = await boss(api)
    assert "agents work on every ticket" in (await client.get(SETTINGS)).text
    new = await send(client, f"{RULES}/new", page=f"{RULES}/new", name="Board", effect="approve", vip="true",
                     company="Suedwerk\nNordwind", custom="Site = Ulm, Bonn")  # fmt: skip
    assert (new.status_code, new.headers["location"]) == (303, f"{SETTINGS}?saved=boundaries#boundaries")
    rule = {"name": "Board", "effect": "approve", "company": ["Suedwerk", "Nordwind"], "vip": True,
            "custom": {"Site": ["Ulm", "Bonn"]}}  # fmt: skip
    assert (await stored(api))["boundaries"] == [rule]
    page = (await client.get(SETTINGS)).text
    assert "company is Suedwerk or Nordwind" in page
    emptied = {"vip": "", "custom": ""}
    changed = await send(
        client, f"{RULES}/0", page=f"{RULES}/0", name="Board", effect="silence", company="Suedwerk", **emptied
    )
    assert changed.status_code == 303
    assert (await stored(api))["boundaries"] == [{"name": "Board", "effect": "silence", "company": ["Suedwerk"]}]
    assert "Agents may work on such tickets again" in (await client.get(f"{RULES}/0")).text
    removed = await client.post(f"{RULES}/0/remove", data=await hidden(client, f"{RULES}/0", f"{RULES}/0"))
    assert removed.status_code == 303
    assert (await stored(api))["boundaries"] == []
    assert (await client.get(f"{RULES}/0")).status_code == 404


async def test_a_rule_that_means_every_ticket_is_refused(api: Api) -> None:
    client = await boss(api)
    answer = await send(client, f"{RULES}/new", page=f"{RULES}/new", name="All")
    assert answer.status_code == 422
    assert "at least one condition" in answer.text
    nameless = await send(client, f"{RULES}/new", page=f"{RULES}/new", tags="hr")
    assert 'id="rule-name-fault"' in nameless.text


async def test_who_saves_what_somebody_else_changed_meanwhile_is_told(api: Api) -> None:
    client, key = await boss(api), await api.member("acme", "tenant_admin")
    drawn = await hidden(client, f"{SETTINGS}/notes")
    other = {"notes": {"verdict_link": True}}
    await key.patch("/api/v1/tenants/acme", json={"enhancement_preferences": other})
    answer = await client.post(f"{SETTINGS}/notes", data={**drawn, "box.notes.nothing_found": "silent"})
    assert answer.status_code == 409
    assert "Somebody changed this meanwhile" in answer.text
    assert (await stored(api))["notes"] == {"verdict_link": True}
    # What is about another part is no reason to refuse.
    drawn = await hidden(client, f"{SETTINGS}/priorities")
    await key.patch("/api/v1/tenants/acme", json={"enhancement_preferences": {"notes": {"verdict_link": False}}})
    answer = await client.post(f"{SETTINGS}/priorities", data={**drawn, "box.priority_mapping.low": "P4"})
    assert answer.status_code == 303


async def test_the_change_is_on_record_with_what_was_before(api: Api) -> None:
    client = await boss(api)
    await send(client, f"{SETTINGS}/notes", notes__nothing_found="silent", notes__latest_event_hours="24",
               notes__oldest_ticket_days="730")  # fmt: skip
    async with api.db.tenant_session("acme") as session:
        entry = (await session.scalars(select(AuditLog).order_by(AuditLog.sequence.desc()).limit(1))).one()
    assert (entry.operation, entry.details["before"]["enhancement_preferences"]) == ("tenant.update", {})
    assert entry.details["after"]["enhancement_preferences"] == {"notes": {"nothing_found": "silent"}}


async def test_limits_are_shown_and_no_form_changes_them(api: Api) -> None:
    client = await boss(api)
    page = (await client.get(SETTINGS)).text
    assert "platform's to change" in unescape(page)
    assert "<dd>2,000</dd>" in page
    assert 'name="box.rate_limits' not in page


async def test_rules_that_cannot_be_read_are_said_and_nothing_else_is_kept_from_its_form(api: Api) -> None:
    client = await boss(api)
    async with api.db.tenant_session("acme") as session:
        row = (await session.scalars(select(TenantConfig))).one()
        row.enhancement_preferences = {"boundaries": [{"name": "x", "effect": "shout"}]}
    page = await client.get(SETTINGS)
    assert page.status_code == 200
    assert "cannot be read" in page.text


@pytest.mark.parametrize("role", ["viewer", "editor", "operator"])
async def test_only_administrators_get_there(api: Api, role: str) -> None:
    await account(api, f"{role}@acme.example", acme=role)
    client = await browser(api, f"{role}@acme.example", "acme")
    for path in (SETTINGS, f"{RULES}/new"):
        assert (await client.get(path)).status_code == 403
    assert f'href="{SETTINGS}"' not in (await client.get("/executions")).text


async def test_addresses_that_are_none(api: Api) -> None:
    client = await boss(api)
    for path in (f"{SETTINGS}/rules/walls/new", f"{RULES}/7"):
        assert (await client.get(path)).status_code == 404
    drawn = await hidden(client, f"{SETTINGS}/notes")
    assert (await client.post(f"{SETTINGS}/rate_limits", data=drawn)).status_code == 404
    assert (await client.post(f"{SETTINGS}/notes", data={"digest": drawn["digest"]})).status_code == 403


async def test_each_tenant_sees_and_sets_its_own(api: Api) -> None:
    await api.tenant("globex")
    ours, theirs = await boss(api), await boss(api, "globex")
    await send(ours, f"{SETTINGS}/priorities", priority_mapping__critical="Ours alone")
    assert "Ours alone" in (await ours.get(SETTINGS)).text
    assert "Ours alone" not in (await theirs.get(SETTINGS)).text
    await send(theirs, f"{SETTINGS}/priorities", priority_mapping__critical="P1")
    assert [(await stored(api, tenant))["priority_mapping"] for tenant in ("acme", "globex")] == [
        {"critical": "Ours alone"},
        {"critical": "P1"},
    ]


async def test_who_administers_the_platform_alone_has_no_settings_of_a_tenant(api: Api) -> None:
    await account(api, "root@platform.example", platform_admin=True)
    client = await browser(api, "root@platform.example", None)
    assert (await client.get(SETTINGS)).status_code == 403


async def test_a_rule_about_machines_has_its_own_words_and_hours(api: Api) -> None:
    client = await boss(api)
    rules = f"{SETTINGS}/rules/machines"
    typed = {"name": "Nagios", "requester": "nagios@example.com\n@alerts.example", "speak": "once", "quiet_hours": "0"}
    refused = await send(client, f"{rules}/new", page=f"{rules}/new", **typed)
    assert refused.status_code == 422
    assert 'id="rule-quiet_hours-fault"' in refused.text
    assert "@alerts.example" in refused.text
    saved = await send(client, f"{rules}/new", page=f"{rules}/new", **{**typed, "quiet_hours": "12"})
    assert saved.status_code == 303
    (rule,) = (await stored(api))["machines"]
    assert rule == {"name": "Nagios", "requester": ["nagios@example.com", "@alerts.example"], "speak": "once",
                    "quiet_hours": 12}  # fmt: skip
    page = unescape((await client.get(SETTINGS)).text)
    assert "requester is nagios@example.com or @alerts.example: something about the first" in page


async def test_an_instruction_is_written_in_lines_and_says_what_is_missing(api: Api) -> None:
    client = await boss(api)
    rules = f"{SETTINGS}/rules/instructions"
    typed = {"name": "Nordwind", "company": "Nordwind"}
    refused = await send(client, f"{rules}/new", page=f"{rules}/new", **typed)
    assert refused.status_code == 422
    assert "must have at least one of rules, contacts and articles" in unescape(refused.text)
    long = await send(client, f"{rules}/new", page=f"{rules}/new", **typed, rules="x" * 301)
    assert 'id="rule-rules-fault"' in long.text
    typed |= {"rules": "Ask before a restart.\nAnswer in German.", "contacts": "Ann: 55", "articles": ""}
    assert (await send(client, f"{rules}/new", page=f"{rules}/new", **typed)).status_code == 303
    (told,) = (await stored(api))["instructions"]
    assert told == {"name": "Nordwind", "company": ["Nordwind"], "contacts": ["Ann: 55"],
                    "rules": ["Ask before a restart.", "Answer in German."]}  # fmt: skip
    page = unescape((await client.get(f"{SETTINGS}?saved=instructions")).text)
    assert "Tickets whose company is Nordwind: agents are told 2 rules and 1 contact." in page


async def test_a_calendar_is_written_in_lines_and_a_second_for_everybody_is_refused(api: Api) -> None:
    client = await boss(api)
    rules = f"{SETTINGS}/rules/calendars"
    typed = {"name": "Office", "timezone": "Berlin", "hours": "mon-fri 08:00-17:00\n\nsat 9-12", "count_waits": "true"}
    refused = await send(client, f"{rules}/new", page=f"{rules}/new", **typed)
    assert refused.status_code == 422
    assert "did you mean Europe/Berlin" in refused.text
    assert "'sat 9-12' is no line of days and times" in unescape(refused.text)
    typed |= {"timezone": "Europe/Berlin", "hours": "mon-fri 08:00-17:00\nsat 09:00-12:00"}
    typed |= {"holidays": "12-25 Christmas"}
    assert (await send(client, f"{rules}/new", page=f"{rules}/new", **typed)).status_code == 303
    (calendar,) = (await stored(api))["calendars"]
    assert calendar == {"name": "Office", "timezone": "Europe/Berlin", "hours": typed["hours"].splitlines(),
                        "holidays": ["12-25 Christmas"], "count_waits": True}  # fmt: skip
    second = await send(client, f"{rules}/new", page=f"{rules}/new", **{**typed, "name": "Night"})
    assert second.status_code == 422
    assert "'Office' and 'Night' have none" in unescape(second.text)
    page = unescape((await client.get(SETTINGS)).text)
    assert "Everybody else: mon-fri 08:00-17:00; sat 09:00-12:00 (Europe/Berlin), without 1 holiday" in page


async def test_a_form_that_was_drawn_before_a_box_came_leaves_what_that_box_is_about(api: Api) -> None:
    client, key = await boss(api), await api.member("acme", "tenant_admin")
    assert (await send(client, f"{SETTINGS}/notes", notes__nothing_found="silent")).status_code == 303
    assert (await stored(api))["notes"] == {"nothing_found": "silent"}
    own = {"notes": {"read_files": False, "oldest_ticket_days": 30}}
    await key.patch("/api/v1/tenants/acme", json={"enhancement_preferences": own})
    assert (await send(client, f"{SETTINGS}/notes", notes__oldest_ticket_days="31")).status_code == 303
    assert (await stored(api))["notes"] == {"read_files": False, "oldest_ticket_days": 31}


async def test_text_in_preferences_is_text(api: Api) -> None:
    client, key = await boss(api), await api.member("acme", "tenant_admin")
    evil = "<img src=x onerror=alert(1)>"
    rule = {"name": evil, "company": [evil], "custom": {evil: [evil]}}
    body = {"boundaries": [rule], "priority_mapping": {"low": f'"{evil}'}}
    answer = await key.patch("/api/v1/tenants/acme", json={"enhancement_preferences": body})
    assert answer.status_code == 200, answer.text
    for path in (SETTINGS, f"{RULES}/0"):
        page = (await client.get(path)).text
        assert "<img src=x" not in page
        assert "&lt;img src=x" in page


async def test_a_desk_that_is_set_and_not_connected_keeps_its_box(api: Api) -> None:
    client, key = await boss(api), await api.member("acme", "tenant_admin")
    await key.patch("/api/v1/tenants/acme", json={"company_mapping": {"zendesk": "one", "*": "company"}})
    page = (await client.get(SETTINGS)).text
    assert 'name="box.zendesk"' in page
    typed = {"zendesk": "", "servicedesk_plus": "one", "*": ""}
    assert (await send(client, f"{SETTINGS}/companies", **typed)).status_code == 303
    assert (await stored(api))["company_mapping"] == {"servicedesk_plus": "one"}


async def test_a_bar_is_set_and_taken_away_in_percent(api: Api) -> None:
    client = await boss(api)
    saved = await send(client, f"{SETTINGS}/replay", replay_bar__category="80", replay_bar__solution="40")
    assert saved.status_code == 303
    assert replay_bar(await stored(api)).bars() == {"category": 80, "solution": 40}
    wrong = await send(client, f"{SETTINGS}/replay", replay_bar__category="120")
    assert (wrong.status_code, 'aria-invalid="true"' in wrong.text) == (422, True)
    assert replay_bar(await stored(api)).bars() == {"category": 80, "solution": 40}
    await send(client, f"{SETTINGS}/replay", replay_bar__category="", replay_bar__solution="")
    assert replay_bar(await stored(api)).bars() == {}


async def test_a_share_of_tickets_is_left_without_a_note_and_no_more_than_half(api: Api) -> None:
    client = await boss(api)
    assert "Tickets without a note, of 100" in (await client.get(SETTINGS)).text
    assert (await send(client, f"{SETTINGS}/worth", worth__hold_out_share="20")).status_code == 303
    wrong = await send(client, f"{SETTINGS}/worth", worth__hold_out_share="51")
    assert (wrong.status_code, 'aria-invalid="true"' in wrong.text) == (422, True)
    assert (await stored(api))["worth"] == {"hold_out_share": 20}


async def test_what_models_do_not_see_is_a_form_of_yes_and_no(api: Api) -> None:
    client, key = await boss(api), await api.member("acme", "tenant_admin")
    page = (await client.get(SETTINGS)).text
    assert page.count('name="box.privacy.mask.') == len(MaskKind)
    usual = {f"privacy__mask__{kind}": "true" if kind in ("secret", "card", "iban") else "false" for kind in MaskKind}
    assert (await send(client, f"{SETTINGS}/privacy", **usual)).status_code == 303
    assert "privacy" not in await stored(api), "what is as usual is not stored"
    saved = await send(client, f"{SETTINGS}/privacy", **{**usual, "privacy__mask__mail": "true"})
    assert saved.status_code == 303
    told = (await key.get("/api/v1/tenants/acme")).json()["enhancement_preferences"]
    assert told["privacy"] == {"mask": {"mail": True}}
    wrong = {"privacy": {"mask": {"mail": "perhaps"}}}
    refused = await key.patch("/api/v1/tenants/acme", json={"enhancement_preferences": wrong})
    assert (refused.status_code, "mail" in refused.text) == (422, True)
