"""Everybody chooses what to be told of, and stops it by a link that asks for no sign-in."""

from __future__ import annotations

import re

import pytest
from tests.support.notices import ANN, BOB
from tests.support.people import browser
from tests.support.told import BASE, Told, a_fact, told_of

from deskhand.errors import NotFoundError
from deskhand.kit.crypto import SecretBox
from deskhand.notifications.gathering import add
from deskhand.notifications.links import StopLinks

CHOICES = "/api/v1/notifications/choices"


async def paces(client) -> dict[str, str]:
    return {one["kind"]: one["pace"] for one in (await client.get(CHOICES)).json()["choices"]}


async def test_a_person_chooses_by_page_or_api_and_gets_a_digest_once_a_day(told: Told) -> None:
    far = (told.api.state.clock().hour + 12) % 24
    assert (await told.name(digest_hour=far)).is_success
    ann, bob = await browser(told.api, ANN, "acme"), await browser(told.api, BOB, "acme")
    assert set((await paces(ann)).values()) == {"off"}, "who is not named is told of nothing"
    assert "audit" not in await paces(ann)
    assert "audit" in await paces(bob)
    assert (await ann.patch(CHOICES, json={"audit": "now"})).status_code == 403
    assert (await ann.patch(CHOICES, json={"failure": "digest"})).json()["choices"][0]["chosen"] is True
    page = (await ann.get("/notifications")).text
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    saved = await ann.post("/notifications", data={"csrf": csrf, "doubt": "now", "schedule": "digest"})
    assert saved.headers["location"] == "/notifications?saved=choices"
    assert "Saved." in (await ann.get(saved.headers["location"])).text
    assert (await paces(ann)) | {"failure": "digest", "doubt": "now", "schedule": "digest"} == await paces(ann)

    await told.end(7)
    await told.end(status="waiting", code="in-doubt")
    assert await told.look() == ["1 write of Triage is in doubt (Acme)"]
    await told.end(3)
    assert (await told.look(after=24 * 60))[1:] == ["Deskhand, the last day: 10 things need a look (Acme)"]
    assert "10 runs of Triage failed" in told.office.words()


async def test_what_is_chosen_off_is_taken_out_of_what_is_gathered(told: Told) -> None:
    await told.name(mail=[ANN])
    ann = await browser(told.api, ANN, "acme")
    await told.end()
    await told.end(status="waiting", code="in-doubt")
    await told.tick()
    await ann.patch(CHOICES, json={"failure": "off"})
    assert [list(one.items) for one in await told.messages()] == [[f"doubt|{await told.agent()}"]]
    await ann.patch(CHOICES, json={"doubt": "off"})
    assert await told.messages() == []
    assert (await told.office.admin.get(CHOICES)).json()["choices"] == []
    assert (await told.office.admin.patch(CHOICES, json={"doubt": "now"})).status_code == 409


async def test_a_link_shows_before_it_stops_and_one_click_stops_at_once(told: Told) -> None:
    await told.name(mail=[ANN, BOB], pause_minutes=0, repeat_minutes=0)
    await told.end()
    await told.look()
    links = {
        mail["To"]: re.search(r"<(\S+)>", mail["List-Unsubscribe"])[1].removeprefix(BASE)
        for mail in told.office.mailbox.mails
    }
    nobody = await told.api.client(Accept="text/html")
    shown = (await nobody.get(links[ANN])).text
    assert "Stop these mails?" in shown
    assert ANN in shown
    await told.end()
    assert len(await told.look()) == 4, "opening it stopped nothing"

    token = re.search(r'name="token" value="([^"]+)"', shown)[1]
    assert "are stopped" in (await nobody.post("/notifications/stop", data={"token": token})).text
    # As a mail provider does it: RFC 8058, 3.1.
    clicked = await nobody.post(links[BOB], data={"List-Unsubscribe": "One-Click"})
    assert clicked.status_code == 200
    assert not clicked.cookies
    await told.end()
    assert len(await told.look()) == 4
    log = (await told.office.admin.get("/api/v1/audit", params={"operation": "notification.choose"})).json()["items"]
    assert {one["actor"] for one in log} == {f"link:{ANN}", f"link:{BOB}"}

    for broken in (token[:-1], token.replace("acme", "globex"), "", "x.y.z", "é" * 9):
        assert (await nobody.get("/notifications/stop", params={"token": broken})).status_code == 404
        assert (await nobody.post("/notifications/stop", params={"token": broken})).status_code == 404
    elsewhere = await nobody.post(links[ANN], headers={"Origin": "https://evil.example"})
    assert elsewhere.status_code == 403


async def test_a_link_holds_for_its_installation_alone_and_not_for_one_who_left(told: Told) -> None:
    await told.name(mail=[ANN])
    await told.end()
    await told.look()
    token = told.stop_link().partition("token=")[2]
    strange = StopLinks(SecretBox(["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="]), BASE)
    with pytest.raises(NotFoundError):
        strange.read(token)
    ann = StopLinks(told.api.state.secrets, BASE).read(token)
    removed = await told.office.admin.delete(f"/api/v1/tenants/acme/people/{ann.user_id}")
    assert removed.is_success, removed.text
    nobody = await told.api.client(Accept="text/html")
    assert (await nobody.get(f"/notifications/stop?token={token}")).status_code == 404


async def test_an_administrator_sees_what_was_sent_and_sends_again_what_failed(told: Told) -> None:
    evil = a_fact(label="<script>alert(1)</script>", cause="x")
    failed = await told_of(told.api, "mail:gone@acme.example", items=add({}, [evil]))
    await told_of(told.api, f"mail:{ANN}", state="sent", why="")
    bob, ann = await browser(told.api, BOB, "acme"), await browser(told.api, ANN, "acme")
    page = (await bob.get("/notifications")).text
    assert "550: no such box" in page
    assert "gone@acme.example" in page
    assert "<script>alert" not in page
    assert "gone@acme.example" not in (await ann.get("/notifications")).text, "operators see their own choices alone"
    assert "gone@acme.example" not in (await bob.get("/notifications?show=sent")).text
    assert "Nothing here" in (await bob.get("/notifications?show=waiting")).text
    csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
    again = f"/notifications/{failed}/send"
    assert (await bob.post(again, data={"csrf": csrf})).status_code == 303
    refused = await bob.post(again, data={"csrf": csrf})
    assert refused.status_code == 409
    assert "only one that failed" in refused.text
    pages = (await told.office.admin.get("/api/v1/notifications", params={"limit": 1})).json()
    rest = {"limit": 1, "cursor": pages["next_cursor"]}
    older = (await told.office.admin.get("/api/v1/notifications", params=rest)).json()
    assert {one["id"] for one in pages["items"] + older["items"]} >= {str(failed)}
    assert older["next_cursor"] is None


async def test_the_page_says_that_no_mail_leaves_and_that_a_key_is_nobody(told: Told) -> None:
    await told.office.admin.patch("/api/v1/tenants/acme", json={"connection_extras": {}})
    bob = await browser(told.api, BOB, "acme")
    page = (await bob.get("/notifications")).text
    assert "No mail leaves" in page
    assert "Nothing was sent yet" in page
    by_key = (await told.office.admin.get("/notifications", headers={"Accept": "text/html"})).text
    assert "signed in with a key" in by_key
