"""What a run says to its requester before it words the note for technicians: a conversation of its own.

Its model is given public sources and the public part of the ticket, and holds the hands that speak and no others. The
note's conversation reads everything and holds the rest. So one run does both, and nothing of the second can get into
the first, which was over before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from deskhand.errors import ConfigurationError
from deskhand.kit.db.readers import Readers
from deskhand.kit.marks import strip_marks
from deskhand.llm.connection import GatewaySettings
from deskhand.llm.embedded.constrained import ConstrainedModel
from deskhand.llm.errors import ModelError
from deskhand.llm.gateway import build_model
from deskhand.llm.loop import AgentTask
from deskhand.notes.facts import NoteFacts, Turn
from deskhand.notes.layout import draft_prompt
from deskhand.work.drafting import LOOK_AGAIN, Drafter
from deskhand.work.prompting import system_prompt
from deskhand.work.rooms import room_for
from deskhand.work.run import Run
from deskhand.work.ticket_outcomes import TASK, Seen, closed_schema
from deskhand.work.toolbox import Toolbox

CONVERSATION = 100
"""Added to the number of the look: the note's conversation has that number itself."""
_SCHEMA = closed_schema({"said": {"type": "string", "minLength": 1, "maxLength": 1_000}})
_ASKED = (
    "Say to the requester, with your tools, what your instructions want said: ask, answer or resolve; or do nothing."
    " A note for the technicians is written afterwards, from more than you are shown. Then say in a sentence what you"
    " did."
)


def drives(run: Run, gateway: GatewaySettings) -> bool:
    """Whether the run's model calls tools by itself; one that does not speaks to nobody."""
    try:
        return not isinstance(build_model(run.version.llm_config, gateway, run.http), ConstrainedModel)
    except (ModelError, ConfigurationError):
        return False


@dataclass(frozen=True, slots=True)
class Front:
    """The ticket as its requester knows it, and how a model is asked about it.

    Attributes:
        gateway: How models are reached.
        seen: The public part of the ticket and public sources.
        is_all: There was nothing else to be found: one conversation does both.
    """

    gateway: GatewaySettings
    seen: Seen
    is_all: bool

    async def speak(self, run: Run, toolbox: Toolbox, drafter: Drafter) -> str:
        """Let the model say what is to be said, or fail at it: the note is owed all the same.

        Returns:
            What the note's conversation is told of it; empty where it failed.

        Raises:
            ModelError: It may pass by itself, and there is time for another try.
        """
        toolbox.begin(Readers.OUTSIDE, alone=True)
        model = build_model(run.version.llm_config, self.gateway, run.http)
        tools, seen = toolbox.specs(), self.seen
        room = room_for(run.version.llm_config, driven=False, max_tokens=run.journal.max_tokens)
        question = draft_prompt(seen.facts, room=room)
        task = AgentTask(
            instructions=system_prompt(run, tools, seen.ticket, seen.told),
            prompt=LOOK_AGAIN * (seen.look > 1) + TASK.format(asked=_ASKED, question=question.prompt),
            output_schema=_SCHEMA,
            tools=tools,
            deadline=drafter.deadline,
            run_id=str(run.execution.id),
            conversation=CONVERSATION + seen.look,
        )
        answer = await drafter.ask(task, model)
        if isinstance(answer, Exception):
            drafter.give_up(answer)
            return ""
        return f"\n\nWhat you have said to the requester already, in your own words: {answer['said']}"

    @staticmethod
    def with_answers(facts: NoteFacts, toolbox: Toolbox) -> NoteFacts:
        """What the note is made of, with what the requester answered meanwhile."""
        answers = (Turn(who="requester", text=strip_marks(text), public=True) for text in toolbox.heard)
        return replace(facts, conversation=(*facts.conversation, *answers))
