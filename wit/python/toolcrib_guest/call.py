"""The current call: its caller, time, progress and log.

Outside of a component, as in a test, nobody calls: progress is dropped, and log messages go to standard error.
"""

import json
import sys
from dataclasses import dataclass
from typing import Any, Literal

try:
    from wit_world.imports import call as host
except ModuleNotFoundError:
    host = None


@dataclass
class Principal:
    """The authenticated caller."""

    issuer: str
    subject: str
    client_id: str | None
    scopes: list[str]
    claims: dict[str, Any]


def caller() -> Principal | None:
    """Returns the caller, or None if the server runs without authentication."""
    found = None if host is None else host.caller()
    if found is None:
        return None
    return Principal(found.issuer, found.subject, found.client_id, found.scopes, json.loads(found.claims))


def time_left() -> float:
    """Returns the seconds until the host stops this call."""
    return float("inf") if host is None else host.time_left() / 1000


def cancelled() -> bool:
    """Returns whether the client has disconnected or cancelled the call."""
    return host is not None and host.cancelled()


def progress(done: float, total: float | None = None, message: str | None = None) -> None:
    """Reports progress. `done` increases with each report."""
    if host is not None:
        host.progress(float(done), None if total is None else float(total), message)


def log(level: Literal["debug", "info", "warning", "error"], message: str) -> None:
    """Writes to the operator's log, and to the client if it has requested log messages."""
    if host is None:
        print(f"{level}: {message}", file=sys.stderr)
    else:
        host.log(host.Level[level.upper()], message)
