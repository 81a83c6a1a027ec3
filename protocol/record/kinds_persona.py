"""What a persona's recovery key says: that the persona is frozen, and who comes after it.

Decides shapes only. Spec: 02-identity, IDN-26 to IDN-34.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.record.schema import data, fields
from protocol.record.shapes import ID, TRUST_SCOPE, Kind

FIRST = data(1, 512)  # a persona.1, as its author signed it

PERSONA_KINDS: Mapping[str, Kind] = {
    "freeze.1": Kind("once", TRUST_SCOPE, fields({"first": FIRST})),
    "succession.1": Kind("once", TRUST_SCOPE, fields({"first": FIRST, "successor": ID, "consent": data(64)})),
}
