"""Who uses the desk and what they may do, as dependencies of the pages' handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, HTTPException, Request

_DENIED = {
    "may_act": "You may look at orders but not change them. Ask an administrator for permission to trigger the DAGs "
    "quarantine_replay or order_review.",
    "may_configure": "You may not change settings. Ask an administrator for permission to edit Variables.",
    "may_reveal": "You may not see personal data. Ask an administrator for permission to read the connection "
    "order_relay_personal_data.",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in user.

    ``name`` is recorded as *who* with every action. ``pipelines``: those whose orders the user may see. ``may_act``:
    decide about orders. ``may_configure``: edit code tables, stop and resume sending. ``may_reveal``: see personal
    data.
    """

    name: str
    pipelines: frozenset[str]
    may_act: bool = False
    may_configure: bool = False
    may_reveal: bool = False


class Access(Protocol):
    """Identifies the user of a request."""

    async def principal(self, request: Request) -> Principal | None:
        """The signed-in user; ``None`` for an anonymous request, which is answered with 401."""


async def viewer(request: Request) -> Principal:
    """The signed-in user. Raises ``HTTPException`` 401 without one, 403 if they may see no pipeline."""
    access: Access = request.app.state.access
    found = await access.principal(request)
    if found is None:
        raise HTTPException(401, "You are not signed in. Sign in, then open this page again.")
    if not found.pipelines:
        raise HTTPException(
            403, "You may not see any pipeline's orders. Ask an administrator for permission to read its DAG."
        )
    request.state.desk_user = found  # Airflow keeps its own user in "user"
    return found


def _permitted(permission: str) -> Callable[[Principal], Awaitable[Principal]]:
    async def check(user: Viewer) -> Principal:
        if not getattr(user, permission):
            raise HTTPException(403, _DENIED[permission])
        return user

    return check


Viewer = Annotated[Principal, Depends(viewer)]
Operator = Annotated[Principal, Depends(_permitted("may_act"))]
Configurator = Annotated[Principal, Depends(_permitted("may_configure"))]
Revealer = Annotated[Principal, Depends(_permitted("may_reveal"))]
