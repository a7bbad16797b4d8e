"""Webhooks of ServiceNow: the signature, the events, and the business rule we ship, run by a JavaScript engine."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deskhand.errors import SignatureError
from deskhand.plugins.contract import Ignored, TicketEvent, WebhookRequest
from deskhand.plugins.errors import NotAVendorPayloadError
from deskhand.plugins.servicenow import ServiceNowPlugin
from deskhand.plugins.servicenow.manifest import EVENTS, IGNORED_EVENTS

SYS_ID = "46f1784ba9fe19810018aa27fbb23482"
SECRET = "sn-demo-secret"
# Made with openssl from the same bytes, not with this code.
VECTOR = WebhookRequest(
    headers={
        "x-itsm-id": "evt-46f1784b-7",
        "x-itsm-timestamp": "1763719200",
        "x-itsm-signature": "v1,WPT6XX5BLV08uqUMkDRa3av0Qzzp34vsQpqXvjKoMCQ=",
    },
    body=b'{"sys_id":"46f1784ba9fe19810018aa27fbb23482","mod":7}',
)
AT = datetime.fromtimestamp(1763719200, UTC)


def validate(request: WebhookRequest, *, secrets: tuple[str, ...] = (SECRET,), now: datetime = AT) -> str:
    return ServiceNowPlugin.validate_webhook(request, secrets=secrets, now=now).delivery_id


def flipped(text: bytes) -> Iterator[bytes]:
    for position in range(len(text) * 8):
        changed = bytearray(text)
        changed[position // 8] ^= 1 << (position % 8)
        yield bytes(changed)


def test_the_vector_holds() -> None:
    assert validate(VECTOR) == "evt-46f1784b-7"
    assert validate(VECTOR, secrets=("newer", SECRET)) == "evt-46f1784b-7"
    several = {**VECTOR.headers, "x-itsm-signature": f"v1,AAAA {VECTOR.headers['x-itsm-signature']}"}
    assert validate(replace(VECTOR, headers=several)) == "evt-46f1784b-7"


def test_any_changed_bit_fails() -> None:
    changed = [replace(VECTOR, body=body) for body in flipped(VECTOR.body)]
    for name, value in VECTOR.headers.items():
        others = ({**VECTOR.headers, name: raw.decode("latin-1")} for raw in flipped(value.encode()))
        changed.extend(replace(VECTOR, headers=headers) for headers in others)
        changed.append(replace(VECTOR, headers={key: kept for key, kept in VECTOR.headers.items() if key != name}))
    assert len(changed) > 800
    for request in changed:
        with pytest.raises(SignatureError):
            validate(request)


def test_other_secrets_and_times_fail() -> None:
    for secrets in ((), ("",), ("another",), (SECRET + " ",)):
        with pytest.raises(SignatureError):
            validate(VECTOR, secrets=secrets)
    for offset in (-301, 301):
        with pytest.raises(SignatureError):
            validate(VECTOR, now=AT + timedelta(seconds=offset))


def extract(**changes: Any) -> TicketEvent | Ignored:
    payload = {
        "event": "incident.updated",
        "table": "incident",
        "sys_id": SYS_ID,
        "number": "INC0000026",
        "short_description": "Disk",
        "state": "In Progress",
        "priority": "5 - Planning",
        "sys_mod_count": "7",
        "sys_updated_on": "2026-11-21 10:00:00",
        "sys_updated_by": "ines",
        **changes,
    }
    return ServiceNowPlugin.extract_metadata(WebhookRequest(headers={}, body=json.dumps(payload).encode()))


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_handled_events(event: str) -> None:
    found = extract(event=event)
    assert isinstance(found, TicketEvent)
    assert (found.ticket.ticket_id, found.ticket.display_id, found.ticket.status) == (
        SYS_ID,
        "INC0000026",
        "In Progress",
    )
    assert found.occurred_at == found.ticket.updated_at == datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    assert found.actor.name == "ines"


@pytest.mark.parametrize("event", [*sorted(IGNORED_EVENTS), "incident.deleted"])
def test_other_events_are_ignored_with_a_reason(event: str) -> None:
    found = extract(event=event)
    assert isinstance(found, Ignored)
    assert found.reason


@pytest.mark.parametrize("sys_id", ["", None, "../sys_user/1", SYS_ID.upper(), SYS_ID + "0", SYS_ID[:31] + "g", 7])
def test_an_id_that_is_no_sys_id_is_refused(sys_id: object) -> None:
    with pytest.raises(NotAVendorPayloadError):
        extract(sys_id=sys_id)


def test_a_save_is_known_by_its_count_and_a_quoted_mark_says_nothing() -> None:
    found = extract(short_description="Ref: dh-0123456789abcdef0123", sys_mod_count="7")
    assert isinstance(found, TicketEvent)
    assert (found.revision, found.marks) == ("7", ())


# -- the business rule -----------------------------------------------------------------------------

# What the instance offers to a rule, with Node's own HMAC; generateMac takes the key in base64 and gives base64.
_PLATFORM = """
const crypto = require('crypto');
const sent = [];
const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const statuses = given.statuses;
const GlideStringUtil = { base64Encode: (text) => Buffer.from(text, 'utf8').toString('base64') };
class GlideCertificateEncryption {
    generateMac(key, algorithm, data) {
        if (algorithm !== 'HmacSHA256') { throw new Error(algorithm); }
        return crypto.createHmac('sha256', Buffer.from(key, 'base64')).update(data, 'utf8').digest('base64');
    }
}
class RESTMessageV2 {
    constructor() { this.headers = {}; }
    setEndpoint(url) { this.url = url; }
    setHttpMethod(method) { this.method = method; }
    setHttpTimeout() {}
    setRequestHeader(name, value) { this.headers[name.toLowerCase()] = value; }
    setRequestBody(body) { this.body = body; }
    execute() {
        sent.push({ url: this.url, method: this.method, headers: this.headers, body: this.body });
        const status = statuses.shift();
        if (!status) { throw new Error('connection refused'); }
        return { getStatusCode: () => status, getHeader: (name) => (name === 'Retry-After' ? given.wait : null) };
    }
}
const sn_ws = { RESTMessageV2 };
const logged = [];
const jobs = [];
class GlideDateTime { addSeconds(seconds) { this.seconds = seconds; } }
class GlideRecord {
    constructor(table) { this.table = table; this.fields = {}; }
    initialize() {}
    setValue(name, value) { this.fields[name] = value; }
    setDisplayValue(name, value) { this.fields[name] = value; }
    insert() { jobs.push(this); return 'sys_id'; }
}
const gs = { error: (text) => logged.push(text) };
const current = {
    getValue: (name) => given.record[name] === '' ? null : given.record[name],
    getDisplayValue: (name) => given.shown[name],
    getTableName: () => 'incident',
    getUniqueValue: () => given.record.sys_id,
};
const previous = null;
"""


# The instance's scheduler: each job runs once, at its time.
_SCHEDULER = """
const pauses = [];
while (jobs.length) {
    const job = jobs.shift();
    const { trigger_type, state, job_id, next_action, script } = job.fields;
    if (job.table !== 'sys_trigger' || trigger_type !== 0 || state !== 0 || job_id !== 'RunScriptJob') {
        throw new Error(JSON.stringify(job));
    }
    if (script.length > 4000) { throw new Error('the field would cut the script'); }
    pauses.push(next_action.seconds);
    eval(script);
}
console.log(JSON.stringify({ sent, logged, pauses }));
"""


def run_rule(
    tmp_path: Path, *, secret: str = SECRET, statuses: tuple[int, ...] = (202,), wait: str = "", **record: str
) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no JavaScript engine (node) on this machine")
    guide = ServiceNowPlugin.setup_guide(webhook_url="https://hooks.corp.test/a?b='1'", secret=secret)
    include, rule = re.findall(r"```javascript\n(.*?)```", guide, re.DOTALL)
    file = tmp_path / "rule.js"
    file.write_text(f"{_PLATFORM}{include}{rule}{_SCHEDULER}", "utf-8")
    fields = {
        "sys_id": SYS_ID,
        "number": "INC1",
        "short_description": 'Größe 👍 \u2028 "x" \\',
        "state": "2",
        "sys_mod_count": "7",
        "sys_updated_on": "2026-11-21 10:00:00",
        "sys_updated_by": "ines",
        **record,
    }
    given = {
        "record": fields,
        "shown": {"state": "In Progress", "priority": "2 - High"},
        "statuses": statuses,
        "wait": wait,
    }
    done = subprocess.run(
        [node, str(file)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def read_sent(sent: dict[str, Any], secret: str) -> tuple[str, TicketEvent | Ignored]:
    request = WebhookRequest(headers=sent["headers"], body=sent["body"].encode())
    verified = ServiceNowPlugin.validate_webhook(request, secrets=[secret], now=datetime.now(UTC))
    return verified.delivery_id, ServiceNowPlugin.extract_metadata(request)


@pytest.mark.parametrize("secret", [SECRET, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "quote ' \" \\ </script>"])
def test_the_rule_we_ship_delivers_a_signed_event(tmp_path: Path, secret: str) -> None:
    outcome = run_rule(tmp_path, secret=secret)
    (sent,) = outcome["sent"]
    assert (sent["method"], sent["url"], outcome["logged"]) == ("POST", "https://hooks.corp.test/a?b='1'", [])
    assert sent["body"].isascii()
    delivery_id, event = read_sent(sent, secret)
    assert delivery_id == f"{SYS_ID}-7"
    assert isinstance(event, TicketEvent)
    assert "Größe" not in sent["body"]
    assert event.ticket.subject is None  # read from the record
    assert (event.event, event.ticket.status, event.ticket.priority) == ("incident.updated", "In Progress", "2 - High")
    assert event.actor.name == "ines"


@pytest.mark.parametrize(
    ("record", "event"),
    [
        ({"sys_mod_count": "0"}, "incident.created"),
        ({"sys_mod_count": ""}, "incident.created"),
        ({"state": "6"}, "incident.resolved"),
        ({"state": "7"}, "incident.closed"),
        ({"state": "8", "sys_mod_count": "0"}, "incident.canceled"),
    ],
)
def test_the_rule_tells_events_apart(tmp_path: Path, record: dict[str, str], event: str) -> None:
    (sent,) = run_rule(tmp_path, **record)["sent"]
    assert json.loads(sent["body"])["event"] == event
    assert read_sent(sent, SECRET)[1].event == event


@pytest.mark.parametrize(
    ("statuses", "wait", "pauses", "failed"),
    [
        ((202,), "", [], False),
        ((503, 202), "", [30], False),
        ((429, 503, 202), "100", [100, 100], False),
        ((429, 202), "99999", [3600], False),
        ((429, 202), "Wed, 21 Oct 2026 07:28:00 GMT", [30], False),
        ((0, 202), "", [], False),
        ((0, 0, 202), "", [30], False),
        ((500,) * 7, "", [30, 60, 120, 240, 480, 900], True),
        ((401,), "", [], True),
        ((404,), "9", [], True),
    ],
)
def test_the_rule_tells_again_over_minutes_under_one_id(
    tmp_path: Path, statuses: tuple[int, ...], wait: str, pauses: list[int], failed: bool
) -> None:
    outcome = run_rule(tmp_path, statuses=statuses, wait=wait, number="INC\"1\\\n\u2028'")
    assert (outcome["pauses"], bool(outcome["logged"])) == (pauses, failed)
    assert len(outcome["sent"]) == len(statuses)
    assert {read_sent(sent, SECRET)[0] for sent in outcome["sent"]} == {f"{SYS_ID}-7"}
