"""What a route must be sent so that it looks at the ids in its path at all."""

from __future__ import annotations

from typing import Any

from tests.support.api import AGENT

NOBODY = "00000000-0000-0000-0000-000000000000"
SINCE = {"since": "2026-05-04T09:00:00Z"}
JSON_BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/pauses": {"reason": "The desk moves."},
    "POST /api/v1/model-connections": {"slug": "new", "kind": "embedded", "name": "New"},
    "/model-connections/{connection}": {"name": "Still the same"},
    "/model-connections/{connection}/test": {},
    "/api-keys": {"name": "matrix", "role": "viewer"},
    "POST /api/v1/tenants/{tenant_id}/people": {"email": "new@example.com", "role": "viewer"},
    "PATCH /api/v1/tenants/{tenant_id}/people/{person_id}": {"role": "viewer"},
    "/{provider_id}": {"name": "Still the same"},
    "{source}/changes": {"operations": {"listOrders": "0" * 64}},
    "/{installation_provider_id}": {"name": "Still the same"},
    "PATCH /api/v1/tenants/{tenant_id}": {"name": "Still the same"},
    "PATCH /api/v1/agents/{agent_id}": {"description": "Still the same"},
    "/answer": {"step_key": "nothing", "done": False},
    "{approval_id}/approve": {"digest": "0" * 64},
    "{approval_id}/decline": {"digest": "0" * 64, "reason": "No."},
    "{execution_id}/undo/preview": {},
    "POST /api/v1/agents/{agent_id}/triggers/{trigger_id}/test": {"ticket_id": "1042"},
    "/note-trial": {"ticket": "1042"},
    "{execution_id}/undo": {"digest": "0" * 64},
    "{number}/undo/preview": SINCE,
    "{number}/undo": {**SINCE, "digest": "0" * 64},
    "{approval_id}/change": {"digest": "0" * 64, "arguments": {"body": "Less."}},
    "/approvals/approve": {"items": [{"id": "00000000-0000-0000-0000-000000000000", "digest": "0" * 64}]},
    "{execution_id}/feedback": {"feedback_type": "thumbs_up"},
    "/retry-with": {"ticket_ref": "1042"},
    "{execution_id}/replay": {"mode": "dry_run"},
    "{agent_id}/lab-runs": {"tickets": 0},
    "{agent_id}/test-cases": {"execution_id": NOBODY, "name": "VPN", "expected": {"category": "Network"}},
    "{agent_id}/try": {"payload": {"event": "request.created", "request_id": "1042"}},
    "/preview": {"schedule_cron": "0 9 * * *"},
    "POST /api/v1/agents": AGENT,
    "POST /api/v1/knowledge/articles": {"article_id": "KB-9", "title": "Printers", "body": "Open the lid."},
}
FORMS: dict[str, dict[str, str]] = {
    "/operations/pauses": {"reason": "The desk moves."},
    **{
        name: {"revision": "1"}
        for name in (
            *("{agent_id}/activate", "{agent_id}/suspend", "{agent_id}/resume", "{agent_id}/delete", "/rollback"),
            *("{agent_id}/edit", "{agent_id}/tools"),
            *("/triggers/new", "/triggers/{trigger_id}", "/triggers/{trigger_id}/remove"),
        )
    },
    "{execution_id}/undo": {"digest": "0" * 64},
    "{number}/undo": {**SINCE, "digest": "0" * 64},
    "/knowledge/imports": {"kind": "embeddings"},
    "/tenants/new": {"desk": "servicedesk_plus"},
    "/agents/new": {"template": "triage"},
    "/triggers/{trigger_id}/test": {"ticket_id": "1042"},
    "/note-trial": {"ticket": "1042"},
    "/rotate": {"revision": "1", "grace_seconds": "0"},
    "/batch": {"id": "00000000-0000-0000-0000-000000000000", "digest": "0" * 64},
    "{approval_id}/approve": {"digest": "0" * 64},
    "{approval_id}/decline": {"digest": "0" * 64, "reason": "No."},
    "{approval_id}/change": {"digest": "0" * 64, "arguments": "{}"},
    "/role": {"role": "viewer"},
    "/replay": {"agent_version": "1"},
    "{agent_id}/lab": {"tickets": "0"},
    "{execution_id}/keep": {"name": "VPN", "category": "Network"},
    "{agent_id}/try": {"on": "payload", "payload": '{"event": "request.created", "request_id": "1042"}'},
    "/account/tenant": {"tenant_id": "acme"},
    "/answer": {"step_key": "nothing", "done": "false"},
    "{execution_id}/feedback": {"verdict": "thumbs_up"},
    "/retry-with": {"ticket_ref": "1042", "tool_type": "servicedesk_plus", "input": "{}"},
}
QUERIES = {
    "/try/compare": {"left": NOBODY, "right": NOBODY},
    "/knowledge/search": {"q": "printer"},
    "/diff": {"from": "1", "to": "1"},
    "{number}/undo": SINCE,
}


def passwords(ids: dict[str, str]) -> dict[str, Any]:
    """What is sent to set a password by a link."""
    return {
        "token": ids.get("token", ""),
        "password": "glacier whistle tandem orchid",
        "again": "glacier whistle tandem orchid",
    }
