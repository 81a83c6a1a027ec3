"""Letters and tokens: what a relay sees of a letter, whom it opens for, what is none (15-relay). Writes vectors."""

from __future__ import annotations

import base64
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.encoding import decode, encode
from protocol.errors import Ignore, Reject
from protocol.identity import SEAL_BYTES, Persona, seal
from protocol.network.mail import SCHEME, TOKEN_TEXT_MAX, Token, box_seed, check_letter, mail_scope, read, write
from protocol.params import DAY_MS, MAIL_FUZZ_MS, MAIL_LIFE_MS, MAIL_SIZES, TEXT_BYTES_MAX
from protocol.record.record import Record, Slot
from tests.deals import NETWORK, START_MS, persona
from tests.stages import entropy

ANN, BEN, EVE = persona("ann"), persona("ben"), persona("eve")
SECRET = bytes(range(16))
TOKEN = Token.of(ANN, NETWORK, SECRET, START_MS + DAY_MS)


def letter(words: str = "Hello", reply: str = "", token: Token = TOKEN, seed: str = "a") -> Record:
    return write(token, words, reply, START_MS, entropy(seed))


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**50))
def test_a_token_is_a_line_and_back(secret: bytes, expires: int) -> None:
    """REL-11"""
    token = Token.of(ANN, NETWORK, secret, expires)
    line = token.text()
    assert len(line) <= TOKEN_TEXT_MAX
    assert line.isprintable()
    assert Token.parse(f"  {line}\n", NETWORK) == token


def packed(**changes: Any) -> str:
    value = {"box": TOKEN.box, "expires": 1, "network": NETWORK, "scope": TOKEN.scope, "secret": SECRET} | changes
    return SCHEME + base64.urlsafe_b64encode(encode(value)).decode().rstrip("=")


BAD_TOKENS = {
    "empty": "",
    "another scheme": TOKEN.text().replace("wltm-mail:", "wltm:"),
    "cut off": TOKEN.text()[:-5],
    "too long": TOKEN.text() + "A" * 300,
    "no base64": SCHEME + "!!!",
    "no scope of mail": packed(scope="board/bread"),
    "short key": packed(box=bytes(31)),
    "one field more": packed(more=1),
    "another network": packed(network=bytes(32)),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_a_damaged_token_is_refused_in_one_sentence(name: str) -> None:
    """REL-11"""
    with pytest.raises(Reject) as error:
        Token.parse(BAD_TOKENS[name], NETWORK)
    assert error.value.code == "REL-11"
    assert "\n" not in error.value.message


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=600), st.booleans())
def test_a_letter_opens_for_its_recipient_alone(words: str, answer: bool) -> None:
    """REL-12"""
    reply = Token.of(BEN, NETWORK, SECRET, START_MS).text() if answer else ""
    record = letter(words, reply)
    check_letter(record)
    found = read(record, ANN, [bytes(16), SECRET])
    assert found is not None
    assert (found.text, found.sent, found.reply, found.secret) == (words, START_MS, reply, SECRET)
    assert read(record, ANN, [bytes(16)]) is None, "no token of ours"
    assert read(record, BEN, [SECRET]) is None, "not for him"


def test_a_relay_sees_a_prefix_a_size_and_a_blurred_time() -> None:
    """REL-10, REL-12"""
    records = [letter("x" * size, seed=str(size)) for size in (1, 300, 400, 1100, TEXT_BYTES_MAX)]
    sizes = [len(one.body["sealed"]) - SEAL_BYTES for one in records]
    assert sorted(sizes) == sizes
    assert set(sizes) == set(MAIL_SIZES)
    assert {one.scope for one in records} == {mail_scope(ANN.key)}
    assert len({one.author for one in records}) == len(records), "an author speaks once"
    assert len({one.header.created for one in records}) == len(records)
    for one in records:
        assert 0 <= START_MS - one.header.created < MAIL_FUZZ_MS
        assert one.header.expires - one.header.created == MAIL_LIFE_MS
        assert SECRET not in one.raw
        assert ANN.key not in one.raw


def test_prefixes_are_even() -> None:
    """REL-10"""
    draw = Random(1)
    scopes = {mail_scope(draw.randbytes(32)) for _ in range(3000)}
    assert all(len(one) == len("mail/abc") for one in scopes)
    assert len(scopes) > 1900, "of 4,096"


def copied(record: Record, by: Persona, **changes: Any) -> Record:
    header = record.header
    given = {"created": header.created, "expires": header.expires} | changes
    return Record.sign(by, NETWORK, "mail.1", given.pop("scope", record.scope), record.body, **given)


def test_a_copy_in_anothers_hand_is_no_letter() -> None:
    """REL-13: a stranger repeats the sealed bytes under a key of her own."""
    assert read(copied(letter(), EVE), ANN, [SECRET]) is None


def test_what_seals_without_the_secret_is_no_letter() -> None:
    """REL-13: a box key alone is no token."""
    content = {"author": EVE.key, "reply": "", "secret": bytes(16), "sent": START_MS, "text": "spam"}
    for value in (encode(content), encode([1]), b"", b"\xff" * 40):
        padded = (len(value).to_bytes(2, "big") + value).ljust(MAIL_SIZES[0], b"\0")
        sealed = seal(padded, TOKEN.box, entropy("eve"))
        times: dict[str, Any] = {"created": START_MS, "expires": START_MS + MAIL_LIFE_MS}
        record = Record.sign(EVE, NETWORK, "mail.1", TOKEN.scope, {"sealed": sealed}, **times)
        check_letter(record)
        assert read(record, ANN, [SECRET]) is None


def odd_letters() -> dict[str, Record]:
    """Records of a mail scope that stand out."""
    one = letter()
    times: dict[str, Any] = {"created": START_MS, "expires": START_MS + MAIL_LIFE_MS}
    size = {"sealed": bytes(600)}
    return {
        "lives longer": copied(one, EVE, expires=one.header.expires + 1),
        "lives shorter": copied(one, EVE, expires=one.header.expires - 1),
        "refers": copied(one, EVE, refs=(bytes(32),)),
        "longer prefix": copied(one, EVE, scope="mail/abcd"),
        "no hexadecimal": copied(one, EVE, scope="mail/xyz"),
        "another size": Record.sign(EVE, NETWORK, "mail.1", one.scope, size, **times),
        "unknown kind": Record.sign(EVE, NETWORK, "mail.2", one.scope, {}, created=START_MS, expires=START_MS + DAY_MS),
    }


@pytest.mark.parametrize("name", odd_letters())
def test_what_stands_out_is_ignored(name: str) -> None:
    """REL-10"""
    with pytest.raises(Ignore) as error:
        check_letter(odd_letters()[name])
    assert error.value.code == "REL-10"


def test_a_letter_fills_no_slot() -> None:
    """REL-10"""
    with pytest.raises(Reject) as error:
        copied(letter(), EVE, slot=Slot("latest", "x", 0))
    assert error.value.code == "REC-8"


def test_too_long_a_letter_cannot_be_written() -> None:
    """REL-12"""
    with pytest.raises(Reject):
        letter("x" * (TEXT_BYTES_MAX + 1))
    with pytest.raises(Reject) as error:
        write(Token(NETWORK, TOKEN.scope, bytes(32), SECRET, START_MS), "x", "", START_MS, entropy("a"))
    assert error.value.code == "REL-11"


def vectors() -> dict[str, Any]:
    """vectors/mail.json: tokens, letters with what they are made of, and what is none."""
    one = letter("Grüße", TOKEN.text())
    base = {"persona_seed": ANN.seed.hex(), "network": NETWORK.hex(), "secret": SECRET.hex()}
    cases: list[dict[str, Any]] = [
        {
            "name": "a token",
            "clause": "REL-11",
            "input": {**base, "expires": TOKEN.expires},
            "output": {
                "box_seed": box_seed(ANN, SECRET).hex(),
                "box": TOKEN.box.hex(),
                "scope": TOKEN.scope,
                "token": TOKEN.text(),
            },
        },
        {
            "name": "a letter, opened",
            "clause": "REL-12",
            "input": {**base, "record": one.raw.hex()},
            "output": {"text": "Grüße", "sent": START_MS, "reply": TOKEN.text(), "author": one.author.hex()},
        },
        {
            "name": "a letter in another's hand",
            "clause": "REL-13",
            "input": {**base, "record": copied(one, EVE).raw.hex()},
            "output": None,
        },
    ]
    for name, text in BAD_TOKENS.items():
        case = {"name": f"token: {name}", "clause": "REL-11", "input": {**base, "token": text}, "reject": "REL-11"}
        cases.append(case)
    for name, record in odd_letters().items():
        about = {**base, "record": record.raw.hex()}
        cases.append({"name": f"letter: {name}", "clause": "REL-10", "input": about, "ignore": "REL-10"})
    return {"name": "mail", "spec": "15-relay", "cases": cases}


def test_the_vectors_open() -> None:
    case = vectors()["cases"][1]
    record = Record.parse(bytes.fromhex(case["input"]["record"]), NETWORK)
    found = read(record, Persona.from_seed(bytes.fromhex(case["input"]["persona_seed"])), [SECRET])
    assert found is not None
    assert found.text == case["output"]["text"]
    assert decode(encode(found.sent)) == START_MS
