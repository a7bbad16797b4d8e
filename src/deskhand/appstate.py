"""What one API process shares between its requests, made once by the entry point."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import asyncpg
from fastapi import Depends, Request

from deskhand.audit.refusals import Refusals
from deskhand.kit.clock import Clock, utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.session import Database
from deskhand.kit.edge import StreamSlots
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.oidc.client import OidcClient
from deskhand.kit.passwords import Passwords
from deskhand.kit.telemetry import Telemetry
from deskhand.llm.connection import GatewaySettings
from deskhand.plugins.registry import PluginManager


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRules:
    """What the installation asks of people who sign in.

    Attributes:
        break_glass_only: Whether a password opens break-glass accounts alone, since a provider signs everybody else in.
        second_factor_roles: Roles that nobody has without a second factor.
    """

    break_glass_only: bool = False
    second_factor_roles: frozenset[str] = frozenset()


@dataclass(slots=True, kw_only=True)
class AppState:
    """The shared objects of one process, found at ``request.app.state.deskhand``.

    A room that shares more derives from this class and asks for its own with ``state_of``; the entry point makes one
    object that is all of them.

    Attributes:
        db: Sessions of the ORM, as the application's role.
        pool: Bare asyncpg connections for the hot path (accepting webhooks, the journal).
        secrets: Encrypts what is stored, signs the console's cookie.
        http: The one door out.
        plugins: The desks this process knows.
        public_url: Address that vendors and browsers reach the API at, without a trailing slash.
        listed_models: What the configured gateway lists; agents may use these besides the known models.
        gateway: How models are reached, to say at activation whether one is served; runs go out from workers.
        clock: Current time.
        telemetry: The process's figures.
        streams: Slots for event streams.
        passwords: Stores and checks people's passwords, a few at once.
        sign_in_rules: What the installation asks of people who sign in.
        oidc: Signs people in with identity providers, through the one door out.
        refusals: Keys and sign-ins that were refused, on their way into the audit log.
    """

    db: Database
    pool: asyncpg.Pool
    secrets: SecretBox
    http: HttpClientFactory
    plugins: PluginManager
    public_url: str
    listed_models: frozenset[str] = frozenset()
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    clock: Clock = utc_now
    telemetry: Telemetry = field(default_factory=Telemetry)
    streams: StreamSlots = field(default_factory=StreamSlots)
    passwords: Passwords = field(default_factory=Passwords)
    sign_in_rules: SignInRules = field(default_factory=SignInRules)
    refusals: Refusals = field(default_factory=Refusals)
    oidc: OidcClient = field(init=False)

    def __post_init__(self) -> None:
        self.oidc = OidcClient(self.http)


State = TypeVar("State", bound=AppState)


def state_of(request: Request, kind: type[State]) -> State:
    """The state of the application that serves this request, as a room knows it.

    Raises:
        TypeError: The entry point made another one.
    """
    state = request.app.state.deskhand
    if not isinstance(state, kind):
        raise TypeError(f"the application's state is {type(state).__name__}, not {kind.__name__}")
    return state


async def app_state(request: Request) -> AppState:
    """The state of the application that serves this request."""
    return state_of(request, AppState)


App = Annotated[AppState, Depends(app_state)]
