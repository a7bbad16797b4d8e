"""Messages to chats, as the vendors' incoming webhooks take them; nothing in them is a mention, a link or an image.

A report quotes what strangers wrote. In Slack three characters begin everything that is more than text, and are
escaped; ``verbatim`` keeps Slack from finding addresses and names by itself. In Teams the text stands in runs of a
``RichTextBlock``, which read no Markdown; a mention would need an entity that the card does not have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deskhand.kit.outside import Outgoing
from deskhand.kit.storable import storable_text
from deskhand.tenants.outside import ChatSettings
from deskhand.tools.outside import MESSAGE_LIMIT, SLACK, TEAMS
from deskhand.tools.values import Provider, ToolOperation
from deskhand.work.outside.places import Errand, Places, ensure_taken

_SECTION = 3_000  # characters that Slack takes in one section
_BLOCKS = 50  # sections that it takes in one message
_CARD_BYTES = 27_000  # Teams takes 28 KB, its own envelope included
_FALLBACK = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_HEADING = re.compile(r"^#{1,6}\s+(\S.*)$")
_BOLD = re.compile(r"\*\*(\S(?:[^*\n]{0,500}\S)?)\*\*")
_TO_ALL = re.compile(r"@(?=channel|here|everyone|group)", re.IGNORECASE)
_AT_TAG = re.compile(r"<(?=/?at\b)", re.IGNORECASE)
# It is not seen, and parts a word that a client would take for a call to everybody.
_JOINER = "\u2060"
CUT = "\n… The message is cut here; the whole report is kept with the run."


class ChatPlaces(Places):
    """Channels of one chat."""

    what = "channel"

    def __init__(self, provider: Provider, settings: ChatSettings) -> None:
        self.provider = provider
        self._settings = settings

    @property
    def names(self) -> Sequence[str]:
        return self._settings.places

    def errand(self, _operation: ToolOperation, args: Mapping[str, Any]) -> Errand:
        channel, message = str(args["channel"]), str(args["text"])
        self.ensure_known(channel)
        place = f"The {self.provider.name} channel '{channel}'"
        url = self._settings.channels[channel].get_secret_value()
        body = _BODIES[self.provider.tool_id](message)

        def request(_mark: str) -> Outgoing:
            return Outgoing(
                place=place,
                method="POST",
                url=url,
                headers={"Content-Type": "application/json"},
                body=json.dumps(body, ensure_ascii=False).encode(),
                secrets=(url,),
            )

        def result(answer: Any) -> dict[str, Any]:
            ensure_taken(place, answer)
            return {}

        facts = {"channel": channel}
        trace = {"target": self.provider.tool_id, **facts, "text": message}
        return Errand(place=place, trace=trace, facts=facts, request=request, result=result)


def shortened_message(text: str) -> str:
    """A report as one message; where it is cut, it says so."""
    return text if len(text) <= MESSAGE_LIMIT else text[: MESSAGE_LIMIT - len(CUT)].rstrip() + CUT


def slack_body(text: str) -> dict[str, Any]:
    """One message for a Slack incoming webhook."""
    lines = [_slack_line(line) for line in _plain(text).split("\n")]
    sections = list(_packed(lines))
    return {
        # What a notification shows; a screen reader reads it too.
        "text": _slack_escaped(" ".join(_plain(text).split())[:_FALLBACK]),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": section, "verbatim": True}}
            for section in sections[:_BLOCKS]
        ],
        "unfurl_links": False,
        "unfurl_media": False,
    }


def slack_with_button(text: str, *, label: str, url: str) -> dict[str, Any]:
    """One message with one address; label and address are ours, and nothing in the text can add another."""
    body = slack_body(text)
    link = {"type": "mrkdwn", "text": f"<{url}|{label}>", "verbatim": True}
    return {**body, "blocks": [*body["blocks"][: _BLOCKS - 1], {"type": "section", "text": link}]}


def teams_body(text: str) -> dict[str, Any]:
    """One message for a Teams workflow that starts when a webhook request is received."""
    plain = _AT_TAG.sub(f"<{_JOINER}", _TO_ALL.sub(f"@{_JOINER}", _plain(text)))
    body = _card(list(_runs(plain)))
    if len(json.dumps(body, ensure_ascii=False).encode()) <= _CARD_BYTES:
        return body
    # Many short bold lines cost more around them than in them; without their form the words fit.
    return _card([{"type": "TextRun", "text": plain}])


def teams_with_button(text: str, *, label: str, url: str) -> dict[str, Any]:
    """As ``slack_with_button``."""
    body = teams_body(text)
    body["attachments"][0]["content"]["actions"] = [{"type": "Action.OpenUrl", "title": label, "url": url}]
    return body


def _card(runs: list[dict[str, Any]]) -> dict[str, Any]:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": runs}],
        "msteams": {"width": "Full"},
    }
    return {
        "type": "message",
        "attachments": [
            {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        ],
    }


def _plain(text: str) -> str:
    return _CONTROL.sub("", storable_text(text).replace("\r\n", "\n").replace("\r", "\n")).strip() or "…"


def _slack_escaped(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _TO_ALL.sub(f"@{_JOINER}", escaped)


def _slack_line(line: str) -> str:
    heading = _HEADING.match(line)
    escaped = _slack_escaped(heading[1].replace("**", "") if heading else line)
    return f"*{escaped}*" if heading else _BOLD.sub(r"*\1*", escaped)


def _packed(lines: Sequence[str]) -> Iterator[str]:
    """Lines joined to sections that Slack takes."""
    section = ""
    for line in (piece for one in lines for piece in _pieces(one)):
        if len(section) + 1 + len(line) > _SECTION:
            # One of line breaks alone is none to Slack, which would refuse the whole message for it.
            if section.strip():
                yield section
            section = line
        else:
            section = f"{section}\n{line}" if section else line
    if section.strip():
        yield section


def _pieces(line: str) -> Iterator[str]:
    """A long line in parts, none of which ends inside of an escaped character."""
    start = 0
    while len(line) - start > _SECTION:
        limit = start + _SECTION
        end = line.rfind("&", limit - 5, limit)
        end = limit if end < 0 or ";" in line[end:limit] else end
        yield line[start:end]
        start = end
    yield line[start:]


def _runs(text: str) -> Iterator[dict[str, Any]]:
    """Runs of a card: a heading and what stands between two pairs of asterisks is bold, the rest is as it is."""
    waiting = ""
    for number, line in enumerate(text.split("\n")):
        waiting += "\n" if number else ""
        heading = _HEADING.match(line)
        parts = ["", heading[1].replace("**", ""), ""] if heading else _BOLD.split(line)
        for index, part in enumerate(parts):
            if index % 2 == 0:
                waiting += part
                continue
            if waiting:
                yield {"type": "TextRun", "text": waiting}
            waiting = ""
            yield {"type": "TextRun", "text": part, "weight": "Bolder"}
    if waiting:
        yield {"type": "TextRun", "text": waiting}


_BODIES = {SLACK.tool_id: slack_body, TEAMS.tool_id: teams_body}
WITH_BUTTON = {SLACK.tool_id: slack_with_button, TEAMS.tool_id: teams_with_button}
"""By chat: one message of ours with a button."""
