"""Sealing to several keepers: any `threshold` good shares open it alike, fewer tell nothing, and who deals wrongly is
found out by everybody (02-identity, IDN-14 to IDN-18)."""

from __future__ import annotations

import random
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.encoding import digest
from protocol.errors import Reject
from protocol.identity import box_key, decrypt, encrypt, seal, unseal
from protocol.sealing import (
    SHARE_BYTES,
    Sealed,
    combine,
    divide,
    is_good,
    multiply,
    open_share,
    seal_to,
    share_hash,
    value_at,
)

CONTEXT = b"a context"
CONTENT = b"what stays closed until enough say so"


def drawn(seed: int) -> Any:
    """A stream of bytes that is always the same."""
    return random.Random(seed).randbytes


def seeds(count: int) -> list[bytes]:
    return [digest("test", b"keeper" + bytes([number])) for number in range(count)]


def boxes(count: int) -> list[bytes]:
    return [box_key(seed) for seed in seeds(count)]


def shares_of(sealed: Sealed, context: bytes = CONTEXT) -> dict[int, bytes]:
    return {place: open_share(sealed, place, seed, context) for place, seed in enumerate(seeds(len(sealed.shares)))}


def refusal(sealed: Sealed, threshold: int, shares: dict[int, bytes], context: bytes = CONTEXT) -> str:
    with pytest.raises(Reject) as caught:
        combine(sealed, threshold, shares, context)
    return caught.value.code


# The field


def test_the_field_is_that_of_aes() -> None:
    """IDN-14: FIPS 197, sections 4.2 and 4.2.1."""
    assert multiply(0x57, 0x83) == 0xC1
    assert [multiply(0x57, factor) for factor in (2, 4, 8, 16, 19)] == [0xAE, 0x47, 0x8E, 0x07, 0xFE]
    assert all(divide(multiply(one, other), other) == one for one in range(256) for other in range(1, 256, 7))
    assert all(multiply(one, 1) == one and multiply(one, 0) == 0 for one in range(256))


def test_a_polynomial_by_hand() -> None:
    """IDN-14: f(x) = 42 + 53·x over AES's field, one byte repeated: f(1) = 11, f(2) = e4 (2·53 = a6), f(3) = b7."""
    points = {x: bytes([value]) * SHARE_BYTES for x, value in ((1, 0x11), (2, 0xE4), (3, 0xB7))}
    assert value_at(0, {x: points[x] for x in (1, 2)}) == bytes([0x42]) * SHARE_BYTES
    for x in (1, 2):
        assert value_at(3, {1: points[1], 2: points[2]}) == points[3]
        assert value_at(x, points) == points[x]


# What opens


@pytest.mark.parametrize(("keepers", "threshold"), [(1, 1), (3, 1), (4, 2), (7, 3), (16, 6)])
def test_any_enough_of_them_open_it(keepers: int, threshold: int) -> None:
    """IDN-15, IDN-17: every choice of places gives the content, every smaller one is refused."""
    sealed = seal_to(boxes(keepers), threshold, CONTENT, CONTEXT, drawn(1))
    shares = shares_of(sealed)
    for places in list(combinations(range(keepers), threshold))[:200]:
        assert combine(sealed, threshold, {place: shares[place] for place in places}, CONTEXT) == CONTENT
    for places in list(combinations(range(keepers), threshold - 1))[:50]:
        assert refusal(sealed, threshold, {place: shares[place] for place in places}) == "IDN-17"


@given(st.integers(1, 16), st.data())
def test_order_extras_and_junk_make_no_difference(keepers: int, data: st.DataObject) -> None:
    """IDN-17: shares that are not good count for nothing, whatever their number, place or length."""
    threshold = data.draw(st.integers(1, keepers))
    content, context = data.draw(st.binary(max_size=99)), data.draw(st.binary(max_size=70))
    sealed = seal_to(boxes(keepers), threshold, content, context, drawn(2))
    shares = shares_of(sealed, context)
    good = data.draw(st.lists(st.sampled_from(sorted(shares)), min_size=threshold, unique=True))
    junk = data.draw(st.dictionaries(st.integers(-3, 20), st.binary(max_size=40), max_size=6))
    mixed = dict(data.draw(st.permutations([*junk.items(), *((place, shares[place]) for place in good)])))
    mixed |= {place: shares[place] for place in good}
    assert combine(sealed, threshold, mixed, context) == content


def test_fewer_shares_fit_every_key() -> None:
    """IDN-14: with one share less than needed there is, for each key, a polynomial that fits what is known."""
    sealed = seal_to(boxes(4), 2, CONTENT, CONTEXT, drawn(3))
    shares = shares_of(sealed)
    for guess in (bytes(32), bytes(range(32)), shares[3]):
        polynomial = {0: guess, 1: shares[0]}
        assert value_at(1, polynomial) == shares[0]
        assert value_at(0, polynomial) == guess
    # What betrays a wrong guess are the hashes of shares that nobody of them knows: 256 bits to be found for each.
    assert not is_good(sealed, 1, value_at(2, {0: bytes(32), 1: shares[0]}), CONTEXT)


def test_every_sealing_is_fresh() -> None:
    """IDN-15: two sealings of one content to the same keepers have nothing in common; the key is none of the shares."""
    entropy = drawn(4)
    first, second = (seal_to(boxes(4), 2, CONTENT, CONTEXT, entropy) for _ in range(2))
    assert first.cipher != second.cipher
    assert not {part for row in first.shares for part in row} & {part for row in second.shares for part in row}
    shares = shares_of(first)
    assert len(set(shares.values())) == 4
    for share in shares.values():
        with pytest.raises(Reject):
            decrypt(first.cipher, share, CONTEXT)


# What does not


def test_a_share_is_for_one_keeper_place_and_context() -> None:
    """IDN-8, IDN-16: a copy is good nowhere else."""
    sealed = seal_to(boxes(4), 2, CONTENT, CONTEXT, drawn(5))
    for place, seed, context, code in (
        (0, seeds(4)[1], CONTEXT, "IDN-8"),
        (0, seeds(4)[0], b"another context", "IDN-16"),
    ):
        with pytest.raises(Reject) as caught:
            open_share(sealed, place, seed, context)
        assert caught.value.code == code
    moved = Sealed(sealed.cipher, (sealed.shares[1], sealed.shares[0], *sealed.shares[2:]))
    assert not is_good(moved, 0, open_share(sealed, 1, seeds(4)[1], CONTEXT), CONTEXT)
    shares = shares_of(sealed)
    assert refusal(sealed, 2, {0: shares[1], 1: shares[0], 2: shares[3]}) == "IDN-17"
    assert refusal(sealed, 2, shares, b"another context") == "IDN-17"


def test_an_unusable_box_stops_nobody() -> None:
    """IDN-15: its keeper gets bytes that open for nobody, the others open it, and its point is checked all the same."""
    keepers = [bytes(32), *boxes(4)[1:]]
    sealed = seal_to(keepers, 2, CONTENT, CONTEXT, drawn(6))
    assert len(sealed.shares[0][0]) == 80
    with pytest.raises(Reject):
        open_share(sealed, 0, seeds(4)[0], CONTEXT)
    shares = {place: open_share(sealed, place, seeds(4)[place], CONTEXT) for place in (2, 3)}
    assert combine(sealed, 2, shares, CONTEXT) == CONTENT


def dealt(values: list[bytes], key: bytes, context: bytes = CONTEXT) -> Sealed:
    """What a sealer can hand out who deals whatever it likes."""
    pairs = zip(values, boxes(len(values)), strict=True)
    sealed = [seal(value, box, drawn(7)) for value, box in pairs]
    hashes = [share_hash(value, place, context) for place, value in enumerate(values)]
    return Sealed(encrypt(CONTENT, key, context), tuple(zip(sealed, hashes, strict=True)))


def line(key: bytes, slope: bytes, places: range) -> list[bytes]:
    """The shares of a polynomial of degree 1."""
    at_one = bytes(a ^ b for a, b in zip(key, slope, strict=True))
    return [value_at(place + 1, {0: key, 1: at_one}) for place in places]


KEY, SLOPE, OTHER = (digest("test", name) for name in (b"key", b"slope", b"other"))
RIGHT = line(KEY, SLOPE, range(4))
WRONG: list[tuple[str, list[bytes], bytes, str]] = [
    ("two lines, two friends each", [*RIGHT[:2], *line(OTHER, SLOPE, range(2, 4))], KEY, "IDN-18"),
    ("one point beside the line", [*RIGHT[:3], OTHER], KEY, "IDN-18"),
    ("a parabola", [bytes(a ^ multiply(x, x) for a in one) for x, one in enumerate(RIGHT, 1)], KEY, "IDN-18"),
    ("the same for all, and another key", [OTHER] * 4, KEY, "IDN-9"),
    ("a line to another key", line(OTHER, SLOPE, range(4)), KEY, "IDN-9"),
]


@pytest.mark.parametrize(("values", "key", "code"), [one[1:] for one in WRONG], ids=[one[0] for one in WRONG])
def test_whoever_deals_wrongly_is_found_out_by_all_alike(values: list[bytes], key: bytes, code: str) -> None:
    """IDN-16, IDN-18: each keeper finds its own share good, and yet each choice of them comes to the same refusal."""
    sealed = dealt(values, key)
    shares = shares_of(sealed)
    assert {refusal(sealed, 2, {a: shares[a], b: shares[b]}) for a, b in combinations(range(4), 2)} == {code}


def test_without_the_check_of_all_points_a_friend_would_choose() -> None:
    """IDN-18, the control: shares on two lines give two keys, by who speaks."""
    shares = shares_of(dealt(WRONG[0][1], KEY))
    keys = {value_at(0, {a + 1: shares[a], b + 1: shares[b]}) for a, b in ((0, 1), (2, 3))}
    assert keys == {KEY, OTHER}


def test_the_same_share_for_all_is_a_polynomial_too() -> None:
    """IDN-18: of degree 0. Who deals so lets one keeper open it alone, which harms nobody but itself."""
    sealed = dealt([KEY] * 4, KEY)
    assert combine(sealed, 2, {0: KEY, 3: KEY}, CONTEXT) == CONTENT


@given(st.integers(1, 6), st.integers(0, 5), st.binary(min_size=32, max_size=32))
def test_an_honest_sealer_is_never_framed(threshold: int, place: int, junk: bytes) -> None:
    """IDN-18: no share that somebody makes up turns a right dealing into a wrong one."""
    sealed = seal_to(boxes(6), threshold, CONTENT, CONTEXT, drawn(8))
    shares = shares_of(sealed) | {place: junk}
    if threshold == 6:
        assert refusal(sealed, threshold, shares) == "IDN-17"
    else:
        assert combine(sealed, threshold, shares, CONTEXT) == CONTENT


# Vectors


def vectors() -> dict[str, Any]:
    """Products and points of the field; a sealing with its polynomial; what is refused."""
    cases: list[dict[str, Any]] = [
        {"name": "product", "clause": "IDN-14", "input": [one, other], "output": multiply(one, other)}
        for one, other in ((0x57, 0x83), (0x57, 0x13), (0, 9), (1, 255), (255, 255), (2, 0x8D))
    ]
    for x in (0, 4, 200):
        points = {1: RIGHT[0], 3: RIGHT[2]}
        given_ = {"x": x, "points": [[at, value.hex()] for at, value in points.items()]}
        cases.append({"name": "value", "clause": "IDN-14", "input": given_, "output": value_at(x, points).hex()})
    cases += [_sealing(keepers, threshold) for keepers, threshold in ((1, 1), (4, 2), (7, 3))]
    cases += [_combining(name, dealt(values, key), {0: values[0], 2: values[2]}) for name, values, key, _ in WRONG]
    good = dealt(RIGHT, KEY)
    cases += [
        _combining("good shares", good, {0: RIGHT[0], 2: RIGHT[2]}),
        _combining("more than are needed, and junk", good, {0: RIGHT[0], 1: OTHER, 2: RIGHT[2], 3: RIGHT[3]}),
        _combining("one share", good, {1: RIGHT[1]}),
        _combining("a share that is short", good, {0: RIGHT[0], 1: RIGHT[1][1:]}),
        _combining("shares in each other's places", good, {0: RIGHT[2], 2: RIGHT[0]}),
        _combining("a place that is not there", good, {0: RIGHT[0], 4: RIGHT[2]}),
        _combining("another context", good, {0: RIGHT[0], 2: RIGHT[2]}, b"another context"),
        _combining("an altered cipher", Sealed(good.cipher[:-1] + b"\0", good.shares), {0: RIGHT[0], 2: RIGHT[2]}),
    ]
    return {"name": "sealing", "spec": "02-identity", "cases": cases}


def _sealing(keepers: int, threshold: int) -> dict[str, Any]:
    """All that is drawn comes from one stream, in the order key, coefficients, then one secret for each sealed box."""
    stream: list[bytes] = []
    entropy = drawn(keepers)

    def noted(size: int) -> bytes:
        stream.append(entropy(size))
        return stream[-1]

    sealed = seal_to(boxes(keepers), threshold, CONTENT, CONTEXT, noted)
    given_ = {
        "boxes": [box.hex() for box in boxes(keepers)],
        "secrets": [seed.hex() for seed in seeds(keepers)],
        "threshold": threshold,
        "content": CONTENT.hex(),
        "context": CONTEXT.hex(),
        "drawn": [one.hex() for one in stream],
    }
    output = {
        "cipher": sealed.cipher.hex(),
        "shares": [unseal(box, seed).hex() for (box, _), seed in zip(sealed.shares, seeds(keepers), strict=True)],
        "sealed": [[box.hex(), hashed.hex()] for box, hashed in sealed.shares],
    }
    return {"name": f"{keepers} keepers, {threshold} open", "clause": "IDN-15", "input": given_, "output": output}


def _combining(name: str, sealed: Sealed, shares: dict[int, bytes], context: bytes = CONTEXT) -> dict[str, Any]:
    given_ = {
        "threshold": 2,
        "cipher": sealed.cipher.hex(),
        "hashes": [hashed.hex() for _, hashed in sealed.shares],
        "context": context.hex(),
        "shares": [[place, share.hex()] for place, share in shares.items()],
    }
    case: dict[str, Any] = {"name": f"combine: {name}", "clause": "IDN-17", "input": given_}
    try:
        return case | {"output": combine(sealed, 2, shares, context).hex()}
    except Reject as error:
        return case | {"clause": error.code, "reject": error.code}
