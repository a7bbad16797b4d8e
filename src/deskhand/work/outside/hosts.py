"""Calls of hosts that the tenant allows: its own credential is sent to its own host, and an answer is cut to a size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from deskhand.errors import ForbiddenError
from deskhand.kit.outside import Answer, Outgoing
from deskhand.tenants.outside import HttpSettings
from deskhand.tools.outside import ANSWER_LIMIT, HTTP
from deskhand.tools.values import ToolOperation
from deskhand.work.outside.places import Errand, Places

BODY_BYTES = 100_000
_SHOWN = ("location", "etag", "last-modified", "content-length", "retry-after")


class HostPlaces(Places):
    """Allowed hosts of one tenant."""

    provider = HTTP
    what = "host"

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings

    @property
    def names(self) -> Sequence[str]:
        return self._settings.places

    def errand(self, operation: ToolOperation, args: Mapping[str, Any]) -> Errand:
        url = _with_query(str(args["url"]), args.get("query") or {})
        # Judged with its parameters: it is this very address that is called.
        origin, host = self._settings.host_of(url)
        body = None if args.get("body") is None else json.dumps(args["body"], ensure_ascii=False).encode()
        if body is not None and len(body) > BODY_BYTES:
            raise ForbiddenError(f"A body has at most {BODY_BYTES} bytes, and this one {len(body)}: send less.")
        credential = {name: value.get_secret_value() for name, value in host.headers.items()}

        def request(mark: str) -> Outgoing:
            headers = {"Accept": "application/json, text/*;q=0.9, */*;q=0.1", **credential}
            if body is not None:
                headers["Content-Type"] = "application/json"
            # A host that knows this header drops a double of what cannot be asked for; another one ignores it.
            if operation.is_write:
                headers["Idempotency-Key"] = mark
            return Outgoing(
                place=origin,
                method=operation.name.upper(),
                url=url,
                headers=headers,
                body=body,
                secrets=_hidden(credential),
            )

        facts = {"method": operation.name.upper(), "host": origin}
        trace = {
            "target": HTTP.tool_id,
            **facts,
            **{name: args[name] for name in ("url", "query", "body") if name in args},
        }
        return Errand(place=origin, trace=trace, facts=facts, request=request, result=_told)


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}" if query else url


def _hidden(credential: Mapping[str, str]) -> tuple[str, ...]:
    """A credential in the ways in which a host may echo it: whole, and without the word before it."""
    return tuple(part for value in credential.values() for part in (value, value.partition(" ")[2]) if len(part) > 5)


def _told(answer: Answer) -> dict[str, Any]:
    """What a model reads of an answer. A refusal is an answer too: what to make of a 404 is for whoever asked."""
    told: dict[str, Any] = {"status": answer.status, "content_type": answer.headers.get("content-type", "")}
    told |= {name.replace("-", "_"): answer.headers[name] for name in _SHOWN if name in answer.headers}
    body = answer.text[:ANSWER_LIMIT]
    return {**told, "body": body, "truncated": answer.is_cut or len(body) < len(answer.text)}
