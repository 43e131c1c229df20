"""A vendor's settings model: reading a connection, errors that name the field, and Airflow's form."""

from __future__ import annotations

from typing import Any, Literal, Self

import pytest
from pydantic import Field, model_validator

from order_relay.connections import Connection
from order_relay.errors import ConfigurationError
from order_relay.http.connection_settings import (
    BasicLogin,
    FieldError,
    HttpSettings,
    Name,
    NameSet,
    Secret,
    SizeLimit,
    TextMapping,
    Url,
)
from order_relay.http.reading.read_settings import ReadLimits, ReadSettings
from order_relay.http.sending.send_settings import SendSettings


class ShopSettings(HttpSettings):
    base_url: str = Field(validation_alias="host", title="Shop", examples=["https://shop.example"])
    login: BasicLogin = Field(title="Key")
    password: Secret = Field(title="Key's secret")
    token_url: Url = Field("", title="Token URL")
    store: int = Field(title="Store", ge=1)
    stores: NameSet = Field(frozenset(), title="Stores", examples=["1,2"])
    tag: Name = Field("", validation_alias="label", title="Label")
    code: Literal[200, 404] = Field(200, title="Code")
    ratio: float | None = Field(None, title="Ratio", ge=0, le=1)
    headers: TextMapping = Field({}, title="Headers")
    size_limit_bytes: SizeLimit = 1 << 16

    @model_validator(mode="after")
    def _stores(self) -> Self:
        if self.tag and not self.stores:
            raise FieldError("stores", "is required if label is set")
        return self


def read(login: str = "me", password: str = "s3cret", **extra: Any) -> ShopSettings:
    connection = Connection("shop_default", "shop.example", login, password, extra={"store": 7, **extra})
    return ShopSettings.from_connection(connection)


def test_forms_give_everything_as_text() -> None:
    settings = read(store="12", stores=" 1, 2,", label="a", code="404", ratio="0.5", headers='{"X-A": "b"}', tag="no")
    assert (settings.store, settings.stores, settings.tag) == (12, frozenset("12"), "a")
    assert settings.code == 404
    assert (settings.ratio, settings.headers, settings.base_url) == (0.5, {"X-A": "b"}, "https://shop.example")


def test_what_is_absent_or_empty_has_its_default() -> None:
    assert read(timeout_s="", headers=None, ratio="", label="") == read()
    assert (read().timeout_s, read().ratio, read().headers, read().code) == (60, None, {}, 200)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("store", "", "is missing"),
        ("store", 0, "must be at least 1"),
        ("store", "1.5", "must be a whole number"),
        ("store", True, "must be a whole number"),
        ("timeout_s", "soon", "must be a number"),
        ("timeout_s", "nan", "must be between 0.1 and 3600"),
        ("timeout_s", -1, "must be between 0.1 and 3600"),
        ("ratio", True, "must be a number"),
        ("size_limit_bytes", 5, "must be between 4096 and 4294967296"),
        ("trust_env", "perhaps", "must be true or false"),
        ("code", "500", "must be one of 200, 404"),
        ("label", True, "must be text"),
        ("label", "a b", "must consist of letters, digits, dots, dashes and underscores"),
        ("stores", ["1"], "must be text"),
        ("headers", "{", "must be a JSON object"),
        ("headers", "[1]", "must be an object with text values only"),
        ("headers", {"X-A": 1}, "must be an object with text values only"),
        ("token_url", "ftp://x", "must be an absolute URL, such as https://host/path"),
        ("token_url", "https://u:p@x", "contains credentials; enter them as login and password"),
        ("stores", "", "is required if label is set"),
    ],
)
def test_a_wrong_field_is_named_with_its_problem(name: str, value: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(**{"label": "a", "stores": "1", name: value})
    assert str(caught.value) == f"connection 'shop_default', field '{name}': {problem}"
    assert caught.value.__context__ is None, "pydantic's error holds the values"


def test_a_login_with_a_colon_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="field 'login': must not contain a colon") as caught:
        read(login="me:s3cret")
    assert "s3cret" not in str(caught.value)


def test_the_form_shows_own_fields_first_and_only_defaults_that_fit() -> None:
    form = ShopSettings.form()
    assert form["relabeling"] == {"host": "Shop", "login": "Key", "password": "Key's secret"}
    assert form["placeholders"] == {"host": "https://shop.example", "stores": "1,2"}
    assert form["hidden_fields"] == ["schema", "port"]
    assert [*form["extra"]][:8] == [
        "token_url",
        "store",
        "stores",
        "label",
        "code",
        "ratio",
        "headers",
        "size_limit_bytes",
    ]
    assert [*form["extra"]][8:] == ["timeout_s", "download_s", "trust_env", "proxy", "verify", "cert"]
    assert form["extra"]["store"] == {"type": "integer", "title": "Store", "minimum": 1, "required": True}
    assert form["extra"]["code"] == {"type": "integer", "title": "Code", "enum": [200, 404], "default": 200}
    assert form["extra"]["ratio"] == {"type": "number", "title": "Ratio", "minimum": 0, "maximum": 1}
    assert form["extra"]["size_limit_bytes"]["default"] == 1 << 16
    assert form["extra"]["headers"] == {"type": "string", "title": "Headers"}


def test_bounds_cannot_be_declared_twice() -> None:
    class Narrowed(HttpSettings):
        size_limit_bytes: SizeLimit = Field(1 << 16, le=1 << 20)

    with pytest.raises(TypeError, match=r"Size limit \(bytes\): bounds are declared twice"):
        Narrowed.form()


class Both(ReadSettings, SendSettings):
    """A vendor that is a source and a destination."""


def test_a_vendor_in_both_roles_has_each_setting_once() -> None:
    extra = {"parallel": 2, "requests_per_s": 3, "search_by": "window", "detail_tries": 1, "detail_pause_s": 0}
    settings = Both.from_connection(Connection("x", "https://shop.example", extra=extra))
    assert settings.limits == ReadLimits(parallel=2, requests_per_s=3, tries=1, pause_s=0)
    assert (settings.search_by, settings.connections, settings.timeout_s) == ("window", 8, 60)
    names = list(Both.form()["extra"])
    assert len(names) == len(set(names))
