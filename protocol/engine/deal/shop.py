"""What a supplier's node keeps for itself: articles, limits, what it promised to whom, and the feed of what happened.

Decides how all of it is kept, as local facts that are committed together with the records they explain; never what to
quote. Nothing here is ever said to a peer. Spec: 16-supplier, SUP-10, SUP-13, SUP-20.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from protocol.deal.offer import Rules
from protocol.encoding import decode, encode
from protocol.params import FEED_MAX, SUPPLIES_MAX

if TYPE_CHECKING:
    from protocol.engine.core import Core

BOARD, ARTICLE, RESERVED, FEED = "prices/", "article/", "reserved/", "feed/"
RULES, DEAL = "supply/rules", "supply/deal/"
OVER = ("unquoted", "passed", "missed", "lost", "void", "fallen", "defaulted", "cancelled", "ended")  # nothing follows


@dataclass(frozen=True, slots=True)
class Reservation:
    """Counted units a period of an article that a deal was promised, until Unix ms."""

    board: str
    sku: str
    quantity: int
    until: int


@dataclass(slots=True)
class Shop:
    """An index of the supplier's facts, made anew whenever they are read from the disk."""

    articles: dict[str, dict[str, bytes]] = field(default_factory=dict)  # board -> sku -> Offer as it is kept
    reserved: dict[str, Reservation] = field(default_factory=dict)  # deal's scope -> what it was promised
    deals: dict[str, dict[str, Any]] = field(default_factory=dict)  # deal's scope -> what this node did and saw
    feed: list[int] = field(default_factory=list)  # the numbers of the entries that are kept, ascending
    jobs: dict[str, None] = field(default_factory=dict)  # deals' scopes for which a worker chooses

    def promised(self, board: str, now: int, but: str = "") -> dict[str, int]:
        """sku -> counted units a period promised to deals other than `but` (SUP-13)."""
        found: dict[str, int] = {}
        for scope, one in self.reserved.items():
            if one.board == board and one.until > now and scope != but:
                found[one.sku] = found.get(one.sku, 0) + one.quantity
        return found


def shop(core: Core) -> Shop:
    """The supplier's side of this node."""
    if core.shop is None:
        core.shop = _read(core.facts)
    return core.shop


def _read(facts: Mapping[str, bytes]) -> Shop:
    found = Shop()
    for name in sorted(facts):
        if name.startswith(ARTICLE):
            category, region, sku = name.removeprefix(ARTICLE).split("/", 2)
            found.articles.setdefault(f"{category}/{region}", {})[sku] = facts[name]
        elif name.startswith(RESERVED):
            found.reserved[name.removeprefix(RESERVED)] = Reservation(*decode(facts[name]))
        elif name.startswith(DEAL):
            found.deals[name.removeprefix(DEAL)] = decode(facts[name])
        elif name.startswith(FEED):
            found.feed.append(int(name.removeprefix(FEED)))
    found.deals = dict(sorted(found.deals.items(), key=lambda one: (one[1]["since"], one[0])))
    return found


def rules_of(core: Core) -> Rules:
    """The limits in force."""
    kept = core.facts.get(RULES)
    return Rules(**decode(kept)) if kept else Rules()


def keep_rules(core: Core, rules: Rules) -> None:
    """The limits from now on."""
    core.keep(RULES, encode(asdict(rules)))


def keep_article(core: Core, board: str, sku: str, kept: bytes) -> None:
    """An article as it is from now on; b"" takes it away."""
    articles = shop(core).articles.setdefault(board, {})
    if articles.get(sku, b"") == kept:
        return
    core.keep(f"{ARTICLE}{board}/{sku}", kept)
    if kept:
        articles[sku] = kept
    else:
        articles.pop(sku, None)


def reserve(core: Core, scope: str, promise: Reservation | None) -> None:
    """What a deal is promised from now on; None: nothing any more (SUP-14)."""
    known = shop(core).reserved
    if promise is not None and promise.quantity:
        if known.get(scope) != promise:
            known[scope] = promise
            core.keep(RESERVED + scope, encode([promise.board, promise.sku, promise.quantity, promise.until]))
    elif known.pop(scope, None) is not None:
        core.keep(RESERVED + scope, b"")


def status_of(core: Core, scope: str) -> str:
    """What this node did in a deal, or what came of it; "" before it looked."""
    return str(shop(core).deals.get(scope, {}).get("status", ""))


def has_room(core: Core) -> bool:
    """Whether one more request can be remembered; what is over for good is forgotten for it, the oldest first."""
    known = shop(core).deals
    if len(known) < SUPPLIES_MAX:
        return True
    for scope, one in known.items():
        if one["status"] in OVER and one["until"] < core.now:
            del known[scope]
            core.keep(DEAL + scope, b"")
            return True
    return False


def change(core: Core, scope: str, status: str, **detail: Any) -> None:
    """A deal is at another point for this supplier: kept, and told in the feed (SUP-20)."""
    known = shop(core).deals
    before = known.pop(scope, {})
    known[scope] = {**before, **detail, "status": status, "since": core.now}
    core.keep(DEAL + scope, encode(known[scope]))
    tell(core, status, scope.removeprefix("deal/"), detail)


def tell(core: Core, event: str, deal: str, detail: Mapping[str, Any]) -> None:
    """One more entry of the feed; the oldest give way (SUP-21)."""
    feed = shop(core).feed
    number = feed[-1] + 1 if feed else 1
    feed.append(number)
    entry = {"event": event, "deal": deal, "time": core.now, "detail": dict(detail)}
    core.keep(f"{FEED}{number:012d}", encode(entry))
    if len(feed) > FEED_MAX:
        core.keep(f"{FEED}{feed.pop(0):012d}", b"")
    core.notify("supply", number=number, event=event, deal=deal)


def entries(core: Core, after: int, limit: int) -> list[dict[str, Any]]:
    """The entries beyond a number, in order."""
    feed = shop(core).feed
    start = bisect_right(feed, after)
    numbers = feed[start : start + limit]
    return [{"number": one, **decode(core.facts[f"{FEED}{one:012d}"])} for one in numbers]
