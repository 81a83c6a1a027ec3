"""Things that have a name: only those of one subject are grouped, join, are asked for and are quoted (TPL-15)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from node.template import load
from protocol import commands as ask
from protocol.coop.charter import good_join
from protocol.deal.allocation import Demand
from protocol.deal.negotiation import Bid, Limits, Quotation, Request, parse
from protocol.deal.ranking import rank
from protocol.encoding import digest
from protocol.errors import Reject
from protocol.events import RecordReceived
from protocol.record.record import Record, Slot, embedded
from tests.sim.town import EPOCH_MS
from tests.sim.world import NETWORK, START_MS, TIMES, World
from tests.test_desk import TEMPLATE as POWER
from tests.test_desk import alone, like, refused, spoken

THING = replace(load("anything"), epoch_ms=EPOCH_MS, cutoff_ms=2_000, least=2, most=40)
HOUR = 3_600_000
QUOTATION = Quotation(
    supplier=digest("test", b"seller"),
    reference="B-1",
    subject="folding-bike",
    currency="GBP",
    price_basis="gross",
    tax_category="S",
    tax_hundredths=2_000,
    ladder=((1, 70_000),),
    pack=1,
    capacity=100,
    valid_until=2_000,
    cancellation="anytime",
    cancellation_fee_minor=0,
    attributes={"days_to_delivery": 7, "distance_km": 10, "warranty_months": 24, "repairable": 1, "second_hand": 0},
    charges={"delivery": 500},
    terms=(),
    trader={"name": "Bikes", "contact": "-", "country": "GB", "register": ""},
)


def thing(subject: str, **more: Any) -> ask.AddIntent:
    said = ask.AddIntent("mine", "anything", "any", 1, 0, 80_000, "ready", START_MS + HOUR, subject=subject)
    return replace(said, **more)


def test_an_intent_names_its_subject_where_there_are_many() -> None:
    """TPL-15: spelled as everybody spells it; with words for people."""
    world = alone(THING, POWER)
    assert refused(world, thing("")) == "TPL-15"
    assert refused(world, thing("…")) == "TPL-15"
    assert refused(world, thing("x" * 49)) == "TPL-15"
    assert refused(world, thing("bike", words="x" * 281)) == "REC-11"
    assert refused(world, replace(like(), subject="bike")) == "TPL-15"
    assert refused(world, replace(like(), words="green, please")) == "TPL-15"
    world.ask("ann", thing(" Folding  Bike! ", words="Six gears, any colour."))
    body = spoken(world, "ann", "intent.1")[-1].body
    assert (body["subject"], body["words"]) == ("folding-bike", "Six gears, any colour.")


def test_groups_are_of_one_subject() -> None:
    """TPL-15, FRM-9: four who want a bike and three who want a lamp are two co-ops; who names nothing is in none."""
    world = World(3, [THING])
    world.add("relay", "relay")
    names = [f"m{number}" for number in range(7)]
    for name in names:
        world.add(name, "home", ["relay"])
    world.run(1_000)
    world.now = (world.now // EPOCH_MS + 1) * EPOCH_MS + 100
    for number, name in enumerate(names):
        world.ask(name, thing("lamp" if number < 3 else "bike", ready_by=world.now + HOUR))
    world.run(2 * EPOCH_MS)
    calls = [one for one in world.nodes["relay"].records.values() if one.kind == "call.1"]
    charters = [embedded(one.body["charter"], NETWORK) for one in calls]
    keys = {world.nodes[name].persona.key: name for name in names}
    found = {one.body["subject"]: sorted(keys[key] for key in one.body["listed"]) for one in charters}
    assert found == {"bike": ["m3", "m4", "m5", "m6"], "lamp": ["m0", "m1", "m2"]}


def test_what_does_not_compare_is_in_no_group() -> None:
    """TPL-15: an intent without a subject, where there must be one, is carried and not grouped."""
    world = World(3, [THING])
    world.add("relay", "relay")
    for name in ("ann", "ben"):
        world.add(name, "home", ["relay"])
    world.run(1_000)
    world.now = (world.now // EPOCH_MS + 1) * EPOCH_MS + 100
    for name in ("ann", "ben"):
        world.ask(name, thing("bike", ready_by=world.now + HOUR))
        node = world.nodes[name]
        body = {key: one for key, one in spoken(world, name, "intent.1")[-1].body.items() if key != "subject"}
        nameless = Record.sign(
            node.persona,
            NETWORK,
            "intent.1",
            "board/anything/any",
            body,
            created=world.now,
            expires=world.now + HOUR,
            slot=Slot("latest", "mine", 1),
        )
        world.handle(name, RecordReceived(nameless, ""))
    world.run(2 * EPOCH_MS)
    relay = world.nodes["relay"].records.values()
    assert not [one for one in relay if one.kind == "call.1"]


def test_a_join_is_of_the_charters_subject() -> None:
    """TPL-15, FRM-25."""
    world = alone(THING)
    world.ask("ann", thing("bike"))
    me = world.nodes["ann"].persona
    intent = spoken(world, "ann", "intent.1")[-1]
    join = {"charter": bytes(32), "intent": intent.raw, "box": bytes(32), "least": 0, "most": 0, "exclude": []}
    said = Record.sign(
        me, NETWORK, "join.1", "coop/" + "00" * 16, join, created=1, expires=2, slot=Slot("once", "join", 0)
    )

    def admitted(**subject: str) -> bool:
        body: dict[str, Any] = {"nonce": bytes(16), "purpose": "Bikes", "category": "anything", "region": "any"}
        body |= {"template": THING.hash, "epoch": 0, "listed": [me.key], "least": 2, "most": 9, "witnesses": [me.key]}
        body |= {"fee_max_minor": 0, "risk": "lowest", "times": TIMES} | subject
        slot = Slot("once", "charter", 0)
        charter = Record.sign(me, NETWORK, "charter.1", said.scope, body, created=1, expires=2, slot=slot)
        return good_join(charter, bytes(32), NETWORK, said)

    assert admitted(subject="bike")
    assert not admitted(subject="lamp")
    assert not admitted()


@pytest.mark.parametrize(("subject", "code"), [("", "TPL-14"), ("lamp", "TPL-15"), ("folding-bikes", "TPL-15")])
def test_a_quotation_is_of_the_requests_subject(subject: str, code: str) -> None:
    """TPL-14, TPL-15: and what it costs holds the delivery to each."""
    request = Request(THING, {}, (), (), 2_000, subject="folding-bike")
    limits, box = Limits(80_000, 1, 100), bytes(32)
    demands = [Demand(digest("test", bytes([number])), 1, 0, 1, 75_000) for number in range(3)]
    (row,) = rank(request, limits, [Bid(QUOTATION.supplier, QUOTATION.to_bytes())], demands, box).ranked
    assert row.cost_minor == 3 * (70_000 + 500)
    other = replace(QUOTATION, subject=subject)
    (refusal,) = rank(request, limits, [Bid(other.supplier, other.to_bytes())], demands, box).refused
    assert refusal.code == code


def test_tax_as_invoiced_takes_any_rate() -> None:
    """TPL-14: but none that is no category."""
    for tax in (("S", 2_000), ("AA", 500), ("Z", 0), ("E", 0)):
        other = replace(QUOTATION, tax_category=tax[0], tax_hundredths=tax[1])
        assert parse(other.to_mapping(), THING) == other
    with pytest.raises(Reject) as error:
        parse(replace(QUOTATION, tax_category="as-invoiced").to_mapping(), THING)
    assert error.value.code == "NEG-1"
