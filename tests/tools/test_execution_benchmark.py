"""The execution benchmark sends what the product accepts, and its verdicts follow from its readings."""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks.engine.load import Target, signed_request
from benchmarks.engine.measures import Ran
from benchmarks.engine.report import OURS, THEIRS, Figures, aims, table

from deskhand.intake.verification import verify_delivery
from deskhand.plugins.contract import TicketEvent, WebhookRequest
from deskhand.plugins.servicedesk_plus.plugin import ServiceDeskPlusPlugin

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_a_prepared_request_is_signed_and_read_as_an_event() -> None:
    now = datetime.now(UTC)
    raw = signed_request(Target("t", "a", SECRET), "1234", now=now, delivery_id="msg_1")
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    request = WebhookRequest(headers={n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}, body=body)

    assert first == "POST /agents/a/webhook HTTP/1.1"
    assert request.headers["content-length"] == str(len(body))
    assert verify_delivery(request, secrets=[SECRET], plugins=(), now=now).delivery_id == "msg_1"
    event = ServiceDeskPlusPlugin.extract_metadata(request)
    assert isinstance(event, TicketEvent)
    assert event.ticket.ticket_id == "1234"


def test_an_aim_is_met_by_the_median_and_missed_openly() -> None:
    figures = Figures()
    for rate in (900.0, 600.0, 610.0):
        figures.add_ran(OURS, "runs", Ran(rate, 200, 1.0, 2.0, 0.0))
    for rate in (300.0, 301.0, 299.0):
        figures.add_ran(THEIRS, "runs", Ran(rate, 30, 1.5, 1.0, 0.0))

    runs, cpu = aims(figures)

    assert runs.met
    assert (round(runs.reached, 2), str(runs)[:9]) == (2.03, "  met    ")
    assert not cpu.met
    assert (cpu.reached, str(cpu)[:9]) == (1.2, "  NOT MET")
    assert any("610 [600–900]" in line and "300 [299–301]" in line for line in table(figures, (8, 32), (1, 8)))
