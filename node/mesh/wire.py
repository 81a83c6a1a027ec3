"""Frames: what two peers say to each other, as bytes, and the addresses they are found at.

Decides which bytes are a frame and which text is an address; never what to do about either. Spec: 03-mesh, MSH-4 to
MSH-13 and MSH-17.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from protocol.encoding import decode, encode
from protocol.errors import Reject
from protocol.params import RECORD_BYTES_MAX

FRAME_BYTES_MAX = 1 << 20  # MSH-4
FIRST_FRAME_BYTES_MAX = 8192  # MSH-4, until HELLO: a stranger cannot make us hold more
LENGTH_BYTES = 4  # MSH-4, big-endian
VERSION = 1  # MSH-5
FEATURES_MAX = 16  # MSH-5 (g)
FEATURES_BYTES_MAX = 4096  # MSH-5 (g)
ADDRESSES_MAX = 4  # MSH-5 (g), of one peer
BATCH_RECORDS_MAX = 1000  # MSH-6
CREDIT_UNIT_BYTES = 4096  # MSH-7 (g), a record costs one unit for each begun 4 KiB
CREDIT_UNITS_MAX = 1 << 16  # MSH-7 (g), what one peer may ever have in hand
CODE_BYTES_MAX = 32  # MSH-8
MESSAGE_BYTES_MAX = 256 * 1024  # MSH-10
UNKNOWN_FRAME_BYTES_MAX = 4096  # MSH-12
BATCH_MAX = 2**53 - 1

_HELLO, _RECORDS, _ACK, _MESSAGE, _PING, _PONG, _CREDIT, _GOODBYE = range(8)
_ALPHABET = frozenset("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
_PEER_PREFIX = "12D3KooW"  # what base58 makes of the six bytes before every Ed25519 key
_PEER_CHARS = 52


@dataclass(frozen=True, slots=True)
class Hello:
    """First frame in both directions (MSH-5)."""

    version: int
    network: bytes
    features: Mapping[str, Any]

    @property
    def credit(self) -> int:
        """Units the other side may send before it is granted more (MSH-7); 0 when it named none."""
        units = self.features.get("credit", 0)
        return units if type(units) is int and 0 <= units <= CREDIT_UNITS_MAX else 0

    def addresses(self, peer: str) -> tuple[str, ...]:
        """Where anybody may dial this peer (MSH-5): the addresses that lead to it; none when it named too many."""
        named = self.features.get("addresses", [])
        if type(named) is not list or len(named) > ADDRESSES_MAX:
            return ()
        return tuple(one for one in named if type(one) is str and _leads_to(one, peer))


@dataclass(frozen=True, slots=True)
class Records:
    """A numbered batch of whole records, each one the bytes that its author signed (MSH-6)."""

    batch: int
    raws: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Ack:
    """What became of a batch, after the receiver's commit: "" for taken, else the verdict's code (MSH-8)."""

    batch: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """Bytes that mean something to the gossip layer and nothing to the mesh (MSH-10)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered by a Pong of the same number (MSH-11)."""

    n: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to a Ping (MSH-11)."""

    n: int


@dataclass(frozen=True, slots=True)
class Credit:
    """Units granted in addition to what is left (MSH-7)."""

    units: int


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Why the sender closes: a clause code, or "" for no fault (MSH-13)."""

    code: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A frame of a type this version does not know, small enough to pass over (MSH-12)."""

    kind: int


Frame = Hello | Records | Ack | Message | Ping | Pong | Credit | Goodbye | Unknown


def encode_frame(frame: Frame) -> bytes:
    """`frame` with its length in front, ready for the stream."""
    match frame:
        case Hello(version, network, features):
            value: list[Any] = [_HELLO, version, network, dict(features)]
        case Records(batch, raws):
            value = [_RECORDS, batch, raws]
        case Ack(batch, codes):
            value = [_ACK, batch, codes]
        case Message(data):
            value = [_MESSAGE, data]
        case Ping(n):
            value = [_PING, n]
        case Pong(n):
            value = [_PONG, n]
        case Credit(units):
            value = [_CREDIT, units]
        case Goodbye(code):
            value = [_GOODBYE, code]
        case Unknown(kind):
            value = [kind]
    body = encode(value)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def parse_frame(body: bytes) -> Frame:
    """The frame whose encoding, without its length, is `body`. Raises Reject ENC-* or MSH-4 to MSH-13."""
    if len(body) < 2 or not 0x91 <= body[0] <= 0x9F:
        raise Reject("MSH-4", "frame: not an array of 1 to 15 items")
    if body[1] > _GOODBYE and len(body) > UNKNOWN_FRAME_BYTES_MAX:  # before the cost of decoding it
        raise Reject("MSH-12", f"frame: of an unknown type and {len(body)} bytes, at most {UNKNOWN_FRAME_BYTES_MAX}")
    match decode(body, FRAME_BYTES_MAX, BATCH_RECORDS_MAX):
        case [0, version, network, features] if type(features) is dict:
            return _hello(version, network, features)
        case [1, batch, raws]:
            return Records(_whole(batch, "batch", "MSH-6", 1), _raws(raws))
        case [2, batch, codes]:
            return Ack(_whole(batch, "batch", "MSH-8", 1), _codes(codes))
        case [3, data]:
            return Message(_bytes(data, "message", "MSH-10", MESSAGE_BYTES_MAX))
        case [4, n]:
            return Ping(_whole(n, "ping", "MSH-11"))
        case [5, n]:
            return Pong(_whole(n, "pong", "MSH-11"))
        case [6, units]:
            return Credit(_whole(units, "credit", "MSH-7", 1, CREDIT_UNITS_MAX))
        case [7, code]:
            return Goodbye(_code(code, "MSH-13"))
        case [kind, *_] if type(kind) is int and kind > _GOODBYE:
            return Unknown(kind)
    raise Reject("MSH-4", "frame: no type has these fields")


def cost(raw: bytes) -> int:
    """Credit units that one record uses up (MSH-7)."""
    return max(1, -(-len(raw) // CREDIT_UNIT_BYTES))


class Splitter:
    """Cuts a stream of bytes into the bodies of its frames; holds at most one frame that is not whole yet."""

    def __init__(self, bytes_max: int = FRAME_BYTES_MAX) -> None:
        self.bytes_max = bytes_max  # may change between two bodies
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that `data` completes; raises Reject MSH-4 as soon as a length is out of bounds."""
        self._held += data
        start = 0
        while len(self._held) - start >= LENGTH_BYTES:
            size = int.from_bytes(self._held[start : start + LENGTH_BYTES], "big")
            if not 2 <= size <= self.bytes_max:
                raise Reject("MSH-4", f"frame: {size} bytes, must be 2 to {self.bytes_max}")
            end = start + LENGTH_BYTES + size
            if len(self._held) < end:
                break
            yield bytes(self._held[start + LENGTH_BYTES : end])
            start = end
        del self._held[:start]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a peer listens, and over what: "tcp", "ws" or "wss"; `peer` is "" in an address to listen at."""

    family: str
    host: str
    port: int
    peer: str
    transport: str = "tcp"

    def __str__(self) -> str:
        over = "" if self.transport == "tcp" else f"/{self.transport}"
        return f"/{self.family}/{self.host}/tcp/{self.port}{over}" + (f"/p2p/{self.peer}" if self.peer else "")


def parse_address(text: str) -> Address:
    """A multiaddr `/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT[/ws|/wss|/tls/ws][/p2p/ID]`; raises Reject MSH-17 naming what
    is wrong."""
    match text.split("/") if len(text) <= 512 and text.isprintable() else []:
        case ["", family, host, "tcp", port, *rest] if _is_host(family, host):
            pass
        case _:
            raise Reject("MSH-17", f"address {text[:80]!r}: write /ip4/HOST/tcp/PORT/p2p/ID")
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535):
        raise Reject("MSH-17", f"address: port {port[:20]!r} must be 0 to 65535")
    transport, rest = _transport(rest)
    match rest:
        case []:
            return Address(family, host, int(port), "", transport)
        case ["p2p", peer] if is_peer(peer):
            return Address(family, host, int(port), peer, transport)
    raise Reject("MSH-17", "address: after the port come /ws, /wss or nothing, then /p2p/ and a peer id (12D3KooW…)")


def _leads_to(text: str, peer: str) -> bool:
    """Whether strangers can be told this address too: a zone (`fe80::1%eth0`) means nothing elsewhere (GOS-30)."""
    try:
        return parse_address(text).peer == peer and "%" not in text
    except Reject:
        return False


def _transport(parts: list[str]) -> tuple[str, list[str]]:
    match parts:
        case ["ws" | "wss" as name, *rest]:
            return name, rest
        case ["tls", "ws", *rest]:  # how newer multiaddrs say wss
            return "wss", rest
    return "tcp", parts


def _is_host(family: str, host: str) -> bool:
    match family:
        case "ip4" | "ip6":
            try:
                return ip_address(host).version == int(family[2])
            except ValueError:
                return False
        case "dns" | "dns4" | "dns6":
            labels = host.split(".")
            return len(host) <= 253 and all(1 <= len(label) <= 63 and _LABEL.issuperset(label) for label in labels)
    return False


def is_peer(text: str) -> bool:
    """Whether `text` has the form of an Ed25519 peer id (MSH-1)."""
    return len(text) == _PEER_CHARS and text.startswith(_PEER_PREFIX) and _ALPHABET.issuperset(text)


def _hello(version: Any, network: Any, features: dict[str, Any]) -> Hello:
    if len(features) > FEATURES_MAX or len(encode(features)) > FEATURES_BYTES_MAX:
        raise Reject("MSH-5", f"features: at most {FEATURES_MAX}, {FEATURES_BYTES_MAX} bytes in all")
    if type(network) is not bytes or len(network) != 32:
        raise Reject("MSH-5", "network: must be 32 bytes")
    return Hello(_whole(version, "version", "MSH-5", 1), network, features)


def _raws(raws: Any) -> tuple[bytes, ...]:
    if type(raws) is not list or not 1 <= len(raws) <= BATCH_RECORDS_MAX:
        raise Reject("MSH-6", f"records: must be 1 to {BATCH_RECORDS_MAX}")
    return tuple(_bytes(raw, "record", "MSH-6", RECORD_BYTES_MAX) for raw in raws)


def _codes(codes: Any) -> tuple[str, ...]:
    if type(codes) is not list or not 1 <= len(codes) <= BATCH_RECORDS_MAX:
        raise Reject("MSH-8", f"codes: must be 1 to {BATCH_RECORDS_MAX}")
    return tuple(_code(code, "MSH-8") for code in codes)


def _code(code: Any, clause: str) -> str:
    if type(code) is not str or len(code) > CODE_BYTES_MAX or not (code.isascii() and (code.isprintable())):
        raise Reject(clause, f"code: must be at most {CODE_BYTES_MAX} printable ASCII characters")
    return code


def _bytes(data: Any, name: str, clause: str, bytes_max: int) -> bytes:
    if type(data) is not bytes or len(data) > bytes_max:
        raise Reject(clause, f"{name}: must be at most {bytes_max} bytes")
    return data


def _whole(value: Any, name: str, clause: str, least: int = 0, most: int = BATCH_MAX) -> int:
    if type(value) is not int or not least <= value <= most:
        raise Reject(clause, f"{name}: must be an integer from {least} to {most}")
    return value
