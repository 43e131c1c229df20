"""The login page, logging in and out, and the access that a session gives."""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from order_relay.desk.access import Principal
from order_relay.desk.deployment import DeskDeployment
from order_relay.desk.rendering import render
from order_relay.desk.standalone.accounts import LONGEST_NAME, Account, Accounts
from order_relay.desk.standalone.passwords import LONGEST, hash_password, matches
from order_relay.desk.standalone.sessions import Sessions
from order_relay.desk.web_app import create_app, http_error
from order_relay.http.auth.failed_logins import FailedLogins

log = logging.getLogger(__name__)

ACCOUNTS_TTL_S = 30.0
"""Seconds after which a changed connection is effective at the latest."""

MAX_CHECKS = 2
"""Passwords checked at the same time; each takes a fraction of a second and 32 MiB."""

_WRONG = "Wrong name or password."


class SessionAccess:
    """Identifies users by the cookie of a session.

    ``load`` reads the accounts; an error of it reaches the user, and nobody is signed in. ``pipelines``: their names.
    ``secure``: browsers reach the desk by HTTPS.
    """

    def __init__(self, load: Callable[[], Accounts], pipelines: Collection[str], *, secure: bool) -> None:
        self._load, self._pipelines, self.secure = load, pipelines, secure
        self.sessions, self.failed_logins = Sessions(), FailedLogins()
        self.checks = anyio.CapacityLimiter(MAX_CHECKS)
        self._lock = threading.Lock()
        self._known: tuple[float, Accounts] | None = None

    @property
    def cookie(self) -> str:
        """The cookie's name; the prefix makes browsers insist on HTTPS and on this host."""
        return "__Host-order_desk" if self.secure else "order_desk"

    @cached_property
    def nobody(self) -> str:
        """The hash that the password of an unknown user is compared with."""
        return hash_password(secrets.token_urlsafe())

    def accounts(self) -> Accounts:
        """The accounts, at most ``ACCOUNTS_TTL_S`` old."""
        with self._lock:
            if self._known is None or time.monotonic() - self._known[0] >= ACCOUNTS_TTL_S:
                self._known = None
                self._known = (time.monotonic(), self._load())
            return self._known[1]

    async def principal(self, request: Request) -> Principal | None:
        """The user of the session; ``None`` if it has ended, or the account or its password has changed."""
        token = request.cookies.get(self.cookie)
        if not token:
            return None
        accounts = await anyio.to_thread.run_sync(self.accounts)
        used = self.sessions.use(token, accounts.idle_s, accounts.session_s)
        account = accounts.users.get(used[0]) if used else None
        if used is None or account is None or account.password != used[1]:
            return None
        return account.principal(self._pipelines)


def _access(request: Request) -> SessionAccess:
    found = request.app.state.access
    assert isinstance(found, SessionAccess)  # noqa: S101 - for the type checker
    return found


Login = Annotated[SessionAccess, Depends(_access)]

router = APIRouter()


@router.post("/login")
async def login(
    request: Request,
    access: Login,
    name: Annotated[str, Form(max_length=LONGEST_NAME)],
    password: Annotated[str, Form(max_length=LONGEST)],
) -> Response:
    """Check name and password and start a session. Answer and time are the same for unknown names."""
    address = request.client.host if request.client else ""
    if (wait := access.failed_logins.attempt(name, address)) > 0:
        raise HTTPException(
            429,
            f"Too many failed logins. Try again in {math.ceil(wait / 60)} min.",
            {"Retry-After": str(math.ceil(wait))},
        )
    accounts = await anyio.to_thread.run_sync(access.accounts)
    account = accounts.users.get(name)
    stored = account.password if account else access.nobody
    right = await anyio.to_thread.run_sync(matches, password, stored, limiter=access.checks)
    if account is None or not right:
        log.warning("order desk: failed login of %s from %s", _shown(account), address)
        raise HTTPException(401, _WRONG)
    access.failed_logins.succeeded(name, address)
    _end(request, access)
    answer = Response(status_code=204, headers={"HX-Refresh": "true"})
    token = access.sessions.start(name, account.password)
    answer.set_cookie(access.cookie, token, httponly=True, samesite="strict", secure=access.secure, path="/")
    return answer


@router.post("/logout")
async def logout(request: Request, access: Login) -> Response:
    """End the session."""
    _end(request, access)
    answer = Response(status_code=204, headers={"HX-Refresh": "true"})
    answer.delete_cookie(access.cookie, httponly=True, samesite="strict", secure=access.secure, path="/")
    return answer


def create_standalone_app(desk: DeskDeployment, access: SessionAccess) -> FastAPI:
    """The desk with its own login, which every page shows to a user who is not signed in."""
    app = create_app(desk, access)
    app.state.own_login = True
    app.include_router(router)
    app.add_exception_handler(StarletteHTTPException, _login_page)
    return app


async def _login_page(request: Request, error: Exception) -> Response:
    if getattr(error, "status_code", 0) == 401 and "HX-Request" not in request.headers:
        return render(request, "login.html", status=401, title="Sign in")
    return await http_error(request, error)


def _end(request: Request, access: SessionAccess) -> None:
    if token := request.cookies.get(access.cookie):
        access.sessions.end(token)


def _shown(account: Account | None) -> str:
    """For the log. An unknown name may be a password in the wrong field."""
    return repr(account.name) if account else "an unknown user"
