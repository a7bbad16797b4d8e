"""The desks' pages: connected with a form drawn from the plugin's schema, tried on a desk that answers, let go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import BaseModel, SecretStr
from tests.support.api import Api
from tests.support.desk_pages import BOSS, DESK_KEY, DESKS, answering, desk_pages, said
from tests.support.desks import DESKS as KINDS
from tests.support.people import account, browser

from deskhand.plugins.contract import ConnectionReport, DeskContext, TicketingToolPlugin
from deskhand.plugins.registry import BUILT_IN
from deskhand.plugins.servicedesk_plus import ServiceDeskPlusPlugin
from deskhand.tenants.desks.fields import fields_of

ELSEWHERE = "https://elsewhere.example.com"


class OutsideConfig(BaseModel):
    """A connection as a package from outside describes it."""

    site: str
    word: SecretStr
    remark: str = "none"
    is_loud: bool = False


class OutsideDesk(ServiceDeskPlusPlugin):
    manifest = replace(ServiceDeskPlusPlugin.manifest, tool_type="outside_desk", name="Outside Desk")
    config_model = OutsideConfig

    def __init__(self, config: BaseModel, context: DeskContext) -> None:
        TicketingToolPlugin.__init__(self, config, context)

    async def test_connection(self) -> ConnectionReport:
        return ConnectionReport(ok=True, checks=(("Everything", True, "works"),))

    async def aclose(self) -> None:
        return


@pytest.mark.parametrize("tool_type", BUILT_IN)
def test_every_setting_of_a_desk_has_its_box(tool_type: str) -> None:
    plugin = BUILT_IN[tool_type]
    drawn = {one.name: one for one in fields_of(plugin)}
    assert list(drawn) == list(plugin.config_model.model_fields)
    for name, field in plugin.config_model.model_fields.items():
        one = drawn[name]
        assert one.is_required == field.is_required(), name
        assert (one.kind == "secret") == ("SecretStr" in str(field.annotation)), name
        assert one.is_required == (one.group == "needed"), name
        if one.default:
            assert one.read(one.default) is None or one.is_required, "what counts anyway is not stored"
    labels = [one.label for one in drawn.values()]
    assert len(set(labels)) == len(labels)


def test_what_is_typed_becomes_what_the_desk_reads() -> None:
    drawn = {one.name: one for one in fields_of(BUILT_IN["servicenow"])}
    table, states, matrix, limit, computed = (
        drawn[f"servicenow_{name}"]
        for name in ("table", "closed_states", "priority_matrix", "subject_limit", "priority_computed")
    )
    assert (table.read("  "), table.read(" incident "), table.read("u_call")) == (None, None, "u_call")
    assert (states.read("6\r\n\n 9 "), states.written(("6", "9"))) == (["6", "9"], "6\n9")
    assert matrix.read("1,1 = 1\n1,2=2\nnonsense") == {"1,1": "1", "1,2": "2", "nonsense": ""}
    assert matrix.written({"1,1": "1"}) == "1,1 = 1"
    assert (limit.read("200"), limit.read("many"), limit.read("160")) == (200, "many", None)
    assert (computed.read("false"), computed.read("true"), computed.written(False)) == (False, None, "false")
    assert drawn["servicenow_auth"].choices == ("basic", "oauth")
    assert drawn["servicenow_api_key"].read(" with blanks ") == " with blanks ", "each character of a key counts"
    assert drawn["servicenow_instance_url"].label == "Instance URL"


@pytest.mark.parametrize("tool_type", KINDS)
async def test_each_desk_is_connected_and_tried_on_its_page(api: Api, tool_type: str) -> None:
    pages = await desk_pages(api)
    async with answering(tool_type) as (_, typed):
        saved = await pages.post(tool_type, **typed)
        assert saved.status_code == 200, saved.text
        words = said(saved.text)
        assert "Saved." in words
        assert "The connection works" in words, words
        assert DESK_KEY not in saved.text
        tried = await pages.post(f"{tool_type}/test")
        assert "The connection works" in said(tried.text)
    connection = await pages.stored(tool_type)
    assert {name: str(value) for name, value in connection.items()} == typed
    page = await pages.page(tool_type)
    assert DESK_KEY not in page
    assert "stored; leave empty to keep it" in page
    for name, value in typed.items():
        assert (f'value="{value}"' in page) == (value != DESK_KEY), name
    listed = await pages.page()
    row = listed[listed.index(f'id="desk-{tool_type}"') :].split("</tr>")[0]
    assert "Connected" in row
    assert (await pages.log())[-1].actor == f"user:{BOSS}"
    assert DESK_KEY not in str([entry.details for entry in await pages.log()])


async def test_a_persons_key_works_and_is_warned_of_on_the_page_and_by_the_api(api: Api) -> None:
    pages = await desk_pages(api)
    async with answering("zendesk") as (desk, typed):
        assert "looks like a person" not in said((await pages.post("zendesk", **typed)).text)
        desk.store.bot.signs_in = True
        words = said((await pages.post("zendesk/test")).text)
    assert "The connection works" in words
    assert "looks like a person's account: somebody signed in with it on 2026-01-01." in words


async def test_a_test_says_what_is_wrong(api: Api) -> None:
    pages = await desk_pages(api)
    async with answering("zendesk") as (_, typed):
        wrong = await pages.post("zendesk", **{**typed, "zendesk_api_token": "not-the-key"})
    words = said(wrong.text)
    assert ("The connection does not work" in words, "Fails" in words) == (True, True)
    gone = said((await pages.post("zendesk/test")).text)
    assert "The connection does not work" in gone, "nobody answers any more"
    assert "not-the-key" not in wrong.text + gone
    unknown = said((await pages.post("jira/test")).text)
    assert "jira_url is missing" in unknown, "what keeps it from being tried is said, too"


async def test_what_is_missing_or_wrong_is_said_at_its_box_and_nothing_is_kept(api: Api) -> None:
    pages = await desk_pages(api)
    refused = await pages.post("zendesk", zendesk_subdomain="acme", zendesk_api_token="the-secret", zendesk_user_id="x")
    assert refused.status_code == 422
    assert ("Nothing was saved." in said(refused.text), "the-secret" in refused.text) == (True, False)
    assert 'value="acme"' in refused.text, "what was typed stays"
    box = refused.text[refused.text.index('id="field-zendesk_user_id"') :]
    assert 'aria-invalid="true"' in box.split(">")[0]
    assert 'class="fault" id="field-zendesk_user_id-fault"' in box
    incomplete = await pages.post("zendesk", zendesk_subdomain="acme", zendesk_api_token="the-secret")
    assert "Zendesk with OAuth requires: zendesk_client_id" in said(incomplete.text)
    assert await pages.stored("zendesk") == {}
    assert await pages.log() == []
    mistyped = await pages.post("jira", jira_url="nowhere", jira_api_token="t", jira_project_key="HELP")
    assert 'id="field-jira_url-fault"' in mistyped.text


async def test_a_stored_key_is_kept_and_never_goes_to_another_host(api: Api) -> None:
    pages = await desk_pages(api, servicedesk_url="https://desk.example.com")
    moved = await pages.post("servicedesk_plus", servicedesk_url=ELSEWHERE)
    assert moved.status_code == 422
    assert "send servicedesk_api_key again" in said(moved.text)
    by_setting = await pages.post(
        "servicedesk_plus", servicedesk_url="https://desk.example.com", servicedesk_accounts_url=ELSEWHERE
    )
    assert by_setting.status_code == 422
    kept = await pages.post(
        "servicedesk_plus", servicedesk_url="https://desk.example.com", servicedesk_bot_email="bot@acme.example"
    )
    assert kept.status_code == 200
    assert (await pages.stored("servicedesk_plus"))["servicedesk_api_key"] == "the-technician-key-of-acme"
    again = await pages.post("servicedesk_plus", servicedesk_url=ELSEWHERE, servicedesk_api_key="typed-again")
    assert again.status_code == 200, said(again.text)
    assert await pages.stored("servicedesk_plus") == {
        "servicedesk_url": ELSEWHERE,
        "servicedesk_api_key": "typed-again",
    }


async def test_a_second_key_among_the_settings_does_not_move_either(api: Api) -> None:
    pages = await desk_pages(api, servicedesk_url="https://desk.example.com")
    cloud = {
        "servicedesk_url": "https://desk.example.com",
        "servicedesk_dialect": "cloud",
        "servicedesk_client_id": "deskhand",
    }
    made = await pages.post("servicedesk_plus", **cloud, servicedesk_client_secret="of-the-client")
    assert made.status_code == 200, said(made.text)
    moved = {**cloud, "servicedesk_url": ELSEWHERE, "servicedesk_api_key": "typed-again"}
    refused = await pages.post("servicedesk_plus", **moved)
    assert refused.status_code == 422
    assert "send servicedesk_client_secret again" in said(refused.text)
    both = await pages.post("servicedesk_plus", **moved, servicedesk_client_secret="typed-again-too")
    assert both.status_code == 200, said(both.text)
    assert (await pages.extras())["servicedesk_plus"]["servicedesk_client_secret"] == "typed-again-too"


async def test_a_desk_from_outside_shows_nothing_that_is_stored_and_keeps_it(api: Api) -> None:
    api.state.plugins.register(OutsideDesk)
    pages = await desk_pages(api)
    typed = {"site": "https://a.example.com", "word": "hush-hush", "remark": "quite", "is_loud": "true"}
    made = await pages.post("outside_desk", **typed)
    assert made.status_code == 200, said(made.text)
    page = await pages.page("outside_desk")
    for hidden in ("https://a.example.com", "hush-hush", "quite"):
        assert hidden not in page
    assert "Keep what is stored" in page
    changed = await pages.post("outside_desk", remark="less")
    assert changed.status_code == 200, said(changed.text)
    stored = {"site": "https://a.example.com", "word": "hush-hush", "remark": "less", "is_loud": True}
    assert await pages.stored("outside_desk") == stored
    moved = await pages.post("outside_desk", site=ELSEWHERE)
    assert moved.status_code == 422, "the rule holds where a key has no column"
    assert (await pages.post("outside_desk", site=ELSEWHERE, word="another")).status_code == 200
    assert (await pages.post("outside_desk/disconnect")).status_code == 303
    assert await pages.extras() == {}


async def test_changing_one_desk_leaves_the_others_and_the_mail_alone(api: Api) -> None:
    pages = await desk_pages(api)
    mail = {"host": "mail.example.com", "sender": "desk@acme.example", "allowed_recipients": ["*@acme.example"]}
    platform = await api.platform()
    put = await platform.patch("/api/v1/tenants/acme", json={"connection_extras": {"email": mail}})
    assert put.status_code == 200, put.text
    async with answering("zendesk") as (_, typed):
        await pages.post("zendesk", **typed)
    async with answering("jira") as (_, other):
        await pages.post("jira", **other)
    assert set(await pages.extras()) == {"email", "zendesk", "jira"}
    assert (await pages.post("zendesk/disconnect")).headers["location"] == DESKS
    assert set(await pages.extras()) == {"email", "jira"}
    assert await pages.stored("zendesk") == {}
    assert len(await pages.stored("jira")) == len(other)


async def test_what_disconnecting_does_is_said_before_it_is_done(api: Api) -> None:
    pages = await desk_pages(api)
    async with answering("zendesk") as (_, typed):
        await pages.post("zendesk", **typed)
    acme = await api.member("acme", "tenant_admin")
    await api.agent(acme, name="Zendesk <b>notes</b>", tool_ids=["zendesk"])
    asked = await pages.page("zendesk/disconnect")
    for words in ("1 agent uses it: Zendesk <b>notes</b>", "every key that is stored for it", "stays"):
        assert words in said(asked), said(asked)
    assert "<b>notes</b>" not in asked
    assert await pages.stored("zendesk"), "asking does nothing"
    assert "is the default desk" in said(await pages.page("servicedesk_plus/disconnect"))
    refused = await pages.post("servicedesk_plus/disconnect")
    assert (refused.status_code, "Make another one the default" in refused.text) == (409, True)
    assert (await pages.post("zendesk/default")).status_code == 303
    assert (await pages.post("servicedesk_plus/disconnect")).status_code == 303
    assert ((await pages.tenant()).tool_type, await pages.stored("servicedesk_plus")) == ("zendesk", {})
    listed = said(await pages.page())
    assert "Zendesk Support Default simulator Connected" in listed, listed
    incomplete = await pages.post("jira/default")
    assert (incomplete.status_code, "Jira requires" in incomplete.text) == (422, True)
    assert {"before", "after"} <= (await pages.log())[-1].details.keys()


async def test_the_pages_are_for_who_administers_the_tenant(api: Api) -> None:
    pages = await desk_pages(api)
    await account(api, "op@example.com", acme="operator")
    operator = await browser(api, "op@example.com", "acme")
    await api.tenant("globex")
    for path in ("", "/zendesk", "/zendesk/disconnect"):
        assert (await operator.get(DESKS + path)).status_code == 403
        assert (await pages.boss.get("/tenants/globex/desks" + path)).status_code == 404
    assert "/tenants/acme/desks" not in (await operator.get("/executions")).text, "no entry that leads nowhere"
    assert 'href="/tenants/acme/desks"' in (await pages.boss.get("/executions")).text
    assert (await pages.boss.get(f"{DESKS}/nothing")).status_code == 404
    for path in ("zendesk", "zendesk/test", "zendesk/disconnect", "zendesk/default"):
        assert (await pages.boss.post(f"{DESKS}/{path}", data={})).status_code == 403, "without the form's token"
    await account(api, "root@example.com", platform_admin=True)
    root = await browser(api, "root@example.com")
    assert "ServiceDesk Plus" in (await root.get("/tenants/globex/desks")).text
    assert (await root.get("/tenants/nobody/desks")).status_code == 404
