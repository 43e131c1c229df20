"""Display of a held order: its versions and their differences line by line, without personal data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from order_relay import COMMAND
from order_relay.cli.output import print_json, print_line, print_table, problem_exit
from order_relay.pipeline.report.advice import explain

if TYPE_CHECKING:
    from order_relay.orders.review.diff import VersionDiff
    from order_relay.pipeline.operators.review_model import OrderReview, ReviewedVersion, VersionDifference

_VERSIONS = ("", "id", "order", "source id", "edition", "state", "first offered", "imported", "OMS id")


def show_reviews(reviews: Sequence[OrderReview], number: str, *, as_json: bool) -> None:
    """Print the reviews of an order number, one per pipeline that holds it; exit code 1 if there is none."""
    if as_json:
        print_json({"found": len(reviews), "reviews": [review.as_dict() for review in reviews]})
    for review in () if as_json else reviews:
        _show(review)
    if not reviews:
        if not as_json:
            print_line(f"no order with number {number!r} is held; list held orders with: {COMMAND} held")
        raise problem_exit()


def _show(review: OrderReview) -> None:
    print_line(f"order {review.number}  (held: {review.reason})", "bold")
    print_line(explain(review.reason))
    print_table(review.pipeline, _VERSIONS, (_cells(version) for version in review.versions))
    for remark in review.correction_remarks:
        print_line(remark)
    versions = {version.id: version for version in review.versions}
    for detail in review.details:
        _show_difference(detail, versions)
    if review.imported:
        print_line(f"already imported, OMS ids: {', '.join(review.imported)}")
    if review.other_numbers:
        print_line(f"held in the same group and decided together: {', '.join(review.other_numbers)}")
    for choice, effect in review.answers:
        print_line(f"{choice}: {effect}")
    shown = ",".join(f"{number}/{revision}" for number, revision in review.seen.items())
    print_line(f"{COMMAND} decide {review.number} {'|'.join(review.choices)} --reason ... --shown {shown}")
    if review.needs_confirmation:
        print_line("replacement also requires --confirm-cancelled, after you have cancelled the old order in the OMS")


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


def _show_difference(detail: VersionDifference, versions: dict[int, ReviewedVersion]) -> None:
    against = f" against {detail.before} (before)" if detail.before in versions else ""
    title = f"submission {detail.now} (now){against}"
    if detail.contradicting:
        print_line(f"{title}: contradictory versions, different {detail.contradicting}")
    if detail.comparison is None:
        print_line(f"{title}: {detail.problem}")
        return
    print_table(title, ("what", "item", "field", "before", "now"), _rows(detail.comparison))
    for remark in _remarks(detail.comparison):
        print_line(remark)


def _rows(diff: VersionDiff) -> Iterable[tuple[str, ...]]:
    for change in diff.order:
        yield ("order", "", change.what, change.before, change.now)
    for line in diff.lines:
        for change in line.changes:
            yield (f"line {line.kind}", line.item, change.what, change.before, change.now)
        if line.hidden or not line.changes:
            yield (f"line {line.kind}", line.item, ", ".join(line.hidden), "", "(not shown)" if line.hidden else "")


def _remarks(diff: VersionDiff) -> Iterable[str]:
    from order_relay.orders.review.diff import NO_VISIBLE_CHANGE

    if diff.equal:
        yield "no differences"
    if diff.no_visible_change:
        yield NO_VISIBLE_CHANGE
    if diff.same_lines:
        yield f"unchanged lines: {diff.same_lines}"
    if diff.hidden:
        yield f"also changed, not shown here: {', '.join(diff.hidden)}"
    if diff.unreadable:
        yield f"values of the new version that the mapping cannot read: {diff.unreadable}"
