"""What alerts about orders say: names of what is late, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping

COMMAND = "python -m order_relay"

ALERT_ADVICE: Mapping[str, str] = {
    "received": "they are not judged: does the pipeline's DAG run, is it paused?",
    "waiting": f"see what they wait for: {COMMAND} order NUMBER",
    "ready": "they are not sent: does the pipeline's DAG run, is it paused or stopped?",
    "sending": "a worker died while it sent them, and no run looked since: does the pipeline's DAG run?",
    "in_doubt": f"read what the OMS answered: {COMMAND} order NUMBER --payload. In doubt: look for it in the OMS, "
    f"then answer its review, or: {COMMAND} settle NUMBER --stored OMS_ID | --absent --reason .... Rejected: "
    "replay or discard it",
    "held": "a person must decide: answer their review under Required Actions, or: "
    f"{COMMAND} decide NUMBER replacement|separate|discard --reason ...",
    "quarantined": f"mend the order, the mapping or a code table: {COMMAND} quarantine",
    "rejected": f"read the OMS's words and mend: {COMMAND} order NUMBER --payload, then replay or discard",
    "left_out": f"see why: {COMMAND} order NUMBER; once mapping or data are mended they come with a later poll",
    "cancelled": "cancel them in the OMS, then confirm: "
    f"{COMMAND} cancelled --done NUMBER --reason ...; ShipRush sees them as cancelled",
    "untold": f"see why the source refuses it: {COMMAND} feedback --failed; then --retry NUMBER or --give-up NUMBER",
    "acknowledgement": "the source did not confirm that it was told; it keeps offering them, which does no harm",
}
LIVE_RUN_STATES = frozenset({"received", "waiting", "ready", "sending", "acknowledgement"})
"""What is late in these needs a live run, whatever an operator decides."""

SHADOW_ADVICE = (
    "they were left over when the pipeline stopped being live. Set 'mode: live' in {pipeline}.yaml to finish them, or "
    f"look each one up in the OMS: {COMMAND} order NUMBER"
)
STATE_NAMES: Mapping[str, str] = {
    "in_doubt": "sent but not known to be imported",
    "acknowledgement": "not acknowledged",
    "left_out": "left out of the order feed",
    "cancelled": "cancelled in the shop after the import",
    "untold": "refused by the source when told of",
}
