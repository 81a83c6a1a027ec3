"""The engine as a whole: one state from one set of records, live or from disk; nothing hostile moves or stops it.

A town lives through a whole deal with a double voter and a witness that signs everything twice; what its nodes hold is
then told to fresh engines in other orders (ARCHITECTURE's promise; 05-formation, FRM-32; 01-record, REC-2, REC-14).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import protocol.engine.coop.board
from protocol import commands as ask
from protocol.coop.decision import NIL, slot_of, value_hash
from protocol.coop.formation import groups_of
from protocol.deal.negotiation import commit_hash
from protocol.encoding import decode, encode
from protocol.engine import Engine
from protocol.errors import Ignore, Reject
from protocol.events import (
    Compute,
    Computed,
    Effect,
    Event,
    Keep,
    MessageReceived,
    PeerConnected,
    Publish,
    RecordReceived,
    Reply,
    Send,
    SendRecords,
    Store,
    Submit,
    Tick,
)
from protocol.identity import Persona
from protocol.network.gossip import Subscribe, Sync, encode_message
from protocol.params import ONCE_HELD_MAX
from protocol.record.record import Record, Slot
from tests.deals import LIFE_MS, NETWORK, START_MS, TEMPLATE, Handmade, persona
from tests.sim.town import Town
from tests.sim.world import NETWORK as TOWN_NETWORK
from tests.sim.world import Node, World, opened, sealed, shameless
from tests.stages import Desk, at, until

HOUR_MS = 3_600_000


# A town that has lived


def twin(who: Persona, one: Record, **changes: Any) -> Record:
    """Another record of the same author in the same slot."""
    made, body = one.header, {**one.body, **changes}
    return Record.sign(
        who,
        made.network,
        one.kind,
        one.scope,
        body,
        created=made.created,
        expires=made.expires,
        slot=made.slot,
        refs=made.refs,
    )


@dataclass
class Lived:
    """A town after its deal, what was held when, and who lied."""

    town: Town
    liars: dict[str, str] = field(default_factory=dict)
    torn: list[str] = field(default_factory=list)  # what a crash would have found inconsistent on a disk
    sealed: dict[tuple[bytes, bytes], Record] = field(default_factory=dict)  # lies in their envelopes
    unlike: list[str] = field(default_factory=list)  # what a restart would have shown otherwise

    def tamper(self, sender: str, receiver: str, event: Event) -> Sequence[Any]:
        """The first to vote casts two ballots, the first witness to speak votes for two values; everybody gets both."""
        if not isinstance(event, RecordReceived):
            return [event]
        node = self.town.world.nodes[sender]
        one, who = opened(node, event.record), node.persona
        if one.kind not in ("ballot.1", "vote.1") or one.author != who.key:
            return [event]
        if sender != self.liars.setdefault(one.kind, sender):
            return [event]
        shameless(node)
        other: dict[str, Any] = {"value": bytes(range(32)) if one.body.get("value") == NIL else NIL}
        lie = twin(who, one, **({"cipher": one.body["cipher"][::-1]} if one.kind == "ballot.1" else other))
        if one is not event.record and (event.record.id, lie.id) not in self.sealed:
            self.sealed[event.record.id, lie.id] = sealed(node, event.record, lie)
        return [event, RecordReceived(self.sealed.get((event.record.id, lie.id), lie), sender)]

    @property
    def relay(self) -> Node:
        return self.town.world.nodes["relay"]

    def scope(self, family: str) -> str:
        """The one scope of this family that everybody follows."""
        return next(one for one in self.relay.engine.carried() if one.startswith(family)) if self.relay.engine else ""

    def records(self, *families: str) -> list[Record]:
        """The same, and what is in envelopes openly."""
        return [opened(self.town.world.nodes["m2"], one) for one in self.carried(*families)]

    def carried(self, *families: str) -> list[Record]:
        """What the relay holds of these families, in the order it came."""
        return [one for one in self.relay.records.values() if one.scope.startswith(families)]


class WatchedWorld(World):
    """Looks at every batch of effects as a crash right after it would."""

    lived: Lived | None = None
    commits = 0

    def _commit(self, node: Node, effects: Sequence[Any], event: Event) -> None:
        super()._commit(node, effects, event)
        if self.lived is None or not any(isinstance(one, Store | Keep) for one in effects):
            return
        self.commits += 1
        self.lived.torn += [f"{node.name}: {one}" for one in (*inconsistent(node), *spoken_too_early(effects))]
        if self.commits % 50 == 0 and node.engine is not None and node.settings.role != "relay":
            again = restarted(node)
            if views(again, self.now) != views(node.engine, self.now):
                self.lived.unlike.append(f"{node.name} at {self.now}")


def inconsistent(node: Node) -> Iterable[str]:
    """Facts on a disk that its records do not bear out, or the other way round."""
    own = [one for one in node.records.values() if one.author == node.persona.key]
    said = {(one.kind, one.scope): one for one in own}
    for name, value in node.facts.items():
        family, _, rest = name.partition("/")
        match family:
            case "intent" if ("intent.1", value.decode()) not in said:
                yield f"{name} without an intent"
            case "founded" if not any(one.kind == "charter.1" for one in own):
                yield f"{name} without a charter"
            case "engaged" if f"scope/{value.decode()}" not in node.facts:
                yield f"{name} in a scope that is not followed"
            case "introduced" if not any(one.kind == "persona.1" for one in own):
                yield f"{name} without a record"
            case "quote":
                nonce, quote = decode(value)
                commit = (
                    said[("quotation.1", rest)].body if ("quotation.1", rest) in said else {"rfq": b"", "commit": b""}
                )
                if nonce and commit["commit"] != commit_hash(commit["rfq"], node.persona.key, nonce, quote):
                    yield f"{name} is not what was committed to"
    for kind, scope in said:
        if f"scope/{scope}" not in node.facts:
            yield f"{kind} in {scope}, which a restart would not follow"
        if kind == "quotation.1" and f"quote/{scope}" not in node.facts:
            yield f"a quotation in {scope} that nobody can reveal"


def spoken_too_early(effects: Sequence[Any]) -> Iterable[str]:
    """Records that are offered before they are stored."""
    stored: dict[bytes, None] = {}
    for effect in effects:
        match effect:
            case Store(record, _):
                stored[record.id] = None
            case Publish(record, _) if record.id not in stored:
                yield f"{record.kind} was offered before it was stored"


def restarted(node: Node) -> Engine:
    """A fresh engine on a node's disk."""
    engine = Engine(node.settings, [node.persona], random.Random(1), random.Random(2).randbytes, node.facts)
    for scope in engine.scopes():
        engine.load(scope, [one for one in node.records.values() if one.scope == scope])
    return engine


def reply(engine: Engine, command: Any, now: int) -> Any:
    effects = engine.handle(Submit(1, command), now)
    assert isinstance(effects[-1], Reply)
    return effects[-1].result


def views(engine: Engine, now: int) -> dict[str, Any]:
    """What a person sees, and what all nodes must agree on."""
    followed = sorted(scope for scope in engine.scopes() if reply(engine, ask.AskDigest(scope), now)["records"])
    coops = reply(engine, ask.AskCoops(), now)
    return {
        "digests": {scope: engine.digest(scope) for scope in followed},
        "coops": coops,
        "intents": reply(engine, ask.AskIntents(), now),
        "needs": reply(engine, ask.AskNeeds(), now),
        "board": reply(engine, ask.AskBoard("electricity", "any"), now),
    }


@pytest.fixture(scope="module")
def lived() -> Lived:
    """A dozen members, three suppliers, two liars; an agreement, attested; all that was said has reached everybody."""
    town = Town(seed=3, members=12)
    town.world.__class__ = WatchedWorld
    found = Lived(town)
    town.world.tamper = found.tamper
    assert isinstance(town.world, WatchedWorld)
    town.world.lived = found
    town.open()
    assert town.live(400_000, town.agreed)
    town.live(30_000, lambda: False)
    town.world.lived = None
    assert town.converged() == []
    return found


# One state from one set


def respectful(records: Sequence[Record], rng: random.Random) -> list[Record]:
    """A random order in which nothing comes before what it refers to."""
    waiting, held, order = list(records), dict[bytes, None](), list[Record]()
    rng.shuffle(waiting)
    while waiting:
        ready = [one for one in waiting if all(ref in held for ref in one.header.refs)]
        chosen = rng.choice(ready)
        waiting.remove(chosen)
        held[chosen.id] = None
        order.append(chosen)
    return order


def told(lived: Lived, who: Persona, role: str, order: Sequence[Record], templates: bool = True) -> Engine:
    """A fresh engine that two neighbours told all this, each record once: what comes too early has to wait."""
    node = lived.relay
    known = node.settings.templates if templates else {}
    given = type(node.settings)(TOWN_NETWORK, role, known, node.settings.presets, grain_ms=1000)
    follows = {f"scope/{one.scope}": b"1" for one in order}
    engine = Engine(given, [who], random.Random(1), random.Random(2).randbytes, follows)
    now = lived.town.world.now
    for name in ("left", "right"):
        engine.handle(PeerConnected(name, False), now)
    for number, one in enumerate(order):
        try:
            engine.handle(RecordReceived(one, ("left", "right")[number % 2]), now)
        except Ignore:
            continue
    return engine


def amounts(lived: Lived, engine: Engine) -> dict[str, Any]:
    """Digests, and what co-op and deal amount to."""
    now = lived.town.world.now
    coop = bytes.fromhex(lived.scope("coop/").removeprefix("coop/"))
    found = {scope: engine.digest(scope) for scope in (lived.scope("coop/"), lived.scope("deal/"))}
    return found | {"coop": reply(engine, ask.AskCoop(coop), now)}


STRANGER = Persona.from_seed(b"stranger" * 4)


def test_the_deal_that_is_told_is_a_real_one(lived: Lived) -> None:
    """DEC-14, DEC-10: the double voter is void, the double witness counts; without it the rest would prove little."""
    world = lived.town.world
    assert len(lived.records("coop/", "deal/")) > 200
    seen = amounts(lived, told(lived, STRANGER, "home", lived.records("coop/", "deal/")))["coop"]
    assert seen["state"] == "countersigned"
    assert len(seen["keys"]) == 12
    assert sum(seen["pairwise"][0]) + sum(seen["pairwise"][1]) == 11
    logs = world.nodes["m2"].engine
    assert logs is not None
    for kind, name in lived.liars.items():
        key = world.nodes[name].persona.key
        slots = [
            one.header.slot_key for one in lived.records("coop/", "deal/") if (one.kind, one.author) == (kind, key)
        ]
        assert len(slots) > len(set(slots))


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32), role=st.sampled_from(("home", "relay")))
def test_any_order_that_respects_refs_gives_one_state(lived: Lived, seed: int, role: str) -> None:
    """FRM-32, NEG-41, REC-14: digest, ids held, co-op, tally, award, agreement; relay and member alike."""
    records = lived.records("coop/", "deal/")
    engine = told(lived, STRANGER, role, respectful(records, random.Random(seed)))
    plain = told(lived, STRANGER, role, records)
    assert amounts(lived, engine) == amounts(lived, plain)
    assert reply(engine, ask.AskDigest(lived.scope("coop/")), lived.town.world.now)["records"] == len(
        lived.records("coop/")
    )


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32))
def test_any_order_at_all_gives_one_state(lived: Lived, seed: int) -> None:
    """FRM-24, GOS-6: children before parents, ballots before the roster; they wait, and none is lost."""
    records = lived.records("coop/", "deal/")
    order = list(records)
    random.Random(seed).shuffle(order)
    assert amounts(lived, told(lived, STRANGER, "home", order)) == amounts(
        lived, told(lived, STRANGER, "home", records)
    )


@settings(max_examples=6)
@given(seed=st.integers(0, 2**32), name=st.sampled_from(("m2", "m7")))
def test_envelopes_in_any_order_give_one_state(lived: Lived, seed: int, name: str) -> None:
    """ROO-13: epochs, keys, envelopes and open records as they come; nothing that is read depends on it."""
    carried, node = lived.carried("coop/", "deal/"), lived.town.world.nodes[name]
    assert sum(one.kind == "sealed.1" for one in carried) > 100
    random.Random(seed).shuffle(carried)
    engine = told(lived, node.persona, "home", carried)
    assert node.engine is not None
    for scope in (lived.scope("coop/"), lived.scope("deal/")):
        assert engine.digest(scope) == node.engine.digest(scope)


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32))
def test_a_relay_without_the_template_holds_the_same(lived: Lived, seed: int) -> None:
    """FRM-24: it cannot read the co-op, and still carries what all others hold."""
    records = lived.records("coop/", "deal/")
    engine = told(lived, STRANGER, "relay", respectful(records, random.Random(seed)), templates=False)
    assert engine.digest(lived.scope("coop/")) == told(lived, STRANGER, "home", records).digest(lived.scope("coop/"))


def test_a_witness_that_accepts_everything_else_first_hides_nothing() -> None:
    """FRM-24, REC-14: acceptances of other charters are not taken, so they cannot crowd out the good one."""
    good = next(one for one in MADE.records if one.kind == "accept.1")
    witness = next(one for one in MADE.witnesses if one.key == good.author)
    others = [twin(witness, good, charter=bytes([number]) * 32) for number in range(ONCE_HELD_MAX)]
    for order in ([*others, good], [good, *others]):
        desk = Desk(STRANGER, [MADE.records[0]])
        desk.do(PeerConnected("peer", False))
        for one in (*order, *until(MADE, "forming")):
            offer(desk, RecordReceived(one, "peer"))
        assert desk.ask(ask.AskCoop(MADE.hash[:16]))["state"] == "forming"
        assert desk.engine.digest(MADE.scope) == at(MADE, "forming", STRANGER).engine.digest(MADE.scope)


def test_one_record_less_shows(lived: Lived) -> None:
    """FRM-32: the control; without the lie in the certified box the tally is another, and nobody agrees with it."""
    liar = lived.town.world.nodes[lived.liars["ballot.1"]].persona.key
    lies = [one for one in lived.records("coop/") if (one.kind, one.author) == ("ballot.1", liar)]
    assert len(lies) == 2
    records = [one for one in lived.records("coop/", "deal/") if one.id != lies[0].id]
    whole, less = (
        amounts(lived, told(lived, STRANGER, "home", some)) for some in (lived.records("coop/", "deal/"), records)
    )
    assert whole[lived.scope("coop/")] != less[lived.scope("coop/")]
    assert less["coop"]["state"] == "balloting"  # DEC-19: a box is concluded from only when all it lists is held


def test_a_member_that_is_told_everything_signs_nothing_new(lived: Lived) -> None:
    """DEC-6, NEG-51: with all it ever said before it, the node of a member or witness has nothing to add."""
    for name in ("m0", "m1", "m5", "s0"):
        node = lived.town.world.nodes[name]
        mine = ("coop/", "deal/") if name.startswith("m") else ("deal/",)  # a co-op's room is not for suppliers
        engine = told(lived, node.persona, node.settings.role, lived.carried(*mine))
        effects = engine.handle(Tick(), lived.town.world.now)
        added = [one for one in effects if isinstance(one, Store) and one.record.kind != "fault.1"]
        assert not added  # proofs against liars stand in their trust scopes, of which it was told nothing (ELE-54)
        seen = ask.AskCoops() if name.startswith("m") else ask.AskDeals()
        assert reply(engine, seen, lived.town.world.now)[0]["state"] == "countersigned"


# From disk


def test_from_disk_as_it_was_live(lived: Lived) -> None:
    """FRM-32: a restart sees what it saw before."""
    world = lived.town.world
    for node in world.nodes.values():
        assert node.engine is not None
        again = restarted(node)
        for engine in (again, node.engine):
            engine.handle(Tick(), world.now)
        assert set(node.engine.scopes()) >= set(again.scopes())
        live, disk = views(node.engine, world.now), views(again, world.now)
        carried = [scope for scope in live["digests"] if scope not in again.scopes()]
        assert node.settings.role == "relay" or not carried
        assert {scope: one for scope, one in live["digests"].items() if scope not in carried} == disk["digests"]
        if node.settings.role != "relay":
            assert live == disk


def test_every_batch_could_have_been_the_last(lived: Lived) -> None:
    """NEG-43, GOS-10: whatever batch a crash came after, facts and records agree, and a restart shows the same."""
    assert lived.town.world.commits > 600  # type: ignore[attr-defined]
    assert lived.torn == []
    assert lived.unlike == []


def test_what_was_forgotten_is_asked_for_and_loaded(lived: Lived) -> None:
    """GOS-3: a context that an event needs is named before it is handled, and comes back as it was."""
    node = lived.town.world.nodes["m0"]
    engine, now = restarted(node), lived.town.world.now
    assert lived.scope("coop/") in engine.scopes()
    for scope in engine.scopes():
        records = [one for one in node.records.values() if one.scope == scope]
        engine.handle(PeerConnected("peer", False), now)
        if not records:
            continue
        before = engine.digest(scope)
        engine.forget(scope)
        assert scope not in engine.resident()
        for event in (
            RecordReceived(records[0], "peer"),
            MessageReceived("peer", encode_message(Sync(scope, b"\x61"))),
            Submit(1, ask.AskDigest(scope)),
        ):
            assert engine.needs(event) == (scope,)
        engine.load(scope, records)
        assert engine.needs(RecordReceived(records[0], "peer")) == ()
        assert engine.digest(scope) == before
        assert engine.handle(RecordReceived(records[0], "peer"), now) == []


def test_needs_names_nothing_for_strangers() -> None:
    """GOS-3: scopes that are not followed are not loaded because somebody speaks of them."""
    made = Handmade()
    desk = Desk(STRANGER)
    desk.do(PeerConnected("peer", False))
    for event in (
        RecordReceived(made.records[0], "peer"),
        MessageReceived("peer", encode_message(Sync(made.scope, b"\x61"))),
        MessageReceived("peer", encode_message(Subscribe((made.scope,)))),
        MessageReceived("peer", b"noise"),
    ):
        assert desk.engine.needs(event) == ()
    relay = Desk(STRANGER, role="relay")
    assert relay.engine.needs(MessageReceived("peer", encode_message(Sync(made.scope, b"\x61")))) == (made.scope,)


def test_a_batch_that_was_not_committed_never_happened() -> None:
    """API-1: facts go back, contexts are loaded again, and the same command works."""
    desk = Desk(persona("m1"))
    command = ask.AddIntent("tea", "tea", "any", 3, 1, 3_000, "ready", START_MS + LIFE_MS, ("basic",))
    effects = desk.engine.handle(Submit(1, command), desk.now)  # the disk is full: nothing of it is carried out
    assert any(isinstance(one, Store) for one in effects)
    for scope in desk.engine.resident():
        desk.engine.forget(scope)
    desk.engine.recall(desk.facts)
    assert desk.ask(ask.AskIntents()) == []
    assert desk.ask(command)["readiness"] == "ready"
    assert [one["name"] for one in desk.ask(ask.AskIntents())] == ["tea"]


# Time


MADE = Handmade(members=5, witnesses=4, suppliers=2)
EVERYBODY = [*MADE.members, *MADE.suppliers, persona("stranger")]
STAGES = (
    *("called", "forming", "gathering", "balloting", "counting", "elected", "mandated"),
    *("asked", "quoted", "revealed"),
)
LATER_STAGES = ("awarded", "agreed", "countersigned")


@pytest.mark.parametrize("stage", [*STAGES, *LATER_STAGES])
def test_time_always_moves_on(stage: str) -> None:
    """DEC-8: a tick at the deadline answers it: the next lies ahead, or there is none; so no node spins."""
    for who in EVERYBODY:
        desk = at(MADE, stage, who)
        for _ in range(30):
            deadline = desk.engine.deadline
            if deadline is None:
                break
            assert deadline > desk.now
            desk.now = deadline
            desk.do(Tick())


def test_a_tick_before_the_deadline_changes_nothing() -> None:
    """DEC-8: nor does a second one at the same time."""
    for who in EVERYBODY:
        desk = at(MADE, "gathering", who)
        deadline = desk.engine.deadline
        assert deadline is not None
        desk.now = deadline - 1
        assert desk.do(Tick()) == []
        assert desk.engine.deadline == deadline
        desk.tick(1)
        deadline = desk.engine.deadline
        assert desk.do(Tick()) == []
        assert desk.engine.deadline == deadline


def test_what_changed_is_attended_to_at_once() -> None:
    """DEC-15: a record makes the deadline now; without neighbours and contexts there is none."""
    assert Desk(STRANGER).engine.deadline is None
    said = until(MADE, "gathering")
    desk = at(MADE, "gathering", MADE.members[0])
    assert desk.engine.deadline != desk.now
    desk.do(RecordReceived(MADE.records[len(said)], ""))
    assert desk.engine.deadline == desk.now
    lonely = Desk(STRANGER)
    lonely.do(PeerConnected("peer", True))
    assert lonely.engine.deadline == 0  # GOS-4: the first reconciliation of all scopes is due
    lonely.tick()
    assert lonely.engine.deadline is not None
    assert START_MS + 60_000 <= lonely.engine.deadline < START_MS + 75_000


# Work for others


def on_a_board() -> Desk:
    """m0's node, with the intents of five people who want the same, before the epoch's end."""
    people = MADE.members
    begun = (START_MS // TEMPLATE.epoch_ms + 1) * TEMPLATE.epoch_ms
    body = {"template": TEMPLATE.hash, "want": 3, "tolerate": 0, "spend_minor": 300, "readiness": "ready"}
    body |= {"ready_by": begun + HOUR_MS, "levels": {}, "terms": []}
    said = [
        Record.sign(
            one,
            NETWORK,
            "intent.1",
            "board/tea/any",
            body,
            created=begun + 1,
            expires=begun + HOUR_MS,
            slot=Slot("latest", "tea", 0),
        )
        for one in people
    ]
    return Desk(people[0], said, now=begun + 2)


def test_heavy_work_is_given_away_once_and_its_answer_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """FRM-10: an epoch's groups are computed on a snapshot elsewhere, asked for once, and lead to a charter."""
    monkeypatch.setattr(protocol.engine.coop.board, "FORM_INLINE_MAX", 2)
    monkeypatch.setattr(protocol.engine.coop.board, "FORM_CHANGES_MAX", 2)
    desk = on_a_board()
    assert not [one for one in desk.tick() if isinstance(one, Compute)]
    jobs = [one for one in desk.tick(TEMPLATE.epoch_ms + TEMPLATE.cutoff_ms) if isinstance(one, Compute)]
    assert [job.name for job in jobs] == ["coop.formation.groups_of"]
    assert not [one for one in desk.tick(1) if isinstance(one, Compute)]
    assert desk.do(Computed(jobs[0].job, None)) == []  # the worker died
    again = [one for one in desk.tick() if isinstance(one, Compute)]
    assert [job.job for job in again] == [jobs[0].job]
    groups = groups_of(*again[0].arguments)
    (group,) = groups.values()
    assert group is not None
    assert len(group.ids) == 5
    assert desk.do(Computed(again[0].job, groups)) == []
    turn = group.founders.index(desk.who.key)
    desk.tick()
    desk.tick(turn * TEMPLATE.cutoff_ms)
    assert [sorted(one.body["listed"]) for one in desk.said("charter.1")] == [sorted(one.key for one in MADE.members)]


def test_an_answer_to_what_was_forgotten_is_dropped() -> None:
    """FRM-10: the board left memory while a worker was at it."""
    desk = on_a_board()
    job = f"form board/tea/any {TEMPLATE.hash.hex()} 7"
    assert desk.do(Computed(job, None)) == []
    desk.engine.forget("board/tea/any")
    assert desk.do(Computed(job, None)) == []


# Whatever anybody sends

SIGNERS = [*EVERYBODY, persona("other")]
OF_KIND: dict[str, list[Record]] = {}
for _one in MADE.records:
    OF_KIND.setdefault(_one.kind, []).append(_one)
ODD_VALUES: list[Any] = [
    0,
    1,
    2**53 - 1,
    -1,
    b"",
    bytes(32),
    bytes(16),
    "",
    "roster",
    [],
    [bytes(32)],
    {},
    encode({"ids": []}),
]
ODD_VALUES += [encode({"ids": [bytes(32)]}), encode({}), MADE.hash, MADE.coop().roster, MADE.rfq.id, MADE.rfq.raw]
ODD_VALUES += [one.key for one in EVERYBODY[:3]] + [one.body["value"] for one in OF_KIND["proposal.1"][:8]]


@st.composite
def hostile(draw: st.DrawFn) -> Record | None:
    """A record with a good signature by anybody at all, and anything that its kind's shape allows inside."""
    base = draw(st.sampled_from(sorted(OF_KIND)).flatmap(lambda kind: st.sampled_from(OF_KIND[kind])))
    like = OF_KIND[base.kind]
    body = dict(base.body)
    for name in draw(st.lists(st.sampled_from(sorted(body)), max_size=3)):
        others = st.sampled_from([one.body.get(name, 0) for one in like])
        body[name] = draw(others | st.sampled_from(ODD_VALUES))
    slot = base.header.slot
    if slot is not None:
        names = st.sampled_from([one.header.slot.name for one in like if one.header.slot])
        slot = Slot(slot.mode, draw(names), 0)
    created = base.header.created + draw(st.sampled_from((0, 0, 1, 599_999)))
    refs = draw(st.sampled_from((base.header.refs, (), (base.id,))))
    try:
        return Record.sign(
            draw(st.sampled_from(SIGNERS)),
            NETWORK,
            base.kind,
            base.scope,
            body,
            created=created,
            expires=created + draw(st.sampled_from((1, LIFE_MS))),
            slot=slot,
            refs=refs,
        )
    except (Reject, OverflowError):
        return None


def state(engine: Engine) -> dict[str, Any]:
    """All that a verdict must leave alone."""
    core = engine._core
    return {
        "facts": dict(core.facts),
        "followed": dict(core.followed),
        "records": {scope: dict(one.log.records) for scope, one in core.contexts.items() if one.log.records},
        "pending": {name: dict(one.pending) for name, one in core.neighbours.items()},
        "scopes": {name: dict(one.scopes) for name, one in core.neighbours.items()},
    }


def offer(desk: Desk, event: Event) -> list[Effect]:
    """The effects; a verdict leaves no trace, and nothing but a verdict is raised."""
    before = state(desk.engine)
    try:
        return desk.do(event)
    except (Ignore, Reject):
        after = state(desk.engine)
    assert after == before
    return []


def look(desk: Desk) -> None:
    """Everything a person may look at can be looked at."""
    for command in (ask.AskStatus(), ask.AskNeeds(), ask.AskCoops(), ask.AskDeals(), ask.AskIntents()):
        desk.ask(command)
    for one in desk.ask(ask.AskCoops()):
        desk.ask(ask.AskCoop(one["id"]))
    desk.ask(ask.AskBoard("tea", "any"))
    desk.ask(ask.AskStanding(MADE.members[1].key, "supplier"))


@settings(max_examples=150)
@given(
    stage=st.sampled_from([*STAGES, *LATER_STAGES]),
    who=st.sampled_from(EVERYBODY),
    said=st.lists(hostile(), min_size=1, max_size=12),
    later=st.sampled_from((0, 1_000, 70_000, LIFE_MS)),
)
def test_no_record_stops_a_node(stage: str, who: Persona, said: list[Record | None], later: int) -> None:
    """REC-2, DEC-11, DEC-12, ELE-30, NEG-50: at any stage, by anybody, witnesses too: verdicts, and life goes on."""
    desk = at(MADE, stage, who)
    desk.do(PeerConnected("peer", False))
    for one in said:
        if one is not None:
            offer(desk, RecordReceived(one, "peer"))
            desk.tick()
    look(desk)
    for _ in range(3):
        desk.tick(later)
    look(desk)
    Desk(who, desk.records.values(), desk.facts, desk.now).tick()


@settings(max_examples=60)
@given(stage=st.sampled_from(STAGES), who=st.sampled_from(EVERYBODY), said=st.lists(hostile(), min_size=1, max_size=12))
def test_no_record_makes_a_node_sign_for_its_member(stage: str, who: Persona, said: list[Record | None]) -> None:
    """NEG-51, FRM-29: only a command pledges, stands, votes, asks or commits."""
    desk = at(MADE, stage, who)
    desk.do(PeerConnected("peer", False))
    effects: list[Effect] = []
    for one in said:
        if one is not None:
            effects += offer(desk, RecordReceived(one, "peer")) + desk.tick()
    effects += desk.tick(70_000)
    own = [one.record.kind for one in effects if isinstance(one, Store) and one.own]
    assert not [kind for kind in own if kind in ("pledge.1", "nomination.1", "ballot.1", "deal.1", "commitment.1")]
    once = [one.record.header.slot_key for one in effects if isinstance(one, Store) and one.own]
    keys = [key for key in once if key is not None]
    assert len(keys) == len(set(keys))


QUESTIONS = [(one.scope, one.body["question"]) for one in OF_KIND["proposal.1"]]
CERTIFIED = st.binary(max_size=60) | st.sampled_from([one for one in ODD_VALUES if type(one) is bytes and one])


@settings(max_examples=80)
@given(
    stage=st.sampled_from([*STAGES, *LATER_STAGES]),
    who=st.sampled_from(EVERYBODY),
    asked=st.sampled_from(QUESTIONS),
    value=CERTIFIED,
)
def test_no_certificate_stops_a_node(stage: str, who: Persona, asked: tuple[str, str], value: bytes) -> None:
    """DEC-11, DEC-12, ELE-30, NEG-50: all witnesses certify anything at all; nobody falls over it, now or later."""
    desk = at(MADE, stage, who)
    desk.do(PeerConnected("peer", False))
    scope, question = asked
    for one in MADE.witnesses:
        proposal = {"question": question, "round": 0, "valid_round": -1, "value": value or b"x"}
        vote = {"question": question, "round": 0, "step": "precommit", "value": value_hash(value or b"x")}
        for kind, body, slot in (
            ("proposal.1", proposal, slot_of(question, 0)),
            ("vote.1", vote, slot_of(question, 0, "precommit")),
        ):
            where = Slot("once", slot, 0)
            expires = desk.now + LIFE_MS
            record = Record.sign(one, NETWORK, kind, scope, body, created=desk.now, expires=expires, slot=where)
            offer(desk, RecordReceived(record, "peer"))
    desk.tick()
    look(desk)
    for _ in range(3):
        desk.tick(70_000)
    look(desk)


MESSAGES = (
    st.binary(max_size=300)
    | st.builds(
        lambda word, scope, rest: encode([word, scope, rest]),
        st.sampled_from(("sync", "answer", "want", "subscribe", "unsubscribe", "x")),
        st.sampled_from((MADE.scope, MADE.deal_scope, "board/tea/any", "coop/x", "", 1)),
        st.binary(max_size=100)
        | st.lists(st.binary(min_size=32, max_size=32), max_size=4)
        | st.just([MADE.records[0].id]),
    )
    | st.builds(
        lambda scopes: encode_message(Subscribe(tuple(scopes))), st.lists(st.sampled_from((MADE.scope, "coop/x")))
    )
)


@settings(max_examples=150)
@given(role=st.sampled_from(("home", "relay", "supplier")), messages=st.lists(MESSAGES, min_size=1, max_size=8))
def test_no_message_stops_a_node(role: str, messages: list[bytes]) -> None:
    """GOS-1 to GOS-5: any bytes are refused, ignored or answered, in bounds; no record comes of them."""
    desk = at(MADE, "gathering", EVERYBODY[-1], role=role)
    desk.do(PeerConnected("peer", True))
    held = dict(desk.records)
    for message in messages:
        for effect in offer(desk, MessageReceived("peer", message)):
            assert isinstance(effect, Send | SendRecords | Keep)
            assert len(effect.message) <= 128 * 1024 if isinstance(effect, Send) else True
    desk.tick()
    assert desk.records == held
    look(desk)


def test_a_message_from_nobody_is_ignored() -> None:
    """GOS-3"""
    desk = Desk(STRANGER)
    with pytest.raises(Ignore) as caught:
        desk.do(MessageReceived("peer", encode_message(Subscribe((MADE.scope,)))))
    assert caught.value.code == "GOS-3"
