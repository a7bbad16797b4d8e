"""What another site, or whoever holds a piece of a cookie, can make a signed-in browser do: nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest
from cryptography.fernet import Fernet
from tests.access.test_permissions import Route, World
from tests.conftest import DatabaseUrls
from tests.support.attacks import EVIL, fingerprint, parameters
from tests.support.people import account, browser, sign_in

from deskhand.access.cookies import DEVICE_COOKIE, HOST
from deskhand.kit.crypto import SecretBox
from deskhand.ui.csrf import SESSION_COOKIE, csrf_token_of

LEADS_ELSEWHERE = (
    f"//{EVIL}", f"///{EVIL}", f"////{EVIL}", f"https://{EVIL}", f"HTTPS://{EVIL}", f"https:{EVIL}", f"https:/{EVIL}",
    f"http:{EVIL}", f"/\\{EVIL}", f"\\\\{EVIL}", f"\\/{EVIL}", f"/\t/{EVIL}", f"\t//{EVIL}", f"/\n/{EVIL}",
    f"/\r/{EVIL}", f" //{EVIL}", f"\x00//{EVIL}", f"/\x00/{EVIL}", f"//acme@{EVIL}", f"//{EVIL}%2f..",
    f"https://deskhand.example.com.{EVIL}", f"https://deskhand.example.com@{EVIL}", "javascript:alert(1)",
    "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", f"ftp://{EVIL}", f"//{EVIL}:80/a", f"//\u3002{EVIL}",
    f"/\u2028/{EVIL}", f"\u00a0//{EVIL}", "//", "///", "/\\", "\\",
)  # fmt: skip
WAY_BACK = re.compile(r"next|return|redirect|continue|target|goto|url|to|from|back", re.IGNORECASE)
LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20]*")
WITHOUT_A_SESSION = {"/login", "/logout", "/set-password", "/approvals/link", "/feedback/link", "/notifications/stop"}
"""Forms that people send before they have a session, and so without its token."""


async def admin(world: World) -> httpx2.AsyncClient:
    """A browser of somebody who may do everything in acme, and who is the platform's administrator nowhere."""
    if "admin" not in world.own:
        world.own["admin"] = str((await account(world.api, "admin@acme.example", acme="tenant_admin")).id)
    return await browser(world.api, "admin@acme.example", "acme")


def changing_pages(world: World) -> Iterator[Route]:
    for route in world.routes:
        webhook = route.path.endswith("/webhook") or route.path.startswith("/webhooks/")
        if route.method not in ("GET", "HEAD") and route.is_page and not webhook:
            yield route


async def test_no_other_site_changes_anything_through_a_form(world: World, database_urls: DatabaseUrls) -> None:
    client = await admin(world)
    token = csrf_token_of(client.cookies[SESSION_COOKIE])
    before = await fingerprint(database_urls.superuser_url, "acme")
    wrong, tried = [], 0
    for route in changing_pages(world):
        ways = {
            "a foreign origin": ({"Origin": f"https://{EVIL}"}, token),
            "a sandboxed page": ({"Origin": "null"}, token),
            "a foreign site": ({"Sec-Fetch-Site": "cross-site"}, token),
            "a neighbour": ({"Sec-Fetch-Site": "same-site"}, token),
            "no token": ({}, None),
            "an empty token": ({}, ""),
            "another session's token": ({}, csrf_token_of("another session")),
        }
        if route.path in WITHOUT_A_SESSION or any(route.path.startswith(f"{one}/") for one in WITHOUT_A_SESSION):
            ways = {name: way for name, way in ways.items() if way[0]}
        for name, (headers, csrf) in ways.items():
            form = {**route.body().get("data", {}), **({} if csrf is None else {"csrf": csrf})}
            answer = await client.post(route.path.format(**world.own), data=form, headers=headers)
            tried += 1
            if answer.status_code != 403 or not re.search("another site|older than your session", answer.text):
                wrong.append(f"{route.name} by {name}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert tried > 60
    assert await fingerprint(database_urls.superuser_url, "acme") == before


async def test_no_other_site_changes_anything_through_the_api(world: World, database_urls: DatabaseUrls) -> None:
    client, wrong, tried = await admin(world), [], 0
    before = await fingerprint(database_urls.superuser_url, "acme")
    for route in world.routes:
        if route.method in ("GET", "HEAD") or route.is_page:
            continue
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json"):
            headers = {"Origin": f"https://{EVIL}", "Content-Type": kind}
            content = json.dumps(route.body().get("json", {}))
            answer = await client.request(
                route.method, route.path.format(**world.own), content=content, headers=headers
            )
            tried += 1
            # What is refused before the sender is known (a body of another kind) changes nothing either.
            if answer.status_code not in (403, 422):
                wrong.append(f"{route.name} as {kind}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)
    assert tried > 60
    assert await fingerprint(database_urls.superuser_url, "acme") == before


async def test_no_answer_lets_another_origin_read_it(world: World) -> None:
    """CORS is off: neither a look nor a preflight is answered with leave."""
    client = await admin(world)
    for route in world.routes:
        if "{path" in route.path:
            continue
        asked = {"Origin": f"https://{EVIL}", "Access-Control-Request-Method": route.method,
                 "Access-Control-Request-Headers": "authorization"}  # fmt: skip
        preflight = await client.request("OPTIONS", route.path.format(**world.own), headers=asked)
        assert preflight.status_code in (404, 405), route.name
        looked = await client.head(route.path.format(**world.own), headers={"Origin": f"https://{EVIL}"})
        for answer in (preflight, looked):
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")], route.name


async def test_every_answer_has_an_id_and_is_taken_for_nothing_else(world: World) -> None:
    """And nothing of how it was made: no stack, no file of ours, no server's name and version."""
    client = await admin(world)
    for route in world.routes:
        if "{path" in route.path:
            continue
        path = route.path.format(**{**world.own, **dict.fromkeys(route.parameters & {"agent_id"}, "not-an-id")})
        for method in (route.method, "TRACE"):
            answer = await client.request("HEAD" if path.endswith("/events") else method, path)
            assert re.fullmatch("[A-Za-z0-9._-]{1,64}", answer.headers["x-request-id"]), route.name
            assert answer.headers["x-content-type-options"] == "nosniff", route.name
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], route.name
            assert not re.search(r"Traceback|site-packages|/deskhand/\w+\.py|sqlalchemy|asyncpg", answer.text), (
                route.name
            )
    for sent in ("x" * 65, "a b", "a;b", "<script>"):
        assert (await client.get("/healthz", headers={"X-Request-ID": sent})).headers["x-request-id"] != sent
    assert (await client.get("/healthz", headers={"X-Request-ID": "mine-1"})).headers["x-request-id"] == "mine-1"


def tampered(cookie: str, content: str) -> dict[str, str]:
    """The cookie, changed in every way that could leave it looking good.

    Args:
        cookie: As the browser has it.
        content: What it says, which whoever has read our tables can write, too.
    """
    half = len(cookie) // 2
    flips = {
        f"bit {place}": f"{cookie[:place]}{'A' if cookie[place] != 'A' else 'B'}{cookie[place + 1 :]}"
        for place in (0, 1, 8, 12, half, half + 1, len(cookie) - 30)
    }
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    claims = base64.urlsafe_b64encode(b'{"session":"00","role":"platform_admin"}').decode().rstrip("=")
    plain = base64.urlsafe_b64encode(json.dumps({"session": "00" * 32}).encode()).decode()
    return {
        **flips,
        "cut short": cookie[:half],
        "twice": cookie + cookie,
        "of another installation": SecretBox([Fernet.generate_key().decode()]).encrypt(json.dumps({"key": "00" * 32})),
        "unsigned": plain,
        "unsigned, of a session that is open": base64.urlsafe_b64encode(content.encode()).decode(),
        "a JWT without a signature": f"{header}.{claims}.",
        "very long": "A" * 50_000,
        "empty": "",
        "a session's name": "session",
    }


async def test_a_cookie_that_was_changed_opens_nothing(world: World) -> None:
    good = (await admin(world)).cookies[SESSION_COOKIE]
    secrets = world.api.state.secrets
    own = {
        # Made by us, for something else: what a cookie is for is part of what it says.
        "the cookie of a device": secrets.encrypt(json.dumps({"email": "admin@acme.example", "device": "x" * 20})),
        "a stored secret": secrets.encrypt("the-technician-key-of-acme"),
        "a session that was never": secrets.encrypt(json.dumps({"session": "00" * 32})),
        "a session by its number": secrets.encrypt(json.dumps({"session": 1})),
        "two kinds at once": secrets.encrypt(json.dumps({"session": "00" * 32, "key": "00" * 32})),
        "a kind that there is not": secrets.encrypt(json.dumps({"platform": "00" * 32})),
    }
    client = await world.api.client()
    assert (await client.get("/api/v1/agents", headers={"Cookie": f"{SESSION_COOKIE}={good}"})).status_code == 200
    for name, value in {**tampered(good, secrets.decrypt(good)), **own}.items():
        answer = await client.get("/api/v1/agents", headers={"Cookie": f"{SESSION_COOKIE}={value}"})
        assert answer.status_code in (401, 431), name
    for header in (good, f"Bearer {good}", "Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer null", "bearer dhk_"):
        assert (await client.get("/api/v1/agents", headers={"Authorization": header})).status_code == 401, header


async def test_a_cookie_is_out_of_reach_of_scripts_and_of_other_sites(world: World) -> None:
    await account(world.api, "three@acme.example", acme="viewer")
    world.api.state.public_url = "https://deskhand.example.com"
    try:
        answer = await sign_in(await world.api.client(), "three@acme.example")
    finally:
        world.api.state.public_url = "http://deskhand.example.com"
    cookies = {cookie.split("=", 1)[0]: cookie.lower() for cookie in answer.headers.get_list("set-cookie")}
    assert cookies.keys() == {f"{HOST}{SESSION_COOKIE}", f"{HOST}{DEVICE_COOKIE}"}
    for cookie in cookies.values():
        assert {"httponly", "samesite=lax", "secure", "path=/"} <= {part.strip() for part in cookie.split(";")}
        assert "domain=" not in cookie, "no neighbouring host is shown it"


async def test_no_way_back_leads_to_another_site(world: World) -> None:
    """Every value that could name a page to go on to, in a query or a form, and the address itself."""
    client = await admin(world)
    token = csrf_token_of(client.cookies[SESSION_COOKIE])
    ways = [one for one in parameters(world.api.app) if one.place != "path" and WAY_BACK.fullmatch(one.name)]
    assert {one.path for one in ways} >= {"/login"}
    key = (await (await world.api.member("acme", "tenant_admin")).post(
        "/api/v1/tenants/acme/api-keys", json={"name": "k", "role": "viewer"})).json()["api_key"]  # fmt: skip
    for way in ways:
        for address in LEADS_ELSEWHERE:
            stranger = await world.api.client()
            form = {way.name: address, "csrf": token, "api_key": key}
            sent = {"data": form} if way.place == "body" else {"params": {way.name: address}}
            path = way.path.format(**world.own)
            answer = await (stranger if way.path == "/login" else client).request(way.method, path, **sent)
            assert leads_here(answer), (way, address, answer.headers.get("location"))
    for path in (f"//{EVIL}/executions", f"/\\{EVIL}", f"/{EVIL}//..", "/executions/", f"/login/?next=//{EVIL}"):
        answer = await client.get(path, headers={"Accept": "text/html", "Referer": f"https://{EVIL}/", "Host": EVIL})
        assert leads_here(answer), (path, answer.headers)


def leads_here(answer: httpx2.Response) -> bool:
    location = answer.headers.get("location") or answer.headers.get("hx-redirect")
    if location is None:
        return EVIL not in str(answer.headers)
    return LOCAL.fullmatch(location) is not None and not urlsplit(location).netloc


@pytest.mark.parametrize(
    "path",
    ["/static/../api.py", "/static/%2e%2e/%2e%2e/api.py", "/static/..%2f..%2fapi.py", "/static/..%5c..%5capi.py",
     "/static/%252e%252e/api.py", "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/....//....//api.py",
     "/static/console.css/../../render.py", "/static/%00/etc/passwd", "/static/console.css%00.py", "/static/.",
     "/static/vendor", "/static/..;/api.py", "/static/file:///etc/passwd", "/static/%c0%ae%c0%ae/api.py",
     "/docs/../static/../api.py", "/executions/..%2f..%2f..%2fetc%2fpasswd", "/static/\\..\\..\\api.py"],
)  # fmt: skip
async def test_no_path_leads_out_of_the_static_files(world: World, path: str) -> None:
    """Sent as it is written: a client that tidies addresses would hide the attack."""
    host, port = urlsplit(world.api.url).hostname, urlsplit(world.api.url).port
    status, body = await raw_get(str(host), int(port or 0), path)
    assert status in (303, 400, 401, 404, 405, 422), (path, status)
    assert b"import " not in body
    assert b"root:" not in body


async def raw_get(host: str, port: int, path: str) -> tuple[int, bytes]:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1")
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        answer = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_no_route_takes_a_file(world: World) -> None:
    """The day one does, its name must be attacked here."""
    assert [one for one in parameters(world.api.app) if "UploadFile" in str(one.annotation)] == []
