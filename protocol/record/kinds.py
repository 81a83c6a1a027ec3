"""The vocabulary of the network: every kind of record, on one screen.

Decides for each kind where it may be said, whether it fills a slot, and the shape of its body; never what follows.
A version of a kind never changes its rules; a new rule is a new version. Spec: 01-record, REC-11, and the document
named beside each group.
"""

from __future__ import annotations

from collections.abc import Mapping

from protocol.record.kinds_coop import COOP_KINDS
from protocol.record.kinds_deal import DEAL_KINDS
from protocol.record.kinds_people import PEOPLE_KINDS
from protocol.record.shapes import Kind

KINDS: Mapping[str, Kind] = {**PEOPLE_KINDS, **COOP_KINDS, **DEAL_KINDS}
