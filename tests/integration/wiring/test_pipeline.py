from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.orders.messages import RunContext
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_file
from order_relay.vendors import all_vendors, load_vendor
from order_relay.wiring.dry_run import SearchOnlyDestination, SearchOnlySession
from order_relay.wiring.pipeline import Wiring
from order_relay.wiring.transformation import fact_names

SOURCES = [vendor.name for vendor in all_vendors() if vendor.source]
DESTINATIONS = [vendor.name for vendor in all_vendors() if vendor.destination]


def connection(conn_id: str) -> Connection:
    """Fits each vendor's form: every text that some form demands is here."""
    extra = {
        "org": "acme",
        "token_url": "https://auth.example/token",
        "manufacturer_id": "7",
        "catalog_id": "3",
        "time_zone": "Europe/Amsterdam",
        "origin": "old-shop",
    }
    return Connection(conn_id, "https://vendor.example", "user", "secret", extra=extra)


@pytest.fixture(params=[(source, destination) for source in SOURCES for destination in DESTINATIONS])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> PipelineSettings:
    source, destination = request.param
    path = tmp_path / f"{source}_to_{destination}.yaml"
    transform = {"customer_ip": "8.8.8.8"} if destination == "shopatron" else {}
    path.write_text(
        f"source: {{vendor: {source}, connection: from}}\ndestination: {{vendor: {destination}, connection: to}}\n"
        f"transform: {transform}\n"
    )
    return load_file(path)


@pytest.fixture
def wire(settings: PipelineSettings, sqlite_url: str, tmp_path: Path) -> Callable[..., Wiring]:
    def make(**options: Any) -> Wiring:
        given = {"ledger_url": sqlite_url, "store_url": (tmp_path / "store").as_uri(), "connections": connection}
        return Wiring(settings, **{**given, **options})

    return make


def test_the_vendors_are_found_by_their_folders() -> None:
    assert SOURCES
    assert DESTINATIONS


def test_everything_is_put_together(wire: Callable[..., Wiring]) -> None:
    with wire() as wiring:
        wiring.check()
        assert wiring.source.account.startswith(wiring.settings.source.vendor)
        assert wiring.destination.account.startswith(wiring.settings.destination.vendor)
        assert wiring.ledger.claims.ready(wiring.name) == []


def test_rules_can_read_the_facts_of_both_accounts(wire: Callable[..., Wiring]) -> None:
    wiring = wire()
    parties = (wiring.settings.source, wiring.settings.destination)
    facts = {
        name: getattr(load_vendor(party.vendor).settings.from_connection(connection(party.connection)), name)
        for party in parties
        for name in fact_names(party.vendor)
    }
    assert facts.items() <= wiring.transformer.settings.rule_values().items()
    assert wiring.settings.destination.vendor != "shopatron" or facts["manufacturer_id"] == 7


def test_the_sources_zone_reaches_the_transformation(wire: Callable[..., Wiring]) -> None:
    wiring = wire()
    found = load_vendor(wiring.settings.source.vendor).settings.from_connection(wiring.source_connection)
    assert wiring.transformer.settings.time_zone == getattr(found, "time_zone", "UTC")


def test_options_of_the_file_take_precedence(wire: Callable[..., Wiring]) -> None:
    wiring = wire()
    if wiring.settings.destination.vendor != "shopatron":
        pytest.skip("has no such options")
    party = wiring.settings.destination.model_copy(update={"options": {"catalog_id": 9}})
    changed = replace(wiring, settings=wiring.settings.model_copy(update={"destination": party}))
    assert [one.transformer.settings.rule_values()["catalog_id"] for one in (wiring, changed)] == [3, 9]


def test_a_wrong_connection_is_named(wire: Callable[..., Wiring]) -> None:
    with pytest.raises(ConfigurationError, match="'from'"):
        wire(connections=Connection).check()


def test_an_unknown_vendor_and_an_impossible_role_are_named(wire: Callable[..., Wiring]) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown vendor 'nobody'.*available: .*" + SOURCES[0]):
        load_vendor("nobody")
    wiring = wire()
    turned = wiring.settings.model_copy(update={"source": wiring.settings.destination})
    with pytest.raises(ConfigurationError, match="cannot be used as a source"):
        replace(wiring, settings=turned).check()


def test_repr_shows_no_ledger_address(wire: Callable[..., Wiring]) -> None:
    assert "pass" not in repr(wire(ledger_url="postgresql://relay:pass@db/ledger"))


def bind(url: str, wiring: Wiring) -> None:
    ledger = Ledger.open(url)
    ledger.runs.bind(wiring.name, "a", "b")
    ledger.runs.begin(RunContext(wiring.name, "before"), "manual")
    ledger.close()


def test_a_dry_run_changes_a_copy_and_keeps_it_between_tasks(wire: Callable[..., Wiring], ledger_url: str) -> None:
    wiring = wire(dry_run=True, ledger_url=ledger_url)
    bind(ledger_url, wiring)
    with pytest.raises(ConfigurationError, match="scratch"):
        wiring.ledger  # noqa: B018
    with wiring.ledger_for("run-1") as ledger:
        assert ledger.runs.last_sequence(wiring.name) == 1
        ledger.runs.begin(RunContext(wiring.name, "run-1"), "dry")
    with wiring.ledger_for("run-1", keep=False) as ledger:
        assert ledger.runs.last_sequence(wiring.name) == 2
        ledger.runs.begin(RunContext(wiring.name, "run-1b"), "dry")
    with wiring.ledger_for("run-1") as ledger:
        assert ledger.runs.last_sequence(wiring.name) == 2
    real = Ledger.open(ledger_url)
    assert real.runs.last_sequence(wiring.name) == 1
    real.close()


def test_a_dry_run_without_a_ledger_starts_with_an_empty_one(wire: Callable[..., Wiring], tmp_path: Path) -> None:
    wiring = wire(dry_run=True, ledger_url=f"sqlite:///{tmp_path}/none.sqlite")
    with wiring.ledger_for("run-1") as ledger:
        assert ledger.runs.last_sequence(wiring.name) == 0
    assert not (tmp_path / "none.sqlite").exists()


def test_a_dry_run_can_reach_neither_side(wire: Callable[..., Wiring]) -> None:
    wiring = wire(dry_run=True)
    assert wiring.source.acknowledge(["N1"]) == {}
    assert wiring.source.account == wire().source.account
    with pytest.raises(ConfigurationError, match="dry run"):
        wiring.destination.session(1)


def test_without_dry_run_the_ledger_is_the_real_one(wire: Callable[..., Wiring]) -> None:
    with wire() as wiring, wiring.ledger_for("run-1") as ledger:
        assert ledger is wiring.ledger


async def test_a_shadow_run_can_search_the_destination_but_not_send(wire: Callable[..., Wiring]) -> None:
    shadow = wire(dry_run=True, shadow=True).destination
    assert isinstance(shadow, SearchOnlyDestination)
    assert shadow.account == wire().destination.account

    class Open:
        """A session that would do everything."""

        find_by_key = find_by_window = find_any = read_order = send = wait_for_slot = staticmethod(
            lambda *_, **__: "done"
        )

    session: Any = SearchOnlySession(Open())  # type: ignore[arg-type]
    assert session.find_by_key(["K1"]) == session.find_by_window("a", "b") == "done"
    with pytest.raises(ConfigurationError, match="shadow mode"):
        await session.send(b"{}", "K1", not_after=1e12)
