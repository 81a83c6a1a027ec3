"""Who can read a ballot and when, what the witnesses' releases make of it, and every lie on the way (07-election,
ELE-21 and ELE-60 to ELE-66; 06-decision, DEC-20)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.coop.ballot import (
    boxes_of,
    cast,
    content_bytes,
    is_ballot,
    lay_open,
    open_one,
    own_share,
    released,
    shares_in,
)
from protocol.coop.box import Box, contents, fresh_manifest, held_once, judge_manifest, manifest, owed_receipts
from protocol.coop.coop import Coop, question_name, read_coop, slot_name
from protocol.coop.decision import Council
from protocol.coop.election import Ranking, schulze
from protocol.deal.bundle import make, verify
from protocol.deal.holding import Step
from protocol.encoding import encode
from protocol.engine.context import Context
from protocol.engine.coop.counting import vouched
from protocol.engine.coop.floor import find_question
from protocol.errors import Reject
from protocol.identity import Persona, box_key, seal
from protocol.params import MEMBERS_MAX, RANKED_MAX, RECORD_BYTES_MAX, WITNESSES_MAX
from protocol.record.record import Record, Slot
from protocol.sealing import CIPHER_MORE_BYTES, Sealed, Void, combine, open_share, seal_to, share_hash
from tests.deals import LIFE_MS, NETWORK, START_MS, TEMPLATE, Handmade, Stuck, persona
from tests.stages import Desk, at, entropy

TEMPLATES = {TEMPLATE.hash: TEMPLATE}


@cache
def made() -> Handmade:
    return Handmade(members=5, witnesses=4)


def ballots(of: Handmade) -> list[Record]:
    return list(of.coop().ballots)


def releases(of: Handmade) -> list[Record]:
    return [one for one in of.records if one.kind == "count.1"]


def seeds(of: Handmade) -> list[bytes]:
    return [one.box_seed(of.hash) for one in of.witnesses]


def running(coop: Coop) -> tuple[bytes, ...]:
    return tuple(one.author for one in coop.candidates)


def codes(of: Handmade) -> list[str]:
    """Of each ballot that counts the clause it is void by, "" where it opened."""
    return [one.code if isinstance(one, Void) else "" for one in of.coop().openings.values()]


# Who can read what


def test_nobody_reads_a_ballot_before_its_box_is_closed() -> None:
    """ELE-60: all public records and the secrets of f witnesses open none; f + 1 are what is trusted, and open all."""
    of, council = made(), made().coop().council
    assert council.faults == 1
    for ballot in ballots(of):
        sealed, context = Sealed.of(ballot.body), of.coop().roster + ballot.author
        shares = {place: own_share(ballot, place, seed) for place, seed in enumerate(seeds(of))}
        for place, share in shares.items():
            with pytest.raises(Reject, match="IDN-17"):
                combine(sealed, 2, {place: share}, context)
            others = {other: share for other in shares if other != place}  # noise in the others' places
            with pytest.raises(Reject, match="IDN-17"):
                combine(sealed, 2, others, context)
        opened = [open_one(ballot, list(two), council) for two in combinations(shares.items(), 2)]
        assert opened == [of.coop().rankings[ballot.id]] * 6  # the control


def test_no_witness_opens_the_share_of_another() -> None:
    """ELE-60, IDN-8"""
    for ballot in ballots(made()):
        for place, other in ((place, other) for place in range(4) for other in range(4) if place != other):
            with pytest.raises(Reject):
                own_share(ballot, place, seeds(made())[other])


RANKINGS = st.permutations(range(6)).flatmap(
    lambda order: st.lists(st.integers(1, 3), max_size=6).map(lambda sizes: (order, sizes))
)


@given(RANKINGS)
def test_what_is_sealed_is_read_again_and_its_length_tells_nothing(drawn: tuple[list[int], list[int]]) -> None:
    """ELE-60: any ranking of those who stand, in tiers of any size, an empty one too."""
    order, sizes = drawn
    keys = [bytes([number]) * 32 for number in order]
    ranking: list[tuple[bytes, ...]] = []
    for size in sizes:
        tier, keys = tuple(sorted(keys[:size])), keys[size:]
        ranking += [tier] if tier else []
    body, council, shares = sealed_to(4, tuple(ranking), 6)
    assert len(body["cipher"]) == content_bytes(6) + CIPHER_MORE_BYTES
    assert open_one(as_record(body), shares, council) == tuple(ranking)


def sealed_to(
    witnesses: int, ranking: Ranking[bytes], candidates: int
) -> tuple[dict[str, Any], Council, list[tuple[int, bytes]]]:
    """A ballot of m0 for as many witnesses, and all their shares."""
    keys = [bytes([number + 1]) * 32 for number in range(witnesses)]
    body = cast(bytes(32), persona("m0").key, ranking, candidates, list(map(box_key, keys)), entropy("ballot"))
    record = as_record(body)
    return body, Council(tuple(keys), b""), [(place, own_share(record, place, key)) for place, key in enumerate(keys)]


def as_record(body: dict[str, Any], who: Persona | None = None, slot: str = "ballot") -> Record:
    where, scope = Slot("once", slot, 0), "coop/" + "0" * 32
    return Record.sign(
        who or persona("m0"), NETWORK, "ballot.1", scope, body, created=START_MS, expires=START_MS + LIFE_MS, slot=where
    )


def test_the_largest_election_fits() -> None:
    """ELE-60, REC-4: 64 of 500 named, 16 witnesses; what a witness releases of 500 ballots is a record."""
    ranking = tuple((number.to_bytes(32, "big"),) for number in range(RANKED_MAX))
    body, council, shares = sealed_to(WITNESSES_MAX, ranking, MEMBERS_MAX)
    assert open_one(as_record(body), shares[:6], council) == ranking
    pairs = [[number.to_bytes(32, "big"), bytes(32)] for number in range(MEMBERS_MAX)]
    said = {"roster": bytes(32), "manifest": bytes(32), "shares": pairs}
    where, scope = Slot("once", "count", 0), "coop/" + "0" * 32
    release = Record.sign(persona("m0"), NETWORK, "count.1", scope, said, created=1, expires=2, slot=where)
    assert len(release.raw) < RECORD_BYTES_MAX * 2 // 3  # room for an envelope
    tied = (tuple(sorted(one for (one,) in ranking)),)
    body, council, shares = sealed_to(1, tied, RANKED_MAX)
    assert open_one(as_record(body), shares, council) == tied


# Voters who lie


def garbled(*places: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Shares that the witnesses at these places cannot open."""

    def change(body: dict[str, Any]) -> dict[str, Any]:
        shares = [[bytes(80) if place in places else one, hashed] for place, (one, hashed) in enumerate(body["shares"])]
        return body | {"shares": shares}

    return change


@pytest.mark.parametrize("kind", ["copied", "another roster"])
def test_a_ballot_is_bound_to_its_voter_and_roster(kind: str) -> None:
    """ELE-60: what somebody else sealed, or for another roster, is a good share for no witness and opens for nobody."""
    of, coop = made(), made().coop()
    first = ballots(of)[0]
    thief = next(one for one in of.members if one.key != first.author)
    who = thief if kind == "copied" else next(one for one in of.members if one.key == first.author)
    body = dict(first.body) if kind == "copied" else dict(first.body) | {"roster": bytes(32)}
    copied = as_record(body, who)
    for place, seed in enumerate(seeds(of)):
        assert own_share(first, place, seed)  # the control
        with pytest.raises(Reject, match="IDN-16"):
            own_share(copied, place, seed)
    shares = shares_in(releases(of), coop.council)[first.id]
    assert open_one(first, shares, coop.council) == coop.rankings[first.id]
    assert isinstance(open_one(copied, shares, coop.council), Void)


@pytest.mark.parametrize(("places", "listed"), [((), 5), ((0,), 5), ((0, 1), 4), ((0, 1, 2, 3), 4)])
def test_a_ballot_needs_good_shares_for_more_than_2f_witnesses(places: tuple[int, ...], listed: int) -> None:
    """ELE-61, DEC-14: a witness vouches only for a ballot with a good share for itself; with too few it is left out."""
    liar = persona("m4").key

    class Vouching(Handmade):
        """Witnesses as honest nodes are: no receipt without a good share."""

        def lists(self, box: Box, record: Record) -> bool:
            if record.kind != "ballot.1":
                return super().lists(box, record)
            context, coop = Context(self.scope, self._held(self.scope)[0]), self.coop()
            good = sum(vouched(context, coop, record, one) for one in self.witnesses)
            return super().lists(box, record) and good > 2 * coop.council.faults

        def ballot(self, who: Persona, ranking: Any) -> dict[str, Any]:
            body = super().ballot(who, ranking)
            return garbled(*places)(body) if who.key == liar else body

    of = Vouching(members=5, witnesses=4)
    assert (len(of.coop().ballots), len(of.coop().rankings)) == (listed, listed)
    assert of.coop().state == "dealing"


def crooked(body: dict[str, Any]) -> dict[str, Any]:
    """Every share opens and is the one that was promised, and the last lies on no polynomial with the others."""
    roster, who = body["roster"], persona("m4").key
    wrong = bytes(range(32))
    box = box_key(made().witnesses[3].box_seed(made().hash))
    pair = [seal(wrong, box, entropy("crooked")), share_hash(wrong, 3, roster + who)]
    return body | {"shares": [*body["shares"][:3], pair]}


def test_a_voter_who_deals_wrongly_votes_for_nobody_and_harms_nobody() -> None:
    """ELE-63, IDN-18: the same for all, whichever releases are certified; the other ballots count."""

    class Crooked(Handmade):
        def ballot(self, who: Persona, ranking: Any) -> dict[str, Any]:
            body = super().ballot(who, ranking)
            return crooked(body) if who.key == persona("m4").key else body

    of = Crooked(members=5, witnesses=4)
    mine = next(one for one in ballots(of) if one.author == persona("m4").key)
    assert all(own_share(mine, place, seed) for place, seed in enumerate(seeds(of)))
    assert sorted(codes(of)) == ["", "", "", "", "IDN-18"]
    assert mine.id not in of.coop().rankings
    council, who = of.coop().council, running(of.coop())
    for some in combinations(releases(of), 3):
        assert lay_open(of.coop().ballots, some, council, who) == of.coop().openings
    assert of.coop().state == "dealing"


# Witnesses who lie


def tallies(of: Handmade, change: Callable[[Record], Record | None], liar: int = 0) -> list[Any]:
    """The tally by each three releases that the box may list, those of one witness changed."""
    coop = of.coop()
    said = [change(one) if one.author == of.witnesses[liar].key else one for one in releases(of)]
    found = []
    for some in combinations([one for one in said if one is not None], coop.council.quorum):
        openings = lay_open(coop.ballots, some, coop.council, running(coop))
        rankings = [(1, one) for one in openings.values() if not isinstance(one, Void)]
        found.append(schulze(rankings, running(coop)) if rankings else None)
    return found


def with_shares(release: Record, shares: list[list[bytes]]) -> Record:
    """What the same witness might have signed instead."""
    who = next(one for one in made().witnesses if one.key == release.author)
    body = {**release.body, "shares": shares}
    made_at, ends, slot = release.header.created, release.header.expires, release.header.slot
    return Record.sign(who, NETWORK, release.kind, release.scope, body, created=made_at, expires=ends, slot=slot)


LIES: list[tuple[str, Callable[[Record], Record | None]]] = [
    ("the truth", lambda one: one),
    ("nothing", lambda one: None),
    ("no shares", lambda one: with_shares(one, [])),
    ("noise", lambda one: with_shares(one, [[key, bytes(32)] for key, _ in one.body["shares"]])),
    (
        "one ballot's share for all",
        lambda one: with_shares(one, [[key, one.body["shares"][0][1]] for key, _ in one.body["shares"]]),
    ),
    ("all but one", lambda one: with_shares(one, one.body["shares"][1:])),
]


@pytest.mark.parametrize("change", [one[1] for one in LIES], ids=[one[0] for one in LIES])
@pytest.mark.parametrize("liar", range(4))
def test_up_to_f_witnesses_change_nothing_by_what_they_release(
    change: Callable[[Record], Record | None], liar: int
) -> None:
    """ELE-62, ELE-63: any Q releases hold those of f + 1 honest witnesses, which open every honest ballot."""
    found = tallies(made(), change, liar)
    assert found == [made().coop().tally] * len(found)


def test_more_than_f_liars_could_undo_an_election() -> None:
    """ELE-63: the control of what is above; with two of three releases empty no ballot opens."""
    of, coop = made(), made().coop()
    empty = [with_shares(one, []) for one in releases(of)[:2]]
    openings = lay_open(coop.ballots, [*empty, releases(of)[2]], coop.council, running(coop))
    assert {one.code for one in openings.values() if isinstance(one, Void)} == {"IDN-17"}


BAD_RELEASES: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = [
    ("another roster", lambda body: body | {"roster": bytes(32)}),
    ("another list", lambda body: body | {"manifest": bytes(32)}),
    ("a ballot that is not there", lambda body: body | {"shares": [[bytes(32), bytes(32)]]}),
    ("one ballot twice", lambda body: body | {"shares": body["shares"][:1] * 2}),
    ("descending", lambda body: body | {"shares": body["shares"][::-1]}),
]


class Counting:
    """The box of releases while it is open: nobody has released anything yet."""

    def __init__(self) -> None:
        self.of = Handmade({"count.1": _stop}, members=5, witnesses=4)
        self.of.twists = {}
        self.log, self.docket = self.of.logs[self.of.scope]
        self.coop = self.of.coop()
        found = find_question(self.coop.open, "counts")
        assert found is not None
        assert found.box is not None
        self.question, self.box = found, found.box

    def release(self, place: int, **more: Any) -> Record:
        """What the witness at a place says."""
        slot = slot_name("count", self.coop.roster)
        return self.of.say(self.of.witnesses[place], "count.1", self.of.scope, self.of.count(place) | more, slot)

    def receipts(self, *of: Record, count: int = 2) -> None:
        for witness in self.of.witnesses[:count]:
            body = {"question": self.question.name, "ids": sorted(one.id for one in of)}
            self.of.say(witness, "receipt.1", self.of.scope, body)

    def judge(self, *of: Record) -> bool | None:
        value = manifest([one.id for one in of])
        return judge_manifest(self.log, self.docket, self.question, self.coop.council, value, ())


def _stop(body: dict[str, Any]) -> dict[str, Any]:
    raise Stuck


@pytest.mark.parametrize("change", [one[1] for one in BAD_RELEASES], ids=[one[0] for one in BAD_RELEASES])
def test_what_is_no_release(change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """ELE-62"""
    box = Counting()
    good = box.release(0)
    assert box.box.takes(good)
    assert not box.box.takes(good._replace(body=change(dict(good.body))))
    assert not box.box.takes(good._replace(author=box.of.members[4].key))


def test_no_box_of_releases_is_good_with_fewer_than_a_quorum() -> None:
    """DEC-20: neither empty nor with two of four can it be certified; a witness that says two things is no third."""
    box = Counting()
    one, two = box.release(0), box.release(1)
    box.receipts(one, two)
    assert box.judge() is False
    assert box.judge(one, two) is False
    assert fresh_manifest(box.log, box.docket, box.question, box.coop.council, box.question.due + 1) is None
    twice = box.release(1, shares=[])
    box.receipts(twice)
    assert box.judge(one, two, twice) is False
    three = box.release(2)
    box.receipts(three)
    assert box.judge(one, twice, three, two) is False
    assert box.judge(one, two, three) is True  # the control, and with an author twice beside them:
    four = box.release(3)
    box.receipts(four)
    assert box.judge(one, two, twice, three, four) is True
    listed = manifest([one.id, two.id, twice.id, three.id, four.id])
    assert len(held_once(box.log, box.box, listed)) == 3
    assert fresh_manifest(box.log, box.docket, box.question, box.coop.council, box.question.due + 1) == listed


def test_releases_are_vouched_for_until_there_are_enough() -> None:
    """DEC-15, DEC-20: a partition longer than the window delays an election and does not undo it."""
    box = Counting()
    witness, late = box.coop.council.witnesses[0], box.question.due + LIFE_MS
    said = [box.release(place) for place in range(3)]
    owed = partial(owed_receipts, box.log, box.docket, box.question, box.coop.council, witness)
    assert owed(late) == sorted(one.id for one in said)
    box.receipts(*said)
    assert contents(box.log, box.docket, box.question, box.coop.council) == sorted(one.id for one in said)
    fourth = box.release(3)
    assert owed(late) == []  # there are enough
    assert owed(box.question.closes) == [fourth.id]


# A bundle


def bundled(of: Handmade) -> bytes:
    return make(NETWORK, TEMPLATE, of.records, of.room)


def swapped(said: dict[str, Any]) -> dict[str, Any]:
    """A release with the shares of its first two ballots for each other."""
    (one, first), (other, second), *rest = said["shares"]
    return said | {"shares": [[one, second], [other, first], *rest]}


@pytest.mark.parametrize(("liars", "opened"), [(0, 4), (1, 4), (2, 4), (3, 2), (4, 2)])
def test_shares_that_are_swapped(liars: int, opened: int) -> None:
    """BUN-14, ELE-63: while two of four witnesses release what is right, every ballot opens; what does not is named."""

    class Swapping(Handmade):
        def count(self, place: int) -> dict[str, Any]:
            return swapped(super().count(place)) if place < liars else super().count(place)

    steps: list[Step] = []
    found = verify(bundled(Swapping(members=4, witnesses=4)), steps.append)
    assert len(found.ballots) == opened
    (said,) = (step.sentence for step in steps if step.name == "ballots")
    assert said.startswith(f"{opened} of 4 ballots open")
    assert said.count("[IDN-17]") == 4 - opened


# A node


def read(desk: Desk, kind: str) -> list[Record]:
    """What a node reads of a kind in the co-op."""
    return sorted(desk.engine._core.contexts[made().scope].log.of_kind(kind), key=lambda one: one.id)


def test_a_node_keeps_what_it_voted_and_shows_what_became_of_it() -> None:
    """ELE-66: its own ranking at once, though nobody can read the ballot; afterwards how many opened."""
    member = made().members[1]
    desk = at(made(), "balloting", member)
    coop = made().hash[:16]
    first, second = running(made().coop())
    before = len(read(desk, "ballot.1"))
    desk.ask(ask.Vote(coop, ((second,), (first,))))
    assert len(read(desk, "ballot.1")) == before + 1
    shown = desk.ask(ask.AskCoop(coop))
    assert shown["own_ballot"] == [[second], [first]]
    assert "opened" not in shown
    again = Desk(member, desk.records.values(), desk.facts, now=desk.now)
    assert again.ask(ask.AskCoop(coop))["own_ballot"] == [[second], [first]]
    whole = Desk(made().members[2], made().records, now=made().now)
    shown = whole.ask(ask.AskCoop(coop))
    assert (shown["opened"], shown["void_ballots"]) == (5, [])


def test_a_witness_releases_once_the_box_is_certified_and_not_before() -> None:
    """ELE-62: by itself, every good share, once; after a restart nothing more."""
    witness = made().witnesses[0]
    early = at(made(), "balloting", witness)
    early.tick(1_000)
    assert [one for one in read(early, "count.1") if one.author == witness.key] == []
    desk = at(made(), "counting", witness)
    mine = [one for one in read(desk, "count.1") if one.author == witness.key]
    assert len(mine) == 1
    coop = read_coop(*made().logs[made().scope], NETWORK, TEMPLATES)
    assert coop is not None
    place = made().witnesses.index(witness)
    assert mine[0].body["shares"] == released(coop.ballots, place, witness.box_seed(made().hash))
    assert mine[0].body["manifest"] == coop.decided[question_name("ballots", coop.roster)].value_hash
    again = Desk(witness, desk.records.values(), desk.facts, now=desk.now)
    again.tick(1_000)
    assert len([one for one in read(again, "count.1") if one.author == witness.key]) == 1


def test_a_witness_that_accepted_twice_has_one_box_for_all_voters() -> None:
    """ELE-60: the acceptance of least id; whoever cannot open its share is one of the f."""
    of = Handmade(members=5, witnesses=4)
    log, council = of.logs[of.scope][0], of.coop().council
    first = boxes_of(log, council)
    other = of.say(of.witnesses[0], "accept.1", of.scope, {"charter": of.hash, "box": b"\7" * 32}, "accept")
    least = min(log.slot("accept.1", of.witnesses[0].key, "accept"), key=lambda one: one.id)
    assert boxes_of(log, council) == [least.body["box"], *first[1:]]
    of.say(of.witnesses[1], "accept.1", of.scope, {"charter": bytes(32), "box": b"\7" * 32}, "accept")
    assert boxes_of(log, council)[1] == first[1]
    assert other.id in log.records


@pytest.mark.parametrize(
    "change",
    [{"roster": bytes(32)}, {"cipher": bytes(90)}, {"cipher": bytes(92)}, {"shares": [[bytes(80), bytes(32)]] * 3}],
    ids=["another roster", "shorter", "longer", "fewer shares"],
)
def test_what_is_no_ballot(change: dict[str, Any]) -> None:
    """ELE-21: as long as every other, for every witness, of this roster."""
    coop, one = made().coop(), ballots(made())[0]
    assert is_ballot(coop.roster, 2, coop.council, one)
    assert not is_ballot(coop.roster, 2, coop.council, one._replace(body={**one.body, **change}))


# Vectors

VOTER = persona("m0")
STANDING = tuple(sorted(persona(name).key for name in ("m0", "m1", "m2")))
KEEPERS = [bytes([number + 1]) * 32 for number in range(4)]
ORDERED = tuple((key,) for key in STANDING)


def _vector(name: str, clause: str, ballot: Record, shares: list[tuple[int, bytes]]) -> dict[str, Any]:
    """What these shares make of a ballot for four witnesses, where three candidates stand."""
    council = Council(tuple(map(box_key, KEEPERS)), b"")
    given_ = {
        "roster": ballot.body["roster"].hex(),
        "voter": ballot.author.hex(),
        "candidates": [key.hex() for key in STANDING],
        "cipher": ballot.body["cipher"].hex(),
        "hashes": [hashed.hex() for _, hashed in ballot.body["shares"]],
        "shares": [[place, share.hex()] for place, share in shares],
    }
    case: dict[str, Any] = {"name": name, "clause": clause, "input": given_}
    said = [
        ballot._replace(id=share, author=council.witnesses[place], body={"shares": [[ballot.id, share]]})
        for place, share in shares
    ]
    found = lay_open([ballot], said, council, STANDING)[ballot.id]
    if isinstance(found, Void):
        assert found.code == clause, name
        return case | {"reject": found.code}
    return case | {"output": [[key.hex() for key in tier] for tier in found]}


def vectors() -> dict[str, Any]:
    """Ballots and shares of them, with what they say or by which clause they are void."""
    boxes, size = list(map(box_key, KEEPERS)), content_bytes(3)

    def sealed(content: bytes, who: Persona = VOTER) -> Record:
        body = seal_to(boxes, 2, content, bytes(32) + VOTER.key, entropy("vectors")).to_mapping()
        return as_record({"roster": bytes(32)} | body, who)

    def said(value: Any) -> Record:
        raw = encode(value)
        return sealed((len(raw).to_bytes(2, "big") + raw).ljust(size, b"\0"))

    def shares(ballot: Record, *places: int) -> list[tuple[int, bytes]]:
        return [(place, open_share(Sealed.of(ballot.body), place, KEEPERS[place], context)) for place in places]

    context = bytes(32) + VOTER.key
    body = cast(bytes(32), VOTER.key, ORDERED, 3, boxes, entropy("vectors"))
    whole, copied = as_record(body), as_record(body, persona("m1"))
    crooked_ = as_record(body | {"shares": [*body["shares"][:3], [bytes(80), bytes(32)]]})
    altered = as_record(body | {"cipher": bytes(len(body["cipher"]))})
    good: list[tuple[str, Record]] = [
        ("one after the other", whole),
        ("two tied", said([list(STANDING[:2]), [STANDING[2]]])),
        ("one alone", said([[STANDING[1]]])),
        ("nobody", said([])),
    ]
    bad: list[tuple[str, str, Record]] = [
        ("nothing", "ELE-60", sealed(bytes(size))),
        ("noise", "ELE-60", sealed(bytes(range(size)))),
        ("no list", "ELE-60", said({})),
        ("a tier of nobody", "ELE-60", said([[]])),
        ("a tier that descends", "ELE-60", said([[STANDING[1], STANDING[0]]])),
        ("not filled up with zeros", "ELE-60", sealed(b"\0\1\x90".ljust(size, b"\1"))),
        ("a longer length than there is", "ELE-60", sealed(b"\xff\xff\x90".ljust(size, b"\0"))),
        ("who does not stand", "ELE-2", said([[persona("m3").key]])),
        ("somebody twice", "ELE-2", said([[STANDING[0]], [STANDING[0]]])),
    ]
    cases = [_vector(name, "ELE-63", one, shares(one, 0, 2)) for name, one in good]
    cases += [_vector("by any two shares", "ELE-63", whole, shares(whole, 1, 3))]
    cases += [_vector("by all four", "ELE-63", whole, shares(whole, 0, 1, 2, 3))]
    cases += [_vector("one of three is noise", "ELE-63", whole, [(0, bytes(32)), *shares(whole, 1, 3)])]
    cases += [_vector(name, code, one, shares(one, 0, 2)) for name, code, one in bad]
    cases += [_vector("one share", "IDN-17", whole, shares(whole, 0))]
    cases += [_vector("one of two is noise", "IDN-17", whole, [(0, bytes(32)), *shares(whole, 1)])]
    cases += [_vector("copied by another voter", "IDN-17", copied, shares(whole, 0, 1))]
    cases += [_vector("dealt wrongly", "IDN-18", crooked_, shares(whole, 0, 1))]
    cases += [_vector("another cipher", "IDN-9", altered, shares(whole, 0, 1))]
    return {"name": "ballot", "spec": "07-election", "cases": cases}


def test_the_vectors_are_committed() -> None:
    """spec/vectors/ballot.json is what the code makes; ELE-60, ELE-63."""
    path = Path(__file__).parents[1] / "spec" / "vectors" / "ballot.json"
    assert json.loads(path.read_text(encoding="utf-8")) == vectors()
