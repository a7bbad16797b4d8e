"""Protection of forms against requests that another site makes in the reader's name.

Two checks, either of which would do: browsers say where a request comes from (``Sec-Fetch-Site``, or
``Origin``), and a form carries a token bound to the session. The token is an HMAC keyed by the session
cookie's own value, which another site can neither read nor guess, so nothing needs to be stored.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from fastapi import Request

from deskhand.errors import ForbiddenError

SESSION_COOKIE = "deskhand_session"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def csrf_token(request: Request) -> str:
    """The token for this session's forms; empty when nobody is signed in."""
    session = request.cookies.get(SESSION_COOKIE, "")
    return csrf_token_of(session) if session else ""


def csrf_token_of(cookie: str) -> str:
    """The token for the forms of the session with this cookie."""
    return hmac.new(cookie.encode(), b"deskhand form token", hashlib.sha256).hexdigest()


def refuse_cross_site(request: Request, public_url: str) -> None:
    """Refuse a change that another site's page makes the browser send (beyond the cookie's SameSite=Lax).

    Args:
        request: The request.
        public_url: Where browsers reach this server; a proxy may have rewritten ``Host``.

    Raises:
        ForbiddenError: The browser says that the request comes from elsewhere.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    # The browser's own word, which no page can set; "none" is an address that a person typed.
    if site is not None:
        foreign = site not in ("same-origin", "none")
    elif origin is not None:
        # Plain HTTP and older browsers say no more than the origin; "null" is that of a sandboxed or redirected page.
        own = {urlsplit(public_url).netloc.lower(), request.headers.get("host", "").lower()}
        # A request without a host names no server: "null" and an empty origin must not be equal to that.
        foreign = origin.lower().partition("://")[2] not in own - {""}
    else:
        foreign = False  # no browser sends a change without either; programs do
    if foreign:
        raise ForbiddenError(
            "This request was started by another site and is refused. Open the page here and try again."
        )
