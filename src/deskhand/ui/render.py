"""Pages: one Jinja2 environment over the templates of every feature, and the headers each page is sent with.

A template's name is ``<folder>/<file>``: ``executions/console/list.html`` lies in ``executions/console/templates/``.
Escaping is always on. A page runs no inline script and no inline style, so that text from a ticket that
slipped through could still not act; the Content-Security-Policy says so to the browser.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound

from deskhand.ui import format as formats
from deskhand.ui.csrf import csrf_token
from deskhand.ui.markdown import markdown_html
from deskhand.ui.static_files import static_url

PACKAGE = Path(__file__).resolve().parent.parent

NAVIGATION = (
    ("Home", "/home"),
    ("Executions", "/executions"),
    ("Tickets", "/tickets"),
    ("Agents", "/agents"),
    ("Approvals", "/approvals"),
    ("Schedules", "/schedules"),
    ("Knowledge", "/knowledge"),
    ("Costs", "/costs"),
    ("Deliveries", "/deliveries"),
)

OF_COMPANIES = ("/executions", "/tickets", "/knowledge")
"""What of it is open to who is limited to client companies."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class FeatureLoader(BaseLoader):
    """Finds ``folder/file`` in that folder's own ``templates``."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:  # noqa: ARG002 - jinja2's signature
        folder, _, name = template.rpartition("/")
        path = PACKAGE / folder / "templates" / name
        # Names come from our own code; the check is for the day on which one is put together from something else.
        if ".." in template or not path.is_file():
            raise TemplateNotFound(template)
        written = path.stat().st_mtime
        return path.read_text(encoding="utf-8"), str(path), lambda: path.stat().st_mtime == written


@cache
def environment() -> Environment:
    """The environment all pages share; undefined names are errors, so a renamed field cannot show as nothing."""
    env = Environment(
        loader=FeatureLoader(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    env.filters.update(
        {
            "count": formats.count,
            "duration": formats.duration,
            "exact_money": formats.exact_money,
            "in_zone": formats.in_zone,
            "instant": formats.instant,
            "age": formats.age,
            "json": formats.pretty_json,
            "label": formats.label,
            "markdown": markdown_html,
            "money": formats.money,
            "zoned": formats.zoned,
        }
    )
    env.globals.update(static_url=static_url, navigation=NAVIGATION, of_companies=OF_COMPANIES)
    return env


def render(request: Request, template: str, *, status_code: int = 200, **context: Any) -> HTMLResponse:
    """Answer with a page.

    Args:
        request: The request; the template sees its path, for forms ``csrf_token``, and what the guards found:
            ``standing_pauses``, and ``is_limited`` for who is limited to companies, also on a page that says no.
        template: ``<folder>/<file>``.
        status_code: HTTP status of the answer.
        context: Values for the template.
    """
    always = {
        "path": request.url.path,
        "csrf_token": csrf_token(request),
        "standing_pauses": getattr(request.state, "pauses", ()),
        "is_limited": getattr(request.state, "is_limited", False),
    }
    html = environment().get_template(template).render(request=request, **always, **context)
    # Vary, because htmx asks the same address for a part of the page, and going back must not show the part alone.
    return HTMLResponse(html, status_code=status_code, headers={**SECURITY_HEADERS, "Vary": "HX-Request, Cookie"})
