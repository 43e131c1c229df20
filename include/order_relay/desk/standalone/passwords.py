"""Password hashes: scrypt with a random salt, as text ``scrypt$LOG2_N$R$P$SALT$KEY`` (base64)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

SHORTEST, LONGEST = 12, 1024
"""Characters of a password."""

_COST = (15, 8, 3)  # OWASP's parameters for 32 MiB
_WEAKEST, _DEAREST = 14, 18  # log2 of N: 16 to 256 MiB with r = 8
_KEY_BYTES, _SALT_BYTES = 32, 16


@dataclass(frozen=True, slots=True)
class _Parsed:
    log2_n: int
    r: int
    p: int
    salt: bytes
    key: bytes

    def derive(self, password: str) -> bytes:
        return hashlib.scrypt(
            password.encode(),
            salt=self.salt,
            n=1 << self.log2_n,
            r=self.r,
            p=self.p,
            maxmem=(1 << self.log2_n) * self.r * 256,
            dklen=_KEY_BYTES,
        )


def hash_password(password: str, cost: tuple[int, int, int] = _COST) -> str:
    """The hash of a password. Raises ``ValueError`` if it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise ValueError(f"the password must have {SHORTEST} to {LONGEST} characters")
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _Parsed(*cost, salt, b"").derive(password)
    return "$".join(("scrypt", *map(str, cost), *(base64.b64encode(part).decode() for part in (salt, key))))


def check_hash(text: str) -> None:
    """Raise ``ValueError``, without quoting it, unless ``text`` is a strong hash made by ``hash_password``."""
    parsed = _parse(text)
    if not _WEAKEST <= parsed.log2_n <= _DEAREST or parsed.r != _COST[1] or not 1 <= parsed.p <= 8:
        raise ValueError("has parameters outside the accepted range")


def matches(password: str, text: str) -> bool:
    """Whether a password has this hash. Takes as long for a wrong one. Raises ``ValueError`` for an invalid hash."""
    parsed = _parse(text)
    return hmac.compare_digest(parsed.derive(password[:LONGEST]), parsed.key) and len(password) <= LONGEST


def _parse(text: str) -> _Parsed:
    try:
        name, log2_n, r, p, salt, key = text.split("$")
        found = _Parsed(int(log2_n), int(r), int(p), _decode(salt), _decode(key))
    except (ValueError, binascii.Error):
        raise ValueError("is not a password hash") from None
    if name != "scrypt" or len(found.key) != _KEY_BYTES or len(found.salt) < _SALT_BYTES:
        raise ValueError("is not a password hash")
    return found


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
