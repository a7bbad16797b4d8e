"""Category and priority: what the product proposes beside what else could be proposed from the same history (pure).

Everybody is given the same resolved tickets and asked about the same others. The product may keep silent, so each of
the others is also judged on as many tickets as it spoke about: those that it is itself surest of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float64]
_STEPS, _RATE, _DECAY = 300, 4.0, 1e-3


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one way proposes for one ticket.

    Attributes:
        value: None where it keeps silent.
        sure: The larger, the surer; comparable within one way.
    """

    value: str | None
    sure: float = 0.0


def majority(labels: Sequence[str], asked: int) -> list[Proposal]:
    """The most frequent value of the history, always."""
    # By name where two are as frequent, so that it is the same each time.
    value = min(Counter(labels).items(), key=lambda item: (-item[1], item[0]))[0]
    return [Proposal(value)] * asked


def nearest(known: Vectors, labels: Sequence[str], asked: Vectors) -> list[Proposal]:
    """The value of the ticket with the nearest vector."""
    cosines = asked @ known.T
    return [Proposal(labels[int(row.argmax())], float(row.max())) for row in cosines]


def regression(known: Vectors, labels: Sequence[str], asked: Vectors) -> list[Proposal]:
    """Multinomial logistic regression on the vectors, with a little weight decay, fitted by gradient descent."""
    values = sorted(set(labels))
    centre = known.mean(axis=0)
    # Vectors of this model lie close together; stretched to unit variance, the descent ends within its steps.
    spread = (known - centre).std(axis=0).mean() or 1.0
    inputs = _with_constant((known - centre) / spread)
    wanted = np.eye(len(values))[[values.index(label) for label in labels]]
    weights = np.zeros((inputs.shape[1], len(values)))
    for _ in range(_STEPS):
        error = _softmax(inputs @ weights) - wanted
        weights -= _RATE / np.sqrt(inputs.shape[1]) * (inputs.T @ error / len(inputs) + _DECAY * weights)
    chances = _softmax(_with_constant((asked - centre) / spread) @ weights)
    return [Proposal(values[int(row.argmax())], float(row.max())) for row in chances]


def _with_constant(inputs: Vectors) -> Vectors:
    return np.hstack([inputs, np.ones((len(inputs), 1))])


def _softmax(scores: Vectors) -> Vectors:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


@dataclass(frozen=True, slots=True)
class Judged:
    """How good one way's proposals are.

    Attributes:
        spoke: How many tickets it proposed a value for.
        right: How many of those values are right.
        at: Of as many tickets as the product spoke about, the surest: how many are right.
    """

    spoke: int
    right: int
    at: int

    @property
    def share(self) -> float:
        """Of what it proposed, how much is right."""
        return self.right / self.spoke if self.spoke else 0.0


def judge(proposals: Sequence[Proposal], truth: Sequence[str], *, most: int) -> Judged:
    """Compare proposals with what people chose.

    Args:
        proposals: One for each ticket.
        truth: What people chose.
        most: How many tickets the product spoke about.
    """
    pairs = [(one, one.value == right) for one, right in zip(proposals, truth, strict=True) if one.value is not None]
    surest = sorted(pairs, key=lambda pair: -pair[0].sure)[:most]
    return Judged(len(pairs), sum(hit for _, hit in pairs), sum(hit for _, hit in surest))
