"""What a stock instance has: columns of an incident, choices, groups. Names and labels as in real Table API records."""

from __future__ import annotations

PRIORITIES = ("1 - Critical", "2 - High", "3 - Moderate", "4 - Low", "5 - Planning")
_LEVELS = (("1", "1 - High"), ("2", "2 - Medium"), ("3", "3 - Low"))
_STATES = (("1", "New"), ("2", "In Progress"), ("3", "On Hold"), ("6", "Resolved"), ("7", "Closed"), ("8", "Canceled"))
_CODES = (
    *("Duplicate", "Known error", "No resolution provided", "Resolved by caller", "Resolved by change"),
    *("Resolved by problem", "Resolved by request", "Solution provided", "User error", "Workaround provided"),
)
# (table that owns the choices, element) to (value, label); what `task` owns, `incident` inherits.
CHOICES: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("incident", "state"): _STATES,
    ("incident", "incident_state"): _STATES,
    ("task", "state"): (("-5", "Pending"), ("1", "Open"), ("2", "Work in Progress"), ("3", "Closed Complete")),
    ("task", "priority"): tuple((str(number), label) for number, label in enumerate(PRIORITIES, 1)),
    ("task", "impact"): _LEVELS,
    ("task", "urgency"): _LEVELS,
    ("incident", "severity"): _LEVELS,
    ("incident", "close_code"): tuple((code, code) for code in _CODES),
    ("incident", "category"): (
        *(("inquiry", "Inquiry / Help"), ("software", "Software"), ("hardware", "Hardware"), ("network", "Network")),
        ("database", "Database"),
    ),
    ("incident", "hold_reason"): (
        *(("1", "Awaiting Caller"), ("5", "Awaiting Change"), ("3", "Awaiting Problem"), ("4", "Awaiting Vendor")),
    ),
    ("task", "contact_type"): (
        *(("phone", "Phone"), ("email", "Email"), ("chat", "Chat"), ("self-service", "Self-service")),
        *(("virtual_agent", "Virtual Agent"), ("walk-in", "Walk-in")),
    ),
    ("incident", "notify"): (("1", "Do Not Notify"),),
    ("task", "escalation"): (("0", "Normal"), ("1", "Moderate"), ("2", "High"), ("3", "Overdue")),
    ("task", "approval"): (("not requested", "Not Yet Requested"),),
    ("task", "upon_approval"): (("proceed", "Proceed to Next Task"),),
    ("task", "upon_reject"): (("cancel", "Cancel all future Tasks"),),
}
COMPANIES = ("Nordwind", "Suedwerk")
GROUPS = ("Service Desk", "Network", "Hardware", "Software", "Database", "Openspace")
REFERENCES = {
    **dict.fromkeys(("assigned_to", "caller_id", "opened_by", "closed_by", "resolved_by", "reopened_by"), "sys_user"),
    **{"assignment_group": "sys_user_group", "sys_domain": "sys_user_group", "company": "core_company"},
    **{
        "location": "cmn_location",
        "cmdb_ci": "cmdb_ci",
        "business_service": "cmdb_ci_service",
        "rfc": "change_request",
    },
    **{"problem_id": "problem", "parent": "task", "parent_incident": "incident", "caused_by": "change_request"},
    **{"contract": "ast_contract", "service_offering": "service_offering", "universal_request": "universal_request"},
}
INCIDENT_OWN = {
    *("business_impact", "business_stc", "calendar_stc", "caller_id", "category", "cause", "caused_by"),
    *("child_incidents", "close_code", "hold_reason", "incident_state", "notify", "origin_id", "origin_table"),
    *("parent_incident", "problem_id", "reopen_count", "reopened_by", "reopened_time", "resolved_at", "resolved_by"),
    *("rfc", "severity", "subcategory"),
}
COLUMNS = (
    *("active", "activity_due", "additional_assignee_list", "approval", "approval_history", "approval_set"),
    *("assigned_to", "assignment_group", "business_duration", "business_impact", "business_service", "business_stc"),
    *("calendar_duration", "calendar_stc", "caller_id", "category", "cause", "caused_by", "child_incidents"),
    *("close_code", "close_notes", "closed_at", "closed_by", "cmdb_ci", "comments", "comments_and_work_notes"),
    *("company", "contact_type", "contract", "correlation_display", "correlation_id", "delivery_plan"),
    *("delivery_task", "description", "due_date", "escalation", "expected_start", "follow_up", "group_list"),
    *("hold_reason", "impact", "incident_state", "knowledge", "location", "made_sla", "notify", "number"),
    *("opened_at", "opened_by", "order", "origin_id", "origin_table", "parent", "parent_incident", "priority"),
    *("problem_id", "reassignment_count", "reopen_count", "reopened_by", "reopened_time", "resolved_at"),
    *("resolved_by", "rfc", "route_reason", "service_offering", "severity", "short_description", "sla_due"),
    *("state", "subcategory", "sys_class_name", "sys_created_by", "sys_created_on", "sys_domain"),
    *("sys_domain_path", "sys_id", "sys_mod_count", "sys_tags", "sys_updated_by", "sys_updated_on"),
    *("task_effective_number", "time_worked", "universal_request", "upon_approval", "upon_reject", "urgency"),
    *("user_input", "watch_list", "work_end", "work_notes", "work_notes_list", "work_start"),
)
READ_ONLY = {
    *("active", "closed_at", "incident_state", "number", "opened_at", "resolved_at", "resolved_by", "closed_by"),
    *(name for name in COLUMNS if name.startswith("sys_")),
}
TIMES = {name for name in COLUMNS if name.endswith(("_at", "_on"))} | {"due_date", "follow_up", "reopened_time"}
MAX_LENGTH = {"short_description": 160, "description": 4000, "close_notes": 4000}


def choices_of(element: str) -> tuple[tuple[str, str], ...]:
    """Choices of a field of an incident; its own before inherited ones."""
    return CHOICES.get(("incident", element)) or CHOICES.get(("task", element)) or ()


def internal_type(name: str) -> str:
    """The dictionary's type of a column."""
    if name in REFERENCES:
        return "reference"
    if name in TIMES:
        return "glide_date_time"
    if name in {"comments", "work_notes"}:
        return "journal_input"
    return "integer" if name in {"state", "priority", "impact", "urgency", "sys_mod_count"} else "string"
