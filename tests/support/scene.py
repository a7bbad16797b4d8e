"""A morning at an invented company, for the browser: runs in every state, one of them with a whole timeline."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.support.console import Console

from deskhand.agents.models import Agent

NOTE = """**Suggested category:** Network / VPN · **priority:** medium (4 of 5 similar tickets)

### Similar tickets
- **#1007** VPN client stops at "verifying certificate" after laptop swap: resolved by enrolling the new device [1]
- **#0988** Remote access fails since Monday: the user certificate had expired; renewed through self-service [2]

### Procedure
- *Renew a VPN certificate* (KB-214): open the self-service portal, choose **Certificates**, renew [3]

### Affected systems
- `vpn-gw-02` (VPN gateway, Frankfurt), owner: Network team [4]

### Next steps
1. Check the expiry date of the certificate on **LT-4471**.
2. If it has expired, renew it as in KB-214 and let the requester sign in once.
3. If it is valid, ask the Network team about `vpn-gw-02`.
"""

SOURCES = [
    {"kind": "ticket", "ref": "1007", "title": "VPN client stops at \u201cverifying certificate\u201d", "url": None},
    {"kind": "ticket", "ref": "0988", "title": "Remote access fails since Monday", "url": None},
    {"kind": "article", "ref": "KB-214", "title": "Renew a VPN certificate", "url": "https://kb.example.com/KB-214"},
    {"kind": "system", "ref": "vpn-gw-02", "title": "VPN gateway", "url": None},
]

RESULT = {
    "note": {
        "markdown": NOTE,
        "confidence": "high",
        "word_count": len(NOTE.split()),
        "note_id": "50311",
        "sources": SOURCES,
        "dropped": [{"text": "Reinstall Windows.", "reason": "no source says so"}],
    },
    "model": "qwen2.5-coder-1.5b-instruct",
}

OTHERS: list[tuple[str, str, str, float, dict[str, Any]]] = [
    ("1062", "Shared mailbox does not appear in Outlook", "running", 4, {}),
    ("1061", "Teams room display shows no meetings", "queued", 9, {}),
    ("1058", "Cannot print to the 3rd floor colour printer", "completed", 260, {}),
    ("1057", "Laptop very slow after yesterday's update", "completed", 410, {}),
    ("1055", "New starter needs access to the finance share", "waiting", 900, {}),
    ("1051", "Password reset mail never arrives", "failed", 1900, {}),
    ("1049", "Invoice export ends with error 0x80004005", "cancelled", 3500, {}),
    ("1048", "Second monitor flickers on the new dock", "completed", 5200, {}),
    ("1046", "SAP client: \u201cpartner not reached\u201d", "completed", 8100, {}),
]

REASONS = {
    "failed": "The model gateway answered 503 four times: no healthy upstream. Gave up after 4 attempts; retry it when"
    " the cause is gone.",
    "waiting": "The write 'add_note' was begun by a worker that died. Look at the ticket: was it done?",
}


async def build_scene(console: Console, tenant_id: str = "acme") -> UUID:
    """Fill the tenant.

    Returns:
        The run with the whole timeline.
    """
    triage = await console.agent(tenant_id, name="Triage notes")
    hardware = await console.agent(tenant_id, name="Hardware desk")
    now = await console.now()
    for index, (ticket, subject, status, ago, columns) in enumerate(OTHERS):
        started = now - timedelta(seconds=ago - 1)
        ended = started + timedelta(seconds=6.4 + index * 1.7)
        run = await console.execution(
            hardware if index % 3 == 2 else triage,
            ticket=ticket,
            ago=ago,
            status=status,
            attempt={"queued": 0, "failed": 4}.get(status, 1),
            started_at=started,
            completed_at=ended if status in ("completed", "failed", "cancelled") else None,
            error_message=REASONS.get(status),
            input_payload={"event": "request_created", "request": {"id": ticket, "subject": subject}},
            **columns,
        )
        for name, kind in (("get_ticket", "tool"), ("search_tickets", "tool"), ("draft_note", "model")):
            if status == "queued" or (status == "failed" and kind == "model"):
                continue
            cost = None if index % 4 == 3 else Decimal("0.00038") * (index + 1)
            extra = {"cost_usd": cost} if kind == "model" else {}
            await console.step(tenant_id, run, name, kind=kind, started_at=started, took=0.5 + index / 3, **extra)
    return await _full_run(console, triage)


async def _full_run(console: Console, agent: Agent) -> UUID:
    now = await console.now()
    received = now - timedelta(seconds=48)
    run = await console.execution(
        agent,
        ticket="1059",
        ago=48,
        status="completed",
        attempt=1,
        started_at=received + timedelta(seconds=0.2),
        completed_at=received + timedelta(seconds=9.3),
        worker_id="worker-1:4120:9f2c41aa",
        input_payload={
            "event": "request_created",
            "request": {
                "id": "1059",
                "subject": "VPN stops at \u201cverifying certificate\u201d since this morning",
                "requester": {"name": "Dana Weiss"},
                "description": "I work from home and cannot reach the file server. Laptop LT-4471.",
            },
        },
        output_result=RESULT,
    )  # fmt: skip
    query = "VPN stops at verifying certificate since this morning"
    steps: list[tuple[str, str, float, float, dict[str, Any]]] = [
        ("get_ticket", "tool", 0.3, 0.18, {"input": {"ticket_id": "1059"}, "output": {"id": "1059", "status": "Open"}}),
        ("search_tickets", "tool", 0.5, 0.41, {"input": {"query": query}, "output": {"found": [{"id": "1007"}]}}),
        ("search_knowledge", "tool", 0.95, 0.33, {"input": {"query": query}, "output": {"found": [{"id": "KB-214"}]}}),
        ("find_systems", "tool", 1.3, 0.06, {"input": {"query": query}, "output": {"found": [{"id": "vpn-gw-02"}]}}),
        ("draft_note", "model", 1.4, 7.1, {"tokens_in": 1842, "tokens_out": 231, "cost_usd": Decimal("0.00046"),
                                           "input": {"model": "qwen2.5-coder"}, "output": {"ok": True}}),
        ("check_note", "compute", 8.55, 0.02, {"output": {"words": 106, "kept": 3, "dropped": 1}}),
        ("add_note", "write", 8.6, 0.62, {"idempotent": False, "input": {"ticket_id": "1059", "public": False},
                                          "output": {"id": "50311"}}),
    ]  # fmt: skip
    for name, kind, offset, took, columns in steps:
        began = received + timedelta(seconds=offset)
        await console.step("acme", run, name, kind=kind, started_at=began, took=took, **columns)
    return run
