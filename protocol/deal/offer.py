"""A supplier's standing rule: which of its articles answers a request, and with what quotation.

Decides the offer that scores best for the members among what the price list holds; never signs, never reads a file.
Spec: 08-negotiation, NEG-35.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocol.coop.template import Template
from protocol.deal.negotiation import Quotation, Request, parse
from protocol.errors import CommandError, Reject


@dataclass(frozen=True, slots=True)
class Offer:
    """One article: its ladder of (minimum quantity, unit price in minor units), in counted units per period."""

    sku: str
    line: int
    ladder: tuple[tuple[int, int], ...]
    capacity: int
    pack: int
    attributes: tuple[int, ...]  # scaled, in the order of Template.compared


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
    quotation = Quotation(
        supplier=seller.supplier,
        reference=best.sku,
        ladder=best.ladder,
        pack=best.pack,
        capacity=best.capacity,
        valid_until=request.valid_until,
        cancellation=seller.cancellation,
        cancellation_fee_minor=seller.cancellation_fee_minor,
        attributes=dict(zip((row.name for row in request.template.compared), best.attributes, strict=True)),
        terms=tuple(sorted(seller.terms)),
        trader=dict(seller.trader),
    )
    try:
        return parse(quotation.to_mapping(), request.template)
    except Reject as error:
        raise CommandError(error.code, f"price list line {best.line}: {error.message}") from None


def _meets(offer: Offer, request: Request) -> bool:
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
    common = {f"attribute.{row.name}": value for row, value in zip(template.compared, offer.attributes, strict=True)}
    base: dict[str, str | int] = {"sku": offer.sku, "line": offer.line, "capacity": offer.capacity, "pack": offer.pack}
    return [base | common | {"min_qty": minimum, "unit_price_minor": price} for minimum, price in offer.ladder]


def from_flat(rows: Sequence[Mapping[str, str | int]], template: Template) -> tuple[Offer, ...]:
    """The offers that `flat` spelled out. Raises CommandError NEG-34 naming the row and the field."""
    found: dict[str, Offer] = {}
    for number, row in enumerate(rows, 1):
        try:
            whole = {name: row[name] for name in ("line", "capacity", "pack", "min_qty", "unit_price_minor")}
            attributes = tuple(row[f"attribute.{one.name}"] for one in template.compared)
            sku = row["sku"]
        except KeyError as error:
            raise CommandError("NEG-34", f"rows[{number}].{error.args[0]}: is missing") from None
        numbers = (*whole.values(), *attributes)
        if type(sku) is not str or not sku or any(type(one) is not int for one in numbers):
            raise CommandError("NEG-34", f"rows[{number}]: sku must be a text, everything else an integer")
        rung = int(whole["min_qty"]), int(whole["unit_price_minor"])
        known = found.get(sku)
        ladder = (*(known.ladder if known else ()), rung)
        found[sku] = Offer(
            sku, int(whole["line"]), ladder, int(whole["capacity"]), int(whole["pack"]), tuple(map(int, attributes))
        )
    if not found:
        raise CommandError("NEG-34", "rows: a price list has at least one article")
    return tuple(found.values())
