"""spec/vectors/remedy.json: sealed words, draws, hours, courses, and what is ignored; each case is run here too."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from protocol.coop.evidence import co_signed
from protocol.encoding import encode
from protocol.errors import Ignore, Reject
from protocol.identity import Persona, encrypt
from protocol.params import WORDS_BYTES
from protocol.record.record import Record, Slot
from protocol.trust import mediation
from protocol.trust.accountability import trust_scope
from protocol.trust.amends import amends_slot, mended
from protocol.trust.sealed import box_of, box_seed_of, close, open_with, padded, unpadded
from protocol.trust.voice import under
from tests.deals import NETWORK
from tests.remedies import EVE, MEDIATORS, SECOND, VOICE_MS, Dispute
from tests.test_carryover import MIXED_ORDER
from tests.test_remedy import lived, subsets

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "remedy.json"
Case = dict[str, Any]


def vectors() -> dict[str, Any]:
    """spec/vectors/remedy.json."""
    cases = [*_words(), *_draws(), *_courses(), *_ignored(), *_counted()]
    return {"name": "remedy", "spec": "19-remedy", "cases": cases}


def _told(name: str, clause: str, given: dict[str, Any], run: Callable[[], Any]) -> Case:
    """A case with what the code says to it: a value, or the clause by which it is refused."""
    try:
        found = {"output": _plain(run())}
    except (Reject, Ignore) as error:
        found = {"reject": error.code}
    return {"name": name, "clause": clause, "input": given, **found}


# Words


def _words() -> list[Case]:
    it = Dispute()
    author, key = it.member, bytes(range(32))
    body = close({"text": "Nothing has come."}, author.key, (author.key,), lambda size: key[:size])
    cases = [
        _told(f"box of {name}", "RMD-4", {"key": one.hex()}, partial(box_of, one))
        for name, one in (
            ("a persona", author.key),
            ("another", EVE.key),
            ("no point", bytes(32)),
            ("two", b"\2" * 32),
            ("a key outside the group of prime order", MIXED_ORDER),
        )
    ]
    cases.append(_told("secret of a box", "RMD-4", {"seed": author.seed.hex()}, partial(box_seed_of, author)))
    for name, block in (
        ("filled up", padded(b"abc", 16)),
        ("empty", padded(b"", 4)),
        ("longer than it is", b"\0\5abc"),
        ("not filled with zeros", b"\0\1abc"),
        ("one byte", b"\1"),
    ):
        cases.append(_told(f"block {name}", "RMD-5", {"block": block.hex()}, partial(unpadded, block)))
    flipped = bytearray(body["cipher"])
    flipped[7] ^= 1
    array = encode(["text"])
    odd = close({}, author.key, (), lambda size: key[:size])
    odd["cipher"] = _sealed(array, key, author.key)
    tries: tuple[tuple[str, dict[str, Any], bytes, bytes], ...] = (
        ("as they were", {}, author.key, key),
        ("under another key", {}, author.key, bytes(32)),
        ("in another name", {}, EVE.key, key),
        ("altered", {"cipher": bytes(flipped)}, author.key, key),
        ("with another lock", {"lock": bytes(32)}, author.key, key),
        ("cut short", {"cipher": body["cipher"][:-1]}, author.key, key),
        ("that are no map", {"cipher": odd["cipher"]}, author.key, key),
    )
    for name, changed, who, opener in tries:
        said = {**body, **changed}
        given = {"cipher": said["cipher"].hex(), "lock": said["lock"].hex(), "author": who.hex(), "key": opener.hex()}
        cases.append(_told(f"words {name}", "RMD-6", given, partial(open_with, said, who, opener)))
    return cases


def _sealed(content: bytes, key: bytes, author: bytes) -> bytes:
    return encrypt(padded(content, WORDS_BYTES), key, author)


# Draws


def _draws() -> list[Case]:
    cases = []
    keys = [one.key for one in MEDIATORS]
    voice, nonce = b"\7" * 32, b"\1" * 32
    for name, accepts in (("nobody", []), ("one", keys[:1]), ("four", sorted(keys))):
        given = {"voice": voice.hex(), "author": EVE.key.hex(), "nonce": nonce.hex(), "accepts": _hex(accepts)}
        told = mediation.commitment(voice, EVE.key, nonce, accepts).hex()
        cases.append({"name": f"commitment to {name}", "clause": "RMD-14", "input": given, "output": told})
    for name, seed in (("one seed", bytes(32)), ("another", b"\1" * 32)):
        given = {"seed": seed.hex(), "keys": _hex(keys)}
        line = _hex(mediation.drawn(seed, keys))
        cases.append({"name": f"order by {name}", "clause": "RMD-15", "input": given, "output": line})
    return cases


def _hex(keys: list[bytes]) -> list[str]:
    return [key.hex() for key in keys]


# Courses


def _courses() -> list[Case]:
    """Who is silent from which state on; and those in which somebody lies."""
    cases = []
    for silent in subsets("member supplier"):
        for state in ("raised", "talk", "repairing"):
            it = lived(silent, state)
            cases.append(_course(f"silent from {state}: {' and '.join(silent) or 'nobody'}", "RMD-11", it))
    for name, clause, lie in LIES:
        it = Dispute(4 if clause == "RMD-8" else 1)
        lie(it)
        cases.append(_course(name, clause, it))
    for name, clause, live in PATHS:
        it = Dispute()
        live(it)
        cases.append(_course(name, clause, it))
    return cases


def _course(name: str, clause: str, it: Dispute) -> Case:
    """The agreement and times in numbers, what was said as headers and open fields, and the course."""
    sealed = ("cipher", "keys")
    said = [
        {
            "id": one.id.hex(),
            "kind": one.kind,
            "author": one.author.hex(),
            "slot": one.header.slot.name if one.header.slot else "",
            "created": one.header.created,
            "body": _plain({field: value for field, value in one.body.items() if field not in sealed}),
        }
        for one in it.said
    ]
    given = {
        "agreement": it.agreed.hash.hex(),
        "members": [member.hex() for member, _ in it.agreed.allocation.shares],
        "supplier": it.agreed.supplier.hex(),
        "negotiator": it.deal.rfq.author.hex(),
        "witnesses": _hex(list(it.deal.council.witnesses)),
        "mediators": _hex(it.deal.rfq.body.get("mediators", [])),
        "expires": it.deal.rfq.header.expires,
        "times": {key: it.deal.times[key] for key in ("mediate_ms", "settle_ms", "voice_ms") if key in it.deal.times},
        "said": said,
    }
    found = [
        {
            "voice": one.record.id.hex(),
            "course": [[stage.state, stage.since, stage.until] for stage in one.course],
            "in_time": int(one.in_time),
            "line": [[asked.key.hex(), asked.since, asked.until, asked.answer] for asked in one.line],
            "plan": one.plan.id.hex() if one.plan is not None else "",
        }
        for one in it.read()
    ]
    return {"name": name, "clause": clause, "input": given, "output": found}


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
    return value


def _backdated_answer(it: Dispute) -> None:
    voice = it.raised()
    it.receipt(voice)
    claimed = it.now + SECOND
    it.now += 2 * VOICE_MS
    it.receipt(it.words(it.supplier, voice, at=claimed))


def _backdated_voice(it: Dispute) -> None:
    it.receipt(it.raised(at=it.now - 2 * VOICE_MS))


def _too_few_receipts(it: Dispute) -> None:
    it.receipt(it.raised(at=it.now - 2 * VOICE_MS), it.of.witnesses[0])


def _twice(it: Dispute) -> None:
    voice = it.raised()
    for _ in range(2):
        it.words(it.supplier, voice)


def _voice_twice(it: Dispute) -> None:
    for _ in range(2):
        it.raised()


def _another_list(it: Dispute) -> None:
    voice = it.raised()
    it.words(it.supplier, voice)
    it.step(it.member, voice, "case")
    mine = it.naming(it.member, voice, MEDIATORS, b"\1" * 32)
    theirs = it.naming(it.supplier, voice, MEDIATORS[:1], b"\2" * 32)
    it.named(it.member, voice, mine)
    it.named(it.supplier, voice, theirs | {"nonce": b"\3" * 32})


def _another_plan(it: Dispute) -> None:
    voice = it.raised()
    plan, softer = it.plan(it.supplier, voice), it.plan(it.supplier, voice, due=it.now + 36_000_000)
    it.step(it.member, voice, "agree", plan)
    it.step(it.supplier, voice, "agree", softer)


def _a_plan_for_another(it: Dispute) -> None:
    voice = it.raised()
    plan = it.plan(it.supplier, voice, owing=EVE)
    for who in (it.member, it.supplier):
        it.step(who, voice, "agree", plan)


def _taken_back(it: Dispute) -> None:
    voice = it.raised()
    plan = it.plan(it.supplier, voice)
    for who in (it.member, it.supplier, it.supplier):
        it.step(who, voice, "agree", plan)
    it.step(it.member, voice, "confirmed", plan)
    it.step(it.member, voice, "contested", plan)


LIES: list[tuple[str, str, Callable[[Dispute], None]]] = [
    ("an answer set back, seen by the witnesses too late", "RMD-8", _backdated_answer),
    ("a voice set back, seen by the witnesses", "RMD-8", _backdated_voice),
    ("a voice set back, seen by too few witnesses", "RMD-8", _too_few_receipts),
    ("two answers in one slot", "RMD-9", _twice),
    ("two voices in one slot", "RMD-9", _voice_twice),
    ("another list than the one committed to", "RMD-14", _another_list),
    ("a plan changed after one side signed", "RMD-20", _another_plan),
    ("a plan that binds somebody else", "RMD-20", _a_plan_for_another),
    ("what was agreed and confirmed is taken back", "RMD-9", _taken_back),
]


# Courses that nobody lies in


def _ended(it: Dispute, *steps: str) -> None:
    voice = it.raised()
    for step in steps:
        it.step(it.member, voice, step)


def _answered_at_the_end(it: Dispute) -> None:
    voice = it.raised()
    it.words(it.supplier, voice, at=it.only().until)


def _answered_in_the_talk(it: Dispute) -> None:
    voice = it.raised()
    it.step(it.supplier, voice, "case")
    it.words(it.supplier, voice)


def _lists(it: Dispute, mine: list[Persona], theirs: list[Persona]) -> Record:
    """A case in which both have named and shown their lists."""
    voice = it.raised()
    it.step(it.member, voice, "case")
    opened = [(who, it.naming(who, voice, keys)) for who, keys in ((it.member, mine), (it.supplier, theirs))]
    for who, body in opened:
        it.named(who, voice, body)
    return voice


def _third_accepts(it: Dispute) -> None:
    voice = _lists(it, MEDIATORS[:3], MEDIATORS)
    first, _, third = _in_line(it)
    it.step(first, voice, "decline")
    it.step(third, voice, "accept")


def _last_declines(it: Dispute) -> None:
    voice = _lists(it, MEDIATORS[:2], MEDIATORS)
    first, last = _in_line(it)
    it.step(last, voice, "decline")
    it.step(first, voice, "accept", at=it.only().line[0].until + 1)


def _in_line(it: Dispute) -> list[Persona]:
    named = {one.key: one for one in MEDIATORS}
    return [named[one.key] for one in it.only().line]


def _in_advance(it: Dispute) -> None:
    it.requested(mediators=_keys(MEDIATORS[1:4]))
    voice = _lists(it, MEDIATORS[:2], MEDIATORS[:2])
    for one in _in_line(it)[:3]:
        it.step(one, voice, "decline")


def _in_advance_alone(it: Dispute) -> None:
    it.requested(mediators=_keys(MEDIATORS[2:4]))
    it.step(it.member, it.raised(), "case")


def _keys(some: list[Persona]) -> list[bytes]:
    return sorted(one.key for one in some)


def _nobody_mediates(it: Dispute) -> None:
    times = {name: value for name, value in it.deal.times.items() if name != "mediate_ms"}
    it.requested(times=times, mediators=_keys(MEDIATORS[2:4]))
    _lists(it, MEDIATORS, MEDIATORS)


def _agreed(it: Dispute, remedies: int = 1, **more: Any) -> tuple[Record, Record]:
    voice = it.raised()
    plan = it.plan(it.supplier, voice, remedies=remedies, **more)
    for who in (it.member, it.supplier):
        it.step(who, voice, "agree", plan)
    return voice, plan


def _contested_and_confirmed(it: Dispute) -> None:
    voice, plan = _agreed(it, 2)
    it.step(it.member, voice, "contested", plan)
    it.step(it.member, voice, "confirmed", plan)
    it.step(it.supplier, voice, "done", plan, 1)


def _contested(it: Dispute, at: int = 0) -> tuple[Record, Record]:
    voice, plan = _agreed(it)
    it.step(it.supplier, voice, "done", plan)
    it.step(it.member, voice, "contested", plan, at=at)
    return voice, plan


def _contested_later(it: Dispute) -> None:
    _contested(it, it.now + 10_000_000)


def _confirmed_at_last(it: Dispute) -> None:
    voice, plan = _contested(it)
    it.step(it.member, voice, "confirmed", plan, at=it.now + 10_000_000)


def _due_before_it_was_agreed(it: Dispute) -> None:
    _agreed(it, due=it.now - VOICE_MS)


def _two_plans(it: Dispute) -> None:
    voice, _ = _agreed(it)
    plan = it.plan(it.member, voice, owing=it.member)
    for who in (it.member, it.supplier):
        it.step(who, voice, "agree", plan)


def _a_plan_said_twice(it: Dispute) -> None:
    voice, _ = _agreed(it)
    it.plan(it.supplier, voice, due=it.now + 36_000_000)


PATHS: list[tuple[str, str, Callable[[Dispute], None]]] = [
    ("settled", "RMD-10", lambda it: _ended(it, "settled")),
    ("withdrawn", "RMD-10", lambda it: _ended(it, "withdrawn")),
    ("settled and withdrawn in one slot", "RMD-9", lambda it: _ended(it, "settled", "withdrawn")),
    ("answered in the last millisecond", "RMD-11", _answered_at_the_end),
    ("answered in time, while both talk", "RMD-25", _answered_in_the_talk),
    ("the first declines, the second is silent, the third accepts early", "RMD-16", _third_accepts),
    ("the first accepts too late, the last has declined", "RMD-16", _last_declines),
    ("whom both name, then whom the request names", "RMD-15", _in_advance),
    ("nobody names anybody, but the request does", "RMD-15", _in_advance_alone),
    ("nobody mediates", "RMD-1", _nobody_mediates),
    ("contested, confirmed after all, the other done", "RMD-21", _contested_and_confirmed),
    ("contested in time", "RMD-21", lambda it: _contested(it) and None),
    ("contested when the time was over", "RMD-21", _contested_later),
    ("contested, and confirmed at last", "RMD-21", _confirmed_at_last),
    ("due before it was agreed", "RMD-11", _due_before_it_was_agreed),
    ("two plans were agreed", "RMD-20", _two_plans),
    ("a plan is said twice once it is agreed", "RMD-9", _a_plan_said_twice),
]


# What is ignored


def _ignored() -> list[Case]:
    """Records that are no part of a voice, each beside the voice that it names; and one that is."""
    it = Dispute()
    voice = it.raised()
    plan = it.plan(it.member, voice)
    words = close({"text": "x"}, it.supplier.key, (it.supplier.key,), it.draw)
    body = {"voice": voice.id, **words}

    def step(who: Persona, name: str, slot: str, *refs: bytes, **more: Any) -> Record:
        return it.sign(who, "step.1", {"voice": voice.id, "step": name, "index": 0} | more, slot, *refs)

    v, p = voice.id[:8].hex(), plan.id[:8].hex()
    about = {"agreement": it.agreed.hash, "subject": it.supplier.key, **words}
    tries: list[tuple[str, Record]] = [
        ("an answer", it.sign(it.supplier, "words.1", body, f"words/{v}/0", voice.id)),
        ("a stranger's answer", it.sign(EVE, "words.1", body, f"words/{v}/0", voice.id)),
        ("an answer in another slot", it.sign(it.supplier, "words.1", body, f"words/{v}/8", voice.id)),
        ("an answer that refers to nothing", it.sign(it.supplier, "words.1", body, f"words/{v}/0")),
        ("a stranger's voice", it.sign(EVE, "voice.1", about, under_voice(it, EVE))),
        ("a voice about oneself", it.sign(it.supplier, "voice.1", about, under_voice(it, EVE))),
        ("a voice in a fifth slot", it.sign(it.member, "voice.1", about, under_voice(it, EVE)[:-1] + "4")),
        ("settled by the other side", step(it.supplier, "settled", f"step/{v}/end/0", voice.id)),
        ("a case by a stranger", step(EVE, "case", f"step/{v}/case/0", voice.id)),
        ("a case with an index", step(it.member, "case", f"step/{v}/case/1", voice.id, index=1)),
        ("accepted by nobody named", step(EVE, "accept", f"step/{v}/mediate/0", voice.id)),
        ("agreed to no plan", step(it.member, "agree", f"step/{v}/agree/0", voice.id)),
        ("agreed without a reference", step(it.member, "agree", f"step/{p}/agree/0", voice.id, plan=plan.id)),
        ("done by whom it is owed to", step(it.member, "done", f"step/{p}/done/0", voice.id, plan.id, plan=plan.id)),
        ("done", step(it.supplier, "done", f"step/{p}/done/0", voice.id, plan.id, plan=plan.id)),
    ]
    given = {"voice": voice.raw.hex(), "plan": plan.raw.hex(), "supplier": it.supplier.key.hex()}
    cases = []
    for name, one in tries:
        clause = "RMD-2" if "slot" in name or "refer" in name else "RMD-3"
        cases.append(_told(name, clause, {**given, "record": one.raw.hex()}, partial(_added, it, one)))
    return cases


def _added(it: Dispute, record: Record) -> bytes:
    return it.add(record).id


def under_voice(it: Dispute, _: Persona) -> str:
    """The first slot of a voice about the supplier."""
    return f"voice/{it.agreed.hash[:8].hex()}/{it.supplier.key[:8].hex()}/0"


# What counts afterwards


def _counted() -> list[Case]:
    """Amends by whom it takes, and a mediator attested on what shows it."""
    it = lived(())
    voice = it.only()
    mediator = next(one for one in MEDIATORS if one.key == voice.mediator)
    sealed = {"voice": voice.record.id, "mediator": mediator.key, "sealed": bytes(4096 + 48)}
    refs = (voice.record.id, it.deal.rfq.id)
    given = it.add(it.sign(it.member, "handover.1", sealed, under("handover", voice.record.id), *refs))
    accept = {"voice": voice.record.id, "step": "accept", "index": 0}
    slot = f"step/{voice.record.id[:8].hex()}/mediate/0"
    taken, bare = (it.sign(mediator, "step.1", accept, slot, *some) for some in (refs, refs[:1]))
    declined = it.sign(mediator, "step.1", accept | {"step": "decline"}, slot, *refs)
    cases: list[Case] = []
    for name, who, shown in (
        ("a mediator, by a side", it.member, (given, taken)),
        ("a mediator, by a stranger", EVE, (given, taken)),
        ("a mediator who declined", it.member, (given, declined)),
        ("a mediator whose acceptance names no request", it.member, (given, bare)),
        ("a mediator to whom nothing was handed over", it.member, (taken, taken)),
    ):
        said = _attestation(it, who, mediator.key, "mediator", "kept", [one.raw for one in shown])
        found = co_signed(said, NETWORK)
        counts = found.hex() if found is not None else ""
        cases.append({"name": name, "clause": "RMD-24", "input": {"attestation": said.raw.hex()}, "output": counts})
    bad = _attestation(it, it.member, it.supplier.key, "supplier", "broken", [])
    amends: tuple[tuple[str, Persona, dict[str, bytes]], ...] = (
        ("amends by whoever said it", it.member, {}),
        ("amends by whom it is about", it.supplier, {}),
        ("amends by a stranger", EVE, {}),
        ("amends for another word", it.member, {"attestation": bytes(32)}),
    )
    for name, who, changed in amends:
        body = {"attestation": bad.id, "subject": it.supplier.key} | changed
        where = Slot("once", amends_slot(bad.id), 0)
        one = Record.sign(who, NETWORK, "amends.1", bad.scope, body, created=it.now, expires=it.now + 1, slot=where)
        told = {"attestation": bad.raw.hex(), "amends": one.raw.hex()}
        remedied = int(bad.id in mended([bad], [one]))
        cases.append({"name": name, "clause": "RMD-22", "input": told, "output": remedied})
    return cases


def _attestation(it: Dispute, who: Persona, subject: bytes, role: str, outcome: str, shown: list[bytes]) -> Record:
    body: dict[str, Any] = {"subject": subject, "role": role, "agreement": it.agreed.hash, "outcome": outcome}
    body |= {"dimensions": {}, "remark": "", "evidence": shown, "salt": bytes(16)}
    slot = Slot("once", f"{it.agreed.hash[:8].hex()}/{subject[:8].hex()}/{role}", 0)
    expires = it.now + 1
    return Record.sign(
        who, NETWORK, "attestation.1", trust_scope(subject), body, created=it.now, expires=expires, slot=slot
    )


# The file


def test_the_committed_file_is_what_the_code_says() -> None:
    """RMD-4 to RMD-24"""
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == vectors()


def test_what_must_be_refused_is() -> None:
    """RMD-2, RMD-3, RMD-4, RMD-5, RMD-6, RMD-22, RMD-24: at least as many bad as good, and each as its name says."""
    cases = {one["name"]: one for one in vectors()["cases"]}
    good = {"an answer", "done", "words as they were", "box of a persona", "amends by whoever said it"}
    good |= {"a mediator, by a side"}
    assert all(cases[name].get("output") for name in good)
    refused = {name for name, one in cases.items() if "reject" in one or one["output"] in ("", 0)}
    for name, _, _ in PATHS:  # these hold nothing bad
        del cases[name]
    lies = {name for name, _, _ in LIES}
    assert len(refused | lies) >= len(cases) - len(refused | lies)
    assert {"box of no point", "words altered", "a stranger's voice", "amends by a stranger"} < refused
    ends = {name: cases[name]["output"][0]["course"][-1][0] for name in lies if cases[name]["output"]}
    assert ends == {
        "an answer set back, seen by the witnesses too late": "answered",
        "a voice set back, seen by the witnesses": "unanswered",
        "a voice set back, seen by too few witnesses": "unanswered",
        "two answers in one slot": "unanswered",
        "another list than the one committed to": "unmediated",
        "a plan changed after one side signed": "unanswered",
        "a plan that binds somebody else": "unanswered",
        "what was agreed and confirmed is taken back": "remedied",
    }


def test_where_each_path_ends() -> None:
    """RMD-9, RMD-11, RMD-15, RMD-16, RMD-20, RMD-21"""
    cases = {one["name"]: one for one in vectors()["cases"]}
    ends = [cases[name]["output"][0]["course"][-1][0] for name, _, _ in PATHS]
    assert ends == [
        "settled",
        "withdrawn",
        "unanswered",
        "answered",
        "unmediated",
        "disagreed",
        "unmediated",
        "unmediated",
        "unmediated",
        "unmediated",
        "unconfirmed",
        "unremedied",
        "unconfirmed",
        "remedied",
        "unremedied",
        "unremedied",
        "unremedied",
    ]
    asked = cases["whom both name, then whom the request names"]["output"][0]["line"]
    assert [one[3] for one in asked] == ["decline", "decline", "decline", ""]
