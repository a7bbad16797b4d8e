"""Shapes of verdicts on notes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from deskhand.kit.page import DEFAULT_LIMIT, PageCursor, PageLimit
from deskhand.kit.schema import InputModel, StorableText, WholeNumber

MOST_CHARACTERS = 2_000
"""Of a comment."""

FeedbackType = Literal["thumbs_up", "thumbs_down", "rating"]


def _stripped(value: str | None) -> str | None:
    return (value or "").strip() or None


Comment = Annotated[str | None, Field(max_length=MOST_CHARACTERS), AfterValidator(_stripped)]


class VerdictGiven(InputModel):
    """What somebody says of a note."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {
                    "required": ["rating_value"],
                    "properties": {"feedback_type": {"const": "rating"}, "rating_value": {"type": "integer"}},
                },
                {
                    "properties": {
                        "feedback_type": {"enum": ["thumbs_up", "thumbs_down"]},
                        "rating_value": {"type": "null"},
                    }
                },
            ]
        }
    )

    feedback_type: FeedbackType = Field(description="A thumb, or `rating` with a number.")
    rating_value: Annotated[int | None, WholeNumber] = Field(
        None, ge=1, le=5, description="Of a rating alone: 5 is the best."
    )
    feedback_comment: Comment = Field(None, description="Why, for whoever looks after the agent.")

    @model_validator(mode="after")
    def _has_its_number(self) -> VerdictGiven:
        if (self.feedback_type == "rating") != (self.rating_value is not None):
            raise ValueError("a rating has a number from 1 to 5, and a thumb has none")
        return self


class VerdictView(BaseModel):
    """A verdict as it is kept."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    enhancement_id: UUID | None = Field(description="The execution that wrote the note.")
    ticket_id: str
    technician_email: str | None = Field(
        description="Who gave it: a person's address, or the name of a key; null: whoever opened the note's link."
    )
    feedback_type: FeedbackType
    rating_value: int | None
    feedback_comment: str | None
    created_at: datetime = Field(description="When it was given, or last changed.")


class NoteVerdicts(BaseModel):
    """Every verdict on one note, the newest first."""

    items: list[VerdictView]


class VerdictQuery(BaseModel):
    """Which verdicts to list."""

    model_config = ConfigDict(extra="forbid")

    feedback_type: FeedbackType | None = Field(None, description="Of this kind alone.")
    ticket_id: StorableText | None = Field(None, max_length=100, description="On notes of this ticket alone.")
    limit: PageLimit = DEFAULT_LIMIT
    cursor: PageCursor = None
