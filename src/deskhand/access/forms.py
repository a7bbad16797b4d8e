"""The guard of every form in the console: sent from our own pages, in the reader's own session; and where it leads."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Form, Request

from deskhand.appstate import App
from deskhand.errors import ForbiddenError
from deskhand.ui.csrf import csrf_token, refuse_cross_site


async def check_csrf(request: Request, app: App, csrf: Annotated[str, Form(max_length=200)] = "") -> None:
    """Refuse a form without the session's token.

    Raises:
        ForbiddenError: Sent from another site, or the token is missing or of another session.
    """
    refuse_cross_site(request, app.public_url)
    expected = csrf_token(request)
    # No token is expected of who has no session: an API key in a header cannot be sent by another site's form.
    if expected and not hmac.compare_digest(expected.encode(), csrf.encode()):
        raise ForbiddenError("The page was older than your session. Open it again and repeat what you did.")


SafeForm = Annotated[None, Depends(check_csrf)]


def local_path(value: str) -> str:
    """A path on this server to go on to; anything that could lead elsewhere becomes ``/``."""
    try:
        parts = urlsplit(value)
    except ValueError:  # half of an address, such as http://[
        return "/"
    # Browsers read a backslash as a slash and drop control characters, so "/\\evil" would leave this server.
    odd = "\\" in value or any(char < " " for char in value)
    if parts.scheme or parts.netloc or odd or not value.startswith("/") or value.startswith("//"):
        return "/"
    return value
