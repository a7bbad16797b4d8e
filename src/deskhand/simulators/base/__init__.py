"""Kit for desk simulators: real HTTP servers that keep tickets and speak a vendor's wire format.

A desk's simulator subclasses ``DeskSimulator`` and writes only what is the vendor's own: routes,
error bodies, webhook bodies. State, clock, faults, webhook delivery, effect counters, control
endpoints (``/_sim/...``) and the web page come from here. Simulators serve demos, tests and
training; nothing stands between a plugin and the socket.

Control endpoints (JSON):

====================================  ==========================================================
``GET /_sim``                         what this simulator is, its clock and counts
``POST /_sim/reset``                  empty state, no faults, real clock (webhook target is kept)
``POST /_sim/clock``                  ``{"now": ISO time}`` freezes, ``{"advance": seconds}`` moves, ``{}`` lets it run
``POST /_sim/faults``                 a ``Fault``: fail, slow down or cut off the next calls
``GET|DELETE /_sim/faults``           faults in force; remove them all
``POST /_sim/index-lag``              ``{"seconds": n}`` before search sees a write
``POST /_sim/expire-tokens``          every access token handed out so far stops working
``GET /_sim/effects[/{ticket}]``      counts of notes and updates that took effect, and marks seen in them
``GET /_sim/calls``                   vendor calls answered, oldest first
``PUT /_sim/webhooks``                a ``WebhookTarget``: where to send events, and how badly
``GET /_sim/webhooks``                target and every delivery with its attempts
``POST /_sim/webhooks/flush``         send what out-of-order mode holds back, newest first
``GET|POST /_sim/tickets``            list; create as a requester would
``GET|PATCH /_sim/tickets/{id}``      one with its notes; change as a technician would
``POST /_sim/tickets/{id}/notes``     add a note as a person would
====================================  ==========================================================
"""

from deskhand.simulators.base.app import DeskSimulator
from deskhand.simulators.base.faults import Fault
from deskhand.simulators.base.proxy import FaultyProxy
from deskhand.simulators.base.server import RunningServer, run_in_process, serve
from deskhand.simulators.base.state import SimClock, SimNote, SimPerson, SimTicket, TicketStore
from deskhand.simulators.base.webhooks import OutboundEvent, WebhookTarget

__all__ = [
    "DeskSimulator",
    "Fault",
    "FaultyProxy",
    "OutboundEvent",
    "RunningServer",
    "SimClock",
    "SimNote",
    "SimPerson",
    "SimTicket",
    "TicketStore",
    "WebhookTarget",
    "run_in_process",
    "serve",
]
