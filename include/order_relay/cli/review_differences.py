"""A held order on the screen: its versions, and the differences line by line. No personal data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from order_relay.cli.output import print_json, print_line, print_table, problem_exit

if TYPE_CHECKING:
    from order_relay.orders.review.diff import VersionDiff
    from order_relay.pipeline.operators.review import OrderReview, ReviewedVersion, VersionDifference

_VERSIONS = ("", "id", "order", "source id", "edition", "state", "first offered", "imported", "OMS id")


def show_reviews(reviews: Sequence[OrderReview], number: str, *, as_json: bool) -> None:
    """Print the reviews of one order number (one for each pipeline that holds it); exit code 1 where there is none."""
    if as_json:
        print_json({"found": len(reviews), "reviews": [review.as_dict() for review in reviews]})
    for review in () if as_json else reviews:
        _show(review)
    if not reviews:
        if not as_json:
            print_line("nothing is held under this order number")
        raise problem_exit()


def _show(review: OrderReview) -> None:
    from order_relay.pipeline.operators.review import HELD_REASONS

    print_line(f"order {review.number}  (held: {review.reason})", "bold")
    print_line(HELD_REASONS.get(review.reason, ""))
    print_table(review.pipeline, _VERSIONS, (_cells(version) for version in review.versions))
    places = {version.id: version for version in review.versions}
    for detail in review.details:
        _show_difference(detail, places)
    if review.imported:
        print_line(f"already at the OMS: {', '.join(review.imported)}")
    if review.other_numbers:
        print_line(f"held in the same group, decided by the same answer: {', '.join(review.other_numbers)}")
    for choice, effect in review.answers:
        print_line(f"{choice}: {effect}")
    shown = ",".join(f"{number}/{revision}" for number, revision in review.seen.items())
    print_line(f"decide {review.number} {'|'.join(review.choices)} --reason ... --shown {shown}")
    if review.needs_confirmation:
        print_line("replacement also needs --confirm-cancelled (once the old order is cancelled at the OMS)")


def _cells(version: ReviewedVersion) -> tuple[object, ...]:
    return (
        "held" if version.shown else "",
        version.id,
        version.order_number,
        version.source_id,
        version.edition,
        version.state,
        version.first_offered_at,
        version.imported_at,
        version.oms_id,
    )


def _show_difference(detail: VersionDifference, places: dict[int, ReviewedVersion]) -> None:
    title = f"submission {detail.now} (now)" + (f" against {detail.before} (before)" if detail.before in places else "")
    if detail.contradicting:
        print_line(f"{title}: contradicting, different {detail.contradicting}")
    if detail.comparison is None:
        print_line(f"{title}: {detail.problem}")
        return
    print_table(title, ("what", "item", "field", "before", "now"), _rows(detail.comparison))
    for remark in _remarks(detail.comparison):
        print_line(remark)


def _rows(told: VersionDiff) -> Iterable[tuple[str, ...]]:
    for change in told.order:
        yield ("order", "", change.what, change.before, change.now)
    for line in told.lines:
        for change in line.changes:
            yield (f"line {line.kind}", line.item, change.what, change.before, change.now)
        if line.hidden or not line.changes:
            yield (f"line {line.kind}", line.item, ", ".join(line.hidden), "", "(not shown)" if line.hidden else "")


def _remarks(told: VersionDiff) -> Iterable[str]:
    from order_relay.orders.review.diff import NO_VISIBLE_CHANGE

    if told.equal:
        yield "both are equal"
    if told.nothing_seen:
        yield NO_VISIBLE_CHANGE
    if told.same_lines:
        yield f"lines that are the same: {told.same_lines}"
    if told.hidden:
        yield f"also changed, not shown here: {', '.join(told.hidden)}"
    if told.unreadable:
        yield f"values of the new version that the mapping can not read: {told.unreadable}"
