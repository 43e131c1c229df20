"""TLS and proxy fields of an Airflow connection take effect in the vendors' own clients."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from order_relay.airflow.connections import connection
from order_relay.errors import ConfigurationError, OrderRelayError, TransientError
from order_relay.vendors.shopatron.vendor import VENDOR
from order_relay.vendors.supercat import access
from order_relay.vendors.supercat.connection import SuperCatSettings

Contact = Callable[[str, dict[str, Any]], None]


class _Handler(BaseHTTPRequestHandler):
    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.paths.append(self.path)  # type: ignore[attr-defined]
        body = b'{"access_token": "token-1", "expires_in": 300}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_: Any) -> None:
        """No access log."""


def serve(context: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """A server on a free port: its address and the paths that were requested."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.paths = []  # type: ignore[attr-defined]
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http{'s' if context else ''}://127.0.0.1:{server.server_port}", server.paths  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "vendor")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "vendor.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(autouse=True)
def separate_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """``tests.support.speedups`` shares contexts between tests, and with them client certificates."""
    monkeypatch.setattr(ssl, "create_default_context", inspect.unwrap(ssl.create_default_context))


@pytest.fixture(params=["httpx", "aiohttp"])
def contact(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Contact:
    """Contacts a vendor at a URL, through a connection with these extra fields: SuperCat, or Shopatron's session."""
    shopatron = request.param == "aiohttp"

    async def sign_in() -> None:
        async with VENDOR.account("destination", connection("vendor")).session(1):
            pass

    def make(url: str, extra: dict[str, Any]) -> None:
        own = {"token_url": f"{url}/token", "manufacturer_id": 1, "catalog_id": 0} if shopatron else {"org": "acme"}
        fields = {"conn_type": "http", "host": url, "login": "me", "password": "secret-1", "extra": own | extra}
        monkeypatch.setenv("AIRFLOW_CONN_VENDOR", json.dumps(fields))
        if shopatron:
            asyncio.run(sign_in())
        else:
            access.probe(SuperCatSettings.from_connection(connection("vendor")))

    return make


@pytest.fixture
def tls_server(pem: Path) -> Iterator[tuple[str, list[str]]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    yield from serve(context)


def test_an_unknown_certificate_is_refused(contact: Contact, tls_server: tuple[str, list[str]]) -> None:
    with pytest.raises(TransientError):
        contact(tls_server[0], {})
    assert tls_server[1] == []


@pytest.mark.parametrize("verify", ["{pem}", "false", False])
def test_verify_names_a_certificate_or_switches_verification_off(
    contact: Contact, tls_server: tuple[str, list[str]], pem: Path, verify: Any
) -> None:
    contact(tls_server[0], {"verify": str(pem) if verify == "{pem}" else verify})
    assert len(tls_server[1]) == 1


@pytest.mark.parametrize("field", ["{pem}", '["{pem}", "{pem}"]'])
def test_a_client_certificate_is_presented(contact: Contact, pem: Path, field: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.load_verify_locations(pem)
    context.verify_mode = ssl.CERT_REQUIRED
    for url, paths in serve(context):
        with pytest.raises(OrderRelayError):
            contact(url, {"verify": str(pem)})
        contact(url, {"verify": str(pem), "cert": field.replace("{pem}", str(pem))})
        assert len(paths) == 1


def test_requests_go_through_the_proxy(contact: Contact) -> None:
    for proxy, paths in serve():
        contact("http://vendor.example", {"proxy": proxy})
        assert len(paths) == 1
        assert paths[0].startswith("http://vendor.example/")


@pytest.mark.parametrize("name", ["verify", "cert"])
def test_a_missing_file_is_a_configuration_error(contact: Contact, name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{name}'.*/nowhere.pem does not exist"):
        contact("https://127.0.0.1:1", {name: "/nowhere.pem"})
