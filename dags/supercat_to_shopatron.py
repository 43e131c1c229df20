"""### SuperCat → Shopatron

Reads orders from SuperCat eCat, sends each one to the Shopatron / Kibo OMS exactly once, and acknowledges in SuperCat
what was taken over. There is one DAG per file `supercat_to_shopatron*.yaml` in `include/config/`.

| task | does |
|---|---|
| **extract** | reads everything SuperCat offers, archives it without card data, enters each order into the ledger |
| **validate** | checks each order against its schema; a bad one is quarantined with every reason, the others proceed |
| **dedupe** | chooses one version of each order; unclear cases are held for an operator |
| **transform** | builds the payloads, exact to the cent, and divides what is ready into at most 16 chunks |
| **load** | one task per chunk: looks up orders in doubt, then sends every ready one |
| **acknowledge** | acknowledges settled orders in SuperCat; also runs if a chunk failed |
| **report** | runs the accounting check and decides whether the run is green |

**Green** means the pipeline worked. Quarantined, rejected, held, waiting or doubtful orders are listed in the report
and do not turn a run red. **Red** means that a task failed after its retries, or that the accounting check failed.
If there is nothing to do, *validate* to *load* are skipped.

**Retries** depend on the kind of error: temporary errors back off (first delay: Variable `order_relay_retry_delay_s`),
throttling waits as requested, a configuration error fails immediately. An order whose answer was lost is not sent again
on suspicion: it is `in_doubt` and is looked up by the next run.

**Refused login**: SuperCat locks accounts after failed logins. A rejected password is tried once; the pipeline then
pauses until you edit the connection.

**Trigger form**: `dry_run` shows what would happen; `order_ids` reads only these; `limit` sets a maximum; `acknowledge`
can be switched off. **Backfill**: batches archived in the interval are processed again; an order already sent is not
sent again.

**Untick "Unpause ... on trigger"** in the form to run once. Airflow ticks it by default: a run triggered on a paused
DAG, even a dry run, then starts the schedule, and scheduled runs are not dry runs. In shadow mode they send nothing.

**Shadow mode** is the shipped setting (`mode: shadow`): every run does everything except sending and acknowledging, and
its report compares what would have been sent with what the OMS has. To go live, set `mode: live` in the pipeline file.

**To stop sending**, set the Variable `order_relay_stop` to `true`, or to the names of DAGs such as this one. Unsent
orders stay `ready`. `false` or an empty value resumes. Any other value, or one that cannot be read, stops everything
and raises an alert.

**Commands**: `order-relay report`, `order NUMBER`, `quarantine`, `held`, `doubt`, `doctor`.
"""

from __future__ import annotations

from order_relay.airflow.dags import order_dags

globals().update(order_dags("supercat_to_shopatron", __doc__ or "", ("supercat", "shopatron")))
