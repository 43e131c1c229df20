"""### Ledger and OMS compared

Once a day the ledger is held against what the OMS shows. **Nothing is repaired and no order changes its state**: a
person reads the report and decides.

| task | does |
|---|---|
| **active** | finds the pipelines that ever ran |
| **compare** | one task a pipeline: searches the OMS for what was imported lately, and reads what it dates lately |

How many days back is a setting (`reconcile: days`, 7 by default).

| found | means |
|---|---|
| `missing` | imported here, and surely not there: two complete searches showed another known order, but not this one |
| `doubled` | several orders there carry one external id |
| `other_id` | there under another OMS id than the ledger has |
| `not_imported` | there, although the ledger says something else than imported |
| `unknown` | there, and not in the ledger; only orders that carry an external id can be compared |

Differences are told to a person, once as long as they stay the same. Where others import into the same account,
`reconcile: alert_unknown: false` keeps the unknown ones to the report.

**What can not be known is said**, and nothing is called missing then: a connection with `search_by: none`, a search
that fails, ignores its parameters, shifts while it is read, or leaves out external ids.

The report lies in the batch store (`PIPELINE/runs/RUN/reconcile.md`) and in the task's log. **Red** means that a
pipeline's connection or setting is wrong, or that the OMS asked for a longer pause than the task may wait.

**People on call**: `python -m order_relay reconcile --pipeline NAME`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow_bindings import upkeep_tasks as tasks

with DAG(schedule=tasks.every("40 4 * * *"), **tasks.dag_arguments("reconcile", __doc__ or "")) as dag:
    tasks.compare.expand(pipeline=tasks.active())
