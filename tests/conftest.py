"""Fixtures for all tests."""

from __future__ import annotations

import sys
from pathlib import Path

# Plain helper modules stand beside this file (databases.py); importmode=importlib puts nothing on the path.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "contract")]

pytest_plugins = ["databases"]

import quicker  # noqa: E402

quicker.settle()
