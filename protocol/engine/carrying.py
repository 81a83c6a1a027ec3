"""Standing that follows a person from one of their personas to another: by succession for all, by proof for one.

Decides for whom this node's own view counts what was said of somebody; nobody else sees that view.
Spec: 02-identity, IDN-32, IDN-35 to IDN-39.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from protocol import commands as ask
from protocol.encoding import decode, encode
from protocol.engine.personas import acting
from protocol.errors import CommandError, Reject
from protocol.identity import did
from protocol.params import PROOF_LIFE_MS, PROOFS_MAX
from protocol.trust import view
from protocol.trust.carryover import Proof, check, make
from protocol.trust.reputation import Evidence, heir_of

if TYPE_CHECKING:
    from protocol.engine.core import Core

_TAKEN = "stands/"


def prove(core: Core, command: ask.Prove) -> dict[str, Any]:
    """A line for one verifier: this new persona of ours stands for that old one."""
    old, new = acting(core, command.old), acting(core, command.new)
    if len({old.key, new.key, command.verifier}) != 3:
        raise CommandError("IDN-35", "prove: name two different personas of yours, and somebody else as verifier")
    if not core.now < command.expires <= core.now + PROOF_LIFE_MS:
        raise CommandError("IDN-35", "expires: must lie in the next 90 days")
    try:
        proof = make(old, new.key, command.verifier, core.settings.network, command.expires, core.entropy)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    return {"proof": proof.text(), "expires": proof.expires, "new": new.key}


def take(core: Core, command: ask.TakeProof) -> dict[str, Any]:
    """Believe a proof that is for us: from now on our own view of the old persona is that of the new one."""
    try:
        proof = Proof.parse(command.proof, core.settings.network)
        verifier = core.personas.get(proof.verifier)
        if verifier is None:
            raise Reject("IDN-38", "proof: is for somebody else, and says nothing to you")
        check(proof, verifier, core.now)
    except Reject as error:
        raise CommandError(error.code, error.message) from None
    if proof.old in core.personas or proof.new in core.personas:
        raise CommandError("IDN-38", "proof: is about a persona of your own")
    if len(taken(core)) >= PROOFS_MAX:
        raise CommandError("IDN-39", f"proof: {PROOFS_MAX} are believed already; `wltm persona forget` one first")
    core.keep(_TAKEN + proof.new.hex(), encode([proof.old, proof.expires]))
    return {"old": proof.old, "new": proof.new, "expires": proof.expires}


def forget(core: Core, command: ask.DropProof) -> dict[str, Any]:
    """Believe it no longer."""
    name = _TAKEN + command.persona.hex()
    if name not in core.facts:
        raise CommandError("IDN-39", "persona: no proof of it is believed here; see `wltm persona list`")
    core.keep(name, b"")
    return {"forgotten": command.persona}


def taken(core: Core) -> dict[bytes, tuple[bytes, int]]:
    """New persona → (old, until) of every proof that is believed; those that have ended are let go."""
    found: dict[bytes, tuple[bytes, int]] = {}
    for name in sorted(one for one in core.facts if one.startswith(_TAKEN)):
        old, expires = decode(core.facts[name])
        if expires <= core.now:
            core.keep(name, b"")
        else:
            found[bytes.fromhex(name.removeprefix(_TAKEN))] = old, expires
    return found


def shown(core: Core) -> list[dict[str, Any]]:
    """The same as rows."""
    return [
        {"new": did(new), "old": did(old), "expires": expires} for new, (old, expires) in sorted(taken(core).items())
    ]


def heirs(core: Core) -> dict[bytes, bytes]:
    """Persona → who has its standing in this node's view: an heir, who proved to be it, and for own ones the first."""
    found = {key: one.heir for key, one in core.frozen.items() if one.heir}
    found |= {old: new for new, (old, _) in taken(core).items()}
    return found | {key: core.me.key for key in core.personas if key != core.me.key}


def stands_for(core: Core, persona: bytes) -> bytes:
    """Who has the standing of a persona now (IDN-32)."""
    return heir_of(persona, heirs(core))


def counted(core: Core, rows: Iterable[Evidence]) -> list[Evidence]:
    """Evidence as this node counts it: nothing that a frozen persona said after its freeze, heirs in their forebears'
    place, and what one own persona knows is known to its person (IDN-32, IDN-33)."""
    return view.counted(rows, {key: one.since for key, one in core.frozen.items()}, heirs(core))
