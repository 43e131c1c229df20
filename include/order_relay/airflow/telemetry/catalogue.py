"""Every metric: its name, tags and meaning. The documentation's table is generated from it (docs/monitoring.md).

Names carry their unit. Tags are names of pipelines, states, codes and counts' names: never an order's data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class MetricType(StrEnum):
    """How a metric is recorded."""

    COUNTER = "counter"
    GAUGE = "gauge"
    TIMING = "timing"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric. Airflow adds its own prefix to the name (``airflow`` by default)."""

    name: str
    type: MetricType
    tags: tuple[str, ...]
    meaning: str


RUNS = Metric(
    "order_relay.runs",
    MetricType.COUNTER,
    ("pipeline", "mode", "result"),
    "Finished runs. `result`: `ok`, `failed` (a task failed) or `unbalanced` (the accounting check failed).",
)
RUN_ORDERS = Metric(
    "order_relay.run.orders",
    MetricType.COUNTER,
    ("pipeline", "mode", "state", "reason"),
    "Orders that a run left in each state, by reason code.",
)
RUN_RECEIVED = Metric(
    "order_relay.run.received", MetricType.COUNTER, ("pipeline", "mode"), "Orders that a run received."
)
STAGE_ORDERS = Metric(
    "order_relay.stage.orders",
    MetricType.COUNTER,
    ("pipeline", "mode", "stage", "outcome"),
    "Counts of a stage by outcome. Of `load`: `imported`, `rejected`, `in_doubt`, `ready` (to be sent again), "
    "`lease_expired`, `looked_up_found`, `looked_up_absent` and so on. Of `acknowledge`: `accepted`, `missing`, "
    "`refused`.",
)
STAGE_DURATION = Metric(
    "order_relay.stage.duration_ms",
    MetricType.TIMING,
    ("pipeline", "mode", "stage"),
    "Duration of a stage, one value for each chunk of `load`.",
)
LEDGER_WRITE = Metric(
    "order_relay.ledger.write_ms",
    MetricType.TIMING,
    ("pipeline", "stage"),
    "Duration of each durable transaction of a stage, including its commit.",
)
THROTTLE_ANSWERS = Metric(
    "order_relay.throttle.answers",
    MetricType.COUNTER,
    ("pipeline", "vendor", "retry_after"),
    "Answers with which a vendor asked to slow down. `retry_after`: `yes` if the answer said how long to wait.",
)
THROTTLE_PAUSE = Metric(
    "order_relay.throttle.pause_ms",
    MetricType.TIMING,
    ("pipeline", "vendor"),
    "Each pause before the next request that a vendor asked for; several answers about the same one count once.",
)
ATTEMPTS = Metric(
    "order_relay.attempts",
    MetricType.COUNTER,
    ("pipeline", "outcome"),
    "Requests to import an order, by outcome: `imported`, `rejected`, `in_doubt`, `not_sent`, `throttled` or "
    "`wrong_setup`. An order may need several.",
)
LOOKUPS = Metric(
    "order_relay.lookups",
    MetricType.COUNTER,
    ("pipeline", "finding"),
    "Lookups of an order at the OMS by any task, by finding: `found`, `absent` (which may not count yet) or `unclear`.",
)
LEASES_EXPIRED = Metric(
    "order_relay.leases.expired",
    MetricType.COUNTER,
    ("pipeline",),
    "Orders that became in doubt because the worker that sent them died.",
)
ORDERS = Metric(
    "order_relay.orders",
    MetricType.GAUGE,
    ("pipeline", "state"),
    "Orders in each state, every ten minutes (DAG `watch`). `acknowledgement`: settled, but not acknowledged.",
)
OLDEST = Metric(
    "order_relay.orders.oldest_age_seconds",
    MetricType.GAUGE,
    ("pipeline", "state"),
    "Age of the order that has been in each open state for longest; 0 if there is none.",
)
IMPORT_TIME = Metric(
    "order_relay.import.time_seconds",
    MetricType.GAUGE,
    ("pipeline", "quantile"),
    "Time from submission to import within which half (`0.5`) and 95% (`0.95`) of the orders imported today (UTC) were "
    "imported; an upper bound, at most a third above. Not set on days without imports.",
)
SOURCE_AGE = Metric(
    "order_relay.source.read_age_seconds",
    MetricType.GAUGE,
    ("pipeline",),
    "Time since the source was last read completely.",
)
STOPPED = Metric(
    "order_relay.sending.stopped",
    MetricType.GAUGE,
    ("pipeline",),
    "1 while the Variable `order_relay_stop` stops the pipeline, or its login is suspended; otherwise 0.",
)
WRITE_BACK = Metric(
    "order_relay.write_back.steps",
    MetricType.GAUGE,
    ("pipeline", "step", "state"),
    "Write-back steps that were tried and are not done: `sent` (no answer yet), `refused` (tried again), `failed` (an "
    "operator decides) and `given_up`.",
)
WRITE_BACK_OLDEST = Metric(
    "order_relay.write_back.oldest_age_seconds",
    MetricType.GAUGE,
    ("pipeline", "step", "state"),
    "Time since the last try of the step that has waited longest, by step and state; 0 if there is none.",
)
OMS_STATUS = Metric(
    "order_relay.oms_status.orders",
    MetricType.GAUGE,
    ("pipeline", "reading"),
    "Imported orders that the OMS is still asked about, by our reading of their status; `none`: no answer yet.",
)
OMS_STATUS_DUE = Metric(
    "order_relay.oms_status.oldest_due_seconds",
    MetricType.GAUGE,
    ("pipeline",),
    "How long the longest waiting question to the OMS has been due; 0 if none is.",
)
ALERTS = Metric("order_relay.alerts.open", MetricType.GAUGE, ("pipeline", "kind"), "Alerts whose cause lasts, by kind.")
ALERTS_DELIVERED = Metric(
    "order_relay.told", MetricType.COUNTER, ("pipeline", "kind"), "Alerts that were delivered, by kind."
)
ENDPOINT_REQUESTS = Metric(
    "order_relay.endpoint.requests",
    MetricType.COUNTER,
    ("endpoint", "status"),
    "Requests to a vendor's endpoint (its name) or to the order desk (`order-desk`), by HTTP status.",
)
ENDPOINT_DURATION = Metric(
    "order_relay.endpoint.duration_ms", MetricType.TIMING, ("endpoint",), "Time to answer such a request."
)

METRICS = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All metrics, in the order of the documentation."""
