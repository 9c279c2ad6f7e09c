"""Beside. The Python client: calls that are routed by token, retried safely, and typed.

The public names are exported here, so that a program needs one import. Nothing inside the package uses this door.
"""

from __future__ import annotations

from dynamo.client.client import AsyncClient
from dynamo.client.resolve import Resolver, folded, last_write_wins, union
from dynamo.client.results import (
    Changed,
    Conflict,
    ConnectionLost,
    Entry,
    Location,
    Missing,
    NodeUnreachable,
    Operation,
    OutcomeUnknown,
    Page,
    Resolved,
    Siblings,
    Value,
    Written,
)
from dynamo.client.session import Session
from dynamo.client.sync import Client, SyncSession

__all__ = [
    "AsyncClient",
    "Changed",
    "Client",
    "Conflict",
    "ConnectionLost",
    "Entry",
    "Location",
    "Missing",
    "NodeUnreachable",
    "Operation",
    "OutcomeUnknown",
    "Page",
    "Resolved",
    "Resolver",
    "Session",
    "Siblings",
    "SyncSession",
    "Value",
    "Written",
    "folded",
    "last_write_wins",
    "union",
]
