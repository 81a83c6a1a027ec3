"""What a supplier tells its own node: where it sells, which articles at which prices, and within which limits.

Decides whether it can be kept; refusals are CommandErrors raised before anything has changed. But for the profile
nothing of it leaves the node. Spec: 16-supplier, SUP-7 and SUP-10; 08-negotiation, NEG-34.
"""

from __future__ import annotations

from dataclasses import asdict
from heapq import nsmallest
from typing import Any

from protocol import commands as ask
from protocol.coop.template import Template
from protocol.deal.domain import statement
from protocol.deal.offer import Offer, Rules, flat, from_bytes, from_flat, to_bytes
from protocol.encoding import decode, encode
from protocol.engine import silence, terms
from protocol.engine.core import Core
from protocol.engine.deal.shop import BOARD, keep_article, keep_rules, rules_of, shop
from protocol.engine.desk import board_scope, template_of
from protocol.errors import CommandError, Reject
from protocol.params import ARTICLES_MAX, INTEGER_MAX, INTENT_LIFE_MS, SKU_MAX
from protocol.record.record import Slot

PAGE_MAX = 1000
_DOMAIN = "supply/domain"
_CHOICES = {"mode": ("auto", "review", "off"), "countersign": ("auto", "manual")}
_MOST = {"margin_percent": 10_000, "headroom_percent": 10_000, "prepaid_percent": 100, "open_most": 10_000}


def set_prices(core: Core, command: ask.SetPrices) -> dict[str, Any]:
    """Sell on a board: keep what every quotation says, show a profile there, and take the rows if there are any."""
    template, scope = template_of(core, command.category), board_scope(command.category, command.region)
    offers = _offers(command.rows, template) if command.rows else ()
    if len(command.instead) > 1:
        raise CommandError("CNS-7", "instead: one alternative, and no more")
    accepted, instead = terms.resolve(core, command.terms), "".join(terms.resolve(core, command.instead))
    trader = {"name": command.label, "contact": "-", "country": "GB", "register": ""} | dict(command.identity)
    try:
        said = {"label": command.label, "terms": accepted, "identity": trader}
        kept = encode(said | ({"instead": instead} if instead else {}))
        _say_profile(core, scope, command.label, accepted, core.facts.get(_DOMAIN, b"").decode())
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    board = f"{command.category}/{command.region}"
    core.keep(BOARD + board, kept)
    if offers:
        named = {one.sku: None for one in offers}
        for sku in [sku for sku in shop(core).articles.get(board, {}) if sku not in named]:
            keep_article(core, board, sku, b"")
        for offer in offers:
            keep_article(core, board, offer.sku, to_bytes(offer))
    _look_again(core)
    return {"board": scope, "articles": len(shop(core).articles.get(board, {}))}


def _say_profile(core: Core, scope: str, label: str, accepted: list[str], domain: str) -> None:
    before = core.context(scope).log.slot("profile.1", core.me.key, "profile")
    seq = before[0].header.slot.seq + 1 if before and before[0].header.slot else 0
    body = {"label": label, "terms": accepted} | ({"domain": domain} if domain else {})
    slot, until = Slot("latest", "profile", seq), core.now + 12 * INTENT_LIFE_MS
    core.say(core.me, "profile.1", scope, body, until=until, slot=slot, human=True, follow=True)


def claim_domain(core: Core, command: ask.ClaimDomain) -> dict[str, Any]:
    """Show a domain in every profile from now on, and sign what is to stand there (SUP-50)."""
    silence.check_speaks(core, "domain")
    domain = command.domain
    try:
        for name in sorted(core.facts):
            if name.startswith(BOARD):
                kept = decode(core.facts[name])
                _say_profile(core, "board/" + name.removeprefix(BOARD), kept["label"], kept["terms"], domain)
    except Reject as error:
        raise CommandError("SUP-50", error.message) from None
    core.keep(_DOMAIN, domain.encode())
    return {"domain": domain, "proof": statement(core.me, domain, core.now) if domain else {}}


def put_articles(core: Core, command: ask.PutArticles) -> dict[str, Any]:
    """Add, change and take away articles of a board where this node sells already."""
    template, board = template_of(core, command.category), f"{command.category}/{command.region}"
    if BOARD + board not in core.facts:
        raise CommandError("SUP-7", f"region: nothing is sold on {board} yet; begin with `wltm supplier open`")
    offers = _offers(command.rows, template) if command.rows else ()
    known = shop(core).articles.get(board, {})
    room = ARTICLES_MAX - len(known) + sum(1 for sku in dict.fromkeys(command.gone) if sku in known)
    if sum(1 for one in offers if one.sku not in known) > room:
        raise CommandError("SUP-5", f"rows: more than {ARTICLES_MAX} articles")
    for sku in command.gone:
        keep_article(core, board, sku, b"")
    for offer in offers:
        keep_article(core, board, offer.sku, to_bytes(offer))
    return {"articles": len(shop(core).articles.get(board, {}))}


def _offers(rows: Any, template: Template) -> tuple[Offer, ...]:
    """The rows' articles, each as a quotation could say it."""
    offers = from_flat(rows, template)
    for one in offers:
        where = f"rows, sku {one.sku[:SKU_MAX]!r}"
        if len(one.sku.encode()) > SKU_MAX:
            raise CommandError("NEG-34", f"{where}: more than {SKU_MAX} bytes")
        if not all(0 <= value <= INTEGER_MAX for value in (one.floor_minor, one.cost_minor, one.stock + 1)):
            raise CommandError("SUP-11", f"{where}: floor, cost and stock must be 0 or more (stock: -1 for none)")
        if one.ladder != tuple(sorted(one.ladder)):
            raise CommandError("NEG-34", f"{where}: its rungs must stand by ascending min_qty")
    return offers


def set_rules(core: Core, command: ask.SetSupplyRules) -> dict[str, Any]:
    """The limits from now on; what was signed before stands."""
    values = {name: getattr(command, name) for name in command.__slots__}
    for name, allowed in _CHOICES.items():
        if values[name] not in allowed:
            raise CommandError("SUP-10", f"{name}: {' or '.join(allowed)}")
    for name, value in values.items():
        if name not in _CHOICES and not 0 <= value <= _MOST.get(name, INTEGER_MAX):
            raise CommandError("SUP-10", f"{name}: must be from 0 to {_MOST.get(name, INTEGER_MAX)}")
    keep_rules(core, Rules(**values))
    _look_again(core)
    return values


def _look_again(core: Core) -> None:
    core.dirty.update(dict.fromkeys(scope for scope in core.contexts if scope.startswith("deal/")))


def articles(core: Core, command: ask.AskArticles) -> dict[str, Any]:
    """A page of the articles of a board, by name."""
    template = template_of(core, command.category)
    known = shop(core).articles.get(f"{command.category}/{command.region}", {})
    limit = min(max(command.limit, 1), PAGE_MAX)
    names = nsmallest(limit + 1, (sku for sku in known if sku > command.after))
    page = names[:limit]
    rows = [row for sku in page for row in flat(from_bytes(known[sku]), template)]
    return {"rows": rows, "articles": len(known), "last": page[-1] if page else "", "more": len(names) > limit}


def supply(core: Core) -> dict[str, Any]:
    """The supplier's desk in one view."""
    boards = []
    for name in sorted(core.facts):
        if name.startswith(BOARD):
            board, kept = name.removeprefix(BOARD), decode(core.facts[name])
            category, _, region = board.partition("/")
            count = len(shop(core).articles.get(board, {}))
            boards.append({"category": category, "region": region, "articles": count} | kept)
    reserved = [
        {"deal": scope.removeprefix("deal/"), "board": one.board, "sku": one.sku, "quantity": one.quantity}
        | {"until": one.until}
        for scope, one in shop(core).reserved.items()
    ]
    return {
        "rules": asdict(rules_of(core)),
        "boards": boards,
        "reserved": reserved,
        "feed": shop(core).feed[-1] if shop(core).feed else 0,
    }
