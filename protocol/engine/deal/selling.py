"""What a supplier or its program may look at, and the table of a supplier's commands.

Decides nothing and changes nothing: plain maps made from the supplier's own facts. Spec: 16-supplier, SUP-20,
SUP-21 and SUP-30.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from protocol import commands as ask
from protocol.deal.life import deal_scope
from protocol.engine.core import Core
from protocol.engine.deal import stocking, supplying
from protocol.engine.deal.detailing import read
from protocol.engine.deal.refused import turned_away
from protocol.engine.deal.shop import entries, rules_of, shop
from protocol.errors import CommandError, NotNow
from protocol.record.log import Log

PAGE_MAX = 500


def requests(core: Core) -> list[dict[str, Any]]:
    """Every request this node looked at as a supplier, newest first; and those whose mandate does not hold (NEG-86)."""
    known = shop(core).deals
    rows = [{"deal": bytes.fromhex(scope.removeprefix("deal/")), **one} for scope, one in known.items()]
    for one in turned_away(core):
        request, code, message = core.turned_away["deal/" + one["deal"].hex()]
        told = {name: request.body[name] for name in ("category", "region", "members", "quantity", "pooled_minor")}
        told |= {"code": code, "message": message, "since": request.header.created}
        rows.append({"deal": one["deal"], "status": "refused", **told})
    rows.sort(key=lambda one: (-one["since"], one["deal"]))
    return [{name: value for name, value in row.items() if name != "quotation"} for row in rows]


def profiles(log: Log, now: int) -> list[dict[str, Any]]:
    """Who says that they sell on a board, and the domain that they claim, at most a hundred."""
    found = sorted(log.of_kind("profile.1"), key=lambda one: (-one.header.created, one.id))
    live = [one for one in found if one.header.expires > now][:100]
    return [{"key": one.author, "label": one.body["label"], "domain": one.body.get("domain", "")} for one in live]


def supplier_needs(core: Core) -> list[dict[str, Any]]:
    """What waits for the supplier: quotations that its node proposes, agreements to sign."""
    found = []
    for scope, one in shop(core).deals.items():
        deal = bytes.fromhex(scope.removeprefix("deal/"))
        base = {"id": deal, "deal": deal, "coop": b"", "until": one["until"]}
        if one["status"] == "proposed" and core.now < one["until"]:
            says = f"Article {one['sku']} would answer this request; the quotation binds you once it is signed."
            more = {"sku": one["sku"], "ladder": one["ladder"], "capacity": one["capacity"]}
            found.append(base | more | {"kind": "quote", "says": says, "silence": "You do not quote."})
        if one["status"] == "agreed" and rules_of(core).countersign == "manual":
            says = "The members have committed; your signature shows that you know."
            silence = "You are bound all the same, and shown as silent."
            found.append(base | {"kind": "countersign", "says": says, "silence": silence})
    return found


def feed(core: Core, command: ask.AskFeed) -> dict[str, Any]:
    """A page of the feed, in order."""
    numbers = shop(core).feed
    found = entries(core, command.after, min(max(command.limit, 1), PAGE_MAX))
    return {"entries": found, "first": numbers[0] if numbers else 0, "last": numbers[-1] if numbers else 0}


def order(core: Core, command: ask.AskOrder) -> dict[str, Any]:
    """What is to be delivered to whom under an agreement with this supplier."""
    context = core.contexts.get(deal_scope(command.deal))
    deal = context.deal(core.settings) if context is not None else None
    if context is None or deal is None:
        raise CommandError("NEG-40", f"deal: {command.deal.hex()[:8]} is not known here (yet)")
    agreed = deal.agreement_with(core.me.key)
    if agreed is None:
        raise NotNow("SUP-30", f"order: there is no agreement with you (the deal is {deal.state})")
    found, part = agreed.allocation, agreed.part
    template = core.settings.templates.get(deal.rfq.body["template"])
    said = shop(core).deals.get(context.scope, {})
    details = read(core, context, agreed)
    lines = [{"member": one, "quantity": count, "details": details.get(one, {})} for one, count in found.shares]
    return {
        "deal": command.deal,
        "agreement": agreed.hash,
        "signed": agreed.signed,
        "sku": said.get("sku", ""),
        "quantity": found.quantity,
        "unit_price_minor": found.unit_price_minor,
        "charge_minor": part.besides.charge_minor,
        "pack": part.pack,
        "currency": template.currency if template is not None else "",
        "unit": template.unit if template is not None else "",
        "unit_quantity": template.unit_quantity if template is not None else 1,
        "period": part.besides.period,
        "periods": part.besides.periods,
        "lines": lines,
    }


COMMANDS: Mapping[type, Callable[[Core, Any], Any]] = {
    ask.SetPrices: stocking.set_prices,
    ask.ClaimDomain: stocking.claim_domain,
    ask.PutArticles: stocking.put_articles,
    ask.SetSupplyRules: stocking.set_rules,
    ask.Quote: supplying.quote,
    ask.PassRequest: supplying.pass_request,
    ask.Countersign: supplying.countersign,
    ask.ReleaseCapacity: supplying.release,
    ask.AskArticles: stocking.articles,
    ask.AskSupply: lambda core, _: stocking.supply(core),
    ask.AskRequests: lambda core, _: requests(core),
    ask.AskFeed: feed,
    ask.AskOrder: order,
}
