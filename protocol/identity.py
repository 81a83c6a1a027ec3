"""From a secret to personas: keys, names, signatures, sealed boxes.

Decides how keys follow from the recovery words and what a valid signature is; never draws randomness itself.
Spec: 02-identity, IDN-1 to IDN-10.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import nacl.bindings as sodium
from nacl.exceptions import CryptoError

from protocol.encoding import digest
from protocol.errors import Reject
from protocol.params import PERSONA_SCAN

KEY_BYTES = 32
SIGNATURE_BYTES = 64
SEAL_BYTES = 48  # a sealed box is this much longer than its content
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519_PREFIX = b"\xed\x01"  # multicodec ed25519-pub

Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Persona:
    """One public face of a member: an Ed25519 key pair; its 32-byte seed never leaves the keystore."""

    key: bytes
    seed: bytes

    @classmethod
    def from_seed(cls, seed: bytes) -> Persona:
        """The key pair of a 32-byte seed (RFC 8032)."""
        key, _ = sodium.crypto_sign_seed_keypair(seed)
        return cls(key, seed)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte Ed25519 signature over `message` (RFC 8032)."""
        signed: bytes = sodium.crypto_sign(message, self.seed + self.key)
        return signed[:SIGNATURE_BYTES]

    def box_seed(self, context: bytes) -> bytes:
        """The X25519 secret key for one co-op (IDN-5): fresh per `context`, derivable again after a restore."""
        return hashlib.blake2b(context, key=self.seed, digest_size=32, person=b"wltm.box").digest()

    def __repr__(self) -> str:
        return f"Persona({did(self.key)})"


def persona_root(master: bytes) -> bytes:
    """The secret from which personas follow; `master` is the 64-byte BIP-39 seed (IDN-1)."""
    return _derive(master, b"wltm.personas", b"")


def recovery_root(master: bytes) -> bytes:
    """The secret from which recovery keys follow; it exists only while the words are at hand (IDN-1)."""
    return _derive(master, b"wltm.recovery", b"")


def persona(root: bytes, network: bytes, number: int) -> Persona:
    """Persona `number` in `network` under a persona root (IDN-2)."""
    return Persona.from_seed(_derive(root, b"wltm.persona", network + number.to_bytes(4, "big")))


def recovery(root: bytes, number: int) -> Persona:
    """The recovery key of persona `number`, in whatever network, under a recovery root (IDN-10)."""
    return persona(root, bytes(KEY_BYTES), number)


def recovery_hash(key: bytes, recovery_key: bytes) -> bytes:
    """What the first record of the persona `key` says of its recovery key (IDN-10)."""
    return digest("recovery", key + recovery_key)


def personas_of(root: bytes, network: bytes, known: Callable[[bytes], bool]) -> list[int]:
    """The numbers of the personas whose keys the network knows, as a restore finds them (IDN-3)."""
    found: list[int] = []
    number = 0
    while number <= (found[-1] if found else -1) + PERSONA_SCAN:
        if known(persona(root, network, number).key):
            found.append(number)
        number += 1
    return found


def _derive(key: bytes, person: bytes, data: bytes) -> bytes:
    return hashlib.blake2b(data, key=key, digest_size=32, person=person).digest()


def verify(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether libsodium accepts the signature: S < L, canonical A and R, no small order, cofactorless (IDN-4)."""
    try:
        sodium.crypto_sign_open(signature + message, key)
    except (CryptoError, ValueError):
        return False
    return True


def did(key: bytes) -> str:
    """The `did:key` of an Ed25519 key, multibase base58btc (IDN-7)."""
    data = _ED25519_PREFIX + key
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "did:key:z" + text


def key_of(name: str) -> bytes:
    """The Ed25519 key in a `did:key`; raises Reject IDN-7."""
    body = name.removeprefix("did:key:z")
    if body == name or not 40 <= len(body) <= 60 or any(letter not in _BASE58 for letter in body):
        raise Reject("IDN-7", "did: not a did:key of an Ed25519 key")
    number = 0
    for letter in body:
        number = number * 58 + _BASE58.index(letter)
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(data) != 34 or data[:2] != _ED25519_PREFIX or did(data[2:]) != name:
        raise Reject("IDN-7", "did: not a did:key of an Ed25519 key")
    return data[2:]


def box_key(box_seed: bytes) -> bytes:
    """The X25519 public key of a box seed (RFC 7748)."""
    key: bytes = sodium.crypto_scalarmult_base(box_seed)
    return key


def seal(content: bytes, key: bytes, entropy: Entropy) -> bytes:
    """libsodium's sealed box for the X25519 key `key`, its ephemeral key drawn from `entropy` (IDN-8).

    Raises Reject IDN-8 when `key` is no usable point.
    """
    secret = entropy(32)
    ephemeral = sodium.crypto_scalarmult_base(secret)
    nonce = hashlib.blake2b(ephemeral + key, digest_size=24).digest()
    try:
        boxed: bytes = sodium.crypto_box(content, nonce, key, secret)
    except (CryptoError, RuntimeError, ValueError):
        raise Reject("IDN-8", "box: the key is of small order") from None
    return ephemeral + boxed


def unseal(sealed: bytes, box_seed: bytes) -> bytes:
    """The content of a sealed box; raises Reject IDN-8 when it is not for this key or was altered."""
    try:
        content: bytes = sodium.crypto_box_seal_open(sealed, box_key(box_seed), box_seed)
    except (CryptoError, RuntimeError, ValueError, TypeError):
        raise Reject("IDN-8", "sealed: not for this key, or altered") from None
    return content


def encrypt(content: bytes, key: bytes, context: bytes) -> bytes:
    """XChaCha20-Poly1305 under a key that is used once, so the nonce is zero; bound to `context` (IDN-9)."""
    data: bytes = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(content, context, bytes(24), key)
    return data


def decrypt(cipher: bytes, key: bytes, context: bytes) -> bytes:
    """The content under a one-time key; raises Reject IDN-9 when altered or bound to another context."""
    try:
        data: bytes = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(cipher, context, bytes(24), key)
    except (CryptoError, ValueError, TypeError):
        raise Reject("IDN-9", "cipher: not under this key, or altered") from None
    return data


def network_id(name: str, salt: bytes) -> bytes:
    """The 32-byte id of a network: its name, the encoding's version and the founder's salt (REC-5)."""
    return digest("network", len(name.encode()).to_bytes(2, "big") + name.encode() + b"\x01" + salt)
