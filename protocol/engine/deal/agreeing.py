"""Data terms at the moment of commitment: whether a supplier accepts a member's own, and the one alternative it offers.

Decides what a member's node may sign; never whether the alternative is good, which its person reads and says.
Spec: 20-consent, CNS-6 to CNS-9.
"""

from __future__ import annotations

from typing import Any

from protocol.coop.coop import Coop
from protocol.deal.life import Deal
from protocol.deal.ranking import lacking
from protocol.engine import terms
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.deal.dealing import ranking_of_deal
from protocol.errors import CommandError


def other_terms(
    core: Core, context: Context, deal: Deal, coop: Coop, member: bytes, quotation: bytes
) -> tuple[str, str]:
    """The first of a member's own data terms that a quotation does not accept, and what it offers instead; "" each."""
    ranking = ranking_of_deal(core, context, deal, coop)
    offers = ranking.offers if ranking is not None else ()
    chosen = next((one.quotation for one in offers if one.hash == quotation), None)
    own = next((one.intent.body["terms"] for one in coop.members if one.key == member), ())
    if chosen is None or not (missing := lacking(chosen, own)):
        return "", ""
    return missing, chosen.instead


def taken(core: Core, found: tuple[str, str], said: str) -> dict[str, str]:
    """What a commitment says of data terms (CNS-9). Raises CommandError CNS-3 or CNS-9.

    found: `other_terms`; said: what the member takes, by name or id, "" for nothing.
    """
    missing, instead = found
    if not missing:
        if said:
            raise CommandError("CNS-9", "terms: this supplier accepts your own; there is nothing else to take")
        return {}
    if not instead:
        raise CommandError("CNS-9", f"terms: the supplier does not accept your {missing}; decline instead")
    if not said or terms.resolve(core, (said,)) != [instead]:
        raise CommandError("CNS-9", f"terms: the supplier takes {instead} in place of {missing}; say so, or decline")
    return {"terms": instead}


def told(core: Core, found: tuple[str, str]) -> dict[str, Any]:
    """The alternative for the person who is asked to commit; {} where the supplier accepts their own terms."""
    missing, instead = found
    if not missing:
        return {}
    known = core.settings.terms.get(instead)
    words = f": “{known.words}”" if known is not None else ", whose text this node does not hold"
    offers = f"; it offers {instead}{words}" if instead else ""
    return {"terms": instead, "terms_says": f"The supplier does not accept your data terms {missing}{offers}."}
