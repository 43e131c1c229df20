"""An SFTP server on loopback whose root is a folder: a partner's file server, or a sales portal."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "partner", "a-password-that-is-long"
HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")


def sftp_extra() -> dict[str, Any]:
    """The extra fields of a connection to it."""
    public = HOST_KEY.export_public_key().decode().split()
    return {"host_key": " ".join(public[:2]), "look_for_keys": False}


class Door(asyncssh.SSHServer):
    """Who may come in."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


@contextmanager
def sftp(home: Path) -> Iterator[int]:
    loop, started = asyncio.new_event_loop(), threading.Event()
    ports: list[int] = []
    over = asyncio.Event()

    async def serve() -> None:
        server = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Door,
            server_host_keys=[HOST_KEY],
            sftp_factory=partial(asyncssh.SFTPServer, chroot=bytes(home)),
        )
        ports.append(server.get_port())
        started.set()
        await over.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert started.wait(60)
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
