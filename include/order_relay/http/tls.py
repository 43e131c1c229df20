"""TLS contexts for a connection's options."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx

from order_relay.connections import HttpOptions
from order_relay.errors import ConfigurationError


def tls_context(options: HttpOptions) -> ssl.SSLContext | None:
    """The TLS context of a connection; ``None`` if the HTTP library's default applies.

    Raises ``ConfigurationError`` if a file of the fields ``verify`` or ``cert`` is missing or unusable.
    """
    if options.verify is True and options.cert is None:
        return None
    try:
        if isinstance(options.verify, str):
            folder = Path(options.verify).is_dir()
            context = ssl.create_default_context(
                capath=options.verify if folder else None, cafile=None if folder else options.verify
            )
        else:
            context = httpx.create_ssl_context(verify=options.verify, trust_env=False)
    except OSError as error:
        raise _unusable("verify", options.verify, error) from None
    if options.cert is not None:
        paths = (options.cert,) if isinstance(options.cert, str) else options.cert
        try:
            context.load_cert_chain(*paths)
        except OSError as error:
            raise _unusable("cert", " and ".join(paths), error) from None
    return context


def _unusable(name: str, path: object, error: OSError) -> ConfigurationError:
    """``ssl.SSLError`` is an ``OSError`` too: raised if a file holds no certificate."""
    why = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be used ({type(error).__name__})"
    return ConfigurationError(f"extra field {name!r} of a connection: {path} {why}; it must be a file in PEM format")
