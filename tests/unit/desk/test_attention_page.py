"""The page *Needs attention*: what it lists, what an action would do, and what a stale page makes of it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from order_relay.desk.access import Principal
from order_relay.ledger.schema.write_back_tables import feedback
from order_relay.orders.fulfilment.shipment_progress import Shipment
from order_relay.orders.messages import RunContext
from order_relay.wiring import actions as actions_module
from tests.support.archived_orders import PIPELINE
from tests.support.desk import ADMIN, OPERATOR, VIEWER, desk_app, desk_client, main_text
from tests.support.stopped_orders import StoppedOrders, copied


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[StoppedOrders]:
    made = copied(tmp_path / "home")
    yield made
    assert made.ledger.accounting.invariant_violations() == []
    made.ledger.close()


@pytest.fixture
def ask(stopped: StoppedOrders) -> Callable[..., Any]:
    """Sends a request; returns the answer's status and text."""

    def send(method: str, path: str, user: Principal = OPERATOR, **form: Any) -> tuple[int, str]:
        with desk_client(desk_app(stopped.parts, user, stopped.host)) as client:
            answer = client.request(method, path, data=form or None)
        return answer.status_code, answer.text or str(answer.headers.get("HX-Trigger", ""))

    return send


def page(ask: Callable[..., Any], query: str = "", user: Principal = OPERATOR) -> str:
    status, text = ask("GET", f"/attention{query}", user)
    assert status == 200, text
    return str(text)


def preview(ask: Callable[..., Any], action: str, stopped: StoppedOrders, *names: str, **form: Any) -> tuple[str, str]:
    """The fragment as words, and the orders that it names for the action."""
    chosen = [f"{number}/{revision}" for number, revision in stopped.shown(*names).items()]
    values = {"action": action, "scope": "selected", "chosen": chosen, **form}
    status, text = ask("POST", "/attention/preview", **values)
    assert status == 200, text
    shown = re.search(r'name="shown" value="([^"]*)"', text)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split()), shown[1] if shown else ""


def test_it_lists_reasons_with_their_age_and_the_orders_of_one(stopped: StoppedOrders, ask: Callable[..., Any]) -> None:
    stopped.actions.assign(stopped.shown("clean"), "bob", "ann")
    stopped.actions.note([stopped.id("clean")], "asked <sales>", "ann")
    text = page(ask, "?kind=quarantined&pipeline=supercat_to_shopatron&reason=total_differs")
    words = main_text(text)
    for part in ("Open (4)", "Snoozed (0)", "2 orders, oldest less than a minute", "asked <sales>", "bob", "Correct"):
        assert part in words, part
    assert "asked &lt;sales&gt;" in text
    assert set(re.findall(r'name="chosen" value="(\d+)/', text)) == {
        str(stopped.id("clean")),
        str(stopped.id("broken")),
    }
    links = [urlsplit(html.unescape(link)) for link in re.findall(r'href="([^"]*attention\?[^"]*)"', text)]
    reasons = {parse_qs(link.query).get("kind", [""])[0] for link in links}
    assert reasons >= {"quarantined", "rejected", "held"}
    held = page(ask, f"?kind=held&pipeline={PIPELINE}&reason=changed_after_import")
    assert f"orders/{stopped.id('held')}#actions" in held
    assert 'id="open-replay"' not in held


def test_who_may_not_act_sees_no_actions(ask: Callable[..., Any]) -> None:
    text = page(ask, user=VIEWER)
    assert "<dialog" not in text.replace('<dialog id="help"', "")
    assert 'name="chosen"' not in text


def test_a_user_of_other_pipelines_sees_and_changes_nothing(stopped: StoppedOrders, ask: Callable[..., Any]) -> None:
    other = Principal("eve", frozenset({"cloudsuite_to_shopatron"}), may_act=True)
    assert "Nothing needs you. cloudsuite_to_shopatron has not been read yet." in main_text(page(ask, user=other))
    chosen = ",".join(f"{number}/{revision}" for number, revision in stopped.shown("clean").items())
    form = {"shown": chosen, "reason": "x"}
    for action, more in (
        ("discard", {}),
        ("replay", {}),
        ("snooze", {"days": "1"}),
        ("note", {"text": "x"}),
        ("assign", {}),
    ):
        assert ask("POST", f"/attention/{action}", other, **form, **more)[0] == 404, action
    assert ask("POST", "/attention/preview", other, action="discard", scope="selected", chosen=[chosen])[0] == 404
    assert stopped.state("clean") == "quarantined"


def test_a_preview_says_what_passes_and_the_action_does_just_that(
    stopped: StoppedOrders, ask: Callable[..., Any]
) -> None:
    words, shown = preview(ask, "replay", stopped, "clean", "broken")
    assert "2 orders : Sent by the next run: 1 Still refused, unchanged: 1" in words
    assert shown == f"{stopped.id('clean')}/{stopped.shown('clean')[stopped.id('clean')]}"
    status, message = ask("POST", "/attention/replay", shown=shown, reason="table completed")
    assert (status, "1 order continues with the next run." in message) == (204, True), message
    assert stopped.state("clean") == "received"


def test_all_orders_with_one_reason_are_chosen_at_once(stopped: StoppedOrders, ask: Callable[..., Any]) -> None:
    group = {"kind": "quarantined", "pipeline": PIPELINE, "cause": "total_differs"}
    words, shown = preview(ask, "discard", stopped, scope="group", **group)
    assert "2 orders : Discarded: 2" in words
    status, message = ask("POST", "/attention/discard", shown=shown, reason="test orders")
    assert (status, "2 orders are discarded." in message) == (204, True), message
    assert [stopped.state(name) for name in ("clean", "broken")] == ["discarded"] * 2


@pytest.mark.parametrize(
    ("action", "form", "message"),
    [
        ("assign", {"assignee": "bob"}, "2 orders are assigned to bob."),
        ("assign", {"assignee": ""}, "2 orders are assigned to nobody."),
        ("note", {"text": "asked sales"}, "The note is saved for 2 orders."),
        ("snooze", {"days": "3", "reason": "later"}, "2 orders are snoozed until"),
        ("unsnooze", {}, "2 orders are open again."),
    ],
)
def test_orders_are_marked(
    stopped: StoppedOrders, ask: Callable[..., Any], action: str, form: dict[str, str], message: str
) -> None:
    _, shown = preview(ask, "mark", stopped, "clean", "in_doubt")
    status, text = ask("POST", f"/attention/{action}", shown=shown, **form)
    assert (status, message in text) == (204, True), text
    (done,) = stopped.ledger.activity.of_submission(stopped.id("in_doubt"))
    assert (done.action, done.who) == (action, OPERATOR.name)


@pytest.mark.parametrize(("choice", "result"), [("cancelled", "recorded as cancelled in the OMS"), ("keep", "kept")])
def test_orders_cancelled_in_the_shop_are_decided_once(
    stopped: StoppedOrders, ask: Callable[..., Any], choice: str, result: str
) -> None:
    stopped.actions.settle(stopped.numbers["in_doubt"], "OMS77", "found", "ann")
    (work,) = stopped.ledger.worklist.get([stopped.id("in_doubt")])
    stopped.ledger.cancellations.record(RunContext(PIPELINE, "run"), [work.source_id])
    shown_page = page(ask, f"?kind=cancelled&pipeline={PIPELINE}")
    assert work.order_number in main_text(shown_page)
    assert 'id="open-cancellation"' in shown_page
    with desk_client(desk_app(stopped.parts, OPERATOR, stopped.host)) as client:
        one = client.get(f"/orders/{work.id}").text
    assert 'id="open-cancellation"' in one
    assert "OMS77" in one
    _, shown = preview(ask, "mark", stopped, "in_doubt")
    status, text = ask("POST", "/attention/cancellation", shown=shown, choice=choice, reason="by phone")
    assert (status, result in text) == (204, True), text
    assert stopped.ledger.cancellations.unsettled() == []
    assert 'id="open-cancellation"' not in ask("GET", f"/orders/{work.id}")[1]
    _, revision = shown.split("/")
    for path, form in (("attention", {"shown": shown}), (f"orders/{work.id}", {"revision": revision})):
        assert ask("POST", f"/{path}/cancellation", choice="keep", reason="x", **form)[0] == 409, "decided already"


@pytest.mark.parametrize(("action", "left"), [("retry", "refused"), ("give_up", "given_up")])
def test_a_failed_update_of_the_shop_is_retried_or_given_up(
    stopped: StoppedOrders, ask: Callable[..., Any], action: str, left: str
) -> None:
    stopped.actions.settle(stopped.numbers["in_doubt"], "OMS77", "found", "ann")
    step = {"submission_id": stopped.id("in_doubt"), "step": "shipped", "delivery": 0, "state": "failed", "tries": 5}
    with stopped.ledger.database.engine.begin() as conn:
        conn.execute(feedback.insert().values(step | {"at": datetime.now(UTC), "run": "r", "message": "HTTP 400"}))
    text = page(ask, f"?kind=write_back&pipeline={PIPELINE}&reason=shipped")
    assert 'id="open-retry"' in text
    assert 'id="open-give-up"' in text
    health = ask("GET", "/health")[1]
    assert "failed; an operator decides" in health
    _, shown = preview(ask, "mark", stopped, "in_doubt")
    form = {"shown": shown, "action": action, "step": "shipped", "reason": "repaired"}
    status, message = ask("POST", "/attention/write-back", **form)
    assert (status, "1 update is" in message) == (204, True), message
    [count] = stopped.ledger.write_back_tasks.unfinished([PIPELINE])
    assert count.state == left
    assert ask("POST", "/attention/write-back", **form)[0] == 409, "decided already"


def test_snoozed_orders_have_a_tab_of_their_own(stopped: StoppedOrders, ask: Callable[..., Any]) -> None:
    _, shown = preview(ask, "mark", stopped, "rejected")
    ask("POST", "/attention/snooze", shown=shown, days="3", reason="later")
    assert "Open (3)" in main_text(page(ask))
    snoozed = page(ask, "?tab=snoozed")
    assert stopped.numbers["rejected"] in main_text(snoozed)
    assert 'id="open-unsnooze"' in snoozed
    group = {"kind": "rejected", "pipeline": PIPELINE, "cause": "http_400", "snoozed": "true"}
    _, again = preview(ask, "mark", stopped, scope="group", **group)
    assert again == shown


def test_resolved_orders_say_who_and_why(stopped: StoppedOrders, ask: Callable[..., Any]) -> None:
    stopped.actions.discard(stopped.shown("broken"), "test order", "ann")
    words = main_text(page(ask, "?tab=resolved"))
    assert f"{stopped.numbers['broken']} Quarantined Discarded" in words
    assert "ann discard: test order" in words


def test_a_stale_page_is_refused_with_the_new_state(stopped: StoppedOrders, ask: Callable[..., Any]) -> None:
    _, shown = preview(ask, "replay", stopped, "clean", "rejected")
    stopped.ledger.bulk.discard(RunContext(PIPELINE, "", "bob"), [stopped.id("clean")], "duplicate")
    for action, more in (("replay", {}), ("discard", {}), ("snooze", {"days": "1"}), ("assign", {})):
        status, text = ask("POST", f"/attention/{action}", shown=shown, reason="x", **more)
        assert status == 409, action
        assert f"{stopped.numbers['clean']} (now discarded)" in text
    chosen = {"action": "replay", "scope": "selected", "chosen": shown.split(",")}
    status, text = ask("POST", "/attention/preview", **chosen)
    assert (status, "now discarded" in text, 'name="shown"' in text) == (200, True, False)
    assert stopped.state("rejected") == "rejected"
    assert stopped.ledger.activity.of_submission(stopped.id("rejected")) == []


def test_an_empty_or_damaged_selection_is_refused(
    stopped: StoppedOrders, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    words, shown = preview(ask, "discard", stopped)
    assert (words, shown) == ("No order is selected. Select orders, or choose all with this reason.", "")
    assert ask("POST", "/attention/discard", reason="x")[0] == 422
    assert ask("POST", "/attention/discard", reason="x", shown="1; DROP TABLE")[0] == 422
    assert "1 order" in preview(ask, "mark", stopped, "clean")[0]
    monkeypatch.setattr("order_relay.desk.pages.attention.MAX_ORDERS", 1)
    words, shown = preview(ask, "discard", stopped, "clean", "broken")
    assert (words, shown) == ("2 orders are selected, but one action takes at most 1; select fewer.", "")
    assert actions_module.MAX_ORDERS == 1_000


def test_pages_and_my_orders(stopped: StoppedOrders, ask: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("order_relay.desk.pages.attention.PAGE_SIZE", 1)
    query = f"?kind=quarantined&pipeline={PIPELINE}&reason=total_differs"
    first = page(ask, query)
    (following,) = re.findall(r'rel="next" href="\./(attention\?[^"]*)"', first)
    second = page(ask, f"?{html.unescape(following).partition('?')[2]}")
    assert stopped.numbers["clean"] in main_text(first)
    assert stopped.numbers["broken"] in main_text(second)
    assert 'rel="next"' not in second
    stopped.actions.assign(stopped.shown("broken"), OPERATOR.name, "ann")
    mine = main_text(page(ask, f"{query}&mine=1"))
    assert (stopped.numbers["broken"] in mine, stopped.numbers["clean"] in mine) == (True, False)
    assert "None of these orders is yours" in main_text(page(ask, f"{query}&mine=1", ADMIN))
    for after in ("x", "2026-01-01~1", "2026-01-01T00:00:00+00:00~x"):
        assert ask("GET", f"/attention{query}&after={after.replace('+', '%2B')}")[0] == 422


def test_a_parcel_without_an_order_is_shown_without_actions(stopped: StoppedOrders, ask: Callable[..., Any]) -> None:
    parcel = Shipment("shiprush", "k", ("X-9",), tracking_number="1Z9", asks="its number is unknown")
    kept = stopped.ledger.shipments.record(RunContext("", "", "shiprush"), parcel, None)
    text = page(ask, "?kind=parcel&reason=unmatched")
    assert f"Parcel {kept.shipment_id}" in main_text(text)
    assert "its number is unknown" in main_text(text)
    assert 'name="chosen"' not in text
    assert "No order has this reason any more" in main_text(page(ask, "?kind=parcel&reason=asked"))
