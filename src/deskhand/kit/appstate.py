"""What one API process shares between its requests, made once by the entry point."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, cast

import asyncpg
from fastapi import Depends, Request

from deskhand.kit.clock import Clock, utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.http import HttpClientFactory


@dataclass(slots=True, kw_only=True)
class AppState:
    """The shared objects of one process, found at ``request.app.state.deskhand``.

    Attributes:
        db: Sessions of the ORM, as the application's role.
        pool: Bare asyncpg connections for the hot path (accepting webhooks, the journal).
        secrets: Encrypts what is stored, signs the console's cookie.
        http: The one door out.
        plugins: A ``plugins.registry.PluginManager``; typed loosely because kit lies below plugins.
        public_url: Address that vendors and browsers reach the API at, without a trailing slash.
        clock: Current time.
        extra: What later features add, by a name of their own.
    """

    db: Database
    pool: asyncpg.Pool
    secrets: SecretBox
    http: HttpClientFactory
    plugins: object
    public_url: str
    clock: Clock = utc_now
    extra: dict[str, object] = field(default_factory=dict)


def app_state(request: Request) -> AppState:
    """The state of the application that serves this request."""
    return cast(AppState, request.app.state.deskhand)


App = Annotated[AppState, Depends(app_state)]
