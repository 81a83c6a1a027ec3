"""Data terms, halves that match or do not, and sums over several: what follows from records alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.terms import in_home, load_file
from protocol.encoding import digest
from protocol.errors import CommandError, Ignore, Reject
from protocol.identity import Persona
from protocol.params import AGGREGATE_LEAST, DAY_MS, ERASE_MS, RELS_MAX
from protocol.record.kinds import KINDS
from protocol.record.log import Log
from protocol.record.record import Record, Slot
from protocol.record.shapes import FIELDS, PURPOSES
from protocol.trust.aggregate import band, together, told_of
from protocol.trust.consent import BASE, Flow, allowed, check_slot, excess, flows, parse_terms, rel_hash, usage_slot
from protocol.trust.disclosure import AUDIENCES, KINDS_TOLD, UNKNOWN, told
from tests.deals import NETWORK, START_MS, persona

MEMBER, OTHER, SELLER, RIVAL = persona("m0"), persona("m1"), persona("s0"), persona("s1")
SCOPE, END = "deal/" + "ab" * 16, START_MS + 60 * DAY_MS
AGREED, ELSE = digest("test", b"this agreement"), digest("test", b"another")
TERMS: dict[str, Any] = {
    "name": "tea-club",
    "version": 1,
    "title": "Tea and nothing else",
    "words": "Bring the tea.",
    "purposes": ["billing", "delivery"],
    "fields": ["address", "name"],
    "keep_days": 30,
    "sharing": "carriers",
}
HALF: dict[str, Any] = {
    "agreement": AGREED,
    "terms": ["tea-club"],
    "purposes": ["delivery"],
    "fields": ["address", "name"],
    "until": END,
}


def signed(
    who: Persona, kind: str, body: Mapping[str, Any], name: str, mode: Any = "once", later_ms: int = 0
) -> Record:
    """What somebody says in the deal."""
    when = START_MS + later_ms
    return Record.sign(
        *(who, NETWORK, kind, SCOPE, body), created=when, expires=END + DAY_MS, slot=Slot(mode, name, 0)
    )


def half(who: Persona, number: int = 0, later_ms: int = 0, **changes: Any) -> Record:
    return signed(who, "rel.1", HALF | changes, f"rel/{number}", later_ms=later_ms)


def back(who: Persona = MEMBER, number: int = 0, later_ms: int = 0, **changes: Any) -> Record:
    body = {"agreement": AGREED, "rel": rel_hash(HALF)} | changes
    return signed(who, "revoke.1", body, f"revoke/{number}", later_ms=later_ms)


def receipt(
    act: str, who: Persona = SELLER, member: Persona = MEMBER, rel: bytes = rel_hash(HALF), later_ms: int = 0
) -> Record:
    body = {"agreement": AGREED, "rel": rel, "member": member.key, "act": act}
    return signed(who, "usage.1", body, usage_slot(rel, member.key, act), later_ms=later_ms)


def sealed(number: int = 0, rel: bytes = rel_hash(HALF), content: bytes = b"x") -> Record:
    body = {"agreement": AGREED, "rel": rel, "sealed": content}
    return signed(MEMBER, "detail.1", body, f"detail/{number}", "latest")


def held(*records: Record) -> Log:
    log = Log(SCOPE)
    for one in records:
        log.add(one, wanted=True)
    return log


def state(*records: Record, now: int = START_MS + 1) -> str:
    """Of the one leave that these records speak of; "" for none."""
    found = [one for one in flows(held(*records), AGREED, SELLER.key, (MEMBER.key,)) if one.rel == rel_hash(HALF)]
    return found[0].state(now) if found else ""


M, S = half(MEMBER), half(SELLER)
FLOWS: list[tuple[str, str, tuple[Record, ...], int, str]] = [
    # (what, clause, records, now, state)
    ("both said the same", "CNS-12", (M, S), START_MS + 1, "agreed"),
    ("in any slots", "CNS-12", (half(MEMBER, 3), half(SELLER, 31)), START_MS + 1, "agreed"),
    ("the same word twice", "CNS-11", (M, S, half(SELLER, 1)), START_MS + 1, "agreed"),
    ("until the last millisecond", "CNS-12", (M, S), END - 1, "agreed"),
    ("the receipts of what came", "CNS-19", (M, S, sealed(), receipt("received")), START_MS + 1, "agreed"),
    ("revoked", "CNS-16", (M, S, sealed(), back()), START_MS + 1, "revoked"),
    ("revoked twice", "CNS-16", (M, S, sealed(), back(), back(later_ms=5)), START_MS + 1, "revoked"),
    ("erased", "CNS-17", (M, S, sealed(), back(), receipt("erased")), START_MS + 1, "erased"),
    ("no receipt in time", "CNS-17", (M, S, sealed(), back()), START_MS + ERASE_MS + 1, "unanswered"),
    ("nothing to receipt", "CNS-17", (M, S, back()), START_MS + ERASE_MS + 1, "revoked"),
    ("another's revocation", "CNS-16", (M, S, back(OTHER)), START_MS + 1, "agreed"),
    ("a revocation of another rel", "CNS-16", (M, S, back(rel=bytes(32))), START_MS + 1, "agreed"),
    ("a revocation of another number", "CNS-11", (M, S, back(number=1)), START_MS + 1, "agreed"),
    ("a rival's receipt", "CNS-19", (M, S, sealed(), back(), receipt("erased", RIVAL)), START_MS + 1, "revoked"),
    ("erased twice", "CNS-19", (M, S, back(), receipt("erased"), receipt("erased", later_ms=1)), END, "erased"),
    ("revoked before it was over", "CNS-12", (M, S, sealed(), back()), END, "unanswered"),
    ("over before it was revoked", "CNS-12", (M, S), END, "over"),
    ("offered", "CNS-12", (M,), START_MS + 1, "offered"),
    ("asked", "CNS-12", (S,), START_MS + 1, "asked"),
    ("of another member", "CNS-19", (M, S, sealed(), back(), receipt("erased", member=OTHER)), START_MS + 1, "revoked"),
]
APART: list[tuple[str, str, tuple[Record, ...], int]] = [
    # (what is wrong, clause, records, now): nothing is agreed
    ("the member alone", "CNS-12", (M,), START_MS + 1),
    ("the supplier alone", "CNS-12", (S,), START_MS + 1),
    ("another purpose", "CNS-12", (M, half(SELLER, purposes=["delivery", "offers"])), START_MS + 1),
    ("another field", "CNS-12", (M, half(SELLER, fields=["address", "contact", "name"])), START_MS + 1),
    ("fewer fields", "CNS-12", (M, half(SELLER, fields=["name"])), START_MS + 1),
    ("a millisecond longer", "CNS-12", (M, half(SELLER, until=END + 1)), START_MS + 1),
    ("other terms", "CNS-12", (M, half(SELLER, terms=[])), START_MS + 1),
    ("terms changed after the quotation", "CNS-12", (M, half(SELLER, terms=["anything-goes"])), START_MS + 1),
    ("over", "CNS-12", (M, S), END),
    ("long over", "CNS-12", (M, S), END + DAY_MS),
    ("a stranger's half", "CNS-12", (M, half(OTHER)), START_MS + 1),
    ("a rival's half", "CNS-12", (M, half(RIVAL)), START_MS + 1),
    ("another member's half", "CNS-12", (half(OTHER), S), START_MS + 1),
    ("under another agreement", "CNS-12", (M, half(SELLER, agreement=ELSE)), START_MS + 1),
    ("both under another", "CNS-12", (half(MEMBER, agreement=ELSE), half(SELLER, agreement=ELSE)), START_MS + 1),
    ("the member's said twice", "CNS-11", (M, half(MEMBER, fields=["name"]), S), START_MS + 1),
    ("the supplier's said twice", "CNS-11", (M, S, half(SELLER, fields=["name"])), START_MS + 1),
    ("the same twice at two times", "CNS-11", (M, S, half(SELLER, later_ms=1)), START_MS + 1),
    ("revoked", "CNS-16", (M, S, back()), START_MS + 1),
    ("revoked and said again", "CNS-16", (M, S, back(), half(MEMBER, 1)), START_MS + 1),
]


NAMES = [one[0] for one in FLOWS]


@pytest.mark.parametrize(("clause", "records", "now", "expected"), [one[1:] for one in FLOWS], ids=NAMES)
def test_what_two_sides_agreed_on(clause: str, records: tuple[Record, ...], now: int, expected: str) -> None:
    """CNS-10, CNS-12, CNS-16, CNS-17, CNS-19: a function of the set, whatever the order."""
    assert state(*records, now=now) == expected, clause
    assert state(*reversed(records), now=now) == expected


@pytest.mark.parametrize(("clause", "records", "now"), [one[1:] for one in APART], ids=[one[0] for one in APART])
def test_what_does_not_match_leads_to_nothing(clause: str, records: tuple[Record, ...], now: int) -> None:
    """CNS-11, CNS-12"""
    assert state(*records, now=now) != "agreed", clause
    assert state(*reversed(records), now=now) != "agreed"


SOME_TERMS = st.lists(st.sampled_from(["a", "b", "tea-club"]), unique=True, max_size=3).map(sorted)
FIELD_CHANGES = st.one_of(
    st.fixed_dictionaries({"agreement": st.binary(min_size=32, max_size=32)}),
    st.fixed_dictionaries({"terms": SOME_TERMS}),
    st.fixed_dictionaries({"purposes": st.lists(st.sampled_from(PURPOSES), unique=True, min_size=1).map(sorted)}),
    st.fixed_dictionaries({"fields": st.lists(st.sampled_from(FIELDS), unique=True, min_size=1).map(sorted)}),
    st.fixed_dictionaries({"until": st.integers(0, 2**53 - 1)}),
)


@given(FIELD_CHANGES)
def test_halves_that_differ_in_any_field_do_not_match(changes: dict[str, Any]) -> None:
    """CNS-10, CNS-12"""
    same = HALF | changes == HALF
    assert (rel_hash(HALF | changes) == rel_hash(HALF)) == same
    assert (state(M, half(SELLER, **changes)) == "agreed") == same


@pytest.mark.parametrize(
    "record",
    [
        half(MEMBER, RELS_MAX),
        signed(MEMBER, "rel.1", HALF, "rel"),
        signed(MEMBER, "rel.1", HALF, "rel/00"),
        signed(MEMBER, "rel.1", HALF, "rel/-1"),
        signed(MEMBER, "rel.1", HALF, "detail/0"),
        back(number=RELS_MAX),
        sealed(RELS_MAX),
        signed(MEMBER, "detail.1", {"agreement": AGREED, "rel": bytes(32), "sealed": b""}, "detail", "latest"),
        signed(SELLER, "usage.1", receipt("erased").body, usage_slot(rel_hash(HALF), MEMBER.key, "received")),
        signed(SELLER, "usage.1", receipt("erased").body, usage_slot(rel_hash(HALF), OTHER.key, "erased")),
        signed(SELLER, "usage.1", receipt("erased").body, "usage/x"),
    ],
    ids=lambda one: f"{one.kind} in {one.header.slot.name}",
)
def test_only_so_many_slots_are_read(record: Record) -> None:
    """CNS-11: a flood has nowhere to stand."""
    with pytest.raises(Ignore) as error:
        check_slot(record)
    assert error.value.code == "CNS-11"
    for good in (half(MEMBER, RELS_MAX - 1), back(), sealed(), receipt("delivery")):
        check_slot(good)


def test_a_flood_of_halves_is_bounded() -> None:
    """CNS-11: whatever is in the log, so many are read of each side."""
    flood = [half(SELLER, number, until=END - number) for number in range(RELS_MAX)]
    flood += [half(MEMBER, number, until=END + 1 + number) for number in range(RELS_MAX)]
    found = flows(held(*flood), AGREED, SELLER.key, (MEMBER.key,))
    assert len(found) == 2 * RELS_MAX
    assert all(one.state(START_MS + 1) in ("asked", "offered") for one in found)


# Terms.


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Tea"},
        {"name": "t" * 32},
        {"name": ""},
        {"version": 0},
        {"version": "1"},
        {"title": ""},
        {"words": "x" * 1001},
        {"words": "bell\x07"},
        {"purposes": ["delivery", "billing"]},
        {"purposes": ["everything"]},
        {"fields": ["address", "address"]},
        {"fields": ["shoe-size"]},
        {"keep_days": -1},
        {"keep_days": 3661},
        {"keep_days": 30.0},
        {"sharing": "anybody"},
        {"more": 1},
        {"words": None},
    ],
    ids=str,
)
def test_what_data_terms_cannot_say(changes: dict[str, Any]) -> None:
    """CNS-1: and what is missing."""
    for content in (TERMS | changes, {name: one for name, one in TERMS.items() if name not in changes}):
        if content == TERMS:
            continue
        with pytest.raises(Reject) as error:
            parse_terms(content)
        assert error.value.code == "CNS-1"
        assert error.value.message.startswith("terms")


@pytest.mark.parametrize("field", ["version", "title", "words", "purposes", "fields", "keep_days", "sharing"])
def test_an_id_is_one_text(field: str) -> None:
    """CNS-2: whatever changes is another id."""
    changes = {"version": 2, "title": "T", "words": "W", "purposes": [], "fields": [], "keep_days": 1}
    other = parse_terms(TERMS | {field: changes.get(field, "nobody")})
    assert other.id != parse_terms(TERMS).id
    assert other.id.startswith("tea-club-")
    assert len(parse_terms(TERMS | {"name": "t" * 31}).id) == 64


def test_several_allow_what_each_allows() -> None:
    """CNS-4, CNS-5"""
    tea, wide = parse_terms(TERMS), parse_terms(TERMS | {"purposes": sorted(PURPOSES), "fields": sorted(FIELDS)})
    strict = parse_terms(TERMS | {"sharing": "nobody", "keep_days": 5, "fields": ["contact", "name"]})
    assert allowed([wide]).purposes == PURPOSES
    assert allowed([wide, tea]) == tea.use
    both = allowed([strict, wide, tea])
    assert (both.purposes, both.fields, both.keep_days, both.sharing) == (
        ("billing", "delivery"),
        ("name",),
        5,
        "nobody",
    )
    assert allowed([]) == BASE
    assert BASE.purposes == ("delivery",)


def test_what_a_half_may_ask_for() -> None:
    """CNS-14: not a purpose, a field or a day beyond the terms."""
    use, end = parse_terms(TERMS).use, START_MS
    good = HALF | {"until": end + 30 * DAY_MS}
    assert excess(good, use, end) == ""
    assert "until" in excess(good | {"until": good["until"] + 1}, use, end)
    assert "offers" in excess(good | {"purposes": ["delivery", "offers"]}, use, end)
    assert "contact" in excess(good | {"fields": ["contact"]}, use, end)


def test_the_terms_that_come_with_a_node(tmp_path: Path) -> None:
    """CNS-1, CNS-3: each is good, and a home's own stand beside them; what is wrong with one names the file."""
    known = in_home(tmp_path)
    assert {one.name for one in known.values()} == {"sd-base", "basic", "no-sharing", "collect", "offers-welcome"}
    assert all(one == known[one.id] for one in known.values())
    folder = tmp_path / "terms"
    folder.mkdir()
    lines = [f"{name} = {str(value) if type(value) is int else repr(value)}" for name, value in TERMS.items()]
    (folder / "tea.toml").write_text("\n".join(lines).replace("'", '"'))
    assert parse_terms(TERMS).id in in_home(tmp_path)
    for text in ("name = 1", "=", "\xff", "x = " + "[" * 5000):
        (folder / "bad.toml").write_bytes(text.encode("latin-1"))
        with pytest.raises(CommandError, match=r"bad\.toml") as error:
            in_home(tmp_path)
        assert error.value.code == "CNS-1"
    (folder / "bad.toml").write_bytes(b"#" * 20_000)
    with pytest.raises(CommandError, match="bytes"):
        load_file(folder / "bad.toml")


# Several together.

SAID = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 9), st.integers(0, 10**6)), max_size=40)


def _said(rows: list[tuple[int, int, int]]) -> list[tuple[bytes, int, int]]:
    return [(bytes([who]), when, value) for who, when, value in rows]


@given(SAID)
def test_sums_cover_whole_groups(rows: list[tuple[int, int, int]]) -> None:
    """CNS-30: never fewer than k, in no order that a sender chooses, and one newcomer changes nothing but by k."""
    found = together(_said(rows))
    persons = len({who for who, _, _ in rows})
    assert found.persons == persons - persons % AGGREGATE_LEAST
    assert found == together(_said(rows[::-1]))
    assert found.total == 0 or found.persons >= AGGREGATE_LEAST
    later = together([*_said(rows), (b"new", 10, 777)])
    assert later.persons - found.persons in (0, AGGREGATE_LEAST)
    if later.persons == found.persons:
        assert later == found  # who came last is not told apart


def test_bands_and_headlines() -> None:
    """CNS-31, CNS-32, INT-9"""
    assert [band(total) for total in (0, 10_000, 25_000, 10**16)] == [
        (0, 10_000),
        (10_000, 20_000),
        (20_000, 50_000),
        (5 * 10**14, 5 * 10**14),
    ]
    assert told_of(4, 10**6) == 0
    assert told_of(5, 1_234_567) == 1_000_000


# The list.


def test_every_kind_says_what_it_tells_and_whom() -> None:
    """CNS-21: whoever adds a kind adds its line in protocol/trust/disclosure.py, and takes it away again."""
    assert sorted(KINDS) == sorted(KINDS_TOLD)
    assert all(one.to in AUDIENCES and one.what for one in KINDS_TOLD.values())
    assert told("gossip.9") is UNKNOWN


def _described(one: Flow, now: int) -> dict[str, Any]:
    return {"rel": one.rel.hex(), "number": one.number, "state": one.state(now)}


def vectors() -> dict[str, Any]:
    """spec/vectors/consent.json"""
    cases: list[dict[str, Any]] = []
    for name, content in (("plain", TERMS), ("another version", TERMS | {"version": 2})):
        made = {"id": parse_terms(content).id}
        cases.append({"name": f"terms: {name}", "clause": "CNS-2", "input": {"terms": content}, "output": made})
    bad = {"name": "Tea", "version": 0, "purposes": ["everything"], "keep_days": 3661, "more": 1}
    bad |= {"title": "", "fields": ["name", "address"], "sharing": "everybody"}
    for field, wrong in bad.items():
        given = {"terms": TERMS | {field: wrong}}
        cases.append({"name": f"terms: {field}", "clause": "CNS-1", "input": given, "reject": "CNS-1"})
    wide = {"purposes": ["delivery", "offers", "support"], "fields": ["address", "contact"], "keep_days": 400}
    strict = {"sharing": "nobody", "keep_days": 0, "purposes": []}
    for what, clause, several in (
        ("none", "CNS-5", []),
        ("one", "CNS-4", [TERMS]),
        ("two that overlap", "CNS-4", [TERMS, TERMS | wide]),
        ("the strictest of three", "CNS-4", [TERMS | wide, TERMS | strict, TERMS]),
    ):
        use = allowed([parse_terms(one) for one in several])
        may: dict[str, Any] = {"purposes": list(use.purposes), "fields": list(use.fields)}
        may |= {"keep_days": use.keep_days, "sharing": use.sharing}
        cases.append({"name": f"together: {what}", "clause": clause, "input": {"together": several}, "output": may})
    for what, clause, records, now, expected in FLOWS:
        given = _given("state", records, now)
        found = [one for one in flows(held(*records), AGREED, SELLER.key, (MEMBER.key,)) if one.rel == rel_hash(HALF)]
        assert found[0].state(now) == expected
        cases.append({"name": what, "clause": clause, "input": given, "output": _described(found[0], now)})
    for what, clause, records, now in APART:
        cases.append({"name": what, "clause": clause, "input": _given("sign", records, now), "reject": "CNS-13"})
    return {"name": "consent", "spec": "20-consent", "network": NETWORK.hex(), "cases": cases}


def _given(asked: str, records: tuple[Record, ...], now: int) -> dict[str, Any]:
    named = {"asked": asked, "agreement": AGREED.hex(), "member": MEMBER.key.hex(), "supplier": SELLER.key.hex()}
    return named | {"now": now, "rel": rel_hash(HALF).hex(), "records": [one.raw.hex() for one in records]}


def test_vectors() -> None:
    """Each reject of the vectors is a leave that is not agreed; there are at least as many as good ones."""
    cases = vectors()["cases"]
    assert sum("reject" in one for one in cases) >= sum("output" in one for one in cases)
