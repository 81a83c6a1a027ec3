"""Reconciliation: exact on any two sets, bounded on any bytes, and the same bytes as the vectors (SYN-1 to SYN-16)."""

import json
import random
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.errors import Ignore, ProtocolError, Reject
from protocol.network import sync
from protocol.network.index import INFINITE_MS, Index, item_key, varint
from protocol.network.sync import Bound, IdList, Lack, initiate, parse, respond
from protocol.params import SYNC_MESSAGE_BYTES_MAX, SYNC_RANGES_ANSWERED_MAX, SYNC_RANGES_MAX, SYNC_ROUNDS_MAX
from protocol.record.rows import BLOCK_ROWS

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "sync.json"
BASE_MS = 1_700_000_000_000
Item = tuple[int, bytes]


def item(number: int, step_ms: int = 1000) -> Item:
    return BASE_MS + number // 4 * step_ms, sha256(number.to_bytes(8, "big")).digest()


def items(spec: dict[str, Any]) -> list[Item]:
    """The vectors' short form of a set of items."""
    left_out = set(spec["without"])
    return [item(n, spec["step_ms"]) for n in range(spec["from"], spec["to"]) if n not in left_out]


def some(count: int, *without: int, first: int = 0, step_ms: int = 1000) -> dict[str, Any]:
    return {"from": first, "to": first + count, "step_ms": step_ms, "without": list(without)}


def converse(
    ours: Index, theirs: Index, frame: int = SYNC_MESSAGE_BYTES_MAX
) -> tuple[list[bytes], list[bytes], list[Any]]:
    """A whole session: ids the responder lacks, ids the initiator lacks, and what went over the wire by round."""
    session, message = initiate(ours, frame)
    have, need, rounds = list[bytes](), list[bytes](), list[Any]()
    sent: bytes | None = message
    while sent is not None:
        assert len(sent) <= frame
        reply = respond(theirs, sent, frame)
        assert len(reply) <= frame
        rounds.append({"message": sent.hex(), "reply": reply.hex()})
        sent, more_have, lacks = session.receive(reply)
        more_need = [one for lack in lacks for one in lack.ids]
        have += more_have
        need += more_need
        rounds[-1] |= {"have": [i.hex() for i in more_have], "need": [i.hex() for i in more_need]}
        assert len(rounds) < SYNC_ROUNDS_MAX
    return have, need, rounds


def naive_fingerprint(ids: list[bytes]) -> bytes:
    """SYN-8 written down a second time, over a plain list."""
    total = 0
    for one in ids:
        total = (total + sum(byte << 8 * place for place, byte in enumerate(one))) % 2**256
    count, digits = len(ids), list[int]()
    while True:
        digits.insert(0, count % 128 + (128 if digits else 0))
        count //= 128
        if not count:
            break
    return sha256(total.to_bytes(32, "little") + bytes(digits)).digest()[:16]


# --- vectors -------------------------------------------------------------------------------------------------------

SESSIONS: list[tuple[str, str, dict[str, Any], dict[str, Any], int]] = [
    ("both empty", "SYN-13", some(0), some(0), 65_536),
    ("responder empty", "SYN-13", some(5), some(0), 65_536),
    ("initiator empty", "SYN-12", some(0), some(5), 65_536),
    ("31 items are listed", "SYN-9", some(31, 7), some(31, 30), 65_536),
    ("32 items are split", "SYN-9", some(32, 7), some(33, 30), 65_536),
    ("equal sets of 40", "SYN-11", some(40), some(40), 65_536),
    ("one time for all", "SYN-5", some(60, 3, step_ms=0), some(60, 44, step_ms=0), 65_536),
    ("two differences in 600", "SYN-11", some(600, 100), some(600, 455), 65_536),
    ("halves that do not meet", "SYN-12", some(50), some(50, first=50), 65_536),
    ("list broken off by the frame", "SYN-12", some(3), some(150), 4096),
    ("split taken back by the frame", "SYN-10", some(160, *range(5, 160, 10)), some(160), 4096),
]

FINITE = "01" + "00"  # a bound at time 0
FINGERPRINT = "01" + "00" * 16
BAD: list[tuple[str, str, str]] = [
    ("no bytes", "SYN-3", ""),
    ("no version", "SYN-2", "7100"),
    ("version byte zero", "SYN-2", "00"),
    ("too long", "SYN-3", f"61 + {SYNC_MESSAGE_BYTES_MAX} * 00"),
    ("too many ranges", "SYN-3", f"61 + {SYNC_RANGES_MAX + 1} * {FINITE}00"),
    ("number with a leading zero digit", "SYN-4", "61" + "8001" + "00" + "00"),
    ("number cut off", "SYN-4", "61" + "ff"),
    ("number of 65 bits", "SYN-4", "61" + "82808080808080808000" + "00" + "00"),
    ("number without end", "SYN-4", "61" + "ff" * 40),
    ("mode missing", "SYN-4", "61" + FINITE),
    ("prefix longer than an id", "SYN-5", "61" + "01" + "21" + "00" * 33 + "00"),
    ("prefix at infinity", "SYN-5", "61" + "00" + "01" + "aa" + "00"),
    ("time reserved for infinity", "SYN-5", "61" + "81ffffffffffffffff7f" + "02" + "0000" + "00" + "02" + "00" + "00"),
    ("bound descends within one time", "SYN-5", "61" + "01" + "01" + "02" + "00" + "01" + "01" + "01" + "00"),
    ("bound descends after infinity", "SYN-5", "61" + "0000" + "00" + "05" + "00" + "00"),
    ("mode 3", "SYN-6", "61" + FINITE + "03"),
    ("mode 128", "SYN-6", "61" + FINITE + "8100"),
    ("prefix cut off", "SYN-7", "61" + "01" + "05" + "aabb"),
    ("fingerprint cut off", "SYN-7", "61" + "0000" + "01" + "00" * 15),
    ("list cut off", "SYN-7", "61" + "0000" + "02" + "02" + "00" * 63),
    ("list of 2^63 ids", "SYN-7", "61" + "0000" + "02" + "81808080808080808000" + "00" * 32),
]


def bytes_of(text: str) -> bytes:
    """Hexadecimal bytes, or the vectors' short form "head + times * tail"."""
    head, _, more = text.partition(" + ")
    times, _, tail = more.partition(" * ")
    return bytes.fromhex(head) + bytes.fromhex(tail) * int(times or 0)


def vectors() -> dict[str, Any]:
    """Every case with what the code makes of it."""
    cases: list[dict[str, Any]] = []
    for value in (0, 1, 127, 128, 16_383, 16_384, BASE_MS, 2**64 - 1):
        cases.append({"name": f"number {value}", "clause": "SYN-4", "input": {"number": str(value)}})
        cases[-1]["output"] = varint(value).hex()
    for spec, lower, upper in ((some(0), 0, 0), (some(1), 0, 1), (some(9), 2, 7), (some(700, 5), 0, 699)):
        value_in = {"items": spec, "first": lower, "end": upper}
        cases.append({"name": f"fingerprint of {upper - lower}", "clause": "SYN-8", "input": value_in})
        cases[-1]["output"] = Index(items(spec)).fingerprint(lower, upper).hex()
    for name, clause, ours, theirs, frame in SESSIONS:
        _, _, rounds = converse(Index(items(ours)), Index(items(theirs)), frame)
        given_in = {"initiator": ours, "responder": theirs, "frame_bytes_max": frame}
        cases.append({"name": f"session: {name}", "clause": clause, "input": given_in, "output": rounds})
    cases.append({"name": "version 2", "clause": "SYN-2", "input": {"message": "62aa"}, "output": "61"})
    for name, clause, message in BAD:
        cases.append({"name": name, "clause": clause, "input": {"message": message}, "reject": clause})
    return {"name": "sync", "spec": "03-sync", "cases": cases}


def test_vectors_are_what_the_code_makes() -> None:
    assert json.loads(VECTORS.read_text()) == vectors()


@pytest.mark.parametrize(("name", "clause", "message"), BAD, ids=[case[0] for case in BAD])
def test_bad_bytes_are_refused_on_both_sides(name: str, clause: str, message: str) -> None:
    index = Index(items(some(40)))
    session, _ = initiate(index, 4096)
    for receive in (session.receive, lambda raw: respond(index, raw, 4096)):
        with pytest.raises(Reject) as caught:
            receive(bytes_of(message))
        assert caught.value.code == clause
    assert len(index) == 40


# --- the index -----------------------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(1, 40), st.sampled_from([0, 1, 1000]))
def test_index_is_a_sorted_set(rng: random.Random, count: int, step_ms: int) -> None:
    """SYN-1, SYN-8: any mixture of insert and discard leaves the order, positions and fingerprints of a plain list."""
    pool = [item(n, step_ms) for n in range(count * BLOCK_ROWS // 8)]
    start = rng.sample(pool, rng.randrange(len(pool) + 1))
    index, model = Index(start), set(start)
    for _ in range(rng.randrange(4 * len(pool))):
        one = rng.choice(pool)
        if rng.random() < 0.6:
            assert index.insert(*one) == (one not in model)
            model.add(one)
        else:
            assert index.discard(*one) == (one in model)
            model.discard(one)
        if rng.random() < 0.02:  # caches must be rebuilt from the place that changed
            assert len(index) == len(model)
    ordered = sorted(model)
    lower = rng.randrange(len(ordered) + 1)
    upper = rng.randrange(lower, len(ordered) + 1)
    assert [key[8:] for key in index.keys(0, len(index))] == [one[1] for one in ordered]
    assert [key[8:] for key in index.keys(lower, upper)] == [one[1] for one in ordered[lower:upper]]
    assert index.fingerprint(lower, upper) == naive_fingerprint([one[1] for one in ordered[lower:upper]])
    assert all(index.position(item_key(*one)) == place for place, one in enumerate(ordered))


@pytest.mark.parametrize("bad", [(-1, bytes(32)), (2**64 - 1, bytes(32)), (0, bytes(31)), (0, bytes(33))])
def test_index_refuses_what_is_no_item(bad: Item) -> None:
    """SYN-1"""
    for act in (Index().insert, Index().discard, lambda *pair: Index([pair])):
        with pytest.raises(ValueError):
            act(*bad)


# --- sessions ------------------------------------------------------------------------------------------------------

SETS = st.tuples(
    st.integers(0, 2**32),
    st.integers(0, 900),
    st.sampled_from([(0.0, 0.0), (0.02, 0.02), (0.3, 0.3), (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)]),
    st.sampled_from([1, 3, 1000, 10**9]),
)


def two_sets(seed: int, count: int, shares: tuple[float, float], span_ms: int) -> tuple[set[Item], set[Item]]:
    """Two overlapping sets; half of the ids share their first 20 bytes (fewer left would let two sums be equal)."""
    rng = random.Random(seed)
    ours, theirs = set[Item](), set[Item]()
    for _ in range(count):
        one = BASE_MS + rng.randrange(span_ms), rng.choice((rng.randbytes(20), bytes(20))) + rng.randbytes(12)
        side = rng.random()
        if side >= shares[0]:
            theirs.add(one)
        if not shares[0] <= side < sum(shares):
            ours.add(one)
    return ours, theirs


def ids(some_items: set[Item]) -> set[bytes]:
    return {one[1] for one in some_items}


@given(SETS, st.sampled_from([4096, 5000, 65_536]))
def test_a_session_finds_exactly_what_differs(sets: tuple[int, int, tuple[float, float], int], frame: int) -> None:
    """SYN-10, SYN-12, SYN-13"""
    ours, theirs = two_sets(*sets)
    have, need, _ = converse(Index(ours), Index(theirs), frame)
    assert set(have) == ids(ours - theirs)
    assert set(need) == ids(theirs - ours)


def test_equal_sets_need_one_round() -> None:
    """SYN-11: nothing but the empty list above is left, so the session is finished."""
    _, _, rounds = converse(Index(items(some(5000))), Index(items(some(5000))))
    assert [parse(bytes.fromhex(one["reply"]))[-1] for one in rounds] == [IdList(Bound(INFINITE_MS), ())]


@given(SETS, st.integers(0, 2**32))
def test_sets_may_change_between_rounds(sets: tuple[int, int, tuple[float, float], int], seed: int) -> None:
    """SYN-16: what lay in one set only from first to last is found; what was in both all along is never reported."""
    ours, theirs = two_sets(*sets)
    rng = random.Random(seed)
    coming = [(BASE_MS + rng.randrange(2000), rng.randbytes(32)) for _ in range(200)]
    passing = rng.sample(sorted(ours | theirs), len(ours | theirs) // 5)
    indexes = Index(ours), Index(theirs)
    session, message = initiate(indexes[0], 4096)
    have, need = set[bytes](), set[bytes]()
    sent: bytes | None = message
    while sent is not None:
        for _ in range(20):
            side = rng.randrange(2)
            if coming:
                indexes[side].insert(*coming.pop())
            if passing:
                indexes[side].discard(*passing[-1])
                indexes[1 - side].discard(*passing.pop())
        sent, more_have, more_need = session.receive(respond(indexes[1], sent, 4096))
        have |= set(more_have)
        need |= {one for lack in more_need for one in lack.ids}
    stable = (ours | theirs) - set(passing)
    gone = ids(ours | theirs) - {key[8:] for index in indexes for key in index.keys(0, len(index))}
    assert ids(ours - theirs) - gone <= have
    assert ids(theirs - ours) - gone <= need
    assert not ids(ours & theirs & stable) - gone & (have | need)


def test_only_listed_ranges_are_reported() -> None:
    """SYN-13: a peer that lists one slice and skips the rest says nothing about the rest."""
    index = Index(items(some(400)))
    session, _ = initiate(index, 4096)
    start, end = item(100)[0], item(120)[0]
    skip = varint(start + 1) + b"\0\0"
    listed = varint(end - start + 1) + b"\0\2" + varint(2) + item(101)[1] + item(900)[1]
    reply, have, need = session.receive(b"\x61" + skip + listed)
    assert reply is None
    assert need == [Lack(Bound(start), Bound(end), (item(900)[1],), 2)]
    assert set(have) == {item(n)[1] for n in range(100, 120)} - {item(101)[1]}


def test_initiator_takes_another_version_as_nobodys_fault() -> None:
    """SYN-2"""
    session, _ = initiate(Index(), 4096)
    with pytest.raises(Ignore) as caught:
        session.receive(b"\x60")
    assert caught.value.code == "SYN-2"
    assert respond(Index(), b"\x6f\xff\xff", 4096) == b"\x61"


@pytest.mark.parametrize("frame", [4095, SYNC_MESSAGE_BYTES_MAX + 1])
def test_frame_limit_has_limits(frame: int) -> None:
    """SYN-10"""
    with pytest.raises(ValueError):
        initiate(Index(), frame)
    with pytest.raises(ValueError):
        respond(Index(), b"\x61", frame)


# --- hostile peers -------------------------------------------------------------------------------------------------


REFUSED = {"", *(f"SYN-{number}" for number in range(2, 8))}


def code_of(act: Callable[[], object]) -> str:
    """The clause that a call is refused under, "" when it is not."""
    try:
        act()
    except ProtocolError as error:
        return error.code
    return ""


def fits(answer: bytes, frame: int) -> None:
    assert len(answer) <= frame


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda tail: b"\x61" + tail))
def test_any_bytes_are_answered_or_refused(raw: bytes) -> None:
    """SYN-2 to SYN-7: never another exception, never more than a frame, never a change."""
    index = Index(items(some(1000)))
    before = index.fingerprint(0, len(index))
    assert code_of(lambda: fits(respond(index, raw, 4096), 4096)) in REFUSED
    session, _ = initiate(index, 4096)
    assert code_of(lambda: session.receive(raw)) in REFUSED
    assert index.fingerprint(0, len(index)) == before


@given(st.integers(0, 2**32), st.integers(0, 6), st.sampled_from([4096, 65_536]))
def test_a_damaged_message_is_answered_or_refused(seed: int, flips: int, frame: int) -> None:
    """Bytes flipped, cut and doubled in real messages (SYN-3 to SYN-7)."""
    rng = random.Random(seed)
    theirs = Index(items(some(700)))
    _, _, rounds = converse(Index(items(some(700, *range(0, 700, 9)))), theirs, frame)
    raw = bytearray.fromhex(rng.choice(rounds)[rng.choice(["message", "reply"])])
    for _ in range(flips):
        at = rng.randrange(len(raw)) if raw else 0
        raw[at : at + rng.choice([0, 1, 1, 40])] = rng.choice([b"", rng.randbytes(1), bytes(raw[at : at + 30])])
    assert code_of(lambda: fits(respond(theirs, bytes(raw), frame), frame)) in REFUSED


def test_ids_to_give_away_come_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """SYN-14: a peer that holds nothing does not make us list everything at once; in the end it has all."""
    monkeypatch.setattr(sync, "SYNC_HAVE_IDS_MAX", 50)
    ours = items(some(2000))
    have, need, rounds = converse(Index(ours), Index([item(10**6)]), 4096)
    assert set(have) == ids(set(ours))
    assert set(need) == {item(10**6)[1]}
    assert max(len(one["have"]) for one in rounds) <= 50


def test_most_ranges_fill_the_message_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """SYN-3: a question of as many ranges as are allowed gets an answer within the same limit."""
    monkeypatch.setattr(sync, "SYNC_RANGES_ANSWERED_MAX", SYNC_RANGES_MAX)
    question = bytearray(b"\x61")
    for number in range(SYNC_RANGES_MAX):
        question += b"\2\0\2\0" if number % 2 else b"\2\0\0"
    answer = respond(Index(items(some(100))), bytes(question), SYNC_MESSAGE_BYTES_MAX)
    assert len(parse(answer)) <= SYNC_RANGES_MAX
    assert sum(isinstance(one, IdList) for one in parse(answer)) > SYNC_RANGES_MAX // 2 - 3


class Counting(Index):
    """An index that counts the fingerprints it was asked for."""

    asked = 0

    def fingerprint(self, lower: int, upper: int) -> bytes:
        self.asked += 1
        return super().fingerprint(lower, upper)


@pytest.mark.parametrize("alike", [True, False])
def test_a_message_of_many_ranges_costs_no_more_than_a_few(alike: bool) -> None:
    """SYN-18: whether they agree or not; the answer's last range speaks for all that was left"""
    held = items(some(11_200))
    theirs, honest = Counting(held), Index(held)
    question = bytearray(b"\x61")
    for number in range(2_800):  # four neighbours share a time
        step = varint(1001 if number else BASE_MS + 1001)
        print_ = honest.fingerprint(4 * number, 4 * number + 4) if alike else bytes(16)
        question += step + b"\0\1" + print_
    answer = respond(theirs, bytes(question), 60_000)
    assert theirs.asked <= 2 * SYNC_RANGES_ANSWERED_MAX
    assert parse(answer)[-1].upper == sync._INFINITY


@pytest.mark.parametrize("extra", [0, 700])
def test_sets_are_reconciled_though_messages_are_closed_early(extra: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """SYN-18"""
    monkeypatch.setattr(sync, "SYNC_RANGES_ANSWERED_MAX", 5)
    ours, theirs = some(1500, *range(0, 1500, 50)), some(1500 + extra, *range(7, 1500, 31))
    have, need, _ = converse(Index(items(ours)), Index(items(theirs)), 4096)
    assert set(have) == ids(set(items(ours)) - set(items(theirs)))
    assert set(need) == ids(set(items(theirs)) - set(items(ours)))


def test_a_peer_that_never_agrees_is_left() -> None:
    """SYN-15"""
    session, _ = initiate(Index(items(some(40))), 4096)
    lie = bytes.fromhex("610000" + FINGERPRINT)
    for _ in range(SYNC_ROUNDS_MAX):
        reply, _, _ = session.receive(lie)
        assert reply is not None
    with pytest.raises(Ignore) as caught:
        session.receive(lie)
    assert caught.value.code == "SYN-15"
