"""### Alerts and the morning summary

Every ten minutes this DAG checks every pipeline, whether its own DAG is active or not, and sends alerts. Alerts are
recorded in the ledger, so that each cause is reported **once, not at every check**: again after `alerts: repeat_s` (a
day) while it lasts, immediately if its orders have doubled, and once more when it has been over for an hour.

| task | does |
|---|---|
| **look** | checks each pipeline, and delivers what is due, including earlier failed deliveries |
| **summarize** | once a day sends what the last day brought and what needs a decision; skipped at all other times |

| alert | when (section `alerts` of the pipeline file) |
|---|---|
| orders stuck in a state or not acknowledged (in shadow mode: those left from live mode) | `stuck_after_s`, `doubt` |
| orders left out of the ShipRush feed because they cannot be rendered | `stuck_after_s: left_out` |
| growing quarantine | more than `quarantined_more_than` orders, or `quarantined_share` of the newest run |
| nothing read from the source, or nothing offered | `unread_after_s`, `no_orders_after_s` |
| a refused login: the pipeline is suspended | immediately |
| sending is stopped by `order_relay_stop`, or a live pipeline returned to shadow mode | `stopped_after_s` |
| `order_relay_stop` is neither true, false nor the name of a pipeline: everything is stopped | immediately |
| `order_relay_stop` cannot be read | after two checks in a row |
| an invalid pipeline file | immediately |

A failed run and a failed accounting check are reported by the run itself, a review without an answer by `order_review`.

**The `order_relay_alerts` connection decides where alerts are sent.** Not defined: the log of the task. Type `http`: a
webhook; host = its URL, extra fields = headers. Type `smtp`: e-mail; extra `to` and `from_email`.

**The Variable `order_relay_summary_at`** sets the time of the summary: `06:00` (UTC, the default), `07:30
Europe/Berlin`, or `never`.

**Active from the start**, like all DAGs that send nothing to vendors; `order-relay doctor` reports them if
paused.

**Red** means that the connection or the Variable is wrong. A failed delivery leaves the task green and is repeated by
the next check. Alerts contain order numbers, counts and times, and no customer data.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow.dags import dag_arguments, utc_schedule
from order_relay.airflow.tasks import alerts

with DAG(schedule=utc_schedule("*/10 * * * *"), **dag_arguments("watch", __doc__ or "")) as dag:
    alerts.look()
    alerts.summarize()  # independent: a failed check must turn the run red without delaying the summary
