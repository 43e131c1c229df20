"""### Remove data of settled orders

Runs once a day. **By default nothing of real runs is removed**: the settings of each pipeline file (`retention`) are
empty until you set them. Only what dry runs and shadow runs left is removed, after `trial_days`.

| task | does |
|---|---|
| **removable** | finds the pipelines that have run, even if only in shadow mode, and the status accounts in use |
| **remove** | one task for each of them: removes what is due |

| setting | removes |
|---|---|
| `archive_days` | raw orders, this many days after they were fetched |
| `runs_days` | payloads, reports and worklists of runs |
| `trial_days` | everything that dry runs and shadow runs left; 7 by default, `null`: never |
| `ledger_days` | personal data in the ledger: answers of OMS and shop, PO numbers, status texts, notes, corrections |

In the file of a status account: `archive_days` for CSV files that were read, `ledger_days` for orders of others.

**Never removed** is data that an open order needs to be evaluated, sent, looked up or reviewed: an order is kept whole
until it is imported or discarded, its source was notified, and nothing else is open under its number. One such order
does not keep the others: its batch is rewritten without them. Identities, states, events and hashes are kept forever,
so the accounting check stays valid and nothing is sent again.

Also removed: batches that were never closed (an interrupted extract), and unfinished objects, a day later.

With `dry_run` nothing is removed; the task's log lists what would be. An interrupted run does no harm: the next one
continues. A backfill over removed orders, a review, a replay and `order NUMBER --payload` state that retention removed
them.

**Red** means that the batch store or the ledger could not be reached, or that an object is damaged; the log names it.

**Commands**: `order-relay retention --dry-run`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow.dags import dag_arguments, utc_schedule
from order_relay.airflow.tasks import retention

with DAG(
    schedule=utc_schedule("10 3 * * *"),
    params=retention.retention_params(),
    **dag_arguments("retention", __doc__ or ""),
) as dag:
    retention.remove.expand(pipeline=retention.removable())
