"""### Order status for SuperCat's sales portal

> **Unverified, and off.** SuperCat is reported to take these files; nobody here could read the specification. Ask the
> vendor for `sales-portal-file-specifications` and `shipment-tracking-setup` first, and whether your ERP writes these
> files already: both would undo each other's.

Writes two CSV files over SFTP: `order_data.csv`, with the orders whose status changed, and
`invoice_tracking_data.csv`, with all tracking numbers of the last 90 days (`tracking_days`), because the portal
replaces all its tracking numbers by those of the file.

**portal_pipelines** finds the live pipelines that have run before and are switched on; it is skipped if there are none.
**write_portal_files** writes the files of each.

**Switch it on** with `portal_files: {enabled: true}` in the pipeline's file and the connection `sales_portal` (type
SFTP); then unpause this DAG. Statuses and parcels come from the ledger, so `shopatron_status` or ShipRush must report
them.

**Our file is still there**: it is waited for, and its successor will hold everything since. If the portal leaves files
in place, set `not_taken: replace`.

**Red** means that a file is there that this pipeline did not write (it is never touched), that the server refused, or
that a setting is wrong. The next run continues; nothing is lost, and an order that is written again is the same for
the portal.

**Commands**: `order-relay doctor` checks connection and folder.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow.dags import dag_arguments, utc_schedule
from order_relay.airflow.tasks import feedback

with DAG(schedule=utc_schedule("*/10 * * * *"), **dag_arguments("supercat_feedback", __doc__ or "")) as dag:
    feedback.write_portal_files.expand(pipeline=feedback.portal_pipelines("supercat_to_"))
