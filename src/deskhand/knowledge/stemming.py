"""The words of a query as PostgreSQL's stemmers have them. Private to the feature; runs inside a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.knowledge.languages import ENGLISH, LISTED, language_of, root_of, words_of

_STEMS = text(
    "SELECT tsvector_to_array(to_tsvector('english', CAST(:subject AS text))) AS subject,"
    " tsvector_to_array(to_tsvector('english', CAST(:body AS text))) AS body,"
    " tsvector_to_array(to_tsvector('english', CAST(:filler AS text))) AS filler,"
    " (SELECT json_agg(json_build_array(number, tsvector_to_array(to_tsvector('english', word))))"
    "    FROM unnest(CAST(:words AS text[]), CAST(:numbers AS int[])) AS v(word, number)) AS vocabulary"
)

# By the catalogue, since a server may be older than a stemmer (Estonian came with PostgreSQL 18): then it has none.
_DICTIONARIES = (
    "(SELECT dictname AS name, oid::regdictionary AS stemmer FROM pg_catalog.pg_ts_dict"
    " WHERE dictnamespace = 'pg_catalog'::regnamespace AND dictname = ANY(CAST(:names AS text[]))) AS d"
)
_LISTED = text(
    "SELECT word, array_agg(d.name)"  # noqa: S608 - constants only
    f" FROM unnest(CAST(:words AS text[])) AS word CROSS JOIN {_DICTIONARIES}"
    " WHERE ts_lexize(d.stemmer, word) = '{}' GROUP BY word"
)
_ROOTS = text(
    "SELECT lexeme, ts_lexize(d.stemmer, lexeme) AS stems"  # noqa: S608 - constants only
    f" FROM unnest(CAST(:lexemes AS text[])) AS lexeme CROSS JOIN {_DICTIONARIES}"
)
_SUFFIX = "_stem"


@dataclass(frozen=True, slots=True)
class Stems:
    """A query in the words of the stored texts, with the vocabulary in the same form.

    Attributes:
        subject: Of its first line, without words that say nothing in its language.
        body: Of the rest.
        filler: Words that most tickets have.
        groups: The vocabulary's, by number.
        roots: With what the words begin that count as one of these, where its language has a stemmer of its own.
    """

    subject: frozenset[str]
    body: frozenset[str]
    filler: frozenset[str]
    groups: dict[int, set[str]]
    roots: dict[str, str] = field(default_factory=dict)


async def stem(
    session: AsyncSession, subject: str, body: str, *, filler: str, synonyms: Sequence[Sequence[str]]
) -> Stems:
    """Stem query and vocabulary by the same rules as the stored texts, and the query by those of its language."""
    # One round trip for the query and the whole vocabulary: the stemmer is PostgreSQL's, and Python has none that
    # agrees.
    pairs = [(word, number) for number, group in enumerate(synonyms) for word in group]
    row = (
        await session.execute(
            _STEMS,
            {
                "subject": subject,
                "body": body,
                "filler": filler,
                "words": [word for word, _ in pairs],
                "numbers": [number for _, number in pairs],
            },
        )
    ).one()
    groups: dict[int, set[str]] = {}
    for number, stems in row.vocabulary:
        groups.setdefault(number, set()).update(stems)
    stored = Stems(frozenset(row.subject), frozenset(row.body), frozenset(row.filler), groups)
    language = await _language(session, f"{subject} {body}")
    return stored if language == ENGLISH else await _rooted(session, stored, language)


async def _language(session: AsyncSession, query: str) -> str:
    words = words_of(query)
    found = await session.execute(_LISTED, {"words": words, "names": [f"{name}{_SUFFIX}" for name in LISTED]})
    return language_of(words, {word: [name.removesuffix(_SUFFIX) for name in names] for word, names in found.all()})


async def _rooted(session: AsyncSession, stored: Stems, language: str) -> Stems:
    """The same without the language's words that say nothing, and of each other word one form with its root."""
    lexemes = [*sorted(stored.subject), *sorted(stored.body - stored.subject)]
    rows = await session.execute(_ROOTS, {"lexemes": lexemes, "names": [f"{language}{_SUFFIX}"]})
    stems = {row.lexeme: row.stems for row in rows}
    if not stems:  # the server is older than this stemmer
        return stored
    roots: dict[str, str] = {}
    for lexeme in (one for one in lexemes if stems[one]):
        root = root_of(lexeme, stems[lexeme][0])
        if not root or root not in roots.values():
            roots[lexeme] = root
    kept = frozenset(roots)
    return Stems(stored.subject & kept, stored.body & kept, stored.filler, stored.groups, roots)


def tsquery(stems: Sequence[str], *, root: str = "", weights: str = "") -> str:
    """Any of the stems, or what begins with the root, each quoted, so that no character of a ticket is an operator.

    Args:
        stems: Any number.
        root: Empty for none.
        weights: Of the places in a text that count; empty for all.
    """
    suffix = f":{weights}" if weights else ""
    alternatives = [_quoted(one) + suffix for one in stems]
    return " | ".join([*alternatives, f"{_quoted(root)}:*{weights}"] if root else alternatives)


def _quoted(stem: str) -> str:
    return "'" + stem.replace("\\", "\\\\").replace("'", "''") + "'"


__all__ = ["Stems", "stem", "tsquery"]
