"""### SuperCat → Shopatron

Takes orders from SuperCat eCat, sends each one to the Shopatron / Kibo OMS exactly once, and tells SuperCat which ones
were taken over. One DAG for each file `supercat_to_shopatron*.yaml` in `include/config/`.

| task | does |
|---|---|
| **extract** | reads all that SuperCat offers, archives it without card data, enters each order into the ledger |
| **validate** | judges each order by its schema; a bad one is quarantined with every reason, the others go on |
| **dedupe** | chooses one version of each order; unclear cases are held for a person |
| **transform** | makes the payloads, exact to the cent, and divides what is ready into at most 16 chunks |
| **load** | one task a chunk: first asks the OMS about orders in doubt, then sends every ready one |
| **acknowledge** | tells SuperCat about settled orders; runs also if a chunk failed |
| **report** | counts everything and decides the colour of the run |

**Green** means that the machinery worked, even if orders were quarantined, rejected, held or left in doubt: that is
business, and the report says what waits for whom. **Red** means that a task failed after its retries, or that the count
does not hold. With nothing to do, *validate* to *load* are skipped.

**Retries** follow the kind of error: passing trouble backs off (first delay: Variable `order_relay_retry_delay_s`),
throttling waits as told, wrong set-up fails at once. An order whose answer was lost is never sent again on suspicion:
it is `in_doubt` and is looked up by the next run.

**After a refused login** the pipeline makes no further request to SuperCat until the connection has changed, since
repeated failures lock the account.

**Trigger form**: `dry_run` shows what would happen; `order_ids` reads just these; `limit` takes so many; `acknowledge`
can be left out. **Backfill**: batches archived in the interval go through again; what was sent is never sent twice.

**The form's box "Unpause ... on trigger" is ticked by default.** A run triggered on a paused DAG, also a dry run, then
starts the schedule: scheduled runs follow, and they are not dry runs. Untick it to run once. In shadow mode the
scheduled runs send nothing either.

**Shadow mode** is how the file is shipped (`mode: shadow`): every run does everything but send and acknowledge, and its
report shows what would have been sent, compared with what the OMS has. `acknowledge` is skipped. Going live is an edit
of the pipeline's file: `mode: live`.

**To stop sending**: set the Variable `order_relay_stop` to `true`, or to the names of DAGs such as this one. Unsent
orders stay `ready`. `false` or an empty value resumes. Any other value, and one that cannot be read, stops everything
and raises an alert.

**People on call**: `python -m order_relay report`, `order NUMBER`, `quarantine`, `held`, `doubt`, `doctor`.
"""

from __future__ import annotations

from order_relay.airflow_bindings.order_dag import order_dags

globals().update(order_dags("supercat_to_shopatron", __doc__ or "", ("supercat", "shopatron")))
