"""While everything is imported and collected, the garbage collector looks for nothing.

Nothing is thrown away in that time, and a quarter of it went into looking; tests run with the collector as usual. Of
what the root ``conftest.py`` imports from us this is the first, by its name.
"""

from __future__ import annotations

import gc

gc.disable()


def look_again() -> None:
    """From now on the collector works, and no pass walks the thousands of collected tests again."""
    gc.collect()
    gc.freeze()
    gc.enable()
