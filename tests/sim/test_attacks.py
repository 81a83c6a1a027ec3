"""Named attacks on a town, each beside what happens when the rule against it is switched off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from protocol import commands as ask
from protocol.coop.box import held_once, manifest_ids
from protocol.coop.coop import Coop
from protocol.coop.decision import Council, Docket
from protocol.errors import CommandError
from protocol.record.log import Log
from protocol.record.record import Record
from tests.sim.adversary import ELSEWHERE, SUPPLIERS_DO, WITNESSES_DO, Adversaries, forged
from tests.sim.safety import Safety, Violation
from tests.sim.town import Town
from tests.sim.world import NETWORK, RawReceived, said


def hostile(seed: int, roles: Mapping[str, Sequence[str]], suppliers: int = 3) -> tuple[Town, Safety, Adversaries]:
    """An open town in which some do what they should not; hostile members have links to everybody."""
    town = Town(seed, suppliers=suppliers)
    town.hostile = tuple(roles)
    safety = Safety(town.world, tuple(roles))
    for name in roles:
        if name in town.members:
            town.world.nodes[name].dials += [one for one in town.members if one != name]
            town.world.start(name)
    town.open()
    return town, safety, Adversaries(town.world, roles)


def views(town: Town, members: Sequence[str] | None = None) -> list[Coop]:
    """The newest co-op with a roster, as each honest member reads it."""
    found = []
    for name in members or [one for one in town.members if one not in town.hostile]:
        engine = town.world.nodes[name].engine
        assert engine is not None
        coops = [one.coop(engine._core.settings) for one in engine._core.contexts.values() if one.family == "coop"]
        rostered = [one for one in coops if one is not None and one.roster]
        found.append(max(rostered, key=lambda one: one.charter.header.created))
    return found


def until_balloting(town: Town) -> None:
    """Let time pass until ballots are open."""
    assert town.live(200_000, lambda: any(one["state"] == "balloting" for one in town.coops("m0")))


def boxed(town: Town, coop: Coop, base: str) -> list[Record]:
    """The records in a certified box, as the first honest member holds them."""
    name = next(one for one in town.members if one not in town.hostile)
    engine = town.world.nodes[name].engine
    assert engine is not None
    log = engine._core.contexts[coop.charter.scope].log
    value = next(one.value for key, one in coop.decided.items() if key.startswith(base))
    return [log.records[one] for one in manifest_ids(value)]


def test_forged_words_are_nobodys() -> None:
    """REC-6, REC-5, REC-13: forged, replayed from elsewhere, from the future, cut short: none is kept."""
    town, safety, _ = hostile(21, {"m5": ("forge",)})
    assert town.live(400_000, town.agreed)
    safety.check_views()
    assert any(peer == "m5" for node in safety.honest() for peer, _ in node.rejected)


def test_without_signatures_anybody_speaks_for_anybody() -> None:
    """The control of REC-6."""
    town, _, _ = hostile(22, {"m5": ("forge",)})
    town.world.verify = False
    with pytest.raises(Violation, match="nobody speaks for another"):
        town.live(400_000, town.agreed)


def test_each_forgery_alone() -> None:
    """REC-4, REC-5, REC-6 cost the link; REC-13 and GOS-3 do not, for an honest clock may be wrong."""
    town, _, _ = hostile(22, {"m5": ()})
    town.live(60_000, lambda: bool(town.coops("m0")))
    world, relay, liar = town.world, town.world.nodes["relay"], town.world.nodes["m5"]
    victim = next(one for one in relay.records.values() if one.author != liar.persona.key and one.kind == "intent.1")
    now, header = world.now, victim.header
    slot, until = header.slot, header.expires

    def sign(network: bytes, created: int, scope: str) -> bytes:
        body = {"noise": b"x"}
        return Record.sign(liar.persona, network, "noise.1", scope, body, created=created, expires=created + 60_000).raw

    bad = {
        "REC-6": forged(victim.author, "intent.1", victim.scope, victim.body, now, until, slot, ()),
        "REC-5": sign(ELSEWHERE, now, victim.scope),
        "ENC-8": victim.raw[:100],
    }
    for code, raw in bad.items():
        relay.rejected.clear()
        world.post("m5", "relay", RawReceived(raw, "m5"))
        world.run(200)
        assert relay.rejected == [("m5", code)]
        assert ("m5", "relay") not in world.links
        world.link("m5", "relay")
    relay.rejected.clear()
    for raw in (sign(NETWORK, now + 3_600_000, victim.scope), sign(NETWORK, now, "coop/" + "0" * 32)):
        world.post("m5", "relay", RawReceived(raw, "m5"))
    world.run(200)
    assert relay.rejected == []
    assert [one for one in relay.records.values() if one.kind == "noise.1"] == []


def test_two_ballots_and_two_pledges_never_count_twice() -> None:
    """DEC-14: whoever signs two things for one slot is counted once or not at all, and alike by everybody."""
    for seed in range(23, 27):
        town, safety, _ = hostile(seed, {"m4": ("double",)})
        assert town.live(400_000, town.agreed)
        town.live(20_000, lambda: False)
        safety.check_views()
        double = town.world.nodes["m4"].persona.key
        for coop in views(town):
            assert sum(1 for one in coop.demands if one.member == double) <= 1
            assert coop.tally is not None
            assert sum(coop.tally.pairwise[0]) <= len(coop.members)


def test_counted_twice_without_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of DEC-14: count what the box lists, and one member pledges twice."""

    def all_listed(log: Log, box: Any, value: bytes) -> list[Record]:
        return [one for one in map(log.records.__getitem__, manifest_ids(value)) if box.takes(one)]

    assert all_listed is not held_once
    monkeypatch.setattr("protocol.coop.coop.held_once", all_listed)
    twice = False
    for seed in range(23, 29):
        town, _, _ = hostile(seed, {"m4": ("double",)})
        until_balloting(town)
        double = town.world.nodes["m4"].persona.key
        twice = twice or any(sum(1 for one in coop.demands if one.member == double) > 1 for coop in views(town))
    assert twice


def late_vote(seed: int) -> bool:
    """Whether a ballot handed in by a slow clock, when the box had closed, is in the certified box."""
    town = Town(seed)
    late = town.world.nodes["m5"]
    town.open()
    vote = town.acts["vote"]

    def last_moment(name: str, need: dict[str, Any]) -> object:
        if name != "m5":
            return vote(name, need)
        late.skew_ms = -2_000
        return vote(name, need) if town.world.now > need["until"] + 300 else None

    town.acts["vote"] = last_moment
    until_balloting(town)
    assert town.live(300_000, town.settled)
    ballots = boxed(town, views(town)[0], "ballots/")
    assert any(one.author == late.persona.key for one in said(late, "ballot.1"))
    return any(one.author == late.persona.key for one in ballots)


def test_what_comes_late_is_out() -> None:
    """DEC-14, DEC-15: no witness signs a receipt after the closing, so no manifest can hold it."""
    assert not late_vote(31)


def test_without_receipts_the_late_get_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of DEC-14: no receipts wanted."""

    def enough(docket: Docket, name: str, record_id: bytes, council: Council) -> int:
        return len(council.witnesses)

    monkeypatch.setattr(Docket, "receipts", enough)
    assert late_vote(31)


def test_one_vote_each_whatever_is_clicked(monkeypatch: pytest.MonkeyPatch) -> None:
    """REC-14: a second ballot is refused at home; the control is a log that forgets the first."""

    def twice(town: Town) -> None:
        until_balloting(town)
        need = next(one for one in town.world.ask("m0", ask.AskNeeds()) if one["kind"] == "vote")
        keys = [one["key"] for one in need["candidates"]]
        town.world.ask("m0", ask.Vote(need["coop"], tuple((key,) for key in keys)))
        with pytest.raises(CommandError, match="REC-14"):
            town.world.ask("m0", ask.Vote(need["coop"], tuple((key,) for key in reversed(keys))))

    town, _, _ = hostile(32, {})
    town.acts["vote"] = lambda name, need: None
    twice(town)
    kept = Log.slot

    def forgetful(log: Log, kind: str, author: bytes, name: str) -> tuple[Record, ...]:
        return () if kind == "ballot.1" else kept(log, kind, author, name)

    monkeypatch.setattr(Log, "slot", forgetful)
    town, _, _ = hostile(32, {})
    town.acts["vote"] = lambda name, need: None
    with pytest.raises(Violation, match="nobody signs twice"):
        twice(town)


def test_commit_comes_before_speech() -> None:
    """DEC-6: whoever dies between speaking and committing signs again, and differently; who commits first does not."""

    def run(speak_first: bool) -> None:
        for seed in (33, 34):
            town, _, _ = hostile(seed, {})
            town.world.speak_first = speak_first
            for step in range(40):
                town.live(2_500, lambda: False)
                town.world.crash(f"m{step % 6}", "before commit", 800)

    run(False)
    with pytest.raises(Violation, match="nobody signs twice"):
        run(True)


@pytest.mark.parametrize(("does", "opened"), [("seal to some", 6), ("seal to few", 5), ("bend shares", 5)])
def test_a_voter_that_seals_wrongly_stops_nobody(does: str, opened: int) -> None:
    """ELE-61, ELE-63: with noise for one of four witnesses a ballot opens; with noise for two it is not listed, and
    dealt on no polynomial it is void; the others' count."""
    town, safety, _ = hostile(43, {"m5": (does,)})
    until_balloting(town)
    assert town.live(300_000, lambda: all(coop.tally is not None for coop in views(town)))
    safety.check_views()
    assert {len(coop.rankings) for coop in views(town)} == {opened}


OPENS = {"seal to some"}  # what such a supplier hands in is a quotation all the same


@pytest.mark.parametrize("does", SUPPLIERS_DO)
def test_a_supplier_that_seals_wrongly_stops_nobody(does: str) -> None:
    """NEG-45, NEG-48, NEG-49, NEG-63: whatever the cheapest hands in, the town comes to one award."""
    town, safety, _ = hostile(41, {"s0": (does,)})
    assert town.live(400_000, town.agreed)
    town.live(20_000, lambda: False)
    safety.check_views()
    won = town.coops("m0")[0]["supplier"] == town.world.nodes["s0"].persona.key
    assert won == (does in OPENS)


def test_who_seals_wrongly_is_shown_to_have_done_so() -> None:
    """NEG-65, NEG-66: once, by one of the room; everybody who asks is told, and nothing is shown of the others."""
    town, _, _ = hostile(41, {"s0": ("bend shares",)})
    assert town.live(400_000, town.agreed)
    town.live(20_000, lambda: False)
    bad, good = (town.world.nodes[name].persona.key for name in ("s0", "s1"))
    shown = [one for one in town.world.nodes["m0"].records.values() if one.kind == "default.1"]
    assert len(shown) == 1
    for name in town.members:
        (said,) = town.world.ask(name, ask.AskStanding(bad, "supplier"))["why"][-1:]
        assert said.startswith("proved: ")
        assert said.endswith("[IDN-18]")
        assert not [one for one in town.world.ask(name, ask.AskStanding(good, "supplier"))["why"] if "proved" in one]


@pytest.mark.parametrize("does", SUPPLIERS_DO)
def test_only_bad_suppliers(does: str) -> None:
    """NEG-41: with nobody else to buy from, the deal still ends."""
    town, safety, _ = hostile(43, {"s0": (does,), "s1": (does,)}, suppliers=2)
    assert town.live(400_000, town.settled)
    safety.check_views()


def joined(town: Town, name: str) -> bool:
    return bool(town.coops(name))


def with_a_witness(seed: int, does: str) -> tuple[Town, Safety]:
    """A town in which a member who turns out to be a witness does this; the seed is the first from `seed` on."""
    for one in range(seed, seed + 9):
        town, safety, _ = hostile(one, {"m5": (does,)})
        assert town.live(200_000, partial(joined, town, "m5"))
        if town.coops("m5")[0]["witness"]:
            return town, safety
    raise AssertionError("m5 is never a witness")


@pytest.mark.parametrize("does", WITNESSES_DO)
def test_a_witness_that_does_not_open_hides_nothing(does: str) -> None:
    """NEG-44, NEG-45: it says nothing, noise, or two things; the cheapest wins all the same, and all agree."""
    town, safety = with_a_witness(46, does)
    assert town.live(400_000, town.agreed)
    town.live(20_000, lambda: False)
    safety.check_views()
    assert town.coops("m0")[0]["supplier"] == town.world.nodes["s0"].persona.key


def test_witnesses_more_than_f_can_hide_a_quotation(monkeypatch: pytest.MonkeyPatch) -> None:
    """NEG-45, the control: were one share more needed than honest witnesses hold, a single silent one would do."""
    monkeypatch.setattr("protocol.deal.tender.threshold", lambda witnesses: witnesses)
    town, _ = with_a_witness(46, "hide reveal")
    assert town.live(400_000, town.settled)
    assert [one["state"] for one in town.coops("m0")] == ["void"]


def test_the_secret_passed_on_is_what_saves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """NEG-46, NEG-47: the room sealed to some, all come to one award; were it not passed on, they never would."""
    roles = {"m0": ("room for some",), "m1": ("room for some",)}
    town, safety, _ = hostile(41, roles)
    assert town.live(400_000, town.agreed)
    town.live(20_000, lambda: False)
    safety.check_views()
    assert said(town.world.nodes["m2"], "unopened.1")
    monkeypatch.setattr("protocol.engine.deal.opening._answer", lambda *anything: None)
    town, _, _ = hostile(41, roles)
    assert not town.live(400_000, town.settled)
    assert "revealed" in [one["state"] for name in town.members for one in town.coops(name)]


def test_a_flood_fills_its_own_bound_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """GOS-8: past the bound of an author and scope nothing is taken, and everybody else's work goes on."""
    bound = 60
    monkeypatch.setattr("protocol.record.log.AUTHOR_RECORDS_MAX", bound)
    town, _, _ = hostile(44, {"m5": ("flood",) * 12})
    assert town.live(400_000, town.agreed)
    most = 0
    flooder = town.world.nodes["m5"].persona.key
    for name in ("m0", "relay"):
        engine = town.world.nodes[name].engine
        assert engine is not None
        for context in engine._core.contexts.values():
            held = len(context.log.by(flooder, "noise.1"))
            most = max(most, held)
            assert held <= bound
    assert most == bound


def test_what_one_relay_withholds_comes_by_the_other() -> None:
    """GOS-4: two relays, one of them keeping back two fifths of everything for ever: nobody misses anything."""
    for relays, heard in ((("r0", "r1"), True), (("r1",), False)):
        town = Town(45, relays=relays)
        town.open()
        Adversaries(town.world, {"r1": ("withhold",)})
        town.live(150_000, town.agreed)
        town.live(20_000, lambda: False)
        assert (town.converged() == []) is heard
