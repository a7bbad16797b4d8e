"""Each rule about rooms fails when it is broken: file names, dead functions, and every import contract."""

from __future__ import annotations

import configparser
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

CONTRACTS = "importlinter:contract:"

# One line planted into one file breaks the contract named before it, and a contract without a line here fails the test.
BREACHES = {
    "layers": ("kit/clock.py", "import deskhand.agents.lifecycle"),
    "circles": ("simulators/base/desk.py", "import deskhand.simulators.base.app"),
    "llm-pure": ("llm/catalogue.py", "import sqlalchemy"),
    "engine-pure": ("engine/status.py", "import deskhand.plugins.text"),
    "api-light": ("tenants/service.py", "import pydantic_ai"),
    "settings": ("agents/lifecycle.py", "import deskhand.settings"),
    "plugins-edge": ("plugins/text.py", "import deskhand.kit.db.session"),
    "rooms": ("agents/schemas.py", "import deskhand.agents.service"),
    "desks": ("plugins/jira/mapping.py", "import deskhand.plugins.zendesk.mapping"),
    "simulated-desks": ("simulators/jira/wire.py", "import deskhand.simulators.zendesk.wire"),
    "simulators": ("tenants/service.py", "import deskhand.simulators.registry"),
    "simulators-own": ("simulators/servicenow/wire.py", "import deskhand.plugins.servicenow.mapping"),
    "notes-pure": ("notes/layout.py", "import deskhand.kit.clock"),
    "repository-access": ("api.py", "import deskhand.access.repository"),
    "repository-agents": ("executions/service.py", "import deskhand.agents.repository"),
    "repository-approvals": ("work/run.py", "import deskhand.approvals.repository"),
    "repository-budgets": ("work/run.py", "import deskhand.budgets.repository"),
    "repository-audit": ("access/service.py", "import deskhand.audit.repository"),
    "repository-connectors": ("work/run.py", "import deskhand.connectors.repository"),
    "repository-executions": ("schedules/service.py", "import deskhand.executions.repository"),
    "repository-gateways": ("schedules/service.py", "import deskhand.gateways.repository"),
    "repository-intake": ("schedules/service.py", "import deskhand.intake.repository"),
    "repository-knowledge": ("work/research.py", "import deskhand.knowledge.repository"),
    "repository-reports": ("worker.py", "import deskhand.reports.repository"),
    "repository-schedules": ("worker.py", "import deskhand.schedules.repository"),
    "repository-storms": ("work/storming.py", "import deskhand.storms.repository"),
    "repository-tenants": ("intake/book.py", "import deskhand.tenants.repository"),
}


@pytest.fixture(scope="module")
def rooms(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("lint/rooms.py")


def contracts(root: Path) -> list[str]:
    parser = configparser.ConfigParser()
    parser.read(root / ".importlinter")
    return [name.removeprefix(CONTRACTS) for name in parser.sections() if name.startswith(CONTRACTS)]


def test_every_contract_has_a_breach(root: Path) -> None:
    assert set(contracts(root)) == set(BREACHES)


# One process for all: reading the six hundred files of the package is most of what a check costs, and the others are
# still as they were. What a breach was planted into is put back before the next.
CHECK_EACH = """
import contextlib, io, json, sys
from pathlib import Path
from importlinter.cli import lint_imports
config, breaches, answers = sys.argv[1], json.loads(sys.argv[2]), {}
for contract, (file, line) in breaches.items():
    planted = Path("deskhand", file)
    text = planted.read_text(encoding="utf-8")
    # Below the future import, which must stay first; the rest of the file is untouched.
    first = "from __future__ import annotations\\n"
    planted.write_text(text.replace(first, f"{first}{line}\\n"), encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = lint_imports(config, (contract,), cache_dir="cache", no_logo=True)
    planted.write_text(text, encoding="utf-8")
    answers[contract] = [code, said.getvalue()]
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str]]:
    """What the linter says of each contract, exit status and text, with that one's breach in the package."""
    place = tmp_path_factory.mktemp("planted")
    shutil.copytree(root / "src" / "deskhand", place / "deskhand", ignore=shutil.ignore_patterns("__pycache__", "data"))
    answer = subprocess.run(
        [sys.executable, "-c", CHECK_EACH, str(root / ".importlinter"), json.dumps(BREACHES)],
        cwd=place,
        env={"PYTHONPATH": str(place), "PYTHONSAFEPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return {contract: (code, said) for contract, (code, said) in json.loads(answer.stdout).items()}


@pytest.mark.parametrize("contract", BREACHES)
def test_a_contract_fails_when_it_is_broken(answers: dict[str, tuple[int, str]], contract: str) -> None:
    code, said = answers[contract]

    assert code == 1, said
    assert "0 kept, 1 broken" in said


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["sim_a.py", "sim_b.py"], False),
        (["sim_a.py", "sim_b.py", "sim_c.py"], True),
        (["sim.py", "sim_b.py", "sim_c.py"], False),
        (["__init__.py", "__main__.py", "__about__.py"], False),
    ],
)
def test_three_files_with_one_prefix_are_a_folder(rooms: ModuleType, names: list[str], fault: bool) -> None:
    assert bool([*rooms.shared_prefixes(f"src/deskhand/x/{name}" for name in names)]) is fault


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("def lonely(): ...\n", True),
        ("class A:\n    def lonely(self): ...\n", True),
        ("class A:\n    @property\n    def lonely(self): ...\n", True),
        ("def _private(): ...\n", False),
        ("@router.get('/')\ndef routed(): ...\n", False),
        ("def called(): ...\ncalled()\n", False),
        ("def named(): ...\nTASK = 'deskhand.x:named'\n", False),
    ],
)
def test_a_public_function_has_a_caller(rooms: ModuleType, source: str, fault: bool) -> None:
    assert bool([*rooms.uncalled({"src/deskhand/x/service.py": source}, "")]) is fault
    assert [*rooms.uncalled({"src/deskhand/x/contract.py": source}, "")] == []


def test_what_a_page_calls_is_called(rooms: ModuleType) -> None:
    assert [*rooms.uncalled({"src/deskhand/x/service.py": "def shown(): ...\n"}, "{{ shown() }}")] == []


def test_an_exception_is_still_needed(rooms: ModuleType, root: Path) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in (root / "src").rglob("*.py"))
    assert [name for name in rooms.CALLED_FROM_OUTSIDE if f"def {name}(" not in text] == []
