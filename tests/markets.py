"""Markets that answers are weighed against, from a seed: small ones for brute force, and one as large as it gets."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from protocol.coop.template import Template, parse
from protocol.deal.allocation import Demand, Ladder
from protocol.deal.lots import Market, market_of
from protocol.deal.negotiation import Limits, Quotation, Request
from protocol.deal.ranking import Offer
from protocol.encoding import digest

BOX = digest("test", b"box")
TEMPLATE: Template = parse(
    {
        "category": "tea",
        "version": 1,
        "title": "Tea",
        "unit": "KGM",
        "unit_quantity": 1,
        "pack": 12,
        "currency": "GBP",
        "price_basis": "gross",
        "tax_category": "Z",
        "tax_hundredths": 0,
        "period": "MON",
        "periods": 12,
        "subject": "none",
        "attributes": [
            {
                "name": "organic",
                "label": "organic",
                "unit": "C62",
                "scale": 1,
                "least": 0,
                "most": 1,
                "better": "more",
                "prior_millionths": 1_000_000,
                "price_minor": 0,
                "ranking": "weighed",
                "typical": [0, 1],
            }
        ],
        "charges": [{"name": "delivery", "label": "delivery", "per": "once", "least_minor": 0, "most_minor": 1_000}],
        "epoch_ms": 86_400_000,
        "cutoff_ms": 3_600_000,
        "least": 2,
        "most": 500,
    }
)
REQUEST = Request(TEMPLATE, {"organic": -5}, (), (), 0)


def key(number: int, of: bytes = b"supplier") -> bytes:
    """A supplier's or a member's key."""
    return digest("test", of + number.to_bytes(2, "big"))


def offer(number: int, ladder: Ladder, capacity: int, pack: int = 1, organic: int = 0, delivery: int = 0) -> Offer:
    """A quotation as it would have been admitted."""
    quotation = Quotation(
        supplier=key(number),
        reference="leaf",
        subject="",
        currency="GBP",
        price_basis="gross",
        tax_category="Z",
        tax_hundredths=0,
        ladder=ladder,
        pack=pack,
        capacity=capacity,
        valid_until=1,
        cancellation="anytime",
        cancellation_fee_minor=0,
        attributes={"organic": organic},
        charges={"delivery": delivery} if delivery else {},
        terms=(),
        trader={"name": "Leaf", "contact": "-", "country": "GB", "register": ""},
    )
    return Offer(digest("quote", quotation.to_bytes()), quotation)


def demand(number: int, want: int, price_max_minor: int, tolerate: int = 0, least: int | None = None) -> Demand:
    """A member's; all or nothing where no least is named."""
    return Demand(key(number, b"member"), want, tolerate, want if least is None else least, price_max_minor)


def market(
    offers: Sequence[Offer],
    demands: Sequence[Demand],
    limits: Limits | None = None,
    request: Request = REQUEST,
    box: bytes = BOX,
) -> Market:
    """Where these meet."""
    return market_of(request, limits or Limits(10**6, 1, 10**6), offers, demands, box)


def small(seed: int) -> Market:
    """At most three suppliers and six members, with packs, tolerance, charges, weights and partial demands."""
    rng = Random(seed)
    pack, charge = rng.choice((1, 1, 2, 3)), rng.choice((0, 0, 30))
    offers = [
        offer(number, _ladder(rng, 2, 3, (80, 120), 15), rng.randint(3, 8), pack, rng.randint(0, 1), charge)
        for number in range(rng.randint(1, 3))
    ]
    demands = []
    for number in range(rng.randint(1, 6)):
        want = rng.randint(1, 3)
        demands.append(demand(number, want, rng.randint(70, 140), rng.choice((0, 0, 2)), rng.randint(0, want)))
    fitting = [one for one in offers if one.quotation.capacity >= max(one.quotation.ladder[0][0], pack)]
    return market(fitting, demands)


def units(seed: int) -> Market:
    """What the solver's model is exact for: one unit each, no packs, no charges."""
    rng = Random(seed)
    offers = [
        offer(number, _ladder(rng, rng.randint(1, 3), 3, (80, 120), 20), rng.randint(3, 6), organic=rng.randint(0, 1))
        for number in range(3)
    ]
    return market(offers, [demand(number, 1, rng.randint(70, 140)) for number in range(rng.randint(4, 10))])


def large(seed: int, suppliers: int = 20, segments: int = 20, tiers: int = 5, members: int = 500) -> Market:
    """As many as a co-op holds, of as many kinds as `segments`: those of one kind set the same highest price."""
    rng = Random(seed)
    scale = max(1, members // 5)
    offers = [
        offer(number, _ladder(rng, tiers, 2 * scale, (900, 1_200), 60), rng.randint(scale, 6 * scale))
        for number in range(suppliers)
    ]
    highest = [rng.randint(800, 1_400) for _ in range(segments)]
    demands = [
        demand(number, rng.randint(1, 5), highest[number % segments], least=rng.randint(0, 1))
        for number in range(members)
    ]
    return market([one for one in offers if one.quotation.capacity >= one.quotation.ladder[0][0]], demands)


def _ladder(rng: Random, tiers: int, step: int, first: tuple[int, int], down: int) -> Ladder:
    minimum, price, rungs = rng.randint(1, max(1, step // 3)), rng.randint(*first), list[tuple[int, int]]()
    for _ in range(tiers):
        rungs.append((minimum, price))
        minimum, price = minimum + rng.randint(1, step), price - rng.randint(0, down)
    return tuple(rungs)
