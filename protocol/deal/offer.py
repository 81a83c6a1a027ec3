"""A supplier's standing rule: which of its articles answers a request, and with what quotation.

Decides the offer that scores best for the members among what the price list holds and the supplier's limits allow;
never signs, never reads a file. Spec: 08-negotiation, NEG-35; 16-supplier, SUP-10 to SUP-13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from protocol.coop.template import AS_INVOICED, Template
from protocol.deal.negotiation import Quotation, Request, parse
from protocol.encoding import decode, encode
from protocol.errors import CommandError, Reject

_OWN: Mapping[str, int] = {"floor_minor": 0, "cost_minor": 0, "stock": -1}  # for the supplier alone (SUP-10)


@dataclass(frozen=True, slots=True)
class Offer:
    """One article: its ladder of (minimum quantity, unit price in minor units), in counted units per period."""

    sku: str
    line: int
    ladder: tuple[tuple[int, int], ...]
    capacity: int
    pack: int
    attributes: tuple[int, ...]  # scaled, in the order of Template.compared
    charges: tuple[int, ...] = ()  # minor units a member, in the order of Template.charges; none: nothing
    subject: str = ""
    tax_hundredths: int = 0  # counts where tax is as invoiced; elsewhere the template says it
    floor_minor: int = 0  # nothing is signed below it; 0: none (SUP-11)
    cost_minor: int = 0  # what a unit costs the supplier; 0: not told
    stock: int = -1  # counted units there are in all; -1: not told (SUP-13)


@dataclass(frozen=True, slots=True)
class Seller:
    """What a supplier says in every quotation."""

    supplier: bytes
    trader: Mapping[str, str]
    terms: tuple[str, ...]
    cancellation: str = "end-of-term"
    cancellation_fee_minor: int = 0
    prepaid_percent: int = 0
    instead: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """A supplier's standing limits (SUP-10). `mode`: "auto" signs by itself, "review" proposes and waits for a person
    or program, "off" does neither. Quantities in counted units a period, 0 sets no limit; `quantity_most`: the largest
    order; `value_most_minor`: the largest over its whole term; `open_most`: quotations that wait for their award.

    `headroom_percent`: how much more than the requested quantity is kept free for it. `prepaid_percent`: how
    much of what comes to a member is asked for before delivery. `countersign`: "auto", "manual".
    """

    mode: str = "auto"
    margin_percent: int = 0
    members_least: int = 0
    quantity_least: int = 0
    quantity_most: int = 0
    value_most_minor: int = 0
    open_most: int = 1000
    headroom_percent: int = 100
    prepaid_percent: int = 0
    countersign: str = "auto"


def floor_of(offer: Offer, rules: Rules) -> int:
    """The lowest unit price that may be signed for an article (SUP-11), 0 where nothing was said."""
    with_margin = -(-offer.cost_minor * (100 + rules.margin_percent) // 100) if offer.cost_minor else 0
    return max(offer.floor_minor, with_margin)


def available(offer: Offer, reserved: int, periods: int) -> int:
    """Counted units a period that nobody else was promised (SUP-13). `reserved`: of this article, a period."""
    left = offer.capacity - reserved
    return max(0, left if offer.stock < 0 else min(left, offer.stock // periods - reserved))


def within(offer: Offer, request: Request, quantity: int, rules: Rules, reserved: int) -> Offer:
    """The article as it may be quoted: prices from its floor up, and no more than is free and allowed.

    Raises CommandError SUP-10, SUP-11 or SUP-13.
    """
    floor, periods = floor_of(offer, rules), request.template.periods
    ladder = tuple(rung for rung in offer.ladder if rung[1] >= floor)
    if not ladder:
        raise CommandError("SUP-11", f"{offer.sku}: its price is below its floor")
    most = -(-quantity * (100 + rules.headroom_percent) // 100)
    limits = [offer.capacity, max(most, ladder[0][0], offer.pack), available(offer, reserved, periods)]
    if rules.quantity_most:
        limits.append(rules.quantity_most)
    if rules.value_most_minor:
        limits.append(rules.value_most_minor // (periods * ladder[0][1]))
    capacity = min(limits)
    if capacity < max(ladder[0][0], offer.pack):
        left = capacity == limits[2]
        why = "what is left of it" if left else "the largest order allowed"
        message = f"{offer.sku}: {why} is {max(0, capacity)}, below its smallest order"
        raise CommandError("SUP-13" if left else "SUP-10", message)
    return replace(offer, ladder=ladder, capacity=capacity)


def quote(
    articles: Sequence[Offer],
    request: Request,
    quantity: int,
    seller: Seller,
    rules: Rules | None = None,
    reserved: Mapping[str, int] | None = None,
) -> Quotation:
    """The seller's best answer to a request for `quantity`: what scores least there, within its rules.

    reserved: sku -> counted units a period promised to others. Raises CommandError NEG-35, RSK-6, SUP-10, SUP-11,
    SUP-13.
    """
    fitting = [offer for offer in articles if _meets(offer, request) and offer.ladder[0][0] <= quantity]
    if not fitting:
        raise CommandError("NEG-35", f"no article meets the requirements at a quantity of {quantity}")
    allowed, refused = [], None
    for offer in fitting:
        try:
            taken = (reserved or {}).get(offer.sku, 0)
            allowed.append(within(offer, request, quantity, rules, taken) if rules is not None else offer)
        except CommandError as error:
            refused = refused or error
    if not allowed:
        raise refused or CommandError("NEG-35", "no article may be quoted")
    best = min(allowed, key=lambda offer: (_points(offer, request, quantity), offer.sku))
    return quotation_of(best, request, seller)


def quotation_of(best: Offer, request: Request, seller: Seller) -> Quotation:
    """An article as a quotation. Raises CommandError NEG-1 to NEG-6, naming its line of the price list, or RSK-6."""
    template, prepaid = request.template, seller.prepaid_percent
    if prepaid > request.prepaid_percent:
        paid = f"{request.prepaid_percent} % at most" if request.prepaid_percent else "nothing"
        raise CommandError("RSK-6", f"your rules ask for {prepaid} % before delivery, and these members pay {paid}")
    tax, hundredths = template.tax_category, template.tax_hundredths
    if tax == AS_INVOICED:
        tax, hundredths = "S" if best.tax_hundredths else "Z", best.tax_hundredths
    quotation = Quotation(
        supplier=seller.supplier,
        reference=best.sku,
        subject=best.subject,
        currency=template.currency,
        price_basis=template.price_basis,
        tax_category=tax,
        tax_hundredths=hundredths,
        ladder=best.ladder,
        pack=best.pack,
        capacity=best.capacity,
        valid_until=request.valid_until,
        cancellation=seller.cancellation,
        cancellation_fee_minor=seller.cancellation_fee_minor,
        attributes=dict(zip((row.name for row in request.template.compared), best.attributes, strict=True)),
        charges={one.name: minor for one, minor in zip(template.charges, best.charges, strict=False) if minor},
        terms=tuple(sorted(seller.terms)),
        trader=dict(seller.trader),
        prepaid_percent=seller.prepaid_percent,
        instead=seller.instead,
    )
    try:
        return parse(quotation.to_mapping(), request.template)
    except Reject as error:
        raise CommandError(error.code, f"price list line {best.line}: {error.message}") from None


def answer(
    articles: Sequence[bytes],
    request: Request,
    quantity: int,
    seller: Seller,
    rules: Rules,
    reserved: Mapping[str, int],
) -> tuple[str, str, bytes]:
    """`quote` as a job on articles as they are kept: ("", "", quotation), or clause and reason why not."""
    try:
        found = quote([from_bytes(one) for one in articles], request, quantity, seller, rules, reserved)
    except CommandError as error:
        return error.code, error.message, b""
    return "", "", found.to_bytes()


def to_bytes(offer: Offer) -> bytes:
    """An article as it is kept."""
    return encode([getattr(offer, one.name) for one in fields(offer)])


def from_bytes(kept: bytes) -> Offer:
    """The article that `to_bytes` kept."""
    sku, line, ladder, capacity, pack, attributes, charges, *rest = decode(kept)
    rungs = tuple((minimum, price) for minimum, price in ladder)
    return Offer(sku, line, rungs, capacity, pack, tuple(attributes), tuple(charges), *rest)


def _meets(offer: Offer, request: Request) -> bool:
    if offer.subject != request.subject:
        return False
    if not request.requirements:
        return True
    values = dict(zip((row.name for row in request.template.compared), offer.attributes, strict=True))
    return all(
        wanted.attribute in values and wanted.met_by(values[wanted.attribute]) for wanted in request.requirements
    )


def _points(offer: Offer, request: Request, quantity: int) -> tuple[int, ...]:
    """What the quantity costs and counts for, as NEG-28 scores it; an offer that cannot serve all of it comes last."""
    price = next(price for minimum, price in reversed(offer.ladder) if minimum <= quantity)
    adjusted = sum(
        request.weights_minor.get(row.name, 0) * value * quantity // row.scale
        for row, value in zip(request.template.compared, offer.attributes, strict=True)
    )
    return max(0, quantity - offer.capacity), price * quantity + adjusted


def flat(offer: Offer, template: Template) -> list[dict[str, str | int]]:
    """An offer as plain rows, one a rung, as the local API carries them."""
    common: dict[str, str | int] = {}
    common |= {f"attribute.{row.name}": value for row, value in zip(template.compared, offer.attributes, strict=True)}
    base: dict[str, str | int] = {"sku": offer.sku, "line": offer.line, "capacity": offer.capacity, "pack": offer.pack}
    common |= {f"charge.{row.name}": minor for row, minor in zip(template.charges, offer.charges, strict=False)}
    common |= {"subject": offer.subject, "tax_hundredths": offer.tax_hundredths}
    common |= {name: getattr(offer, name) for name in _OWN}
    return [base | common | {"min_qty": minimum, "unit_price_minor": price} for minimum, price in offer.ladder]


def from_flat(rows: Sequence[Mapping[str, str | int]], template: Template) -> tuple[Offer, ...]:
    """The offers that `flat` spelled out. Raises CommandError NEG-34 naming the row and the field."""
    found: dict[str, Offer] = {}
    for number, row in enumerate(rows, 1):
        try:
            whole = {name: row[name] for name in ("line", "capacity", "pack", "min_qty", "unit_price_minor")}
            attributes = tuple(row[f"attribute.{one.name}"] for one in template.compared)
            charges = tuple(row.get(f"charge.{one.name}", 0) for one in template.charges)
            sku, subject, tax = row["sku"], row.get("subject", ""), row.get("tax_hundredths", 0)
        except KeyError as error:
            raise CommandError("NEG-34", f"rows[{number}].{error.args[0]}: is missing") from None
        own = {name: row.get(name, default) for name, default in _OWN.items()}
        numbers = (*whole.values(), *attributes, *charges, tax, *own.values())
        if type(sku) is not str or not sku or type(subject) is not str or any(type(one) is not int for one in numbers):
            raise CommandError("NEG-34", f"rows[{number}]: sku must be a text, everything else an integer")
        rung = int(whole["min_qty"]), int(whole["unit_price_minor"])
        known = found.get(sku)
        ladder = (*(known.ladder if known else ()), rung)
        found[sku] = Offer(
            sku=sku,
            line=int(whole["line"]),
            ladder=ladder,
            capacity=int(whole["capacity"]),
            pack=int(whole["pack"]),
            attributes=tuple(map(int, attributes)),
            charges=tuple(map(int, charges)) if any(charges) else (),
            subject=subject,
            tax_hundredths=int(tax),
            floor_minor=int(own["floor_minor"]),
            cost_minor=int(own["cost_minor"]),
            stock=int(own["stock"]),
        )
    if not found:
        raise CommandError("NEG-34", "rows: a price list has at least one article")
    return tuple(found.values())
