"""Whether a sentence a model wrote may be shown: what it claims, whether it instructs, what it is about (pure).

Deliberately simple, so that what it refuses can be explained: shared words, exact names and numbers, and a list of
forbidden claims. Whether a step stands on the source it cites is ``notes.support``.

Tickets are written by strangers and repeated by models, so everything here takes time linear in the text: patterns have
bounded repeats, and words are looked up in sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"[^\W\d_]{2,}(?:['’][^\W\d_]+)?", re.UNICODE)
# Anything a reader would look up or type: links, mail addresses, paths, hosts, ids, versions, numbers.
_LINK = re.compile(r"(?i)\b(?:https?://|www\.)\S+|\b[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,200}|\\\\[\w$.\\-]+")
_TOKEN = re.compile(r"[^\s,;()\"“”„‘’<>]+")
_HOST = re.compile(r"[\w-]+(?:\.[\w-]+)+")  # mail.example.com, setup.exe
_CAPITALS = re.compile(r"[A-Z]{2,}(?:-\w+)+|[A-Z]{3,}")  # FS-Finance-RW, RAM, DNS, SAP
_DONE = re.compile(
    r"(?i)\b(?:(?:has|have|had|was|were|is|are|got)(?:\s+(?:now|been|already|successfully|also))*\s+"
    r"(?:resolved|fixed|solved|completed|restored|closed|repaired|working again|rectified|addressed|corrected)"
    r"|(?:issue|problem|ticket|incident|request)\s+(?:resolved|fixed|solved|closed)"
    r"|(?:is|are)\s+(?:now\s+)?working|works\s+(?:now|again)|no\s+abuse\s+found|(?:we|i)\s+(?:have|fixed|reset|did))\b"
)
_SMALL = (
    "a about after again all also an and any are as at be because been before being but by can could did do does"
    " for from had has have he her him his how if in into is it its just let make may might more must my need no"
    " not of off on once one only or other our out over own per please same she should so some such than that the"
    " their them then there these they this those through to too under until up upon us use used user users using"
    " via was we were what when where which while who why will with within without would you your team person"
    " problem problems issue issues ticket new them possible available appropriate necessary required relevant"
    " cannot due needs needed wants asks unable getting able like"
    " correct correctly proper properly still try see sure steps step follow following"
)
# What any instruction may begin with or say; says nothing about what it stands on.
_PLAIN = (
    "ask check confirm contact consider continue ensure escalate explain find get give help identify inform"
    " investigate keep look note notify obtain open provide report request review run set show start stop tell"
    " test verify wait whether according past solution solved similar works working"
)
_SMALL_WORDS = frozenset(_SMALL.split())
_PLAIN_VERBS = frozenset(_PLAIN.split())
_PAST_VERB = re.compile(r"\w{2,}ed|ran|was|were|had|did|found|made|gave|sent|took|went")
_NOT_PAST = frozenset({"need", "embed", "proceed", "speed", "feed", "red", "shed"})
_PAST = re.compile(r"(?i)\b(?:did|was|were|ran|has been|have been|had been)\b")
_COMMAND_VERBS = (
    "accept activate add adjust advise allow apply approve archive arrange ask assign assist attach block book"
    " call cancel change check choose clean clear clone close collect compare complete configure confirm connect"
    " consult contact continue convert copy correct create deactivate delete deliver deploy determine disable"
    " disconnect document download empty enable encourage enroll enrol ensure enter erase escalate establish"
    " examine expand explain export extend find fix flush follow force free gather get give go grant guide hand"
    " have help identify import inform increase inspect install investigate isolate issue join keep let link"
    " locate lock log look make map mark measure meet monitor mount move notify observe obtain offer open order"
    " pair perform ping place plug point power prepare press prevent print propose provide purge put quarantine re"
    " read reboot rebuild recheck reclaim reconfigure reconnect record recreate reduce refresh register reimage"
    " reinstall reject release remap remind remove rename renew repair replace report request reregister reseat"
    " reset resend resolve restart restore retry return review revoke roll rotate run save scan schedule search"
    " see select send set share show shut sign start stop suggest swap switch sync synchronise synchronize take"
    " tell test transfer try turn undo uninstall unlock unmount unplug update upgrade upload use validate verify"
    " view visit wait walk warn write"
)
_COMMANDS = frozenset(_COMMAND_VERBS.split())
_LEAD_IN_WORDS = "if when once after before then first next in on for as at from with to do never always also"
_LEAD_INS = frozenset(_LEAD_IN_WORDS.split())
_OTHER_LANGUAGE = re.compile(
    r"(?i)[^\W\d_a-z]|\b(?:der|die|das|und|ist|nicht|sie|el|la|los|las|y|en|un|une|le|les|des|du|et|il|per|di|che|och|att)\b"
)
_SUBJECT_WORDS = "employee employees someone somebody customer colleague caller several request people laptop computer"
_SUBJECTS = frozenset(_SUBJECT_WORDS.split())
_COMMON_CAPS = frozenset({"AND", "ASK", "FOR", "NOT", "THE", "USE", "YES"})
_STEM = 5
_READ = 20_000
"""Characters of a ticket that are read for what it claims."""


def words(text: str) -> list[str]:
    """The words of a text that say what it is about, in lower case."""
    return [
        low
        for low in (match.group().lower().replace("’", "'").removesuffix("'s") for match in _WORD.finditer(text))
        if low not in _SMALL_WORDS and len(low) > 2
    ]


def stems(text: str) -> frozenset[str]:
    """The same, cut to their first five letters, which lets "reset" meet "resetting" in any language."""
    return frozenset(word[:_STEM] for word in words(text))


def telling(text: str) -> list[str]:
    """Stems of a sentence that must stand on something: without small words and plain verbs of instruction."""
    return [word[:_STEM] for word in words(text) if word not in _PLAIN_VERBS]


def share_in(sentence: str, *texts: str) -> float:
    """How much of a sentence's telling words occur in the texts, 0 to 1; a sentence without any has 0."""
    telling_words = telling(sentence)
    if not telling_words:
        return 0.0
    known = frozenset().union(*(stems(text) for text in texts))
    return sum(stem in known for stem in telling_words) / len(telling_words)


def names(text: str) -> list[str]:
    """Ids, versions, hosts, codes and numbers in a text: what must never be invented."""
    without_links = _LINK.sub(" ", text)
    tokens = (match.group().strip(".,:;!?'*`-/") for match in _TOKEN.finditer(without_links))
    return [name for name in tokens if name not in _COMMON_CAPS and _is_name(name)]


def _is_name(token: str) -> bool:
    """809, 4.10.08, srv-ad01, Z_AP_CLERK, mail.example.com, SAP: what means one thing and no other."""
    if any(letter.isdigit() for letter in token) or "_" in token.strip("_"):
        return True
    return _HOST.fullmatch(token) is not None or _CAPITALS.fullmatch(token) is not None


def links(text: str) -> list[str]:
    """Links, mail addresses and network paths in a text."""
    return [match.group().rstrip(".,;:)]}\"'") for match in _LINK.finditer(text)]


def invented(sentence: str, *, facts: Iterable[str], link_facts: Iterable[str]) -> list[str]:
    """Names and links of a sentence that occur nowhere they may come from.

    Args:
        sentence: What the model wrote.
        facts: Texts that names and numbers may come from.
        link_facts: Texts that links and addresses may come from; not the ticket, whose author is a stranger.
    """
    known = "\n".join(facts).lower()
    known_links = "\n".join(link_facts).lower()
    missing = [link for link in links(sentence) if link.lower() not in known_links]
    missing.extend(name for name in names(sentence) if not _occurs(name.lower(), known))
    return missing


def _occurs(name: str, known: str) -> bool:
    # Whole, not as a part: "10" must not pass because "4.10.08" is known.
    return re.search(rf"(?<![\w.]){re.escape(name)}(?!\w|\.\d)", known) is not None


def claims_done(sentence: str) -> bool:
    """Whether a sentence says that something was done or is solved, which no draft can know."""
    return _DONE.search(" ".join(sentence[:_READ].split())) is not None


def tells_past(sentence: str) -> bool:
    """Whether a sentence reports a past action ("Updated the driver") instead of instructing."""
    clauses = (clause.strip() for clause in re.split(r"[;.]\s|\sand then\s", sentence))
    return any(_reports(clause) for clause in clauses if clause)


def _reports(clause: str) -> bool:
    clause_words = [word.lower() for word in _WORD.findall(clause)]
    if not clause_words:
        return False
    if _PAST_VERB.fullmatch(clause_words[0]) and clause_words[0] not in _NOT_PAST:
        return True
    # "Check whether the disk was replaced" instructs; "The disk was replaced" reports.
    asks = {"if", "whether", "that", "which", "when", "who", "how", "where"} & set(clause_words)
    return not asks and _PAST.search(clause) is not None


def is_command(sentence: str) -> bool:
    """Whether a sentence tells somebody to do something; of other languages than English this is not asked.

    A command begins with a verb, or with a condition or a label before it: "If ..., reset", "Locked: unlock".
    """
    if _OTHER_LANGUAGE.search(sentence):
        return True
    after_label = sentence.split(": ", 1)[1] if re.match(r"[^:.]{1,60}: ", sentence) else ""
    starts = (next(iter(_WORD.findall(part)), "").lower() for part in (sentence, after_label))
    return any(start in _COMMANDS or start in _LEAD_INS for start in starts)


def begins_with_verb(text: str) -> bool:
    """Whether a text begins with the verb of a command."""
    return next(iter(_WORD.findall(text[:80])), "").lower() in _COMMANDS


def same_words(one: str, other: str) -> bool:
    """Whether two sentences say the same in nearly the same words."""
    return bool(telling(one)) and share_in(one, other) >= 0.9 and share_in(other, one) >= 0.8


def speaks_as_user(sentence: str) -> bool:
    """Whether a summary copies the user's own voice."""
    return re.search(r"\b(?:I|I'm|I’m|[Mm]y|[Mm]e|[Ww]e|[Oo]ur|[Uu]s)\b", sentence) is not None


def proper_names(sentence: str, *, known: str, first: bool = False) -> list[str]:
    """Capitalised words of a sentence that a text does not have: people and places of elsewhere.

    Args:
        sentence: What the model wrote.
        known: Where such words may come from.
        first: Whether the first word counts as well, which a command begins with in any case.
    """
    have = {word.lower() for word in _WORD.findall(known)}
    capitalised = [match.group() for match in re.finditer(r"(?<=[\w,;:] )[A-Z][a-z]{2,}\b", sentence)]
    if first:
        capitalised = [*re.findall(r"^[A-Z][a-z]{2,}\b", sentence), *capitalised]
        have |= _SMALL_WORDS | _SUBJECTS
    return [name for name in capitalised if name.lower() not in have]
