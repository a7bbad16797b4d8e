"""The API process: every router by hand, one lifespan, nothing hidden."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import structlog
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute

from deskhand import __version__
from deskhand.access.console.keys import router as key_pages
from deskhand.access.console.log import router as audit_pages
from deskhand.access.cookies import HostCookies
from deskhand.access.endpoints import router as access_router
from deskhand.access.pages import provider_router as sso_pages
from deskhand.access.pages import router as login_pages
from deskhand.access.people.endpoints import router as people_router
from deskhand.access.people.events import logs_of_account
from deskhand.access.people.factor.pages import router as factor_pages
from deskhand.access.people.invitations.pages import router as invitation_pages
from deskhand.access.people.pages import router as people_pages
from deskhand.access.sso.endpoints import router as sso_router
from deskhand.access.trail import platform_router as platform_audit_router
from deskhand.access.trail import router as audit_router
from deskhand.agents.console.pages import router as agent_pages
from deskhand.agents.endpoints import router as agents_router
from deskhand.agents.model_endpoints import router as models_router
from deskhand.agents.templates.endpoints import router as agent_templates_router
from deskhand.approvals.endpoints import router as approvals_router
from deskhand.approvals.link_pages import router as approval_links
from deskhand.approvals.pages import router as approval_pages
from deskhand.appstate import SignInRules
from deskhand.audit.refusals import Refusals
from deskhand.audit.source import SourceOfRequests
from deskhand.budgets.corrections.endpoints import router as corrections_router
from deskhand.budgets.endpoints import router as budgets_router
from deskhand.connectors.document_endpoints import router as openapi_sources_router
from deskhand.connectors.endpoints import router as tool_sources_router
from deskhand.connectors.server_endpoints import router as mcp_sources_router
from deskhand.engine.queue import Waker
from deskhand.executions.console.pages import router as execution_pages
from deskhand.executions.endpoints import router as executions_router
from deskhand.executions.tickets.endpoints import router as tickets_router
from deskhand.executions.tickets.pages import router as ticket_pages
from deskhand.executions.trials.endpoints import router as tries_router
from deskhand.executions.trials.pages import router as try_pages
from deskhand.gateways.endpoints import router as model_connections_router
from deskhand.gateways.pages import router as model_connection_pages
from deskhand.intake.book import TriggerBook
from deskhand.intake.console.deliveries import router as delivery_pages
from deskhand.intake.console.desks import router as desk_pages
from deskhand.intake.console.newcomers import router as newcomer_pages
from deskhand.intake.console.noting import router as note_trial_pages
from deskhand.intake.console.setup import router as desk_setup_pages
from deskhand.intake.console.trials import router as trial_pages
from deskhand.intake.door import WebhookDoor
from deskhand.intake.endpoints import IntakeState
from deskhand.intake.endpoints import router as webhooks_router
from deskhand.intake.inbox import Inbox
from deskhand.intake.trial_endpoints import router as webhook_trials_router
from deskhand.kit.clock import utc_now
from deskhand.kit.crypto import SecretBox
from deskhand.kit.db.proofs import Prover
from deskhand.kit.db.readiness import verify_application_role, verify_proofs
from deskhand.kit.db.session import Database, create_pool
from deskhand.kit.edge import BodyLimit, EdgeLimits
from deskhand.kit.http import HttpClientFactory
from deskhand.kit.openapi import CONTACT, SERVERS, complete_document
from deskhand.kit.parameters import KnownParameters
from deskhand.kit.problem import install_problem_handlers
from deskhand.kit.sections import Section
from deskhand.kit.telemetry import Telemetry
from deskhand.kit.watchdog import watching_loop
from deskhand.knowledge.console.jobs import router as knowledge_jobs_pages
from deskhand.knowledge.console.pages import router as knowledge_pages
from deskhand.knowledge.shelves.endpoints import router as knowledge_router
from deskhand.knowledge.upkeep.endpoints import router as knowledge_jobs_router
from deskhand.knowledge.verdicts.endpoints import router as verdicts_router
from deskhand.knowledge.verdicts.link_pages import router as verdict_links
from deskhand.knowledge.verdicts.pages import router as verdict_pages
from deskhand.lab.endpoints import router as lab_router
from deskhand.lab.pages import router as lab_pages
from deskhand.llm.connection import GatewaySettings, list_models
from deskhand.llm.embedded.models import EmbeddedEndpoint
from deskhand.llm.errors import ModelError
from deskhand.notifications.endpoints import router as notifications_router
from deskhand.notifications.link_pages import router as notification_links
from deskhand.notifications.pages import router as notification_pages
from deskhand.operations.endpoints import router as operations_router
from deskhand.operations.health import router as health_router
from deskhand.operations.pages import router as operations_pages
from deskhand.plugins.registry import PluginManager
from deskhand.reports.calls.endpoints import router as calls_router
from deskhand.reports.chargeback.endpoints import router as chargeback_router
from deskhand.reports.chargeback.pages import router as chargeback_pages
from deskhand.reports.console.pages import router as report_pages
from deskhand.reports.endpoints import platform_router as platform_reports_router
from deskhand.reports.endpoints import router as reports_router
from deskhand.reports.worth.endpoints import router as worth_router
from deskhand.reports.worth.pages import router as worth_pages
from deskhand.schedules.endpoints import router as schedules_router
from deskhand.schedules.pages import router as schedule_pages
from deskhand.storms.endpoints import router as storms_router
from deskhand.storms.pages import router as storm_pages
from deskhand.tenants.endpoints import router as tenants_router
from deskhand.tenants.note_trials.endpoints import router as note_trials_router
from deskhand.tenants.pages import router as tenant_pages
from deskhand.tenants.preferences.pages import router as preference_pages
from deskhand.tools.catalogue import providers
from deskhand.tools.endpoints import router as tools_router
from deskhand.ui.reference import router as reference_pages
from deskhand.ui.static_files import mount_static
from deskhand.work.undo.endpoints import router as undo_router
from deskhand.work.undo.pages import router as undo_pages

OTHERS_ADDRESSES = frozenset({"receive_agent_webhook", "receive_desk_webhook", "arrive_from_provider"})
"""Operations at whose addresses desks and identity providers append parameters of their own (RFC 6749, 4.1.2)."""
GATEWAY_SECONDS = 5.0  # a gateway that hangs must not keep the API from starting
log = structlog.get_logger(__name__)

DESCRIPTION = """\
AI hands for a service desk: describe agents, connect desks, look at what was run.

Every call but the webhooks needs `Authorization: Bearer <API key>`; the key decides the tenant.
Failures are RFC 9457 problem documents.
"""

TAGS = {
    "access": "API keys, and signing in to the console.",
    "agents": "What agents are, their versions, and when they may run.",
    "approvals": "What agents ask people before they write.",
    "audit": "What was done, by whom, and from where.",
    "budgets": "What models may cost, and what they do.",
    "executions": "What was run, and what to do about it.",
    "feedback": "What people say of the notes that agents wrote.",
    "health": "Whether the process works, and its figures.",
    "knowledge": "What a tenant knows: past tickets, articles, and how they are kept current.",
    "lab": "Agents tried on closed tickets, and test cases.",
    "models": "Connections to models: the platform's, and each tenant's own.",
    "notifications": "What people are told of without asking, and what was sent.",
    "operations": "How the queue stands, and pauses: of an agent, a tenant or everything.",
    "people": "Who works in a tenant, in which role, and how they sign in.",
    "plugins": "The desks this installation can talk to.",
    "reports": "What calls and runs cost, how they went, what a month was worth, and whom to charge.",
    "schedules": "When agents run by the clock.",
    "storms": "Outages of which many tickets told.",
    "tenants": "Tenants and their connections to desks.",
    "tickets": "What was done to one ticket of a desk.",
    "tools": "Everything an agent may be granted.",
    "undo": "Taking back what agents wrote, as far as a desk lets us.",
    "webhooks": "Where desks deliver their events, and what came in.",
}


ROUTERS = (
    access_router,
    people_router,
    sso_router,
    audit_router,
    platform_audit_router,
    tenants_router,
    note_trials_router,
    tools_router,
    tool_sources_router,
    openapi_sources_router,
    mcp_sources_router,
    agents_router,
    agent_templates_router,
    models_router,
    model_connections_router,
    executions_router,
    tickets_router,
    storms_router,
    tries_router,
    lab_router,
    verdicts_router,
    undo_router,
    approvals_router,
    budgets_router,
    corrections_router,
    reports_router,
    worth_router,
    chargeback_router,
    calls_router,
    platform_reports_router,
    webhooks_router,
    webhook_trials_router,
    knowledge_jobs_router,
    knowledge_router,
    schedules_router,
    operations_router,
    notifications_router,
    login_pages,
    sso_pages,
    factor_pages,
    people_pages,
    invitation_pages,
    key_pages,
    audit_pages,
    tenant_pages,
    newcomer_pages,
    preference_pages,
    desk_pages,
    note_trial_pages,
    desk_setup_pages,
    delivery_pages,
    trial_pages,
    undo_pages,
    execution_pages,
    ticket_pages,
    storm_pages,
    try_pages,
    lab_pages,
    agent_pages,
    model_connection_pages,
    verdict_pages,
    verdict_links,
    approval_links,
    approval_pages,
    schedule_pages,
    report_pages,
    worth_pages,
    chargeback_pages,
    operations_pages,
    notification_links,
    notification_pages,
    knowledge_pages,
    knowledge_jobs_pages,
    reference_pages,
    health_router,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiConfig:
    """What the API process needs to know.

    Attributes:
        platform_url: Login for platform administration; None: there is none.
        prover: Makes what this process shows the database; None where that asks for nothing.
        llm_base_url: The model gateway, asked once for the models that agents may use besides the known ones.
        embedded: Gives the embedded model's address on this machine; None: nobody here can tell.
        pool_size: Connections of the hot path.
        sign_in_rules: What is asked of people who sign in.
    """

    database_url: str = field(repr=False)
    platform_url: str | None = field(default=None, repr=False)
    prover: Prover | None = field(default=None, repr=False)
    encryption_keys: tuple[str, ...] = field(repr=False)
    reread_keys: Callable[[], tuple[str, ...]] | None = None
    public_url: str
    allow_private_addresses: bool = False
    mcp_commands: Mapping[str, Sequence[str]] = field(default_factory=dict)
    llm_base_url: str | None = None
    llm_api_key: str | None = field(default=None, repr=False)
    embedded: Callable[[], EmbeddedEndpoint] | None = None
    pool_size: int = 16
    sign_in_rules: SignInRules = field(default_factory=SignInRules)


def create_app(config: ApiConfig, limits: EdgeLimits | None = None) -> FastAPI:
    """The application; it connects when it starts, and refuses to start on a role that tenancy does not hold for.

    Raises:
        ConfigurationError: No usable encryption key; nothing listens yet.
    """
    secrets = SecretBox(config.encryption_keys, reread=config.reread_keys)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.deskhand = await _open(config, secrets, stack)
            yield

    app = FastAPI(
        title="Deskhand",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages load their script from another host; ours is ui.reference
        redoc_url=None,
        redirect_slashes=False,  # such a redirect would go wherever the Host header says
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        contact=CONTACT,
        servers=SERVERS,
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    app.router.routes.extend(_routes())
    mount_static(app)
    # Middleware that is added later stands further out: the door is inside the body's bound and the error net.
    app.add_middleware(HostCookies)
    app.add_middleware(WebhookDoor)
    app.add_middleware(SourceOfRequests)
    app.add_middleware(BodyLimit, limits=limits or EdgeLimits())  # inside the net for unexpected errors, added next
    install_problem_handlers(app, login_path="/login", https=config.public_url.startswith("https://"))
    complete_document(
        app,
        known={
            "desks": lambda: PluginManager.installed().tool_types,
            "tools": lambda: [tool.tool_id for tool in providers(PluginManager.installed())],
        },
    )
    return app


@functools.cache
def _routes() -> tuple[BaseRoute, ...]:
    """Every route, the same for all applications of a process.

    FastAPI reads each signature, and its dependencies', when an included route is first asked for: a fifth of a second
    for all of them. Done here, no caller waits for it, and a second application in one process does not pay it again.
    """
    everything = APIRouter(dependencies=[Depends(KnownParameters(besides=OTHERS_ADDRESSES))])
    for router in ROUTERS:
        everything.include_router(Section(router))
    for _ in iter_route_contexts(everything.routes):
        pass  # asking for a route is what makes FastAPI read it
    return tuple(everything.routes)


async def _open(config: ApiConfig, secrets: SecretBox, stack: AsyncExitStack) -> IntakeState:
    db = await Database.reach(
        config.database_url,
        platform_url=config.platform_url,
        prover=config.prover,
        ring_id="" if config.reread_keys else secrets.ring_id,
    )
    stack.push_async_callback(db.dispose)
    # Before anything listens: with a login that bypasses row-level security every answer could hold foreign rows.
    await verify_application_role(db)
    await verify_proofs(db)
    pool = await create_pool(
        config.database_url, min_size=2, max_size=config.pool_size, process="door", prover=config.prover
    )
    stack.push_async_callback(pool.close)
    http = HttpClientFactory(allow_private=config.allow_private_addresses, commands=config.mcp_commands)
    plugins = PluginManager()
    plugins.discover()
    listed_models = await _listed_models(config, http)
    telemetry = Telemetry()
    waker = await stack.enter_async_context(Waker(pool))
    # Whatever session queues a run, for a retry or a schedule's "run now", wakes the workers by its commit; the inbox,
    # which accepts past the sessions, wakes them by itself.
    db.on_handover = waker.wake
    book = TriggerBook(db, pool, secrets, plugins)
    inbox = Inbox(pool, book, waker, clock=utc_now, count=telemetry.delivery)
    stack.enter_context(watching_loop(telemetry.loop_stall))
    refusals = Refusals()
    await stack.enter_async_context(refusals.at_work(db, logs_of_account))
    return IntakeState(
        db=db,
        pool=pool,
        secrets=secrets,
        http=http,
        plugins=plugins,
        public_url=config.public_url,
        listed_models=listed_models,
        gateway=_gateway(config),
        telemetry=telemetry,
        sign_in_rules=config.sign_in_rules,
        refusals=refusals,
        inbox=inbox,
    )


def _gateway(config: ApiConfig) -> GatewaySettings:
    return GatewaySettings(
        base_url=config.llm_base_url, api_key=config.llm_api_key, timeout=GATEWAY_SECONDS, embedded=config.embedded
    )


async def _listed_models(config: ApiConfig, http: HttpClientFactory) -> frozenset[str]:
    """What the gateway lists. One that is down costs that alone: agents still use the known models."""
    if config.llm_base_url is None:
        return frozenset()
    try:
        names = await list_models(_gateway(config), http)
    except ModelError as error:
        log.warning("gateway_models_unknown", reason=error.detail)
        return frozenset()
    log.info("gateway_models", count=len(names))
    return frozenset(names)
