"""Who is in a room, and how the secret of an epoch reaches each of them.

Decides the places of a room, what a new epoch's record says and whether a key in it is good; never when an epoch is
made, and it keeps no secret. `commit` and `welcome` are named after their like in MLS (RFC 9420).
Spec: 11-room, ROO-1 to ROO-7.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from protocol.encoding import digest, digest_of
from protocol.errors import Reject
from protocol.identity import KEY_BYTES, SEAL_BYTES, Entropy, seal, unseal
from protocol.record.record import Record


@dataclass(frozen=True, slots=True)
class Place:
    """Somebody's place in a room. `box`: the X25519 key that secrets are sealed to, b"" where it is not known here.

    Who is `gone` keeps the place, so that no other place moves, and gets nothing more in it.
    """

    key: bytes
    box: bytes
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """All places of one room, ascending by key; `name`: the hash of the roster, or of the agreement (ROO-1)."""

    name: bytes
    places: tuple[Place, ...]
    supplier: bytes = b""  # of a channel

    @classmethod
    def of(cls, name: bytes, places: Iterable[Place], supplier: bytes = b"") -> Group:
        """The group with these places."""
        return cls(name, tuple(sorted(places, key=lambda one: one.key)), supplier)

    @property
    def present(self) -> tuple[bytes, ...]:
        """The keys of all who are in the room now."""
        return tuple(one.key for one in self.places if not one.gone)

    @property
    def state(self) -> bytes:
        """What an epoch names of those it is for, so that everybody can tell whether it still fits (ROO-3)."""
        return digest_of("room", [self.name, list(self.present)])

    def place_of(self, key: bytes) -> int | None:
        """The number of somebody's place."""
        return next((at for at, one in enumerate(self.places) if one.key == key), None)

    def order(self) -> list[bytes]:
        """Those present in the order in which it is their turn (ROO-5)."""
        state = self.state
        return sorted(self.present, key=lambda key: digest("turn", state + key))


def is_epoch_of(group: Group, record: Record) -> bool:
    """Whether an `epoch.1` belongs to this room: it has as many keys as the room has places (ROO-2)."""
    return bool(record.body["group"] == group.name and len(record.body["keys"]) == len(group.places))


def commit(group: Group, secret: bytes, entropy: Entropy) -> dict[str, Any]:
    """The body of a new epoch's record: the secret for everybody present, noise for the others (ROO-3, ROO-4)."""
    keys = [entropy(KEY_BYTES + SEAL_BYTES) if one.gone else key_for(secret, one.box, entropy) for one in group.places]
    return {"group": group.name, "members": group.state, "hash": secret_hash(secret), "keys": keys}


def welcome(body: Mapping[str, Any], key: bytes, seed: bytes) -> bytes | None:
    """The secret of the epoch with this body, if `key` holds it for the box with this seed (ROO-4)."""
    try:
        secret = unseal(key, seed)
    except Reject:
        return None
    return secret if len(secret) == KEY_BYTES and secret_hash(secret) == body["hash"] else None


def key_for(secret: bytes, box: bytes, entropy: Entropy) -> bytes:
    """The secret sealed to a box; one that is no usable point gets noise (ROO-4)."""
    try:
        return seal(secret, box, entropy)
    except Reject:
        return entropy(KEY_BYTES + SEAL_BYTES)


def secret_hash(secret: bytes) -> bytes:
    """What an epoch's record says of its secret, so that a wrong key is known by who gets it (ROO-4)."""
    return digest("epoch", secret)
