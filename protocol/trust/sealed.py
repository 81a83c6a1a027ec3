"""Words that only those named can read: one key for each, sealed to every reader, and fixed by a hash.

Decides how words are closed and opened; never who may read them. Spec: 19-remedy, RMD-4 to RMD-7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import nacl.bindings as sodium
from nacl.exceptions import CryptoError

from protocol.encoding import decode, digest, encode
from protocol.errors import Reject
from protocol.identity import Entropy, Persona, decrypt, encrypt, seal, unseal
from protocol.params import WORDS_BYTES

_LENGTH_BYTES = 2


def box_of(key: bytes) -> bytes:
    """The X25519 key that stands for a persona's Ed25519 key; raises Reject RMD-4 where there is none."""
    try:
        found: bytes = sodium.crypto_sign_ed25519_pk_to_curve25519(key)
    except (CryptoError, RuntimeError, ValueError, TypeError):
        raise Reject("RMD-4", "reader: its key is no usable point") from None
    return found


def box_seed_of(persona: Persona) -> bytes:
    """The secret that opens what is sealed to a persona's own key (RMD-4)."""
    found: bytes = sodium.crypto_sign_ed25519_sk_to_curve25519(persona.seed + persona.key)
    return found


def padded(content: bytes, size: int) -> bytes:
    """Its length in two bytes, itself, and zeros up to `size`; raises Reject RMD-5 when it is too long."""
    if len(content) > size - _LENGTH_BYTES:
        raise Reject("RMD-5", f"text: too long; {len(content)} bytes, at most {size - _LENGTH_BYTES}")
    return (len(content).to_bytes(_LENGTH_BYTES, "big") + content).ljust(size, b"\0")


def unpadded(block: bytes) -> bytes:
    """What was filled up; raises Reject RMD-5 when it cannot have been."""
    length = int.from_bytes(block[:_LENGTH_BYTES], "big")
    content, rest = block[_LENGTH_BYTES : _LENGTH_BYTES + length], block[_LENGTH_BYTES + length :]
    if len(content) != length or any(rest):
        raise Reject("RMD-5", "words: not filled up as they must be")
    return content


def close(content: Mapping[str, Any], author: bytes, readers: Iterable[bytes], entropy: Entropy) -> dict[str, Any]:
    """The fields of a body that hold `content` for these readers and nobody else (RMD-5)."""
    key = entropy(32)
    cipher = encrypt(padded(encode(dict(content)), WORDS_BYTES), key, author)
    keys = [[one, seal(key, box_of(one), entropy)] for one in sorted(dict.fromkeys(readers))]
    return {"cipher": cipher, "lock": digest("lock", key), "keys": keys}


def key_for(body: Mapping[str, Any], reader: Persona) -> bytes:
    """The key that a body holds for one of its readers; raises Reject IDN-8 or RMD-6."""
    sealed = next((sealed for key, sealed in body["keys"] if key == reader.key), None)
    if sealed is None:
        raise Reject("RMD-6", "words: are not for this persona")
    return unseal(sealed, box_seed_of(reader))


def open_with(body: Mapping[str, Any], author: bytes, key: bytes) -> dict[str, Any]:
    """What a body says under a key that somebody handed over; raises Reject RMD-6, RMD-5, IDN-9 or ENC-*."""
    if digest("lock", key) != body["lock"]:
        raise Reject("RMD-6", "words: this is not the key that they were closed with")
    content = decode(unpadded(decrypt(body["cipher"], key, author)))
    if type(content) is not dict:
        raise Reject("RMD-6", "words: must be a map")
    return content


def read(body: Mapping[str, Any], author: bytes, reader: Persona) -> dict[str, Any]:
    """What one of the readers can read."""
    return open_with(body, author, key_for(body, reader))
