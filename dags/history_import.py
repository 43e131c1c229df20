"""### Import orders of the past

Brings orders to the OMS that were fulfilled, begun or cancelled before Order Relay was introduced, each with its status
(`READY`, `SHIPPED`, `CANCELLED`). It runs only when triggered; the form asks for a pipeline and for the first and the
last day. One run imports the whole range.

| task | does |
|---|---|
| **plan** | checks form and mapping, fetches files, finds days or files; skipped if nothing is left to read or send |
| **import_slices** | reads, checks and sends day after day; its log shows the progress after each |
| **report** | writes the report: days and orders by result; runs the accounting check |

| source | what is read |
|---|---|
| CloudSuite | orders confirmed in the range, in the states of the connection's field `history_states` |
| SuperCat | the archive: orders fetched in the range that were not sent are evaluated again |
| Order files | files in `PIPELINE/drops/` of the batch store, 1,000 orders at a time; each is removed when done |

**The status** of each order comes from the source's mapping (`fulfilment_status`). Without such a rule the import does
not start, because every order would be sent as to be shipped.

**Nothing is reported.** The customers get no e-mail, unless both `send_email` and `send_email_for_history` are `true`.
The source gets no acknowledgement, number or shipment of these orders, unless `history: write_back` is `true` in the
pipeline's file (SuperCat's orders are acknowledged, because it offers them until then). ShipRush is not offered what
was shipped or cancelled.

**A broken-off import continues** at the slice that broke off: by the retries of the task, or by another run with the
same pipeline and days. Nothing is imported twice, neither by another import nor by the pipeline's ordinary runs.
Orders that were still in doubt at the end are looked up, and sent if the OMS does not have them, by the pipeline's
next run; for order files, trigger the import once more, as its report says.

**Shadow mode** (`mode: shadow`) and **Dry run** send nothing; the report shows what would have been sent. A trial
begins anew if it breaks off.

**To stop**, set the Variable `order_relay_stop` to the pipeline's name or `true`. What was read stays in the ledger.

**Red** means that the source, its file server or the OMS could not be reached, a setting is wrong, a delivered file
cannot be read, or sending was stopped; an alert names the cause. Quarantined or held orders do not turn it red, nor do
files that could not be fetched, which an alert lists.

**Commands**: `order-relay history`, `report`, `quarantine`, `order NUMBER`.
"""

from __future__ import annotations

from airflow.sdk import DAG

from order_relay.airflow.dags import dag_arguments
from order_relay.airflow.tasks import history

with DAG(schedule=None, params=history.history_params(), **dag_arguments("history_import", __doc__ or "")) as dag:
    planned = history.plan()
    history.import_slices(planned) >> history.report(planned)
