"""Regenerate src/deskhand/llm/data/model_catalogue.json from the JSON that LiteLLM ships.

Needs the ``litellm`` extra installed; reads the file as data, without importing the package.

    python tools/update_model_catalogue.py
"""

from __future__ import annotations

import importlib.metadata
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

SOURCE = "model_prices_and_context_window_backup.json"
TARGET = Path(__file__).parents[1] / "src" / "deskhand" / "llm" / "data"
MODES = {"chat", "responses"}
FIELDS = {
    "in": "input_cost_per_token",
    "out": "output_cost_per_token",
    "cached": "cache_read_input_token_cost",
    "max_in": "max_input_tokens",
    "max_out": "max_output_tokens",
}


def reduced(entry: dict[str, Any]) -> dict[str, Any]:
    """The facts Deskhand uses; prices as strings, because money is never a float."""
    kept: dict[str, Any] = {}
    for short, name in FIELDS.items():
        value = entry.get(name)
        if value is not None and not isinstance(value, dict | str):
            kept[short] = str(Decimal(value)) if short in {"in", "out", "cached"} else int(value)
    if entry.get("supports_function_calling"):
        kept["tools"] = True
    if entry.get("supports_response_schema"):
        kept["schema"] = True
    if entry.get("supports_vision"):
        kept["sees"] = True
    return kept


def main() -> None:
    distribution = importlib.metadata.distribution("litellm")
    files = distribution.files or []
    source = next(Path(str(file.locate())) for file in files if file.name == SOURCE)
    licence = next(Path(str(file.locate())) for file in files if file.name.startswith("LICENSE"))
    entries = json.loads(source.read_text(encoding="utf-8"), parse_float=Decimal)
    models = {
        name: reduced(entry)
        for name, entry in sorted(entries.items())
        if name != "sample_spec" and entry.get("mode") in MODES
    }
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(facts)}" for name, facts in models.items())
    head = json.dumps(
        {"package": "litellm", "version": distribution.version, "file": SOURCE, "licence": "MIT, see LICENSE.litellm"}
    )
    (TARGET / "model_catalogue.json").write_text(
        f'{{\n "source": {head},\n "models": {{\n{lines}\n }}\n}}\n', encoding="utf-8"
    )
    (TARGET / "LICENSE.litellm").write_text(licence.read_text(encoding="utf-8"), encoding="utf-8")
    print(f"{len(models)} models from litellm {distribution.version}")


if __name__ == "__main__":
    main()
