"""What strangers and models try on the way out: mentions, foreign hosts, redirects, smuggled headers, secrets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attacks.test_secrets import logs, spellings  # noqa: F401 - a fixture
from tests.conftest import DatabaseUrls
from tests.support.attacks import stored_texts
from tests.support.outside import outside_customer, run_of_ticket, trying
from tests.support.product import running_product

from deskhand.errors import ForbiddenError
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.outside import Outgoing, OutsideError, send
from deskhand.simulators.base.faults import Fault
from deskhand.simulators.outside import OutsideSimulator, _is_card_message, _slack_fault
from deskhand.tenants.outside import HttpSettings, WebhookSettings, origin_of, outside_faults
from deskhand.tools.outside import HTTP, MESSAGE_LIMIT
from deskhand.work.outside.chat import CUT, shortened_message, slack_body, teams_body

ORDERS = (
    "<!channel> <!here> <!everyone> <!subteam^S1|all>",
    "@channel @here @everyone @Channel",
    "<@U0123ABC> <#C0123|general>",
    "<https://evil.test|Reset your password>",
    "<mailto:a@evil.test|write>",
    "<!date^1392734382^Posted {date}|x>",
    "&lt;!channel&gt;",
    "<at>Everyone</at> <AT id='0'>x</AT>",
    "[Reset](https://evil.test) ![x](https://evil.test/pixel.png)",
    "\r\n# Heading\x00\x1b[31m\u202e",
    '"}]}, "blocks": [{"type": "image"}]',
)


@pytest.mark.parametrize("order", ORDERS)
def test_a_strangers_words_are_words_in_both_chats(order: str) -> None:
    slack, teams = slack_body(f"Subject: {order}"), teams_body(f"Subject: {order}")
    texts = [slack["text"], *(block["text"]["text"] for block in slack["blocks"])]
    for text in texts:
        assert not {"<", ">", "\x00", "\x1b", "\r"} & set(text)
        assert not any(f"@{name}" in text.lower() for name in ("channel", "here", "everyone"))
    assert {block["type"] for block in slack["blocks"]} == {"section"}
    assert all(block["text"]["verbatim"] for block in slack["blocks"])
    assert (slack["unfurl_links"], slack["unfurl_media"]) == (False, False)

    (attachment,) = teams["attachments"]
    (block,) = attachment["content"]["body"]
    # No TextBlock, which reads Markdown; no entity, without which <at> is nothing.
    assert block["type"] == "RichTextBlock"
    assert all(run.keys() <= {"type", "text", "weight"} for run in block["inlines"])
    assert attachment["content"]["msteams"] == {"width": "Full"}
    assert "<at" not in json.dumps(teams).lower()
    assert "</at" not in json.dumps(teams).lower()


@given(text=st.text(min_size=1, max_size=MESSAGE_LIMIT))
def test_every_message_is_one_that_the_vendors_take(text: str) -> None:
    assert _slack_fault(json.loads(json.dumps(slack_body(text)).encode("utf-8", "strict"))) == ""
    teams = json.dumps(teams_body(text), ensure_ascii=False).encode()
    assert _is_card_message(json.loads(teams))
    assert len(teams) <= 28 * 1024


@pytest.mark.parametrize(
    "text",
    ["&" * MESSAGE_LIMIT, "𝔘" * MESSAGE_LIMIT, "**a**\n" * 1_000, "x " * 3_000, "# " * 9, "a" + "\n" * 5_900 + "b"],
)
def test_the_longest_messages_fit(text: str) -> None:
    assert _slack_fault(slack_body(text)) == ""
    assert all(block["text"]["text"].strip() for block in slack_body(text)["blocks"])
    assert "".join(block["text"]["text"] for block in slack_body(text)["blocks"]).count("&amp;") == text.count("&")
    assert len(json.dumps(teams_body(text), ensure_ascii=False).encode()) <= 28 * 1024
    assert shortened_message("x" * 9_000).endswith(CUT)
    assert len(shortened_message("x" * 9_000)) == MESSAGE_LIMIT


ALLOWED = HttpSettings.model_validate({"hosts": {"https://api.acme.test": {"headers": {"X-Key": "k3y-of-acme"}}}})


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://evil.test/",
            "http://api.acme.test/",
            "https://api.acme.test:8443/",
            "https://api.acme.test.evil.test/",
        ),
        *("https://api.acme.test@evil.test/", "https://evil.test#@api.acme.test/", "https://u:p@api.acme.test/"),
        *("https://evil.test\\@api.acme.test/", "https://api.acme.test\\.evil.test/", "https:/api.acme.test/x"),
        *("https://api.acme.test/\r\nHost: evil.test", "https://api.acme.test/ HTTP/1.1\r\nX: y", "//api.acme.test/"),
        *("https://api.acme.test\t.evil.test/", "https://api.acme.test%2eevil.test/", "file:///etc/passwd", ""),
        *(
            "https://аpi.acme.test/",
            "https://api.acme.test%00.evil.test/",
            "https://api。acme.test/",
            "gopher://api.acme.test/",
        ),
        *(
            "https://[api.acme.test]/",
            "https://api.acme.test:99999/",
            "https://api.acme.test:0443:1/",
            "https://127.0.0.1/",
        ),
        f"https://api.acme.test/{'x' * 2_001}",
    ],
)
def test_an_address_that_somebody_could_read_otherwise_is_not_called(url: str) -> None:
    with pytest.raises(ForbiddenError):
        ALLOWED.host_of(url)


def test_an_address_on_the_allowed_host_is() -> None:
    for url in ("https://api.acme.test", "https://API.acme.test:443/a/../b?q=%0d%0aX:y&z=1", "HTTPS://api.acme.test/"):
        assert ALLOWED.host_of(url)[0] == "https://api.acme.test"
    assert origin_of("http://[::1]:8080/x") == "http://[::1]:8080"


@pytest.mark.parametrize(
    "smuggled",
    [
        {"headers": {"Host": "evil.test"}}, {"header": "X: y"}, {"url": "https://api.acme.test/\r\nX: y"},
        {"url": "https://api.acme.test/ x"}, {"query": {"a": ["b"]}}, {"body": "text\r\n\r\nGET /"},
        {"method": "TRACE"},
    ],
)  # fmt: skip
def test_an_argument_carries_no_header(smuggled: dict[str, Any]) -> None:
    operation = HTTP.operation("post")
    assert operation is not None
    call = {"url": "https://api.acme.test/x", **smuggled}
    assert not jsonschema.Draft202012Validator(dict(operation.arguments)).is_valid(call)


WEAK = "whsec_" + "AAAA" * 8
SECRET = "whsec_" + "A1b2C3d4" * 5 + "A1=="


@pytest.mark.parametrize(
    ("tool", "stored", "place"),
    [
        ("slack", {"channels": {}}, "channels"),
        ("slack", {"channels": {"Leads!": "https://hooks.slack.com/services/T/B/canary"}}, "channels"),
        ("slack", {"channels": {"https://hooks.slack.com/services/T/B/canary": "leads"}}, "channels"),
        ("slack", {"channels": {"leads": "ftp://canary.test/"}}, "channels/leads"),
        ("teams", {"channels": {"leads": "https://u:canary@x.test/"}}, "channels/leads"),
        ("teams", {"channels": {"leads": "https://x.test/\r\ncanary"}}, "channels/leads"),
        ("webhook", {"endpoints": {"a": {"url": "https://x.test/", "secret": "canary"}}}, "endpoints/a/secret"),
        ("webhook", {"endpoints": {"a": {"url": "https://x.test/", "secret": WEAK}}}, "endpoints/a/secret"),
        ("http", {"hosts": {"https://x.test/path": {}}}, "hosts"),
        ("http", {"hosts": {"https://x.test": {"headers": {"Host": "canary"}}}}, "hosts/https:~1~1x.test/headers"),
        ("http", {"hosts": {"https://x.test": {"headers": {"K": "canary\r\nY: z"}}}}, "hosts/https:~1~1x.test/headers"),
        ("http", {"hosts": {"https://x.test": {"headers": {"X: y\r\nZ": "canary"}}}}, "hosts/https:~1~1x.test/headers"),
        ("http", {"hosts": {"https://x.test": {}}, "canary": 1}, "canary"),
    ],
)  # fmt: skip
def test_settings_that_could_not_be_used_are_refused_without_a_value(
    tool: str, stored: dict[str, Any], place: str
) -> None:
    faults = outside_faults(tool, stored)
    fault = faults[0]
    assert fault.pointer.startswith(f"/connection_extras/{tool}/{place}")
    assert place == "canary" or "canary" not in str(faults)


def test_settings_show_no_secret() -> None:
    one = WebhookSettings.model_validate({"endpoints": {"a": {"url": "https://x.test/canary", "secret": SECRET}}})
    assert "canary" not in f"{one!r} {one} {one.model_dump_json()}"
    assert SECRET not in f"{one!r} {one} {one.model_dump_json()}"


INSIDE = (
    "https://127.0.0.1/canary",
    "https://[::1]/canary",
    "https://169.254.169.254/canary",
    "http://example.com/canary",
)


@pytest.mark.parametrize("url", INSIDE)
async def test_nothing_inside_is_called_and_nothing_without_tls(url: str) -> None:
    outgoing = Outgoing(place="The channel", method="POST", url=url, secrets=("canary",))
    with pytest.raises(OutsideError) as raised:
        await send(outgoing, HttpClientFactory())
    assert raised.value.certainly_not_done
    assert "canary" not in f"{raised.value!r} {raised.value.__cause__!r} {outgoing!r}"


@pytest.fixture
async def simulator() -> AsyncIterator[OutsideSimulator]:
    async with OutsideSimulator() as running:
        yield running


async def test_no_address_secret_or_credential_is_read_back_anywhere(
    clean_db: Database,
    database_urls: DatabaseUrls,
    logs: dict[str, Any],  # noqa: F811
    simulator: OutsideSimulator,
) -> None:
    grants = {"slack": ["post_message"], "teams": ["post_message"], "webhook": ["send_event"], "http": ["get", "post"]}
    # Refusals, broken connections and an API that says what it was sent: each word of them is kept somewhere.
    for fault in (Fault(status=404, count=1, path="services"), Fault(kind="outage", count=1, path="receiver")):
        simulator.faults.add(fault)
    event = {"endpoint": "cmdb", "type": "a.b", "data": {"a": 1}}
    calls = [
        ("slack_post_message", {"channel": "leads", "text": "x"}),
        ("slack_post_message", {"channel": "leads", "text": "x"}),
        ("teams_post_message", {"channel": "leads", "text": "x"}),
        ("webhook_send_event", event),
        ("http_get", {"url": f"{simulator.url}/api/x"}),
        ("http_post", {"url": f"{simulator.url}/api/x", "query": {"redirect": "http://169.254.169.254/"}}),
    ]
    async with running_product(clean_db, database_urls.app_url) as product:
        customer = await outside_customer(product, simulator, grants)
        product.model.script = trying(*calls)
        await product.start_worker(limits={"max_steps": 500, "max_tokens": 10**7, "max_cost_usd": Decimal(100)})
        run = await run_of_ticket(product, customer)
        assert run["status"] == "completed", run
        client = customer.client
        shown = [
            (await client.get(path)).text
            for path in (
                "/api/v1/tenants/acme", "/api/v1/tenants/acme/connections", "/api/v1/tools", "/api/v1/audit",
                f"/api/v1/executions/{run['id']}", f"/api/v1/agents/{customer.agent_id}",
            )
        ]  # fmt: skip
        broken = {"connection_extras": {"slack": {"channels": {"x y": simulator.slack_url("leads")}}}}
        refused = await client.patch("/api/v1/tenants/acme", json=broken)
        assert refused.status_code == 422
        shown += [refused.text, str(product.model.chats)]
    places = dict(enumerate(shown)) | {name: stream.getvalue() for name, stream in logs.items()}
    places |= await stored_texts(database_urls.superuser_url)
    secrets = {simulator.slack_url("leads"), simulator.teams_url("leads"), simulator.signing_secret, simulator.key}
    leaks = [
        (name, secret[:12])
        for name, text in places.items()
        for secret in secrets
        if any(spelling in text for spelling in spellings(secret))
    ]
    assert leaks == []
    assert len(simulator.calls) == 2
    assert "169.254.169.254" in str(places)
