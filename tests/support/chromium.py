"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str:
    """The system's Chromium; the test is skipped where there is none, unless one is required."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    required = os.environ.get("ORDER_RELAY_REQUIRE_CHROMIUM") == "1"
    if not found and not required:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    if not required:
        pytest.importorskip("playwright")
    assert found, "Chromium is required, and none was found"
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """A started Chromium (Playwright's ``Browser``)."""
    program = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        try:
            yield started
        finally:
            started.close()
