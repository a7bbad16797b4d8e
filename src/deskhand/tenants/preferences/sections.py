"""The parts of a tenant's preferences, each a form: what may be set, in plain words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from deskhand.plugins.priorities import PRIORITIES
from deskhand.tenants.note_rules import DEFAULT_CEILING, NothingFound, PicturesGo
from deskhand.tenants.preferences.boxes import Box
from deskhand.tenants.storm_rules import DEFAULT_LEAST, DEFAULT_WINDOW
from deskhand.tenants.worth_rules import MOST_HELD_OUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One form.

    Attributes:
        key: Its address, and what it is about within the preferences.
        place: Where in a request its values stand.
    """

    key: str
    title: str
    words: str
    boxes: tuple[Box, ...]
    place: str = "enhancement_preferences"


_SEEN = "Models see them."

NOTES = Section(
    key="notes",
    title="What agents write, and when",
    words="Holds for every agent of this tenant; an agent's own outcome may ask for less.",
    boxes=(
        Box(
            path=("notes", "public_per_ticket_and_day"),
            label="Replies that a requester may get",
            help="On one ticket within a day, of all agents together. 0: agents write internal notes alone, and nothing"
            " of theirs is ever read by a requester. What is beyond the number becomes an internal note.",
            kind="number",
            usual=DEFAULT_CEILING,
        ),
        Box(
            path=("notes", "nothing_found"),
            label="A note that nothing was found",
            help="What an agent does when neither past tickets nor articles say anything about a ticket.",
            kind="choice",
            usual=NothingFound.AUTO.value,
            choices=(
                ("auto", "Say so while there is little history, then stay silent (usual)"),
                ("say", "Say so, once per ticket"),
                ("silent", "Write nothing; the run's page says so"),
            ),
        ),
        Box(
            path=("notes", "latest_event_hours"),
            label="Oldest event, in hours",
            help="Nothing is written for an event that is older, as after an outage, unless somebody asks for the run."
            " Empty: however late it is.",
            kind="number",
            usual=24,
            empty_is_null=True,
        ),
        Box(
            path=("notes", "oldest_ticket_days"),
            label="Oldest ticket, in days",
            help="Nothing is written on a ticket that was filed longer ago, unless somebody asks for the run. Empty:"
            " however old it is.",
            kind="number",
            usual=730,
            empty_is_null=True,
        ),
        Box(
            path=("notes", "read_files"),
            label="Files on tickets are read",
            help="Texts and logs, PDF, Word, and the words in pictures where the installation has a program for it.",
            kind="flag",
            usual=True,
            off="Off. Agents know the names of files alone.",
        ),
        Box(
            path=("notes", "pictures"),
            label="Pictures are shown to models that see",
            help="A picture cannot be masked: whatever is on the screen beside the error goes with it.",
            kind="choice",
            usual=PicturesGo.HOUSE.value,
            choices=(
                ("house", "Those in your own house alone (usual)"),
                ("anywhere", "Those of vendors too, unmasked"),
                ("nowhere", "None: words are read here alone"),
            ),
        ),
        Box(
            path=("notes", "picture_model"),
            label="The model that reads pictures",
            help="As an agent would name it; by naming it you say that it sees. Empty: the agent's own, where the"
            " catalogue says that it does.",
            kind="text",
        ),
        Box(
            path=("notes", "picture_connection"),
            label="That model's connection",
            help="Its short name on the page Models. Empty: the default one.",
            kind="text",
        ),
        Box(
            path=("notes", "verdict_link"),
            label="A link in each note to say whether it helped",
            help="Whoever reads a note can judge it without signing in; all of them are one voice.",
            kind="flag",
            usual=False,
            off="Off. Switched on, each new note ends in a signed link; opening it alone counts for nothing.",
        ),
        Box(
            path=("notes", "verdict_link_days"),
            label="How long such a link holds, in days",
            help="From when the run's event came.",
            kind="number",
            usual=14,
        ),
    ),
)

APPROVALS = Section(
    key="approvals",
    title="Who approves, and who is told",
    words="Which writes wait for a person is said by each agent's tools; here is how people answer.",
    boxes=(
        Box(
            path=("approvals", "four_eyes"),
            label="Four eyes",
            help="Whoever approves is a person who signed in, and neither started the run, nor wrote the agent's"
            " version, nor changed the arguments.",
            kind="flag",
            usual=False,
            off="Off. Switched on, nobody approves what they set in motion themselves, and no API key approves at all.",
        ),
        Box(
            path=("approvals", "notices", "mail"),
            label="Told by mail",
            help="Addresses of members with the role operator or tenant administrator, one a line. It needs the"
            " tenant's mail among the connections.",
            kind="lines",
            off="Nobody. With an address here, a mail with the call and a link to answer is sent.",
        ),
        Box(
            path=("approvals", "notices", "channels"),
            label="Told in a chat",
            help="One a line: the chat, slack or teams, a blank, and the channel by its name among the connections.",
            kind="channels",
            off="Nobody. With a channel here, everything that waits is posted there.",
        ),
        Box(
            path=("approvals", "notices", "gather_seconds"),
            label="Gathered for, in seconds",
            help="A call is told of after so long, with what else has come by then.",
            kind="number",
            usual=60,
        ),
        Box(
            path=("approvals", "notices", "pause_minutes"),
            label="At most one notice in, minutes",
            help="Each recipient gets one in so many minutes; the rest waits for the next.",
            kind="number",
            usual=10,
        ),
    ),
)

PRIVACY = Section(
    key="privacy",
    title="What models do not see",
    words="Before a text leaves for a model that does not run in your own house, such values are put behind"
    " placeholders. What the model answers gets the true values back, and so does every tool it calls.",
    boxes=tuple(
        Box(path=("privacy", "mask", name), label=label, help=words, kind="flag", usual=usual, off=off)
        for name, label, words, usual, off in (
            ("secret", "Secrets", "Passwords, keys and tokens of the shapes that are kept out of logs.", True, ""),
            ("card", "Card numbers", "Of the usual issuers, with a right check digit.", True, ""),
            ("iban", "Bank accounts", "IBANs with right check digits.", True, ""),
            ("mail", "Mail addresses", "A domain often tells which system or client a ticket is about.", False, _SEEN),
            ("phone", "Phone numbers", "Found by how they are written, so some are missed.", False, _SEEN),
            ("ip", "IP addresses", "A model reads networks and faults out of them.", False, _SEEN),
            (
                "name",
                "Names of people",
                "Those in the ticket's own fields: requester, assignee, authors of notes. Nobody else's.",
                False,
                _SEEN,
            ),
        )
    ),
)

REPLAY = Section(
    key="replay",
    title="The bar before an agent is on",
    words="In the replay lab, how often a version must say what people did on closed tickets before it is activated. A"
    " person may activate it all the same and says why; the audit log keeps that.",
    boxes=tuple(
        Box(
            path=("replay_bar", name),
            label=label,
            help="Percent, 1 to 100. Empty: not looked at.",
            kind="number",
            empty_is_null=True,
            off="No bar." if name == "category" else "",
        )
        for name, label in (
            ("category", "Category"),
            ("priority", "Priority"),
            ("group", "Group"),
            ("solution", "Cites the solution"),
        )
    ),
)

WORTH = Section(
    key="worth",
    title="What it was worth",
    words="The monthly report beside Costs tells what notes bring about where some tickets, drawn by lot, get none.",
    boxes=(
        Box(
            path=("worth", "hold_out_share"),
            label="Tickets without a note, of 100",
            help=f"0 to {MOST_HELD_OUT}. No model is asked about them, and their runs say why. Whoever asks for a note"
            " gets it. A ticket that was drawn once stays as it was drawn.",
            kind="number",
            usual=0,
            off="None. The report then shows figures side by side and says nothing of what brought them about.",
        ),
    ),
)

NOTIFICATIONS = Section(
    key="notifications",
    title="Who is told what happened",
    words="Of runs that failed, writes in doubt, budgets, desks that do not answer and schedules that stopped."
    " Everybody chooses more or less on the page Notifications, where it also stands what was sent.",
    boxes=(
        Box(
            path=("notifications", "mail"),
            label="Told by mail",
            help="Addresses of members, one a line. Each is told what that person's role may see.",
            kind="lines",
            off="Nobody, but those who chose to be. With an address here, that person is told of everything.",
        ),
        Box(
            path=("notifications", "channels"),
            label="Told in a chat",
            help="One a line: the chat, slack or teams, a blank, and the channel by its name among the connections.",
            kind="channels",
            off="Nobody. With a channel here, everything is posted there at once.",
        ),
        Box(
            path=("notifications", "gather_seconds"),
            label="Gathered for, in seconds",
            help="Something is told of after so long, with what else has come by then.",
            kind="number",
            usual=60,
        ),
        Box(
            path=("notifications", "pause_minutes"),
            label="At most one message in, minutes",
            help="Each recipient gets one in so many minutes; the rest waits for the next.",
            kind="number",
            usual=10,
        ),
        Box(
            path=("notifications", "repeat_minutes"),
            label="The same cause again after, minutes",
            help="What goes on going wrong is told again, with its number, after so long.",
            kind="number",
            usual=60,
        ),
        Box(
            path=("notifications", "digest_hour"),
            label="Hour of the daily digest",
            help="From 0 to 23, by the clock of the zone below.",
            kind="number",
            usual=8,
        ),
        Box(
            path=("notifications", "digest_timezone"),
            label="Time zone of the digest",
            help="Such as Europe/Berlin.",
            kind="text",
            usual="UTC",
        ),
    ),
)

PRIORITIES_OF_DESKS = Section(
    key="priorities",
    title="Priorities",
    words="Deskhand knows four priorities. Where a desk calls one otherwise than usual, say how; one mapping holds for"
    " every desk of the tenant.",
    boxes=tuple(
        Box(
            path=("priority_mapping", name),
            label=name.capitalize(),
            help="The desk's own word. Empty: the desk's stock word.",
            kind="text",
        )
        for name in PRIORITIES
    ),
)

STORMS = Section(
    key="storms",
    title="Outages",
    words="Many tickets of one client company that report the same within a short time get one note and not one each,"
    " and are listed under Outages.",
    boxes=(
        Box(
            path=("storms", "on"),
            label="Recognise outages",
            help="The first tickets of one get their notes, for nobody can know yet; later ones are counted.",
            kind="flag",
            usual=True,
            off="Off. Each ticket of an outage gets its own note.",
        ),
        Box(
            path=("storms", "least"),
            label="Tickets that make an outage",
            help="Of as many requesters, and more than twice what is usual for their kind. Twice as many on a desk that"
            " has been known for less than a week.",
            kind="number",
            usual=DEFAULT_LEAST,
        ),
        Box(
            path=("storms", "window_minutes"),
            label="Within so many minutes",
            help="After as long without another ticket the outage is over.",
            kind="number",
            usual=DEFAULT_WINDOW,
        ),
        Box(
            path=("storms", "tell"),
            label="Told by mail",
            help="Addresses of members, one a line: told of each outage once, beside whoever is told of everything.",
            kind="lines",
        ),
    ),
)

SECTIONS = {
    one.key: one for one in (NOTES, STORMS, PRIVACY, APPROVALS, NOTIFICATIONS, REPLAY, WORTH, PRIORITIES_OF_DESKS)
}

COMPANIES = "companies"
"""The key of the form about client companies, which has a box for each desk."""


def company_section(desks: dict[str, str]) -> Section:
    """The form about client companies.

    Args:
        desks: Tool types that get a box, and their names; ``*`` is every other one.
    """
    choices = (
        ("", "Not said: one company, until the desk names the first (usual)"),
        ("company", "Several: what belongs to one is kept from the others"),
        ("one", "One: everything it has belongs together"),
    )
    boxes = tuple(
        Box(path=(tool_type,), label=name, help="", kind="choice", choices=choices) for tool_type, name in desks.items()
    )
    return Section(
        key=COMPANIES,
        title="Client companies",
        words="Whether a desk serves one company or several. Where it serves several, a run for one never sees a past"
        " ticket, article or system of another.",
        boxes=boxes,
        place="company_mapping",
    )
