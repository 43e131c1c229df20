"""Blocks the network for unit tests: connecting an internet socket or resolving a name raises."""

from __future__ import annotations

import socket
from typing import Any

import pytest

INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})
GUARDED = ("connect", "connect_ex", "sendto")


class NetworkBlockedError(AssertionError):
    """A unit test used the network."""


def block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make internet sockets raise until the test ends; unix sockets and socket pairs keep working."""
    for name in GUARDED:
        monkeypatch.setattr(socket.socket, name, _guarded(name))
    monkeypatch.setattr(socket, "getaddrinfo", _refuse)


def _guarded(name: str) -> Any:
    original = getattr(socket.socket, name)

    def guarded(self: socket.socket, *arguments: Any) -> Any:
        if self.family in INTERNET:
            _refuse(*arguments)
        return original(self, *arguments)

    return guarded


def _refuse(*arguments: Any, **_: Any) -> Any:
    raise NetworkBlockedError(f"a unit test used the network: {arguments}; move it to tests/integration")
