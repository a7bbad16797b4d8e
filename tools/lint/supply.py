"""What the product is made of: python tools/lint/supply.py [SBOM.json] [--licences REPORT.md]

Three rules. Every package of every lock file is pinned to one version and has a hash. Every package the product
installs (``requirements.lock``) has a licence that lets anyone use, change and pass on what is built with it. The list
of parts (SBOM, CycloneDX, written by ``make sbom``) names exactly the packages of the lock. The report has each one's
licence and its whole text, which whoever passes the parts on in an image has to pass on with them.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==(\S+?)(?:\s*;.*)?\s*\\?$")
PERMISSIVE = re.compile(
    r"(?i)\b(MIT(-0|-CMU)?|0?BSD|Apache|ISC|PSF|Python Software Foundation|PostgreSQL|Unlicense|Zlib|HPND|CC0)\b"
)
LOCKS = ("requirements*.lock", "tests/support/*/requirements*.lock")
WEAK_COPYLEFT = frozenset({"pathspec"})
"""MPL-2.0: changes to their own files stay open; what is built with them is free."""
STRONG = re.compile(r"(?i)\b(A?GPL|LGPL|SSPL|BUSL|Commons Clause|Proprietary|Commercial)\b")

LICENCE_FILE = re.compile(r"(?i)\.dist-info/(licen[cs]es?/.*|(licen[cs]e|copying|notice|authors)[^/]*)$")

Package = tuple[str, str]
"""Canonical name and version; a universal lock pins some packages twice, for older and newer Pythons."""


def pins(text: str) -> dict[Package, bool]:
    """Packages of a lock file, and whether a hash follows."""
    packages: dict[Package, bool] = {}
    latest: Package | None = None
    for line in text.splitlines():
        if match := PIN.match(line):
            latest = (canonical(match[1]), match[2])
            packages[latest] = False
        elif line.strip().startswith("--hash=sha256:") and latest:
            packages[latest] = True
    return packages


def canonical(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def unpinned(path: str, text: str) -> Iterator[str]:
    """Requirements of a lock file that are no pin, or have no hash."""
    for number, line in enumerate(text.splitlines(), 1):
        if line[:1] not in ("", " ", "#") and not PIN.match(line):
            yield f"{path}:{number}: not pinned to one version: {line}"
    for (name, version), hashed in pins(text).items():
        if not hashed:
            yield f"{path}: {name}=={version} has no hash"


def licence_of(metadata: importlib.metadata.PackageMetadata) -> str:
    """What a package says of its licence: the expression (PEP 639), else its classifiers, else its free text."""
    if "License-Expression" in metadata:
        return str(metadata["License-Expression"])
    classifiers = [one.rsplit(" :: ", 1)[-1] for one in metadata.get_all("Classifier") or [] if "License ::" in one]
    text = str(metadata["License"]) if "License" in metadata else ""
    return "; ".join(classifiers) or text.partition("\n")[0]


def licence_fault(name: str, licence: str) -> str | None:
    """Why a package's licence is not one we build on; None if it is."""
    choices = re.split(r"(?i)\s+or\s+", licence)
    if any(PERMISSIVE.search(choice) and not STRONG.search(choice) for choice in choices):
        return None
    if name in WEAK_COPYLEFT and "MPL" in licence:
        return None
    return f"{name}: licence {licence or 'unknown'!r} is not on the list of tools/lint/supply.py"


def licences(names: Collection[str]) -> Iterator[str]:
    """Faults of the installed packages among these names; one for another platform is not installed and not judged."""
    installed = {canonical(one.metadata["Name"]): one.metadata for one in importlib.metadata.distributions()}
    for name in sorted(installed.keys() & set(names)):
        fault = licence_fault(name, licence_of(installed[name]))
        if fault is not None:
            yield fault


def parts_faults(sbom: Mapping[str, object], locked: Collection[Package]) -> Iterator[str]:
    """Where a CycloneDX document and the lock file differ."""
    components = sbom.get("components")
    listed = {
        (canonical(str(one["name"])), str(one["version"]))
        for one in (components if isinstance(components, list) else [])
    }
    for name, version in sorted(set(locked) - listed):
        yield f"the SBOM lacks {name} {version}"
    for name, version in sorted(listed - set(locked)):
        yield f"the SBOM lists {name} {version}, which the lock does not"


def licence_report(packages: Collection[Package]) -> Iterator[str]:
    """Markdown: a table of packages and licences, then the texts as their wheels carry them."""
    installed = {canonical(one.metadata["Name"]): one for one in importlib.metadata.distributions()}
    yield "# Licences of the parts\n"
    yield "| package | version | licence |\n| --- | --- | --- |"
    for name, version in sorted(packages):
        yield f"| {name} | {version} | {_licence_cell(installed.get(name), version)} |"
    for name in sorted(installed.keys() & {name for name, _ in packages}):
        for path, text in _licence_texts(installed[name]):
            yield f"\n## {name}: {path}\n\n~~~~~~\n{text.strip()}\n~~~~~~"


def _licence_cell(found: importlib.metadata.Distribution | None, version: str) -> str:
    if found is None:
        return "not for this platform, and so not read"
    # The development tools hold some package to another version, and a lock may pin two for older and newer Pythons.
    other = "" if found.version == version else f" (read from {found.version})"
    return licence_of(found.metadata).replace("|", "/") + other


def _licence_texts(distribution: importlib.metadata.Distribution) -> Iterator[tuple[str, str]]:
    for file in sorted(distribution.files or []):
        if LICENCE_FILE.search(file.as_posix()):
            yield file.name, Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("sbom", nargs="?", type=Path)
    parser.add_argument("--licences", type=Path)
    wanted = parser.parse_args(arguments)
    root = Path(__file__).resolve().parents[2]
    texts = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for pattern in LOCKS
        for path in sorted(root.glob(pattern))
    }
    runtime = pins(texts["requirements.lock"])
    findings = [fault for name, text in texts.items() for fault in unpinned(name, text)]
    findings += licences({name for name, _ in runtime})
    if wanted.sbom:
        findings += parts_faults(json.loads(wanted.sbom.read_text(encoding="utf-8")), runtime)
    if wanted.licences:
        wanted.licences.write_text("\n".join(licence_report(runtime)) + "\n", encoding="utf-8")
    for finding in findings:
        print(finding)
    print(f"supply: {len(texts)} lock files, {len(runtime)} packages of the product; {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
