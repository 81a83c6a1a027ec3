"""The doors: a function of bytes each, decorated with `target`.

A target returns when the bytes are taken, or raises ProtocolError with a clause; anything else is a finding. It also
asserts what must hold of what was taken (it encodes to the same bytes, for instance). What a target needs is imported
inside it, so that one broken module does not shut the other doors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from protocol.errors import ProtocolError
from protocol.identity import network_id

Target = Callable[[bytes], None]
TARGETS: dict[str, Target] = {}
CORPUS = Path(__file__).parent / "corpus"
NETWORK = network_id("test", bytes(16))


def target(function: Target) -> Target:
    """Registers a door under the function's name; its seeds are the files in corpus/NAME."""
    TARGETS[function.__name__] = function
    return function


def knock(name: str, data: bytes) -> bool:
    """Whether the bytes were taken; a refusal needs a clause and one short line."""
    refusal = _refusal(TARGETS[name], data)
    if refusal is not None:
        assert refusal.code.partition("-")[2].isdecimal(), refusal.code
        assert refusal.message, refusal.code
        assert "\n" not in refusal.message, refusal.message
        assert len(refusal.message) < 400, refusal.message
    return refusal is None


def _refusal(door: Target, data: bytes) -> ProtocolError | None:
    try:
        door(data)
    except ProtocolError as refusal:
        return refusal
    return None


def seeds(name: str) -> Iterator[bytes]:
    """The committed inputs of a door."""
    for path in sorted((CORPUS / name).glob("*")):
        yield path.read_bytes()


@target
def value(data: bytes) -> None:
    """01-record, ENC-1 to ENC-8"""
    from protocol.encoding import decode, encode

    assert encode(decode(data)) == data


@target
def record(data: bytes) -> None:
    """01-record, REC-4 to REC-12, with and without the signature"""
    from protocol.record.record import Record

    assert Record.parse(data, NETWORK, verified=True).raw == data
    assert Record.parse(data, NETWORK) == Record.parse(data, NETWORK, verified=True)


@target
def header(data: bytes) -> None:
    """01-record, REC-15"""
    from protocol.record.record import Header

    assert Header.parse(data, NETWORK).proof() == data


@target
def name(data: bytes) -> None:
    """02-identity, IDN-7"""
    from protocol.identity import did, key_of

    text = data.decode("utf-8", "replace")
    assert did(key_of(text)) == text


@target
def sealed(data: bytes) -> None:
    """02-identity, IDN-8, IDN-9"""
    from protocol.identity import decrypt, unseal

    unseal(data, NETWORK)
    decrypt(data, NETWORK, b"")


@target
def inspected(data: bytes) -> None:
    """13-node, CLI-9: `wltm record inspect`"""
    from node.inspect import inspect, render

    assert render(inspect(data, NETWORK, 0))


@target
def gossip(data: bytes) -> None:
    """03-gossip"""
    from protocol.network.gossip import encode_message, parse_message

    assert encode_message(parse_message(data)) == data


@target
def sync(data: bytes) -> None:
    """03-sync"""
    from protocol.network.index import Index
    from protocol.network.sync import respond

    items = [(1000 * number, bytes([number]) * 32) for number in range(200)]
    assert len(respond(Index(items), data, 4096)) <= 4096


@target
def frame(data: bytes) -> None:
    """03-mesh"""
    from node.mesh.wire import Hello, encode_frame, parse_frame

    found = parse_frame(data)
    if isinstance(found, Hello):
        assert len(found.addresses("12D3KooW" + "1" * 44)) <= 4
        assert 0 <= found.credit <= 1 << 16
        assert parse_frame(encode_frame(found)[4:]) == found


@target
def address(data: bytes) -> None:
    """03-mesh"""
    from node.mesh.wire import parse_address

    parse_address(data.decode("utf-8", "replace"))


@target
def invitation(data: bytes) -> None:
    """13-node, CLI-10"""
    from node.invitation import read

    read(data.decode("utf-8", "replace"), 0)


@target
def invite_token(data: bytes) -> None:
    """05-formation"""
    from protocol.coop.charter import Invitation

    Invitation.parse(data)


@target
def mandate(data: bytes) -> None:
    """07-election"""
    from protocol.coop.mandate import Mandate

    Mandate.parse(data)


@target
def quotation(data: bytes) -> None:
    """08-negotiation, NEG-1 to NEG-6"""
    from node.template import load
    from protocol.deal.negotiation import read

    read(data, load("electricity"))


@target
def template(data: bytes) -> None:
    """04-template"""
    from protocol.coop.template import parse
    from protocol.encoding import decode

    parse(decode(data))


@target
def ballots_file(data: bytes) -> None:
    """07-election, ELE-11 to ELE-15: `wltm tally`"""
    from node.preflib import parse

    parse(data)


@target
def price_list(data: bytes) -> None:
    """16-supplier, SUP-1 to SUP-5: `wltm supplier prices`"""
    from node.prices import read
    from node.template import load

    read(data, load("electricity"))


@target
def deal_bundle(data: bytes) -> None:
    """12-bundle: `wltm verify`, and behind the digest, where the bytes can be given the right one"""
    from protocol.deal.bundle import bundle_digest, read
    from protocol.encoding import decode, encode
    from protocol.errors import Reject
    from protocol.params import BUNDLE_BYTES_MAX

    try:
        body = decode(data)
        if type(body) is dict:
            data = encode(body | {"digest": bundle_digest(body)}, BUNDLE_BYTES_MAX)
    except Reject:
        pass
    read(data)


from tests.fuzz import stories as stories  # noqa: E402  # doors register themselves


@target
def backup(data: bytes) -> None:
    """18-keeping, KEP-1 to KEP-4: a backup's head, and what follows as if it had been opened."""
    import io

    from node.sealed import TITLE, items_in, read_head

    path, file = Path("backup"), io.BytesIO(TITLE + data)
    read_head(path, file)
    for item in items_in(iter([file.read()]), path):
        assert item.kind.isupper()
