"""What one call outside comes to, before it is sent: who may be named, what leaves, and which answers are a yes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from deskhand.errors import ForbiddenError
from deskhand.kit.outside import Answer, OutsideError, OutsideInDoubtError, OutsideUnavailableError
from deskhand.tenants.outside import ChatSettings, HttpSettings, WebhookSettings
from deskhand.tools.outside import ANSWER_LIMIT, HTTP, SLACK, TEAMS, WEBHOOK
from deskhand.tools.values import Doubt, ToolOperation
from deskhand.work.outside.chat import ChatPlaces, slack_body, teams_body
from deskhand.work.outside.hosts import BODY_BYTES, HostPlaces
from deskhand.work.outside.places import WORDS, ensure_taken
from deskhand.work.outside.webhook import EVENT_BYTES, WebhookPlaces

AT = datetime(2026, 5, 4, 9, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SLACK_URL = "https://hooks.slack.com/services/T1/B1/k3y"
CHAT = ChatSettings.model_validate({"channels": {"ops": "https://x.test/ops", "leads": SLACK_URL}})
HOSTS = HttpSettings.model_validate(
    {"hosts": {"https://api.acme.test": {"headers": {"Authorization": "Bearer k3y-of-acme"}}, "https://b.test": {}}}
)
RECEIVERS = WebhookSettings.model_validate({"endpoints": {"cmdb": {"url": "https://c.test/in", "secret": SECRET}}})


def said(status: int, text: str = "", **headers: str) -> Answer:
    return Answer(
        status=status, headers={name.replace("_", "-"): one for name, one in headers.items()}, text=text, is_cut=False
    )


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_yes_is_a_yes(status: int) -> None:
    ensure_taken("The channel", said(status, "whatever"))


@pytest.mark.parametrize(
    ("status", "kind", "done", "again"),
    [
        (302, OutsideError, True, False),
        (400, OutsideError, True, False),
        (404, OutsideError, True, False),
        (410, OutsideError, True, False),
        (429, OutsideUnavailableError, True, True),
        (500, OutsideInDoubtError, False, True),
        (504, OutsideInDoubtError, False, True),
    ],
)
def test_what_is_no_yes_says_whether_it_was_done_and_whether_to_try_again(
    status: int, kind: type[OutsideError], done: bool, again: bool
) -> None:
    with pytest.raises(OutsideError, match=f"^The channel answered {status}") as raised:
        ensure_taken("The channel", said(status, "no \n reason"))
    assert type(raised.value) is kind
    assert (raised.value.certainly_not_done, raised.value.retryable) == (done, again)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None), ("9" * 9, None), ("", None)],
)
def test_a_wait_is_read_where_it_is_a_number_that_can_be(value: str, seconds: float | None) -> None:
    assert said(429, retry_after=value).retry_after == seconds


def test_a_vendors_words_are_cut_and_stand_on_one_line() -> None:
    with pytest.raises(OutsideError) as raised:
        ensure_taken("The channel", said(400, "a\n" * 5_000))
    assert len(raised.value.detail) < WORDS + 50
    assert "\n" not in raised.value.detail


@pytest.mark.parametrize(("tool", "body"), [(SLACK, slack_body), (TEAMS, teams_body)], ids=["slack", "teams"])
def test_a_message_leaves_for_its_channel_and_its_trace_has_no_address(tool: Any, body: Any) -> None:
    places = ChatPlaces(tool, CHAT)
    errand = places.errand(tool.operations[0], {"channel": "leads", "text": "Hello."})
    outgoing = errand.request("dh-1")
    assert (outgoing.method, outgoing.url) == ("POST", SLACK_URL)
    assert json.loads(outgoing.body or b"") == body("Hello.")
    assert errand.trace == {"target": tool.tool_id, "channel": "leads", "text": "Hello."}
    assert errand.facts == {"channel": "leads"}
    assert "k3y" not in f"{outgoing!r} {errand!r}".replace(repr(errand.request), "")
    assert places.names == ["leads", "ops"]


@pytest.mark.parametrize("name", ["board", "Leads", "lead", "", SLACK_URL])
def test_a_channel_that_the_tenant_does_not_have_is_refused_with_those_it_has(name: str) -> None:
    with pytest.raises(ForbiddenError, match="leads"):
        ChatPlaces(SLACK, CHAT).errand(SLACK.operations[0], {"channel": name, "text": "x"})


def test_an_event_has_its_time_its_id_and_a_signature_and_an_old_one_is_the_same_event() -> None:
    places = WebhookPlaces(RECEIVERS, AT)
    args = {"endpoint": "cmdb", "type": "ticket.moved", "data": {"number": "ü"}}
    errand = places.errand(WEBHOOK.operations[0], args)
    first, second = errand.request("dh-1"), errand.request("dh-1")
    assert first.body == second.body
    assert json.loads(first.body or b"") == {
        "type": "ticket.moved", "timestamp": "2026-05-04T09:00:00+00:00", "data": {"number": "ü"},
    }  # fmt: skip
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "dh-1"
    assert first.headers["webhook-signature"].startswith("v1,")
    assert SECRET in first.secrets
    assert errand.trace == {"target": "webhook", **args}


def test_an_event_that_is_too_large_or_for_nobody_stays_here() -> None:
    places, operation = WebhookPlaces(RECEIVERS, AT), WEBHOOK.operations[0]
    with pytest.raises(ForbiddenError, match=f"at most {EVENT_BYTES} bytes"):
        places.errand(operation, {"endpoint": "cmdb", "type": "a", "data": {"a": "ü" * (EVENT_BYTES // 2)}})
    with pytest.raises(ForbiddenError, match="cmdb"):
        places.errand(operation, {"endpoint": "crm", "type": "a", "data": {}})


@pytest.mark.parametrize(
    ("status", "kind"),
    [(410, OutsideError), (401, OutsideError), (408, OutsideUnavailableError), (425, OutsideUnavailableError)],
)
def test_a_receivers_answers(status: int, kind: type[OutsideError]) -> None:
    errand = WebhookPlaces(RECEIVERS, AT).errand(WEBHOOK.operations[0], {"endpoint": "cmdb", "type": "a", "data": {}})
    with pytest.raises(OutsideError) as raised:
        errand.result(said(status))
    assert type(raised.value) is kind
    assert errand.result(said(204)) == {}


@pytest.mark.parametrize("operation", HTTP.operations, ids=lambda one: one.name)
def test_a_call_carries_its_hosts_credential_and_a_write_its_mark(operation: ToolOperation) -> None:
    takes_body = "body" in operation.arguments["properties"]
    args = {"url": "https://api.acme.test/a?b=1", "query": {"c": "d e"}, **({"body": {"f": 1}} if takes_body else {})}
    errand = HostPlaces(HOSTS).errand(operation, args)
    outgoing = errand.request("dh-1")
    assert (outgoing.method, outgoing.url) == (operation.name.upper(), "https://api.acme.test/a?b=1&c=d+e")
    assert outgoing.headers["Authorization"] == "Bearer k3y-of-acme"
    assert outgoing.headers.get("Idempotency-Key") == ("dh-1" if operation.is_write else None)
    assert outgoing.body == (b'{"f": 1}' if takes_body else None)
    assert ("Content-Type" in outgoing.headers) is takes_body
    assert set(outgoing.secrets) == {"Bearer k3y-of-acme", "k3y-of-acme"}
    assert "k3y" not in str(errand.trace) + str(errand.facts)
    # Only what may be done twice is declared so.
    assert (operation.doubt is Doubt.PERSON) is (operation.name in ("post", "patch"))


def test_a_credential_is_its_hosts_own() -> None:
    outgoing = HostPlaces(HOSTS).errand(HTTP.operations[0], {"url": "https://b.test/"}).request("dh-1")
    assert "Authorization" not in outgoing.headers
    assert outgoing.secrets == ()


def test_a_query_cannot_lead_elsewhere_and_a_body_has_a_size() -> None:
    places, post = HostPlaces(HOSTS), HTTP.operation("post")
    assert post is not None
    errand = places.errand(post, {"url": "https://b.test", "query": {"@evil.test/\r\nX": "y\r\nZ: 1"}})
    assert errand.request("dh-1").url == "https://b.test?%40evil.test%2F%0D%0AX=y%0D%0AZ%3A+1"
    with pytest.raises(ForbiddenError, match=f"at most {BODY_BYTES} bytes"):
        places.errand(post, {"url": "https://b.test/", "body": ["x" * BODY_BYTES]})


def test_an_answer_is_told_in_part_and_says_so() -> None:
    result = HostPlaces(HOSTS).errand(HTTP.operations[0], {"url": "https://b.test/"}).result
    told = result(said(404, "no", content_type="text/plain", etag='"1"', set_cookie="a=b"))
    assert told == {"status": 404, "content_type": "text/plain", "etag": '"1"', "body": "no", "truncated": False}
    long = result(said(200, "x" * (ANSWER_LIMIT + 1)))
    assert (len(long["body"]), long["truncated"]) == (ANSWER_LIMIT, True)
