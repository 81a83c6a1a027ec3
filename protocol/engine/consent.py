"""What two sides of an agreement have said of a member's details, as this node sees it, and what it lets nobody sign.

Decides whether details may flow at this moment; never says anything. Spec: 20-consent, CNS-3 and CNS-12 to CNS-14.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from protocol.deal.award import Agreement
from protocol.deal.life import Deal
from protocol.engine.context import Context
from protocol.errors import CommandError
from protocol.identity import Persona
from protocol.params import DAY_MS
from protocol.record.record import Slot
from protocol.trust.consent import STANDARD, DataTerms, Flow, Use, allowed, excess, flows

if TYPE_CHECKING:
    from protocol.engine.core import Core


def check_detail(
    core: Core, persona: Persona, kind: str, scope: str, body: Mapping[str, Any], slot: Slot | None
) -> None:
    """No own detail without two matching halves that stand (CNS-13). Raises CommandError CNS-13."""
    if kind != "detail.1" or not body["sealed"]:
        return
    context = core.contexts.get(scope)
    deal = context.deal(core.settings) if context is not None else None
    agreed = deal.agreement_of(persona.key) if deal is not None else None
    known = own_flows(context, agreed, persona.key) if context is not None and agreed is not None else ()
    flow = next((one for one in known if one.rel == body["rel"]), None)
    state = flow.state(core.now) if flow is not None else "asked"
    if flow is None or agreed is None or body["agreement"] != agreed.hash or state != "agreed":
        raise CommandError("CNS-13", f"details: {_WHY_NOT.get(state, 'no two halves that match allow this')}")
    if slot is None or slot.name != f"detail/{flow.number}":
        raise CommandError("CNS-13", "details: not in the slot of the half that allows them")


_WHY_NOT = {
    "asked": "you have not signed what this supplier may do with them",
    "offered": "the supplier has not signed what it may do with them",
    "over": "the time that both sides agreed on is over",
    "revoked": "you took back what allowed it",
    "unanswered": "you took back what allowed it",
    "erased": "you took back what allowed it",
}


def own_flows(context: Context, agreed: Agreement, member: bytes) -> tuple[Flow, ...]:
    """What a member and the supplier of its agreement speak of."""
    return flows(context.log, agreed.hash, agreed.supplier, (member,))


def all_flows(context: Context, agreed: Agreement) -> tuple[Flow, ...]:
    """What all members of an agreement and its supplier speak of."""
    return flows(context.log, agreed.hash, agreed.supplier, [member for member, _ in agreed.allocation.shares])


def known_terms(core: Core, ids: Iterable[str]) -> tuple[DataTerms, ...]:
    """Those whose text this node holds."""
    return tuple(core.settings.terms[one] for one in ids if one in core.settings.terms)


def demanded(core: Core, deal: Deal, member: bytes) -> tuple[str, ...]:
    """The data terms that an own member's details are under at least: the alternative that it took, else those of its
    intent; the request's while the co-op is not known here."""
    if other := taken_by(deal, member):
        return (other,)
    context = core.contexts.get("coop/" + deal.mandate.charter[:16].hex())
    coop = context.coop(core.settings) if context is not None else None
    own = next((one.intent.body["terms"] for one in coop.members if one.key == member), None) if coop else None
    return tuple(deal.asked.terms if own is None else own)


def taken_by(deal: Deal, member: bytes) -> str:
    """The alternative that a member's commitments say it took; "" for none."""
    return next((one.body["terms"] for one in deal.commitments if one.author == member and "terms" in one.body), "")


def use_of(core: Core, ids: Iterable[str]) -> Use:
    """What terms allow together (CNS-4): those whose text this node does not hold forbid it nothing that it knows of,
    and allow nothing."""
    return allowed(known_terms(core, ids))


def standard(core: Core, deal: Deal, agreed: Agreement, terms: Iterable[str]) -> dict[str, Any]:
    """The half under which an agreement with these terms is carried out (CNS-15)."""
    ids = sorted(dict.fromkeys(terms))
    use = use_of(core, ids)
    return {
        "agreement": agreed.hash,
        "terms": ids,
        "purposes": [one for one in STANDARD if one in use.purposes],
        "fields": list(use.fields),
        "until": min(agreed.terms.end + use.keep_days * DAY_MS, deal.rfq.header.expires),
    }


def fault_of(core: Core, deal: Deal, agreed: Agreement, flow: Flow) -> str:
    """Why a supplier's half is not what a member agreed to, in words; "" where it is (CNS-14)."""
    wanted, said = demanded(core, deal, flow.member), flow.body["terms"]
    missing = [one for one in wanted if one not in said]
    if missing:
        return f"it does not name the data terms {missing[0]}"
    beyond = [one for one in flow.body["purposes"] if one not in STANDARD]
    if beyond:
        return f"purposes: {beyond[0]} needs a grant of its own"
    return excess(flow.body, use_of(core, said), agreed.terms.end)
