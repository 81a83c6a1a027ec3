"""A co-op from its charter to a request: every row of its life, mandates, and what lies lead to (05-formation FRM-20 to
FRM-32, 07-election ELE-20 to ELE-33)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.box import manifest
from protocol.coop.charter import Invitation, charter_hash, coop_scope, good_join, roster_hash, roster_of
from protocol.coop.coop import COOP, COOP_TERMINAL, Coop, lapsed, question_name, read_coop, slot_name
from protocol.coop.decision import Docket
from protocol.coop.mandate import Mandate, deal_id, limits_hash, limits_of, witnesses_hash
from protocol.coop.room import request_fits
from protocol.deal.negotiation import Limits
from protocol.encoding import decode, digest, digest_of, encode
from protocol.errors import Reject
from protocol.identity import Persona
from protocol.record.kinds import KINDS
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from protocol.sealing import Void
from tests.deals import LIFE_MS, NETWORK, START_MS, TEMPLATE, TIMES, Handmade, Twists, persona
from tests.lives import is_printed, rewrite, walked
from tests.notation import written
from tests.successions import SUCCESSION

TEMPLATES = {TEMPLATE.hash: TEMPLATE}


def with_(**changes: Any) -> Callable[[Any], Any]:
    """A twist that changes fields of a body."""
    return lambda body: body | changes


def states(made: Handmade) -> list[str]:
    """The states that the co-op's records walk through in the order they were signed."""

    def state(log: Log, docket: Docket) -> str | None:
        found = read_coop(log, docket, NETWORK, TEMPLATES)
        return None if found is None else found.state

    return walked(made.records, made.scope, state)


def read(*records: Record) -> Coop:
    """The co-op in exactly these records."""
    log, docket = Log(records[0].scope), Docket()
    for one in records:
        if log.add(one, wanted=True).stored:
            docket.note(one)
    found = read_coop(log, docket, NETWORK, TEMPLATES)
    assert found is not None
    return found


MADE = Handmade(members=5, witnesses=4, suppliers=2)
FULL = [one for one in MADE.records if one.scope == MADE.scope]


# The life of a co-op

_ELECTION = ["called", "forming", "gathering", "balloting", "counting"]
LIVES: list[tuple[str, Twists, dict[str, int], list[str]]] = [
    ("to a request", {}, {}, [*_ELECTION, "elected", "mandated", "dealing"]),
    ("nobody is content", {"join.1": with_(least=9)}, {}, ["called", "forming", "void"]),
    ("nobody wants anything", {"pledge.1": with_(want=0, least=0)}, {}, ["called", "forming", "gathering", "void"]),
    ("nobody's pledge is good", {"pledge.1": with_(least=9)}, {}, ["called", "forming", "gathering", "void"]),
    ("nobody stands", {"nomination.1": with_(fee_minor=501)}, {}, ["called", "forming", "gathering", "void"]),
    ("nobody's ballot is good", {"ballot.1": with_(roster=bytes(32))}, {}, [*_ELECTION[:-1], "void"]),
    ("nobody's ballot opens", {"ballot.1": with_(cipher=bytes(91))}, {}, [*_ELECTION, "void"]),
    (
        "the first in line is silent",
        {},
        {"silent": 1},
        [*_ELECTION, "elected", "mandated", "elected", "mandated", "dealing"],
    ),
]


@pytest.mark.parametrize(("twists", "sizes", "expected"), [life[1:] for life in LIVES], ids=[life[0] for life in LIVES])
def test_lives(twists: Twists, sizes: dict[str, Any], expected: list[str]) -> None:
    """FRM-32"""
    assert states(Handmade(twists, **sizes)) == expected


def test_nobody_left_in_line() -> None:
    """ELE-32, FRM-32: two candidates, neither asks for quotations."""
    made = Handmade({"deal.1": with_(roster=bytes(32))})
    for _ in range(2):
        coop = made.coop()
        for question in coop.open:
            made.decide(made.scope, coop.council, question)
    assert states(made)[-4:] == ["mandated", "elected", "mandated", "void"]
    assert made.coop().open == ()


def test_every_row_is_walked_and_printed() -> None:
    """FRM-32: the lives above use the whole table; the spec prints it; ends have no way out."""
    lives = [life[3] for life in LIVES] + [["mandated", "elected", "void"], SUCCESSION]
    walks = {step for life in lives for step in pairwise(life)}
    assert {(state, then) for (state, _), then in COOP.items()} <= walks
    assert is_printed("05-formation.md", "COOP", "test_coop", COOP)
    assert {then for (state, _), then in COOP.items() if state in COOP_TERMINAL} <= set(COOP_TERMINAL)


def test_a_coop_lapses_by_the_clock_and_no_digest_knows() -> None:
    """FRM-21: not accepted in time to join; or its own time over before an end."""
    called = read(FULL[0])
    created = called.charter.header.created
    assert not lapsed(called, created + TIMES["join_ms"])
    assert lapsed(called, created + TIMES["join_ms"] + 1)
    forming = read(*FULL[:5])
    assert forming.state == "forming"
    assert not lapsed(forming, created + TIMES["join_ms"] + 1)
    assert lapsed(forming, called.charter.header.expires)
    assert not lapsed(MADE.coop(), called.charter.header.expires)


def test_all_witnesses_must_accept_this_charter() -> None:
    """FRM-22"""
    assert read(*FULL[:4]).state == "called"
    other = Handmade({"accept.1": with_(charter=bytes(32))}, members=5, witnesses=4)
    assert other.coop().state == "called"


# What was certified, and what lies lead to


@pytest.mark.parametrize(
    ("base", "state"),
    [
        ("roster", "forming"),
        ("pledges", "gathering"),
        ("ballots", "balloting"),
        ("counts", "counting"),
        ("mandate", "elected"),
        ("deal", "mandated"),
    ],
)
@pytest.mark.parametrize("value", [b"junk", b"\xc1", encode([]), manifest([bytes(32)]), encode({"ids": ["x"]})])
def test_nothing_follows_from_what_is_no_answer(base: str, state: str, value: bytes) -> None:
    """DEC-11, DEC-19: more than f witnesses certified junk, or ids that nobody has."""
    made = Handmade({base: lambda good: value})
    assert made.coop().state == state


def test_a_mandate_is_only_the_computed_one() -> None:
    """ELE-30: a quorum that certifies another fee, or another negotiator, mandates nobody."""
    changes: list[dict[str, Any]] = [{"fee_minor": 7}, {"negotiator": persona("m2").key}, {"expires": 2**52}]
    for change in changes:
        made = Handmade({"mandate": partial(_changed, change)})
        assert made.coop().state == "elected"
        assert made.coop().mandate is None


def _changed(change: dict[str, Any], value: bytes) -> bytes:
    return encode(decode(value) | change)


def test_the_mandate_field_by_field() -> None:
    """ELE-30, ELE-31, ELE-32"""
    coop = MADE.coop()
    assert coop.mandate is not None
    ballots = [one for one in FULL if one.kind == "ballot.1"]
    pledges = manifest([one.id for one in FULL if one.kind == "pledge.1"])
    salt = digest("salt", digest("value", pledges))
    assert decode(coop.mandate.to_bytes()) == {
        "charter": MADE.hash,
        "roster": digest_of("roster", [MADE.hash, sorted(one.key for one in MADE.members)]),
        "term": 1,
        "negotiator": coop.line[0],
        "deal": digest_of("deal", [MADE.hash, coop.roster, 1])[:16],
        "expires": max(one.header.created for one in ballots) + TIMES["mandate_ms"],
        "fee_minor": 0,
        "limits": digest_of("limits", [salt, 1_000, 1, 5 * 4]),
        "members": 5,
        "quantity": 15,
        "pooled_minor": 5 * 3_000 * 12,
        "witnesses": digest_of("witnesses", list(coop.council.witnesses)),
    }
    second = Handmade(silent=1).coop()
    assert second.mandate is not None
    assert (second.term, second.mandate.negotiator) == (2, second.line[1])
    first = next(Mandate.parse(one.value) for name, one in second.decided.items() if name == "mandate/1")
    assert second.mandate.expires == first.expires + TIMES["deal_ms"]
    assert second.mandate.deal != first.deal


def test_sums_that_would_not_fit_are_capped() -> None:
    """ELE-30: one member's absurd numbers cannot stop the co-op."""
    many = with_(want=10**9, tolerate=10**9)
    coop = Handmade({"pledge.1": many, "intent.1": with_(spend_minor=2**53 - 1)}).coop()
    assert coop.mandate is not None
    assert (coop.mandate.quantity, coop.mandate.pooled_minor) == (10**9, 2**53 - 1)


def test_who_stands_and_who_may_not() -> None:
    """ELE-20: members, within the charter's fee, for this roster."""
    for twist in (with_(fee_minor=501), with_(roster=bytes(32))):
        assert Handmade({"nomination.1": twist}).coop().candidates == ()
    coop = MADE.coop()
    assert [one.author for one in coop.candidates] == sorted(one.key for one in MADE.members[:2])


@pytest.mark.parametrize(
    ("ranking", "code"),
    [
        ([[persona("m0").key], [persona("m0").key]], "ELE-2"),
        ([[persona("m2").key]], "ELE-2"),
        ([[persona("s0").key]], "ELE-2"),
        ([[persona("m0").key, persona("m0").key]], "ELE-60"),
        ([[]], "ELE-60"),
        ([[b"m0"]], "ELE-60"),
    ],
    ids=["twice", "no candidate", "a stranger", "twice in a tier", "nobody in a tier", "no key"],
)
def test_a_bad_ballot_is_void(ranking: list[list[bytes]], code: str) -> None:
    """ELE-63, ELE-2, ELE-60: whatever was sealed, only a ranking counts."""
    coop = Handmade({"ranking": lambda _: ranking}).coop()
    assert coop.state == "void"
    assert [found.code for found in coop.openings.values() if isinstance(found, Void)] == [code] * 3


def test_what_does_not_fit_is_no_ballot() -> None:
    """ELE-21: three names where two stand make it longer than all others."""
    names = [persona("m0").key, persona("m1").key]
    coop = Handmade({"ranking": lambda _: [names, names[:1]]}).coop()
    assert (coop.state, coop.ballots) == ("void", ())


def test_the_tally_is_that_of_the_ballots_that_count() -> None:
    """ELE-64, DEC-14: five ballots, three for m0 first; with two of one voter listed, four count."""
    coop = MADE.coop()
    assert coop.tally is not None
    assert sorted(coop.line) == [one.author for one in coop.candidates]
    assert sum(coop.tally.pairwise[0][1:]) + sum(coop.tally.pairwise[1][:1]) == 5
    assert coop.line[0] == persona("m0").key or coop.line[0] == coop.candidates[0].author

    class Double(Handmade):
        """The first member votes twice, in time."""

        def say(self, who: Persona, kind: str, scope: str, body: dict[str, Any], slot: str = "") -> Record:
            if kind == "ballot.1" and who is self.members[0]:
                super().say(who, kind, scope, body | {"cipher": body["cipher"][::-1]}, slot)
            return super().say(who, kind, scope, body, slot)

    tally = Double(members=5, witnesses=4).coop().tally
    assert tally is not None
    assert tally.pairwise[0][1] + tally.pairwise[1][0] == 4


def test_a_second_ballot_after_the_close_changes_nothing() -> None:
    """DEC-14: it costs its author standing, and the decided box stays as it is."""
    roster, line = MADE.coop().roster, MADE.coop().line
    late = Handmade(members=5, witnesses=4)
    body = late.ballot(late.members[0], [[line[-1]]])
    late.say(late.members[0], "ballot.1", late.scope, body, slot_name("ballot", roster))
    assert late.coop().line == line
    assert late.coop().state == "dealing"


# A request's mention


@pytest.mark.parametrize(
    "change",
    [
        {"times": TIMES | {"quote_ms": 1}},
        {"template": bytes(32)},
        {"region": "other"},
        {"category": "coffee"},
        {"boxes": [bytes(32)] * 4},
    ],
    ids=lambda change: str(next(iter(change))),
)
def test_a_request_that_does_not_fit_is_not_vouched_for(change: dict[str, Any]) -> None:
    """ELE-33"""
    coop, log, mention = MADE.coop(), MADE.logs[MADE.scope][0], MADE.coop().request
    assert mention is not None
    assert request_fits(coop, log, MADE.rfq, mention)
    assert not request_fits(coop, log, MADE.rfq._replace(body={**MADE.rfq.body, **change}), mention)
    sooner = MADE.rfq.header._replace(expires=MADE.rfq.header.expires - 1)
    assert not request_fits(coop, log, MADE.rfq._replace(header=sooner), mention)


def test_a_mention_has_a_key_for_every_place() -> None:
    """ELE-33"""
    coop, log, mention = MADE.coop(), MADE.logs[MADE.scope][0], MADE.coop().request
    assert mention is not None
    for keys in (mention.body["keys"][1:], [*mention.body["keys"], bytes(80)]):
        assert not request_fits(coop, log, MADE.rfq, mention._replace(body={**mention.body, "keys": keys}))


def test_of_a_witness_with_two_acceptances_either_box_will_do() -> None:
    """ELE-33: its equivocation cannot stop the request."""
    made = Handmade(members=5, witnesses=4)
    body = {"charter": made.hash, "box": b"\7" * 32}
    made.say(made.witnesses[0], "accept.1", made.scope, body, "accept")
    mention = made.coop().request
    assert mention is not None
    assert request_fits(made.coop(), made.logs[made.scope][0], made.rfq, mention)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_mandate_or_refused(value: bytes) -> None:
    """ELE-30"""
    with pytest.raises(Reject) as caught:
        Mandate.parse(value)
    assert caught.value.code == "ELE-30"


# Vectors


def _mandates_bad(good: bytes) -> list[tuple[str, bytes]]:
    body = decode(good)
    return [
        ("cut short", good[:-1]),
        ("an array", encode(list(body.values()))),
        ("a field more", encode(body | {"note": 1})),
        ("a field less", encode({name: value for name, value in body.items() if name != "term"})),
        ("a text for a number", encode(body | {"term": "1"})),
        ("true for a number", encode(body | {"term": True})),
        ("below zero", encode(body | {"fee_minor": -1})),
        ("a key of 31 bytes", encode(body | {"negotiator": bytes(31)})),
        ("a deal of 32 bytes", encode(body | {"deal": bytes(32)})),
    ]


def test_bad_mandates() -> None:
    """ELE-30"""
    mandate = MADE.coop().mandate
    assert mandate is not None
    assert Mandate.parse(mandate.to_bytes()) == mandate
    for _, value in _mandates_bad(mandate.to_bytes()):
        with pytest.raises(Reject) as caught:
            Mandate.parse(value)
        assert caught.value.code == "ELE-30"


FOUNDER, GUEST, OTHER = persona("m0"), persona("guest"), persona("other")


def _charter(*listed: bytes, most: int = 40) -> Record:
    """A charter of the founder's, signed in its scope."""
    base = dict(FULL[0].body)
    body = base | {"listed": sorted(listed), "most": most, "witnesses": [FOUNDER.key]}
    scope = coop_scope(charter_hash(FOUNDER.key, body))
    return _say(FOUNDER, "charter.1", scope, body, "charter")


def _say(who: Persona, kind: str, scope: str, body: dict[str, Any], slot: str, created: int = START_MS) -> Record:
    where = Slot(KINDS[kind].mode, slot, 0)
    return Record.sign(who, NETWORK, kind, scope, body, created=created, expires=created + LIFE_MS, slot=where)


def _join(to: Record, who: Persona, created: int = START_MS, by: Persona | None = None, **more: Any) -> Record:
    intent = _say(by or who, "intent.1", more.pop("board", "board/tea/any"), _INTENT | more.pop("intent", {}), "tea")
    body = {"charter": charter_hash(to.author, to.body), "intent": intent.raw, "box": bytes(32)}
    conditions: dict[str, Any] = {"least": 0, "most": 0, "exclude": []}
    return _say(who, "join.1", to.scope, body | conditions | more, "join", created)


_INTENT = {
    "template": TEMPLATE.hash,
    "want": 3,
    "tolerate": 1,
    "spend_minor": 3_000,
    "readiness": "ready",
    "ready_by": START_MS + LIFE_MS,
    "levels": {},
    "terms": ["basic"],
}
OPEN, LISTED = _charter(), _charter(FOUNDER.key, GUEST.key)
OPEN_HASH = charter_hash(FOUNDER.key, OPEN.body)
UNTIL = START_MS + 60_000
TICKET = Invitation.sign(FOUNDER, OPEN_HASH, b"n" * 16, UNTIL).token()


def _joins() -> list[tuple[str, Record, Record, bool]]:
    """Name, charter, join, whether it is good (FRM-25, FRM-26)."""
    forged = Invitation.sign(OTHER, OPEN_HASH, b"n" * 16, UNTIL).token()
    elsewhere = Invitation.sign(FOUNDER, MADE.hash, b"n" * 16, UNTIL).token()
    longer = encode([b"n" * 16, UNTIL + 1, 1, Invitation.parse(TICKET).signature])
    wider = encode([b"n" * 16, UNTIL, 2, Invitation.parse(TICKET).signature])
    return [
        ("the founder", OPEN, _join(OPEN, FOUNDER), True),
        ("invited", OPEN, _join(OPEN, GUEST, invite=TICKET), True),
        ("invited, at the last moment", OPEN, _join(OPEN, GUEST, UNTIL, invite=TICKET), True),
        ("listed", LISTED, _join(LISTED, GUEST), True),
        ("not invited", OPEN, _join(OPEN, GUEST), False),
        ("expired", OPEN, _join(OPEN, GUEST, UNTIL + 1, invite=TICKET), False),
        ("expiry moved", OPEN, _join(OPEN, GUEST, UNTIL + 1, invite=longer), False),
        ("for more than the founder said", OPEN, _join(OPEN, GUEST, invite=wider), False),
        ("signed by another", OPEN, _join(OPEN, GUEST, invite=forged), False),
        ("to another co-op", OPEN, _join(OPEN, GUEST, invite=elsewhere), False),
        ("damaged", OPEN, _join(OPEN, GUEST, invite=TICKET[:-1]), False),
        ("the founder, with a damaged one", OPEN, _join(OPEN, FOUNDER, invite=b"x"), False),
        ("not listed", LISTED, _join(LISTED, OTHER), False),
        ("listed, with an invitation", LISTED, _join(LISTED, GUEST, invite=TICKET), False),
        ("another charter", LISTED, _join(LISTED, GUEST, charter=bytes(32)), False),
        ("another one's intent", LISTED, _join(LISTED, GUEST, by=OTHER), False),
        ("another template", LISTED, _join(LISTED, GUEST, intent={"template": bytes(32)}), False),
        ("another category", LISTED, _join(LISTED, GUEST, board="board/coffee/any"), False),
        ("no record for an intent", LISTED, replace_intent(_join(LISTED, GUEST)), False),
    ]


def replace_intent(join: Record) -> Record:
    """The join with bytes that are no record in the place of its intent."""
    return _say(GUEST, "join.1", join.scope, dict(join.body) | {"intent": b"x"}, "join")


@pytest.mark.parametrize(("charter", "join", "good"), [row[1:] for row in _joins()], ids=[row[0] for row in _joins()])
def test_joins(charter: Record, join: Record, good: bool) -> None:
    """FRM-25, FRM-26"""
    assert good_join(charter, charter_hash(charter.author, charter.body), NETWORK, join) is good


def _rosters() -> list[tuple[str, list[dict[str, Any]], int, list[str]]]:
    """Name, conditions of joins by a, b, c …, the charter's most, who is on the roster (FRM-27)."""
    free: dict[str, Any] = {}
    return [
        ("all content", [free, free, free], 40, ["a", "b", "c"]),
        ("one wants more", [free, free, {"least": 4}], 40, ["a", "b"]),
        ("one leaves and another follows", [free, {"least": 3}, {"least": 4}], 40, ["a"]),
        ("one wants fewer", [free, free, {"most": 2}], 40, ["a", "b"]),
        ("one excludes another", [free, free, {"exclude": [persona("a").key]}], 40, ["a", "b"]),
        ("two exclude each other", [{"exclude": [persona("b").key]}, {"exclude": [persona("a").key]}], 40, []),
        ("nobody", [], 40, []),
    ]


def _conditional(conditions: list[dict[str, Any]], most: int) -> tuple[Record, list[Record]]:
    names = "abcdefgh"[: len(conditions)]
    charter = _charter(*(persona(name).key for name in names), most=most)
    return charter, [_join(charter, persona(name), **more) for name, more in zip(names, conditions, strict=True)]


@pytest.mark.parametrize(
    ("conditions", "most", "names"), [row[1:] for row in _rosters()], ids=[row[0] for row in _rosters()]
)
def test_rosters(conditions: list[dict[str, Any]], most: int, names: list[str]) -> None:
    """FRM-27: in whatever order the joins are given."""
    charter, joins = _conditional(conditions, most)
    for order in (joins, joins[::-1]):
        assert [one.key for one in roster_of(charter, order, NETWORK)] == sorted(persona(name).key for name in names)


def _full() -> list[tuple[str, str, Record, list[Record], list[Record]]]:
    """Name, clause, charter, more joins than there is room for, and who is on the roster."""
    charter, joins = _conditional([{}, {}, {}], 2)
    two = [_join(OPEN, who, invite=TICKET) for who in (GUEST, OTHER)]
    for_two = Invitation.sign(FOUNDER, OPEN_HASH, b"m" * 16, UNTIL, 2).token()
    three = [_join(OPEN, who, invite=for_two) for who in (GUEST, OTHER, FOUNDER)]
    rows = [
        ("more than the most", "FRM-27", charter, joins, 2),
        ("two on an invitation for one", "FRM-26", OPEN, two, 1),
        ("three on an invitation for two", "FRM-26", OPEN, three, 2),
    ]
    return [(*row[:4], sorted(row[3], key=lambda one: one.id)[: row[4]]) for row in rows]


def test_the_first_by_id_up_to_the_most_and_one_an_invitation() -> None:
    """FRM-26, FRM-27"""
    for _, _, to, joins, on in _full():
        assert [one.join for one in roster_of(to, joins, NETWORK)] == sorted(on, key=lambda one: one.author)


def vectors() -> dict[str, Any]:
    """Hashes with what goes into them; invitations, joins, rosters; mandates; the life's table."""
    coop, limits = MADE.coop(), Limits(1_000, 1, 20)
    assert coop.mandate is not None
    keys, council, mandate = [one.key for one in coop.members], coop.council, coop.mandate.to_bytes()
    author, charter = coop.charter.author, written(dict(coop.charter.body))
    token = {"founder": FOUNDER.key, "charter": OPEN_HASH, "nonce": b"n" * 16, "expires": UNTIL, "count": 1}
    hashes: list[tuple[str, str, Any, Any]] = [
        ("roster hash", "FRM-28", [MADE.hash, keys], roster_hash(MADE.hash, tuple(keys))),
        ("invitation", "FRM-26", token, TICKET),
        ("deal id", "ELE-30", [MADE.hash, coop.roster, 1], deal_id(MADE.hash, coop.roster, 1)),
        ("witnesses", "ELE-30", council.witnesses, witnesses_hash(council.witnesses)),
        ("limits", "ELE-31", [coop.pledges_hash, 1_000, 1, 20], limits_hash(limits, coop.pledges_hash)),
        ("mandate", "ELE-30", decode(mandate), mandate),
        ("life", "FRM-32", "COOP", [[state, fact, then] for (state, fact), then in COOP.items()]),
    ]
    hashes += [
        (f"join: {name}", "FRM-25", {"charter": to.raw, "join": join.raw}, good) for name, to, join, good in _joins()
    ]
    for name, conditions, most, names in _rosters():
        to, joins = _conditional(conditions, most)
        given_ = {"charter": to.raw, "joins": [one.raw for one in joins]}
        hashes.append((f"roster: {name}", "FRM-27", given_, sorted(persona(one).key for one in names)))
    for name, clause, to, joins, on in _full():
        given_ = {"charter": to.raw, "joins": [one.raw for one in joins]}
        hashes.append((f"roster: {name}", clause, given_, sorted(one.author for one in on)))
    founded = {"author": author.hex(), "body": charter}
    cases: list[dict[str, Any]] = [
        {
            "name": "charter",
            "clause": "FRM-20",
            "input": founded,
            "output": {"hash": MADE.hash.hex(), "scope": MADE.scope},
        }
    ]
    cases += [{"name": n, "clause": c, "input": plain(i), "output": plain(o)} for n, c, i, o in hashes]
    bad = [(f"mandate: {name}", "ELE-30", value) for name, value in _mandates_bad(mandate)]
    bad += [(f"invitation: {name}", "FRM-26", value) for name, value in _INVITATIONS_BAD]
    cases += [{"name": name, "clause": code, "input": value.hex(), "reject": code} for name, code, value in bad]
    return {"name": "coop", "spec": "05-formation, 07-election", "network": NETWORK.hex(), "cases": cases}


def plain(value: Any) -> Any:
    """A value as JSON, bytes in hexadecimal."""
    match value:
        case bytes():
            return value.hex()
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(item) for key, item in value.items()}
    return value


_INVITATIONS_BAD: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("cut short", TICKET[:-1]),
    ("two fields", encode([b"n" * 16, UNTIL])),
    ("a nonce of 15 bytes", encode([b"n" * 15, UNTIL, 1, bytes(64)])),
    ("a signature of 63 bytes", encode([b"n" * 16, UNTIL, 1, bytes(63)])),
    ("a text for a time", encode([b"n" * 16, "soon", 1, bytes(64)])),
    ("for nobody", encode([b"n" * 16, UNTIL, 0, bytes(64)])),
    ("for more than a co-op holds", encode([b"n" * 16, UNTIL, 501, bytes(64)])),
    ("a boolean for a count", encode([b"n" * 16, UNTIL, True, bytes(64)])),
]


def test_what_is_no_invitation() -> None:
    """FRM-26"""
    assert Invitation.parse(TICKET).token() == TICKET
    for _, token in _INVITATIONS_BAD:
        with pytest.raises(Reject) as caught:
            Invitation.parse(token)
        assert caught.value.code == "FRM-26"


def test_limits_are_the_most_willing_and_all_that_is_asked_for() -> None:
    """ELE-31"""
    assert limits_of(MADE.coop().demands) == Limits(1_000, 1, 20)
    assert question_name("pledges", b"\1" * 32) == "pledges/0101010101010101"
    assert question_name("mandate", 2) == "mandate/2"


if __name__ == "__main__":
    rewrite("05-formation.md", "COOP", "test_coop", COOP)
