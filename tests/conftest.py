"""Fixtures for all tests."""

from __future__ import annotations

import ssl
import sys
from functools import lru_cache
from pathlib import Path

# Plain helper modules stand beside this file (databases.py); importmode=importlib puts nothing on the path.
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "contract")]

pytest_plugins = ["databases"]

# Each HTTP client reads the certificates anew, which costs as much as forty requests; here all speak plain HTTP.
ssl.create_default_context = lru_cache(ssl.create_default_context)  # type: ignore[assignment]
