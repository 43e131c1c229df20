"""Which vendors are tested, and the fixtures of the tests."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendor import Role
from order_relay.vendors import all_vendors, load_vendor, vendor_names
from order_relay_contract.support import marks
from order_relay_contract.support.account import SourceAccount, VendorAccount
from order_relay_contract.support.clock import Clock
from order_relay_contract.support.destination_account import DestinationAccount
from order_relay_contract.support.pairs import Pair, pairs
from order_relay_contract.support.pipeline_account import PipelineAccount, without_delays
from order_relay_contract.support.quality import repository_of
from order_relay_contract.support.sandboxes import Sandboxes
from order_relay_sandbox import stand_ins

_load_format = cache(VendorFormat.load)
_create_context = cache(ssl.create_default_context)
"""Schemas and certificates are the same for all tests, and reading them takes longer than a test."""

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
    if "vendor" in metafunc.fixturenames:
        known = [name for name in vendor_names() if repository_of(name)]  # what is installed has no tests to name
        metafunc.parametrize("vendor", getattr(metafunc.module, "VENDORS", known))
    if "pipeline" in metafunc.fixturenames:
        chosen = getattr(metafunc.module, "VENDORS", None)
        found = [pair for pair in pairs() if chosen is None or {pair.source, pair.destination} & set(chosen)]
        metafunc.parametrize("pipeline", found, indirect=True, ids=lambda pair: pair.pipeline)


@cache
def _rules(vendor: str) -> dict[str, Any]:
    folder = Path(import_module(load_vendor(vendor).package).__path__[0])
    rules: dict[str, Any] = yaml.safe_load((folder / "quality.yaml").read_text(encoding="utf-8"))["rules"]
    return rules


def _skip_if_exempt(request: pytest.FixtureRequest) -> None:
    vendor = request.param
    rules = _rules(vendor)
    rule = rules.get(getattr(request.function, "rule", RULE), {})
    if rule.get("status") == "exempt":
        pytest.skip(f"{vendor}: {rule['reason']}")
    exempt = rules.get(RULE, {}).get("exempt", {})
    test, case = request.function.__name__, request.node.callspec.id.removeprefix(f"{vendor}-")
    for name in (test, f"{test}[{case}]"):
        if name in exempt:
            pytest.skip(f"{vendor}: {exempt[name]}")


@pytest.fixture(scope="session")
def sandboxes() -> Iterator[Sandboxes]:
    """The running stand-ins."""
    with Sandboxes() as running:
        yield running


@pytest.fixture
def source(
    request: pytest.FixtureRequest,
    sandboxes: Sandboxes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[SourceAccount]:
    """The account of a source."""
    _skip_if_exempt(request)
    with _watched(monkeypatch, caplog) as clock:
        account = SourceAccount(request.param, "source", sandboxes.of(request.param), clock)
        yield account
        account.finish()


@pytest.fixture
def destination(
    request: pytest.FixtureRequest,
    sandboxes: Sandboxes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[DestinationAccount]:
    """The account of a destination."""
    name = request.param
    _skip_if_exempt(request)
    pair = next((pair for pair in pairs() if pair.destination == name), None)
    if pair is None:
        pytest.fail(f"no pipeline file connects a source with {name}; the payloads of the tests come from one")
    with _watched(monkeypatch, caplog) as clock:
        sandbox = sandboxes.of(pair.source, name)
        account = DestinationAccount(name, "destination", sandbox, clock, pair=pair)
        yield account
        account.finish()


@pytest.fixture
def status_source(
    request: pytest.FixtureRequest,
    sandboxes: Sandboxes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[VendorAccount]:
    """The account of a vendor that reports statuses."""
    _skip_if_exempt(request)
    with _watched(monkeypatch, caplog) as clock:
        account = VendorAccount(request.param, "status_source", sandboxes.of(request.param), clock)
        yield account
        account.finish()


@pytest.fixture
def pipeline(
    request: pytest.FixtureRequest,
    sandboxes: Sandboxes,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> Iterator[PipelineAccount]:
    """A pipeline between two stand-ins, with an empty ledger."""
    pair: Pair = request.param
    without_delays(monkeypatch)
    with _watched(monkeypatch, caplog):
        account = PipelineAccount(pair, sandboxes.of(pair.source, pair.destination), tmp_path)
        yield account
        account.wiring.close()


@contextmanager
def _watched(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Clock]:
    """Pauses take no time, and no log line may show a credential."""
    clock = Clock()
    clock.install(monkeypatch)
    monkeypatch.setattr(VendorFormat, "load", _load_format)
    monkeypatch.setattr(ssl, "create_default_context", _create_context)
    marks.issue_marked_tokens(monkeypatch)
    caplog.set_level(logging.DEBUG)
    yield clock
    assert marks.found_in(caplog.text) == set(), "a log line shows credentials"
