"""Which vendors are tested, and the fixtures of the tests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from order_relay.vendor import Role
from order_relay.vendors import all_vendors, load_vendor
from order_relay_contract import marks
from order_relay_contract.account import ORDERS, SourceAccount, VendorAccount, open_account
from order_relay_sandbox import stand_ins
from order_relay_sandbox.audit import Audit

T = TypeVar("T", bound=Callable[..., Any])

RULE = "contract_suite"

FIXTURES: dict[str, Role] = {"source": "source", "destination": "destination", "status_source": "status_source"}


def concerns(rule: str) -> Callable[[T], T]:
    """Names the rule of ``quality.yaml`` that a test is about, besides the contract suite itself."""

    def mark(test: T) -> T:
        test.rule = rule  # type: ignore[attr-defined]
        return test

    return mark


def vendors(role: Role, chosen: list[str] | None = None) -> list[str]:
    """The vendors that have this role and a stand-in that plays it."""
    played = {name for name, found in stand_ins().items() if role in found.roles}
    return [
        found.name for found in all_vendors() if getattr(found, role) and found.name in (played & set(chosen or played))
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test runs on each vendor of its role."""
    for fixture, role in FIXTURES.items():
        if fixture in metafunc.fixturenames:
            names = vendors(role, getattr(metafunc.module, "VENDORS", None))
            metafunc.parametrize(fixture, names, indirect=True)


@cache
def _rules(vendor: str) -> dict[str, Any]:
    folder = Path(import_module(load_vendor(vendor).package).__path__[0])
    rules: dict[str, Any] = yaml.safe_load((folder / "quality.yaml").read_text(encoding="utf-8"))["rules"]
    return rules


def _skip_if_exempt(vendor: str, request: pytest.FixtureRequest) -> None:
    rules = _rules(vendor)
    rule = rules.get(getattr(request.function, "rule", RULE), {})
    if rule.get("status") == "exempt":
        pytest.skip(f"{vendor}: {rule['reason']}")
    exempt = rules.get(RULE, {}).get("exempt", {})
    for name in (request.function.__name__, request.node.name):
        if name in exempt:
            pytest.skip(f"{vendor}: {exempt[name]}")


@pytest.fixture
def source(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[SourceAccount]:
    """The account of a source. No message, log line or representation may show its credentials."""
    yield from _account(request, monkeypatch, caplog, "source")  # type: ignore[misc]


def _account(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, role: Role
) -> Iterator[VendorAccount]:
    vendor = request.param
    _skip_if_exempt(vendor, request)
    caplog.set_level(logging.DEBUG)
    declared = stand_ins()[vendor]
    made = declared(declared.switches_model(), Audit(), 0)
    orders = made.plain(ORDERS, 1) if role == "source" else 0
    with open_account(vendor, role, monkeypatch, orders) as account:
        yield account
    shown = "\n".join([caplog.text, *account.shown])
    assert marks.found_in(shown) == set(), "credentials are shown"
