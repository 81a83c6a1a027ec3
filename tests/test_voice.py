"""What a person's node does when something went wrong: said, answered, mediated, put right, and shown in words."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from protocol import commands as ask
from protocol.coop.evidence import co_signed
from protocol.encoding import encode
from protocol.errors import CommandError
from protocol.events import Effect, Notify, RecordReceived
from protocol.identity import Persona, seal
from protocol.params import HANDOVER_BYTES, PLANS_MAX, SUMMONED_MAX, SUMMONS_BYTES, WORDS_MAX
from protocol.record.record import Record
from protocol.trust.accountability import evidence, trust_scope
from protocol.trust.amends import mended
from protocol.trust.sealed import box_of, padded
from tests.deals import NETWORK, persona
from tests.remedies import EVE, MEDIATE_MS, MEDIATORS, VOICE_MS, made
from tests.stages import Desk, at
from tests.test_commands import assert_sentence, refused

HOUR_MS = 3_600_000
SUPPLIER = persona("s0")


def deal() -> bytes:
    return bytes.fromhex(made().deal_scope.removeprefix("deal/"))


def member() -> Persona:
    """A member with a share who is not the negotiator."""
    return next(one for one in made().members[:2] if one.key != made().negotiator.key)


class Table:
    """Several nodes that hear all that any of them says in scopes that they follow, after each of its turns."""

    def __init__(self, *people: Persona) -> None:
        self.desks = {one.key: at(made(), "countersigned", one) for one in people}
        self.told: list[Effect] = []
        self.settle()

    def guest(self, who: Persona) -> Desk:
        """Somebody who holds nothing of the deal."""
        self.desks[who.key] = Desk(who, now=next(iter(self.desks.values())).now)
        return self.desks[who.key]

    def of(self, who: Persona) -> Desk:
        return self.desks[who.key]

    def ask(self, who: Persona, command: Any) -> Any:
        """Say something a second later, and let everybody hear it."""
        self.later(1_000)
        reply = self.of(who).ask(command)
        self.settle()
        return reply

    def later(self, ms: int) -> None:
        for desk in self.desks.values():
            desk.now += ms
        self.settle()

    def settle(self) -> None:
        """Until nobody has anything new for anybody."""
        for _ in range(30):
            moved = False
            for desk in self.desks.values():
                self.told += desk.tick()
            for desk in self.desks.values():
                moved = self._hear(desk) or moved
            if not moved:
                return
        raise AssertionError("they never come to rest")

    def _hear(self, desk: Desk) -> bool:
        moved = False
        for other in self.desks.values():
            fresh = [one for key, one in other.records.items() if key not in desk.records]
            for record in sorted(fresh, key=lambda one: (one.header.created, one.kind != "voice.1")):
                if record.scope in desk.engine.scopes():
                    try:
                        desk.do(RecordReceived(record, ""))
                    except Exception:
                        continue
                    moved = moved or record.id in desk.records
        return moved


def needs(desk: Desk) -> dict[str, dict[str, Any]]:
    kinds = ("voice", "case", "name", "mediate", "agree", "remedy", "confirm", "follow")
    return {one["kind"]: one for one in desk.ask(ask.AskNeeds()) if one["kind"] in kinds}


def raised(table: Table, **more: Any) -> bytes:
    found: bytes = table.ask(member(), ask.RaiseVoice(deal(), "late", "deliver", "Nothing has come.", **more))["voice"]
    return found


def test_a_dialogue_from_voice_to_amends() -> None:
    """RMD-7, RMD-10 to RMD-24: said, answered poorly, named, drawn, summoned, handed over, planned, done, confirmed."""
    ann, shop, mediator = member(), SUPPLIER, MEDIATORS[0]
    table = Table(ann, shop)
    table.guest(mediator)
    table.ask(mediator, ask.OfferMediation("tea", "any", "offers", ("en",), "I listen."))
    voice = raised(table)
    assert needs(table.of(shop))["voice"]["silence"] == "It stands unanswered, for all to see."
    heard = table.ask(shop, ask.AskVoice(voice))
    assert (heard["words"][0]["code"], heard["words"][0]["text"]) == ("late", "Nothing has come.")
    assert refused(table.of(ann), ask.TakeStep(voice, "case")).code == "RMD-10"
    table.ask(shop, ask.SayWords(voice, "We will see."))
    table.ask(ann, ask.SetPulse(voice, "opening", 2, "angry"))
    assert table.ask(ann, ask.TakeStep(voice, "case"))["state"] == "talk"
    assert set(needs(table.of(shop))) == {"name"}
    table.ask(ann, ask.NameMediators(voice, (mediator.key, EVE.key)))
    table.ask(shop, ask.NameMediators(voice, (mediator.key,)))
    found = table.ask(ann, ask.AskVoice(voice))
    assert (found["state"], [one["key"] for one in found["line"]]) == ("asking", [mediator.key])
    assert "mediate" in needs(table.of(mediator))
    table.ask(mediator, ask.TakeStep(voice, "accept"))
    read = table.ask(mediator, ask.AskVoice(voice))
    assert [one["text"] for one in read["words"]] == ["Nothing has come.", "We will see."]
    assert read["pulses"] == [[ann.key, ["opening", 2, "angry"]], [shop.key]] or read["pulses"] == [
        [shop.key],
        [ann.key, ["opening", 2, "angry"]],
    ]
    due = table.of(ann).now + HOUR_MS
    remedies = ((shop.key, "deliver", due),)
    plan = table.ask(mediator, ask.ProposePlan(voice, remedies, "As ordered, tomorrow.", HOUR_MS))["plan"]
    for who in (ann, shop):
        assert needs(table.of(who))["agree"]["plan"] == plan
        table.ask(who, ask.TakeStep(voice, "agree", plan))
    assert needs(table.of(shop))["remedy"]["until"] == due
    table.ask(ann, ask.Attest(deal(), shop.key, "supplier", "broken", {}, "late"))
    table.ask(shop, ask.TakeStep(voice, "done"))
    assert needs(table.of(ann))["confirm"]["plan"] == plan
    assert not table.of(ann).said("amends.1")
    assert table.ask(ann, ask.TakeStep(voice, "confirmed"))["state"] == "remedied"
    (amends,) = table.of(ann).said("amends.1")
    bad = next(one for one in table.of(ann).said("attestation.1") if one.author == ann.key)
    assert (amends.body["attestation"], amends.scope) == (bad.id, trust_scope(shop.key))
    _remedied_for_ever(bad, amends)
    table.later(HOUR_MS)
    table.ask(ann, ask.TakeStep(voice, "fine"))
    assert "follow" not in needs(table.of(ann))
    says = table.ask(ann, ask.AskRelationship(shop.key))["says"]
    assert says[0] == "1 deal together, the first today."
    assert "You said that they kept their word 0 times, broke it 0 times, and put it right 1 time." in says
    assert "You raised 1 voice; they answered 1 in time and 0 late." in says
    assert any(one.startswith("1 of 1 that came to an end was put right") for one in says)
    _attested(table, ann, mediator)


def _remedied_for_ever(bad: Record, amends: Record) -> None:
    """RMD-22: what was mended and what was not differ; and nobody else mends it."""
    for answered, counts in (((), False), ((amends,), True)):
        (row,) = evidence([bad], {}, NETWORK, remedied=mended([bad], answered))
        assert row.remedied is counts
    forged = [
        Record.sign(
            who, NETWORK, "amends.1", amends.scope, amends.body, created=amends.header.created,
            expires=amends.header.expires, slot=amends.header.slot,
        )
        for who in (SUPPLIER, EVE)
    ]  # fmt: skip
    assert not mended([bad], forged)


def _attested(table: Table, who: Persona, mediator: Persona) -> None:
    """RMD-24: each side may say how the mediator did, and it counts; nobody else can."""
    for one in (who, SUPPLIER):
        table.ask(one, ask.Attest(deal(), mediator.key, "mediator", "kept", {"time": 4}, ""))
        every = [found for found in table.of(one).said("attestation.1") if found.body["role"] == "mediator"]
        said = next(found for found in every if found.author == one.key)
        assert co_signed(said, NETWORK) == made().rfq.id
    assert refused(table.of(who), ask.Attest(deal(), EVE.key, "mediator", "kept", {}, "")).code in ("ATT-1", "RMD-24")


def test_silence_is_told_and_a_case_ends_without_the_other() -> None:
    """RMD-11, RMD-25: the supplier never answers; both nodes say the same, in words, and whoever looks sees it."""
    ann = member()
    table = Table(ann, SUPPLIER)
    voice = raised(table)
    table.later(VOICE_MS + 1)
    assert needs(table.of(ann))["case"]["voice"] == voice
    for who in (ann, SUPPLIER):
        (row,) = table.of(who).ask(ask.AskVoices())
        assert (row["state"], row["answered"]) == ("unanswered", 0)
    why = table.of(ann).ask(ask.AskRelationship(SUPPLIER.key))["says"]
    assert "1 of these stand unanswered." in why
    assert why[-1].endswith("1 stand unanswered.")
    table.ask(ann, ask.TakeStep(voice, "case"))
    table.ask(ann, ask.NameMediators(voice, (MEDIATORS[0].key,)))
    table.later(VOICE_MS + 2 * MEDIATE_MS)
    assert table.of(ann).ask(ask.AskVoice(voice))["state"] == "unmediated"
    said = [one for one in table.told if isinstance(one, Notify) and one.topic == "voice"]
    assert any("was not answered in time" in one.detail["says"] for one in said)
    assert any("ended without a mediator" in one.detail["says"] for one in said)


def test_whoever_looks_is_told_that_somebody_did_not_answer() -> None:
    """RMD-25: by the author's own word, on what both signed; taken back by itself; and by nobody else."""
    ann = member()
    table = Table(ann, SUPPLIER)
    voice = raised(table)
    assert refused(table.of(ann), ask.TellUnheard(voice)).code == "RMD-25"
    table.later(VOICE_MS + 1)
    assert refused(table.of(SUPPLIER), ask.TellUnheard(voice)).code == "RMD-25"
    table.ask(ann, ask.TellUnheard(voice))
    assert refused(table.of(ann), ask.TellUnheard(voice)).code == "RMD-25"
    (said,) = table.of(ann).said("unheard.1")
    assert co_signed(said, NETWORK) == made().rfq.id
    stranger = Desk(EVE, [said], now=table.of(ann).now)
    assert said.body["evidence"]
    (why,) = [one for one in stranger.ask(ask.AskStanding(SUPPLIER.key, "supplier"))["why"] if "in public" in one]
    assert why.endswith("1 who signed a deal with them still wait.")
    forged = [
        Record.sign(
            who, NETWORK, "unheard.1", said.scope, {**said.body, **changed}, created=said.header.created,
            expires=said.header.expires, slot=said.header.slot,
        )
        for who, changed in ((EVE, {}), (SUPPLIER, {}), (ann, {"evidence": []}), (ann, {"voice": bytes(32)}))
    ]  # fmt: skip
    for one in forged:
        fooled = Desk(EVE, [one], now=table.of(ann).now)
        assert not any("in public" in row for row in fooled.ask(ask.AskStanding(SUPPLIER.key, "supplier"))["why"])
    table.ask(SUPPLIER, ask.SayWords(voice, "Sorry, we were away."))
    lifted = max(table.of(ann).said("unheard.1"), key=lambda one: one.header.slot.seq if one.header.slot else 0)
    assert lifted.body["outcome"] == "answered"
    (why,) = [one for one in table.of(ann).ask(ask.AskStanding(SUPPLIER.key, "supplier"))["why"] if "in public" in one]
    assert "1 were answered later, and 0 who signed" in why


def test_an_answer_that_says_nothing_is_told_so() -> None:
    """RMD-7, RMD-25"""
    ann = member()
    table = Table(ann, SUPPLIER)
    voice = raised(table)
    assert refused(table.of(SUPPLIER), ask.SayWords(voice, " \n ")).code == "RMD-7"
    table.ask(SUPPLIER, ask.SayWords(voice, "…"))
    table.ask(ann, ask.TakeStep(voice, "empty"))
    for who in (ann, SUPPLIER):
        (row,) = table.of(who).ask(ask.AskVoices())
        assert row["doubt"] == "empty"
        assert "its author says that the answer is empty" in row["says"]
    mine = table.of(ann).ask(ask.AskRelationship(SUPPLIER.key))["mine"]
    assert (mine["raised"], mine["in_time"], mine["unanswered"], mine["doubted"]) == (1, 0, 0, 1)


def test_nobody_else_reads_it() -> None:
    """RMD-5, RMD-18: neither another member nor the witness; and no pulse stands in any record."""
    ann = member()
    other = next(one for one in made().members if one is not ann)
    table = Table(ann, SUPPLIER, other)
    voice = raised(table)
    table.ask(ann, ask.SetPulse(voice, "opening", 1, "a word of my own"))
    (row,) = table.of(other).ask(ask.AskVoices())
    assert (row["voice"], row["mine"]) == (voice, False)
    assert not needs(table.of(other))
    everything = b"".join(one.raw for desk in table.desks.values() for one in desk.records.values())
    assert b"Nothing has come" not in everything
    assert b"a word of my own" not in everything


def test_witnesses_say_what_they_have() -> None:
    """RMD-8: the witness's node by itself, once for each."""
    witness = made().witnesses[0]
    table = Table(member(), SUPPLIER, witness)
    voice = raised(table)
    table.later(made().times["settle_ms"])
    said = [one for one in table.of(witness).said("receipt.1") if voice in one.body["ids"]]
    assert len(said) == 1


def test_a_supplier_or_negotiator_speaks_up_too() -> None:
    """RMD-3"""
    ann = member()
    table = Table(ann, SUPPLIER, made().negotiator)
    by_shop = table.ask(SUPPLIER, ask.RaiseVoice(deal(), "terms", "explain", "No address.", ann.key))["voice"]
    by_ann = table.ask(ann, ask.RaiseVoice(deal(), "conduct", "explain", "Why them?", made().negotiator.key))["voice"]
    assert {one["voice"] for one in table.of(ann).ask(ask.AskVoices())} == {by_shop, by_ann}
    assert needs(table.of(ann))["voice"]["voice"] == by_shop


REFUSALS: list[tuple[str, str, Any]] = [
    ("an unknown code", "RMD-7", ask.RaiseVoice(deal(), "bored", "refund", "x")),
    ("an unknown wish", "RMD-7", ask.RaiseVoice(deal(), "late", "revenge", "x")),
    ("no words", "RMD-7", ask.RaiseVoice(deal(), "late", "refund", "")),
    ("control characters", "RMD-7", ask.RaiseVoice(deal(), "late", "refund", "a\x07")),
    ("too many words", "RMD-5", ask.RaiseVoice(deal(), "late", "refund", "x" * 2_048)),
    ("about a stranger", "RMD-3", ask.RaiseVoice(deal(), "late", "refund", "x", EVE.key)),
    ("about oneself", "RMD-3", ask.RaiseVoice(deal(), "late", "refund", "x", member().key)),
    ("an unknown deal", "NEG-40", ask.RaiseVoice(bytes(16), "late", "refund", "x")),
    ("words under nothing", "RMD-2", ask.SayWords(bytes(32), "x")),
    ("a step under nothing", "RMD-2", ask.TakeStep(bytes(32), "case")),
    ("a relationship with oneself", "RMD-26", ask.AskRelationship(member().key)),
    ("a relationship with no key", "RMD-26", ask.AskRelationship(b"")),
    ("health before the end", "RMD-30", ask.AskHealth(bytes.fromhex(made().scope.removeprefix("coop/")))),
]


@pytest.mark.parametrize(("code", "command"), [one[1:] for one in REFUSALS], ids=[one[0] for one in REFUSALS])
def test_refusals(code: str, command: Any) -> None:
    """RMD-2, RMD-3, RMD-5, RMD-7, RMD-26, RMD-30: a sentence, and nothing has changed."""
    error = refused(at(made(), "countersigned", member()), command)
    assert error.code == code
    assert_sentence(error.message)


STEPS: list[tuple[str, Any]] = [
    ("RMD-3", lambda voice: ask.TakeStep(voice, "bored")),
    ("RMD-3", lambda voice: ask.TakeStep(voice, "settled")),
    ("RMD-16", lambda voice: ask.TakeStep(voice, "accept")),
    ("RMD-20", lambda voice: ask.TakeStep(voice, "agree")),
    ("RMD-20", lambda voice: ask.TakeStep(voice, "done")),
    ("RMD-20", lambda voice: ask.TakeStep(voice, "agree", bytes(32))),
    ("RMD-10", lambda voice: ask.TakeStep(voice, "case")),
    ("RMD-25", lambda voice: ask.TakeStep(voice, "empty")),
    ("RMD-14", lambda voice: ask.NameMediators(voice, (EVE.key,))),
    ("RMD-20", lambda voice: ask.ProposePlan(voice, (), "x")),
    ("RMD-20", lambda voice: ask.ProposePlan(voice, ((EVE.key, "refund", 2**50),), "x")),
    ("RMD-20", lambda voice: ask.ProposePlan(voice, ((SUPPLIER.key, "x", 2**50),), "x")),
    ("RMD-20", lambda voice: ask.ProposePlan(voice, ((SUPPLIER.key, "refund", 2**50),), "x")),
    ("RMD-18", lambda voice: ask.SetPulse(voice, "never", 3)),
    ("RMD-18", lambda voice: ask.SetPulse(voice, "opening", 6)),
]


def test_what_is_not_the_suppliers_to_say() -> None:
    """RMD-3, RMD-10, RMD-14, RMD-16, RMD-18, RMD-20, RMD-25"""
    table = Table(member(), SUPPLIER)
    voice = raised(table)
    for code, command in STEPS:
        with pytest.raises(CommandError) as found:
            table.of(SUPPLIER).ask(command(voice))
        assert found.value.code == code, command(voice)
        assert_sentence(found.value.message)


def test_no_more_voices_than_slots() -> None:
    """RMD-2"""
    table = Table(member(), SUPPLIER)
    for _ in range(4):
        raised(table)
    assert refused(table.of(member()), ask.RaiseVoice(deal(), "late", "refund", "x")).code == "RMD-2"


def test_all_that_can_be_handed_over_fits() -> None:
    """RMD-2, RMD-18: every slot of the two and the mediator used, and three pulses of the greatest length."""
    records = 1 + 3 * (WORDS_MAX + PLANS_MAX)
    content = {"keys": [[bytes(32), bytes(32)]] * records, "pulse": [["followup", 5, "x" * 200]] * 3}
    assert len(padded(encode(content), HANDOVER_BYTES)) == HANDOVER_BYTES


def _same(drawn: bytes, size: int) -> bytes:
    return drawn[:size]


def test_summons_by_anybody_show_nothing_and_stay_few() -> None:
    """RMD-17: a mediator follows so many deals at most, and is asked only where the records make it its turn."""
    mediator = MEDIATORS[0]
    desk = Desk(mediator)
    desk.ask(ask.OfferMediation("tea", "any"))
    for number in range(SUMMONED_MAX + 5):
        content = encode({"deal": number.to_bytes(16, "big"), "voice": bytes(32)})
        drawn = number.to_bytes(32, "big") if number else b"\1" * 32
        body = {"sealed": seal(padded(content, SUMMONS_BYTES), box_of(mediator.key), partial(_same, drawn))}
        who, scope = persona(f"nobody {number}"), trust_scope(mediator.key)
        desk.do(
            RecordReceived(
                Record.sign(who, NETWORK, "summons.1", scope, body, created=desk.now, expires=desk.now + HOUR_MS), ""
            )
        )
    desk.tick()
    followed = [one for one in desk.engine.scopes() if one.startswith("deal/")]
    assert len(followed) == SUMMONED_MAX
    assert not desk.ask(ask.AskNeeds())
