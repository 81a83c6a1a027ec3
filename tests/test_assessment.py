"""What is sealed when two attest each other blind, when it is due, and what must come out (09-accountability, ATT-9 to
ATT-15)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Reject
from protocol.identity import network_id
from protocol.params import ATTESTATION_BLOCK_BYTES, ATTESTATION_BLOCKS_MAX, RECORD_BYTES_MAX
from protocol.record.record import Record
from protocol.trust import assessment
from protocol.trust.assessment import Owed, Pair
from tests.deals import NETWORK, persona
from tests.sealed_words import (
    attestation,
    commitment,
    countersignature,
    dealt,
    member,
    negotiator,
    reading,
    sealed,
    shares_of,
    supplier,
)

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "assessment.json"
ANN, BEN, ATTEST_MS = bytes(32), b"\x01" * 32, 1000
PAIR = Pair("supplier", ANN, BEN)
HERS, HIS = b"\x0a" * 32, b"\x0b" * 32

# (name, ids of the pair's sides, when each was first held, shares of what were given, now, what is owed)
DUTIES: list[tuple[str, tuple[bytes, ...], dict[bytes, int], tuple[bytes, ...], int, Owed]] = [
    ("nothing", (), {}, (), 5, Owed((), (), None)),
    ("one has spoken", (HERS,), {}, (), 5, Owed((HERS,), (), None)),
    ("and is held", (HERS,), {HERS: 5}, (), 6, Owed((), (), 1005)),
    ("until just before its time", (HERS,), {HERS: 5}, (), 1004, Owed((), (), 1005)),
    ("and its time is up", (HERS,), {HERS: 5}, (), 1005, Owed((), (HERS,), None)),
    ("both have spoken", (HERS, HIS), {}, (), 5, Owed((), (HERS, HIS), None)),
    ("the second in time", (HERS, HIS), {HERS: 5}, (), 1004, Owed((), (HERS, HIS), None)),
    ("both are given", (HERS, HIS), {HERS: 5}, (HERS, HIS), 9999, Owed((), (), None)),
    ("the second after the first was given", (HERS, HIS), {HERS: 5}, (HERS,), 1006, Owed((), (), None)),
    ("and much later", (HERS, HIS), {HERS: 5, HIS: 1006}, (HERS,), 99_999, Owed((), (), None)),
    ("one was given", (HERS,), {HERS: 5}, (HERS,), 1006, Owed((), (), None)),
]


@cache
def blank() -> Record:
    """Any assessment, of which only the id will matter."""
    return sealed(member(), supplier(), "supplier", attestation(member(), supplier(), "supplier"))


def spoken(ids: tuple[bytes, ...]) -> dict[Pair, tuple[Record, ...]]:
    return {PAIR: tuple(blank()._replace(id=one) for one in ids)} if ids else {}


@pytest.mark.parametrize(("name", "ids", "held", "given_", "now", "expected"), DUTIES, ids=[row[0] for row in DUTIES])
def test_what_a_witness_owes(
    name: str, ids: tuple[bytes, ...], held: dict[bytes, int], given_: tuple[bytes, ...], now: int, expected: Owed
) -> None:
    """ATT-13, ATT-14"""
    assert assessment.owed(spoken(ids), held, given_, now, ATTEST_MS) == expected


@given(
    st.lists(st.tuples(st.sampled_from("AB0"), st.integers(0, 900)), max_size=12),
    st.integers(1, 2000),
)
def test_a_witness_never_gives_one_side_after_the_other_alone(steps: list[tuple[str, int]], attest_ms: int) -> None:
    """ATT-14: whatever comes when, and however often it looks; and what both said in time is given together."""
    ids: tuple[bytes, ...] = ()
    held: dict[bytes, int] = {}
    given_: list[bytes] = []
    batches: list[tuple[bytes, ...]] = []
    now = 0
    for what, later in steps:
        now += later
        one = {"A": HERS, "B": HIS, "0": b""}[what]
        ids = tuple(sorted({*ids, one} - {b""}))
        owed = assessment.owed(spoken(ids), held, given_, now, attest_ms)
        held |= dict.fromkeys(owed.receipts, now)
        given_ += owed.shares
        batches += [owed.shares] if owed.shares else []
    assert len(batches) <= 1
    for batch in batches:
        assert batch == (HERS, HIS) or held[batch[0]] + attest_ms <= now


def test_a_witness_that_forgot_what_it_gave_would_open_the_answer() -> None:
    """ATT-14: the control of the rule above."""
    late = spoken((HERS, HIS))
    assert assessment.owed(late, {HERS: 5}, (HERS,), 1006, ATTEST_MS).shares == ()
    assert assessment.owed(late, {HERS: 5}, (), 1006, ATTEST_MS).shares == (HERS, HIS)


def test_nobody_reads_first_and_answers_then() -> None:
    """ATT-10, ATT-14: for every council, whoever is bad and however their clocks go: if enough have given the first
    alone, too few are left for an answer. The control: with f + 1, as quotations open, they are not.
    """

    def answered(witnesses: int, needed: int) -> bool:
        bad = (witnesses - 1) // 3
        return any(
            bad + alone >= needed and bad + (witnesses - bad - alone) >= needed for alone in range(witnesses - bad + 1)
        )

    for witnesses in range(1, 17):
        assert not answered(witnesses, 2 * witnesses // 3 + 1)
        assert answered(witnesses, (witnesses - 1) // 3 + 1) or witnesses < 2


# What comes out


def contents() -> Iterator[tuple[str, bytes, str]]:
    """Name, what was sealed in the place of a member's good word about the supplier, and the clause that voids it."""
    good = attestation(member(), supplier(), "supplier")
    other = next(one for one in dealt().members[:4] if one.key not in (member().key, negotiator().key))
    pair = [commitment(member()).raw, countersignature().raw]
    yield "as promised", assessment.pack(good.raw), ""
    yield "nothing", b"", "ATT-10"
    yield "no record", assessment.pack(b"junk"), "ATT-15"
    yield "a longer length", b"\xff" + assessment.pack(good.raw)[1:], "ATT-10"
    yield "not filled up", assessment.pack(good.raw)[:-1], "ATT-10"
    yield "a block more", assessment.pack(good.raw) + bytes(ATTESTATION_BLOCK_BYTES), "ATT-10"
    yield "filled with something", assessment.pack(good.raw)[:-1] + b"x", "ATT-10"
    yield "a byte flipped", assessment.pack(good.raw[:-1] + bytes([good.raw[-1] ^ 1])), "ATT-15"
    worse = attestation(member(), supplier(), "supplier", outcome="broken")
    yield "another outcome", assessment.pack(worse.raw), "ATT-15"
    for name, hidden in (
        ("a commitment", commitment(member())),
        ("signed by another", attestation(other, supplier(), "supplier", pair)),
        ("about another", attestation(member(), other, "supplier", pair)),
        ("in another role", attestation(member(), supplier(), "negotiator", pair)),
        ("without salt", attestation(member(), supplier(), "supplier", salt=None)),
        ("under another agreement", attestation(member(), supplier(), "supplier", agreement=bytes(32))),
        ("in another place", attestation(member(), supplier(), "supplier", scope="trust/" + other_digit())),
        ("in another slot", attestation(member(), supplier(), "supplier", slot="x")),
        ("without evidence", attestation(member(), supplier(), "supplier", [])),
        ("with half of it", attestation(member(), supplier(), "supplier", pair[:1])),
        ("of another network", attestation(member(), supplier(), "supplier", network=network_id("x", b""))),
    ):
        yield name, assessment.pack(hidden.raw), "ATT-15"


def other_digit() -> str:
    return "0" if supplier().key.hex()[0] != "0" else "1"


def promise(content: bytes) -> Record:
    """An assessment that promises the good word, or, if that is what is wrong with it, whatever record is in there."""
    good = attestation(member(), supplier(), "supplier")
    try:
        inside = Record.parse(content[4:][: int.from_bytes(content[:4], "big")], NETWORK)
    except Reject:
        inside = good
    named = inside if inside.kind != "attestation.1" or inside.body["outcome"] == "kept" else good
    return sealed(member(), supplier(), "supplier", good, attestation=named.id)


@pytest.mark.parametrize(("name", "content", "clause"), list(contents()), ids=[row[0] for row in contents()])
def test_what_comes_out_is_what_was_promised(name: str, content: bytes, clause: str) -> None:
    """ATT-10, ATT-11, ATT-12, ATT-15"""
    found = ""
    try:
        assessment.read_content(dealt().deal(), promise(content), content, NETWORK)
    except Reject as error:
        found = error.code
    assert found == clause


def test_shares_that_do_not_fit_together() -> None:
    """ATT-15, IDN-17, IDN-18, IDN-9: too few, dealt wrongly, or under another key; the same whoever opens."""
    hidden = attestation(member(), supplier(), "supplier")
    deal, good = dealt().deal(), sealed(member(), supplier(), "supplier", hidden)
    other = sealed(member(), supplier(), "supplier", hidden, seed=7)
    assert reading(deal, good, shares_of(good)) == ""
    assert reading(deal, good, shares_of(good, (0, 1))) == "IDN-17"
    assert reading(deal, good, shares_of(other)) == "IDN-17"
    mixed = [*good.body["shares"][:3], other.body["shares"][3]]
    uneven = sealed(member(), supplier(), "supplier", hidden, shares=[list(one) for one in mixed])
    given_ = shares_of(uneven)
    assert {reading(deal, uneven, dict(list(given_.items())[at : at + 3])) for at in (0, 1)} == {"IDN-18"}
    crossed = sealed(member(), supplier(), "supplier", hidden, cipher=other.body["cipher"])
    assert reading(deal, crossed, shares_of(crossed)) == "IDN-9"


def test_the_length_tells_nothing() -> None:
    """ATT-10: neither the outcome, nor the marks, nor a remark."""
    words = [
        attestation(member(), supplier(), "supplier", outcome=outcome, dimensions=marks, remark=remark)
        for outcome in ("kept", "broken")
        for marks in ({}, {"promise": 1, "time": 2, "quality": 3, "communication": 4})
        for remark in ("", "x" * 2000)
    ]
    assert len({len(assessment.pack(one.raw)) for one in words}) == 1


def test_the_id_tells_nothing() -> None:
    """ATT-12: the same words under two salts have two ids; without one there is one id to guess."""
    ids = {attestation(member(), supplier(), "supplier", salt=bytes([number]) * 16).id for number in range(2)}
    assert len(ids) == 2
    assert len({attestation(member(), supplier(), "supplier", salt=None).id for _ in range(2)}) == 1


def test_the_largest_fits_a_record() -> None:
    """ATT-10: as many blocks as there may be, with a share for each of sixteen witnesses; one more is said openly."""
    most = ATTESTATION_BLOCKS_MAX * ATTESTATION_BLOCK_BYTES
    assert most + 16 * 130 + 2048 < RECORD_BYTES_MAX
    good = attestation(member(), supplier(), "supplier")
    assert assessment.fits(good._replace(raw=bytes(most - 4)))
    assert not assessment.fits(good._replace(raw=bytes(most - 3)))


def test_every_part_of_the_context_matters() -> None:
    """ATT-10"""
    parts = (bytes(32), ANN, "relay", "member", BEN)
    others = (b"\x02" * 32, BEN, "supplier", "relay", ANN)
    found = {assessment.context_of(*parts)}
    for at, other in enumerate(others):
        changed = [*parts[:at], other, *parts[at + 1 :]]
        found.add(assessment.context_of(*changed))  # type: ignore[arg-type]
    assert len(found) == 6


def vectors() -> dict[str, Any]:
    """Seals bound to what, what witnesses owe when, what may come out of a seal."""
    deal, cases = dealt().deal(), list[dict[str, Any]]()
    for author, relation, role, subject in (
        (ANN, "supplier", "supplier", BEN),
        (BEN, "supplier", "member", ANN),
        (persona("m0").key, "relay", "relay", persona("w0").key),
    ):
        given_ = {"rfq": deal.rfq.id.hex(), "author": author.hex(), "relation": relation, "role": role}
        output = {
            "slot": assessment.slot_name(relation, role, subject),
            "context": assessment.context_of(deal.rfq.id, author, relation, role, subject).hex(),
        }
        case = {"name": f"{relation} as {role}", "clause": "ATT-10", "input": given_ | {"subject": subject.hex()}}
        cases.append(case | {"output": output})
    for name, ids, held, given_ids, now, owed in DUTIES:
        since = {one.hex(): at for one, at in held.items()}
        told: dict[str, Any] = {"held": [one.hex() for one in ids], "since": since}
        told |= {"given": [one.hex() for one in given_ids], "now": now, "attest_ms": ATTEST_MS}
        due = {"receipts": [one.hex() for one in owed.receipts], "shares": [one.hex() for one in owed.shares]}
        case = {"name": name, "clause": "ATT-14", "input": told}
        cases.append(case | {"output": due | {"wake": owed.wake}})
    about = deal.agreement_of(member().key)
    assert about is not None
    for name, content, clause in contents():
        record = promise(content)
        body = {field: record.body[field] for field in ("relation", "role")}
        body |= {field: record.body[field].hex() for field in ("rfq", "subject", "attestation")}
        told = {"network": NETWORK.hex(), "author": record.author.hex(), "agreement": about.hash.hex()} | body
        told |= {"content": content.rstrip(b"\0").hex(), "zeros": len(content) - len(content.rstrip(b"\0"))}
        case = {"name": f"inside: {name}", "clause": clause or "ATT-15", "input": told}
        cases.append(case | ({"reject": clause} if clause else {"output": record.body["attestation"].hex()}))
    return {"name": "assessment", "spec": "09-accountability", "cases": cases}


def test_committed_vectors() -> None:
    """spec/vectors/assessment.json is what the code makes."""
    assert json.loads(VECTORS.read_text()) == vectors()
