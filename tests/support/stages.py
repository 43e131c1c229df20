"""A small source, a small format and a transformer without pandas, for testing the stages on a real ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from order_relay.batches import BatchStore, Manifest
from order_relay.errors import ValidationIssue
from order_relay.ledger import Ledger
from order_relay.orders.json_text import encode
from order_relay.orders.mapping.content_hash import ContentPaths
from order_relay.orders.mapping.eligibility import EligibilityRules
from order_relay.orders.messages import RunContext, Selection, SourceOrder, VersionPolicies
from order_relay.orders.payload.transformer import TransformResult
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.ports import Source
from order_relay.pipeline.runs.fetch_plan import FetchPlan, plan_new_orders
from order_relay.pipeline.settings.sections import ReadingSettings
from order_relay.pipeline.stages.dedupe import dedupe
from order_relay.pipeline.stages.extract import extract
from order_relay.pipeline.stages.transform import transform
from order_relay.pipeline.stages.validate import validate

PIPELINE = "desk_to_shelf"
SCHEMA = {"type": "object", "required": ["id", "no", "rows"], "properties": {"id": {"type": "integer"}}}
MAPPING = {
    "identity": {
        "source_id": "id",
        "version": "id",
        "order_number": "no",
        "lineage": "group",
        "items": "rows[].sku",
        "customer_number": "customer",
        "customer_po": "po",
        "suffix_pattern": "(?P<base>[^-]+(?:-[^-]+-[^-]+)?)-(?P<suffix>[0-9]{1,9})",
    }
}


def order(number: int, *, group: str = "", items: Sequence[str] = ("A", "B"), **more: Any) -> dict[str, Any]:
    rows = [{"sku": item} for item in items]
    return {"id": number, "no": f"N{number}", "group": group or f"G{number}", "rows": rows} | more


EVERYTHING = FetchPlan(complete=True)
GATE = [
    {"path": "listed", "verdicts": {"": "go", "yes": "go"}, "otherwise": "withdrawn"},
    {
        "path": "payment",
        "verdicts": {
            "": "go",
            "paid": "go",
            "open": "wait",
            "none": {"table": "payment_none", "by": "shop", "default": "wait"},
        },
    },
]


class NothingInformational:
    """A reader as far as validate asks it."""

    @staticmethod
    def is_informational(place: str) -> bool:
        return False


class PlainTransformer:
    """Refuses orders that say ``broken``; otherwise the payload is the document."""

    def __init__(self, fingerprint: str = "m1") -> None:
        self.fingerprint = fingerprint
        self.eligibility = EligibilityRules.from_mapping(GATE, {"payment_none": {"7": "go"}})
        self.sizes: list[int] = []
        self.reader = NothingInformational()

    def transform(self, documents: Sequence[dict[str, Any]], key_marks: Sequence[str] = ()) -> list[TransformResult]:
        self.sizes.append(len(documents))
        results = [self._one(index, document) for index, document in enumerate(documents)]
        for result, mark in zip(results, key_marks, strict=False):
            result.destination_key += mark
        return results

    def _one(self, index: int, document: dict[str, Any]) -> TransformResult:
        if document.get("broken"):
            return TransformResult(index, issues=[ValidationIssue("broken", "/broken", "is broken")])
        return TransformResult(index, encode(document), document["no"], 100, "USD")


@dataclass
class Relay:
    """A source, ledger and store, with the stages to run on them."""

    ledger: Ledger
    store: BatchStore
    offered: list[dict[str, Any]] = field(default_factory=list)
    transformer: Any = field(default_factory=PlainTransformer)
    policies: VersionPolicies = field(default_factory=VersionPolicies)
    account: str = "source:account"
    format: VendorFormat = field(default_factory=lambda: VendorFormat("test", SCHEMA, MAPPING))
    runs: int = 0
    contents: ContentPaths | None = None

    @classmethod
    def open(cls, url: str, folder: Path) -> Relay:
        ledger = Ledger.open(url)
        ledger.runs.bind(PIPELINE, "source:account", "destination:account")
        return cls(ledger, BatchStore(folder.as_uri()))

    @property
    def ctx(self) -> RunContext:
        return RunContext(PIPELINE, f"run-{self.runs}")

    def fetch(self, _selection: Selection) -> Iterator[SourceOrder]:
        for document in self.offered:
            yield SourceOrder(document, str(document.get("problem", "")) if isinstance(document, dict) else "")

    windowed = False
    acknowledges = "order_number"

    def extract(self, *documents: Any, reading: FetchPlan = EVERYTHING) -> Manifest:
        self.runs += 1
        self.offered = list(documents)
        self.ledger.runs.begin(self.ctx, "manual")
        return extract(
            self.ctx,
            cast(Source, self),
            self.ledger,
            self.store,
            reading,
            batch_id=f"b{self.runs}",
            transform_fingerprint=self.transformer.fingerprint,
            connection_fingerprint="c",
            contents=self.contents,
        )

    def read(self, *documents: Any) -> Manifest:
        """Extract as an ordinary run does."""
        now = datetime.now(UTC)
        return self.extract(
            *documents, reading=plan_new_orders(PIPELINE, cast(Source, self), self.ledger, ReadingSettings(), now)
        )

    def validate(self, manifest: Manifest) -> Manifest:
        return validate(
            self.ctx, self.ledger, self.store, source=self.format, transformer=self.transformer, manifest=manifest
        )

    def dedupe(self, manifest: Manifest, limit: int | None = None) -> Manifest:
        return dedupe(self.ctx, self.ledger, self.store, policies=self.policies, manifest=manifest, limit=limit)

    def transform(self, manifest: Manifest) -> dict[str, int]:
        return transform(
            self.ctx, self.ledger, self.store, transformer=self.transformer, policies=self.policies, manifest=manifest
        )

    def run(self, *documents: Any) -> dict[str, int]:
        """Extract to transform."""
        return self.transform(self.dedupe(self.validate(self.extract(*documents))))

    def states(self) -> dict[str, str]:
        """State (and reason) by source id."""
        return {
            life["source_id"]: f"{life['state']} {life['reason']}".strip()
            for document in self.offered
            for life in self.ledger.queries.find(str(document["id"]))
        }
