"""``stop`` and ``resume``: whether orders are sent to the OMS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from order_relay.cli.arguments import open_actions
from order_relay.cli.decisions import AsJson, Reason, Who, actor_name, require_reason
from order_relay.cli.output import print_json, print_line

if TYPE_CHECKING:
    from order_relay.pipeline.runs.stop_switch import StopSwitch

Only = Annotated[str | None, typer.Argument(metavar="[PIPELINE]", help="Only this pipeline; default: all.")]


def stop(reason: Reason, pipeline: Only = None, who: Who = None, as_json: AsJson = False) -> None:
    """Stop sending orders to the OMS. Runs still read, check and prepare them."""
    name = actor_name(who)
    with open_actions() as (_, _, actions):
        _show(actions.stop(pipeline, require_reason(reason), name), name, as_json=as_json)


def resume(reason: Reason, pipeline: Only = None, who: Who = None, as_json: AsJson = False) -> None:
    """Resume sending orders to the OMS with the next run."""
    name = actor_name(who)
    with open_actions() as (_, _, actions):
        _show(actions.resume(pipeline, require_reason(reason), name), name, as_json=as_json)


def _show(switch: StopSwitch, who: str, *, as_json: bool) -> None:
    stopped = sorted(switch.pipelines)
    if as_json:
        print_json({"everything": switch.everything, "stopped": stopped, "who": who})
        return
    what = "all pipelines" if switch.everything else ", ".join(stopped)
    print_line(f"sending is stopped for {what}" if what else "nothing is stopped; the next run sends")
