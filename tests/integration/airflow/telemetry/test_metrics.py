"""Metrics as an OTLP receiver gets them from Airflow's own client, and the files that use their names."""

from __future__ import annotations

import asyncio
import atexit
import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.observability import stats as server_stats
from airflow.sdk._shared.observability.metrics.base_stats_logger import NoStatsLogger
from airflow.sdk._shared.observability.metrics.otel_logger import flush_otel_metrics
from airflow.sdk.observability import stats as task_stats
from airflow.sdk.observability.metrics.otel_logger import get_otel_logger
from opentelemetry import metrics as otel
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.trace import TracerProvider

from order_relay import measurements
from order_relay.airflow.session import measured
from order_relay.airflow.telemetry import recording
from order_relay.airflow.telemetry.catalogue import METRICS, MetricType
from order_relay.airflow.telemetry.measured_app import MeasuredApp
from order_relay.pipeline.report.model import LedgerCounts
from order_relay.pipeline.report.report import RenderedReport

ROOT = Path(__file__).parents[4]
MONITORING = ROOT / "deploy" / "monitoring"
ROWS = re.compile(r"\bairflow_order_relay_[a-z_]+")
Received = dict[str, list[tuple[dict[str, str], Any]]]


class Receiver(ThreadingHTTPServer):
    """An OTLP receiver: data points by metric, with their attributes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: Received = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, body: bytes) -> None:
        message = ExportMetricsServiceRequest.FromString(body)
        for resource in message.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    data = getattr(metric, metric.WhichOneof("data"))
                    for point in data.data_points:
                        tags = {one.key: one.value.string_value for one in point.attributes}
                        value = point.count if hasattr(point, "count") else point.as_int or point.as_double
                        self.received.setdefault(metric.name, []).append((tags, value))


class Handler(BaseHTTPRequestHandler):
    """Takes every request."""

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Receiver)
        server.take(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    server = Receiver()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    logger = get_otel_logger()
    atexit.unregister(flush_otel_metrics)  # the receiver is gone by then
    for client in (task_stats, server_stats):  # one for both, since a process has one meter provider
        client.initialize(factory=lambda: logger, export_legacy_names=False)
    yield server
    for client in (task_stats, server_stats):
        client.initialize(factory=NoStatsLogger, export_legacy_names=False)
    otel.get_meter_provider().shutdown()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def flush(receiver: Receiver) -> Received:
    otel.get_meter_provider().force_flush()  # type: ignore[attr-defined]
    return receiver.received


class FakeLedger:
    """Two transactions."""

    class database:
        write_times = (0.004, 0.006)


def record_everything() -> None:
    """One of each."""
    done = {"kind": "load", "chunk": "c0", "imported": 7, "in_doubt": 1, "rejected": 0, "started": 10.0, "ended": 12.5}
    recording.stage_done("load", "p", "live", done, FakeLedger())  # type: ignore[arg-type]
    counts = LedgerCounts(9, {"imported": 7, "quarantined": 2}, {("quarantined", "total_mismatch"): 2}, 7)
    recording.run_done("p", "live", RenderedReport("", "", {}, [], this_run=counts), ())
    recording.pipeline_watched(
        "p",
        {"held": 3},
        {"held": 90.0, "in_doubt": 0.0},
        60.0,
        {"stuck": 1, "silent": 0},
        import_times={"0.5": 600.0},
        stopped=True,
    )
    recording.write_back_watched("p", {("shipped", "failed"): (2, 90.0)})
    recording.oms_statuses_watched("p", {"": 3, "open": 2}, 60.0)
    recording.alert_delivered("p", "stuck")
    measurements.throttled("OMS", with_time=True)
    measurements.paused("OMS", 1.5)
    measurements.attempted("imported")
    measurements.looked_up(["found", "absent", "found"])
    measurements.leases_expired(2)
    recording.engine_measured("p", measurements.take())

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})

    async def send(message: Any) -> None:
        """Nobody reads it."""

    asyncio.run(MeasuredApp("feed", answer)({"type": "http"}, None, send))  # type: ignore[arg-type]


def test_a_receiver_gets_every_metric_of_the_catalogue_with_its_tags(receiver: Receiver) -> None:
    record_everything()
    server_side = flush(receiver)
    found = {name.removeprefix("airflow."): points for name, points in server_side.items() if "order_relay" in name}
    assert {metric.name for metric in METRICS} == found.keys()
    for metric in METRICS:
        assert {tuple(sorted(tags)) for tags, _ in found[metric.name]} == {tuple(sorted(metric.tags))}, metric.name
    assert sorted(found["order_relay.stage.orders"], key=str) == sorted(
        [
            ({"pipeline": "p", "mode": "live", "stage": "load", "outcome": "imported"}, 7),
            ({"pipeline": "p", "mode": "live", "stage": "load", "outcome": "in_doubt"}, 1),
        ],
        key=str,
    )
    assert sorted(value for _, value in found["order_relay.run.orders"]) == [2, 7]
    assert [value for _, value in found["order_relay.ledger.write_ms"]] == [2], "a histogram of two transactions"
    assert {tags["kind"]: value for tags, value in found["order_relay.alerts.open"]} == {"stuck": 1, "silent": 0}
    assert {tags["finding"]: value for tags, value in found["order_relay.lookups"]} == {"found": 2, "absent": 1}
    assert found["order_relay.endpoint.requests"] == [({"endpoint": "feed", "status": "401"}, 1)]


def test_a_failed_run_and_a_failed_check_are_told_apart(receiver: Receiver) -> None:
    for breaches, failed in (([], ()), ([], ("load_3",)), (["1 submissions: state"], ("load_3",))):
        recording.run_done("p", "live", RenderedReport("", "", {}, breaches), failed)
    results = {tags["result"]: value for tags, value in flush(receiver)["airflow.order_relay.runs"]}
    assert results == {"ok": 1, "failed": 1, "unbalanced": 1}


def test_throttling_is_recorded_also_if_the_task_fails_and_leases_of_a_scratch_ledger_are_not(
    receiver: Receiver,
) -> None:
    measurements.throttled("another pipeline's", with_time=True)
    with suppress(ValueError), measured("p", trial=True):
        measurements.throttled("OMS", with_time=False)
        measurements.throttled("OMS", with_time=True)
        measurements.leases_expired(1)
        raise ValueError
    found = flush(receiver)
    assert sorted(found["airflow.order_relay.throttle.answers"], key=str) == [
        ({"pipeline": "p", "vendor": "OMS", "retry_after": "no"}, 1),
        ({"pipeline": "p", "vendor": "OMS", "retry_after": "yes"}, 1),
    ]
    assert "airflow.order_relay.leases.expired" not in found


def test_the_span_of_a_task_names_pipeline_batch_and_counts() -> None:
    tracer = TracerProvider().get_tracer("test")
    xcom = {"kind": "batch", "name": "p/batches/b1", "records": 5, "valid": 4, "started": 1.0, "ended": 2.0}
    with tracer.start_as_current_span("task") as span:
        recording.stage_done("validate", "p", "shadow", xcom)
    attributes = dict(span.attributes or {})  # type: ignore[attr-defined]
    assert attributes == {
        "order_relay.pipeline": "p",
        "order_relay.mode": "shadow",
        "order_relay.stage": "validate",
        "order_relay.batch": "p/batches/b1",
        "order_relay.valid": 4,
    }


def in_prometheus() -> set[str]:
    suffix = {MetricType.COUNTER: "_total", MetricType.GAUGE: "", MetricType.TIMING: ""}
    return {f"airflow_{metric.name.replace('.', '_')}{suffix[metric.type]}" for metric in METRICS}


@pytest.mark.parametrize("name", ["grafana-dashboard.json", "prometheus-rules.yaml"])
def test_dashboard_and_rules_use_existing_metrics(name: str) -> None:
    used = set(ROWS.findall((MONITORING / name).read_text()))
    assert used
    assert used <= in_prometheus()


def test_every_rule_is_documented_and_no_other() -> None:
    rules = yaml.safe_load((MONITORING / "prometheus-rules.yaml").read_text())["groups"][0]["rules"]
    page = (ROOT / "docs" / "monitoring.md").read_text()
    assert {rule["alert"] for rule in rules} == set(re.findall(r"`(OrderRelay\w+)`", page))
    assert all({"summary", "description"} <= rule["annotations"].keys() for rule in rules)
    json.loads((MONITORING / "grafana-dashboard.json").read_text())
