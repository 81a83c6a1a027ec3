"""A member and its supplier about the member's details, at their own nodes: leave, grants, taking back, the list."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import commands as ask
from protocol.encoding import encode
from protocol.engine import disclosures as listing
from protocol.engine import guard, speech
from protocol.engine.consent import check_detail
from protocol.errors import CommandError, Ignore, NotNow
from protocol.events import RecordReceived
from protocol.params import DAY_MS, DISCLOSURES_MAX, ERASE_MS, RELS_MAX
from protocol.record.record import Record, Slot
from protocol.record.shapes import FIELDS, PURPOSES
from protocol.trust.consent import rel_hash, usage_slot
from tests.deals import NETWORK, Handmade
from tests.known_terms import BASIC
from tests.stages import Desk, at
from tests.test_details import DEAL, HOME, M0, M1, MADE, OTHER, SELLER, asked, desk, lines

GRANT = ask.Grant(DEAL, ("offers",), ("contact",), 30)


def meet(*sides: Desk) -> None:
    """Each hears everything that the others hold, until nobody has news."""
    for _ in range(6):
        known = {one.id: one for side in sides for one in side.records.values() if one.scope == MADE.deal_scope}
        for side in sides:
            for one in sorted(known.values(), key=lambda one: (one.header.created, one.id)):
                if one.id not in side.records:
                    try:
                        side.do(RecordReceived(one, ""))
                    except Ignore:
                        continue
            side.tick(1)


def both() -> tuple[Desk, Desk]:
    """A member who sent its details, and the supplier that read them."""
    member, supplier = desk(M0), desk(SELLER)
    meet(member, supplier)
    member.ask(HOME)
    member.ask(ask.SendDetails(DEAL))
    meet(member, supplier)
    return member, supplier


def refused(side: Desk, command: Any) -> str:
    with pytest.raises(CommandError) as error:
        side.ask(command)
    return error.value.code


def forged(who: Any, kind: str, body: dict[str, Any], name: str, now: int, mode: Any = "once") -> Record:
    slot = Slot(mode, name, 0)
    return Record.sign(
        *(who, NETWORK, kind, MADE.deal_scope, body),
        created=now,
        expires=MADE.rfq.header.expires,
        slot=slot,
        refs=(MADE.rfq.id,),
    )


def state_of(side: Desk, grant: bytes) -> str:
    (found,) = [one["state"] for one in side.ask(ask.AskGrants()) if one["grant"] == grant]
    return str(found)


def test_the_ordinary_member_presses_nothing_more_and_sees_what_flows() -> None:
    """CNS-13, CNS-14, CNS-15, CNS-19, SUP-31: one word of the member, two halves, a receipt."""
    member, supplier = desk(M0), desk(SELLER)
    assert [one.kind for one in supplier.records.values() if one.author == SELLER.key][-2:] == ["intake.1", "rel.1"]
    meet(member, supplier)
    (need,) = [one for one in member.ask(ask.AskNeeds()) if one["kind"] == "details"]
    assert need["purposes"] == ["billing", "delivery"]
    assert "address, contact, name, notes" in need["says"]
    shown = member.ask(ask.AskFlow(DEAL))
    assert (shown["supplier"], shown["terms"], shown["state"]) == (SELLER.key, ["basic"], "asked")
    assert shown["use_until"] == need["use_until"] == MADE.rfq.header.expires
    member.ask(HOME)
    member.ask(ask.SendDetails(DEAL))
    assert [one.body for one in member.said("rel.1")] == [supplier.said("rel.1")[0].body] * 2
    meet(member, supplier)
    assert lines(supplier)[M0.key]["name"] == "Ada Lovelace"
    (row,) = member.ask(ask.AskGrants())
    assert (row["state"], list(row["receipts"])) == ("agreed", ["received"])
    assert not [one for one in member.ask(ask.AskNeeds()) if one["kind"] == "details"]


def test_no_own_detail_is_signed_without_two_halves() -> None:
    """CNS-13: the check stands at the signature, whoever asks; without it the violation appears."""
    intake, half = asked()
    member = desk(M0, intake)
    member.ask(HOME)
    assert refused(member, ask.SendDetails(DEAL)) == "CNS-14"
    core = member.engine._core
    body = {"agreement": half.body["agreement"], "rel": rel_hash(half.body), "sealed": b"x" * 100}
    slot = Slot("latest", "detail/0", 0)

    def say() -> Record:
        until = MADE.rfq.header.expires
        return core.say(M0, "detail.1", MADE.deal_scope, body, until=until, slot=slot, refs=(MADE.rfq.id,))

    assert check_detail in guard.CHECKS
    with pytest.raises(CommandError) as error:
        say()
    assert error.value.code == "CNS-13"
    assert not member.said("detail.1")
    check_detail(core, M0, "detail.1", MADE.deal_scope, body | {"sealed": b""}, slot)  # taking back is always possible
    ready = desk(M0, intake, half)
    ready.ask(HOME)
    ready.ask(ask.SendDetails(DEAL))
    core = ready.engine._core
    check_detail(core, M0, "detail.1", MADE.deal_scope, body, slot)
    for wrong, where in (
        (body | {"rel": bytes(32)}, slot),
        (body | {"agreement": bytes(32)}, slot),
        (body, Slot("latest", "detail/1", 0)),
    ):
        with pytest.raises(CommandError):
            check_detail(core, M0, "detail.1", MADE.deal_scope, wrong, where)
    core.now = half.body["until"]
    with pytest.raises(CommandError, match="over"):
        check_detail(core, M0, "detail.1", MADE.deal_scope, body, slot)


def test_without_the_check_it_would_be_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """CNS-13: the negative control."""
    member = desk(M0, asked()[0])
    body = {"agreement": asked()[1].body["agreement"], "rel": bytes(32), "sealed": b"x" * 100}
    monkeypatch.setattr(speech, "CHECKS", tuple(one for one in guard.CHECKS if one is not check_detail))
    slot, until = Slot("latest", "detail/0", 0), MADE.rfq.header.expires
    member.engine._core.say(M0, "detail.1", MADE.deal_scope, body, until=until, slot=slot, refs=(MADE.rfq.id,))


STEPS = "meet set send blank grant wish accept agree revoke erase deliver later restart".split()


@settings(max_examples=25)
@given(st.lists(st.sampled_from(STEPS), max_size=14))
def test_no_sequence_lets_a_detail_out_without_leave(steps: list[str]) -> None:
    """CNS-13, CNS-16: whatever both sides do and in whatever order, what was sealed had both halves when it was."""
    sides = {"member": desk(M0), "supplier": desk(SELLER)}
    for step in steps:
        _do(sides, step)
    meet(*sides.values())
    member = sides["member"]
    for one in (one for one in member.said("detail.1") if one.body["sealed"] and one.author == M0.key):
        number = one.header.slot.name.removeprefix("detail/") if one.header.slot else ""
        halves = [half for half in member.said("rel.1") if rel_hash(half.body) == one.body["rel"]]
        assert {half.author for half in halves} == {M0.key, SELLER.key}
        assert all(one.header.created < half.body["until"] for half in halves)
        own = [half.header.slot.name for half in halves if half.author == M0.key and half.header.slot]
        assert own == [f"rel/{number}"]
        later = [back for back in member.said("revoke.1") if back.body["rel"] == one.body["rel"]]
        assert not later or one.header.created <= later[0].header.created
    for flow in member.ask(ask.AskGrants()):
        if flow["state"] != "agreed":
            assert not [one for one in _latest(member) if one.body["rel"] == flow["grant"] and one.body["sealed"]]


def _latest(side: Desk) -> list[Record]:
    log = side.engine._core.contexts[MADE.deal_scope].log
    return [one for number in range(RELS_MAX) for one in log.slot("detail.1", M0.key, f"detail/{number}")]


def _do(sides: dict[str, Desk], step: str) -> None:
    member, supplier = sides["member"], sides["supplier"]
    known = member.ask(ask.AskGrants())
    first = known[0]["grant"] if known else bytes(32)
    said: dict[str, tuple[Desk, Any]] = {
        "set": (member, HOME),
        "send": (member, ask.SendDetails(DEAL)),
        "blank": (member, ask.BlankDetails(DEAL)),
        "grant": (member, GRANT),
        "wish": (supplier, GRANT),
        "accept": (supplier, ask.AcceptGrant(DEAL, first, M0.key)),
        "agree": (member, ask.AcceptGrant(DEAL, first)),
        "revoke": (member, ask.RevokeGrant(DEAL, first)),
        "erase": (supplier, ask.ReceiptUse(DEAL, "erased")),
        "deliver": (supplier, ask.Report(DEAL, "deliver", M0.key, 36)),
    }
    if step in said:
        side, command = said[step]
        with suppress(CommandError):
            side.ask(command)
    elif step == "meet":
        meet(member, supplier)
    elif step == "later":
        for side in (member, supplier):
            side.tick(3_600_000)
    elif step == "restart":
        sides["member"] = Desk(M0, member.records.values(), member.facts, member.now)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"terms": []}, "data terms"),
        ({"terms": ["something-else"]}, "data terms"),
        ({"purposes": ["billing", "delivery", "offers"]}, "grant"),
        ({"purposes": ["delivery", "support"]}, "support"),
        ({"until": 2**50}, "days"),
    ],
    ids=str,
)
def test_a_supplier_that_asks_for_more_than_it_accepted_gets_nothing(changes: dict[str, Any], why: str) -> None:
    """CNS-14: terms changed after the quotation, purposes and days beyond them."""
    intake, half = asked()
    supplier = desk(SELLER)
    bad = forged(SELLER, "rel.1", dict(half.body) | changes, "rel/0", supplier.now)
    member = desk(M0, intake, bad)
    member.ask(HOME)
    assert [one["kind"] for one in member.ask(ask.AskNeeds()) if one["kind"] == "details"] == []
    with pytest.raises(NotNow, match=why) as error:
        member.ask(ask.SendDetails(DEAL))
    assert error.value.code == "CNS-14"
    assert not member.said("detail.1")
    good = desk(M0, intake, bad, forged(SELLER, "rel.1", dict(half.body), "rel/1", supplier.now))
    good.ask(HOME)
    good.ask(ask.SendDetails(DEAL))  # among several halves the one that was agreed to
    assert good.said("detail.1")


def test_a_doubled_half_counts_for_nothing_and_another_helps() -> None:
    """CNS-11: equivocation."""
    intake, half = asked()
    twice = forged(SELLER, "rel.1", dict(half.body) | {"fields": ["name"]}, "rel/0", half.header.created)
    member = desk(M0, intake, half, twice)
    member.ask(HOME)
    assert refused(member, ask.SendDetails(DEAL)) == "CNS-14"


@pytest.mark.parametrize(
    ("kind", "who", "body", "name"),
    [
        ("rel.1", OTHER, {}, "rel/0"),
        ("rel.1", SELLER, {"agreement": bytes(32)}, "rel/0"),
        ("rel.1", M0, {"agreement": bytes(32)}, "rel/0"),
        ("revoke.1", SELLER, {}, "revoke/0"),
        ("revoke.1", OTHER, {}, "revoke/0"),
        ("usage.1", M0, {}, ""),
        ("usage.1", OTHER, {}, ""),
        ("usage.1", SELLER, {"member": OTHER.key}, ""),
        ("rel.1", M0, {}, "rel/99"),
        ("usage.1", SELLER, {}, "usage/elsewhere"),
    ],
)
def test_who_is_no_side_is_not_heard(kind: str, who: Any, body: dict[str, Any], name: str) -> None:
    """CNS-11, CNS-20, NEG-42"""
    supplier = desk(SELLER)
    half = supplier.said("rel.1")[0].body
    rel = rel_hash(half)
    whole: dict[str, dict[str, Any]] = {
        "rel.1": dict(half),
        "revoke.1": {"agreement": half["agreement"], "rel": rel},
        "usage.1": {"agreement": half["agreement"], "rel": rel, "member": M0.key, "act": "erased"},
    }
    said = whole[kind] | body
    slot = name or usage_slot(rel, said["member"], "erased")
    before = len(supplier.records)
    with pytest.raises(Ignore) as error:
        supplier.do(RecordReceived(forged(who, kind, said, slot, supplier.now), ""))
    assert error.value.code in ("NEG-42", "CNS-11")
    assert len(supplier.records) == before


def test_taking_back_ends_the_flow_and_a_receipt_is_due() -> None:
    """CNS-16, CNS-17, SUP-34: emptied, revoked, receipted; unanswered shows."""
    member, supplier = both()
    (row,) = member.ask(ask.AskGrants())
    member.ask(ask.BlankDetails(DEAL))
    assert refused(member, ask.SendDetails(DEAL)) == "CNS-14"  # it is final
    assert refused(member, ask.RevokeGrant(DEAL, row["grant"])) == "CNS-16"
    meet(member, supplier)
    assert lines(supplier)[M0.key] == {}
    assert state_of(member, row["grant"]) == "revoked"
    (need,) = [one for one in supplier.ask(ask.AskNeeds()) if one["kind"] == "erase"]
    assert "erase" in need["says"]
    late = Desk(M0, member.records.values(), member.facts, member.now + ERASE_MS + 60_000)
    assert state_of(late, row["grant"]) == "unanswered"
    assert [one["state"] for one in late.ask(ask.AskDisclosures()) if one["kind"] == "detail.1"] == ["unanswered"]
    assert supplier.ask(ask.ReceiptUse(DEAL, "erased")) == {"receipts": 1}
    assert refused(supplier, ask.ReceiptUse(DEAL, "erased")) == "CNS-19"
    meet(member, supplier)
    assert state_of(member, row["grant"]) == "erased"
    assert not [one for one in supplier.ask(ask.AskNeeds()) if one["kind"] == "erase"]
    again = Desk(M0, member.records.values(), member.facts, member.now + ERASE_MS + 60_000)
    assert state_of(again, row["grant"]) == "erased"


def test_what_is_over_is_emptied_by_itself() -> None:
    """CNS-12, CNS-16: by the member's node, and not read by the supplier's meanwhile."""
    member, supplier = both()
    assert member.ask(replace(GRANT, days=1, fields=("name",)))["until"] < MADE.rfq.header.expires + DAY_MS
    half = member.said("rel.1")[-1]
    supplier.do(RecordReceived(half, ""))
    flows = [one for one in supplier.ask(ask.AskGrants()) if one["state"] == "offered"]
    supplier.ask(ask.AcceptGrant(DEAL, flows[0]["grant"], M0.key))
    meet(member, supplier)
    assert [bool(one.body["sealed"]) for one in member.said("detail.1")] == [True, True]
    core = supplier.engine._core
    core.now = half.body["until"]
    context = core.contexts[MADE.deal_scope]
    deal = context.deal(core.settings)
    assert deal is not None
    from protocol.engine.deal.detailing import read

    assert read(core, context, deal.agreements[0]) == {}


def test_a_grant_needs_both_and_carries_what_it_names() -> None:
    """CNS-13, CNS-18, CNS-19: beyond the agreement, one field, for a while, with receipts of its use."""
    member, supplier = desk(M0), desk(SELLER)
    meet(member, supplier)
    member.ask(HOME)
    made = member.ask(GRANT)
    assert state_of(member, made["grant"]) == "offered"
    member.tick(60_000)
    assert not member.said("detail.1")
    meet(member, supplier)
    (need,) = [one for one in supplier.ask(ask.AskNeeds()) if one["kind"] == "grant"]
    assert need["purposes"] == ["offers"]
    supplier.ask(ask.AcceptGrant(DEAL, made["grant"], M0.key))
    assert refused(supplier, ask.AcceptGrant(DEAL, made["grant"], M0.key)) == "CNS-18"
    meet(member, supplier)
    assert state_of(member, made["grant"]) == "agreed"
    assert lines(supplier)[M0.key] == {"name": "", "address": "", "contact": "ada@example.net", "notes": ""}
    supplier.ask(ask.ReceiptUse(DEAL, "offers", M0.key))
    assert refused(supplier, ask.ReceiptUse(DEAL, "research")) == "CNS-19"
    meet(member, supplier)
    (row,) = [one for one in member.ask(ask.AskGrants()) if one["grant"] == made["grant"]]
    assert sorted(row["receipts"]) == ["offers", "received"]
    member.ask(ask.RevokeGrant(DEAL, made["grant"]))
    meet(member, supplier)
    assert lines(supplier)[M0.key] == {}


def test_a_grant_outlives_the_delivery() -> None:
    """CNS-18, SUP-34: what delivery needed is taken back by itself, what was granted beyond it stays."""
    member, supplier = both()
    made = member.ask(GRANT)
    meet(member, supplier)
    supplier.ask(ask.AcceptGrant(DEAL, made["grant"], M0.key))
    meet(member, supplier)
    core = supplier.engine._core
    deal = core.contexts[MADE.deal_scope].deal(core.settings)
    assert deal is not None
    for one in deal.agreements[0].accounts:
        supplier.ask(ask.Report(DEAL, "deliver", one.member, one.owed))
    meet(member, supplier)
    last = {one.header.slot.name: one for one in member.said("detail.1") if one.header.slot}
    assert [bool(last[f"detail/{number}"].body["sealed"]) for number in (0, 1)] == [False, True]
    assert lines(supplier)[M0.key] == {"name": "", "address": "", "contact": "ada@example.net", "notes": ""}


def test_a_supplier_asks_and_only_who_agrees_grants() -> None:
    """CNS-18: the other way round."""
    member, supplier, neighbour = desk(M0), desk(SELLER), desk(M1)
    wish = supplier.ask(GRANT)
    meet(member, supplier, neighbour)
    for one in (member, neighbour):
        one.ask(HOME)
        assert [need["grant"] for need in one.ask(ask.AskNeeds()) if need["kind"] == "grant"] == [wish["grant"]]
    member.ask(ask.AcceptGrant(DEAL, wish["grant"]))
    meet(member, supplier, neighbour)
    assert lines(supplier)[M0.key]["contact"] == "ada@example.net"
    assert lines(supplier)[M1.key] == {}
    assert refused(neighbour, ask.AcceptGrant(DEAL, bytes(32))) == "CNS-18"
    assert refused(desk(OTHER), GRANT) == "CNS-18"
    assert refused(member, replace(GRANT, days=0)) == "CNS-18"
    assert refused(member, replace(GRANT, purposes=("gossip",))) == "REC-11"
    assert refused(member, replace(GRANT, fields=())) == "REC-11"


def test_a_flood_of_wishes_is_bounded() -> None:
    """CNS-11: no more halves are signed or shown than are read."""
    member, supplier = desk(M0), desk(SELLER)
    wishes = [replace(GRANT, purposes=(why,), fields=what) for why in PURPOSES for what in combinations(FIELDS, 2)]
    for wish in wishes[: RELS_MAX - 1]:
        supplier.ask(wish)
    assert refused(supplier, wishes[0]) == "CNS-18"
    assert refused(supplier, wishes[RELS_MAX]) == "CNS-11"
    meet(member, supplier)
    assert len([one for one in member.ask(ask.AskNeeds()) if one["kind"] in ("grant", "details")]) <= 8


# Terms.


def test_terms_are_chosen_by_name_and_none_that_nobody_can_read() -> None:
    """CNS-3: unknown names are refused with what there is; what is chosen goes into intents that name none."""
    member = desk(M0)
    with pytest.raises(CommandError, match="alone, basic") as error:
        member.ask(ask.ChooseTerms(("no-such",)))
    assert error.value.code == "CNS-3"
    assert member.ask(ask.ChooseTerms(("basic",))) == {"chosen": ["basic"]}
    shown = member.ask(ask.AskTerms())
    assert [(one["name"], one["chosen"]) for one in shown["terms"]] == [("alone", False), ("basic", True)]
    assert shown["terms"][1]["words"] == BASIC.words

    def intent(name: str, *terms: str) -> list[str]:
        later = member.now + DAY_MS
        member.ask(ask.AddIntent(name, "tea", "any", 3, 1, 3_000, "exploring", later, terms))
        said = [one for one in member.said("intent.1") if one.header.slot and one.header.slot.name == name]
        return list(said[-1].body["terms"])

    assert intent("one") == ["basic"]
    assert intent("two", "alone") == ["alone"]
    assert intent("three", "none") == []
    assert member.ask(ask.ChooseTerms()) == {"chosen": []}
    assert intent("four") == []


# Several together.


def test_a_headline_tells_no_sum_of_few() -> None:
    """CNS-31: three members' pooled value is the suppliers' of the request to know, and not a board's."""
    made = Handmade()
    negotiator = next(one for one in made.members if one.key == made.rfq.author)
    desk = at(made, "mandated", negotiator)
    desk.ask(ask.OpenRfq(bytes.fromhex(made.scope.removeprefix("coop/"))))
    (headline,), (request,) = desk.said("headline.1"), desk.said("rfq.1")
    assert (headline.body["members"], headline.body["pooled_minor"]) == (3, 0)
    assert request.body["pooled_minor"] > 0


# The list.


def test_everything_said_is_on_the_list_and_stays_there() -> None:
    """CNS-21, CNS-22, CNS-23: also when the records are gone, and put together rather than dropped."""
    member, _ = both()
    member.ask(ask.AddIntent("tea", "tea", "any", 3, 1, 3_000, "ready", member.now + DAY_MS, ("basic",)))
    rows = {one["kind"]: one for one in member.ask(ask.AskDisclosures())}
    own = {one.kind for one in member.records.values() if one.author == M0.key}
    assert own <= set(rows)
    assert (rows["intent.1"]["terms"], rows["intent.1"]["state"]) == (["basic"], "stands")
    (use,) = rows["detail.1"]["uses"]
    assert (use["supplier"], use["state"], use["held"]) == (SELLER.key, "agreed", True)
    assert (rows["detail.1"]["to"], rows["detail.1"]["terms"]) == ("supplier", ["basic"])
    member.ask(ask.WithdrawIntent("tea"))
    rows = {one["kind"]: one for one in member.ask(ask.AskDisclosures())}
    assert (rows["intent.1"]["state"], rows["intent.1"]["count"]) == ("taken back", 2)
    bare = Desk(M0, (), {name: one for name, one in member.facts.items() if name.startswith("told")}, member.now)
    left = {one["kind"]: one for one in bare.ask(ask.AskDisclosures())}
    assert {"intent.1", "rel.1", "detail.1"} <= set(left)
    assert left["intent.1"]["count"] == 2


def test_the_list_is_bounded() -> None:
    """CNS-22: what was said longest ago is put together."""
    row = encode([1, 2, 3, 4])
    facts = {f"told/{M0.key.hex()}/intent.1/board/x/{number}": row for number in range(DISCLOSURES_MAX)}
    facts["told"] = DISCLOSURES_MAX.to_bytes(4, "big")
    member = Desk(M0, (), facts)
    member.ask(ask.AddIntent("tea", "tea", "any", 3, 1, 3_000, "ready", member.now + DAY_MS, ("basic",)))
    kept = [name for name in member.facts if name.startswith("told/")]
    assert len(kept) <= DISCLOSURES_MAX - DISCLOSURES_MAX // 10 + 3
    older = [one for one in member.ask(ask.AskDisclosures()) if one["scope"] == listing._OLDER]
    assert [(one["count"], one["first"], one["last"]) for one in older] == [(3 * DISCLOSURES_MAX // 10, 1, 2)]
