"""Vectors of the vendors' own pages ("published") or cross-checked with openssl ("ours"), and what must never pass."""

import base64
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from deskhand.errors import SignatureError
from deskhand.plugins.contract import WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.signatures import (
    HUB_SIGNATURE,
    HUB_SIGNATURE_256,
    SERVICENOW,
    STANDARD_WEBHOOKS,
    STATIC_TOKEN,
    ZENDESK,
    Claim,
    Scheme,
    at_epoch,
    hmac_sha256,
    hub_headers,
    servicenow_headers,
    standard_headers,
    verify,
    zendesk_headers,
)


def _read_slack(request: WebhookRequest) -> Claim | None:
    timestamp = request.headers["x-slack-request-timestamp"]
    return Claim(
        (request.headers["x-slack-signature"],), request.body, timestamp=timestamp, sent_at=at_epoch(timestamp)
    )


def _read_stripe(request: WebhookRequest) -> Claim | None:
    parts = dict(part.split("=", 1) for part in request.headers["stripe-signature"].split(","))
    return Claim((parts["v1"],), request.body, timestamp=parts["t"], sent_at=at_epoch(parts["t"]))


# Not desks of ours: they show that a scheme from outside needs two small functions.
SLACK = Scheme(
    name="Slack",
    read=_read_slack,
    expected=lambda secret, claim: "v0=" + hmac_sha256(secret, f"v0:{claim.timestamp}:".encode() + claim.body).hex(),
)
STRIPE = Scheme(
    name="Stripe",
    read=_read_stripe,
    expected=lambda secret, claim: hmac_sha256(secret, f"{claim.timestamp}.".encode() + claim.body).hex(),
)
SLACK_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


@dataclass(frozen=True)
class Vector:
    name: str
    scheme: Scheme
    secret: str
    body: bytes
    headers: dict[str, str]
    now: datetime

    @property
    def request(self) -> WebhookRequest:
        return WebhookRequest(headers=self.headers, body=self.body)


VECTORS = [
    Vector(
        "GitHub, published",
        HUB_SIGNATURE_256,
        "It's a Secret to Everybody",
        b"Hello, World!",
        {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
        datetime(2026, 11, 21, tzinfo=UTC),
    ),
    Vector(
        "Jira admin webhook, published",
        HUB_SIGNATURE,
        "It's a Secret to Everybody",
        b"Hello World!",
        {"x-hub-signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"},
        datetime(2026, 11, 21, tzinfo=UTC),
    ),
    Vector(
        "Zendesk, ours",
        ZENDESK,
        "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
        b'{"ticket_id":"35436","status":"open"}',
        {
            "x-zendesk-webhook-signature": "0S9UXH5RnZnzWkwRrL6v9dHkoTOfATeeLvBt52T8UgY=",
            "x-zendesk-webhook-signature-timestamp": "2026-11-21T10:00:00Z",
        },
        datetime(2026, 11, 21, 10, 0, 30, tzinfo=UTC),
    ),
    Vector(
        "Standard Webhooks, published",
        STANDARD_WEBHOOKS,
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b'{"test": 2432232314}',
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        datetime.fromtimestamp(1614265330, UTC),
    ),
    Vector(
        "Slack, published",
        SLACK,
        "8f742231b10e8888abcd99yyyzzz85a5",
        SLACK_BODY,
        {
            "x-slack-request-timestamp": "1531420618",
            "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        },
        datetime.fromtimestamp(1531420618, UTC),
    ),
    Vector(
        "Stripe, ours",
        STRIPE,
        "whsec_test_secret",
        b'{"id":"evt_1","object":"event"}',
        {"stripe-signature": ("t=1763719200,v1=74a5b58c93a8b0ff2a94bb6c42eab44d583a097aec87a136943ee8eca4c52726")},
        datetime.fromtimestamp(1763719200, UTC),
    ),
    Vector(
        "ServiceNow business rule, ours",
        SERVICENOW,
        "sn-demo-secret",
        b'{"sys_id":"46f1784ba9fe19810018aa27fbb23482","mod":7}',
        {
            "x-itsm-id": "evt-46f1784b-7",
            "x-itsm-timestamp": "1763719200",
            "x-itsm-signature": "v1,WPT6XX5BLV08uqUMkDRa3av0Qzzp34vsQpqXvjKoMCQ=",
        },
        datetime.fromtimestamp(1763719200, UTC),
    ),
]
OUR_VECTORS = [vector for vector in VECTORS if vector.scheme not in (SLACK, STRIPE)]
every_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)


def holds(vector: Vector, request: WebhookRequest, *, secrets: list[str] | None = None) -> bool:
    try:
        verify(request, schemes=[vector.scheme], secrets=secrets or [vector.secret], now=vector.now)
    except SignatureError:
        return False
    return True


@every_vector
def test_vector_holds(vector: Vector) -> None:
    assert holds(vector, vector.request)
    assert holds(vector, vector.request, secrets=["newer secret", vector.secret])


@every_vector
@pytest.mark.parametrize("secrets", [[""], ["", ""], ["whsec_"], ["another"]])
def test_no_other_secret_holds(vector: Vector, secrets: list[str]) -> None:
    assert not holds(vector, vector.request, secrets=secrets)


@every_vector
def test_no_secret_at_all_holds(vector: Vector) -> None:
    with pytest.raises(SignatureError):
        verify(vector.request, schemes=[vector.scheme], secrets=[], now=vector.now)


def test_request_signed_with_the_empty_key_does_not_verify() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    for secret in ("", "whsec_"):
        headers = {"x-hub-signature-256": hub_headers(secret, b"x")["X-Hub-Signature-256"]} if not secret else {}
        headers |= standard_headers(secret, b"x", message_id="m", now=now)
        request = WebhookRequest(headers=headers, body=b"x")
        with pytest.raises(SignatureError):
            verify(request, schemes=[STANDARD_WEBHOOKS, HUB_SIGNATURE_256], secrets=[secret], now=now)
    with pytest.raises(SignatureError):
        verify(WebhookRequest(headers={"x-itsm-token": ""}, body=b""), schemes=[STATIC_TOKEN], secrets=[""], now=now)


@given(vector=st.sampled_from(OUR_VECTORS), data=st.data())
def test_one_changed_bit_in_the_body_fails(vector: Vector, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(vector.body) * 8 - 1))
    changed = bytearray(vector.body)
    changed[position // 8] ^= 1 << (position % 8)
    assert not holds(vector, replace(vector.request, body=bytes(changed)))


@given(vector=st.sampled_from(OUR_VECTORS), data=st.data())
def test_one_changed_bit_in_a_header_fails(vector: Vector, data: st.DataObject) -> None:
    """Signature, timestamp and id alike; headers are latin-1 text."""
    name = data.draw(st.sampled_from(sorted(vector.headers)))
    raw = bytearray(vector.headers[name].encode("latin-1"))
    position = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[position // 8] ^= 1 << (position % 8)
    changed = {**vector.headers, name: raw.decode("latin-1")}
    assert not holds(vector, replace(vector.request, headers=changed))


@every_vector
def test_a_missing_header_fails(vector: Vector) -> None:
    for name in vector.headers:
        if vector.scheme in (SLACK, STRIPE):
            continue
        rest = {other: value for other, value in vector.headers.items() if other != name}
        assert not holds(vector, replace(vector.request, headers=rest))


@pytest.mark.parametrize("offset", [-301, 301, 86_400])
def test_replay_outside_the_window_fails(offset: int) -> None:
    vector = VECTORS[3]
    late = replace(vector, now=vector.now + timedelta(seconds=offset))
    assert not holds(late, late.request)


@pytest.mark.parametrize("offset", [-300, 0, 300])
def test_inside_the_window_holds(offset: int) -> None:
    vector = VECTORS[3]
    near = replace(vector, now=vector.now + timedelta(seconds=offset))
    assert holds(near, near.request)


def test_one_of_several_signatures_is_enough() -> None:
    vector = VECTORS[3]
    good = vector.headers["webhook-signature"]
    several = {**vector.headers, "webhook-signature": f"v1a,AAAA v1,AAAA {good}"}
    assert holds(vector, replace(vector.request, headers=several))
    other_version = {**vector.headers, "webhook-signature": good.replace("v1,", "v2,")}
    assert not holds(vector, replace(vector.request, headers=other_version))


def test_a_wrong_signature_is_not_rescued_by_a_right_token() -> None:
    vector = VECTORS[3]
    headers = {**vector.headers, "webhook-signature": "v1,AAAA", "x-itsm-token": vector.secret}
    with pytest.raises(SignatureError):
        verify(
            replace(vector.request, headers=headers),
            schemes=[STANDARD_WEBHOOKS, STATIC_TOKEN],
            secrets=[vector.secret],
            now=vector.now,
        )


@given(
    body=st.text(), message_id=st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1)
)
def test_our_sender_and_the_reference_library_agree(body: str, message_id: str) -> None:
    now = datetime.now(UTC)
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()
    headers = standard_headers(secret, body.encode(), message_id=message_id, now=now)
    Webhook(secret).verify(body.encode(), headers, json_parse=False)
    verify(WebhookRequest(headers=headers, body=body.encode()), schemes=[STANDARD_WEBHOOKS], secrets=[secret], now=now)


@given(body=st.binary())
def test_what_we_send_we_accept(body: bytes) -> None:
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    for scheme, headers in (
        (HUB_SIGNATURE_256, hub_headers("s", body)),
        (HUB_SIGNATURE, hub_headers("s", body, header_name="X-Hub-Signature")),
        (ZENDESK, zendesk_headers("s", body, now=now)),
        (SERVICENOW, servicenow_headers("s", body, message_id="evt-1", now=now)),
        (STATIC_TOKEN, {"X-Itsm-Token": "s"}),
    ):
        lower = {name.lower(): value for name, value in headers.items()}
        verify(WebhookRequest(headers=lower, body=body), schemes=[scheme], secrets=["s"], now=now)


@pytest.mark.parametrize("seconds", ["253402300800", "999999999999", "0", "1²"])
def test_a_time_no_calendar_has_is_no_time(seconds: str) -> None:
    assert at_epoch(seconds) is None


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"content-encoding": "gzip", "content-type": "application/json"}, "packed (gzip)"),
        ({"content-type": "application/x-www-form-urlencoded; charset=utf-8"}, "application/x-www-form-urlencoded"),
        ({"content-type": "application/json"}, "Send an object."),
        ({}, "Send an object."),
    ],
    ids=str,
)
def test_a_body_that_cannot_be_read_is_refused_with_what_to_send_instead(headers: dict[str, str], told: str) -> None:
    with pytest.raises(NotAVendorPayloadError) as refused:
        _ = WebhookRequest(headers=headers, body=b"\x1f\x8b payload=%7B%7D").payload
    assert told in refused.value.detail


@pytest.mark.parametrize(
    "timestamp",
    [
        "999999999999",
        "1e400",
        "-1",
        "⁴²",
        "",
        "9" * 30,
        "NaN",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ],
)
@pytest.mark.parametrize(
    ("scheme", "signature", "header"),
    [
        (STANDARD_WEBHOOKS, "webhook-signature", "webhook-timestamp"),
        (SERVICENOW, "x-itsm-signature", "x-itsm-timestamp"),
        (ZENDESK, "x-zendesk-webhook-signature", "x-zendesk-webhook-signature-timestamp"),
    ],
)
def test_a_time_that_nobody_can_mean_is_refused(scheme: Scheme, signature: str, header: str, timestamp: str) -> None:
    headers = {"webhook-id": "x", "x-itsm-id": "x", signature: "v1,x", header: timestamp}
    request = WebhookRequest(headers=headers, body=b"{}")
    with pytest.raises(SignatureError):
        verify(request, schemes=[scheme], secrets=["secret"], now=datetime.now(UTC))
