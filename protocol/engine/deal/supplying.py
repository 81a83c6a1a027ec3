"""What a supplier's node does in a deal: propose or sign a quotation within its limits, promise what it then owes, say
what came of it, countersign what was agreed.

Decides what the supplier's standing orders already decided, and refuses what goes beyond them whoever asks; never reads
a co-op. Spec: 16-supplier, SUP-10 to SUP-14; 08-negotiation, NEG-35 and NEG-43; 09-accountability, AGR-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from protocol import commands as ask
from protocol.coop.template import Template
from protocol.deal.award import Agreement, refusals
from protocol.deal.life import Deal, deal_scope
from protocol.deal.negotiation import NONCE_BYTES, Quotation, parse
from protocol.deal.negotiation import read as read_quotation
from protocol.deal.offer import Offer, Rules, Seller, answer, available, floor_of, from_bytes, quotation_of, within
from protocol.deal.request import request_of
from protocol.deal.tender import handed_in
from protocol.encoding import decode, encode
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.engine.deal.shop import (
    BOARD,
    DEAL,
    OVER,
    Reservation,
    change,
    has_room,
    reserve,
    rules_of,
    shop,
    status_of,
    tell,
)
from protocol.errors import CommandError, NotNow, Reject
from protocol.events import Compute
from protocol.identity import Persona
from protocol.params import CHOOSE_HERE_MAX, PERIOD_MS, STUCK_MS
from protocol.record.record import Record, Slot

OPEN = ("quoted",)
_ENDS = ("delivered", "defaulted", "cancelled", "ended")
_JOB = "quote/"


def attend(core: Core, context: Context) -> None:
    """Look at the deal again as a supplier."""
    deal = context.deal(core.settings)
    if deal is None or deal.rfq.author in core.personas or _board(core, deal) is None:
        return
    if core.now < deal.rfq.header.expires:
        if is_asking(core, deal):
            _consider(core, context, deal)
        elif status_of(core, context.scope) in ("asked", "proposed"):
            change(core, context.scope, "missed")
        if rules_of(core).countersign == "auto":
            _countersign(core, context, deal)
    _follow(core, context, deal)


def is_asking(core: Core, deal: Deal) -> bool:
    """Whether a quotation would be in time."""
    asked = any(one.name.startswith("quotations/") for one in deal.open)
    return asked and deal.state in ("asked", "revised") and core.now < deal.quote_until


def _board(core: Core, deal: Deal) -> str | None:
    board = f"{deal.rfq.body['category']}/{deal.rfq.body['region']}"
    return board if BOARD + board in core.facts else None


# To quote, or not


def _consider(core: Core, context: Context, deal: Deal) -> None:
    """The first look at a request: a reason why not, or an article, chosen here or by a worker."""
    context.wake_at(deal.quote_until)
    template = core.settings.templates.get(deal.rfq.body["template"])
    if status_of(core, context.scope) or context.scope in shop(core).jobs or template is None or not has_room(core):
        return
    rules, body = rules_of(core), deal.rfq.body
    change(core, context.scope, "asked", **_told(deal))
    try:
        if rules.mode == "off":
            raise CommandError("SUP-10", "nothing is quoted at present")
        if body["members"] < rules.members_least:
            raise CommandError("SUP-10", f"{body['members']} members, fewer than {rules.members_least}")
        if body["quantity"] < rules.quantity_least:
            raise CommandError("SUP-10", f"a quantity of {body['quantity']}, less than {rules.quantity_least}")
        _check_open(core, rules)
    except CommandError as error:
        change(core, context.scope, "unquoted", code=error.code, message=error.message)
        return
    board = str(_board(core, deal))
    kept = tuple(shop(core).articles.get(board, {}).values())
    promised = shop(core).promised(board, core.now, context.scope)
    arguments = (kept, request_of(deal, template), body["quantity"], _seller(core, board), rules, promised)
    if len(kept) <= CHOOSE_HERE_MAX:
        _choose(core, context, deal, answer(*arguments))
    else:
        shop(core).jobs[context.scope] = None
        core.out.append(Compute(_JOB + context.scope, "deal.offer.answer", arguments))


def chosen(core: Core, job: str, result: Any) -> bool:
    """Go on where a worker has chosen; False when the job is not one of these."""
    if not job.startswith(_JOB):
        return False
    scope = job.removeprefix(_JOB)
    shop(core).jobs.pop(scope, None)
    context = core.contexts.get(scope)
    deal = context.deal(core.settings) if context is not None else None
    if context is not None and deal is not None and is_asking(core, deal) and status_of(core, scope) == "asked":
        failed = ("SUP-10", "choosing among the articles failed or took too long; quote by hand", b"")
        _choose(core, context, deal, result if isinstance(result, tuple) else failed)
    return True


def _choose(core: Core, context: Context, deal: Deal, found: tuple[str, str, bytes]) -> None:
    code, message, data = found
    if code:
        change(core, context.scope, "unquoted", code=code, message=message)
        core.notify("unquoted", deal=deal.mandate.deal, code=code, message=message)
        return
    template = core.settings.templates[deal.rfq.body["template"]]
    quotation = read_quotation(data, template)
    try:
        _check(core, context.scope, deal, quotation, template)  # a worker's choice is a while ago
        if rules_of(core).mode == "review":
            change(core, context.scope, "proposed", quotation=data, until=deal.quote_until, **_said(quotation))
        else:
            _sign(core, context, deal, quotation)
    except CommandError as error:
        change(core, context.scope, "unquoted", code=error.code, message=error.message)


def quote(core: Core, command: ask.Quote) -> dict[str, Any]:
    """Sign a quotation by hand or by program: never past a limit (SUP-11, SUP-12)."""
    context, deal, template = _request(core, command.deal)
    if not is_asking(core, deal):
        raise NotNow("SUP-12", f"quote: the box of quotations is not open (the deal is {deal.state})")
    if status_of(core, context.scope) == "quoted":
        raise CommandError("REC-14", "quote: you have quoted already, and once is final")
    proposed = shop(core).deals.get(context.scope, {}).get("quotation")
    board = str(_board(core, deal))
    if command.sku or not proposed:
        offer = _article(core, board, command.sku)
        reserved = shop(core).promised(board, core.now, context.scope).get(offer.sku, 0)
        request = request_of(deal, template)
        bounded = within(offer, request, deal.rfq.body["quantity"], rules_of(core), reserved)
        quotation = quotation_of(bounded, request, _seller(core, board))
    else:
        quotation = read_quotation(proposed, template)
    if command.ladder:
        quotation = replace(quotation, ladder=command.ladder)
    if command.capacity:
        quotation = replace(quotation, capacity=command.capacity)
    try:
        quotation = parse(quotation.to_mapping(), template)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    _check(core, context.scope, deal, quotation, template)
    record = _sign(core, context, deal, quotation)
    return {"id": record.id, **_said(quotation)}


def pass_request(core: Core, command: ask.PassRequest) -> dict[str, Any]:
    """Say nothing to a request, and be asked no more."""
    context, _, _ = _request(core, command.deal)
    if status_of(core, context.scope) not in ("", "asked", "proposed", "unquoted"):
        raise NotNow("SUP-12", f"pass: this request is {status_of(core, context.scope)}")
    change(core, context.scope, "passed", message=command.reason[:200])
    return {"deal": command.deal}


def _check(core: Core, scope: str, deal: Deal, quotation: Quotation, template: Template) -> None:
    """Every limit once more, right before the signature; raises CommandError SUP-10, SUP-11 or SUP-13."""
    check_offer(core, scope, deal, quotation, template)
    _check_open(core, rules_of(core))


def check_offer(core: Core, scope: str, deal: Deal, quotation: Quotation, template: Template) -> None:
    """Floor, stock and largest order; raises CommandError SUP-10, SUP-11 or SUP-13."""
    rules, board = rules_of(core), str(_board(core, deal))
    offer = _article(core, board, quotation.reference)
    floor = floor_of(offer, rules)
    if quotation.ladder[-1][1] < floor:  # the last rung is the lowest (NEG-2)
        raise CommandError("SUP-11", f"{offer.sku}: a price of {quotation.ladder[-1][1]} is below its floor {floor}")
    reserved = shop(core).promised(board, core.now, scope).get(offer.sku, 0)
    free = available(offer, reserved, template.periods)
    if quotation.capacity > free:
        raise CommandError("SUP-13", f"{offer.sku}: {quotation.capacity} a period are more than the {free} still free")
    value = quotation.capacity * quotation.ladder[0][1] * template.periods
    for most, asked in ((rules.quantity_most, quotation.capacity), (rules.value_most_minor, value)):
        if most and asked > most:
            raise CommandError("SUP-10", f"{offer.sku}: {asked} is above the largest order {most}")


def _check_open(core: Core, rules: Rules) -> None:
    if sum(1 for one in shop(core).deals.values() if one["status"] in OPEN) >= rules.open_most:
        raise CommandError("SUP-10", f"{rules.open_most} quotations wait for their award already")


def _sign(core: Core, context: Context, deal: Deal, quotation: Quotation) -> Record:
    """The quotation, what it promises, and that it was said, in one commit (SUP-13)."""
    persona: Persona = core.me
    nonce, data = core.entropy(NONCE_BYTES), quotation.to_bytes()
    core.keep(f"quote/{context.scope}", encode([nonce, data]))
    body = handed_in(deal, persona.key, nonce, data, core.entropy)
    slot, until = Slot("once", "quotation", 0), deal.rfq.header.expires
    record = core.say(persona, "quotation.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))
    promise(core, context, deal, quotation)
    return record


def promise(core: Core, context: Context, deal: Deal, quotation: Quotation) -> None:
    """What a quotation that was said keeps free, and that it was said (SUP-13)."""
    until = quotation.valid_until + STUCK_MS  # boxes may close late; then the quotation binds no longer
    kept = Reservation(str(_board(core, deal)), quotation.reference, quotation.capacity, until)
    reserve(core, context.scope, kept)
    change(core, context.scope, "quoted", quotation=quotation.to_bytes(), binds=until, **_said(quotation))


# What came of it


def _countersign(core: Core, context: Context, deal: Deal) -> Record | None:
    persona = core.me
    agreed = deal.agreement_with(persona.key)
    if agreed is None or context.log.slot("countersign.1", persona.key, "countersign"):
        return None
    body = {"rfq": deal.rfq.id, "agreement": agreed.hash}
    slot, until = Slot("once", "countersign", 0), deal.rfq.header.expires
    return core.say(persona, "countersign.1", context.scope, body, until=until, slot=slot, refs=(deal.rfq.id,))


def countersign(core: Core, command: ask.Countersign) -> dict[str, Any]:
    """Sign the agreement that this node computes from the boxes (AGR-1)."""
    context, deal, _ = _request(core, command.deal)
    record = _countersign(core, context, deal)
    if record is None:
        raise NotNow("AGR-1", f"countersign: there is no agreement that waits for it (the deal is {deal.state})")
    return {"id": record.id}


def release(core: Core, command: ask.ReleaseCapacity) -> dict[str, Any]:
    """Free what a deal was promised, once its quotation no longer binds (SUP-14)."""
    context, _, _ = _request(core, command.deal)
    row = shop(core).deals.get(context.scope, {})
    if row.get("status") == "won" or (row.get("status") == "quoted" and core.now < row.get("binds", 0)):
        raise NotNow("SUP-14", "release: the quotation binds until the deal has come to its agreement, or to none")
    reserve(core, context.scope, None)
    return {"deal": command.deal}


def _follow(core: Core, context: Context, deal: Deal) -> None:
    """Tell the next thing that happened to a quotation, and shrink what it promised to what was ordered (SUP-14)."""
    before = status_of(core, context.scope)
    if before in ("", "asked", "proposed", *OVER):
        return
    status, detail = _outcome(core, deal)
    row, known = shop(core).deals[context.scope], shop(core).reserved.get(context.scope)
    if not status and "last" not in row and any(one.name.startswith("finals/") for one in deal.open):
        row["last"] = True
        core.keep(DEAL + context.scope, encode(row))
        tell(core, "last-round", deal.mandate.deal.hex(), {})  # NEG-82
    if not status or status == before:
        return
    if status in OVER:
        reserve(core, context.scope, None)
    elif "quantity" in detail:
        template = core.settings.templates[deal.rfq.body["template"]]
        ends = core.now + PERIOD_MS[template.period] * template.periods
        board, most = str(_board(core, deal)), known.quantity if known is not None else detail["quantity"]
        reserve(core, context.scope, Reservation(board, row["sku"], min(most, detail["quantity"]), ends))
    change(core, context.scope, status, **detail)


def _outcome(core: Core, deal: Deal) -> tuple[str, dict[str, Any]]:
    """Where a deal in which this supplier quoted stands for it, "" while nobody knows."""
    me, award = core.me.key, deal.award
    if award is None:
        decided = next((one for name, one in deal.decided.items() if name.startswith("award/")), None)
        if decided is not None:
            return "lost", {"code": dict(refusals(None, decided.value)).get(me, "NEG-50")}
        return ("void", {}) if deal.state == "void" else ("", {})
    part = next((one for one in award.parts if one.supplier == me), None)
    if part is None:
        return "lost", {"code": dict(award.refused).get(me, "NEG-29")}
    agreed = deal.agreement_with(me)
    if agreed is not None:
        return _agreed(deal, agreed)
    if deal.state == "void" or deal.agreements:
        return "fallen", {}
    return "won", {"quantity": part.quantity, "unit_price_minor": part.unit_price_minor, "members": len(part.lots)}


def _agreed(deal: Deal, agreed: Agreement) -> tuple[str, dict[str, Any]]:
    found = agreed.allocation
    status = deal.state if deal.state in _ENDS else "countersigned" if agreed.signed else "agreed"
    return status, {
        "quantity": found.quantity,
        "unit_price_minor": found.unit_price_minor,
        "members": len(found.shares),
        "agreement": agreed.hash,
    }


# What it stands on


def _request(core: Core, deal: bytes) -> tuple[Context, Deal, Template]:
    """A request that this supplier could answer; raises CommandError NEG-40 or SUP-12."""
    context = core.contexts.get(deal_scope(deal))
    view = context.deal(core.settings) if context is not None else None
    if context is None or view is None:
        raise CommandError("NEG-40", f"deal: {deal.hex()[:8]} is not known here (yet)")
    template = core.settings.templates.get(view.rfq.body["template"])
    if template is None or _board(core, view) is None or view.rfq.author in core.personas:
        raise CommandError("SUP-12", "deal: is not on a board where you sell, or is your own request")
    return context, view, template


def floor(core: Core, deal: Deal, sku: str) -> int:
    """The lowest price that its supplier allows for an article; 0 where nothing was said of it (SUP-11)."""
    return floor_of(_article(core, str(_board(core, deal)), sku), rules_of(core))


def _article(core: Core, board: str, sku: str) -> Offer:
    kept = shop(core).articles.get(board, {}).get(sku)
    if kept is None:
        raise CommandError("SUP-11", f"sku: there is no article {sku[:64]!r} on {board}, so its floor is not known")
    return from_bytes(kept)


def _seller(core: Core, board: str) -> Seller:
    kept: Mapping[str, Any] = decode(core.facts[BOARD + board])
    prepaid = rules_of(core).prepaid_percent
    more = {"prepaid_percent": prepaid, "instead": kept.get("instead", "")}
    return Seller(core.me.key, kept["identity"], tuple(kept["terms"]), **more)


def _told(deal: Deal) -> dict[str, Any]:
    """What a request says, as the feed tells it."""
    body = deal.rfq.body
    named = {name: body[name] for name in ("category", "region", "members", "quantity", "pooled_minor")}
    return named | {"until": deal.quote_until, "negotiator": deal.rfq.author}


def _said(quotation: Quotation) -> dict[str, Any]:
    ladder = [list(rung) for rung in quotation.ladder]
    return {"sku": quotation.reference, "ladder": ladder, "capacity": quotation.capacity, "code": "", "message": ""}
