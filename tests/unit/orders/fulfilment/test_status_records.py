"""Version 3 and version 2 records become the same events; what can not be read is refused whole."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import order_relay.vendors
from order_relay.errors import ConfigurationError
from order_relay.orders.fulfilment.status_events import Channel, EventKind
from order_relay.orders.fulfilment.status_records import (
    ParsedRecords,
    StatusMapping,
    parse_records,
    parse_timestamp,
)
from order_relay.orders.fulfilment.status_state import ParcelState
from tests.support.status_histories import derive_state

MAPPING = yaml.safe_load((Path(order_relay.vendors.__file__).parent / "acommerce/mapping.yaml").read_text())
SHAPE = StatusMapping.from_mapping(MAPPING["record"], "mapping")
MOMENT = datetime(2026, 5, 2, tzinfo=UTC)

PARCEL_ENTRY = {
    "eventId": "e-9",
    "shippingStatus": "IN_TRANSIT",
    "shippingLocation": "Bangkok",
    "shippingDetail": "Left the depot",
    "updatedTime": "2026-05-01T06:10:00.125Z",
    "shippingUpdatedTime": "2026-05-01T06:02:00Z",
}
RECORD: dict[str, Any] = {
    "orderId": "WEB-10731",
    "partnerId": 4021,
    "orderStatus": [
        {"eventId": "e-1", "orderStatus": "NEW", "orderStatusDetail": None, "updatedTime": "2026-05-01T01:00:04Z"},
        {"eventId": 7, "orderStatus": "IN_PROGRESS", "updatedTime": "2026-05-01T06:10:00Z"},
    ],
    "orderDetailedStatus": [
        {
            "eventId": "e-2",
            "orderDetailedStatus": "CANCELLED",
            "updatedTime": "2026-05-01T01:05:00+07:00",
            "orderUpdatedTime": "2026-05-01T01:04:51Z",
        },
    ],
    "shipPackage": [{"trackingId": "PKG1", "statusHistory": [PARCEL_ENTRY]}],
}


def reading(*records: Any, full: bool = False) -> ParsedRecords:
    return parse_records(SHAPE, records, Channel.BY_ID, MOMENT, full=full)


def test_version_3() -> None:
    report = reading(RECORD, full=True).reports[0]
    events = {event.key: event for event in report.events}
    assert report.order_id == "WEB-10731"
    assert report.full
    assert {"e-1", "7", "e-2", "e-9"} < set(events)
    assert events["e-2"].status == "CANCELED"
    assert events["e-2"].updated_at == datetime(2026, 4, 30, 18, 5, tzinfo=UTC)
    assert (events["e-9"].kind, events["e-9"].parcel, events["e-9"].location) == (EventKind.PARCEL, "PKG1", "Bangkok")
    state = derive_state(report.events)
    assert (state.order_status, state.detailed_status) == ("IN_PROGRESS", "CANCELED")
    assert state.parcels == (ParcelState("PKG1", "IN_TRANSIT", datetime(2026, 5, 1, 6, 2, tzinfo=UTC)),)


def test_version_2_becomes_the_same_events() -> None:
    """One parcel as an object, its statuses mixed into the order's list."""
    mixed = {
        **RECORD,
        "orderDetailedStatus": [*RECORD["orderDetailedStatus"], PARCEL_ENTRY],
        "shipPackage": {"trackingId": "PKG1"},
    }
    assert set(reading(mixed).reports[0].events) == set(reading(RECORD).reports[0].events)


def test_parcels_without_history_and_none_at_all() -> None:
    parcels = [{"trackingId": "B", "statusHistory": []}, {"trackingId": "A"}]
    assert derive_state(reading({**RECORD, "shipPackage": parcels}).reports[0].events).parcels == (
        ParcelState("A"),
        ParcelState("B"),
    )
    nothing: tuple[Any, ...] = ([], None)
    for none in nothing:
        assert derive_state(reading({**RECORD, "shipPackage": none}).reports[0].events).parcels == ()


def test_without_event_ids_the_same_entry_is_the_same_event_on_every_channel() -> None:
    bare: dict[str, Any] = {
        "orderId": "A",
        "orderStatus": [{"orderStatus": "NEW", "updatedTime": "2026-05-01T01:00:04Z"}],
    }
    other = {**bare, "orderStatus": [{**bare["orderStatus"][0], "orderStatusDetail": "corrected words"}]}
    first, second = (reading(record).reports[0].events[0] for record in (bare, other))
    assert first.key == second.key
    assert first.key.startswith("~")
    assert first.content_hash != second.content_hash


def test_an_id_is_never_read_as_a_placeholder() -> None:
    record = {"orderId": "A", "orderStatus": [{"eventId": "~1", "orderStatus": "NEW"}]}
    assert reading(record).reports[0].events[0].key == "~~1"


def test_several_records_of_one_order_are_one_report() -> None:
    """Else the second would seem to delete what the first shows."""
    one = {"orderId": "A", "orderStatus": [{"eventId": "e-1", "orderStatus": "NEW"}]}
    two = {"orderId": "A", "orderStatus": [{"eventId": "e-2", "orderStatus": "COMPLETED"}]}
    (report,) = reading(one, two, full=True).reports
    assert [event.key for event in report.events] == ["e-1", "e-2"]


def test_an_order_with_a_refused_record_has_no_full_history() -> None:
    found = reading({"orderId": "A", "orderStatus": []}, {"orderId": "A", "orderStatus": 3}, full=True)
    assert [report.full for report in found.reports] == [False]
    assert [(r.position, r.order_id, r.issues[0].code) for r in found.rejected] == [(1, "A", "wrong_type")]


def test_an_unknown_order_is_missing_not_empty() -> None:
    found = reading({"orderId": "A", "error": {"code": 404, "message": "Not Found"}}, full=True)
    assert (found.reports, found.missing) == ((), ("A",))


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (None, "wrong_type"),
        ([], "wrong_type"),
        ({}, "no_order_number"),
        ({"orderId": ""}, "no_order_number"),
        ({"orderId": True}, "wrong_type"),
        ({"orderId": "a\x00b"}, "bad_format"),
        ({"orderId": "x" * 201}, "too_long"),
        ({"orderId": "A", "orderStatus": [1]}, "wrong_type"),
        ({"orderId": "A", "shipPackage": "x"}, "wrong_type"),
        ({"orderId": "A", "orderStatus": [{"orderStatus": {}}]}, "wrong_type"),
        (
            {"orderId": "A", "orderStatus": [{"orderStatus": "N", "updatedTime": "2026-02-31T00:00:00Z"}]},
            "time_unreadable",
        ),
        (
            {"orderId": "A", "orderStatus": [{"orderStatus": "N", "updatedTime": "2026-02-01T00:00:00"}]},
            "time_unreadable",
        ),
        ({"orderId": "A", "orderStatus": [{"orderStatus": "N", "updatedTime": 12}]}, "time_unreadable"),
        (
            {"orderId": "A", "orderStatus": [{"orderStatus": "N", "updatedTime": "2300-02-01T00:00:00Z"}]},
            "year_out_of_range",
        ),
        (
            {"orderId": "A", "orderStatus": [{"orderStatus": "N", "updatedTime": "0026-02-01T00:00:00Z"}]},
            "year_out_of_range",
        ),
        ({"orderId": "A", "orderStatus": [{}] * 5001}, "too_many"),
    ],
)
def test_refused(record: Any, code: str) -> None:
    found = reading(record)
    assert [refusal.code for entry in found.rejected for refusal in entry.issues] == [code]
    assert found.reports == ()


@pytest.mark.parametrize(
    ("result", "meant"),
    [
        ("2569-05-01T10:00:00Z", "2026-05-01T10:00:00Z"),
        ("2567-02-29T10:00:00+07:00", "2024-02-29T03:00:00Z"),
        ("2542-12-31T23:59:59Z", "1999-12-31T23:59:59Z"),
    ],
)
def test_a_buddhist_year_is_recognised(result: str, meant: str) -> None:
    assert parse_timestamp(result, "") == parse_timestamp(meant, "")


def test_unknown_statuses_are_kept() -> None:
    (report,) = reading({"orderId": "A", "orderStatus": [{"orderStatus": "ON_THE_MOON"}]}).reports
    assert derive_state(report.events).order_status == "ON_THE_MOON"
    assert [event.status for event in report.events] == ["ON_THE_MOON"]


NESTED = StatusMapping.from_mapping(
    {
        "order_id": "order.refs[type=shop].id",
        "error": "problem.text",
        "lists": [
            {
                "list": "history.orders",
                "kind": "order",
                "entry": {"event_id": "meta.id", "status": "meta.state", "updated_at": "meta.times[of=update].at"},
            }
        ],
        "parcels": {
            "list": "shipping.parcels",
            "parcel": "codes[kind=track].code",
            "history": "events",
            "entry": {"event_id": "id", "status": "state", "updated_at": "at", "location": "place.city"},
        },
        "statuses": MAPPING["record"]["statuses"],
    },
    "mapping",
)


def test_members_may_be_paths_into_records() -> None:
    at = "2026-05-01T01:00:04Z"
    times = [{"of": "creation", "at": "x"}, {"of": "update", "at": at}]
    record = {
        "order": {"refs": [{"type": "erp", "id": "E1"}, {"type": "shop", "id": "S1"}]},
        "history": {"orders": [{"meta": {"id": 5, "state": "NEW", "times": times}}]},
        "shipping": {
            "parcels": {
                "codes": [{"kind": "track", "code": "P1"}],
                "events": [{"id": 6, "state": "IN_TRANSIT", "at": at, "place": {"city": "Ede"}}],
            }
        },
    }
    (report,) = parse_records(NESTED, [record], Channel.BY_ID, MOMENT).reports
    assert report.order_id == "S1"
    assert [(event.key, event.status, event.parcel, event.location) for event in report.events if event.status] == [
        ("5", "NEW", "", ""),
        ("6", "IN_TRANSIT", "P1", "Ede"),
    ]
    record["history"] = {"orders": [{"meta": {"state": ["x"]}}]}
    (refused,) = parse_records(NESTED, [record], Channel.BY_ID, MOMENT).rejected
    assert [issue.pointer for issue in refused.issues] == ["/meta/state"]


def test_a_wrong_mapping_names_its_key() -> None:
    with pytest.raises(ConfigurationError, match=r"mapping\.yaml: parcels\.list"):
        StatusMapping.from_mapping({**MAPPING["record"], "parcels": {}}, "mapping.yaml")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["orderId", "orderStatus", "shipPackage", "statusHistory", "updatedTime", "eventId", "error"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=4))
def test_nothing_makes_it_fail(records: list[Any]) -> None:
    found = reading(*records)
    assert len(found.rejected) <= len(records)
