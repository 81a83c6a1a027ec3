"""Rooms by hand: epochs, envelopes, and what each of those who should not read does read (11-room)."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Reject
from protocol.identity import Persona, box_key, encrypt, network_id
from protocol.params import EPOCH_INDEX_MAX, MEMBERS_MAX, RECORD_BYTES_MAX, ROOM_SIZES, WITNESSES_MAX
from protocol.record.record import Record, Slot
from protocol.room.book import OPEN_KINDS, Book, is_sealed
from protocol.room.epoch import Group, Place, commit, is_epoch_of, key_for, secret_hash, welcome
from protocol.room.ratchet import CONTENT_BYTES_MAX, Epoch, first_chain, next_chain, open_message, padded, seal_message

NETWORK = network_id("rooms", b"seed")
SCOPE = "coop/" + "ab" * 16
MADE_MS, ENDS_MS = 1_800_000_000_000, 1_800_086_400_000
NAME = bytes(range(32))
PEOPLE = [Persona.from_seed(bytes([number]) * 32) for number in range(1, 7)]
CHARTER = b"\x07" * 32


def drawn(seed: int) -> Any:
    """A stream of bytes that is always the same."""
    return random.Random(seed).randbytes


def seed_of(one: Persona) -> bytes:
    return one.box_seed(CHARTER)


def group(gone: tuple[int, ...] = (), people: list[Persona] = PEOPLE) -> Group:
    """A room of these people, some of them gone."""
    places = (Place(one.key, box_key(seed_of(one)), number in gone) for number, one in enumerate(people))
    return Group.of(NAME, places)


def signed(who: Persona, kind: str, body: dict[str, Any], slot: str = "", **more: Any) -> Record:
    facts: dict[str, Any] = {"created": MADE_MS, "expires": ENDS_MS, "scope": SCOPE} | more
    scope = facts.pop("scope")
    return Record.sign(who, NETWORK, kind, scope, body, slot=Slot("once", slot, 0) if slot else None, **facts)


def leave(who: Persona, **more: Any) -> Record:
    """Something that is said in rooms."""
    return signed(who, "leave.1", {"reason": "price", "remark": "Too dear for me."}, "leave", **more)


def epoch_by(who: Persona, seed: int = 1, of: Group | None = None) -> tuple[Record, bytes]:
    """A new epoch and its secret."""
    draw = drawn(seed)
    secret = draw(32)
    return signed(who, "epoch.1", commit(of or group(), secret, draw)), secret


def envelope(who: Persona, epoch: Record, secret: bytes, inner: Record, index: int = 0, **more: Any) -> Record:
    tag, cipher = Epoch(epoch.id, secret).protect(who.key, index, inner.raw)
    body = {"epoch": epoch.id, "index": index, "tag": tag, "cipher": cipher}
    return signed(who, "sealed.1", body, refs=(epoch.id,), **more)


def opened(book: Book) -> list[Record]:
    book.open(NETWORK)
    return list(book.waiting.values())


# Epochs


def test_the_secret_reaches_everybody_present_and_nobody_else() -> None:
    """ROO-1, ROO-3, ROO-4: who is gone keeps the place and gets noise in it; no other place moves."""
    whole, less = group(), group(gone=(2,))
    assert [one.key for one in whole.places] == [one.key for one in less.places] == sorted(one.key for one in PEOPLE)
    assert whole.state != less.state
    epoch, secret = epoch_by(PEOPLE[0], of=less)
    assert is_epoch_of(less, epoch)
    assert len(epoch.body["keys"]) == len(PEOPLE)
    for number, one in enumerate(PEOPLE):
        place = less.place_of(one.key)
        assert place is not None
        found = welcome(epoch.body, epoch.body["keys"][place], seed_of(one))
        assert found == (None if number == 2 else secret)
    assert less.place_of(bytes(32)) is None


def test_a_box_that_is_no_point_stops_nobody() -> None:
    """ROO-4: it gets noise, and the others their secret."""
    odd = Group.of(NAME, [Place(PEOPLE[0].key, bytes(32)), Place(PEOPLE[1].key, box_key(seed_of(PEOPLE[1])))])
    epoch, secret = epoch_by(PEOPLE[1], of=odd)
    place = odd.place_of(PEOPLE[1].key)
    assert place is not None
    assert welcome(epoch.body, epoch.body["keys"][place], seed_of(PEOPLE[1])) == secret
    assert all(len(one) == 80 for one in epoch.body["keys"])


def test_a_wrong_secret_is_known_by_who_gets_it() -> None:
    """ROO-4, ROO-7: by the hash, as its maker sealed it or as somebody passed it on."""
    epoch, secret = epoch_by(PEOPLE[0])
    box = box_key(seed_of(PEOPLE[1]))
    for wrong in (bytes(32), secret[:-1] + bytes([secret[-1] ^ 1])):
        assert welcome(epoch.body, key_for(wrong, box, drawn(3)), seed_of(PEOPLE[1])) is None
    assert welcome(epoch.body, key_for(secret, box, drawn(3)), seed_of(PEOPLE[1])) == secret
    assert welcome(epoch.body, bytes(80), seed_of(PEOPLE[1])) is None


def test_an_epoch_of_another_room_or_size_is_none_of_ours() -> None:
    """ROO-2: as many keys as places, and the room's name."""
    epoch, _ = epoch_by(PEOPLE[0])
    assert is_epoch_of(group(), epoch)
    assert not is_epoch_of(group(people=PEOPLE[:5]), epoch)
    other = signed(PEOPLE[0], "epoch.1", dict(epoch.body) | {"group": bytes(32)})
    assert not is_epoch_of(group(), other)
    with pytest.raises(Reject, match="REC-11"):
        signed(PEOPLE[0], "epoch.1", dict(epoch.body) | {"keys": [bytes(79)]})


def test_turns_follow_from_who_is_present() -> None:
    """ROO-5: the same for everybody, another after somebody left, and who left has none."""
    assert sorted(group().order()) == sorted(one.key for one in PEOPLE)
    assert PEOPLE[2].key not in group(gone=(2,)).order()
    assert group().order()[:5] != group(gone=(5,)).order()


def test_two_hundred_members_and_five_hundred() -> None:
    """ROO-2: a rekey of 200 members and 16 witnesses takes at most 25 kB, the largest room fits a record."""
    for count, most in ((216, 25_000), (MEMBERS_MAX + WITNESSES_MAX, RECORD_BYTES_MAX)):
        boxes = [box_key(bytes([7]) * 32)] * count
        many = Group.of(NAME, (Place(number.to_bytes(32, "big"), box) for number, box in enumerate(boxes)))
        assert len(signed(PEOPLE[0], "epoch.1", commit(many, bytes(32), drawn(1))).raw) <= most


# Messages


@given(content=st.binary(max_size=3000), index=st.integers(0, 50))
def test_what_is_protected_comes_back(content: bytes, index: int) -> None:
    """ROO-8, ROO-9, ROO-10: in any order of indexes; the cipher's length is that of a size class."""
    ours, theirs = Epoch(NAME, CHARTER), Epoch(NAME, CHARTER)
    for number in (index, 0, index):
        tag, cipher = ours.protect(PEOPLE[0].key, number, content)
        assert len(cipher) - 16 in ROOM_SIZES
        assert theirs.unprotect(PEOPLE[0].key, number, tag, cipher) == content


def test_nothing_opens_as_something_else() -> None:
    """ROO-10, ROO-11: not under another sender, index, epoch or tag, and not when one bit differs."""
    tag, cipher = Epoch(NAME, CHARTER).protect(PEOPLE[0].key, 3, b"words")
    assert Epoch(NAME, CHARTER).unprotect(PEOPLE[0].key, 3, tag, cipher) == b"words"
    wrong = [
        (Epoch(NAME, CHARTER), PEOPLE[1].key, 3, tag, cipher),
        (Epoch(NAME, CHARTER), PEOPLE[0].key, 2, tag, cipher),
        (Epoch(bytes(32), CHARTER), PEOPLE[0].key, 3, tag, cipher),
        (Epoch(NAME, NAME), PEOPLE[0].key, 3, tag, cipher),
        (Epoch(NAME, CHARTER), PEOPLE[0].key, 3, bytes(32), cipher),
        (Epoch(NAME, CHARTER), PEOPLE[0].key, 3, tag, cipher[:-1] + bytes([cipher[-1] ^ 1])),
        (Epoch(NAME, CHARTER), PEOPLE[0].key, EPOCH_INDEX_MAX + 1, tag, cipher),
    ]
    for epoch, sender, index, mark, data in wrong:
        with pytest.raises(Reject):
            epoch.unprotect(sender, index, mark, data)


def test_one_spelling_of_a_message() -> None:
    """ROO-11: neither other padding nor another tag of one content opens."""
    chain, context = first_chain(CHARTER, NAME, PEOPLE[0].key), b"context"
    data = padded(b"words")
    odd = data[:-1] + b"\x01"
    for content, mark in ((odd, None), (data, bytes(32)), ((60_000).to_bytes(4, "big") + data[4:], None)):
        tag, _ = seal_message(chain, context, b"words")
        tag = mark or tag
        key = _message_key(chain, tag)
        with pytest.raises(Reject, match="ROO-11"):
            open_message(chain, context, tag, encrypt(content, key, context))


def _message_key(chain: bytes, tag: bytes) -> bytes:
    return hashlib.blake2b(tag, key=chain, digest_size=32, person=b"wltm.room.key").digest()


def test_an_index_used_twice_gives_nothing_away() -> None:
    """ROO-10: a restored backup goes on at an index that was used; the two ciphers share no key stream."""
    one, two = (Epoch(NAME, CHARTER).protect(PEOPLE[0].key, 5, content) for content in (b"a" * 300, b"b" * 300))
    assert one[0] != two[0]
    mixed = bytes(a ^ b for a, b in zip(one[1], two[1], strict=True))
    plain = bytes(a ^ b for a, b in zip(padded(b"a" * 300), padded(b"b" * 300), strict=True))
    assert mixed[: len(plain)] != plain
    again = Epoch(NAME, CHARTER).protect(PEOPLE[0].key, 5, b"a" * 300)
    assert again == one  # and the same content is the same bytes


def test_a_later_chain_opens_nothing_earlier() -> None:
    """ROO-8: who gets a sender's chain at an index reads from there on, and no other sender."""
    said = [Epoch(NAME, CHARTER).protect(PEOPLE[0].key, index, b"word %d" % index) for index in range(6)]
    stolen, read = Epoch(NAME, CHARTER).chain(PEOPLE[0].key, 3), list[bytes]()
    for _ in range(3, 60):
        for index, (tag, cipher) in enumerate(said):
            try:
                context = NAME + PEOPLE[0].key + index.to_bytes(8, "big")
                read.append(open_message(stolen, context, tag, cipher))
            except Reject:
                continue
        stolen = next_chain(stolen)
    assert read == [b"word 3", b"word 4", b"word 5"]


def test_too_much_at_once_is_refused() -> None:
    """ROO-9: what fits is filled up, what does not is refused in one sentence."""
    assert len(padded(bytes(CONTENT_BYTES_MAX))) == ROOM_SIZES[-1]
    with pytest.raises(Reject, match="ROO-9"):
        padded(bytes(CONTENT_BYTES_MAX + 1))
    assert [len(padded(bytes(size))) for size in (0, 380, 381)] == [384, 384, 512]


# Envelopes


def test_an_envelope_holds_one_whole_record() -> None:
    """ROO-11, ROO-14: of its author or of another, who is never the one that counts as having said it."""
    epoch, secret = epoch_by(PEOPLE[0])
    book = Book()
    book.learn(epoch.id, secret)
    own, passed_on = leave(PEOPLE[1]), leave(PEOPLE[2])
    for sent in (envelope(PEOPLE[1], epoch, secret, own), envelope(PEOPLE[1], epoch, secret, passed_on, 1)):
        book.hold(sent)
    assert [one.author for one in opened(book)] == [PEOPLE[1].key, PEOPLE[2].key]
    assert list(book.passed) == [passed_on.id]
    assert book.used[epoch.id, PEOPLE[1].key] == 2


def test_what_no_envelope_may_hold() -> None:
    """ROO-11, ROO-12: another scope or time, what is said openly, an envelope, noise: each reads as none."""
    epoch, secret = epoch_by(PEOPLE[0])
    one = PEOPLE[1]
    good = leave(one)
    inner = envelope(one, epoch, secret, good)
    bad = [
        envelope(one, epoch, secret, leave(one, scope="coop/" + "cd" * 16)),
        envelope(one, epoch, secret, leave(one, created=MADE_MS + 1)),
        envelope(one, epoch, secret, leave(one, expires=ENDS_MS + 1)),
        envelope(one, epoch, secret, epoch),
        envelope(one, epoch, secret, inner),
        signed(one, "sealed.1", dict(inner.body)),  # without its ref
        signed(one, "sealed.1", dict(inner.body) | {"index": 1}, refs=(epoch.id,)),
        signed(one, "sealed.1", dict(inner.body) | {"cipher": bytes(400)}, refs=(epoch.id,)),
    ]
    book = Book()
    book.learn(epoch.id, secret)
    for sent in bad:
        assert book.read(sent, NETWORK) is None
        assert book.inside(sent, NETWORK) is sent
        book.hold(sent)
    assert opened(book) == []
    book.hold(inner)
    assert opened(book) == [good]


def test_which_kinds_are_said_openly() -> None:
    """ROO-12: what makes the roster, what makes the room, and what newer versions replace."""
    votes = {"round": 0, "step": "prevote", "value": b""}
    assert not is_sealed(signed(PEOPLE[0], "vote.1", votes | {"question": "roster"}, "roster/0/prevote"))
    assert is_sealed(signed(PEOPLE[0], "vote.1", votes | {"question": "pledges/ab"}, "pledges/ab/0/prevote"))
    assert is_sealed(leave(PEOPLE[0]))
    assert not any(is_sealed(epoch_by(one)[0]) for one in PEOPLE)
    assert "charter.1" in OPEN_KINDS
    message = {"agreement": NAME, "text": "Where is it?"}
    assert is_sealed(signed(PEOPLE[0], "message.1", message, scope="deal/" + "ab" * 16))  # ROO-16


@given(order=st.permutations(range(4)))
def test_keys_may_come_after_envelopes(order: list[int]) -> None:
    """ROO-13: what a room holds does not depend on what came first."""
    epochs = [epoch_by(one, number) for number, one in enumerate(PEOPLE[:2])]
    said = [leave(PEOPLE[2]), leave(PEOPLE[3])]
    sent = [envelope(one, *epochs[at], inner) for at, (one, inner) in enumerate(zip(PEOPLE[2:4], said, strict=True))]
    book, found = Book(), dict[bytes, Record]()
    for step in order:
        if step < 2:
            book.learn(epochs[step][0].id, epochs[step][1])
        else:
            book.hold(sent[step - 2])
        found |= {one.id: one for one in opened(book)}
    assert sorted(found) == sorted(one.id for one in said)
    assert not book.closed


def test_an_index_is_found_again_in_what_was_said() -> None:
    """ROO-8: after a restart a sender goes on after the greatest index that stands in the log."""
    epoch, secret = epoch_by(PEOPLE[0])
    book = Book()
    book.learn(epoch.id, secret)
    book.hold(envelope(PEOPLE[1], epoch, secret, leave(PEOPLE[1]), 7))
    assert book.seal(epoch.id, PEOPLE[1].key, leave(PEOPLE[1]))["index"] == 8
    assert book.seal(epoch.id, PEOPLE[2].key, leave(PEOPLE[2]))["index"] == 0
    book.used[epoch.id, PEOPLE[1].key] = EPOCH_INDEX_MAX + 1
    assert book.is_full(epoch.id, PEOPLE[1].key)  # ROO-6


# Vectors


def _message_cases() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = []
    for index, content in ((0, b""), (0, b"words"), (3, b"words"), (2, bytes(range(256)) * 2)):
        chain = Epoch(NAME, CHARTER).chain(PEOPLE[0].key, index)
        tag, cipher = Epoch(NAME, CHARTER).protect(PEOPLE[0].key, index, content)
        facts = {"secret": CHARTER, "epoch": NAME, "sender": PEOPLE[0].key, "index": index, "content": content}
        output = {"chain": chain, "padded_bytes": len(padded(content)), "tag": tag, "cipher": cipher}
        cases.append({"name": f"message {len(cases)}", "clause": "ROO-10", "input": facts, "output": output})
    tag, cipher = Epoch(NAME, CHARTER).protect(PEOPLE[0].key, 1, b"words")
    base: dict[str, Any] = {"secret": CHARTER, "epoch": NAME, "sender": PEOPLE[0].key, "index": 1}
    base |= {"tag": tag, "cipher": cipher}
    changes: dict[str, dict[str, Any]] = {
        "another index": {"index": 2},
        "another sender": {"sender": PEOPLE[1].key},
        "another epoch": {"epoch": bytes(32)},
        "another tag": {"tag": bytes(32)},
        "one bit": {"cipher": cipher[:-1] + bytes([cipher[-1] ^ 1])},
        "an index too far": {"index": EPOCH_INDEX_MAX + 1},
    }
    for name, change in changes.items():
        given: dict[str, Any] = base | change
        with pytest.raises(Reject) as caught:
            Epoch(given["epoch"], given["secret"]).unprotect(
                given["sender"], given["index"], given["tag"], given["cipher"]
            )
        cases.append({"name": name, "clause": "ROO-11", "input": given, "reject": caught.value.code})
    return [*cases, *_misspelt(base)]


def _misspelt(base: dict[str, Any]) -> list[dict[str, Any]]:
    """What somebody with the secret can make and nobody may read: other padding, another tag (ROO-9, ROO-10)."""
    sender, index = base["sender"], base["index"]
    chain = Epoch(NAME, CHARTER).chain(sender, index)
    context, data = NAME + sender + index.to_bytes(8, "big"), padded(b"words")
    cases = []
    for name, content, tag in (
        ("filled up with something", data[:-1] + b"\x01", None),
        ("a longer length than there is", (385).to_bytes(4, "big") + data[4:], None),
        ("a size class too large", data.ljust(512, b"\0"), None),
        ("no size class", data + b"\0", None),
        ("three bytes", b"\0\0\0", None),
        ("a tag of something else", data, bytes(32)),
    ):
        tag = tag or hashlib.blake2b(context + content, key=chain, digest_size=32, person=b"wltm.room.tag").digest()
        cipher = encrypt(content, _message_key(chain, tag), context)
        with pytest.raises(Reject) as caught:
            Epoch(NAME, CHARTER).unprotect(sender, index, tag, cipher)
        given = base | {"tag": tag, "cipher": cipher}
        cases.append({"name": name, "clause": "ROO-11", "input": given, "reject": caught.value.code})
    return cases


def _envelope_cases() -> list[dict[str, Any]]:
    """Whole envelopes; what is read out of one is the id of a record."""
    epoch, secret = epoch_by(PEOPLE[0])
    book, one = Book(), PEOPLE[1]
    book.learn(epoch.id, secret)
    inner = envelope(one, epoch, secret, leave(one))
    joined = signed(one, "receipt.1", {"question": "roster", "ids": [NAME]})
    heard = signed(one, "receipt.1", {"question": "pledges/0000000000000000", "ids": [NAME]})
    sent = {
        "a record of its author": inner,
        "a record of somebody else": envelope(one, epoch, secret, leave(PEOPLE[2])),
        "a receipt": envelope(one, epoch, secret, heard),
        "a receipt for the roster": envelope(one, epoch, secret, joined),
        "of another scope": envelope(one, epoch, secret, leave(one, scope="coop/" + "cd" * 16)),
        "of another stamp": envelope(one, epoch, secret, leave(one, created=MADE_MS + 1)),
        "of another end": envelope(one, epoch, secret, leave(one, expires=ENDS_MS + 1)),
        "what is said openly": envelope(one, epoch, secret, epoch),
        "an envelope in an envelope": envelope(one, epoch, secret, inner),
        "without its ref": signed(one, "sealed.1", dict(inner.body)),
        "with one ref more": signed(one, "sealed.1", dict(inner.body), refs=tuple(sorted((epoch.id, NAME)))),
        "another index than it is sealed for": signed(
            one, "sealed.1", dict(inner.body) | {"index": 1}, refs=(epoch.id,)
        ),
        "sealed by another": signed(PEOPLE[2], "sealed.1", dict(inner.body), refs=(epoch.id,)),
    }
    cases = []
    for name, each in sent.items():
        given = {"network": NETWORK, "epoch": epoch.id, "secret": secret, "envelope": each.raw}
        found = book.read(each, NETWORK)
        end: dict[str, Any] = {"output": found.id} if found is not None else {"reject": "ROO-11"}
        cases.append({"name": f"envelope: {name}", "clause": "ROO-11", "input": given} | end)
    assert sum("output" in one for one in cases) == 3
    return cases


def _epoch_cases() -> list[dict[str, Any]]:
    cases = list[dict[str, Any]]()
    for gone in ((), (2,)):
        room = group(gone)
        epoch, secret = epoch_by(PEOPLE[0], of=room)
        keys = [one.key for one in PEOPLE]
        given = {"group": NAME, "keys": keys, "gone": [keys[at] for at in gone], "secret": secret}
        output = {"members": room.state, "hash": secret_hash(secret), "order": room.order()}
        cases.append({"name": f"{len(gone)} gone", "clause": "ROO-2", "input": given, "output": output})
        for number, one in enumerate(PEOPLE):
            place = room.place_of(one.key)
            assert place is not None
            sealed = {"hash": epoch.body["hash"], "key": epoch.body["keys"][place], "box_seed": seed_of(one)}
            end: dict[str, Any] = {"reject": "ROO-4"} if number in gone else {"output": secret}
            cases.append({"name": f"place {place}, {len(gone)} gone", "clause": "ROO-4", "input": sealed} | end)
    return cases


def _plain(value: Any) -> Any:
    match value:
        case bytes():
            return value.hex()
        case dict():
            return {key: _plain(one) for key, one in value.items()}
        case list():
            return [_plain(one) for one in value]
    return value


def vectors() -> dict[str, Any]:
    """spec/vectors/room.json: epochs and messages."""
    cases = [*_epoch_cases(), *_message_cases(), *_envelope_cases()]
    return {"name": "room", "spec": "11-room", "cases": _plain(cases)}


def test_vectors_are_the_committed_ones() -> None:
    """ROO-2, ROO-4, ROO-8 to ROO-11."""
    path = Path(__file__).resolve().parents[1] / "spec/vectors/room.json"
    assert json.loads(path.read_text(encoding="utf-8")) == vectors()
