"""The chats refuse what the vendors refuse, in their words, and the receiver what was not signed for it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deskhand.kit.http import HttpClientFactory
from deskhand.simulators.base.faults import Fault
from deskhand.simulators.outside import OutsideSimulator
from deskhand.tenants.outside import Receiver
from deskhand.work.outside.chat import slack_body, teams_body
from deskhand.work.outside.webhook import signed_headers

HTTP = HttpClientFactory(allow_private=True)
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x"}}


@pytest.fixture
async def simulator() -> AsyncIterator[OutsideSimulator]:
    async with OutsideSimulator() as running:
        yield running


async def post(url: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with HTTP.client(headers={"Content-Type": "application/json", **(headers or {})}) as client:
        answer = await client.post(url, content=raw)
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (slack_body("x"), (200, "ok")),
        ({"text": "x"}, (200, "ok")),
        ({}, (400, "no_text")),
        ({"text": ""}, (400, "no_text")),
        (b"payload", (400, "invalid_payload")),
        (["x"], (400, "invalid_payload")),
        ({"text": "x" * 40_001}, (400, "invalid_payload")),
        ({"blocks": [SECTION] * 51}, (400, "invalid_blocks_format")),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}]}, (400, "invalid_blocks")),
        ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}]}, (400, "invalid_blocks")),
        ({"blocks": ["x"]}, (400, "invalid_blocks")),
    ],
)
async def test_slack(simulator: OutsideSimulator, body: Any, said: tuple[int, str]) -> None:
    assert await post(simulator.slack_url("leads"), body) == said
    assert len(simulator.posted) == (said[0] == 200)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (teams_body("x"), 202, ""),
        ({"text": "x"}, 400, "TriggerInputSchemaMismatch"),
        ({"type": "message", "attachments": []}, 400, "TriggerInputSchemaMismatch"),
        ({**teams_body("x"), "type": "MessageCard"}, 400, "TriggerInputSchemaMismatch"),
        ({**teams_body("x"), "note": "x" * 29_000}, 413, "RequestEntityTooLarge"),
    ],
)
async def test_teams(simulator: OutsideSimulator, body: Any, status: int, code: str) -> None:
    answered, text = await post(simulator.teams_url("leads"), body)
    assert (answered, code in text) == (status, True)
    assert len(simulator.posted) == (status == 202)


async def test_a_wrong_key_an_archived_channel_and_too_many(simulator: OutsideSimulator) -> None:
    good = slack_body("x")
    assert await post(simulator.slack_url("leads")[:-1], good) == (404, "no_service")
    assert (await post(simulator.teams_url("leads")[:-1], teams_body("x")))[0] == 401
    simulator.archived.add("leads")
    assert await post(simulator.slack_url("leads"), good) == (410, "channel_is_archived")
    simulator.faults.add(Fault(status=429, count=1))
    async with HTTP.client() as client:
        answer = await client.post(simulator.slack_url("ops"), json=good)
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (429, "rate_limited", "1")


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, 204), ({"secret": "other"}, 401), ({"age": 400}, 401), ({"age": -400}, 401), ({"body": b'{"b":1}'}, 401)],
)
async def test_the_receiver_takes_what_was_signed_for_it_now(
    simulator: OutsideSimulator, changes: dict[str, Any], status: int
) -> None:
    other = OutsideSimulator().signing_secret
    secret = other if "secret" in changes else simulator.signing_secret
    receiver = Receiver.model_validate({"url": f"{simulator.url}/receiver", "secret": secret})
    now = datetime.now(UTC) - timedelta(seconds=changes.get("age", 0))
    headers = signed_headers(receiver, "dh-1", b'{"a":1}', now)
    assert (await post(f"{simulator.url}/receiver", changes.get("body", b'{"a":1}'), headers))[0] == status
    assert len(simulator.received) == (status == 204)


async def test_while_a_secret_changes_the_old_one_and_the_new_one_fit(simulator: OutsideSimulator) -> None:
    new = OutsideSimulator().signing_secret
    both = {"url": f"{simulator.url}/receiver", "secret": new, "previous_secret": simulator.signing_secret}
    headers = signed_headers(Receiver.model_validate(both), "dh-1", b"{}", datetime.now(UTC))
    assert headers["webhook-signature"].count("v1,") == 2
    assert (await post(both["url"], b"{}", headers))[0] == 204


def test_a_signature_is_the_specifications_own_example() -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    receiver = Receiver.model_validate({"url": "https://x.test/", "secret": secret})
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signed_headers(receiver, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', at)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
