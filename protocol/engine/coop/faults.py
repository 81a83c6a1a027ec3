"""Double signatures that this node has seen: shown to everybody by one of those concerned, and held against witnesses.

Decides whose turn it is to publish a fault proof, so that not all do; never what a fault costs in a decision that is
made (nothing). Spec: 07-election, ELE-54 to ELE-56; 09-accountability, ATT-7.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from protocol.coop.coop import Coop
from protocol.encoding import digest
from protocol.engine.context import Context
from protocol.engine.core import Core
from protocol.identity import Persona
from protocol.params import ATTESTATION_LIFE_MS, FAULTS_SHOWN_MAX
from protocol.record.record import FaultProof, Slot
from protocol.trust.accountability import fault_in, fault_slot, trust_scope

MARKER = "commitment-marker.1"
_AS_WITNESS = ("accept.1", "proposal.1", "vote.1")
_ONE_WORD = ("end.1", "recall.1")  # two of them say no more than one (ELE-42, ELE-44)
_WORDS = {
    "ballot.1": "two ballots; if both are in the box, neither counts",
    "join.1": "two joins; if both are in the box, neither counts",
    "pledge.1": "two pledges; if both are in the box, neither counts",
    "nomination.1": "two nominations; if both are in the box, neither counts",
    "commitment.1": "two answers to the award; if both are in the box, neither counts",
    MARKER: "one intent's commitment in two co-ops; each counts once, in its own",
    "vote.1": "two votes as a witness in one step; what is certified stands, the witness loses a later seat",
    "proposal.1": "two proposals as a witness in one round; what is certified stands, the witness loses a later seat",
}


def attend(core: Core, context: Context, parties: tuple[bytes, ...], turn_ms: int) -> None:
    """Publish what nobody has published when the turn of an own persona has come."""
    _publish(core, context, shown(context), parties, turn_ms)


def attend_intents(core: Core, context: Context, coop: Coop) -> None:
    """The same of members who committed one intent to two rosters, on the boards of this co-op's intents (FRM-41)."""
    _publish(core, context, committed_twice(core, coop), coop.joined, coop.times["settle_ms"])


def attend_deal(core: Core, context: Context, coop: Coop, suppliers: tuple[bytes, ...]) -> None:
    """The same in a deal, of members, witnesses and those whose quotations are certified: strangers may speak there."""
    parties = (*coop.keys, *coop.council.witnesses)
    proofs = [one for one in shown(context) if one.first.author in (*parties, *suppliers)]
    _publish(core, context, proofs, parties, coop.times["settle_ms"])


def on_board(core: Core, context: Context) -> None:
    """When a marker makes a second one a lie, the co-ops of this board have to look."""
    known = sum(proof.first.kind == MARKER for proof in context.log.faults())
    if known != context.markers:
        context.markers = known
        for other in core.contexts.values():
            if other.family == "coop":
                core.dirty.setdefault(other.scope, None)


def committed_twice(core: Core, coop: Coop) -> list[FaultProof]:
    """Members of the roster who signed two commitment markers for one intent, by the boards that are followed here."""
    boards = dict.fromkeys(member.intent.scope for member in coop.members)
    logs = [core.contexts[board].log for board in boards if board in core.contexts]
    proofs = [proof for log in logs for proof in log.faults() if proof.first.kind == MARKER]
    return [proof for proof in proofs if proof.first.author in coop.joined]


def _publish(
    core: Core, context: Context, proofs: Iterable[FaultProof], parties: tuple[bytes, ...], turn_ms: int
) -> None:
    for proof in proofs:
        author = proof.first.author
        if author in core.personas or published(core, proof):
            continue
        core.follow(trust_scope(author))
        others = tuple(key for key in parties if key != author)
        persona = whose_turn(core, context, fault_slot(proof), proof.first.id + proof.second.id, others, turn_ms)
        if persona is not None:
            body = {"first": proof.first.proof(), "second": proof.second.proof()}
            slot, until = Slot("once", fault_slot(proof), 0), core.now + ATTESTATION_LIFE_MS
            core.volunteer(persona, "fault.1", trust_scope(author), body, until=until, slot=slot)


def whose_turn(
    core: Core, context: Context, slot_name: str, what: bytes, parties: tuple[bytes, ...], turn_ms: int
) -> Persona | None:
    """The own persona whose turn it is to show `what`; None while others of the parties come first (ELE-54)."""
    order = sorted(dict.fromkeys(parties), key=lambda key: digest("fault", slot_name.encode() + key))
    seen = context.faults_seen.setdefault(what, core.now)
    for turn, key in enumerate(order):
        persona = core.personas.get(key)
        if persona is not None:
            if core.now >= seen + turn * turn_ms:
                return persona
            context.wake_at(seen + turn * turn_ms)
            break
    return None


def shown(context: Context) -> list[FaultProof]:
    """The faults in a scope that are worth a record: so many of each author, those of least id."""
    count: dict[bytes, int] = {}
    found = []
    for proof in context.log.faults():
        author = proof.first.author
        if proof.first.kind not in _ONE_WORD:
            count[author] = count.get(author, 0) + 1
            if count[author] <= FAULTS_SHOWN_MAX:
                found.append(proof)
    return found


def published(core: Core, proof: FaultProof) -> bool:
    """Whether somebody has shown this author's double signature in this slot already."""
    log = core.peek(trust_scope(proof.first.author))
    return any(_proves(core, one, proof) for one in log.of_kind("fault.1"))


def _proves(core: Core, record: Any, proof: FaultProof) -> bool:
    slot = record.header.slot
    if slot is None or slot.name != fault_slot(proof):
        return False
    found = fault_in(record, core.settings.network)
    return found is not None and found.first.slot_key == proof.first.slot_key


def is_faulty_witness(core: Core, key: bytes) -> bool:
    """Whether a proof is held here that this persona signed twice as a witness (ELE-56)."""
    for record in core.peek(trust_scope(key)).of_kind("fault.1"):
        proof = fault_in(record, core.settings.network)
        if proof is not None and proof.first.author == key and proof.first.kind in _AS_WITNESS:
            return True
    return False


def view(core: Core, context: Context, coop: Coop) -> list[dict[str, Any]]:
    """The faults in a co-op, and of its members' intents, in plain words."""
    return [
        {
            "author": proof.first.author,
            "kind": proof.first.kind,
            "says": "signed " + _WORDS.get(proof.first.kind, f"two of {proof.first.kind} where one is allowed"),
            "proof": [proof.first.id, proof.second.id],
            "published": published(core, proof),
        }
        for proof in (*shown(context), *committed_twice(core, coop))
    ]
