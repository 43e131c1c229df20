"""What OpenLineage gets about an order task: source account, archive and OMS as datasets with numbers of orders."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from airflow.sdk import lineage as hook_lineage
from airflow.sdk import plugins_manager

from order_relay.airflow.telemetry import lineage

SOURCE = lineage.account("supercat:https://shop.example/demo", 12)
OMS = lineage.account("shopatron:https://oms.example/1234", 9)
ARCHIVE = lineage.archive("file:///var/lib/a%20b/batches", "p", 12, 4_096)


def test_places_are_named_as_openlineage_names_them() -> None:
    assert (SOURCE.namespace, SOURCE.name) == ("supercat://shop.example", "demo/orders")
    assert (OMS.namespace, OMS.name) == ("shopatron://oms.example", "1234/orders")
    assert (ARCHIVE.namespace, ARCHIVE.name) == ("file", "/var/lib/a b/batches/p/batches")
    in_bucket = lineage.archive("s3://bucket/relay/", "p", 1)
    assert (in_bucket.namespace, in_bucket.name) == ("s3://bucket", "relay/p/batches")
    published = lineage.asset("p", 9)
    assert (published.namespace, published.name) == ("x-order-relay://p", "orders")


def test_without_a_reader_nothing_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins_manager, "get_hook_lineage_readers_plugins", list)
    monkeypatch.setattr(hook_lineage, "get_hook_lineage_collector", lambda: pytest.fail("nobody reads it"))
    lineage.orders_moved([SOURCE], [ARCHIVE])


class Receiver(ThreadingHTTPServer):
    """Keeps OpenLineage events."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.events: list[dict[str, Any]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    """Takes every request."""

    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.server.events.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


def test_the_provider_emits_datasets_with_counts(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the collector through the provider's own extraction and client to a receiver."""
    pytest.importorskip("airflow.providers.openlineage", reason="pip install 'order-relay[openlineage]'")
    from airflow.providers.openlineage.extractors.manager import ExtractorManager
    from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter
    from openlineage.client import OpenLineageClient
    from openlineage.client.transport.http import HttpConfig, HttpTransport

    collector = hook_lineage.HookLineageCollector()
    monkeypatch.setattr(plugins_manager, "get_hook_lineage_readers_plugins", lambda: [object])
    monkeypatch.setattr(hook_lineage, "get_hook_lineage_collector", lambda: collector)
    lineage.orders_moved([SOURCE], [ARCHIVE, lineage.asset("p", 9)])

    found = ExtractorManager().get_hook_lineage()
    assert found is not None
    transport = HttpTransport(HttpConfig(url=f"http://127.0.0.1:{receiver.server_port}"))
    OpenLineageAdapter(OpenLineageClient(transport=transport)).complete_task(
        run_id=str(uuid.uuid4()),
        job_name="p.extract",
        end_time="2026-01-01T00:00:00+00:00",
        task=found,
        nominal_start_time=None,
        nominal_end_time=None,
        owners=None,
        tags=None,
        job_description=None,
    )
    transport.close()

    (event,) = receiver.events
    (read,), (archived, published) = event["inputs"], event["outputs"]
    assert (read["namespace"], read["name"]) == (SOURCE.namespace, SOURCE.name)
    assert read["inputFacets"]["inputStatistics"]["rowCount"] == 12
    assert read["facets"]["dataSource"]["uri"] == "https://shop.example/demo"
    assert (archived["namespace"], archived["name"]) == (ARCHIVE.namespace, ARCHIVE.name)
    statistics = archived["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"]) == (12, 4_096)
    assert (published["namespace"], published["name"]) == ("x-order-relay://p", "orders")
    assert published["outputFacets"]["outputStatistics"]["rowCount"] == 9


def test_an_outlet_is_a_dataset_too() -> None:
    pytest.importorskip("airflow.providers.openlineage", reason="pip install 'order-relay[openlineage]'")
    from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset

    from order_relay.airflow.assets import statuses_asset

    dataset = translate_airflow_asset(statuses_asset("acommerce_status"), None)
    assert dataset is not None
    assert (dataset.namespace, dataset.name) == ("x-order-relay://acommerce_status", "statuses")
