"""Detector for Roundup: tells Deskhand about issues, and keeps internal messages out of the mail.

One webhook for each change, signed as standardwebhooks.com says, sent when the change is committed. Address and
secret are read from the section [deskhand] of detectors/config.ini. While Deskhand is away or busy (no answer, 429,
5xx) a delivery is repeated with the same id for about ten minutes, or as Retry-After says; what is not taken then is
logged and lost, as is what is still undelivered when the process is killed.
"""

import base64
import hashlib
import hmac
import http.client
import json
import logging
import threading
import time
import urllib.error
import urllib.request
import uuid

LOG = logging.getLogger("deskhand")
PAUSES = (0, 2, 10, 30, 60, 120, 180, 240)  # seconds before each try
LONGEST_PAUSE = 600
LONGEST_TITLE = 500  # Deskhand reads the rest from the issue


def sign(secret, body, message_id, timestamp):
    """Headers that prove where a delivery comes from."""
    encoded = secret[6:] if secret.startswith("whsec_") else None
    key = secret.encode() if encoded is None else base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    signed = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": "v1," + signature}


def post(url, secret, message_id, body):
    """One attempt: the HTTP status (0 if Deskhand could not be reached), and the seconds it asks to wait."""
    headers = {"Content-Type": "application/json", **sign(secret, body, message_id, int(time.time()))}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - set by the tracker's administrator
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, 0
    except urllib.error.HTTPError as error:
        wait = error.headers.get("Retry-After", "")
        return error.code, int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 7 else 0
    except (OSError, http.client.HTTPException):
        return 0, 0


def send(url, secret, events, sleep=time.sleep):
    """Deliver what one commit changed, in order."""
    for event in events:
        body, message_id = json.dumps(event).encode(), "msg_" + uuid.uuid4().hex
        status = wait = 0
        for pause in PAUSES:
            sleep(min(max(pause, wait), LONGEST_PAUSE))
            status, wait = post(url, secret, message_id, body)
            if status and status < 500 and status not in (408, 425, 429):
                break
        if not 200 <= status < 300:
            LOG.error("Deskhand did not take webhook %s about issue %s: %s", message_id, event["issue"]["id"], status)


def name(db, cl, nodeid, prop):
    """Label of what a link points to."""
    value = cl.get(nodeid, prop) if prop in cl.getprops() else None
    return db.getclass(prop).get(value, "name") if value else None


def describe(db, cl, nodeid, kind, old):
    """The event, as the change leaves the issue."""
    old = old or {}
    actor = db.getuid()
    fresh = [item for item in cl.get(nodeid, "messages") if item not in (old.get("messages") or ())]
    if kind == "updated" and "messages" in old and fresh:
        kind = "message_added"
    return {
        "event": "issue." + kind,
        "issue": {
            "id": nodeid,
            "title": cl.get(nodeid, "title")[:LONGEST_TITLE],
            "status": name(db, cl, nodeid, "status"),
            "priority": name(db, cl, nodeid, "priority"),
            "activity": str(cl.get(nodeid, "activity")),
        },
        "changed": sorted(old),
        "messages": [{"id": item, "messageid": db.msg.get(item, "messageid")} for item in fresh],
        "actor": {"id": actor, "username": db.user.get(actor, "username"), "address": db.user.get(actor, "address")},
    }


def reactor(kind):
    """A reactor runs before the commit, so it only notes down what to send."""

    def react(db, cl, nodeid, oldvalues):
        db.deskhand_events.append(describe(db, cl, nodeid, kind, oldvalues))

    return react


def after_commit(db, url, secret):
    """Send on commit, forget on rollback."""
    db.deskhand_events = []
    commit, rollback = db.commit, db.rollback

    def commit_and_send(*args, **kwargs):
        commit(*args, **kwargs)
        events, db.deskhand_events[:] = list(db.deskhand_events), []
        if events:
            # Not a daemon: the mail gateway is a short process, and it waits for this thread.
            threading.Thread(target=send, args=(url, secret, events)).start()

    def rollback_and_forget(*args, **kwargs):
        db.deskhand_events.clear()
        rollback(*args, **kwargs)

    db.commit, db.rollback = commit_and_send, rollback_and_forget


def keep_internal(db):
    """Mail only what the requester may read."""
    mail = db.issue.nosymessage

    def nosymessage(issueid, msgid, *args, **kwargs):
        public = db.msg.get(msgid, "public") if msgid else None
        if public is None or public:  # false comes as 0 from some databases
            mail(issueid, msgid, *args, **kwargs)

    db.issue.nosymessage = nosymessage


def init(db):
    """Called by Roundup each time it opens the tracker."""
    after_commit(db, db.config.detectors["DESKHAND_URL"], db.config.detectors["DESKHAND_SECRET"])
    keep_internal(db)
    for action, kind in (("create", "created"), ("set", "updated"), ("retire", "retired"), ("restore", "restored")):
        db.issue.react(action, reactor(kind))
