"""What no tracked file may hold: a package registry's host, a path of the machine it was written on,
another tool's lock file, a private key. Run: python tools/lint/tracked.py
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# Assembled from parts, so that this file passes its own check.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("deb", "debian", "org"),
    )
)
PATTERNS = (
    (
        "names a package registry's host",
        re.compile("|".join(re.escape(host) for host in REGISTRY_HOSTS), re.IGNORECASE),
    ),
    ("names a path of one machine", re.compile(r"(?<![\w.~-])/(?:root|home/[a-z][\w-]*|Users/\w+|work)/(?=[\w.])")),
    ("holds a private key", re.compile("-----BEGIN [A-Z ]*PRIVATE " + "KEY-----")),
)
LOCK_PATTERNS = (
    ("names an address; a lock file pins by version and hash only", re.compile(r"https?://|file:/|^\s*--(?!hash)\S*")),
)
OTHER_LOCKS = re.compile(r"(^|/)(uv\.lock|poetry\.lock|pdm\.lock|pylock[\w.-]*\.toml|yarn\.lock)$")
OUR_LOCK = re.compile(r"(^|/)requirements[^/]*$")
NPM_LOCK = re.compile(r"(^|/)package-lock\.json$")
# npm pins by hash alone with --omit-lockfile-registry-resolved; without it each package carries its registry's address.
NPM_SOURCE = re.compile(r'"resolved":')


def check(path: str, text: str) -> Iterator[str]:
    """Findings of one file.

    Args:
        path: Relative to the repository.
        text: Its content.
    """
    if OTHER_LOCKS.search(path):
        yield f"{path}: a lock file that records where packages came from; `make lock` writes ours"
    if NPM_LOCK.search(path) and NPM_SOURCE.search(text):
        yield f"{path}: records where packages came from; make it with npm's --omit-lockfile-registry-resolved"
    patterns = PATTERNS + (LOCK_PATTERNS if OUR_LOCK.search(path) else ())
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in patterns:
            found = pattern.search(line)
            if found:
                yield f"{path}:{number}: {what}: {found.group(0)[:60]}"


def tracked_files(root: Path) -> list[str]:
    """Files under version control, by path relative to the root."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True)
    return [name for name in listing.stdout.decode().split("\0") if name]


def main() -> int:
    root = Path(__file__).resolve().parents[2]
    findings: list[str] = []
    count = 0
    for name in tracked_files(root):
        path = root / name
        # A file deleted but not yet committed, and binary files, have no text to check.
        content = path.read_bytes() if path.is_file() else b""
        if b"\0" not in content[:8000]:
            count += 1
            findings += check(name, content.decode("utf-8", errors="replace"))
    print("\n".join(findings), end="\n" if findings else "")
    print(f"tracked files: {count} read, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
