"""Data terms as the nodes of tests hold them: what the handmade intents name, under plain names."""

from __future__ import annotations

from collections.abc import Mapping

from protocol.record.shapes import FIELDS
from protocol.trust.consent import DataTerms, Use

BASIC = DataTerms(
    "basic", "basic", 1, "Basic", "What delivery needs.", Use(("billing", "delivery"), FIELDS, 60, "carriers")
)
ALONE = DataTerms("alone", "alone", 1, "Alone", "You bring it.", Use(("delivery",), ("address", "name"), 30, "nobody"))
KNOWN: Mapping[str, DataTerms] = {one.id: one for one in (ALONE, BASIC)}
