"""Figures for Prometheus: what was accepted, what ran, how long it took, what it cost.

One ``Telemetry`` per process, made at the entry point and handed to what measures. Tenants are no label:
a label's values multiply the series, and an installation may have thousands; figures per tenant come from
the tables. API and workers are scaled by starting more processes, each scraped by itself: the API at its own
address, a worker at ``DESKHAND_WORKER_METRICS_PORT``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder

ACCEPT_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
RUN_BUCKETS = (0.5, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 300, 600)
MOST_MODELS = 100  # a gateway says the name of what answered; past so many of them, the rest is "other"
STALL_BUCKETS = (0.2, 0.5, 1, 2, 5, 10, 30, 60)
STEP_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120)


class Telemetry:
    """The metrics of one process.

    Args:
        registry: Where they are registered; a new one with process and platform figures if None.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or _process_registry()
        self._deliveries = Counter(
            "deskhand_webhook_deliveries",
            "Webhook deliveries by outcome (accepted, duplicate, ignored, rejected, ...) and tool.",
            ["outcome", "tool_type"],
            registry=self.registry,
        )
        self._accept = Histogram(
            "deskhand_webhook_accept_seconds",
            "Time from a delivery's first byte to its answer.",
            buckets=ACCEPT_BUCKETS,
            registry=self.registry,
        )
        self._stall = Histogram(
            "deskhand_event_loop_stall_seconds",
            "How long the process's event loop stood still, each time it did for over 200 ms; the log says in what"
            " (event_loop_blocked).",
            buckets=STALL_BUCKETS,
            registry=self.registry,
        )
        self._break_glass = Counter(
            "deskhand_break_glass_sign_ins",
            "Sign-ins to break-glass accounts by outcome (success, denied). Each is worth a page to somebody.",
            ["outcome"],
            registry=self.registry,
        )
        self._add_run_metrics()
        self._add_model_metrics()

    def _add_run_metrics(self) -> None:
        self._executions = Counter(
            "deskhand_executions",
            "Executions that reached a status (completed, failed, cancelled, waiting).",
            ["status"],
            registry=self.registry,
        )
        self._running = Gauge("deskhand_executions_running", "Executions this worker runs now.", registry=self.registry)
        self._run = Histogram(
            "deskhand_execution_seconds",
            "Time from the accepted event to the end of its execution.",
            buckets=RUN_BUCKETS,
            registry=self.registry,
        )
        self._step = Histogram(
            "deskhand_step_seconds",
            "Duration of steps by kind (model, tool, write, compute) and outcome (ok, error, replayed).",
            ["kind", "outcome"],
            buckets=STEP_BUCKETS,
            registry=self.registry,
        )
        self._queue = Gauge(
            "deskhand_queue_depth",
            "Executions by state in the queue (queued, parked).",
            ["state"],
            registry=self.registry,
        )

    def _add_model_metrics(self) -> None:
        self._models: set[str] = set()
        self._tokens = Counter(
            "deskhand_model_tokens", "Tokens by model and direction.", ["model", "direction"], registry=self.registry
        )
        self._cost = Counter(
            "deskhand_model_cost_usd", "Money spent on model calls, in US dollars.", ["model"], registry=self.registry
        )
        self._fallbacks = Counter(
            "deskhand_model_fallbacks",
            "Models of a chain that did not answer, so that the next was asked, by reason (rate_limit, unavailable,"
            " timeout, context, filter, budget, resting, configuration).",
            ["reason"],
            registry=self.registry,
        )

    def model_fallback(self, reason: str) -> None:
        """Count a model of a chain that did not answer, so that the next was asked.

        Args:
            reason: One of a few words of ours.
        """
        self._fallbacks.labels(reason).inc()

    def delivery(self, outcome: str, *, tool_type: str = "") -> None:
        """Count a delivery.

        Args:
            outcome: What became of it, as its row says.
            tool_type: The desk whose event it is; empty where nobody could tell.
        """
        self._deliveries.labels(outcome, tool_type).inc()

    def break_glass(self, outcome: str) -> None:
        """Count a sign-in to a break-glass account, or a try.

        Args:
            outcome: ``success`` or ``denied``.
        """
        self._break_glass.labels(outcome).inc()

    def loop_stall(self, seconds: float) -> None:
        """Record that the event loop stood still for so long; from any thread."""
        self._stall.observe(seconds)

    @contextmanager
    def accepting(self) -> Iterator[None]:
        """Time a delivery from its first byte to its answer."""
        with self._accept.time():
            yield

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count an execution as running inside the block."""
        with self._running.track_inprogress():
            yield

    def execution(self, status: str, *, seconds: float | None = None) -> None:
        """Count an execution that reached a status.

        Args:
            status: The status.
            seconds: Time since its event was accepted.
        """
        self._executions.labels(status).inc()
        if seconds is not None:
            self._run.observe(seconds)

    def step(self, kind: str, *, outcome: str, seconds: float) -> None:
        """Record one step of an execution.

        Args:
            kind: ``model``, ``tool``, ``write`` or ``compute``.
            outcome: ``ok``, ``error`` or ``replayed``.
            seconds: Its duration.
        """
        self._step.labels(kind, outcome).observe(seconds)

    def model_use(self, model: str, *, tokens_in: int, tokens_out: int, cost_usd: Decimal | None = None) -> None:
        """Record what one model call used.

        Args:
            model: Its name.
            tokens_in: Tokens of the prompt.
            tokens_out: Tokens of the answer.
            cost_usd: US dollars; None where no price is known, which is not the same as free.
        """
        # The gateway chooses the names; each new one is a series that Prometheus keeps for weeks.
        if len(self._models) < MOST_MODELS:
            self._models.add(model)
        label = model if model in self._models else "other"
        self._tokens.labels(label, "in").inc(tokens_in)
        self._tokens.labels(label, "out").inc(tokens_out)
        if cost_usd is not None:
            self._cost.labels(label).inc(float(cost_usd))

    def queue_depth(self, by_state: Mapping[str, int]) -> None:
        """Set the queue's depth.

        Args:
            by_state: Number of executions in each state, counted by the caller; empty where nobody can count now, so
                that a scraper sees no figure instead of an old one.
        """
        # Cleared first: a state that nobody counted this time would keep its last figure for ever.
        self._queue.clear()
        for state, count in by_state.items():
            self._queue.labels(state).set(count)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The page a scraper reads.

        Args:
            accept: The request's ``Accept`` header; decides between the plain format and OpenMetrics.

        Returns:
            The body and its content type.
        """
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


def _process_registry() -> CollectorRegistry:
    # Not the library's global one, in which two processes' worth of metrics in one test would collide.
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
