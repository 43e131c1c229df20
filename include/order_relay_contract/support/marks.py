"""Credentials that can be searched for, and the search."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from itertools import count
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from order_relay_sandbox.stand_in import StandIn

LOGIN = "lg-Xk7vRq2ZtGuW"
PASSWORD = "pw-9fLw/2hQmT+b8sY"
TOKEN = "tk-Hq4wEe7yBn1mKs9d"
"""The beginning of every token that a stand-in issues."""


def _spellings(text: str) -> frozenset[str]:
    """In messages, URLs and headers. The end of a Base64 text depends on what follows it."""
    return frozenset(
        {text, quote(text), quote(text, safe=""), quote_plus(text), b64encode(text.encode()).decode()[:-4]}
    )


SECRETS: Mapping[str, frozenset[str]] = {
    "login": _spellings(LOGIN),
    "password": _spellings(PASSWORD),
    "login and password": _spellings(f"{LOGIN}:{PASSWORD}"),
    "token": _spellings(TOKEN),
}


def found_in(text: str) -> set[str]:
    """Names of the secrets in a text."""
    return {name for name, spellings in SECRETS.items() if any(one in text for one in spellings)}


def account_switches(stand_in: StandIn[Any]) -> dict[str, str]:
    """The switches that give the account of a stand-in the marked login and password."""
    shown = stand_in.connection("")
    names = {value: name for name, value in stand_in.switches if isinstance(value, str) and value}
    return {names[shown["login"]]: LOGIN, names[shown["password"]]: PASSWORD}


def issue_marked_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every stand-in in this process issue tokens that can be searched for."""
    numbers = count(1)
    monkeypatch.setattr("order_relay_sandbox.gate.secrets.token_urlsafe", lambda _: f"{TOKEN}.{next(numbers)}")
