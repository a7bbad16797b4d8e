"""What mail offers an agent: one mail to recipients that the tenant allows, sent once."""

from __future__ import annotations

from deskhand.plugins.contract import Access
from deskhand.tenants.fields import EMAIL
from deskhand.tenants.mail import ADDRESS
from deskhand.tools.desk import obj, text
from deskhand.tools.values import Doubt, Kind, Provider, Risk, ToolOperation

MOST_RECIPIENTS = 20
BODY_LIMIT = 50_000
SUBJECT_LIMIT = 200

_TO = {
    "type": "array",
    "minItems": 1,
    "maxItems": MOST_RECIPIENTS,
    "items": {"type": "string", "maxLength": 254, "pattern": ADDRESS},
    "description": "Addresses that the tenant allows.",
}

MAIL = Provider(
    EMAIL,
    "Mail",
    Kind.MAIL,
    (
        ToolOperation(
            name="send",
            description="Send one mail.",
            arguments=obj(
                {"to": _TO, "subject": text(SUBJECT_LIMIT), "body": text(BODY_LIMIT, "Plain text or Markdown.")},
                required=("to", "subject", "body"),
            ),
            result={
                "type": "object",
                "properties": {
                    "done": {"const": True},
                    "message_id": {"type": "string"},
                    "dry_run": {"type": "boolean"},
                },
            },
            access=Access.WRITE,
            doubt=Doubt.PERSON,
            risk=Risk.HIGH,
            cost="one mail",
        ),
    ),
    prefixed=True,
)
