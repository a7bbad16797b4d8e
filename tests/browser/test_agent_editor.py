"""The agent editor in a real browser: tools, triggers, model and prompt, from an empty draft to an active agent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from playwright.async_api import Browser, Page, expect
from tests.support.agent_pages import agents_page
from tests.support.api import Api
from tests.support.pictures import pictures

picture = pictures("editor")


@pytest.fixture
async def page(api: Api, admin: httpx2.AsyncClient, chromium: Browser) -> AsyncIterator[Page]:
    """A page of acme's administrator."""
    del admin  # there must be the tenant first
    async with agents_page(api, chromium) as opened:
        yield opened


async def test_tools_are_granted_and_the_change_is_seen_before_it_is_saved(
    page: Page, api: Api, admin: httpx2.AsyncClient
) -> None:
    made = await api.agent(admin, name="Triage of a name that is quite long " + "and longer " * 6)
    await page.goto(f"{api.url}/agents/{made['id']}")
    await page.get_by_role("link", name="Change what it may do").click()
    reply = page.locator("#row-servicedesk_plus-reply")
    await expect(reply.get_by_label("Who approves")).to_be_hidden()
    await reply.get_by_label("Reply of", exact=False).first.select_option("approve")
    await reply.get_by_label("Minutes it waits").fill("60")
    await page.locator("#row-servicedesk_plus-add_note .mode").select_option("")
    await page.get_by_role("button", name="Knowledge").click()
    await expect(reply.get_by_label("Minutes it waits")).to_have_value("60")
    await page.locator("#row-knowledge-search_articles .mode").select_option("allow")
    await picture(page, "tools")
    # Return in a box shows the change, and saves nothing.
    await reply.get_by_label("Minutes it waits").press("Enter")
    await expect(page.locator("#gained tbody th")).to_have_count(2)
    await expect(page.locator("#lost tbody th")).to_contain_text(["Add note"])
    await picture(page, "review")
    await page.get_by_role("button", name="Choose again").click()
    await expect(page.locator("#row-knowledge-search_articles .mode")).to_have_value("allow")
    await page.get_by_role("button", name="Show what changes").click()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#done")).to_contain_text("Its tools are changed")
    await expect(page.locator(".grants").first).to_contain_text("Search articles")


async def test_a_webhook_and_a_schedule_are_added_copied_changed_and_removed(
    page: Page, api: Api, admin: httpx2.AsyncClient
) -> None:
    made = await api.agent(admin, name="Triage", triggers=[])
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto(f"{api.url}/agents/{made['id']}")
    await page.get_by_role("link", name="Add a webhook").click()
    await page.get_by_label("Only events that fit").fill('{"event": ["*created"]}')
    await picture(page, "webhook")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#fault-event_filter")).to_be_visible()
    await page.get_by_label("Only events that fit").fill('{"events": ["*created"]}')
    await page.get_by_role("button", name="Save").click()
    secret = await page.locator(".secret").inner_text()
    await page.get_by_role("button", name="Copy the secret").click()
    await expect(page.locator("#announcer")).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == secret
    await picture(page, "secret")

    await page.get_by_role("link", name="Add a schedule").click()
    await page.get_by_label("Times (cron").fill("30 8 * * 1-5")
    await page.get_by_label("Time zone").fill("Europe/Berlin")
    await expect(page.locator("#preview")).to_contain_text("At 08:30 on Monday through Friday")
    await expect(page.locator("#preview .times li")).to_have_count(5)
    await picture(page, "schedule")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".trigger")).to_have_count(2)
    assert secret not in await page.content()
    await page.get_by_role("link", name="Change: At 08:30").click()
    await page.get_by_text("Remove…").click()
    await expect(page.locator("#will-remove")).to_have_text("It fires no more. Runs that it began go on.")
    await page.get_by_role("button", name="Remove it").click()
    await expect(page.locator("#done")).to_have_text("The trigger is removed.")
    await expect(page.locator(".trigger")).to_have_count(1)


async def test_a_test_event_and_a_filter_say_what_would_become_of_an_event(
    page: Page, api: Api, admin: httpx2.AsyncClient
) -> None:
    made = await api.agent(admin, name="Triage", status="active")
    await page.goto(f"{api.url}/agents/{made['id']}")
    await page.get_by_text("Send a test event…").click()
    await page.get_by_label("About the ticket").fill("1042")
    await picture(page, "test")
    await page.get_by_role("button", name="Send it").click()
    await expect(page.locator("#outcome-title")).to_contain_text("Accepted: it started a run")
    await picture(page, "tested")
    await page.get_by_role("link", name="Back to the agent").click()
    await page.get_by_role("link", name="Change: When its webhook").click()
    wanted = page.get_by_label("Only events that fit")
    await wanted.fill('{"events": ["*created"]}')
    await page.get_by_role("button", name="Try the filter").click()
    await expect(page.locator("#trial li")).to_have_count(1)
    await expect(page.locator("#trial .why")).to_contain_text("wants events '*created'")
    await picture(page, "filter")
    await expect(wanted).to_have_value('{"events": ["*created"]}')
    await wanted.fill("{")
    await page.get_by_role("button", name="Try the filter").click()
    await expect(page.locator("#trial [role=alert]")).to_contain_text("not JSON")


async def test_a_model_is_chosen_and_a_prompt_shown_without_losing_what_is_typed(
    page: Page, api: Api, admin: httpx2.AsyncClient
) -> None:
    made = await api.agent(admin, name="Triage")
    await page.goto(f"{api.url}/agents/{made['id']}/edit")
    await page.locator("textarea[name=description]").fill("Typed and not saved.")
    prompt = page.locator("textarea[name=system_prompt]")
    await prompt.fill("Read it. 🖨️")
    await expect(page.locator("#prompt-length")).to_have_text("11")
    await page.get_by_role("button", name="Insert {{ticket.subject}}").click()
    await expect(prompt).to_have_value("Read it. 🖨️{{ticket.subject}}")
    await page.get_by_role("button", name="Show it with an example").click()
    await expect(page.locator("#prompt-preview pre")).to_contain_text("Printer on floor 3")
    await page.get_by_text("Choose a model by price and size").click()
    await expect(page.locator(".models tbody tr")).to_have_count(20)
    await page.locator(".models-search input[name=q]").fill("gpt-4o-mini")
    await page.get_by_label("Order").select_option("price")
    await expect(page.locator(".models tbody tr").first).to_contain_text("gpt-4o-mini")
    await picture(page, "models")
    await page.get_by_role("link", name="Use gpt-4o-mini", exact=True).click()
    await expect(page.locator("input[name=model]")).to_have_value("gpt-4o-mini")
    await expect(page.locator("#model-facts")).to_contain_text("$0.15 in, $0.60 out")
    await expect(page.locator("textarea[name=description]")).to_have_value("Typed and not saved.")
    await picture(page, "edit")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#done")).to_have_text("Saved.")
    await expect(page.locator(".facts")).to_contain_text("gpt-4o-mini")


async def test_from_nothing_to_an_active_agent_in_the_browser_alone(page: Page, api: Api) -> None:
    await page.goto(f"{api.url}/agents")
    await page.get_by_role("link", name="Begin from a template").click()
    await page.get_by_role("button", name="Begin from Knowledge gaps").click()
    await expect(page.locator("#done")).to_contain_text("The draft is made")
    await page.get_by_role("link", name="Change what it may do").click()
    await page.locator("#row-servicedesk_plus-add_note .mode").select_option("approve")
    await page.get_by_role("button", name="Show what changes").click()
    await expect(page.locator("#gained tbody th")).to_contain_text(["Add note"])
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("link", name="Add a webhook").click()
    await page.get_by_role("button", name="Save").click()
    assert (await page.locator(".secret").inner_text()).startswith("whsec_")
    before = await page.locator(".trigger").count()
    await page.get_by_role("link", name="Add a schedule").click()
    await page.get_by_label("Times (cron").fill("0 7 * * 1")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".trigger")).to_have_count(before + 1)
    await page.get_by_role("button", name="Activate").click()
    await expect(page.locator("#state")).to_have_text("Active")
    await picture(page, "active")


async def test_where_there_is_no_clipboard_the_text_is_marked(page: Page, api: Api, admin: httpx2.AsyncClient) -> None:
    made = await api.agent(admin)
    await page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    await page.goto(f"{api.url}/agents/{made['id']}")
    await page.get_by_role("button", name="Copy the webhook's address").click()
    assert (
        await page.evaluate("getSelection().toString()") == f"http://deskhand.example.com/agents/{made['id']}/webhook"
    )
