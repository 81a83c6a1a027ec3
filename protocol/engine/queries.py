"""What a person may look at: the node, the board, the co-ops, the deals, and what waits for an answer.

Decides nothing and changes nothing: plain maps made from contexts. Spec: 13-node, API-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocol import commands as ask
from protocol.coop.coop import Coop, lapsed
from protocol.coop.template import pooled_value
from protocol.deal.award import Agreement, refusals
from protocol.deal.bundle import make
from protocol.deal.life import DEAL_TERMINAL, Deal, stuck
from protocol.engine import keeping, rest
from protocol.engine.baseline import own_baseline, stated
from protocol.engine.boundaries import boundaries
from protocol.engine.coop.board import own_intents
from protocol.engine.coop.outlook import election
from protocol.engine.coop.telling import told as coop_told
from protocol.engine.core import Core
from protocol.engine.deal import answering, attesting, opening
from protocol.engine.deal.dealing import coop_of, ranking_of_deal
from protocol.engine.deal.ledger import ledger
from protocol.engine.deal.selling import profiles
from protocol.engine.deal.talking import specification
from protocol.engine.deal.telling import told as deal_told
from protocol.engine.desk import board_scope, coop_context, template_of
from protocol.engine.groups import outside
from protocol.engine.network import relays
from protocol.errors import CommandError, Reject
from protocol.identity import did
from protocol.record.record import Record
from protocol.trust.aggregate import band, together


def status(core: Core) -> dict[str, Any]:
    """The node itself."""
    return {
        "persona": core.me.key,
        "did": did(core.me.key),
        "faces": len(core.personas),
        "role": core.settings.role,
        "network": core.settings.network,
        "peers": [
            {"peer": one.name, "outbound": one.outbound, "scopes": len(one.scopes)} for one in core.neighbours.values()
        ],
        "scopes": [
            {"scope": scope, "records": len(items)}
            for scope in sorted(core.followed)
            if (items := core.items(scope)) is not None
        ],
        "boundaries": boundaries(core),
        "device": keeping.view(core),
    }


def peers(core: Core) -> dict[str, Any]:
    """Who is linked, and how far behind each is; then the relays this node keeps to."""
    linked = [
        {
            "peer": one.name,
            "outbound": one.outbound,
            "addresses": list(one.addresses),
            "scopes": len(one.scopes),
            "waiting": len(one.pending),
            "asking": sorted(one.sessions),
            "reconciled": core.relays.synced.get(one.name, 0),
        }
        for one in core.neighbours.values()
    ]
    return {"peers": linked, **relays.report(core), "wakes": rest.appointments(core) if core.quiet_until else []}


def numbers(core: Core) -> dict[str, int]:
    """How much of everything is in memory, and names of nobody (REL-20)."""
    links = core.neighbours.values()
    prefixes = [core.items(scope) for scope in core.followed if scope.startswith("mail/")]
    letters = [len(one) for one in prefixes if one is not None]
    return {
        "peers_in": sum(1 for one in links if not one.outbound),
        "peers_out": sum(1 for one in links if one.outbound),
        "scopes": len(core.followed),
        "scopes_own": sum(1 for name in core.facts if name.startswith("scope/")),
        "contexts": len(core.contexts) + len(core.shelves),
        "sessions": sum(len(one.sessions) for one in links),
        "waiting": sum(len(one.pending) for one in links),
        "rules_own": len(core.rules.own),
        "rules_followed": len(core.rules.followed),
        "mail_prefixes": len(letters),
        "mail_records": sum(letters),
        "mail_fullest": max(letters, default=0),
        "mail_records_max": core.settings.mail_records,
    }


def digest(core: Core, command: ask.AskDigest) -> dict[str, Any]:
    """A scope's state in one hash, the same for who reads what came sealed and for who carries it; of what is only
    carried, of the ids held, and it is marked so.
    """
    if core.shelves.get(command.scope) is not None:
        items = core.shelves[command.scope].items
        found = items.fingerprint(0, len(items))
        return {"scope": command.scope, "digest": found, "records": len(items), "carried": True}
    log = core.context(command.scope).wire
    return {"scope": command.scope, "digest": log.digest(), "records": len(log.records)}


def board(core: Core, command: ask.AskBoard) -> dict[str, Any]:
    """A board: how many would like the same, and what they are worth together, in bands (INT-9)."""
    template, scope = template_of(core, command.category), board_scope(command.category, command.region)
    context = core.context(scope)
    live = [
        one
        for one in context.log.of_kind("intent.1")
        if one.header.expires > core.now and one.body["readiness"] != "withdrawn"
        if one.body["template"] == template.hash  # others count in other units
    ]
    known = together((one.author, one.header.created, one.body["spend_minor"]) for one in live)
    low, high = band(pooled_value([known.total], template.periods)) if known.persons else (0, 0)
    return {
        "category": command.category,
        "region": command.region,
        "title": template.title,
        "intents": len(live),
        "ready": sum(1 for one in live if one.body["readiness"] in ("ready", "pledged")),
        "pooled_minor_band": [low, high],
        "currency": template.currency,
        "mine": [one.id for one in own_intents(core, context)],
        "suppliers": profiles(context.log, core.now),
        "calls": [
            {"coop": one.body["coop"], "by": one.author}
            for one in sorted(context.log.of_kind("call.1"), key=_newest)[:50]
        ],
        "headlines": [
            {"deal": one.body["deal"], "members": one.body["members"], "pooled_minor": one.body["pooled_minor"]}
            for one in sorted(context.log.of_kind("headline.1"), key=_newest)[:50]
        ],
    }


def intents(core: Core) -> list[dict[str, Any]]:
    """Own intents on every board."""
    found = []
    for scope in sorted(scope for scope in core.followed if scope.startswith("board/")):
        _, category, region = scope.split("/")
        for one in own_intents(core, core.context(scope)):
            name = one.header.slot.name if one.header.slot else ""
            engaged = core.facts.get(f"engaged/{scope}/{name}", b"").decode()
            found.append(
                {
                    "name": name,
                    "category": category,
                    "region": region,
                    "id": one.id,
                    "coop": engaged.removeprefix("coop/"),
                    **{key: value for key, value in one.body.items() if key not in ("template", "levels")},
                    "levels": dict(one.body["levels"]),
                }
            )
    return found


def coops(core: Core) -> list[dict[str, Any]]:
    """Every co-op this node takes part in, newest first."""
    views = [(context, context.coop(core.settings)) for context in core.contexts.values() if context.family == "coop"]
    known = [(context, view) for context, view in views if view is not None]
    known.sort(key=lambda pair: (-pair[1].charter.header.created, pair[0].scope))
    return [summary(core, view) for _, view in known]


def summary(core: Core, coop: Coop) -> dict[str, Any]:
    """One co-op in a few lines; its state is its deal's once there is one."""
    template = core.settings.templates[coop.charter.body["template"]]
    deal = _deal_of(core, coop)
    state = _state(core, coop, deal)
    pooled = pooled_value([one.intent.body["spend_minor"] for one in coop.members], template.periods)
    found: dict[str, Any] = {
        "id": coop.hash[:16],
        "says": _says(core, coop, deal),
        "purpose": coop.charter.body["purpose"],
        "category": coop.charter.body["category"],
        "state": state,
        "members": len(coop.members),
        "keys": list(coop.keys),
        "founder": coop.charter.author,
        "mine": any(key in core.personas for key in coop.keys),
        "witness": any(key in core.personas for key in coop.council.witnesses),
        "negotiator": coop.negotiator,
        "asked_by": deal.rfq.author if deal is not None else b"",
        "term": coop.term,
        "certificate_ok": coop.mandate is not None,
        "pooled_minor": pooled,
        "currency": template.currency,
        "deal": deal.mandate.deal if deal is not None else b"",
        "terminal": state in DEAL_TERMINAL,
        "agreement": b"",
        "unit_price_minor": 0,
        "saving_minor": 0,
        "supplier": b"",
    }
    if deal is not None and deal.agreements:
        savings = [
            stated(one.intent).saving(about.allocation.unit_price_minor, share, about.part.besides)
            for about in deal.agreements
            for one in coop.members
            if (share := about.quantity_of(one.key))
        ]
        own = _own(core, deal.agreements)
        found |= {"agreement": own.hash, "unit_price_minor": own.allocation.unit_price_minor, "supplier": own.supplier}
        found |= {"saving_minor": sum(savings), "served": len(savings)}
        found |= _own_saving(core, coop, deal)
    return found


def _own_saving(core: Core, coop: Coop, deal: Deal) -> dict[str, Any]:
    """What this node's member saves against what they pay today, which may be known here alone (NEG-33, NEG-88)."""
    known = own_baseline(core, coop)
    for key in core.personas:
        about = deal.agreement_of(key)
        if about is not None and known is not None:
            found = about.allocation
            saved = known.saving(found.unit_price_minor, about.quantity_of(key), about.part.besides)
            return {"own_saving_minor": saved, "own_baseline_minor": known.unit_price_minor}
    return {}


def coop_detail(core: Core, command: ask.AskCoop) -> dict[str, Any]:
    """One co-op with everything its members may look at."""
    context, coop = coop_context(core, command.coop)
    deal = _deal_of(core, coop)
    found = summary(core, coop) | {
        "charter": {key: value for key, value in coop.charter.body.items() if key != "nonce"},
        "questions": [{"name": one.name, "closes": one.closes} for one in coop.open],
        "abstains": keeping.abstains(core, context.scope, deal.rfq.scope if deal is not None else ""),
        "decided": {name: {"round": one.round, "hash": one.value_hash} for name, one in coop.decided.items()},
        "line": list(coop.line),
        "joins": sum(1 for _ in context.log.of_kind("join.1")),
        **election(core, context, coop),
    }
    if coop.tally is not None:
        found["pairwise"] = [list(row) for row in coop.tally.pairwise]
    if deal is not None:
        found["deal_detail"] = deal_detail(core, deal)
    return found


def deals(core: Core) -> list[dict[str, Any]]:
    """Every deal this node follows: a supplier's feed."""
    views = [context.deal(core.settings) for context in core.contexts.values() if context.family == "deal"]
    known = sorted((view for view in views if view is not None), key=lambda one: (-one.quote_until, one.rfq.id))
    return [deal_detail(core, view) for view in known]


def deal_detail(core: Core, deal: Deal) -> dict[str, Any]:
    """One deal: request, quotations as far as they are open here, award, commitments, agreement."""
    context, body = core.contexts[deal.rfq.scope], deal.rfq.body
    award = deal.award
    decided = next((one for name, one in deal.decided.items() if name.startswith("award/")), None)
    found: dict[str, Any] = {
        "id": deal.mandate.deal,
        "coop": deal.mandate.charter[:16],
        "category": body["category"],
        "region": body["region"],
        "state": deal.state,
        "members": body["members"],
        "quantity": body["quantity"],
        "pooled_minor": body["pooled_minor"],
        **specification(deal),
        "negotiator": deal.rfq.author,
        "request": deal.rfq.id,  # what evidence names a deal by (ATT-2)
        "quote_until": deal.quote_until,
        "questions": [{"name": one.name, "closes": one.closes} for one in deal.open],
        "quotations": [one.author for one in deal.quotations],
        "mine": any(one.author in core.personas for one in deal.quotations),
        "refused": [list(one) for one in refusals(award, decided.value)] if decided is not None else [],
        "commitments": [
            {"member": one.author} | {name: one.body[name] for name in ("answer", "reason", "remark")}
            for one in deal.commitments
        ],
        "agreement": _own(core, deal.agreements).hash if deal.agreements else b"",
        "agreements": [
            {
                "hash": one.hash,
                "supplier": one.supplier,
                "unit_price_minor": one.allocation.unit_price_minor,
                "quantity": one.allocation.quantity,
                "shares": [list(share) for share in one.allocation.shares],
                "countersigned": one.signed,
                "delivered": list(one.delivered),
            }
            for one in deal.agreements
        ],
        "shares": [list(one) for one in deal.shares],
        "delivered": sorted(member for one in deal.agreements for member in one.delivered),
        **ledger(core, context, deal) | {"spoken": attesting.shown(core, context, deal)},
    }
    if award is not None:
        found["award"] = {
            "hash": award.hash,
            "parts": [
                {"supplier": one.supplier, "unit_price_minor": one.unit_price_minor, "quantity": one.quantity}
                | {"cancellation": one.cancellation, "cancellation_fee_minor": one.cancellation_fee_minor}
                | {"prepaid_percent": one.prepaid_percent, "lots": [list(lot) for lot in one.lots]}
                for one in award.parts
            ],
        }
    coop = coop_of(core, deal)
    template = core.settings.templates.get(body["template"])
    ranking = ranking_of_deal(core, context, deal, coop) if coop is not None and template is not None else None
    if coop is not None and ranking is not None and template is not None:
        found["ranking"] = list(ranking.explain(template))
        found |= answering.shown(core, deal, coop, template, ranking)
    return found


def bundle(core: Core, command: ask.AskBundle) -> dict[str, Any]:
    """The deal of a co-op as one byte string that anybody can verify, once there is an agreement (BUN-12)."""
    context, coop = coop_context(core, command.coop)
    deal = _deal_of(core, coop)
    if deal is None or not deal.agreements:
        state = coop.state if deal is None else deal.state
        raise CommandError("BUN-12", f"bundle: there is no agreement yet (the co-op is {state})")
    about = core.contexts[deal.rfq.scope]
    records = [*context.log.records.values(), *about.log.records.values()]
    template = core.settings.templates[coop.charter.body["template"]]
    opening.lay_open(core, about, context, deal, coop)
    if not about.room:
        raise CommandError("BUN-12", "bundle: the room's secret has not reached this node yet")
    try:
        return {"bundle": make(core.settings.network, template, records, about.room)}
    except Reject as error:
        raise CommandError(error.code, f"bundle: not everything is here (yet): {error.message}") from None


def _says(core: Core, coop: Coop, deal: Deal | None) -> list[str]:
    """The state in words (AGR-22)."""
    if outside(core, coop):
        return ["You are not in this co-op: what is said in its room is for those who are."]
    if deal is None:
        return list(coop_told(coop, core.contexts[coop.charter.scope].log, core.now))
    template = core.settings.templates[coop.charter.body["template"]]
    return list(deal_told(deal, core.now, template.currency))


def _state(core: Core, coop: Coop, deal: Deal | None) -> str:
    """A co-op's state is its deal's once there is one; void too when its time is over before it came to an end."""
    open_still = deal is None or deal.state not in DEAL_TERMINAL
    given_up = lapsed(coop, core.now) or (deal is not None and stuck(deal, core.now))
    if given_up or (open_still and coop.charter.header.expires <= core.now):
        return "void"
    return deal.state if deal is not None else coop.state


def _newest(record: Record) -> tuple[int, bytes]:
    return -record.header.created, record.id


def _deal_of(core: Core, coop: Coop) -> Deal | None:
    """The deal that the co-op went into: that of the request its witnesses certified, and of no other."""
    if coop.mandate is None or coop.request is None:
        return None
    context = core.contexts.get("deal/" + coop.mandate.deal.hex())
    deal = context.deal(core.settings) if context is not None else None
    return deal if deal is not None and deal.rfq.id == coop.request.body["rfq"] else None


def _own(core: Core, agreements: Sequence[Agreement]) -> Agreement:
    """Of several agreements the one that binds this node's person, else the first."""
    mine = (one for one in agreements for key in core.personas if key == one.supplier or one.quantity_of(key))
    return next(mine, agreements[0])
