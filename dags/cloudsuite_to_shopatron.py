"""### CloudSuite → Shopatron

Takes confirmed orders from a CloudSuite web shop, sends each one to the Shopatron / Kibo OMS exactly once, and sets the
ones that were taken over to *processing* in the shop. One DAG for each file `cloudsuite_to_shopatron*.yaml` in
`include/config/`.

| task | does |
|---|---|
| **extract** | lists the confirmed orders, reads each one in full, archives it, enters it into the ledger |
| **validate** | judges each order by its schema, then by its payment: what is not paid yet waits |
| **dedupe** | an order that came with other content after it was imported is held for a person |
| **transform** | makes the payloads, exact to the cent, and divides what is ready into at most 16 chunks |
| **load** | one task a chunk: first asks the OMS about orders in doubt, then sends every ready one |
| **acknowledge** | sets settled orders to *processing* in the shop; runs also if a chunk failed |
| **report** | counts everything and decides the colour of the run |

**What is read.** From the point up to which the shop was read without a gap, minus an overlap of 26 hours (setting
`reading: overlap_s`); hours of downtime lose nothing. All pages of the list are read before the first order.

**Payment.** `paid`, `closed_success` and `account` go on; `started` and `closed_canceled` wait and are asked for again
by their id, with growing distance, for as long as the shop shows them as confirmed. `none` waits unless the code table
`payment_none` says `go` for that web shop. An order that the shop takes back before it is sent waits without being
asked for; listed again, it goes on.

**Refused orders** are asked for again every hour, so that a correction in the shop takes effect.

**Orders that cannot be read.** Every listed order gets a ledger row. One whose detail fails (`detail_unreadable`) or
answers 404 (`detail_missing`) is quarantined and asked for again with growing distance; the others proceed. A 404
counts as withdrawn (`order_gone`) only after 24 hours of denials (setting `reading: gone_after_s`). The run stops only
if most of the newly listed orders fail.

**Green** and **red** mean the same as in every order DAG: quarantined, held, waiting or doubtful orders leave a run
green and stand in the report; a task that failed after its retries makes it red.

**Trigger form**: `dry_run` shows what would happen; `order_ids` reads just these (CloudSuite's ids); `limit` takes so
many; `acknowledge` can be left out. **Backfill**: the shop is asked for orders confirmed in the interval; what was sent
is never sent twice.

**What the shop hears afterwards** (number in the OMS, line numbers, shipment) is the work of `cloudsuite_feedback`.

**The form's box "Unpause ... on trigger" is ticked by default.** A run triggered on a paused DAG, also a dry run, then
starts the schedule: scheduled runs follow, and they are not dry runs. Untick it to run once. In shadow mode the
scheduled runs send nothing either.

**Shadow mode** is how the file is shipped (`mode: shadow`): every run does everything but send and tell the shop, and
its report shows what would have been sent. Going live is an edit of the pipeline's file: `mode: live`.

**To stop sending**: set the Variable `order_relay_stop` to `true`, or to the names of DAGs such as this one. Unsent
orders stay `ready`. `false` or an empty value resumes. Any other value, and one that cannot be read, stops everything
and raises an alert.

**People on call**: `python -m order_relay report`, `order NUMBER`, `quarantine`, `held`, `doubt`, `doctor`.
"""

from __future__ import annotations

from order_relay.airflow_bindings.order_dag import order_dags

globals().update(order_dags("cloudsuite_to_shopatron", __doc__ or "", ("cloudsuite", "shopatron")))
