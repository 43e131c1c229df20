"""A review of held orders: all versions of a group and how they differ, for an operator's decision.

A review contains no personal data (see ``orders.review.diff``), so it may be shown in Airflow and in alerts. It names
the ledger ids and revisions it shows. The decision returns them and is refused if the group has changed by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from order_relay.orders.markdown import escape_markdown, markdown_table
from order_relay.orders.review.choices import REPLACEMENT
from order_relay.orders.review.diff import VersionDiff, format_value
from order_relay.orders.review.submission_groups import GroupMember
from order_relay.pipeline.report.advice import advice_for, explain
from order_relay.pipeline.report.processing_codes import COMPARE_VERSIONS


@dataclass(frozen=True)
class ReviewedVersion:
    """One submission in a review. ``shown``: it is held, and the decision is about it.

    ``corrected``: fields that an operator corrected. ``to_confirm``: fields whose correction belongs to earlier content
    and is not applied, until an operator carries it over or dismisses it.
    """

    id: int
    order_number: str
    source_id: str
    edition: int
    state: str
    reason: str
    first_offered_at: datetime
    imported_at: datetime | None
    oms_id: str | None
    destination_key: str | None
    shown: bool
    corrected: tuple[str, ...] = ()
    to_confirm: tuple[str, ...] = ()


@dataclass(frozen=True)
class VersionDifference:
    """The comparison of two submissions of a group; ``before`` is the older one's id, ``now`` the newer one's.

    ``contradicting`` names the fields that versions of one order must share and these do not. ``problem`` says why
    there is no comparison, or is empty.
    """

    before: int
    now: int
    comparison: VersionDiff | None = None
    problem: str = ""
    contradicting: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        comparison = self.comparison.as_dict() if self.comparison else {}
        return {
            "before": self.before,
            "now": self.now,
            "problem": self.problem,
            "contradicting": self.contradicting,
            **comparison,
        }


@dataclass(frozen=True)
class OrderReview:
    """A group of held submissions as an operator sees it.

    ``shown_ids`` and ``revisions`` are returned with the decision, which closes the group. ``number`` is the newest
    held order number, ``other_numbers`` are the others of the group. ``imported``: OMS ids of orders that a
    ``replacement`` would replace, which requires confirmation that they are cancelled. ``answers``: the choices that
    apply, each with its effect.
    """

    pipeline: str
    number: str
    lineage: str
    reason: str
    shown_ids: tuple[int, ...]
    revisions: tuple[int, ...]
    versions: tuple[ReviewedVersion, ...]
    details: tuple[VersionDifference, ...]
    imported: tuple[str, ...] = ()
    other_numbers: tuple[str, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()

    @property
    def seen(self) -> dict[int, int | None]:
        """Revision by submission id, as a decision takes it."""
        return dict(zip(self.shown_ids, self.revisions, strict=True))

    @property
    def choices(self) -> tuple[str, ...]:
        """The choices that apply."""
        return tuple(choice for choice, _ in self.answers)

    @property
    def needs_confirmation(self) -> bool:
        """Whether ``replacement`` requires confirmation that the old order is cancelled."""
        return bool(self.imported) and REPLACEMENT in self.choices

    @property
    def differences(self) -> str:
        """The differences as Markdown, one section for each pair of versions."""
        labels = {version.id: version_label(version) for version in self.versions}
        sections = []
        for detail in self.details:
            body = detail.comparison.as_markdown() if detail.comparison else escape_markdown(detail.problem)
            if detail.contradicting:
                body = f"**These versions contradict each other: different {detail.contradicting}.**\n\n{body}"
            title = escape_markdown(labels[detail.now])
            if detail.before in labels:
                title = f"Before: {escape_markdown(labels[detail.before])}. Now: {title}"
            sections.append(f"### {title}\n\n{body}")
        return "\n\n".join(sections)

    @property
    def correction_remarks(self) -> tuple[str, ...]:
        """One sentence about each version that was corrected, or whose correction waits for confirmation."""
        return tuple(
            f"{version_label(version)}: {what} {', '.join(name.replace('_', ' ') for name in fields)}."
            for version in self.versions
            for what, fields in (
                ("corrected by an operator:", version.corrected),
                ("corrections of earlier content, not applied:", version.to_confirm),
            )
            if fields
        )

    def as_markdown(self) -> str:
        """The whole review as Markdown, without personal data."""
        parts = [f"## Order {escape_markdown(self.number)}", self._reason(), _version_table(self.versions)]
        if self.other_numbers:
            others = ", ".join(map(escape_markdown, self.other_numbers))
            parts.insert(2, f"The same answer decides about these orders of the group: {others}.")
        parts += [escape_markdown(line) for line in self.correction_remarks]
        parts.append(self.differences)
        if self.imported:
            ids = ", ".join(map(escape_markdown, self.imported))
            request = " A replacement requires your confirmation that it is cancelled there." * self.needs_confirmation
            parts.append(f"Already in the OMS: {ids}.{request}")
        return "\n\n".join(part for part in parts if part)

    def _reason(self) -> str:
        """Why the group is held, and the next step unless it is to read this review."""
        advice = advice_for(self.reason)
        next_step = f"\n\n{escape_markdown(advice.fix)}" if advice and advice.fix != COMPARE_VERSIONS else ""
        return f"Held (`{self.reason}`): {escape_markdown(explain(self.reason))}{next_step}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            **{name: value for name, value in asdict(self).items() if name not in ("details", "answers")},
            "meaning": explain(self.reason),
            "needs_confirmation": self.needs_confirmation,
            "choices": dict(self.answers),
            "details": [detail.as_dict() for detail in self.details],
        }


def version_label(version: ReviewedVersion | GroupMember) -> str:
    """A version as operators see it, such as ``6385-031318-392 (id 17, edition 2)``."""
    edition = f", edition {version.edition}" if version.edition > 1 else ""
    return f"{version.order_number} (id {version.source_id}{edition})"


def _version_table(versions: Sequence[ReviewedVersion]) -> str:
    head = ("", "order", "id", "edition", "state", "first offered", "imported", "OMS id")
    rows = []
    for version in versions:
        values = (
            version.order_number,
            version.source_id,
            version.edition,
            version.state,
            format_value(version.first_offered_at),
            format_value(version.imported_at),
            version.oms_id or "",
        )
        rows.append(("**held**" if version.shown else "", *(escape_markdown(str(value)) for value in values)))
    return markdown_table(head, rows)
