"""What lies outside the desks: channels of chats, receivers of signed webhooks, allowed hosts."""

from __future__ import annotations

from typing import Any

from deskhand.plugins.contract import Access
from deskhand.tenants.fields import HTTP as HTTP_ID
from deskhand.tenants.fields import PLACE
from deskhand.tenants.fields import SLACK as SLACK_ID
from deskhand.tenants.fields import TEAMS as TEAMS_ID
from deskhand.tenants.fields import WEBHOOK as WEBHOOK_ID
from deskhand.tools.desk import obj, text
from deskhand.tools.values import Doubt, Kind, Provider, Risk, Schema, ToolOperation

MESSAGE_LIMIT = 6_000
"""Characters of a chat message: what fits into Teams' 28 kilobytes in any script."""
ANSWER_LIMIT = 20_000
"""Characters of an answer that a model reads."""

_DONE = {"done": {"const": True}, "dry_run": {"type": "boolean"}}


def _place(what: str) -> dict[str, Any]:
    return {"type": "string", "pattern": PLACE, "description": f"Name of a {what} that the tenant set up."}


def _chat(tool_id: str, name: str) -> Provider:
    post = ToolOperation(
        name="post_message",
        description=f"Post one message to a {name} channel.",
        arguments=obj(
            {
                "channel": _place("channel"),
                "text": text(
                    MESSAGE_LIMIT, "Plain text; headings and **bold** are shown, links and mentions are text."
                ),
            },
            required=("channel", "text"),
        ),
        result={"type": "object", "properties": _DONE},
        access=Access.WRITE,
        # Neither chat can be asked by its webhook what it took, and neither drops a double.
        doubt=Doubt.PERSON,
        risk=Risk.MEDIUM,
        cost="one message",
    )
    return Provider(tool_id, name, Kind.CHAT, (post,), prefixed=True)


SLACK = _chat(SLACK_ID, "Slack")
TEAMS = _chat(TEAMS_ID, "Microsoft Teams")

WEBHOOK = Provider(
    WEBHOOK_ID,
    "Webhook",
    Kind.WEBHOOK,
    (
        ToolOperation(
            name="send_event",
            description="Send one signed event to a receiver.",
            arguments=obj(
                {
                    "endpoint": _place("receiver"),
                    "type": {
                        "type": "string",
                        "pattern": r"^[a-zA-Z0-9_]+(\.[a-zA-Z0-9_]+)*$",
                        "maxLength": 100,
                        "description": "What happened, such as ticket.escalated.",
                    },
                    "data": {"type": "object", "description": "Facts about it."},
                },
                required=("endpoint", "type", "data"),
            ),
            result={"type": "object", "properties": {**_DONE, "id": {"type": "string"}}},
            access=Access.WRITE,
            # Under the same id: by the specification a receiver drops what it has seen.
            doubt=Doubt.REPEAT,
            risk=Risk.HIGH,
            cost="one request",
        ),
    ),
    prefixed=True,
)

_URL = {
    "type": "string",
    "minLength": 8,
    "maxLength": 2_000,
    "pattern": r"^https?://[!-~]+$",
    "description": "Whole address, on a host that the tenant allows.",
}
_QUERY = {
    "type": "object",
    "additionalProperties": {"type": "string", "maxLength": 1_000},
    "maxProperties": 50,
    "description": "Parameters that are added to the address.",
}
_BODY = {"type": ["object", "array"], "description": "Sent as JSON."}
_ANSWER: Schema = {
    "type": "object",
    "properties": {
        **_DONE,
        "status": {"type": "integer"},
        "content_type": {"type": "string"},
        "location": {"type": "string"},
        "body": {"type": "string"},
        "truncated": {"type": "boolean"},
        "unavailable": {"type": "string"},
    },
}


def _method(name: str, description: str, access: Access, doubt: Doubt = Doubt.REPEAT) -> ToolOperation:
    parts = {"url": _URL, "query": _QUERY}
    # Without headers: what proves who calls is the tenant's, and nothing a model writes may stand beside it.
    sent = {**parts, "body": _BODY} if name in ("post", "put", "patch") else parts
    return ToolOperation(
        name=name,
        description=description,
        arguments=obj(sent, required=("url",)),
        result=_ANSWER,
        access=access,
        doubt=doubt,
        risk=Risk.HIGH,
        cost="one request",
    )


HTTP = Provider(
    HTTP_ID,
    "HTTP",
    Kind.HTTP,
    (
        _method("get", "Read an address.", Access.READ),
        _method("head", "Ask for an address's headers.", Access.READ),
        # RFC 9110, 9.2.2: to put or delete twice is as once; to post or patch twice is not.
        _method("post", "Post to an address.", Access.WRITE, Doubt.PERSON),
        _method("put", "Replace what an address holds.", Access.WRITE),
        _method("patch", "Change a part of what an address holds.", Access.WRITE, Doubt.PERSON),
        _method("delete", "Delete what an address holds.", Access.WRITE),
    ),
    prefixed=True,
)

OUTSIDE = (SLACK, TEAMS, WEBHOOK, HTTP)
