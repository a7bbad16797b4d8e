"""What can go wrong with a model, in words for the person who has to mend it.

Every class says whether trying the same call again may help (``retryable``). A sentence names the
model and the host it lives on, and what to check; it never contains a key, and what a vendor wrote
passes ``redacted`` first, because some vendors echo credentials.

::

    DeskhandError
    └── ModelError (502 model-error)
        ├── ModelUnavailableError (503 model-unavailable)      no connection, 5xx; retryable
        ├── ModelTimeoutError (504 model-timeout)              no answer in time; retryable
        ├── ModelRateLimitedError (503 model-rate-limited)     429; retryable after retry_after
        ├── ModelAuthError (502 model-auth)                    401, 403
        ├── ModelQuotaError (502 model-quota)                  the key's budget or the account's credit is used up
        ├── ModelBadRequestError (502 model-bad-request)       any other 4xx
        │   ├── ContextTooLongError (502 model-context-too-long)
        │   └── UnknownModelError (502 model-unknown)
        ├── InvalidOutputError (502 model-invalid-output)      an answer that does not fit, after the retries
        └── LimitExceededError (422 run-limit-exceeded)        this run's own limit, checked before the call
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

from deskhand.errors import DeskhandError

_SECRETS = re.compile(
    r"(?i)\bbearer\s+[^\s\"',]+|\b(?:sk|pk|rk|key|api|dhk|gsk|xai|AIza)[-_][A-Za-z0-9_\-*.]{4,}|\bAIza[A-Za-z0-9_\-]{8,}"
)
_VENDOR_TEXT = 300


class ModelError(DeskhandError):
    """Root of what a model call can raise."""

    code = "model-error"
    status = 502
    title = "Model call failed"
    retryable: ClassVar[bool] = False


class ModelUnavailableError(ModelError):
    """Nobody answers, or the answer is a server error."""

    code = "model-unavailable"
    status = 503
    title = "Model unavailable"
    retryable = True


class ModelTimeoutError(ModelError):
    """The model did not answer within the time allowed."""

    code = "model-timeout"
    status = 504
    title = "Model timed out"
    retryable = True


class ModelRateLimitedError(ModelError):
    """The gateway asks to wait; ``retry_after`` says how long, if it said so."""

    code = "model-rate-limited"
    status = 503
    title = "Model rate limit"
    retryable = True


class ModelAuthError(ModelError):
    """The gateway does not accept the key, or the key may not use this model."""

    code = "model-auth"
    title = "Model key refused"


class ModelQuotaError(ModelError):
    """The budget behind the key is used up; waiting a moment does not help."""

    code = "model-quota"
    title = "Model budget used up"


class ModelBadRequestError(ModelError):
    """The gateway understood the request and refuses it."""

    code = "model-bad-request"
    title = "Model refused the request"


class ContextTooLongError(ModelBadRequestError):
    """Prompt and answer do not fit into the model's context window."""

    code = "model-context-too-long"
    title = "Too long for the model"


class UnknownModelError(ModelBadRequestError):
    """The gateway does not have a model of this name."""

    code = "model-unknown"
    title = "Unknown model"


class InvalidOutputError(ModelError):
    """The model's answer did not have the asked form, also after being told what was wrong."""

    code = "model-invalid-output"
    title = "Unusable model answer"


class LimitExceededError(ModelError):
    """The run reached one of its own limits; nothing further was sent."""

    code = "run-limit-exceeded"
    status = 422
    title = "Run limit reached"

    def __init__(self, detail: str, *, limit: str = "") -> None:
        super().__init__(detail)
        self.limit = limit


def redacted(text: str, secrets: Iterable[str | None] = ()) -> str:
    """A vendor's message, fit to be shown: no keys, one line, at most 300 characters."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[redacted]")
    text = " ".join(_SECRETS.sub("[redacted]", text).split())
    return text if len(text) <= _VENDOR_TEXT else text[: _VENDOR_TEXT - 1] + "…"
