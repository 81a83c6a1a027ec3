"""Charters, invitations and rosters against whatever anybody may bring; the life of co-ops and deals as graphs.

The named cases of each clause are in test_coop; here is what must hold of all of them (05-formation, FRM-20 to FRM-28).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.coop.charter import (
    Invitation,
    charter_hash,
    coop_scope,
    find_charter,
    good_join,
    intent_of,
    roster_hash,
    roster_of,
)
from protocol.coop.coop import COOP, COOP_TERMINAL
from protocol.deal.life import DEAL, DEAL_TERMINAL
from protocol.encoding import digest_of, encode
from protocol.errors import Reject
from protocol.identity import Persona
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from tests.deals import LIFE_MS, NETWORK, START_MS, TEMPLATE, TIMES, persona

FOUNDER = persona("founder")
PEOPLE = [persona(f"p{number}") for number in range(7)]
BASE: dict[str, Any] = {
    "nonce": bytes(16),
    "purpose": "Tea for all of us",
    "category": "tea",
    "region": "any",
    "template": TEMPLATE.hash,
    "epoch": 0,
    "listed": [],
    "least": 2,
    "most": 40,
    "witnesses": [FOUNDER.key],
    "fee_max_minor": 0,
    "risk": "lowest",
    "times": TIMES,
}


def say(who: Persona, kind: str, scope: str, body: Mapping[str, Any], slot: Slot, created: int = START_MS) -> Record:
    return Record.sign(who, NETWORK, kind, scope, body, created=created, expires=created + LIFE_MS, slot=slot)


def charter(created: int = START_MS, scope: str = "", **changes: Any) -> Record:
    """The founder's charter in the scope that it commits to, or in another."""
    body = BASE | changes
    scope = scope or coop_scope(charter_hash(FOUNDER.key, body))
    return say(FOUNDER, "charter.1", scope, body, Slot("once", "charter", 0), created)


OPEN = charter()
HASH = charter_hash(FOUNDER.key, OPEN.body)
INTENT_BODY: dict[str, Any] = {
    "template": TEMPLATE.hash,
    "want": 3,
    "tolerate": 1,
    "spend_minor": 3_000,
    "readiness": "ready",
    "ready_by": START_MS + LIFE_MS,
    "levels": {},
    "terms": [],
}
INTENTS = {one.key: say(one, "intent.1", "board/tea/any", INTENT_BODY, Slot("latest", "tea", 0)) for one in PEOPLE}
TICKETS = [  # for one person, for two, for three, again and again
    Invitation.sign(FOUNDER, HASH, bytes([number]) * 16, START_MS + 1000, 1 + number % 3)
    for number in range(len(PEOPLE))
]


def join(who: Persona, ticket: Invitation | None = None, **more: Any) -> Record:
    body: dict[str, Any] = {"charter": HASH, "intent": INTENTS[who.key].raw, "box": bytes(32)}
    body |= {"least": 0, "most": 0, "exclude": []} | more
    if ticket is not None:
        body["invite"] = ticket.token()
    return say(who, "join.1", OPEN.scope, body, Slot("once", "join", 0))


# A scope and its charter

CHANGES: list[tuple[str, Any]] = [
    ("nonce", bytes(15) + b"\1"),
    ("purpose", "Tea for some of us"),
    ("category", "coffee"),
    ("region", "u10"),
    ("template", bytes(32)),
    ("epoch", 1),
    ("listed", [FOUNDER.key]),
    ("least", 3),
    ("most", 39),
    ("witnesses", [PEOPLE[0].key]),
    ("fee_max_minor", 1),
    ("risk", "low"),
    ("times", TIMES | {"settle_ms": 1}),
]


@pytest.mark.parametrize(("field", "value"), CHANGES, ids=[field for field, _ in CHANGES])
def test_the_scope_commits_to_every_word(field: str, value: Any) -> None:
    """FRM-20: another content is another co-op; in this scope it is nobody's charter."""
    assert {field for field, _ in CHANGES} == set(BASE)
    changed = charter_hash(FOUNDER.key, BASE | {field: value})
    assert changed != HASH
    assert coop_scope(changed) != OPEN.scope
    log = Log(OPEN.scope)
    log.add(charter(scope=OPEN.scope, **{field: value}))
    assert find_charter(log) is None
    log.add(OPEN)
    assert find_charter(log) == OPEN


def test_the_scope_commits_to_the_author() -> None:
    """FRM-20: nobody takes a charter over by signing the same words."""
    assert charter_hash(PEOPLE[0].key, BASE) != HASH
    log = Log(OPEN.scope)
    log.add(say(PEOPLE[0], "charter.1", OPEN.scope, BASE, Slot("once", "charter", 0)))
    assert find_charter(log) is None
    assert digest_of("charter", [FOUNDER.key, BASE])[:16].hex() == OPEN.scope.removeprefix("coop/")


@pytest.mark.parametrize("by_ms", [-1, 1])
def test_a_charter_ends_when_it_says(by_ms: int) -> None:
    """FRM-20: signed again with another end than its own retention, it is none."""
    log, end = Log(OPEN.scope), START_MS + LIFE_MS + by_ms
    slot = Slot("once", "charter", 0)
    log.add(Record.sign(FOUNDER, NETWORK, "charter.1", OPEN.scope, BASE, created=START_MS, expires=end, slot=slot))
    assert find_charter(log) is None


@given(st.permutations([charter(START_MS + number) for number in range(3)]))
def test_of_several_signings_the_least_id_counts(order: list[Record]) -> None:
    """FRM-20: in whatever order they came."""
    log = Log(OPEN.scope)
    for one in order:
        log.add(one)
    assert find_charter(log) == min(order, key=lambda one: one.id)


# Invitations


def read(token: bytes) -> Invitation | str:
    """The invitation in a token, or the clause that refuses it."""
    try:
        return Invitation.parse(token)
    except Reject as error:
        return error.code


@given(st.integers(0, len(TICKETS[0].token()) - 1), st.integers(1, 255))
def test_no_byte_of_an_invitation_can_be_changed(at: int, change: int) -> None:
    """FRM-26: it is damaged then, or it does not hold."""
    token = bytearray(TICKETS[0].token())
    token[at] ^= change
    forged = read(bytes(token))
    assert forged == "FRM-26" if isinstance(forged, str) else not forged.holds(FOUNDER.key, HASH)


@given(st.binary(max_size=600) | st.sampled_from([one.token() for one in TICKETS]).map(lambda token: token * 6))
def test_any_bytes_are_an_invitation_or_refused(token: bytes) -> None:
    """FRM-26: with its clause, and a join that carries them is no good join."""
    found = read(token)
    assert found == "FRM-26" if isinstance(found, str) else found.token() == token
    if 0 < len(token) <= 512:
        assert not good_join(OPEN, HASH, NETWORK, join(PEOPLE[0], invite=token))


def test_an_invitation_is_the_founders_for_one_charter() -> None:
    """FRM-26"""
    ticket = TICKETS[0]
    assert ticket.holds(FOUNDER.key, HASH)
    assert not ticket.holds(PEOPLE[0].key, HASH)
    assert not ticket.holds(FOUNDER.key, charter_hash(FOUNDER.key, BASE | {"nonce": b"\1" * 16}))
    assert not Invitation(ticket.nonce, ticket.expires + 1, 1, ticket.signature).holds(FOUNDER.key, HASH)
    assert not Invitation(b"\1" * 16, ticket.expires, 1, ticket.signature).holds(FOUNDER.key, HASH)
    assert not Invitation(ticket.nonce, ticket.expires, 2, ticket.signature).holds(FOUNDER.key, HASH)


# Joins


@given(st.binary(min_size=1, max_size=200) | st.sampled_from([encode({}), OPEN.raw, join(PEOPLE[0], TICKETS[0]).raw]))
def test_whatever_a_join_embeds_it_is_good_or_not(raw: bytes) -> None:
    """FRM-25: a hostile intent is no exception to anybody."""
    assert not good_join(OPEN, HASH, NETWORK, join(PEOPLE[0], TICKETS[0], intent=raw))
    assert good_join(OPEN, HASH, NETWORK, join(PEOPLE[0], TICKETS[0]))


def test_an_intent_of_another_network_is_none() -> None:
    """FRM-25, REC-5"""
    intent = INTENTS[PEOPLE[0].key]
    other = Record.sign(
        PEOPLE[0],
        bytes(32),
        "intent.1",
        intent.scope,
        intent.body,
        created=START_MS,
        expires=START_MS + LIFE_MS,
        slot=intent.header.slot,
    )
    assert not good_join(OPEN, HASH, NETWORK, join(PEOPLE[0], TICKETS[0], intent=other.raw))
    with pytest.raises(Reject):
        intent_of(join(PEOPLE[0], TICKETS[0], intent=other.raw), NETWORK)


# Rosters

CONDITIONS = st.tuples(
    st.integers(0, 6),  # which ticket
    st.integers(0, 8),
    st.integers(0, 8),
    st.sets(st.integers(0, len(PEOPLE) - 1), max_size=2),
)


def joins_of(conditions: Sequence[tuple[int, int, int, set[int]]]) -> list[Record]:
    return [
        join(who, TICKETS[ticket], least=least, most=most, exclude=sorted(PEOPLE[at].key for at in exclude))
        for who, (ticket, least, most, exclude) in zip(PEOPLE, conditions, strict=False)
    ]


def by_the_book(joins: Sequence[Record], most: int) -> list[bytes]:
    """FRM-27 once more, word by word: keys ascending."""
    by_id, invited = sorted(joins, key=lambda one: one.id), list[Record]()
    for ticket in TICKETS:
        invited += [one for one in by_id if one.body["invite"] == ticket.token()][: ticket.count]
    left = sorted(invited, key=lambda one: one.id)[:most]
    while True:
        keys = [one.author for one in left]
        leaving = [
            one
            for one in left
            if one.body["least"] > len(keys)
            or 0 < one.body["most"] < len(keys)
            or any(key in keys for key in one.body["exclude"])
        ]
        if not leaving:
            return sorted(keys)
        left = [one for one in left if one not in leaving]


@given(st.lists(CONDITIONS, max_size=7), st.integers(2, 8), st.randoms(use_true_random=False))
def test_a_roster_is_a_function_of_the_box(conditions: list[Any], most: int, rng: Any) -> None:
    """FRM-27, FRM-26: in any order the same; all content with it; as many as each invitation is for; not too many."""
    joins = joins_of(conditions)
    of = charter(most=most)
    roster = roster_of(of, joins, NETWORK)
    rng.shuffle(joins)
    assert roster_of(of, joins, NETWORK) == roster
    keys = [one.key for one in roster]
    assert keys == by_the_book(joins, most)
    assert len(keys) <= most
    for member in roster:
        body = member.join.body
        assert body["least"] <= len(keys)
        assert body["most"] == 0 or len(keys) <= body["most"]
        assert not [key for key in body["exclude"] if key in keys]
        assert member.intent == INTENTS[member.key]
    used = Counter(one.join.body["invite"] for one in roster)
    assert all(used[ticket.token()] <= ticket.count for ticket in TICKETS)


@given(st.sets(st.integers(0, 6)), st.sets(st.integers(0, 6)))
def test_a_roster_hash_is_for_exactly_these(some: set[int], others: set[int]) -> None:
    """FRM-28"""
    one, other = (tuple(sorted(PEOPLE[at].key for at in chosen)) for chosen in (some, others))
    assert (roster_hash(HASH, one) == roster_hash(HASH, other)) == (some == others)
    assert roster_hash(HASH, one) != roster_hash(bytes(32), one)


# Lives as graphs

LIVES = [("called", COOP, COOP_TERMINAL), ("asked", DEAL, DEAL_TERMINAL)]


def reachable(table: Mapping[tuple[str, str], str], state: str) -> dict[str, None]:
    found = {state: None}
    for _ in table:
        found |= {then: None for (before, _), then in table.items() if before in found}
    return found


@pytest.mark.parametrize(("first", "table", "ends"), LIVES, ids=["co-op", "deal"])
def test_every_life_can_be_led_to_an_end(
    first: str, table: Mapping[tuple[str, str], str], ends: tuple[str, ...]
) -> None:
    """FRM-32, NEG-41: each state can be reached, each has a way to an end, and no end leads back into the open."""
    states = {state for state, _ in table} | set(table.values())
    assert set(reachable(table, first)) == states
    for state in states:
        assert [end for end in ends if end in reachable(table, state)]
    assert {then for (state, _), then in table.items() if state in ends} <= set(ends)
    assert not [state for state, _ in table if state == "void"]
    assert "void" in ends
