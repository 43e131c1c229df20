"""### Order statuses from aCommerce

Reads the statuses that aCommerce gives to orders and their parcels, keeps every version of every event, and records
shipped parcels as shipments in the ledger. There is one DAG per file `acommerce_status*.yaml` in `include/config/`.
Orders reach aCommerce in another way; their number decides which of them are ours (`ours` in the file).

| task | does |
|---|---|
| **poll** | reads all orders that changed since the watermark, page by page |
| **fetch** | copies CSV files from a server (`files.fetch`) and from e-mails (`files.mail`) into the batch store |
| **files** | reads CSV files under `acommerce_status/drops/` in the batch store, whatever their names, once each |
| **by_id** | matches orders to ours; reads unclear or overdue ones by number, ten per request |
| **follow** | records shipped parcels; asks an operator if a reported shipment was withdrawn |

**Webhooks** (`POST /acommerce/events`) bring the same events within seconds. Polls fill their gaps; order, repetition
and loss of deliveries do not change the result. Register one with `order-relay hook register URL`.

**Nothing is overwritten.** A known event with other content is a correction, and both contents are kept. An event that
disappeared counts as deleted only if a whole history was read (by number; for polls a setting decides). If anything
else shows a history without a known event, the order is read by its number. Orders with a final status are read by
number for 14 more days, because the vendor withdraws events.

**A time range** is read again in one run by *From* and *To* of the trigger form, or by a backfill, of which each run
stores what changed in its own interval. Neither moves the watermark, and a backfill reads no files or single orders.

**The watermark** moves only after a window was read to its end and stored. A list of several pages is read again until
nothing new appears, because it shifts while orders change.

**Red** means that aCommerce, the file server or the mail server could not be reached or refused the login, or that a
setting is wrong. Records, rows and files that cannot be used or fetched leave the run green and raise an alert;
`order-relay statuses --refused` lists them, and `report` counts them.

**Commands**: `order-relay order NUMBER`, `statuses`, `statuses --unmatched`, `statuses --asked`.
"""

from __future__ import annotations

from order_relay.airflow.dags import status_dags

globals().update(status_dags("acommerce", __doc__ or ""))
