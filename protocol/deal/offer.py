"""A supplier's standing rule: which of its articles answers a request, and with what quotation.

Decides the offer that scores best for the members among what the price list holds; never signs, never reads a file.
Spec: 08-negotiation, NEG-35.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.coop.template import AS_INVOICED, Template
from protocol.deal.negotiation import Quotation, Request, parse
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


def quote(articles: Sequence[Offer], request: Request, quantity: int, seller: Seller) -> Quotation:
    """The seller's best answer to a request for `quantity`: what scores least there. Raises CommandError NEG-35."""
    fitting = [offer for offer in articles if _meets(offer, request) and offer.ladder[0][0] <= quantity]
    if not fitting:
        raise CommandError("NEG-35", f"no article meets the requirements at a quantity of {quantity}")
    best = min(fitting, key=lambda offer: (_points(offer, request, quantity), offer.sku))
    template = request.template
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
    )
    try:
        return parse(quotation.to_mapping(), request.template)
    except Reject as error:
        raise CommandError(error.code, f"price list line {best.line}: {error.message}") from None


def _meets(offer: Offer, request: Request) -> bool:
    if offer.subject != request.subject:
        return False
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
