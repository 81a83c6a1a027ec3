"""Rules of one node: how a subject is spelt, whom a rule is about, until when, what a notice comes to (15-relay)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Reject
from protocol.identity import did
from protocol.network.rules import Rule, Rules, canonical, kept, notice_slot, noticed, sort_of
from protocol.params import DAY_MS
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, START_MS, persona

ANN, BEN = persona("ann"), persona("ben")
PEER = "12D3KooW" + "a" * 44
GOOD = [
    ("persona", did(ANN.key), did(ANN.key)),
    ("peer", PEER, PEER),
    ("scope", "board/bread/u10", "board/bread/u10"),
    ("scope", "board/bread/*", "board/bread/*"),
    ("scope", "board/*", "board/*"),
    ("address", "192.0.2.7", "192.0.2.7/32"),
    ("address", "192.0.2.9/24", "192.0.2.0/24"),
    ("address", "2001:DB8::1/32", "2001:db8::/32"),
]
BAD = [
    ("persona", "did:key:z6Mk"),
    ("persona", ANN.key.hex()),
    ("peer", "12D3 KooW"),
    ("peer", "a" * 129),
    ("peer", ""),
    ("scope", "board"),
    ("scope", "*"),
    ("scope", "Board/bread"),
    ("scope", "board/b*"),
    ("scope", "a/b/c/d/*"),
    ("address", "192.0.2.256"),
    ("address", "192.0.2.0/33"),
    ("address", "example.org"),
    ("planet", "mars"),
]


def rule(subject: str, verb: str = "block", until: int = 0, source: bytes = b"") -> Rule:
    about = sort_of(subject)
    return Rule(verb, about, canonical(about, subject), "spam", until, source)


def vectors() -> dict[str, Any]:
    """vectors/rules.json: subjects and their one spelling, and the slots of notices about them."""
    cases: list[dict[str, Any]] = []
    for about, typed, spelt in GOOD:
        output = {"subject": spelt} | ({"slot": notice_slot(about, spelt)} if about != "address" else {})
        cases.append({"name": typed, "clause": "REL-2", "input": {"about": about, "subject": typed}, "output": output})
    for about, typed in BAD:
        about_it = {"about": about, "subject": typed}
        cases.append({"name": f"no {about}: {typed[:40]}", "clause": "REL-2", "input": about_it, "reject": "REL-2"})
    return {"name": "rules", "spec": "15-relay", "cases": cases}


@pytest.mark.parametrize(("about", "typed", "spelt"), GOOD)
def test_a_subject_has_one_spelling(about: str, typed: str, spelt: str) -> None:
    """REL-2"""
    assert sort_of(typed) == about
    assert canonical(about, typed) == spelt == canonical(about, spelt)


@pytest.mark.parametrize(("about", "typed"), BAD)
def test_what_is_no_subject_is_refused(about: str, typed: str) -> None:
    """REL-2"""
    with pytest.raises(Reject) as error:
        canonical(about, typed)
    assert error.value.code == "REL-2"


def test_a_persona_is_blocked_until_the_end() -> None:
    rules = Rules([rule(did(ANN.key), until=START_MS)])
    assert rules.on_persona("block", ANN.key, START_MS - 1)
    assert not rules.on_persona("block", ANN.key, START_MS)
    assert not rules.on_persona("block", BEN.key, 0)
    assert not rules.on_persona("allow", ANN.key, 0)


def test_a_beginning_of_scopes_covers_what_lies_below_it_alone() -> None:
    rules = Rules([rule("board/bread/*"), rule("trust/a")])
    told = ["board/bread/u10", "board/bread/u10/x", "trust/a"]
    untold = ["board/bread", "board/breads/u10", "coop/bread", "trust/ab", "trust/a/b"]
    assert all(rules.on_scope("block", one, 0) for one in told)
    assert not any(rules.on_scope("block", one, 0) for one in untold)


def test_an_address_is_in_its_range_however_it_is_spelt() -> None:
    """REL-4"""
    rules = Rules([rule("192.0.2.0/24"), rule("2001:db8::/32"), rule(PEER)])
    for host in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::7"):
        assert rules.on_peer("block", "other", host, 0), host
    for host in ("192.0.3.1", "::1", "example.org", ""):
        assert not rules.on_peer("block", "other", host, 0), host
    assert rules.on_peer("block", PEER, "", 0)


@given(st.ip_addresses(v=4), st.integers(0, 32), st.ip_addresses(v=4))
def test_a_range_is_its_first_bits(base: Any, bits: int, other: Any) -> None:
    rules = Rules([rule(f"{base}/{bits}")])
    assert rules.on_peer("block", "p", str(other), 0) == (int(base) >> (32 - bits) == int(other) >> (32 - bits))


def test_rules_are_kept_as_facts() -> None:
    own = [rule(typed, until=number) for number, (_, typed, _) in enumerate(GOOD)]
    assert sorted(kept({one.fact: one.to_bytes() for one in own}), key=lambda one: one.until) == own


def test_an_own_rule_outranks_a_followed_one() -> None:
    """REL-9"""
    theirs = rule(did(ANN.key), source=BEN.key)
    assert Rules((), [theirs]).on_persona("block", ANN.key, 0)
    assert not Rules([rule(did(ANN.key), "allow")], [theirs]).on_persona("block", ANN.key, 0)


def notice(about: str, subject: str, until: int = 0, state: str = "stands") -> Record:
    body = {"about": about, "subject": subject, "reason": "spam", "until": until, "state": state}
    slot = Slot("latest", notice_slot(about, subject), 0)
    expires = START_MS + DAY_MS
    return Record.sign(BEN, NETWORK, "notice.1", "trust/0", body, created=START_MS, expires=expires, slot=slot)


def test_a_notice_is_a_rule_with_a_source_and_an_end() -> None:
    """REL-8"""
    found = noticed(notice("persona", did(ANN.key)))
    assert found == Rule("block", "persona", did(ANN.key), "spam", START_MS + DAY_MS, BEN.key)
    earlier = noticed(notice("scope", "board/bread/*", until=START_MS + 5))
    assert earlier is not None
    assert earlier.until == START_MS + 5


@pytest.mark.parametrize(
    "one",
    [
        notice("persona", did(ANN.key), state="withdrawn"),
        notice("persona", "nobody"),
        notice("scope", "192.0.2.0/24"),
        notice("scope", "board//"),
    ],
)
def test_a_notice_without_a_subject_says_nothing(one: Record) -> None:
    """REL-9"""
    assert noticed(one) is None


def test_a_notice_about_an_address_cannot_be_signed() -> None:
    """REL-8"""
    with pytest.raises(Reject) as error:
        notice("address", "192.0.2.0/24")
    assert error.value.code == "REC-11"
