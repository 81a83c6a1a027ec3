"""Deal bundles: what proves a deal passes, and every lie that we could think of is named by its clause (12-bundle)."""

import json
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.tally import ballots_from, tally
from node.verify import verify_file
from protocol import commands as ask
from protocol.coop.box import Box, manifest, manifest_ids
from protocol.coop.coop import slot_name
from protocol.coop.decision import Council
from protocol.deal import bundle, holding, proof
from protocol.deal.bundle import make, read, verify
from protocol.deal.holding import Step
from protocol.deal.proof import Proof, prove
from protocol.encoding import decode, encode
from protocol.errors import CommandError, Reject
from protocol.identity import Persona, network_id
from protocol.params import BUNDLE_BYTES_MAX, BUNDLE_RECORDS_MAX, BUNDLE_TERMS_MAX
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, TEMPLATE, Handmade, assemble, persona, sealed
from tests.sim.faults import Faults
from tests.sim.town import Town

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "bundle.json"
STRANGER = persona("stranger")
# What is said when a record of this kind is gone; of all others: that a certified list names it.
GONE = {
    "charter.1": "FRM-20",
    "accept.1": "FRM-22",
    "receipt.1": "DEC-14",
    "proposal.1": "DEC-4",
    "vote.1": "DEC-1",
    "rfq.1": "NEG-40",
}


@cache
def honest(members: int = 3, witnesses: int = 1, suppliers: int = 2, silent: int = 0) -> Handmade:
    """A deal without a lie; the same one for the same shape."""
    return Handmade(None, members, witnesses, suppliers, silent)


def is_about_signatures(one: Record) -> bool:
    """Whether a bundle of an agreement that nobody has signed yet does without it (BUN-11)."""
    return one.kind == "countersign.1" or str(one.body.get("question", "")).startswith("signatures/")


def gone(one: Record) -> str:
    """The clause that misses a record. Without their certificate the rest about the signatures is superfluous."""
    certifies = one.kind in ("proposal.1", "vote.1")
    return "BUN-9" if certifies and is_about_signatures(one) else GONE.get(one.kind, "DEC-19")


def small() -> Handmade:
    return honest()


def council_of_four() -> Handmade:
    return honest(members=4, witnesses=4)


def forged(of: Handmade, records: Iterable[Record] | None = None, **more: Any) -> bytes:
    """What somebody hands out who can make any file but sign for nobody."""
    return assemble(of.records if records is None else records, of.room, **more)


def fields_of(raw: bytes) -> dict[str, Any]:
    body: dict[str, Any] = decode(raw, BUNDLE_BYTES_MAX, map_max=BUNDLE_RECORDS_MAX)
    return body


def refusal(raw: bytes) -> str:
    """The clause by which a bundle is refused; "" when it is not."""
    try:
        verify(raw)
    except Reject as error:
        said = error
    else:
        return ""
    assert said.message
    assert "\n" not in said.message
    assert len(said.message) < 300
    return said.code


def signed_again(one: Record, by: Persona, body: dict[str, Any] | None = None) -> Record:
    """The same record by somebody else, or with another body."""
    header = one.header
    return Record.sign(
        by,
        NETWORK,
        one.kind,
        one.scope,
        one.body if body is None else body,
        created=header.created,
        expires=header.expires,
        slot=header.slot,
        refs=header.refs,
    )


def without(records: list[Record], gone: Record) -> list[Record]:
    return [one for one in records if one.id != gone.id]


# What is true passes.


@pytest.mark.parametrize(
    "shape", [{}, {"members": 4, "witnesses": 4}, {"members": 8, "witnesses": 7}, {"members": 4, "silent": 2}], ids=str
)
def test_an_honest_deal(shape: dict[str, int]) -> None:
    """BUN-1 to BUN-11, the control of everything below: what the honest have signed is exactly what is needed."""
    of = honest(**shape)
    raw = make(NETWORK, TEMPLATE, of.records, of.room)
    assert raw == forged(of)
    steps: list[Step] = []
    found = verify(raw, steps.append)
    assert [one.hash for one in found.deal.agreements] == [one.hash for one in of.deal().agreements]
    assert [one.id for one in found.records] == sorted(one.id for one in of.records)
    assert len(found.ballots) == len(of.members)
    assert [step.name for step in steps][:3] == ["file", "signatures", "charter"]
    assert [step.name for step in steps][-3:] == ["box of signatures", "records", "countersign"]


def test_what_the_deal_does_not_need_is_left_out() -> None:
    """BUN-7, BUN-8, BUN-9: votes beyond the quorum, receipts beyond f+1, what came too late, talk afterwards."""
    of = council_of_four()
    vote = next(one for one in of.records if one.kind == "vote.1")
    receipt = next(one for one in of.records if one.kind == "receipt.1")
    late = next(one for one in of.records if one.kind == "ballot.1")
    event = {"agreement": bytes(32), "action": "pay", "member": bytes(32), "quantity": 1, "reference": "42"}
    more = [
        signed_again(vote, of.witnesses[-1]),
        signed_again(receipt, of.witnesses[-1]),
        signed_again(late, STRANGER),
        Record.sign(STRANGER, NETWORK, "event.1", of.deal_scope, event, created=1, expires=2),
        Record.sign(STRANGER, NETWORK, "talk.1", of.deal_scope, {"text": "hello"}, created=1, expires=2),
    ]
    raw = make(NETWORK, TEMPLATE, [*more, *of.records], of.room)
    assert verify(raw).deal.state == "countersigned"
    for one in more:
        assert refusal(forged(of, [*of.records, one])) == "BUN-9", one.kind
        assert len(prove(NETWORK, TEMPLATE, [*of.records, one], of.room).records) == len(of.records)  # the control


def test_receipts_that_overlap() -> None:
    """BUN-8: none that the others make needless stays, and without any one of those that stay something is missing."""
    of = council_of_four()
    whole = [one for one in of.records if one.kind == "receipt.1" and one.body["question"] == "roster"]
    parts = [
        signed_again(one, signer, {"question": "roster", "ids": ids})
        for one, signer in ((one, next(w for w in of.witnesses if w.key == one.author)) for one in whole)
        for ids in (one.body["ids"][:1], one.body["ids"][1:], one.body["ids"][:3])
    ]
    rest = [one for one in of.records if one not in whole]
    raw = make(NETWORK, TEMPLATE, [*rest, *parts], of.room)
    found = verify(raw)
    kept = [one for one in found.records if one in parts]
    assert 2 <= len(kept) < len(parts)
    for one in kept:
        assert refusal(forged(of, without(list(found.records), one))) == "DEC-14"
    for one in [*parts, *whole]:
        if one not in kept:
            assert refusal(forged(of, [*found.records, one])) == "BUN-9"


def test_two_ballots_of_one_member_are_evidence_and_count_for_nothing() -> None:
    """BUN-9, DEC-14: both are on the certified list, so both are needed, and void each other."""
    once: list[Record] = []

    def twice(value: bytes) -> bytes:
        return manifest(sorted([*manifest_ids(value), *(one.id for one in once)]))

    class Twice(Handmade):
        def decide(self, scope: str, council: Council, question: Any) -> None:
            if question.name.startswith("ballots/"):
                first = next(one for one in self.records if one.kind == "ballot.1")
                body = self.ballot(self.members[0], [])
                self.say(self.members[0], "ballot.1", scope, body, slot_name("ballot", first.body["roster"]))
            super().decide(scope, council, question)

    of = Twice()
    ballots = [one for one in of.records if one.kind == "ballot.1"]
    found = verify(make(NETWORK, TEMPLATE, of.records, of.room))
    assert len(ballots) == 4
    assert len(found.ballots) == 2
    for one in ballots:
        assert refusal(forged(of, without(of.records, one))) == "DEC-19"


def test_before_the_supplier_has_signed() -> None:
    """BUN-11: everything holds but the last step, which says so."""
    of = small()
    steps: list[Step] = []
    raw = make(NETWORK, TEMPLATE, [one for one in of.records if not is_about_signatures(one)], of.room)
    assert read(raw).deal.state == "agreed"
    with pytest.raises(Reject) as error:
        verify(raw, steps.append)
    assert error.value.code == "BUN-11"
    assert steps[-1].name == "records"


# What is altered, left out, added or signed by another.


def test_every_record_is_missed() -> None:
    """BUN-6, BUN-9: whichever is left out, the clause that needs it says so; the digest is right each time."""
    for of in (small(), council_of_four()):
        for one in of.records:
            assert refusal(forged(of, without(of.records, one))) == gone(one), one.kind


def test_nobody_else_can_sign_instead() -> None:
    """BUN-5, BUN-9: a record by another key is another record, by somebody who has no say."""
    of = council_of_four()
    for one in of.records:
        changed = [*without(of.records, one), signed_again(one, STRANGER)]
        assert refusal(forged(of, changed)) == gone(one), one.kind
        body = fields_of(forged(of))
        body["records"][one.id.hex()] = signed_again(one, STRANGER).raw
        assert refusal(sealed(body)) == "BUN-5"


def test_another_witness_cannot_propose_instead() -> None:
    """BUN-7: the proposal is the deciding round's own proposer's."""
    of = council_of_four()
    for one in [one for one in of.records if one.kind == "proposal.1"]:
        other = next(who for who in of.witnesses if who.key != one.author)
        assert refusal(forged(of, [*without(of.records, one), signed_again(one, other)])) == gone(one)


def test_votes_and_proposals_stand_in_their_own_slots() -> None:
    """BUN-7, DEC-2: in any other slot a second one would not show."""
    of = council_of_four()
    for one, clause in (
        (next(r for r in of.records if r.kind == kind), code) for kind, code in list(GONE.items())[3:5]
    ):
        signer = next(who for who in of.witnesses if who.key == one.author)
        moved = Record.sign(
            signer, NETWORK, one.kind, one.scope, one.body, created=1, expires=2, slot=Slot("once", "elsewhere", 0)
        )
        assert refusal(forged(of, [*without(of.records, one), moved])) == clause


def flips(size: int, every: int) -> range:
    return range(0, size, every)


def check_flips(of: Handmade, every: int) -> None:
    """Each byte of the file; then each byte of its parts with the digest made right again."""
    raw = forged(of)
    for at in flips(len(raw), every):
        assert refusal(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]), at
        assert refusal(raw[:at]), at
    body = fields_of(raw)
    for name, one in body["records"].items():
        for at in flips(len(one), every):
            changed = one[:at] + bytes([one[at] ^ 1]) + one[at + 1 :]
            assert refusal(sealed(body | {"records": body["records"] | {name: changed}})), (name, at)
    for bit in flips(256, every):
        turned = int.from_bytes(body["room"], "big") ^ 1 << bit
        assert refusal(sealed(body | {"room": turned.to_bytes(32, "big")})) == "BUN-10"
    for at in flips(32, every):
        network = body["network"][:at] + bytes([body["network"][at] ^ 1]) + body["network"][at + 1 :]
        assert refusal(sealed(body | {"network": network})) == "REC-5"
    template = encode(body["template"])
    for at in flips(len(template), every):
        try:
            changed = decode(template[:at] + bytes([template[at] ^ 1]) + template[at + 1 :])
        except Reject:
            continue
        assert refusal(sealed(body | {"template": changed})), at


def test_flipped_bytes() -> None:
    """BUN-3, BUN-5: a sample; nothing stands outside a signature or the digest."""
    check_flips(small(), 211)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_every_flipped_byte() -> None:
    """BUN-3, BUN-5: each byte, with and without a new digest."""
    check_flips(small(), 1)


Change = Callable[[dict[str, Any]], dict[str, Any]]
SOME = "11" * 32


FILES: list[tuple[str, str, Change]] = [
    ("another version", "BUN-1", lambda body: body | {"version": 2}),
    ("the version as a boolean", "BUN-1", lambda body: body | {"version": True}),
    ("a field too many", "BUN-1", lambda body: body | {"note": "x"}),
    ("a field missing", "BUN-1", lambda body: {key: body[key] for key in body if key != "room"}),
    ("a short network", "BUN-1", lambda body: body | {"network": body["network"][:31]}),
    ("another network", "REC-5", lambda body: body | {"network": network_id("other", bytes(16))}),
    ("a template that is none", "TPL-1", lambda body: body | {"template": {}}),
    ("another template", "BUN-4", lambda body: body | {"template": body["template"] | {"periods": 13}}),
    ("records in an array", "BUN-5", lambda body: body | {"records": list(body["records"].values())[:9]}),
    ("a record under a name", "BUN-5", lambda body: body | {"records": body["records"] | {"x": b""}}),
    ("a record that is a number", "BUN-5", lambda body: body | {"records": body["records"] | {SOME: 1}}),
    ("a record that is noise", "ENC-8", lambda body: body | {"records": body["records"] | {SOME: b"\xc1"}}),
    ("no records", "FRM-20", lambda body: body | {"records": {}}),
    ("a room in words", "BUN-10", lambda body: body | {"room": "x" * 32}),
    ("a short room", "BUN-10", lambda body: body | {"room": body["room"][1:]}),
    ("another room", "BUN-10", lambda body: body | {"room": bytes(31) + b"\x40"}),
    (
        "the room spelt otherwise",
        "BUN-10",
        lambda body: body | {"room": bytes([body["room"][0] ^ 1]) + body["room"][1:]},
    ),
]


@pytest.mark.parametrize(("what", "clause", "change"), FILES, ids=[what for what, _, _ in FILES])
def test_a_forged_file(what: str, clause: str, change: Change) -> None:
    """BUN-1, BUN-4, BUN-5, BUN-10: its digest is right, its content is not."""
    body = fields_of(forged(small()))
    assert refusal(sealed(body)) == ""
    assert refusal(sealed(change(body))) == clause


def test_the_digest_alone() -> None:
    """BUN-3: without it the same fields pass nowhere; disabled, the wrong one would."""
    body = fields_of(forged(small()))
    wrong = encode(body | {"digest": bytes(32)}, BUNDLE_BYTES_MAX)
    assert refusal(wrong) == "BUN-3"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "bundle_digest", lambda body: body["digest"])
        assert refusal(wrong) == ""


def test_other_bytes_of_the_same_value() -> None:
    """BUN-1, BUN-2, ENC-4, ENC-8: one deal, one file."""
    raw = forged(small())
    assert refusal(raw + b"\0") == "ENC-8"
    assert refusal(raw[:-1]) == "ENC-8"
    assert raw.endswith(b"\xa7version\x01")
    assert refusal(raw[:-1] + b"\xcc\x01") == "ENC-4"
    for other in (b"", b"\x80", b"# NUMBER ALTERNATIVES: 2", b"\x86\xa6digest", encode([1, 2])):
        assert refusal(other) in ("BUN-1", "ENC-8")


# What enough witnesses together could certify: the records are all there, and the values are wrong.

UNSIGNED = {"receipts of ballots": lambda witnesses: witnesses[:-1]}


def changed(**more: Any) -> Callable[[bytes], bytes]:
    return lambda value: encode(decode(value) | more)


def parted(**more: Any) -> Callable[[bytes], bytes]:
    """The award with other fields in its one part."""

    def changed_part(value: bytes) -> bytes:
        body = decode(value)
        (part,) = body["parts"]
        return encode(body | {"parts": [part | more]})

    return changed_part


def lots(value: bytes) -> bytes:
    (part,) = decode(value)["parts"]
    more = [[member, quantity + (at == 0)] for at, (member, quantity) in enumerate(part["lots"])]
    return parted(lots=more)(value)


def listing(one: bytes) -> Callable[[bytes], bytes]:
    return lambda value: manifest(sorted([*manifest_ids(value), one]))


def disordered(value: bytes) -> bytes:
    return encode({"ids": decode(value)["ids"][::-1]})


VALUES: list[tuple[str, str, dict[str, Callable[[Any], Any]]]] = [
    ("another fee in the mandate", "ELE-30", {"mandate": changed(fee_minor=1)}),
    ("another negotiator", "ELE-30", {"mandate": changed(negotiator=STRANGER.key)}),
    ("looser limits", "ELE-30", {"mandate": changed(limits=bytes(32))}),
    ("more for one member", "NEG-50", {"award": lots}),
    ("nobody refused", "NEG-50", {"award": changed(refused=[])}),
    ("a higher price", "NEG-50", {"award": parted(unit_price_minor=901, ladder=[[1, 901]])}),
    ("another supplier", "NEG-50", {"award": parted(supplier=persona("s1").key)}),
    ("a charge that nobody quoted", "NEG-50", {"award": parted(charge_minor=1)}),
    ("a longer term", "NEG-50", {"award": parted(periods=24)}),
    ("a listed id that nobody has", "DEC-19", {"roster": listing(bytes(32))}),
    ("a list that descends", "DEC-12", {"roster": disordered}),
    ("a list that is none", "DEC-12", {"pledges": lambda value: b"\x80"}),
    ("too few receipts for ballots", "DEC-14", UNSIGNED),
    ("no receipts for the roster", "DEC-14", {"receipts of roster": lambda witnesses: []}),
    ("receipts of strangers", "DEC-14", {"receipts of reveals": lambda witnesses: [STRANGER, persona("other")]}),
]


@pytest.mark.parametrize(("what", "clause", "twists"), VALUES, ids=[what for what, _, _ in VALUES])
def test_a_certified_lie(what: str, clause: str, twists: dict[str, Callable[[Any], Any]]) -> None:
    """DEC-12, DEC-14, DEC-19, ELE-30, NEG-50: even all witnesses together cannot make a wrong value right."""
    assert refusal(forged(Handmade(twists, members=4, witnesses=4))) == clause


Disable = tuple[Any, str, Any]


@pytest.mark.parametrize(
    ("clause", "twists", "disabled"),
    [
        ("NEG-50", {"award": lots}, "award_value"),
        ("DEC-14", UNSIGNED, "judge_manifest"),
    ],
)
def test_it_is_this_check_that_finds_it(
    clause: str, twists: dict[str, Callable[[Any], Any]], disabled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without the check the lie passes."""
    of = Handmade(twists, members=4, witnesses=4)
    lie = next((one.body["value"] for one in of.records if one.body.get("question", "").startswith("award/")), b"")
    assert refusal(forged(of)) == clause
    match disabled:
        case "award_value":
            monkeypatch.setattr(proof, "award_value", lambda *of: lie)
        case "judge_manifest":
            monkeypatch.setattr(holding, "judge_manifest", lambda *of: True)
    assert refusal(forged(of)) == ""


# What enough witnesses together could let into a box though it does not belong there, and what could follow.


class Greedy(Handmade):
    """Witnesses who list whatever was handed in, good or not."""

    def lists(self, box: Box, record: Record) -> bool:
        return True


def body(**more: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda said: said | more


BODIES: list[tuple[str, str, dict[str, Callable[[Any], Any]]]] = [
    ("joins to another charter", "DEC-13", {"join.1": body(charter=bytes(32))}),
    ("joins with somebody else's intent", "DEC-13", {"join.1": body(intent=council_of_four().intents[0].raw)}),
    ("joins with noise for an intent", "DEC-13", {"join.1": body(intent=b"x")}),
    ("pledges on another roster", "DEC-13", {"pledge.1": body(roster=bytes(32))}),
    ("pledges of least above want", "DEC-13", {"pledge.1": body(least=4)}),
    ("fees above the charter's", "DEC-13", {"nomination.1": body(fee_minor=501)}),
    ("ballots on another roster", "DEC-13", {"ballot.1": body(roster=bytes(32))}),
    ("ballots longer than others", "DEC-13", {"ballot.1": lambda said: said | {"cipher": said["cipher"] + b"\0"}}),
    ("ballots for fewer witnesses", "DEC-13", {"ballot.1": lambda said: said | {"shares": said["shares"][:-1]}}),
    ("ballots for a stranger", "BUN-8", {"ranking": lambda said: [[STRANGER.key]]}),
    ("ballots for one twice", "BUN-8", {"ranking": lambda said: [*said[:1], *said[:1]]}),
    ("releases after another box", "DEC-13", {"count.1": body(manifest=bytes(32))}),
    ("releases of one ballot twice", "DEC-13", {"count.1": lambda said: said | {"shares": said["shares"][:1] * 2}}),
    ("releases of what nobody voted", "DEC-13", {"count.1": body(shares=[[bytes(32), bytes(32)]])}),
    ("nothing is released", "BUN-8", {"count.1": body(shares=[])}),
    ("reveals after another box", "DEC-13", {"reveal.1": body(manifest=bytes(32))}),
    ("quotations for fewer witnesses", "DEC-13", {"quotation.1": lambda said: said | {"shares": said["shares"][:-1]}}),
    ("shares of one quotation twice", "DEC-13", {"reveal.1": lambda said: said | {"shares": said["shares"][:1] * 2}}),
    ("shares of what nobody quoted", "DEC-13", {"reveal.1": body(shares=[[bytes(32), bytes(80)]])}),
    ("a mention that keeps a member out", "ELE-33", {"deal.1": lambda said: said | {"keys": said["keys"][:-1]}}),
    ("commitments to another award", "DEC-13", {"commitment.1": body(award=bytes(32))}),
    ("a request with other times", "ELE-33", {"rfq.1": lambda said: said | {"times": said["times"] | {"quote_ms": 1}}}),
    ("a request for another template", "ELE-33", {"rfq.1": body(template=bytes(32))}),
    ("a request that shuts a witness out", "NEG-40", {"rfq.1": lambda said: said | {"boxes": said["boxes"][1:]}}),
    ("a request for more members", "NEG-40", {"rfq.1": body(members=5)}),
    (
        "a request with too few signatures",
        "NEG-40",
        {"rfq.1": lambda said: said | {"certificate": said["certificate"][1:]}},
    ),
    ("a request of another co-op", "NEG-40", {"rfq.1": body(charter=bytes(32))}),
    ("a mention of another request", "NEG-40", {"deal.1": body(rfq=bytes(32))}),
    ("a signature under another agreement", "DEC-13", {"countersign.1": body(agreement=bytes(32))}),
    ("nobody pledged anything", "BUN-8", {"pledge.1": body(want=0, least=0)}),
    ("a request for other terms", "NEG-72", {"rfq.1": body(terms=["extra"])}),
    ("no offer accepts the terms", "BUN-8", {"intent.1": body(terms=["extra"]), "rfq.1": body(terms=["extra"])}),
    ("everybody declined", "BUN-8", {"commitment.1": body(answer="decline", reason="price")}),
]


@pytest.mark.parametrize(("what", "clause", "twists"), BODIES, ids=[what for what, _, _ in BODIES])
def test_what_does_not_belong(what: str, clause: str, twists: dict[str, Callable[[Any], Any]]) -> None:
    """BUN-8, DEC-13, ELE-33, NEG-40: what is in a box, and the request, follow from what was certified before."""
    assert refusal(forged(Greedy(None, members=4, witnesses=4))) == ""
    assert refusal(forged(Greedy(twists, members=4, witnesses=4))) == clause


def test_three_of_one_member_are_not_let_in() -> None:
    """DEC-14: two show an equivocation, a third would only fill the box."""

    class Thrice(Handmade):
        def decide(self, scope: str, council: Council, question: Any) -> None:
            if question.name.startswith("ballots/"):
                first = next(one for one in self.records if one.kind == "ballot.1")
                for _ in range(2):
                    self.say(self.members[0], "ballot.1", scope, dict(first.body), question.box.slot_name)
            super().decide(scope, council, question)

    assert refusal(forged(Thrice())) == "DEC-13"


# Bounds.


def test_more_than_a_bundle_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """BUN-2: bytes, records, terms; refused before anything is computed from them."""
    assert refusal(forged(small()).ljust(BUNDLE_BYTES_MAX + 1)) == "BUN-2"
    rows = {f"{number:064x}": b"" for number in range(BUNDLE_RECORDS_MAX + 1)}
    assert refusal(sealed(fields_of(forged(small())) | {"records": rows})) == "ENC-6"
    patient = honest(members=BUNDLE_TERMS_MAX + 2, silent=BUNDLE_TERMS_MAX - 1)
    assert verify(forged(patient)).coop.term == BUNDLE_TERMS_MAX
    assert refusal(forged(honest(members=BUNDLE_TERMS_MAX + 2, silent=BUNDLE_TERMS_MAX))) == "BUN-2"
    monkeypatch.setattr(bundle, "BUNDLE_RECORDS_MAX", 50)
    with pytest.raises(Reject) as error:
        make(NETWORK, TEMPLATE, small().records, small().room)
    assert error.value.code == "BUN-2"


def test_a_bundle_of_empty_arrays() -> None:
    """BUN-2: sixteen million bytes of nothing are refused by their depth or number."""
    nested = b"\xdc\x00\x20" + (b"\xdc\x00\x20" + b"\x90" * 32) * 32
    raw = b"\x86\xa6digest" + nested
    assert refusal(raw) in ("ENC-6", "ENC-8")


# Anything else.


@given(st.data())
def test_any_change_is_refused(data: st.DataObject) -> None:
    """BUN-1 to BUN-10: records dropped, doubled, exchanged, cut and mixed with noise, the digest right each time."""
    of = small()
    body = fields_of(forged(of))
    names = list(body["records"])
    pick = st.sampled_from(names)
    for _ in range(data.draw(st.integers(1, 3))):
        one, other = data.draw(pick), data.draw(pick)
        raw = body["records"].get(one, b"")
        at = data.draw(st.integers(0, max(0, len(raw) - 1)))
        match data.draw(st.integers(0, 5)):
            case 0:
                body["records"].pop(one, None)
            case 1:
                body["records"][one] = body["records"].get(other, b"")
            case 2:
                body["records"][one] = raw[:at] + data.draw(st.binary(max_size=9)) + raw[at:]
            case 3:
                body["records"][data.draw(st.binary(min_size=32, max_size=32)).hex()] = raw
            case 4:
                body["room"] = data.draw(st.binary(min_size=31, max_size=32))
            case _:
                body["network"] = data.draw(st.binary(min_size=32, max_size=32))
    changed = sealed(body)
    assert (refusal(changed) == "") == (changed == forged(of))


VALUE = st.recursive(
    st.one_of(st.integers(-(2**53) + 1, 2**53 - 1), st.binary(max_size=32), st.text(max_size=9), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=9), inner, max_size=4)),
    max_leaves=12,
)
BASES = (
    "roster",
    "pledges",
    "candidates",
    "ballots",
    "counts",
    "mandate",
    "deal",
    "quotations",
    "reveals",
    "award",
    "commitments",
)


@given(st.sampled_from(BASES), st.one_of(st.binary(min_size=1, max_size=99), VALUE.map(encode)))
def test_any_certified_value(base: str, value: bytes) -> None:
    """BUN-8: whatever the witnesses certify, a bundle is accepted or refused with a clause."""
    of = Handmade({base: lambda true: value})
    assert refusal(forged(of)) or value in [one.body.get("value") for one in honest().records]


NUMBER = st.sampled_from((0, 1, 2, 10**6, 10**9, 2**53 - 1))


@given(NUMBER, NUMBER, NUMBER, NUMBER, NUMBER)
def test_any_numbers(want: int, tolerate: int, least: int, price_minor: int, spend_minor: int) -> None:
    """BUN-8: the largest numbers a record can hold lead to a deal, to none, or to a clause; never to anything else."""
    numbers = {"want": min(want, 10**9), "tolerate": min(tolerate, 10**9), "least": min(least, 10**9)}
    pledge = body(**numbers, price_max_minor=price_minor)
    try:
        of = Handmade({"pledge.1": pledge, "commitment.1": pledge, "intent.1": body(spend_minor=spend_minor)})
    except Reject:
        return  # not even its own members can sign that
    refusal(forged(of))


# Out of a running network.


@cache
def town() -> Town:
    found = Town(seed=1)
    found.open()
    assert found.live(300_000, found.agreed)
    found.live(10_000, lambda: False)
    return found


def bundle_of(found: Town, name: str) -> bytes:
    raw: bytes = found.world.ask(name, ask.AskBundle(found.coops(name)[0]["id"]))["bundle"]
    return raw


def test_every_member_can_export_and_all_say_the_same() -> None:
    """BUN-9, BUN-12: from different nodes' logs, one deal; each bundle holds no record too many and none too few."""
    proofs = [verify(bundle_of(town(), name)) for name in town().members]
    assert len({found.deal.agreements[0].hash for found in proofs}) == 1
    for found in proofs[:1]:
        room = fields_of(bundle_of(town(), "m0"))["room"]
        for one in found.records:
            rest = without(list(found.records), one)
            code = refusal(assemble(rest, room, found.template, found.network))
            assert code == gone(one), one.kind


def test_no_bundle_before_the_agreement() -> None:
    """BUN-12: one sentence that says how far the co-op is; and the whole at once, also right after a restart."""
    early = Town(seed=2, members=4, suppliers=2)
    early.open()
    said: list[tuple[str, str]] = []

    def ask_early() -> bool:
        for one in early.coops("m0"):
            try:
                verify(early.world.ask("m0", ask.AskBundle(one["id"]))["bundle"])
            except (CommandError, Reject) as error:
                said.append((error.code, error.message))
        return early.agreed()

    assert early.live(300_000, ask_early)
    assert {code for code, _ in said} <= {"BUN-12", "BUN-11"}
    for state in ("gathering", "mandated", "asked", "awarded"):
        assert any(message.endswith(f"(the co-op is {state})") for _, message in said), state
    with pytest.raises(CommandError) as error:
        early.world.ask("m0", ask.AskBundle(bytes(16)))
    assert error.value.code == "FRM-20"
    whole = bundle_of(early, "m0")
    early.world.crash("m0")
    early.world.start("m0")
    assert bundle_of(early, "m0") == whole


def test_out_of_a_town_where_messages_are_lost() -> None:
    """BUN-7, BUN-8: certificates of later rounds, and every node with other votes and receipts than the next."""
    found: list[Proof] = []
    for seed in range(4, 20):  # some end without a deal, which is an end too; some need no second round
        rough = Town(seed, faults=Faults(latency_ms=(5, 400), loss=0.1, duplicate=0.1))
        rough.open()
        if rough.live(600_000, rough.settled) and rough.agreed():
            rough.live(60_000, lambda: False)
            found = [verify(bundle_of(rough, name)) for name in rough.members if rough.coops(name)]
            assert len({one.deal.agreements[0].hash for one in found}) == 1
            if any(one.body["round"] for one in found[0].records if one.kind == "proposal.1"):
                break
    assert any(one.body["round"] for one in found[0].records if one.kind == "proposal.1")


def test_in_words_and_in_json(tmp_path: Path) -> None:
    """BUN-11, CLI-9, ELE-16: what `wltm verify` and `wltm tally` say of a file."""
    path = tmp_path / "deal.bundle"
    path.write_bytes(forged(council_of_four()))
    found, words = verify_file(path)
    assert found["ok"]
    assert json.loads(json.dumps(found)) == found
    (agreed,) = found["agreements"]
    assert (found["members"], agreed["served"], agreed["unit_price_minor"]) == (4, 3, 900)
    assert words.splitlines()[-1].startswith("The deal holds: 3 members buy from ")
    assert words.count("✓") == len(found["steps"])
    assert tally(ballots_from(path)) == {"order": [[1, 2]], "pairwise": [[0, 2], [2, 0]]}
    path.write_bytes(forged(council_of_four())[:-1])
    found, words = verify_file(path)
    assert not found["ok"]
    assert found["error"]["code"] == "ENC-8"
    assert words.startswith("✗")
    with pytest.raises(CommandError) as error:
        ballots_from(path)
    assert error.value.code == "ENC-8"
    with pytest.raises(CommandError) as error:
        verify_file(tmp_path / "absent")
    assert error.value.code == "BUN-2"
    with path.open("wb") as file:
        file.truncate(BUNDLE_BYTES_MAX + 1)
    with pytest.raises(CommandError) as error:
        verify_file(path)
    assert error.value.code == "BUN-2"


# Vectors.


def edits(base: bytes, other: bytes) -> list[list[Any]]:
    """How to make `other` from `base`: [[place in base, how many bytes to cut there, what to put in], …]."""
    found: list[list[Any]] = []
    at = to = 0
    while at < len(base) or to < len(other):
        if base[at : at + 1] == other[to : to + 1]:
            at, to = at + 1, to + 1
            continue
        for new in range(600):  # as little as possible until both run on alike
            like = base.find(other[to + new : to + new + 24], at, at + 2_000)
            if like >= 0 and to + new + 24 <= len(other):
                break
        else:
            like, new = len(base), len(other) - to
        found.append([at, like - at, other[to : to + new].hex()])
        at, to = like, to + new
    return found


def edited(base: bytes, changes: list[list[Any]]) -> bytes:
    for at, cut, new in reversed(changes):
        base = base[:at] + bytes.fromhex(new) + base[at + cut :]
    return base


def vectors() -> dict[str, Any]:
    """Two deals with what is found on the way, and lies as changes of the first."""
    good = {"one witness": small(), "four witnesses, the second term": honest(members=4, witnesses=4, silent=1)}
    cases: list[dict[str, Any]] = []
    for name, of in good.items():
        raw = forged(of)
        steps: list[Step] = []
        found = verify(raw, steps.append)
        assert found.deal.award is not None
        output = {
            "digest": fields_of(raw)["digest"].hex(),
            "charter": found.coop.hash.hex(),
            "roster": found.coop.roster.hex(),
            "line": [key.hex() for key in found.coop.line],
            "mandate": found.deal.mandate.to_bytes().hex(),
            "award": found.deal.award.value.hex(),
            "agreements": [one.hash.hex() for one in found.deal.agreements],
            "steps": [[step.name, step.clause] for step in steps],
        }
        cases.append({"name": name, "clause": "BUN-9", "input": {"bundle": raw.hex()}, "output": output})
    base = forged(small())
    bad = [(what, clause, sealed(change(fields_of(base)))) for what, clause, change in FILES]
    bad += [
        (f"without its {one.kind}", gone(one), forged(small(), without(small().records, one)))
        for one in {one.kind: one for one in small().records}.values()
    ]
    bad += [
        ("a vote too many", "BUN-9", forged(small(), [*small().records, signed_again(small().records[6], STRANGER)])),
        ("a byte of the digest", "BUN-3", base[:10] + bytes([base[10] ^ 1]) + base[11:]),
        ("cut short", "ENC-8", base[:-1]),
    ]
    for what, clause, raw in bad:
        changes = edits(base, raw)
        assert edited(base, changes) == raw
        cases.append(
            {"name": what, "clause": clause, "input": {"of": "one witness", "edits": changes}, "reject": clause}
        )
    return {"name": "bundle", "spec": "12-bundle", "cases": cases}


def test_vectors() -> None:
    """The committed file, read as another implementation would."""
    committed = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(vectors()))
    whole = {case["name"]: bytes.fromhex(case["input"]["bundle"]) for case in committed["cases"] if "output" in case}
    for case in committed["cases"]:
        how = case["input"]
        raw = whole[case["name"]] if "output" in case else edited(whole[how["of"]], how["edits"])
        assert refusal(raw) == case.get("reject", ""), case["name"]
