"""What the masks before models miss and what they mask wrongly, on the labelled set of our own making, and their time.

Run: ``python -m benchmarks.masking [FILE]``, FILE being a set of your own in the form of the one in
``tests/kit/masking/labelled.txt``.

Printed for each kind: values there are, those that are hidden whole, in part and not at all, and texts that are
nobody's and were masked; then each of these by itself, so that the figures can be argued with; then microseconds of CPU
for a thousand characters, with every kind switched on.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

from tests.kit.masking.labels import LABELLED, Labelled, labelled, scores, total

from deskhand.kit.masking.found import spans
from deskhand.kit.masking.kinds import MaskKind
from deskhand.kit.masking.names import Names

ROUNDS = 9


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else LABELLED
    texts = list(labelled(path.read_text(encoding="utf-8")))
    size, found = total(texts), scores(texts)
    print(f"{path.name}: {size['texts']} texts, {size['words']} words, {size['values']} values")
    print("| Kind | Values | Hidden | In part | Missed | Masked wrongly |\n|---|---|---|---|---|---|")
    for kind, score in found.items():
        figures = (score.labelled, score.found, len(score.partly), len(score.missed), len(score.wrongly))
        print(f"| {kind.value} | {' | '.join(map(str, figures))} |")
    for kind, score in found.items():
        for what, words in (("missed", score.missed), ("in part", score.partly), ("wrongly", score.wrongly)):
            for word in words:
                print(f"{kind.value}, {what}: {word}")
    print(f"{_microseconds(texts):.0f} µs of CPU for 1,000 characters (median of {ROUNDS} rounds)")


def _microseconds(texts: list[Labelled]) -> float:
    names = Names()
    for name in {name for one in texts for name in one.names}:
        names.learn(name)
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for one in texts:
            spans(one.text, frozenset(MaskKind), names)
        rounds.append(time.process_time() - began)
    return median(rounds) * 1e6 / sum(len(one.text) for one in texts) * 1_000


if __name__ == "__main__":
    main()
