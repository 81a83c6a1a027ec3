"""One witness of four who says whatever it likes, against honest engines: the others agree, and come to an agreement.

Each attack stands beside its control: the same without the rule that is there for it. tests/sim/rogue.py says how to
write one more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocol.coop.ballot import boxes_of, cast
from protocol.coop.box import contents, manifest, manifest_ids
from protocol.coop.coop import slot_name
from protocol.coop.decision import NIL, Docket, value_hash
from protocol.coop.mandate import is_certified
from protocol.encoding import encode
from protocol.engine.network.door import Door
from protocol.identity import Persona
from protocol.params import ONCE_HELD_MAX
from protocol.record.record import Record, Slot
from tests.sim.rogue import Rogue, seat
from tests.stages import entropy

DAY_MS = 86_400_000


def ballot(rogue: Rogue, number: int = 0, **other: Any) -> Record:
    """A ballot of the adversary for everybody who stands; different numbers are different ballots."""
    coop = rogue.coop(rogue.honest[0])
    ranking = (tuple(one.author for one in coop.candidates),)
    boxes = boxes_of(rogue.log(rogue.honest[0]), coop.council)
    facts: dict[str, Any] = {"created": rogue.world.now - number} | other
    slot = Slot("once", slot_name("ballot", coop.roster), 0)
    body = cast(coop.roster, rogue.key, ranking, len(ranking[0]), boxes, entropy("ballot"))
    return rogue.sign("ballot.1", body, slot, **facts)


def boxed(rogue: Rogue) -> list[bytes]:
    """The authors in the certified box of ballots, as every honest member reads it."""
    found = []
    for name in rogue.members:
        value = next(one.value for key, one in rogue.coop(name).decided.items() if key.startswith("ballots/"))
        found.append([rogue.log(name).records[one].author for one in manifest_ids(value)])
    assert all(one == found[0] for one in found)
    return found[0]


def everybody_s(rogue: Rogue) -> bytes:
    """The manifest that lists whatever the first honest witness may list."""
    name = rogue.honest[0]
    return manifest(contents(rogue.log(name), rogue.docket(name), rogue.asked("ballots"), rogue.council))


def until_due(rogue: Rogue) -> str:
    """Wait until ballots are to be decided; the name of the question."""
    due = rogue.asked("ballots").due
    assert rogue.until(lambda: rogue.world.now >= due)
    return rogue.question("ballots")


# The certificate that one honest witness sees and no other


def one_sees_it(fill: Callable[[Rogue, str], list[Record]]) -> Rogue:
    """One honest witness is shown what makes an answer, and is silent then; elsewhere no room is left for it."""
    rogue = seat(7, leads="ballots")
    name, (one, two, away) = until_due(rogue), rogue.honest
    value = everybody_s(rogue)
    hashed = value_hash(value)
    offer, prevote = rogue.propose(name, 0, value), rogue.vote(name, 0, "prevote", hashed)
    rogue.tell("relay", *fill(rogue, name))
    assert rogue.tell(one, prevote, rogue.vote(name, 0, "precommit", hashed)) == ["", ""]
    assert rogue.tell(two, prevote) == [""]
    rogue.world.cut = lambda sender, receiver: away in (sender, receiver)
    rogue.tell(one, offer)
    rogue.tell(two, offer)
    rogue.wait(8_500)
    rogue.world.cut = lambda sender, receiver: False
    return rogue


def in_the_slots(rogue: Rogue, name: str) -> list[Record]:
    """As many votes for nothing as a slot holds."""
    return [one for step in ("precommit", "prevote") for one in rogue.junk(name, 0, step, ONCE_HELD_MAX)]


def whatever_there_is(rogue: Rogue, name: str) -> list[Record]:
    """As many votes as an author may have, on questions that nobody asks."""
    return [rogue.vote(f"question-{number}", 0, "prevote", NIL) for number in range(60)]


@pytest.mark.parametrize("fill", [in_the_slots, whatever_there_is])
def test_what_one_has_seen_reaches_all(monkeypatch: pytest.MonkeyPatch, fill: Callable[..., list[Record]]) -> None:
    """DEC-6, GOS-8: a vote with others behind it finds room at everybody's, carriers included. The control: it does
    not, one has its answer, and the others wait for ever.
    """
    monkeypatch.setattr("protocol.record.log.AUTHOR_RECORDS_MAX", 60)
    monkeypatch.setattr("protocol.network.shelf.AUTHOR_RECORDS_MAX", 60)
    assert one_sees_it(fill).decides()
    monkeypatch.setattr(Docket, "backed", lambda *anything: False)
    monkeypatch.setattr(Door, "needs", lambda *anything: False)
    monkeypatch.setattr("protocol.engine.tending._pass_on", lambda *anything: None)  # ROO-14
    rogue = one_sees_it(fill)
    rogue.wait(100_000)
    assert len({rogue.coop(name).state for name in rogue.honest}) == 2


def witnesses_have_it() -> Rogue:
    """A ballot reaches the witnesses; everybody else has no room left for its author."""
    rogue = seat(7)
    noise, one = whatever_there_is(rogue, ""), ballot(rogue)
    for name in rogue.honest:
        assert rogue.tell(name, one) == [""]
    for name in ("relay", *rogue.members):
        if name not in rogue.honest:
            assert rogue.tell(name, *noise)[-1] == "GOS-8"
    return rogue


def test_a_listed_ballot_reaches_who_has_no_room_for_its_author(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEC-19, GOS-8, GOS-42: all come to have it. The control: the others wait for it for ever."""
    monkeypatch.setattr("protocol.record.log.AUTHOR_RECORDS_MAX", 40)
    monkeypatch.setattr("protocol.network.shelf.AUTHOR_RECORDS_MAX", 40)
    rogue = witnesses_have_it()
    assert rogue.decides()
    assert rogue.key in boxed(rogue)
    monkeypatch.setattr("protocol.engine.coop.room.needed", lambda *anything: False)
    monkeypatch.setattr("protocol.engine.tending._pass_on", lambda *anything: None)  # ROO-14
    rogue = witnesses_have_it()
    rogue.wait(100_000)
    assert len({rogue.coop(name).state for name in rogue.members}) > 1


# Silence and receipts


def test_a_witness_that_says_nothing() -> None:
    """DEC-1: nothing stops. The control: two of four, and nothing goes on."""
    rogue = seat(3)
    other = next(name for name in reversed(rogue.honest) if name not in rogue.town.standing)
    assert rogue.agrees()
    rogue = seat(3)
    rogue.town.silent[other] = None
    rogue.world.crash(other)
    rogue.wait(200_000)
    assert not any(rogue.agreed(name) for name in rogue.members if name != other)


def test_receipts_for_what_there_is_not_and_for_what_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEC-14, DEC-15: one witness's receipts let nothing in, however many they are; the control: one is enough."""

    def late(rogue: Rogue) -> bool:
        name = rogue.question("ballots")
        ids = [value_hash(b"nothing %d" % number) for number in range(64 * 20)]
        rogue.tell_all(*(rogue.receipt(name, ids[at : at + 64]) for at in range(0, len(ids), 64)))
        closes = rogue.asked("ballots").closes
        assert rogue.until(lambda: rogue.world.now > closes)
        one = ballot(rogue, created=closes - 1_000)  # backdated
        rogue.tell_all(one, rogue.receipt(name, [one.id], created=closes - 500))
        assert rogue.decides()
        return rogue.key in boxed(rogue)

    assert not late(seat(5))
    monkeypatch.setattr("protocol.coop.box.Box.receipts_needed", lambda *anything: 1)
    assert late(seat(5))


def test_a_stuffed_box() -> None:
    """DEC-14, REC-14: sixty ballots of one, others for each; no node holds many, none of them counts, all are equal."""
    rogue = seat(6)
    for number in range(60):
        rogue.tell((*rogue.members, "relay")[number % 6], ballot(rogue, number))
    assert rogue.agrees()
    assert boxed(rogue).count(rogue.key) in (0, 2)
    assert all(len(rogue.log(name).by(rogue.key, "ballot.1")) <= ONCE_HELD_MAX + 2 for name in rogue.members)


# Proposals


def omitting(rogue: Rogue) -> bool:
    """Whether the first ballot, which every honest witness vouched for, is left out as the adversary proposes."""
    name = until_due(rogue)
    ids = manifest_ids(everybody_s(rogue))
    rogue.tell_all(rogue.propose(name, 0, manifest(ids[1:])))
    assert rogue.decides()
    return rogue.log("m0").records[ids[0]].author not in boxed(rogue)


def test_a_proposer_that_leaves_somebody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEC-17: it is not followed; the control: nobody has a duty."""
    assert not omitting(seat(7, leads="ballots"))
    monkeypatch.setattr("protocol.engine.coop.witness._duty", lambda *anything: ())
    assert omitting(seat(7, leads="ballots"))


_ONE, _TWO = bytes(32), b"\1" * 32
ODD_VALUES: dict[str, bytes] = {
    "noise": b"\xc1" * 40,
    "huge": b"\0" * 48_400,
    "twice the same": encode({"ids": [_ONE, _ONE]}),
    "descending": encode({"ids": [_TWO, _ONE]}),
    "unknown": manifest([_ONE, _TWO]),
    "as many as can be": manifest([number.to_bytes(32, "big") for number in range(1200)]),
    "more than can be": encode({"ids": [number.to_bytes(32, "big") for number in range(1201)]}),
}


def test_what_is_no_manifest_is_nobody_s_answer() -> None:
    """DEC-12, DEC-18: a round for each value, and several in one round; the ballots are counted all the same."""
    rogue = seat(7, leads="ballots")
    name = until_due(rogue)
    for at, value in enumerate(ODD_VALUES.values()):
        for number in (0, 4 * at):
            rogue.tell_all(rogue.propose(name, number, value), rogue.vote(name, number, "precommit", value_hash(value)))
        rogue.tell_all(rogue.propose(name, 0, value, valid_round=at - 1))
    assert rogue.decides()
    assert len(boxed(rogue)) == len(rogue.members)


def test_two_proposals_for_two_sides() -> None:
    """DEC-5, DEC-10: each with the votes of its proposer behind it; never two answers, and one in the end."""
    rogue = seat(7, leads="ballots")
    name, value = until_due(rogue), everybody_s(rogue)
    for at, one in enumerate(rogue.honest):
        mine = value if at % 2 else manifest(manifest_ids(value)[:-1])
        votes = [rogue.vote(name, 0, step, value_hash(mine)) for step in ("prevote", "precommit")]
        rogue.tell(one, rogue.propose(name, 0, mine), *votes)
    assert rogue.decides()
    assert len(boxed(rogue)) == len(rogue.members)


# Words that belong elsewhere


def test_votes_on_what_nobody_asks_lead_nowhere() -> None:
    """DEC-2, DEC-7: questions that do not exist, rounds that nobody is in, slots of other questions, terms to come."""
    rogue = seat(8)
    name = rogue.question("ballots")
    elsewhere = [rogue.vote(f"ballots/{number:016x}", number, "precommit", NIL) for number in range(60)]
    ahead = [rogue.vote(name, number, "prevote", NIL) for number in range(100, 160)]
    terms = [rogue.propose(f"mandate/{number}", 0, b"me") for number in range(1, 30)]
    body = {"question": name, "round": 0, "step": "precommit", "value": value_hash(b"mine")}
    strange = [rogue.sign("vote.1", body, Slot("once", f"other/{number}", 0)) for number in range(20)]
    rogue.tell_all(*elsewhere, *ahead, *terms, *strange)
    assert rogue.agrees()
    assert len(boxed(rogue)) == len(rogue.members)
    assert rogue.coop("m0").term == 1


def test_replayed_from_elsewhere() -> None:
    """REC-5, GOS-3, FRM-24, REC-13: another co-op's, another network's, of a stranger, from the future."""
    rogue = seat(9)
    name, now = rogue.question("ballots"), rogue.world.now
    fresh = rogue.vote(name, 0, "prevote", NIL)
    mine, stranger = rogue.persona, Persona.from_seed(b"s" * 32)
    there, end, slot, refs = fresh.header.network, now + DAY_MS, fresh.header.slot, fresh.header.refs

    def again(who: Persona, network: bytes) -> Record:
        return Record.sign(
            who, network, "vote.1", rogue.scope, fresh.body, created=now, expires=end, slot=slot, refs=refs
        )

    said = [
        again(mine, b"n" * 32),
        rogue.vote(name, 0, "prevote", NIL, scope="coop/" + "0" * 32, refs=()),
        again(stranger, there),
        rogue.vote(name, 0, "prevote", NIL, created=now + 3_600_000),
    ]
    assert rogue.tell("m0", *said) == ["REC-5", "GOS-3", "FRM-24", "REC-13"]
    assert rogue.decides()


def test_stamps_of_long_ago_and_of_soon_move_no_deadline() -> None:
    """DEC-10: the stamp in the middle lies between honest ones, whenever the adversary says that it voted."""
    for off_ms in (-300 * DAY_MS, 9 * 60_000):
        rogue = seat(7, leads="ballots")
        name, value = until_due(rogue), everybody_s(rogue)
        began = rogue.world.now
        stamp = began + off_ms
        votes = [rogue.vote(name, 0, step, value_hash(value), created=stamp) for step in ("prevote", "precommit")]
        rogue.tell_all(rogue.propose(name, 0, value, created=stamp), *votes)
        assert rogue.decides()
        for one in rogue.members:
            assert began <= rogue.coop(one).decided[name].when <= began + 20_000


def test_one_signer_thrice_is_one() -> None:
    """DEC-1: in a certificate that is shown to somebody who was not there, too."""
    rogue = seat(7)
    assert rogue.decides("mandate")
    coop = rogue.coop("m0")
    mandate, name = coop.mandate, f"mandate/{coop.term}"
    assert mandate is not None
    hashed, witnesses, network = value_hash(mandate.to_bytes()), coop.council.witnesses, coop.charter.header.network
    mine = [rogue.vote(name, 0, "precommit", hashed, created=rogue.world.now - at).raw for at in range(4)]
    cast = [one.raw for one in rogue.log("m0").of_kind("vote.1") if one.body["value"] == hashed]
    assert is_certified(mandate, witnesses, cast, network)
    assert not is_certified(mandate, witnesses, mine, network)
