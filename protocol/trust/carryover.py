"""A proof, for one verifier alone, that one persona stands for another.

Decides what such a proof is and whether it holds for the verifier it names. It convinces nobody else: the verifier can
make the same bytes. Spec: 02-identity, IDN-35 to IDN-38.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import asdict, dataclass

import nacl.bindings as sodium
from nacl.exceptions import CryptoError

from protocol.encoding import decode, encode
from protocol.errors import Reject
from protocol.identity import Entropy, Persona
from protocol.params import PROOF_LIFE_MS
from protocol.record.schema import data, fields, integer

SCHEME = "wltm-proof:"
TEXT_MAX = 400
_PERSON = b"wltm.carry"
_FIELDS = fields(
    {
        "expires": integer(),
        "network": data(32),
        "new": data(32),
        "nonce": data(16),
        "old": data(32),
        "tag": data(32),
        "verifier": data(32),
    }
)


@dataclass(frozen=True, slots=True)
class Proof:
    """`new` stands for `old`, said to `verifier` until `expires` (Unix ms)."""

    network: bytes
    old: bytes
    new: bytes
    verifier: bytes
    nonce: bytes
    expires: int
    tag: bytes

    def text(self) -> str:
        """One line to hand to the verifier, by letter or in a room (IDN-36)."""
        return SCHEME + base64.urlsafe_b64encode(encode(asdict(self))).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, line: str, network: bytes) -> Proof:
        """The proof in a line. Raises Reject IDN-36 when it is damaged or of another network."""
        body = line.strip().removeprefix(SCHEME)
        try:
            if len(body) > TEXT_MAX or not line.strip().startswith(SCHEME):
                raise Reject("IDN-36", "no proof")
            value = decode(base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True))
            _FIELDS(value, "proof")
        except (Reject, ValueError):
            raise Reject("IDN-36", f"proof: not a whole one; ask for it again, it begins with {SCHEME}") from None
        found = cls(**value)
        if found.text() != line.strip():
            raise Reject("IDN-36", "proof: not as it would be written; ask for it again")
        if found.network != network:
            raise Reject("IDN-36", "proof: is of another network")
        return found


def make(old: Persona, new: bytes, verifier: bytes, network: bytes, expires: int, entropy: Entropy) -> Proof:
    """The old persona's word to one verifier (IDN-35). Raises Reject IDN-35 when the verifier is no usable key."""
    return _signed(old, verifier, Proof(network, old.key, new, verifier, entropy(16), expires, bytes(32)))


def imitate(verifier: Persona, old: bytes, new: bytes, network: bytes, expires: int, nonce: bytes) -> Proof:
    """The same bytes, as the verifier can make them: why nobody else is convinced (IDN-37)."""
    return _signed(verifier, old, Proof(network, old, new, verifier.key, nonce, expires, bytes(32)))


def check(proof: Proof, verifier: Persona, now: int) -> None:
    """Raises Reject IDN-38 unless the old persona, or the verifier itself, made this and it has not ended."""
    if proof.verifier != verifier.key:
        raise Reject("IDN-38", "proof: is for somebody else, and says nothing to you")
    if len({proof.old, proof.new, proof.verifier}) != 3:
        raise Reject("IDN-38", "proof: nobody stands for themself, nor proves it to themself")
    if not now < proof.expires <= now + PROOF_LIFE_MS:
        raise Reject("IDN-38", "proof: has ended, or is good for too long; ask for a new one")
    if not hmac.compare_digest(_signed(verifier, proof.old, proof).tag, proof.tag):
        raise Reject("IDN-38", "proof: was not made by the persona that it names, or was altered")


def _signed(own: Persona, other: bytes, proof: Proof) -> Proof:
    """The proof with the tag that only these two can make."""
    said = proof.network + proof.old + proof.new + proof.verifier + proof.nonce + proof.expires.to_bytes(8, "big")
    tag = hashlib.blake2b(said, key=shared_key(own, other), digest_size=32, person=_PERSON).digest()
    return Proof(proof.network, proof.old, proof.new, proof.verifier, proof.nonce, proof.expires, tag)


def shared_key(own: Persona, other: bytes) -> bytes:
    """What two personas' Ed25519 keys have in common, as X25519 keys (IDN-35). Raises Reject IDN-35."""
    try:
        secret = sodium.crypto_sign_ed25519_sk_to_curve25519(own.seed + own.key)
        public = sodium.crypto_sign_ed25519_pk_to_curve25519(other)
        found: bytes = sodium.crypto_scalarmult(secret, public)
    except (CryptoError, RuntimeError, ValueError, TypeError):
        raise Reject("IDN-35", "verifier: is no usable key") from None
    return found
