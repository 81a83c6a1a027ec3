"""Paper that others read: a verified deal as tables, a page, ValueFlows or UBL.

Decides which files a format comes to; never what a deal is: `protocol.deal.bundle` proves that first. Spec: 17-paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from node.paper.facts import Facts, facts_of
from node.paper.page import page
from node.paper.tables import tables
from node.paper.ubl import ubl
from node.paper.valueflows import valueflows
from protocol.deal.bundle import verify
from protocol.deal.holding import Step

FORMATS: Mapping[str, Callable[[Facts], dict[str, bytes]]] = {
    "csv": tables,
    "html": page,
    "ubl": ubl,
    "valueflows": valueflows,
}


def export(bundle: bytes, form: str) -> dict[str, bytes]:
    """File name -> content; the same for the same bundle. Raises Reject with the first clause it breaks (PAP-1)."""
    steps: list[Step] = []
    proof = verify(bundle, steps.append)
    return FORMATS[form](facts_of(proof, steps))
