"""What becomes of a voice: the course of a case, whoever is silent, in whatever order records come, whoever lies.

`python -m tests.test_remedy` writes the table of 19-remedy anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import pytest

from protocol.coop.decision import Docket
from protocol.deal.deal import read_deal
from protocol.encoding import digest
from protocol.errors import Ignore, Reject
from protocol.identity import Persona
from protocol.params import PLANS_MAX, VOICES_MAX, WORDS_MAX
from protocol.record.log import Log
from protocol.record.record import Record
from protocol.trust import mediation
from protocol.trust.case import CASE, CASE_TERMINAL, RESTING, Voice, read_voices
from protocol.trust.sealed import box_of, close, key_for, open_with, padded, read, unpadded
from protocol.trust.voice import check, step_slot, under, voice_slot
from tests.deals import NETWORK, START_MS, Handmade
from tests.lives import is_printed, rewrite
from tests.remedies import EVE, MEDIATE_MS, MEDIATORS, SECOND, VOICE_MS, Dispute

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "remedy.json"
HOUR = 3_600_000


def outcome(dispute: Dispute) -> str:
    return dispute.only().outcome


# The table


def test_the_table_stands_in_the_spec() -> None:
    """RMD-10"""
    assert is_printed("19-remedy.md", "life of a voice", "test_remedy", CASE)


def test_every_path_ends() -> None:
    """RMD-10: no state comes back, and what waits for nobody is where paths may end."""
    after: dict[str, set[str]] = {}
    for (state, _), then in CASE.items():
        after.setdefault(state, set()).add(then)

    def deepest(state: str, seen: tuple[str, ...] = ()) -> int:
        assert state not in seen, f"{state} comes back"
        return 1 + max((deepest(then, (*seen, state)) for then in after.get(state, ())), default=0)

    assert deepest("raised") == 12
    ends = {then for then in CASE.values() if then not in after}
    assert ends == {"settled", "withdrawn", "remedied"}
    assert ends < set(RESTING)
    assert set(CASE_TERMINAL) < set(RESTING)


# A dispute among named peers


def test_a_dialogue_that_is_mended() -> None:
    """RMD-10 to RMD-23: a voice, a poor answer, one who declines and one who mediates, a plan that is kept."""
    it = Dispute()
    voice = it.raised()
    assert (it.only().start, it.only().until) == (voice.header.created, voice.header.created + VOICE_MS)
    it.words(it.supplier, voice, text="We will see.")
    assert (outcome(it), it.only().in_time) == ("answered", True)
    it.step(it.member, voice, "case")
    mine = it.naming(it.member, voice, MEDIATORS[:3], b"\1" * 32)
    theirs = it.naming(it.supplier, voice, MEDIATORS[1:], b"\2" * 32)
    assert it.only().stage(it.now).state == "drawing"
    it.named(it.member, voice, mine)
    it.named(it.supplier, voice, theirs)
    first, second = (one.key for one in it.only().line)
    assert {first, second} == {MEDIATORS[1].key, MEDIATORS[2].key}
    who = {one.key: one for one in MEDIATORS}
    it.step(who[first], voice, "decline")
    it.step(who[second], voice, "accept")
    assert it.only().mediator == second
    plan = it.plan(who[second], voice)
    it.step(it.member, voice, "agree", plan)
    assert it.only().plan is None
    it.step(it.supplier, voice, "agree", plan)
    assert it.only().stage(it.now).state == "repairing"
    it.step(it.supplier, voice, "done", plan)
    assert outcome(it) == "unconfirmed"
    it.step(it.member, voice, "confirmed", plan)
    it.step(it.member, voice, "fine", plan)
    found = it.only()
    assert [one.state for one in found.course] == (
        "raised answered talk drawing asking mediation repairing remedied".split()
    )
    assert (found.outcome, found.follow) == ("remedied", ((it.member.key, "fine"),))
    assert all(one.confirmed for one in found.remedies)


# Whoever is silent


def act(it: Dispute, who: Persona, plans: bool) -> bool:
    """One thing that somebody willing does now; False when there is nothing for them to do."""
    found = it.read()
    voice = found[0] if found else None
    said = {(one.author, one.header.slot.name) for one in it.said if one.header.slot}
    if voice is None:
        return who is it.member and bool(it.raised())
    record, state = voice.record, voice.stage(it.now).state

    def once(slot: str, say: Callable[[], Any]) -> bool:
        if (who.key, slot) in said:
            return False
        say()
        return True

    name = under("", record.id)
    if who is it.supplier and state in ("raised", "unanswered"):
        return once(f"words{name}/0", lambda: it.words(who, record))
    if who.key in voice.pair and state in ("answered", "unanswered"):
        return once(f"step{name}/case/0", lambda: it.step(who, record, "case"))
    if who.key in voice.pair and state in ("talk", "naming"):
        return once(f"naming{name}", lambda: it.naming(who, record, MEDIATORS[:2], who.key))
    if who.key in voice.pair and state == "drawing":
        keys = sorted(one.key for one in MEDIATORS[:2])
        body = {"voice": record.id, "nonce": who.key, "accepts": keys}
        return once(f"named{name}", lambda: it.named(who, record, body))
    asked = [one.key for one in voice.line if one.since <= it.now < one.until]
    if state == "asking" and who.key in asked:
        return once(f"step{name}/mediate/0", lambda: it.step(who, record, "accept"))
    if state == "mediation" and plans:
        return _mend(it, who, voice, once)
    if state == "repairing" and voice.plan is not None:
        for key, step in ((it.supplier.key, "done"), (it.member.key, "confirmed")):
            slot = f"step{under('', voice.plan.id)}/{step}/0"
            if who.key == key and once(slot, partial(it.step, who, record, step, voice.plan)):
                return True
    return False


def _mend(it: Dispute, who: Persona, voice: Voice, once: Callable[[str, Callable[[], Any]], bool]) -> bool:
    plans = [one for one in it.said if one.kind == "plan.1"]
    if not plans:
        return who.key == voice.mediator and bool(it.plan(who, voice.record))
    slot = f"step{under('', plans[0].id)}/agree/0"
    return who.key in voice.pair and once(slot, lambda: it.step(who, voice.record, "agree", plans[0]))


def lived(silent: tuple[str, ...], silent_from: str = "raised") -> Dispute:
    """A dispute in which those are silent from a state on; time passes when nobody has anything to say."""
    it = Dispute()
    names = {"member": it.member, "supplier": it.supplier, "one": MEDIATORS[0], "other": MEDIATORS[1]}
    it.raised()
    begun = False
    for _ in range(60):
        voice = it.only()
        begun = begun or voice.stage(it.now).state == silent_from
        willing = [who for name, who in names.items() if not (begun and name in silent)]
        if not any(act(it, who, True) for who in willing):
            ahead = [one.since for one in voice.course if one.since > it.now]
            ahead += [one.until for one in voice.line if one.until > it.now]
            if not ahead:
                return it
            it.now = min(ahead)
    raise AssertionError("this case never ends")


def subsets(names: str) -> list[tuple[str, ...]]:
    every = names.split()
    return list(chain.from_iterable(combinations(every, size) for size in range(len(every) + 1)))


@pytest.mark.parametrize("silent", subsets("member supplier one other"), ids=lambda one: "+".join(one) or "nobody")
def test_whoever_is_silent_and_whenever_it_ends(silent: tuple[str, ...]) -> None:
    """RMD-11, RMD-12: a terminal state by a deadline, the same for all who hold the same records in any order."""
    rng = random.Random(len(silent))
    for state in dict.fromkeys(["raised", "answered", "talk", "drawing", "asking", "mediation", "repairing"]):
        it = lived(silent, state)
        found = it.only()
        assert found.outcome in RESTING
        assert found.course[-1].since <= found.start + 2 * VOICE_MS + 6 * MEDIATE_MS + 2 * HOUR + VOICE_MS
        for _ in range(3):
            order = list(it.log.records.values())
            rng.shuffle(order)
            other = Log(it.log.scope)
            for one in order:
                other.add(one, wanted=True)
            assert read_voices(other, it.deal, it.deal.council) == it.read()


def test_what_silence_leads_to() -> None:
    """RMD-11: said for each, so that the property above cannot hold by being empty."""
    told = {
        (("supplier",), "raised"): "unmediated",
        (("member", "supplier"), "raised"): "unanswered",
        (("member",), "raised"): "unmediated",
        (("member", "supplier"), "answered"): "answered",
        (("supplier",), "talk"): "unmediated",
        (("member",), "drawing"): "unmediated",
        (("one",), "asking"): "remedied",
        (("one", "other"), "asking"): "unmediated",
        (("supplier",), "mediation"): "disagreed",
        (("one", "other"), "mediation"): "disagreed",
        (("supplier",), "repairing"): "remedied",
        (("member",), "repairing"): "unconfirmed",
        (("member", "supplier"), "repairing"): "unremedied",
        ((), "raised"): "remedied",
    }
    assert {at: outcome(lived(*at)) for at in told} == told


def test_both_open_a_case_at_once() -> None:
    """RMD-13: one voice is one case; it began when the first opened it."""
    it = Dispute()
    voice = it.raised()
    it.words(it.supplier, voice)
    it.step(it.supplier, voice, "case")
    before = it.only().course
    it.step(it.member, voice, "case")
    assert it.only().course == before
    assert [one.state for one in before].count("talk") == 1


# Strangers, floods, replays


def refused(say: Callable[..., Any], *what: Any, **more: Any) -> str:
    with pytest.raises(Ignore) as found:
        say(*what, **more)
    return found.value.code


def test_strangers_raise_no_voice() -> None:
    """RMD-3: nor about a deal that they are no side of, nor members about each other, nor anybody about themself."""
    it = Dispute()
    other = next(one for one in it.of.members if one.key not in (it.member.key, it.deal.rfq.author))
    assert refused(it.raised, EVE) == "RMD-3"
    assert refused(it.raised, it.member, EVE) == "RMD-3"
    assert refused(it.raised, it.of.members[-1]) == "RMD-3"  # declined, and has no share
    assert refused(it.raised, it.member, it.member) == "RMD-3"
    voice = it.raised()
    for who in (EVE, other):
        assert refused(it.words, who, voice) == "RMD-3"
        assert refused(it.step, who, voice, "case") == "RMD-3"
        assert refused(it.step, who, voice, "accept") == "RMD-3"
        assert refused(it.plan, who, voice) == "RMD-3"
        assert refused(it.naming, who, voice, MEDIATORS) == "RMD-3"
    assert len(it.said) == 1


def test_each_step_is_of_whom_it_concerns() -> None:
    """RMD-3: control: those whom it does concern are heard."""
    it = Dispute()
    voice = it.raised()
    assert refused(it.step, it.supplier, voice, "settled") == "RMD-3"
    plan = it.plan(it.member, voice)
    assert refused(it.step, it.member, voice, "done", plan) == "RMD-3"
    assert refused(it.step, it.supplier, voice, "confirmed", plan) == "RMD-3"
    assert refused(it.step, it.supplier, voice, "done", plan, 1) == "RMD-3"
    assert refused(it.step, it.supplier, voice, "agree") == "RMD-3"
    assert refused(it.step, it.member, voice, "case", plan) == "RMD-3"
    assert it.step(it.supplier, voice, "done", plan)
    assert it.step(it.member, voice, "confirmed", plan)
    assert it.step(it.member, voice, "settled")


def test_slots_bound_what_anybody_can_say() -> None:
    """RMD-2: a flood ends with the slots; control: the last slot is still one."""
    it = Dispute()
    for number in range(VOICES_MAX):
        it.raised(number=number)
    assert refused(it.raised, number=VOICES_MAX) == "RMD-2"
    voice = it.read()[0].record
    it.words(it.supplier, voice, WORDS_MAX - 1)
    assert refused(it.words, it.supplier, voice, WORDS_MAX) == "RMD-2"
    it.plan(it.supplier, voice, number=PLANS_MAX - 1)
    assert refused(it.plan, it.supplier, voice, number=PLANS_MAX) == "RMD-2"
    said = it.sign(it.member, "step.1", {"voice": voice.id, "step": "case", "index": 0}, "step/x", voice.id)
    assert refused(it.add, said) == "RMD-2"
    assert len(it.read()) == VOICES_MAX


def test_what_names_no_voice_or_does_not_refer_to_it_is_ignored() -> None:
    """RMD-2"""
    it = Dispute()
    voice = it.raised()
    body = {"voice": voice.id, "step": "case", "index": 0}
    assert refused(it.add, it.sign(it.member, "step.1", body, step_slot(body))) == "RMD-2"
    unknown = body | {"voice": bytes(32)}
    assert refused(it.add, it.sign(it.member, "step.1", unknown, step_slot(unknown), bytes(32))) == "RMD-2"


def test_without_a_window_nothing_is_heard() -> None:
    """RMD-1: a deal whose times name no voice_ms is as it was."""
    plain = Handmade()
    deal = plain.deal()
    words = close({}, plain.members[0].key, (plain.members[0].key,), plain.draw)
    body = {"agreement": deal.agreements[0].hash, "subject": plain.suppliers[0].key, **words}
    slot = voice_slot(deal.agreements[0].hash, plain.suppliers[0].key, 0)
    said = plain.say(plain.members[0], "voice.1", plain.deal_scope, body, slot)
    log, _ = plain.logs[plain.deal_scope]
    assert refused(check, log, deal, said) == "RMD-1"
    assert read_voices(log, deal, deal.council) == ()


def test_a_replay_in_another_slot_is_another_voice_of_nobody() -> None:
    """RMD-5: words copied under another name open for nobody."""
    it = Dispute()
    voice = it.raised()
    stolen = {name: voice.body[name] for name in ("cipher", "lock", "keys")}
    assert read(stolen, it.member.key, it.supplier)["code"] == "late"
    with pytest.raises(Reject) as found:
        read(stolen, EVE.key, it.supplier)
    assert found.value.code == "IDN-9"


def test_who_says_two_things_in_one_slot_has_said_none() -> None:
    """RMD-9: a voice, an answer, an acceptance; but what both sides agreed and did stands whatever is signed later."""
    it = Dispute()
    voice = it.raised()
    it.words(it.supplier, voice)
    it.words(it.supplier, voice)
    assert outcome(it) == "unanswered"
    plan = it.plan(it.member, voice)
    for who in (it.member, it.supplier, it.supplier):
        it.step(who, voice, "agree", plan)
    it.step(it.supplier, voice, "done", plan)
    it.step(it.member, voice, "confirmed", plan)
    it.step(it.member, voice, "contested", plan)
    assert outcome(it) == "remedied"
    it.raised()
    assert it.read() == ()


# Time


def test_a_backdated_answer_is_late_where_witnesses_are_awake() -> None:
    """RMD-8: control: without them its own stamp is all there is."""
    for witnesses in (1, 4):
        it = Dispute(witnesses)
        voice = it.raised()
        it.receipt(voice)
        claimed = it.now + SECOND
        it.now += VOICE_MS + HOUR
        reply = it.words(it.supplier, voice, at=claimed)
        assert it.only().in_time
        for one in it.of.witnesses[: it.deal.council.faults]:  # so many may lie, and prove nothing
            it.receipt(reply, one)
            assert it.only().in_time
        it.receipt(reply)
        assert not it.only().in_time
        assert [one.state for one in it.only().course] == ["raised", "unanswered", "answered"]


def test_a_backdated_voice_starts_when_it_was_seen() -> None:
    """RMD-8: nobody is found silent who had no time to answer."""
    it = Dispute(4)
    voice = it.raised(at=it.now - 2 * VOICE_MS)
    assert it.only().until < it.now
    it.receipt(voice)
    assert it.only().start == it.now - it.deal.times["settle_ms"]
    it.words(it.supplier, voice)
    assert it.only().in_time


def test_one_bad_witness_of_four_moves_nothing() -> None:
    """RMD-8: the second least of four stamps is not below the least honest one, nor above what two say."""
    it = Dispute(4)
    voice = it.raised()
    said = voice.header.created
    it.receipt(voice, it.of.witnesses[0], at=said - VOICE_MS)
    it.receipt(voice, *it.of.witnesses[1:], at=said + SECOND)
    assert it.only().start == said
    late = Dispute(4)
    voice = late.raised()
    late.receipt(voice, late.of.witnesses[0], at=said + 10 * HOUR)
    late.receipt(voice, *late.of.witnesses[1:], at=voice.header.created + SECOND)
    assert late.only().start == voice.header.created


# Who mediates


def opened(it: Dispute) -> Record:
    voice = it.raised()
    it.words(it.supplier, voice)
    it.step(it.member, voice, "case")
    return voice


def test_nobody_steers_the_draw() -> None:
    """RMD-14, RMD-15: a list or nonce other than the committed one names nobody; so does one that comes too late."""
    it = Dispute()
    voice = opened(it)
    mine = it.naming(it.member, voice, MEDIATORS, b"\1" * 32)
    theirs = it.naming(it.supplier, voice, MEDIATORS, b"\2" * 32)
    it.named(it.member, voice, mine)
    ground = [theirs | {"nonce": bytes([number]) * 32} for number in range(3, 9)]
    lines = set()
    for other in ground:
        tried = Dispute()
        tried.log, tried.said, tried.now = _copied(it), list(it.said), it.now
        tried.named(tried.supplier, voice, other)
        lines.add(tried.only().line)
        assert tried.only().outcome == "unmediated"
    assert lines == {()}
    it.named(it.supplier, voice, theirs)
    assert len(it.only().line) == len(MEDIATORS)


def _copied(it: Dispute) -> Log:
    log = Log(it.log.scope)
    for one in it.log.records.values():
        log.add(one, wanted=True)
    return log


def test_who_waits_to_see_the_other_list_gains_nothing() -> None:
    """RMD-15: the last to open may stay silent, and then nobody mediates; it cannot choose who does."""
    it = Dispute()
    voice = opened(it)
    mine = it.naming(it.member, voice, MEDIATORS, b"\1" * 32)
    theirs = it.naming(it.supplier, voice, MEDIATORS, b"\2" * 32)
    it.named(it.member, voice, mine)
    until = next(one.until for one in it.only().course if one.state == "drawing")
    it.named(it.supplier, voice, theirs, at=until + 1)
    assert outcome(it) == "unmediated"


def test_the_order_is_nobodys() -> None:
    """RMD-15: over many nonces of one side everybody of the line comes first about equally often."""
    first: dict[bytes, int] = {}
    keys = [one.key for one in MEDIATORS]
    for number in range(400):
        seed = digest("draw", number.to_bytes(32, "big"))
        first[mediation.drawn(seed, keys)[0]] = first.get(mediation.drawn(seed, keys)[0], 0) + 1
    assert min(first[key] for key in keys) > 60


def test_a_plan_changed_after_signing_is_another_plan() -> None:
    """RMD-20: what binds is what both signed, to the byte."""
    it = Dispute()
    voice = it.raised()
    plan = it.plan(it.supplier, voice)
    it.step(it.member, voice, "agree", plan)
    softer = it.plan(it.supplier, voice, due=it.now + 10 * HOUR)  # in the same slot
    it.step(it.supplier, voice, "agree", softer)
    assert it.only().plan is None
    assert outcome(it) == "unanswered"
    it.step(it.supplier, voice, "agree", plan)
    assert it.only().plan == plan


def test_a_plan_binds_nobody_else_and_ends_in_time() -> None:
    """RMD-20"""
    it = Dispute()
    voice = it.raised()
    for plan in (it.plan(it.member, voice, owing=EVE), it.plan(it.member, voice, number=1, due=2**52)):
        for who in (it.member, it.supplier):
            it.step(who, voice, "agree", plan)
        assert it.only().plan is None


def test_a_mediator_who_sides_binds_nobody() -> None:
    """RMD-19: it may propose; what one side did not sign does not stand, and the outcome says so."""
    it = lived(("supplier",), "mediation")
    assert outcome(it) == "disagreed"
    voice = it.only().record
    mediator = next(one for one in MEDIATORS if one.key == it.only().mediator)
    plan = it.plan(mediator, voice, number=1)
    assert refused(it.step, mediator, voice, "agree", plan) == "RMD-3"
    assert refused(it.step, mediator, voice, "settled") == "RMD-3"


# Sealed words


def test_words_are_for_those_named() -> None:
    """RMD-4 to RMD-6: readers read; others, an altered text, and a key that is not the committed one do not."""
    it = Dispute()
    voice = it.raised()
    for who in (it.member, it.supplier):
        assert read(voice.body, voice.author, who)["text"] == "Nothing has come."
    key = key_for(voice.body, it.member)
    assert open_with(voice.body, voice.author, key)["wish"] == "deliver"
    spoilt: tuple[Callable[[], Any], ...] = (
        lambda: read(voice.body, voice.author, EVE),
        lambda: open_with(voice.body, voice.author, bytes(32)),
        lambda: open_with({**voice.body, "lock": bytes(32)}, voice.author, key),
        lambda: open_with({**voice.body, "cipher": bytes(len(voice.body["cipher"]))}, voice.author, key),
    )
    for spoil in spoilt:
        with pytest.raises(Reject):
            spoil()
    assert len(voice.body["cipher"]) == len(it.words(it.supplier, voice, text="").body["cipher"])


def test_blocks_and_keys_that_are_none() -> None:
    """RMD-4, RMD-5"""
    assert unpadded(padded(b"abc", 64)) == b"abc"
    for block in (b"\x00\x03ab", b"\x00\x01abc", b"\xff"):
        with pytest.raises(Reject) as found:
            unpadded(block)
        assert found.value.code == "RMD-5"
    with pytest.raises(Reject):
        padded(bytes(100), 64)
    with pytest.raises(Reject) as point:
        box_of(bytes(32))
    assert point.value.code == "RMD-4"


def test_the_deal_itself_is_unmoved() -> None:
    """RMD-12: no state of the deal follows from a voice."""
    it = lived(())
    docket = Docket()
    for one in it.log.records.values():
        docket.note(one)
    found = read_deal(it.log, docket, NETWORK)
    assert found is not None
    assert (found.state, found.agreements) == (it.deal.state, it.deal.agreements)
    assert it.now > START_MS


if __name__ == "__main__":
    rewrite("19-remedy.md", "life of a voice", "test_remedy", CASE)
