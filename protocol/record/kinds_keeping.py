"""Kinds by which a person keeps, moves and takes back what is theirs.

Decides shapes only; never what follows from a record. Spec: 18-keeping.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.record.schema import data, fields
from protocol.record.shapes import TRUST_SCOPE, Kind

KEEPING_KINDS: Mapping[str, Kind] = {
    "device.1": Kind("latest", TRUST_SCOPE, fields({"device": data(16)})),
}
