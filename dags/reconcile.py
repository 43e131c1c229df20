"""### Compare the ledger with the OMS

Once a day the ledger is compared with what the OMS shows. **Nothing is repaired and no order changes its state**: an
operator reads the report and decides.

| task | does |
|---|---|
| **active** | finds the pipelines that have run before |
| **compare** | one task per pipeline: checks the whole ledger, then searches the OMS for recent imports |

The setting `reconcile: days` is the number of days compared (7 by default).

| difference | meaning |
|---|---|
| `missing` | imported, but proven absent in the OMS: two complete searches found another known order and not this one |
| `doubled` | several orders in the OMS have the same external id |
| `other_id` | in the OMS under another OMS id than in the ledger |
| `not_imported` | in the OMS, although its state in the ledger is not imported |
| `unknown` | in the OMS and not in the ledger; only orders with an external id can be compared |

Differences raise an alert, once as long as they stay the same. If others import into the same account,
`reconcile: alert_unknown: false` keeps unknown orders in the report only.

With `reconcile: source_days`, orders at the source that were never received are reported as well, where the source can
list its past (SuperCat, unverified). They are counted as `source_unseen`.

**What cannot be known is stated**, and nothing is reported as missing then: a connection with `search_by: none`, or a
search that fails, ignores its parameters, shifts while it is read, or omits external ids.

The report is in the batch store (`PIPELINE/runs/RUN/reconcile.md`) and in the task's log. **Red** means that the
accounting check failed, that a pipeline's connection or setting is wrong, or that the OMS asked for a longer pause
than the task may wait.

**Commands**: `order-relay reconcile --pipeline NAME`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow.dags import dag_arguments, utc_schedule
from order_relay.airflow.tasks import reconcile

with DAG(schedule=utc_schedule("40 4 * * *"), **dag_arguments("reconcile", __doc__ or "")) as dag:
    reconcile.compare.expand(pipeline=reconcile.active())
