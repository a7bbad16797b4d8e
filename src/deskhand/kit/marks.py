"""Idempotency marks: made, put into a text, found in one, and taken out again. Nobody else knows their form.

A mark is what a write of ours leaves at a desk, so that a write in doubt can be found and our own change is known when
the desk reports it. It is not a secret once it is written, and it proves nothing by itself: whoever reads a note can
quote it. It cannot be computed beforehand, since it is keyed with the installation's own key; the journal keeps it, so
that the mark of a write that was begun stays the same when the keys are rotated.
"""

from __future__ import annotations

import hashlib
import hmac
import re

_MARK = r"dh-[0-9a-f]{20}(?![0-9a-f])"
_FOUND = re.compile(rf"(?<![0-9A-Za-z-]){_MARK}")
_STRIPPED = re.compile(rf"(?:\bRef: ?)?(?<![0-9A-Za-z-]){_MARK}")
VERDICT_PATH = "/feedback/link"
_ASKED = "Did this note help?"
# As any desk gives it back: as Markdown, or as words with the address behind them.
_VERDICT_LINE = re.compile(
    rf"\[?{re.escape(_ASKED)}\]?[ ]?\(?<?https?://[^\s<>()\[\]]{{1,300}}?{re.escape(VERDICT_PATH)}\?token=[\w.-]{{1,250}}>?\)?",
    re.ASCII,
)


class MarkMaker:
    """Makes the marks of one installation.

    Args:
        key: Known to the workers alone (``SecretBox.derive``).
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, execution_id: object, step_key: str) -> str:
        """The mark of one write of one execution, as long as the key is the same.

        Args:
            execution_id: The execution.
            step_key: The journal key of the write.

        Returns:
            ``dh-`` and 20 hex digits.
        """
        return "dh-" + hmac.new(self._key, f"{execution_id}/{step_key}".encode(), hashlib.sha256).hexdigest()[:20]


def with_mark(markdown: str, mark: str) -> str:
    """The text with its mark as a small visible last line, where ``find_marks`` finds it again."""
    return f"{markdown.rstrip()}\n\nRef: {mark}" if mark else markdown


def find_marks(source: str) -> tuple[str, ...]:
    """Marks in a text (any markup), in order, without repeats."""
    return tuple(dict.fromkeys(_FOUND.findall(source)))


def strip_marks(source: str) -> str:
    """The text without marks and without the link of a verdict, which mean nothing to a reader or a model."""
    return _STRIPPED.sub("", _VERDICT_LINE.sub("", source))


def verdict_line(public_url: str, token: str) -> str:
    """The line of a note, in Markdown, that asks its reader whether it helped."""
    return f"[{_ASKED}](<{public_url}{VERDICT_PATH}?token={token}>)"
