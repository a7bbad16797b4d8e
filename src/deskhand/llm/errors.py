"""What can go wrong with a model, in words for the person who has to mend it.

Every class says whether trying the same call again may help (``retryable``). A sentence names the
model and the host it lives on, and what to check; it never contains a key, and what a vendor wrote
passes ``redacted`` first, because some vendors echo credentials. Part of the tree drawn in ``deskhand.errors``.
"""

from __future__ import annotations

from collections.abc import Iterable

from deskhand.errors import DeskhandError
from deskhand.kit.secrets_in_text import REDACTED, scrub

_VENDOR_TEXT = 300


class ModelError(DeskhandError):
    """Root of what a model call can raise."""

    code = "model-error"
    status = 502
    title = "Model call failed"
    of_budget = False
    """Of one error: it is the purse's, and no model was asked."""


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


class ModelRefusedError(ModelError):
    """The model declined, or a filter of its provider withheld the answer; asking again changes nothing."""

    code = "model-refused"
    status = 422
    title = "Model refused"


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


def redacted(text: str, secrets: Iterable[str | None] = ()) -> str:
    """A vendor's message, fit to be shown: no keys, one line, at most 300 characters."""
    # The known key first, to the letter: a pattern may miss a key of unusual form.
    for secret in secrets:
        if secret:
            text = text.replace(secret, REDACTED)
    text = " ".join(scrub(text).split())
    return text if len(text) <= _VENDOR_TEXT else text[: _VENDOR_TEXT - 1] + "…"
