"""### What becomes of orders at aCommerce

Reads the statuses that aCommerce gives to orders and their parcels, keeps every version of every event, and lets the
ledger's shipments know what left. One DAG for each file `acommerce_status*.yaml` in `include/config/`. Orders reach
aCommerce in another way; which of ours they are is told by their number (`ours` in the file).

| task | does |
|---|---|
| **poll** | reads all orders that changed since the last settled point, page by page |
| **fetch** | brings CSV files from an FTP or SFTP server into the batch store (only where `files.fetch` names one) |
| **files** | reads CSV files under `acommerce_status/drops/` in the batch store, whatever their names, each once |
| **by_id** | matches orders to ours; reads by number what is doubtful or was not reported for too long, ten a call |
| **follow** | records shipped parcels; asks a person where one that was told is not shipped any more |

**Webhooks** (`POST /acommerce/events`) bring the same events within seconds. Polls fill their gaps; neither order,
repetition nor loss changes what comes out. Register one with `python -m order_relay hook register URL`.

**Nothing is overwritten.** A known event with other content is a correction: both contents are kept. An event that is
gone counts as deleted only where a whole history was read (by number; of polls a setting says so). Where anything else
shows a history without a known event, the order is read by its number. Orders with a final status are read by number
for 14 more days, since the vendor withdraws events.

**A range** of time is read again in one run by *From* and *To* of the trigger form, or by a backfill, of which each run
stores what changed in its own interval. Neither moves the point, and a backfill reads no files and no single orders.

**The point moves** only when a window was read to its end and stored. A list of several pages is read again until
nothing new comes, since it shifts while orders change.

**Red** means that aCommerce, or the server of files, could not be reached or refused us, or that a setting is wrong.
Records, rows and files that cannot be used or fetched leave the run green and raise an alert:
`python -m order_relay statuses --refused` lists what was refused, and `report` counts it.

**People on call**: `python -m order_relay order NUMBER`, `statuses`, `statuses --unmatched`, `statuses --asked`.
"""

from __future__ import annotations

from order_relay.airflow_bindings.status_tasks import status_dags

globals().update(status_dags("acommerce", __doc__ or ""))
