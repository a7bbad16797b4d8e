"""Planted secrets of every kind, looked for in all that Deskhand writes after a run that works and runs that fail."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
import structlog
from tests.access.test_permissions import routes_of
from tests.conftest import DatabaseUrls
from tests.support.approvals import waiting_approval
from tests.support.attacks import stored_texts
from tests.support.desks import DESK_KEY
from tests.support.hostile_desk import serving
from tests.support.people import PASSWORD
from tests.support.product import Customer, Product, running_product

from deskhand.kit.db.session import Database
from deskhand.kit.log import configure_logging
from deskhand.ui.csrf import SESSION_COOKIE

GATEWAY_KEY = "sk-canary-of-the-gateway-0123456789"
MAIL_PASSWORD = "canary of the mail server 42"
HOSTILE_KEY = "canary-key-of-a-hostile-desk-77"
CONNECTION_KEY = "sk-canary-of-the-tenants-own-gateway-31"


@pytest.fixture
def logs() -> Iterator[dict[str, io.StringIO]]:
    """Everything that is logged, from DEBUG on, in both forms."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    streams, both = {"json log": io.StringIO(), "terminal log": io.StringIO()}, []
    for log_format, stream in zip(("json", "console"), streams.values(), strict=True):
        configure_logging(level="DEBUG", log_format=log_format, stream=stream)  # type: ignore[arg-type]
        both += root.handlers
    root.handlers[:] = both
    yield streams
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    configure_logging(level="INFO", log_format="json")


def spellings(secret: str) -> set[str]:
    """The secret as it may stand somewhere: plain, in JSON, in base64, in hexadecimal digits, in an address."""
    raw = secret.encode()
    return {
        secret,
        json.dumps(secret)[1:-1],
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        raw.hex(),
        httpx2.URL("http://x", params={"a": secret}).query.decode()[2:],
    }


async def enter(product: Product, customer: Customer) -> tuple[httpx2.AsyncClient, dict[str, str]]:
    """Somebody comes in by every way there is, failing once at each; what that took is secret."""
    api, secrets = customer.client, {}
    invited = await api.post("/api/v1/tenants/acme/people", json={"email": "ann@acme.example", "role": "tenant_admin"})
    token = str(httpx2.URL(invited.json()["link"]["url"]).params["token"])
    page = product.http.client(product.api.url, headers={"Accept": "text/html"})
    client = await product.stack.enter_async_context(page)
    await client.post("/set-password", data={"token": token, "password": "short", "again": "short"})
    await client.post("/set-password", data={"token": token, "password": PASSWORD, "again": PASSWORD})
    await client.post("/set-password", data={"token": token, "password": PASSWORD, "again": PASSWORD})
    answer = await client.post("/login", data={"email": "ann@acme.example", "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    sign_in = (await api.post("/api/v1/tenants/acme/sign-in-tokens")).json()["token"]
    for field, value in (("token", sign_in), ("token", sign_in), ("api_key", customer.key), ("password", customer.key)):
        other = await product.stack.enter_async_context(product.http.client(product.api.url))
        await other.post("/login", data={field: value, "email": "ann@acme.example" if field == "password" else ""})
    secrets["a link"], secrets["a sign-in token"] = token, sign_in
    secrets["a session"] = client.cookies[SESSION_COOKIE]
    return client, secrets


async def provoke(product: Product, secrets: dict[str, str], customer: Customer) -> list[str]:
    """Each secret where it does not belong; the answers to that."""
    client = await product.stack.enter_async_context(product.http.client(product.api.url))
    answers = []
    for secret in secrets.values():
        wrong = {"servicedesk_api_key": [secret], "jira_url": f"ftp://{secret}"}
        for call in (
            client.get("/api/v1/agents", headers={"Authorization": f"Basic {secret}"}),
            customer.client.post("/api/v1/agents", json={"name": {"secret": secret}, "hmac_secret": secret}),
            customer.client.patch("/api/v1/tenants/acme", json=wrong),
            customer.client.post("/api/v1/tenants/acme/api-keys", json={"name": "k", "role": secret}),
        ):
            answer = await call
            assert 400 <= answer.status_code < 500, answer.text
            answers.append(answer.text)
    return answers


async def test_no_secret_is_in_anything_that_is_written(
    clean_db: Database, database_urls: DatabaseUrls, logs: dict[str, io.StringIO]
) -> None:
    def repeats(handler: Any, _body: bytes) -> tuple[int, dict[str, str], bytes]:
        """A desk, or a gateway, that says what it was sent when it refuses."""
        said = f"refused: {dict(handler.headers)}"
        body = {"error": {"message": said}, "response_status": {"status_code": 4000, "messages": [{"message": said}]}}
        return 400, {"content-type": "application/json"}, json.dumps(body).encode()

    with serving(repeats) as hostile:
        async with running_product(clean_db, database_urls.app_url) as product:
            product.gateway_key = GATEWAY_KEY
            acme = await product.customer()
            mail = {"host": "127.0.0.1", "port": 9, "username": "u", "password": MAIL_PASSWORD,
                    "sender": "a@acme.example", "allowed_recipients": ["acme.example"]}  # fmt: skip
            changed = await acme.client.patch("/api/v1/tenants/acme", json={"connection_extras": {"email": mail}})
            assert changed.status_code == 200, changed.text
            house = {
                "slug": "house",
                "kind": "openai_compatible",
                "name": "Ours",
                "base_url": "https://llm.example.com/v1",
            }
            made = await acme.client.post("/api/v1/model-connections", json={**house, "api_key": CONNECTION_KEY})
            assert made.status_code == 201, made.text
            page, secrets = await enter(product, acme)
            await product.start_worker()
            worked = await run(product, acme, "msg-1", await product.desk.file_ticket())
            product.model_url = hostile
            await product.stop_workers()
            await product.start_worker()
            await run(product, acme, "msg-2", await product.desk.file_ticket())
            broken = {"servicedesk_url": hostile, "servicedesk_api_key": HOSTILE_KEY}
            assert (await acme.client.patch("/api/v1/tenants/acme", json=broken)).status_code == 200
            await acme.client.post("/api/v1/tenants/acme/connections/servicedesk_plus/test")
            failed = await run(product, acme, "msg-3", "1044")
            secrets |= {
                "an API key": acme.key, "a webhook's secret": acme.secret, "a desk's key": DESK_KEY,
                "a hostile desk's key": HOSTILE_KEY, "the gateway's key": GATEWAY_KEY, "a password": PASSWORD,
                "a model connection's key": CONNECTION_KEY, "the mail server's password": MAIL_PASSWORD,
                "the encryption key": product.keys[0],
            }  # fmt: skip
            places = {f"answer {n}": text for n, text in enumerate(await provoke(product, secrets, acme))}
            places |= await everything_shown(product, acme, page, [worked["id"], failed["id"]])
    places |= {name: stream.getvalue() for name, stream in logs.items()}
    places |= {f"table {name}": text for name, text in (await stored_texts(database_urls.superuser_url)).items()}
    leaks = [
        f"{name} in {place}"
        for name, secret in secrets.items()
        for place, text in places.items()
        if any(spelling in text for spelling in spellings(secret))
    ]
    assert not leaks, "\n".join(leaks)
    assert worked["status"] == "completed"
    assert failed["status"] in {"failed", "waiting"}
    # Proof that the right places were looked at: what is kept of a key is its hash.
    assert hashlib.sha256(acme.key.encode()).hexdigest() in places["table api_keys"]
    assert "refused: " in places["table agent_executions"], "the desk's words were kept, without the key in them"


async def run(product: Product, customer: Customer, delivery: str, ticket: str) -> dict[str, Any]:
    accepted = await product.deliver(customer, ticket, delivery_id=delivery)
    assert accepted.status_code == 202, accepted.text
    return await product.ended(customer, accepted.json()["execution_id"])


async def everything_shown(
    product: Product, customer: Customer, page: httpx2.AsyncClient, runs: list[str]
) -> dict[str, str]:
    """Every page and every answer of the API that a tenant's administrator can look at."""
    shown = {}
    for run_id in runs:
        approval_id = await waiting_approval(product.db, "acme", UUID(run_id))
        values = {"tenant_id": "acme", "agent_id": customer.agent_id, "execution_id": run_id, "number": "1",
                  "tool_type": "servicedesk_plus", "trigger_id": customer.agent_id, "path": "console.css",
                  "slug": "triage", "source": "shop", "approval_id": approval_id, "provider_id": uuid4(),
                  "job_id": uuid4(), "article_id": uuid4(), "solved_id": uuid4(), "budget_id": uuid4(),
                  "pause_id": uuid4(), "lab_run_id": uuid4(), "connection": "house", "storm_id": uuid4(),
                  "test_case_id": uuid4(), "person_id": uuid4(),
                  "ticket_ref": "1042", "section": "notes", "rule_kind": "machines",
                  "place": "new"}  # fmt: skip
        for route in routes_of(product.api._app):  # type: ignore[arg-type]
            if route.method != "GET" or route.path.endswith("/events") or route.path.startswith("/static"):
                continue
            client = page if route.is_page else customer.client
            address = route.path.replace(":path", "").format(**values)
            answer = await client.get(address, params=route.body()["params"])
            shown[f"{address} ({answer.status_code})"] = answer.text + str(answer.headers)
    assert len(shown) > 40
    return shown
