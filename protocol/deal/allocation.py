"""Who gets how much from one supplier, at which price.

Decides the rung of a price ladder that stands and each member's quantity, from the pledges alone: the order in which
they arrived is of no consequence, and nobody is ever above their own highest price or their own quantity. Never looks
at who a member is. Spec: 08-negotiation, NEG-10 to NEG-19.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from protocol.encoding import digest
from protocol.errors import Reject

Ladder = tuple[tuple[int, int], ...]  # (minimum quantity, unit price in minor units), shallow to deep


@dataclass(frozen=True, slots=True)
class Demand:
    """A pledge or a commitment in numbers: counted units per period, and the highest unit price in minor units."""

    member: bytes
    want: int
    tolerate: int
    least: int
    price_max_minor: int

    def __post_init__(self) -> None:
        if min(self.want, self.tolerate, self.least, self.price_max_minor) < 0:
            raise Reject("NEG-10", "pledge: a negative number")
        if self.least > self.want:
            raise Reject("NEG-10", "pledge.least: must not be above pledge.want")

    @property
    def most(self) -> int:
        return self.want + self.tolerate


@dataclass(frozen=True, slots=True)
class Besides:
    """What each member served pays besides the unit price: minor units over a term of `periods`; below 0: cash-back.

    `period`: how long each of them is, as UN/CEFACT Recommendation 20 says it.
    """

    charge_minor: int = 0
    periods: int = 1
    period: str = "MON"

    def within(self, demand: Demand, price: int) -> Demand | None:
        """The demand where it is willing at this unit price, its least raised so that whatever it is given costs, all
        in, no more than its highest unit price; None where it is not willing (NEG-12).
        """
        margin = (demand.price_max_minor - price) * self.periods  # per counted unit
        if self.charge_minor <= 0 <= margin:
            return demand
        if margin <= 0 or self.charge_minor > margin * demand.want:
            return None
        return replace(demand, least=max(demand.least, -(-self.charge_minor // margin)))


NOTHING = Besides()


@dataclass(frozen=True, slots=True)
class Allocation:
    """What stands: the rung (0 is the shallowest), its price, what is ordered, and who gets what.

    `shares` and `left_out` ascend by member; `left_out` holds the clause that left a member without a share.
    """

    rung: int
    unit_price_minor: int
    quantity: int
    shares: tuple[tuple[bytes, int], ...]
    left_out: tuple[tuple[bytes, str], ...]

    def quantity_of(self, member: bytes) -> int:
        """The member's share in counted units per period, 0 without one."""
        return dict(self.shares).get(member, 0)


def allocate(
    ladder: Ladder,
    capacity: int,
    pack: int,
    demands: Sequence[Demand],
    manifest: bytes,
    besides: Besides = NOTHING,
    first: Collection[bytes] = (),
) -> Allocation | None:
    """The deepest rung that stands, or None (NEG-12, NEG-17). Raises Reject NEG-10 when a member stands there twice.

    first: members whose turns come before all others' (NEG-113).
    """
    if len({demand.member for demand in demands}) != len(demands):
        raise Reject("NEG-10", "pledges: a member stands there twice")
    ordered = sorted(demands, key=lambda demand: (demand.member not in first, turn(manifest, demand.member)))
    room = capacity // pack * pack
    for rung in range(len(ladder) - 1, -1, -1):
        minimum, price = ladder[rung]
        willing = [one for demand in ordered if (one := besides.within(demand, price)) is not None]
        if _order(willing, pack, room) < max(1, minimum):
            continue  # setting pledges aside only makes an order smaller
        kept, aside = _keep(willing, pack, room)
        quantity = _order(kept, pack, room)
        if quantity >= max(1, minimum):
            return _result(rung, price, quantity, kept, aside, ordered)
    return None


def turn(manifest: bytes, member: bytes) -> bytes:
    """The member's place in every hand-out: least first (NEG-11)."""
    return digest("turn", manifest + member)


def units(want: int, tolerate: int, pack: int) -> int:
    """Whole packs to order for these sums: a broken pack is filled up only by tolerance (NEG-13)."""
    whole, rest = divmod(want, pack)
    return whole + (1 if rest and rest + tolerate >= pack else 0)


def _order(kept: Sequence[Demand], pack: int, room: int) -> int:
    """Counted units to order for all of `kept`, whole packs within the supplier's room (NEG-13, NEG-14)."""
    want, tolerate = sum(demand.want for demand in kept), sum(demand.tolerate for demand in kept)
    return min(units(want, tolerate, pack) * pack, room)


def _keep(willing: Sequence[Demand], pack: int, room: int) -> tuple[Sequence[Demand], dict[bytes, str]]:
    """Those whose least acceptable quantities the order can meet, and why each other one is set aside."""
    aside: dict[bytes, str] = {}
    kept = willing
    if sum(demand.least for demand in kept) > room:
        kept, left = [], room
        for demand in willing:  # NEG-15
            if demand.least <= left:
                kept.append(demand)
                left -= demand.least
            else:
                aside[demand.member] = "NEG-15"
    if sum(demand.least for demand in kept) > _order(kept, pack, room):
        chosen = _fill_packs(kept, pack)
        inside = {demand.member for demand in chosen}
        aside |= {demand.member: "NEG-16" for demand in kept if demand.member not in inside}
        kept = chosen
    return kept, aside


def _fill_packs(kept: Sequence[Demand], pack: int) -> list[Demand]:
    """The pledges that together fill the most whole packs; between equals, those with earlier turns (NEG-16).

    Called only when no multiple of `pack` lies between what all of `kept` accept at least and at most. So their ranges
    add up to less than a pack, and a set of them is known by its least sum modulo `pack` and the sum of its ranges:
    per such state only the largest least sum matters, then the turns (as bits, the first turn the highest).
    """
    best: dict[tuple[int, int], tuple[int, int]] = {(0, 0): (0, 0)}
    numbered = sorted(enumerate(kept), key=lambda item: item[1].most - item[1].least)  # few states first
    for position, demand in numbered:
        bit = 1 << (len(kept) - 1 - position)
        for (rest, span), (least, members) in list(best.items()):
            state = ((rest + demand.least) % pack, span + demand.most - demand.least)
            grown = (least + demand.least, members | bit)
            if grown > best.get(state, (-1, 0)):
                best[state] = grown
    fitting = [
        (least + -rest % pack, members) for (rest, span), (least, members) in best.items() if span >= -rest % pack
    ]
    _, members = max(fitting)
    return [demand for position, demand in enumerate(kept) if members >> (len(kept) - 1 - position) & 1]


def _result(
    rung: int,
    price: int,
    quantity: int,
    kept: Sequence[Demand],
    aside: dict[bytes, str],
    ordered: Sequence[Demand],
) -> Allocation:
    want = sum(demand.want for demand in kept)
    if quantity <= want:  # NEG-18
        amounts = _rounds([(demand.least, demand.want) for demand in kept], quantity)
    else:  # NEG-19
        extra = _rounds([(0, demand.tolerate) for demand in kept], quantity - want)
        amounts = [demand.want + more for demand, more in zip(kept, extra, strict=True)]
    shares = {demand.member: amount for demand, amount in zip(kept, amounts, strict=True) if amount}
    why = {demand.member: "NEG-12" for demand in ordered} | {demand.member: "NEG-18" for demand in kept} | aside
    return Allocation(
        rung=rung,
        unit_price_minor=price,
        quantity=quantity,
        shares=tuple(sorted(shares.items())),
        left_out=tuple(sorted((member, code) for member, code in why.items() if member not in shares)),
    )


def _rounds(ranges: Sequence[tuple[int, int]], total: int) -> list[int]:
    """Hand out `total`: each starts at the floor of its range; in round n each below n and below its ceiling gets one.

    The last round goes by turn until nothing is left. Found by bisection on the number of whole rounds.
    """

    def after(rounds: int) -> list[int]:
        return [min(max(floor, rounds), ceiling) for floor, ceiling in ranges]

    whole = _bisect(lambda rounds: sum(after(rounds)) <= total, max((ceiling for _, ceiling in ranges), default=0))
    amounts, next_round = after(whole), after(whole + 1)
    left = total - sum(amounts)
    for position, amount in enumerate(next_round):
        if left and amount > amounts[position]:
            amounts[position] += 1
            left -= 1
    return amounts


def _bisect(holds: Callable[[int], bool], top: int) -> int:
    """The largest integer in 0..top for which `holds`, given that it holds at 0 and up to some point."""
    low, high = 0, top
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
