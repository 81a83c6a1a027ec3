"""A statement that a key speaks for a domain, to be published there.

Decides what is signed and whether it holds; never asks the domain. Spec: 16-supplier, SUP-50 to SUP-52.
"""

from __future__ import annotations

from typing import Any

from protocol.encoding import digest_of
from protocol.errors import Reject
from protocol.identity import Persona, did, verify
from protocol.params import DOMAIN_LIFE_MS


def statement(persona: Persona, domain: str, now: int) -> dict[str, Any]:
    """One entry of the file at the domain: the key, until when, and its signature over both and the domain."""
    until = now + DOMAIN_LIFE_MS
    return {"key": did(persona.key), "until": until, "signature": persona.sign(_signed(domain, until)).hex()}


def holds(entry: Any, domain: str, key: bytes, now: int) -> bool:
    """Whether an entry of a file, whatever it is, shows that this key speaks for the domain now."""
    try:
        until, signature = entry["until"], bytes.fromhex(entry["signature"])
        good = type(until) is int and now < until <= now + 2 * DOMAIN_LIFE_MS and entry["key"] == did(key)
        return good and len(signature) == 64 and verify(key, signature, _signed(domain, until))
    except (KeyError, TypeError, ValueError, Reject):
        return False


def _signed(domain: str, until: int) -> bytes:
    return digest_of("domain", [domain, until])
