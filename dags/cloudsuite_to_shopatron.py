"""### CloudSuite → Shopatron

Reads confirmed orders from a CloudSuite web shop, sends each one to the Shopatron / Kibo OMS exactly once, and sets
those that were taken over to *processing* in the shop. There is one DAG per file `cloudsuite_to_shopatron*.yaml` in
`include/config/`.

| task | does |
|---|---|
| **extract** | lists the confirmed orders, reads each one in full, archives it, enters it into the ledger |
| **validate** | checks each order against its schema, then its payment: unpaid orders wait |
| **dedupe** | holds an order whose content changed after its import |
| **transform** | builds the payloads, exact to the cent, and divides what is ready into at most 16 chunks |
| **load** | one task per chunk: looks up orders in doubt, then sends every ready one |
| **acknowledge** | sets settled orders to *processing* in the shop; also runs if a chunk failed |
| **report** | runs the accounting check and decides whether the run is green |

**What is read.** Everything from the watermark minus an overlap of 26 hours (setting `reading: overlap_s`), so downtime
loses nothing. All pages of the list are read before the first order.

**Payment.** `paid`, `closed_success` and `account` proceed. `started` and `closed_canceled` wait and are requested
again by their id, at growing intervals, as long as the shop shows them as confirmed. `none` waits unless the code table
`payment_none` says `go` for that web shop. An order that the shop withdraws before it is sent waits without being
requested; once listed again, it proceeds.

**Cancelled before it was sent.** Each run first lists the cancelled orders among those confirmed within the last 30
days (`feedback: cancelled_days`). An order that is still unsent here, in whatever state, is stopped (`gate:cancelled`)
and read again; it proceeds only if the shop confirms it again.

**Refused orders** are requested again every hour, so that a correction in the shop takes effect.

**Orders that cannot be read.** Every listed order gets a ledger row. One whose detail fails (`detail_unreadable`) or
answers 404 (`detail_missing`) is quarantined and requested again at growing intervals; the others proceed. A 404 counts
as withdrawn (`order_gone`) only after 24 hours of denials (setting `reading: gone_after_s`). The run stops only if most
of the newly listed orders fail.

**Green** means the pipeline worked. Quarantined, rejected, held, waiting or doubtful orders are listed in the report
and do not turn a run red. **Red** means that a task failed after its retries, or that the accounting check failed.
If there is nothing to do, *validate* to *load* are skipped.

**Trigger form**: `dry_run` shows what would happen; `order_ids` reads only these (CloudSuite's ids, numbers
such as CS9101, or web shop and number: 1-CS9101); `limit` sets a maximum; `acknowledge` can be switched off.
**Backfill**: orders confirmed in the interval are read; an order already sent is not sent again.

**Write-back** of OMS id, line numbers and shipments is done by `cloudsuite_feedback`.

**Untick "Unpause ... on trigger"** in the form to run once. Airflow ticks it by default: a run triggered on a paused
DAG, even a dry run, then starts the schedule, and scheduled runs are not dry runs. In shadow mode they send nothing.

**Shadow mode** is the shipped setting (`mode: shadow`): every run does everything except sending and changing orders in
the shop, and its report shows what would have been sent. To go live, set `mode: live` in the pipeline file.

**To stop sending**, set the Variable `order_relay_stop` to `true`, or to the names of DAGs such as this one. Unsent
orders stay `ready`. `false` or an empty value resumes. Any other value, or one that cannot be read, stops everything
and raises an alert.

**Commands**: `order-relay report`, `order NUMBER`, `quarantine`, `held`, `doubt`, `doctor`.
"""

from __future__ import annotations

from order_relay.airflow.dags import order_dags

globals().update(order_dags("cloudsuite_to_shopatron", __doc__ or "", ("cloudsuite", "shopatron")))
