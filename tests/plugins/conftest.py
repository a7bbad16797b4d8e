"""Readable assertion messages from the shipped contract suite."""

import pytest

pytest.register_assert_rewrite("deskhand.simulators.testing")
