"""What a node does by itself in a deal: open reveals, certify the award, quote and reveal by a supplier's rule.

Decides what an own persona's standing orders already decided; never commits or declines for a person.
Spec: 08-negotiation, NEG-35 to NEG-50; 09-accountability, AGR-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from protocol.coop.coop import Coop
from protocol.deal.choice import award_value
from protocol.deal.life import Deal
from protocol.deal.negotiation import NONCE_BYTES, Ranking, commit_hash
from protocol.deal.offer import Seller, from_flat, quote
from protocol.deal.request import request_of
from protocol.deal.tender import as_awarded, ranking_of
from protocol.encoding import decode, encode
from protocol.engine.context import Context
from protocol.engine.coop import witness
from protocol.engine.core import Core, trust_scope
from protocol.engine.deal import opening
from protocol.errors import CommandError, Reject
from protocol.identity import Persona, encrypt, seal
from protocol.record.record import Slot

KEY_BYTES = 32


def attend(core: Core, context: Context) -> None:
    """Look at the deal again."""
    deal = context.deal(core.settings)
    if deal is None or deal.rfq.header.expires <= core.now:
        return
    until, ref = deal.rfq.header.expires, deal.rfq.id
    coop = coop_of(core, deal)
    witness.fetch_missing(core, context, deal.council, deal.open)
    if coop is not None and coop.request is not None and coop.request.body["rfq"] == deal.rfq.id:
        opening.attend(core, context, deal, coop)
        ranking = ranking_of_deal(core, context, deal, coop)
        ready = ranking is not None and opening.settled(core, context, deal)
        value = award_value(deal, coop, ranking) if ranking is not None and ready else None
        witness.attend(core, context, deal.council, deal.open, until, lambda: value, ref)
    elif coop is not None and coop.mandate is not None and coop.mandate.deal == deal.mandate.deal:
        # Quotations arrive by the request's own clock, whether or not the co-op has certified it by then.
        witness.acknowledge(core, context, deal.council, deal.open, until, ref)
    _supply(core, context, deal)
    if deal.award is not None and deal.agreement_hash:
        for subject in (deal.award.supplier, deal.rfq.author, *core.personas):
            core.follow(trust_scope(subject))
    told = f"{deal.state} {len(deal.open)} {len(deal.delivered)}"
    if told != context.shown:
        context.shown = told
        if coop is not None:
            core.dirty.setdefault(coop.charter.scope, None)  # its witnesses may be waiting for the request
        core.notify("deal", deal=deal.mandate.deal, coop=deal.mandate.charter[:16], state=deal.state)


def coop_of(core: Core, deal: Deal) -> Coop | None:
    """The co-op of a deal, where this node takes part in it."""
    scope = "coop/" + deal.mandate.charter[:16].hex()
    return core.contexts[scope].coop(core.settings) if scope in core.contexts else None


def ranking_of_deal(core: Core, context: Context, deal: Deal, coop: Coop) -> Ranking | None:
    """Every quotation ranked or refused, as soon as the reveals are certified and tried."""
    template = core.settings.templates.get(deal.rfq.body["template"])
    if template is None or not deal.reveals:
        return None
    return ranking_of(deal, coop, template, as_awarded(deal, context.openings))


def _supply(core: Core, context: Context, deal: Deal) -> None:
    """A supplier's part: quote while the box is open, reveal when it is certified, countersign what was agreed."""
    rfq, board = deal.rfq.body, f"{deal.rfq.body['category']}/{deal.rfq.body['region']}"
    kept = core.facts.get(f"prices/{board}")
    if kept is None or deal.rfq.author in core.personas:
        return
    persona = core.me
    fact = f"quote/{context.scope}"
    if deal.state == "asked" and core.now < deal.quote_until and fact not in core.facts:
        _quote(core, context, deal, persona, decode(kept))
    own = [one for one in deal.quotations if one.author == persona.key]
    if (
        deal.state == "quoted"
        and own
        and fact in core.facts
        and not context.log.slot("reveal.1", persona.key, "reveal")
    ):
        nonce, data = decode(core.facts[fact])
        if nonce:
            _reveal(core, context, deal, persona, nonce, data, list(rfq["boxes"]))
    award = deal.award
    signed = context.log.slot("countersign.1", persona.key, "countersign")
    if award is not None and deal.agreement_hash and award.supplier == persona.key and not signed:
        body = {"rfq": deal.rfq.id, "agreement": deal.agreement_hash}
        slot, until = Slot("once", "countersign", 0), deal.rfq.header.expires
        core.say(persona, "countersign.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


def _quote(core: Core, context: Context, deal: Deal, persona: Persona, prices: Mapping[str, Any]) -> None:
    template = core.settings.templates.get(deal.rfq.body["template"])
    fact = f"quote/{context.scope}"
    if template is None:
        return
    seller = Seller(persona.key, prices["identity"], tuple(prices["terms"]))
    try:
        offers = from_flat(prices["rows"], template)
        quotation = quote(offers, request_of(deal, template), deal.rfq.body["quantity"], seller)
    except CommandError as error:
        core.keep(fact, encode([b"", b""]))
        core.notify("unquoted", deal=deal.mandate.deal, code=error.code, message=error.message)
        return
    nonce, data = core.entropy(NONCE_BYTES), quotation.to_bytes()
    core.keep(fact, encode([nonce, data]))
    body = {"rfq": deal.rfq.id, "commit": commit_hash(deal.rfq.id, persona.key, nonce, data)}
    slot, until = Slot("once", "quotation", 0), deal.rfq.header.expires
    core.say(persona, "quotation.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


def _reveal(
    core: Core, context: Context, deal: Deal, persona: Persona, nonce: bytes, data: bytes, boxes: list[bytes]
) -> None:
    """One content key, sealed to every box the request names (NEG-44)."""
    key = core.entropy(KEY_BYTES)
    manifest = next(one for name, one in deal.decided.items() if name.startswith("quotations/"))
    body = {
        "rfq": deal.rfq.id,
        "manifest": manifest.value_hash,
        "cipher": encrypt(encode([nonce, data]), key, deal.rfq.id + persona.key),
        "keys": [_sealed(core, key, box) for box in boxes],
    }
    slot, until = Slot("once", "reveal", 0), deal.rfq.header.expires
    core.say(persona, "reveal.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


def _sealed(core: Core, key: bytes, box: bytes) -> bytes:
    """A sealed content key; a box key that is no usable point gets bytes that open for nobody."""
    try:
        return seal(key, box, core.entropy)
    except Reject:
        return core.entropy(KEY_BYTES + 48)
