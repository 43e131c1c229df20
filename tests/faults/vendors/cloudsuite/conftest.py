"""The simulated web shop, and workers of one company."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from order_relay.connections import Connection
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from tests.support.engine import Engine
from tests.support.faults.web_shop import PIPELINE, Make


@pytest.fixture
def shop() -> Iterator[ThreadedSandbox]:
    with serve_in_thread({"shopatron": {"duplicates": "accept"}}, sources=["cloudsuite"]) as sandbox:
        yield sandbox


@pytest.fixture
def make(shop: ThreadedSandbox, tmp_path: Path, sqlite_url: str) -> Iterator[Make]:
    """Workers of one company. Waiting orders are asked for in every run; one that is alone gives silence up at once."""
    made: list[Engine] = []

    def worker(*, alone: bool = True, **extra: Any) -> Engine:
        source = Connection(
            "cloudsuite_default",
            shop.url,
            "demo-client",
            "demo-client-secret",
            extra={"token_url": f"{shop.url}/realms/CloudSuite/protocol/openid-connect/token", **extra},
        )
        settings = {"token_url": f"{shop.url}/oauthserver/oauth2/token", "manufacturer_id": 1042, "catalog_id": 0}
        oms = Connection("shopatron_default", f"{shop.url}/api/v2", "demo-key", "demo-secret", extra=settings)
        changed = {"reading": {"ask_again_s": 0.0}, "acknowledge": {"given_up_s": 0.0 if alone else 900.0}}
        connections = {c.conn_id: c for c in (source, oms)}
        engine = Engine(tmp_path / "company", connections, sqlite_url, PIPELINE, settings=changed)
        made.append(engine)
        return engine

    yield worker
    for engine in made:
        engine.wiring.close()
