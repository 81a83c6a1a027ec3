"""Requests that a supplier's node refused, and which check of the mandate failed.

Decides nothing and changes nothing. Spec: 08-negotiation, NEG-86.
"""

from __future__ import annotations

from typing import Any

from protocol.engine.core import Core
from protocol.engine.deal.shop import BOARD


def turned_away(core: Core) -> list[dict[str, Any]]:
    """What a supplier is told of each, as something that waits for nobody."""
    found = []
    for scope, (request, code, message) in core.turned_away.items():
        board = f"{request.body['category']}/{request.body['region']}"
        if BOARD + board not in core.facts or any(True for _ in core.peek(scope).of_kind("rfq.1")):
            continue
        deal = bytes.fromhex(scope.partition("/")[2])
        says = f"A request on {board} is refused, for its mandate does not hold: {message} [{code}]"
        row = {"kind": "refused", "id": deal, "deal": deal, "until": request.header.expires, "says": says}
        found.append(row | {"silence": "Nothing is quoted for it."})
    return found
