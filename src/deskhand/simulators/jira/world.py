"""The simulated site's fixed facts: workflow, fields, priorities, and how people and times are spelt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from deskhand.simulators.base import SimPerson

CATEGORIES = {
    "new": {"id": 2, "key": "new", "colorName": "blue-gray", "name": "To Do"},
    "indeterminate": {"id": 4, "key": "indeterminate", "colorName": "yellow", "name": "In Progress"},
    "done": {"id": 3, "key": "done", "colorName": "green", "name": "Done"},
}
STATUSES = {
    "Waiting for support": ("10000", "new"),
    "In progress": ("3", "indeterminate"),
    "Waiting for customer": ("10001", "indeterminate"),
    "Escalated": ("10002", "indeterminate"),
    "Resolved": ("5", "done"),
    "Closed": ("6", "done"),
    "Canceled": ("10003", "done"),
}
PRIORITIES = ("Highest", "High", "Medium", "Low", "Lowest")
RESOLUTIONS = {"Done": "10000", "Won't Do": "10001", "Duplicate": "10002", "Cannot Reproduce": "10003"}
GROUPS = ("Service Desk", "Network", "Hardware", "Applications", "Identity")
COMPONENTS = ("Network", "Hardware", "Software", "Email", "Access", "Printing", "Telephony")
# Jira has no field for a support group: sites add one, each under a number of its own.
GROUP_FIELD = "customfield_10200"
WORKAROUND_FIELD = "customfield_10201"
HOST_FIELD = "customfield_10202"
ORGANIZATION_FIELD = "customfield_10002"
ORGANIZATIONS = {"Nordwind": "1", "Suedwerk": "2"}
LINK_TYPES = {
    "10001": ("Relates", "relates to", "relates to"),
    "10002": ("Duplicate", "is duplicated by", "duplicates"),
    "10003": ("Blocks", "is blocked by", "blocks"),
    "10004": ("Problem/Incident", "is caused by", "causes"),
    "10005": ("Cloners", "is cloned by", "clones"),
}
"""Id to name, and how it reads from either end."""
REQUEST_TYPE_FIELD = "customfield_10010"
ISSUE_TYPE = {"id": "10100", "name": "[System] Incident", "subtask": False, "hierarchyLevel": 0}
SUBTASK_TYPE = {"id": "10101", "name": "Sub-task", "subtask": True, "hierarchyLevel": -1}
PROJECT_ID = "10001"
SERVICE_DESK_ID = "1"
REQUEST_TYPE = {"id": "17", "name": "Report a system problem", "description": "Something does not work."}
_DESK = "com.atlassian.servicedesk"
CUSTOM_TYPES = "com.atlassian.jira.plugin.system.customfieldtypes"


@dataclass(frozen=True, slots=True)
class Move:
    """A transition; ``screen`` ones ask for a resolution."""

    id: str
    name: str
    to: str
    screen: bool = False


_START = Move("11", "Start work", "In progress")
_ASK = Move("21", "Respond to customer", "Waiting for customer")
_ESCALATE = Move("31", "Escalate", "Escalated")
# Numbers as real sites have them, without any order: a client must not count on them.
_RESOLVE = Move("761", "Resolve this issue", "Resolved", screen=True)
_CANCEL = Move("901", "Cancel request", "Canceled", screen=True)
_CLOSE = Move("2", "Close", "Closed")
_REOPEN = Move("71", "Back to support", "Waiting for support")
WORKFLOW = {
    "Waiting for support": (_START, _ASK, _ESCALATE, _RESOLVE, _CANCEL),
    "In progress": (_REOPEN, _ASK, _ESCALATE, _RESOLVE, _CANCEL),
    "Waiting for customer": (_REOPEN, _START, _RESOLVE, _CANCEL),
    # Not every status leads everywhere, so that a client has to ask which moves there are.
    "Escalated": (_REOPEN, _START, _RESOLVE),
    "Resolved": (_REOPEN, _CLOSE),
    "Closed": (_REOPEN,),
    "Canceled": (_REOPEN,),
}


def schema(kind: str, *, system: str | None = None, custom: str | None = None, items: str | None = None) -> Any:
    """A field's type as ``/field`` and ``editmeta`` describe it."""
    described: dict[str, Any] = {"type": kind}
    if items:
        described["items"] = items
    if system:
        described["system"] = system
    if custom:
        described["custom"] = f"{CUSTOM_TYPES}:{custom}"
    return described


FIELDS: dict[str, tuple[str, Any]] = {
    "summary": ("Summary", schema("string", system="summary")),
    "description": ("Description", schema("string", system="description")),
    "status": ("Status", schema("status", system="status")),
    "priority": ("Priority", schema("priority", system="priority")),
    "issuetype": ("Work type", schema("issuetype", system="issuetype")),
    "project": ("Space", schema("project", system="project")),
    "reporter": ("Reporter", schema("user", system="reporter")),
    "assignee": ("Assignee", schema("user", system="assignee")),
    "labels": ("Labels", schema("array", system="labels", items="string")),
    "components": ("Components", schema("array", system="components", items="component")),
    "created": ("Created", schema("datetime", system="created")),
    "updated": ("Updated", schema("datetime", system="updated")),
    "resolution": ("Resolution", schema("resolution", system="resolution")),
    "resolutiondate": ("Resolved", schema("datetime", system="resolutiondate")),
    "statuscategorychangedate": ("Status Category Changed", schema("datetime", system="statuscategorychangedate")),
    "comment": ("Comment", schema("comments-page", system="comment")),
    REQUEST_TYPE_FIELD: (
        "Request Type",
        {"type": "sd-customerrequesttype", "custom": "com.atlassian.servicedesk:vp-origin"},
    ),
    "issuelinks": ("Linked work items", schema("array", system="issuelinks", items="issuelinks")),
    ORGANIZATION_FIELD: (
        "Organizations",
        {
            "type": "array",
            "items": "sd-customerorganization",
            "custom": "com.atlassian.servicedesk:sd-customer-organizations",
        },
    ),
    GROUP_FIELD: ("Support group", schema("option", custom="select")),
    WORKAROUND_FIELD: ("Workaround", schema("string", custom="textarea")),
    HOST_FIELD: ("Affected host", schema("string", custom="textfield")),
}
EDITABLE = ("summary", "description", "priority", "reporter", "assignee", "labels", "components", "comment")
ON_SCREEN = (*EDITABLE, ORGANIZATION_FIELD, GROUP_FIELD, WORKAROUND_FIELD, HOST_FIELD)
TEXT_FIELDS = {"description", WORKAROUND_FIELD}


def is_done(status: str) -> bool:
    """True for the statuses that end the work."""
    return STATUSES.get(status, ("", "new"))[1] == "done"


def account_id(person: SimPerson) -> str:
    """A person's accountId."""
    return "5b10a2844c20165700ed" + person.id.zfill(4)


def iso(moment: datetime | None) -> str | None:
    """A time as Jira writes it: milliseconds, offset without a colon."""
    if moment is None:
        return None
    # Without the colon that ISO 8601 has in the offset: parsers that insist on it fail on the real site, too.
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def jsm_date(moment: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """A time as servicedeskapi writes it."""
    local = moment.astimezone(zone)
    return {
        "iso8601": local.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "jira": iso(moment),
        "friendly": local.strftime("%d/%b/%y %I:%M %p"),
        "epochMillis": round(moment.timestamp() * 1000),
    }


def status_json(base: str, name: str) -> dict[str, Any]:
    """A status with its category."""
    number, category = STATUSES[name]
    link = f"{base}/rest/api/3/statuscategory/{CATEGORIES[category]['id']}"
    return {
        "self": f"{base}/rest/api/3/status/{number}",
        "description": "",
        "iconUrl": f"{base}/images/icons/statuses/generic.png",
        "name": name,
        "id": number,
        "statusCategory": {"self": link, **CATEGORIES[category]},
    }


def priority_json(base: str, name: str) -> dict[str, Any]:
    number = str(PRIORITIES.index(name) + 1)
    icon = f"{base}/images/icons/priorities/{name.lower()}.svg"
    return {"self": f"{base}/rest/api/3/priority/{number}", "iconUrl": icon, "name": name, "id": number}


def component_json(base: str, name: str) -> dict[str, Any]:
    number = str(10_300 + COMPONENTS.index(name)) if name in COMPONENTS else "10399"
    return {"self": f"{base}/rest/api/3/component/{number}", "id": number, "name": name}


def option_json(base: str, name: str) -> dict[str, Any]:
    """An option of the support-group field."""
    number = str(10_400 + GROUPS.index(name)) if name in GROUPS else "10499"
    return {"self": f"{base}/rest/api/3/customFieldOption/{number}", "value": name, "id": number}


def organization_json(base: str, name: str) -> dict[str, Any]:
    """A customer organisation."""
    link = f"{base}/rest/servicedeskapi/organization/{ORGANIZATIONS[name]}"
    return {"id": ORGANIZATIONS[name], "name": name, "_links": {"self": link}, "scimManaged": False}


def link_type_json(base: str, number: str) -> dict[str, Any]:
    """A type of link between issues."""
    name, inward, outward = LINK_TYPES[number]
    link = f"{base}/rest/api/3/issueLinkType/{number}"
    return {"id": number, "name": name, "inward": inward, "outward": outward, "self": link}


def resolution_json(base: str, name: str) -> dict[str, Any]:
    number = RESOLUTIONS.get(name, "10099")
    return {"self": f"{base}/rest/api/3/resolution/{number}", "id": number, "name": name, "description": ""}


def person_json(base: str, person: SimPerson) -> dict[str, Any]:
    """Somebody, as the platform writes it."""
    account = account_id(person)
    return {
        "self": f"{base}/rest/api/3/user?accountId={account}",
        "accountId": account,
        "accountType": "atlassian" if person.is_agent else "customer",
        "emailAddress": person.email,
        "displayName": person.name,
        "active": True,
        "timeZone": "Europe/Berlin",
    }


def project_json(base: str, key: str) -> dict[str, Any]:
    """The service project."""
    return {
        "self": f"{base}/rest/api/3/project/{PROJECT_ID}",
        "id": PROJECT_ID,
        "key": key,
        "name": "IT help",
        "projectTypeKey": "service_desk",
        "simplified": False,
    }
