"""Files of status accounts: told from pipelines, checked as strictly."""

from __future__ import annotations

from pathlib import Path

import pytest

from order_relay.errors import ConfigurationError
from order_relay.pipeline.settings.locations import config_folder
from order_relay.pipeline.settings.pipeline import pipeline_files, status_files
from order_relay.pipeline.settings.status_account import load_status
from order_relay.wiring.statuses import status_reader

SOURCE = "source: {vendor: acommerce, connection: acommerce_default}\n"


def load(tmp_path: Path, text: str, name: str = "acommerce_status"):
    (tmp_path / f"{name}.yaml").write_text(SOURCE + text)
    return load_status(name, tmp_path)


def test_the_shipped_file_is_valid_and_no_pipeline() -> None:
    assert "acommerce_status" in status_files()
    assert "acommerce_status" not in pipeline_files()
    assert load_status("acommerce_status", config_folder()).source.connection == "acommerce_default"


def test_a_second_account(tmp_path: Path) -> None:
    assert load(tmp_path, "poll: {full: true}", "acommerce_status__north").poll.full


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("polls: {}", r"acommerce_status\.yaml: polls: is unknown; allowed here: source, schedule"),
        ("poll: {overlap: 1}", r"poll\.overlap: is unknown; allowed here: overlap_s"),
        ("ours: {number: uuid}", r"ours\.number: should be 'order_number' or 'destination_key'"),
        ("schedule: hourly", r"schedule: must be a cron expression"),
        ("files: {encoding: martian}", r"files\.encoding: must be an encoding such as"),
        ("files: {delimiter: ab}", r"files\.delimiter: must be one character"),
        ("files: {time_format: '%d/%m/%Y'}", r"files\.time_format: must name year, month, day, hour and minute"),
        ("files: {time_zone: Mars/Olympus}", r"files\.time_zone: must be a time zone"),
        ("name: x", "`name` is derived from the file name"),
    ],
)
def test_a_wrong_file_names_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load(tmp_path, text)


def test_named_after_its_vendor(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"source\.vendor must be 'other'"):
        load(tmp_path, "", "other_status")


def test_the_shipped_names_are_in_the_schema() -> None:
    assert status_reader(load_status("acommerce_status", config_folder())).shape.order_id == "orderId"


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("{order_id: orderID}", r"acommerce_status\.yaml: mapping\.order_id: .*'orderID'.*did you mean 'orderId'"),
        ("{parcels: {list: shipPackages}}", r"mapping\.parcels\.list: .*'shipPackages'.*did you mean 'shipPackage'"),
        ("{parcels: {parcel: trackingID}}", r"mapping\.parcels\.parcel: .*did you mean 'shipPackage\[\]\.trackingId'"),
        (
            "{parcels: {entry: {detail: shipingDetail}}}",
            r"mapping\.parcels\.entry\.detail: .*'shipPackage\[\]\.statusHistory\[\]\.shippingDetail'",
        ),
        (
            "{lists: [{list: orderStatus, kind: order, entry: {event_id: eventId, status: orderState, "
            "updated_at: updatedTime}}]}",
            r"mapping\.lists\[0\]\.entry\.status: .*'orderStatus\[\]\.orderState'.*mapping\.members",
        ),
        ("{members: orderID}", r"mapping\.members must be a list of paths"),
    ],
)
def test_a_name_that_no_record_can_have_is_wrong_setup(tmp_path: Path, mapping: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        status_reader(load(tmp_path, f"mapping: {mapping}"))


def test_a_name_that_an_account_has_beside_the_schema_is_declared(tmp_path: Path) -> None:
    found = status_reader(load(tmp_path, "mapping: {order_id: referenceNo, members: [referenceNo]}"))
    assert found.shape.order_id == "referenceNo"


def test_a_member_that_the_vendor_does_not_send_is_left_out(tmp_path: Path) -> None:
    assert (
        status_reader(load(tmp_path, "mapping: {parcels: {entry: {location: ''}}}")).shape.parcels.entry.location == ""
    )
