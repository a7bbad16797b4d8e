"""A signed-in person proves once more who it is, before what an open session alone should not be enough for.

With the password; or, where an identity provider signed the person in, by having come from there just now: that person
may have no password, and the provider is who knows.
"""

from __future__ import annotations

from deskhand.access.people import events, repository, tries
from deskhand.access.principal import Person
from deskhand.access.sessions import is_fresh
from deskhand.appstate import AppState
from deskhand.errors import ConflictError, FieldProblem, InvalidInputError


def asks_for_password(person: Person) -> bool:
    """Whether the password confirms it; always that of the account for the day on which no provider answers."""
    return person.method == "password" or person.is_break_glass


async def confirm(app: AppState, person: Person, password: str, *, address: str) -> None:
    """Ask whether it is still this person.

    Args:
        app: The process's shared objects.
        person: Who is signed in.
        password: As typed, where one is asked for.
        address: Where the request comes from.

    Raises:
        InvalidInputError: The password is wrong.
        ConflictError: There is none, or the provider's word is too old.
        RateLimitedError: The password was wrong too often.
    """
    if asks_for_password(person):
        await confirm_password(app, person, password, address=address, pointer="/password")
    elif not is_fresh(person, now=app.clock()):
        raise ConflictError("You signed in a while ago. Sign in with your identity provider once more, and try again.")


async def confirm_password(app: AppState, person: Person, password: str, *, address: str, pointer: str) -> str:
    """Ask whether this is the person's password.

    Args:
        app: The process's shared objects.
        person: Who is signed in.
        password: As typed.
        address: Where the request comes from.
        pointer: The field at fault, for the refusal.

    Returns:
        The stored hash it fits, for the caller to see that it is still the one when it changes something.

    Raises:
        InvalidInputError: It is not.
        ConflictError: The account has no password.
        RateLimitedError: It was wrong too often.
    """
    now = app.clock()
    # Counted apart from sign-ins: whoever has somebody's open session must not guess the password without a limit, nor
    # shut the person out.
    account = f"change\n{person.user_id}"
    buckets = tries.buckets_of(app.secrets, account=account, address=address, device="signed in")
    async with app.db.platform_session() as session:
        with events.noting_lock_out(app, email=person.email, shown="confirmation"):
            await tries.take(session, buckets, now=now)
        user = await repository.lock_user(session, person.user_id)
        stored = user.password_hash if user is not None else None
    if stored is None:
        raise ConflictError("Your account has no password; you sign in with your identity provider.")
    if not await app.passwords.verify(stored, password):
        # Somebody at an open session who guesses is as much a guesser as one at the sign-in page.
        await events.record_refusal(app, person.email, user, shown="confirmation")
        problem = "is not your present password"
        raise InvalidInputError(f"This {problem}.", errors=[FieldProblem(pointer=pointer, detail=problem)])
    async with app.db.platform_session() as session:
        await tries.give_back(session, buckets, now=now)
    return stored
