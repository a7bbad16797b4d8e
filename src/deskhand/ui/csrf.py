"""Protection of forms against requests that another site makes in the reader's name.

Two checks, either of which would do: browsers say where a request comes from (``Sec-Fetch-Site``, or
``Origin``), and a form carries a token bound to the session. The token is an HMAC keyed by the session
cookie's own value, which another site can neither read nor guess, so nothing needs to be stored.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request

from deskhand.errors import ForbiddenError

SESSION_COOKIE = "deskhand_session"


def csrf_token(request: Request) -> str:
    """The token for this session's forms; empty when nobody is signed in."""
    session = request.cookies.get(SESSION_COOKIE, "")
    return hmac.new(session.encode(), b"deskhand form token", hashlib.sha256).hexdigest() if session else ""


def ensure_same_origin(request: Request) -> None:
    """Refuse a form that another site sent.

    Raises:
        ForbiddenError: The browser says that the request comes from elsewhere.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    foreign = site not in (None, "same-origin", "none")
    if origin and urlsplit(origin).netloc != request.headers.get("host"):
        foreign = foreign or site is None  # behind a proxy that rewrites Host, only the browser's own word counts
    if foreign:
        raise ForbiddenError("This form was sent from another site. Open the page here and try again.")


def check_csrf(request: Request, csrf: Annotated[str, Form(max_length=200)] = "") -> None:
    """Refuse a form without the session's token.

    Raises:
        ForbiddenError: Sent from another site, or the token is missing or of another session.
    """
    ensure_same_origin(request)
    expected = csrf_token(request)
    if expected and not hmac.compare_digest(expected.encode(), csrf.encode()):
        raise ForbiddenError("The page was older than your session. Open it again and repeat what you did.")


SafeForm = Annotated[None, Depends(check_csrf)]
