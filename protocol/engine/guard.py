"""What no signature of this node gets past, whoever asked for it and whatever the records led to.

Decides nothing itself: each check stands with its subject and raises CommandError before anything has changed.
Spec: 04-intent, INT-6.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from protocol.engine import boundaries, freezing, silence
from protocol.engine.consent import check_detail
from protocol.identity import Persona
from protocol.record.record import Slot

if TYPE_CHECKING:  # the checks are reached from Core.say, so their files import Core only here too
    from protocol.engine.core import Core

Check = Callable[["Core", Persona, str, str, Mapping[str, Any], Slot | None], None]

CHECKS: tuple[Check, ...] = (silence.check, freezing.check, boundaries.check, check_detail)
