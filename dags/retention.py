"""### What is settled is removed after the settings say so

Once a day. **By default only leftovers are removed**, such as those of trial runs: all other settings in the
`retention` section of a pipeline's file are empty until you set them.

| task | does |
|---|---|
| **removable** | finds the pipelines that ever ran, if only in shadow mode, and the status accounts in use |
| **remove** | one task for each of them: removes what is due |

| setting | removes |
|---|---|
| `archive_days` | raw orders, so many days after they were fetched |
| `runs_days` | payloads, reports and work lists of runs |
| `ledger_days` | personal data in the ledger: answers of the OMS, customers' PO numbers, places and notes of statuses |
| `trial_days` (7) | everything that dry and shadow runs left: scratch ledgers, raw orders, payloads, reports |

In the file of a status account: `archive_days` of CSV files that were read, `ledger_days` of orders that are not ours.

**Never removed** is what an open order needs to be judged, sent, looked up or reviewed: an order stays whole until it
is imported or discarded, its source knows so, and nothing else is open under its number. One such order does not keep
the others: its batch is written anew without them. Identities, states, events and hashes stay for ever, so the count
holds and nothing is sent twice.

Removed as well: batches that were never closed (an extract that was cut off), and unfinished objects, a day later.

With `dry_run` nothing is removed; the task's log lists what would be. A crash in between does no harm: the next run
does what was left. A backfill over removed orders, a review, a replay and `order NUMBER --payload` say that retention
removed them.

**Red** means that the batch store or the ledger could not be reached, or that an object is damaged; the log names it.

**People on call**: `python -m order_relay retention --dry-run`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow_bindings import upkeep_tasks as tasks

with DAG(
    schedule=tasks.every("10 3 * * *"),
    params=tasks.retention_params(),
    **tasks.dag_arguments("retention", __doc__ or ""),
) as dag:
    tasks.remove.expand(pipeline=tasks.removable())
