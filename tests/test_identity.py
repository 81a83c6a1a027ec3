"""From words to keys, names, signatures and sealed boxes (02-identity, IDN-1 to IDN-10)."""

from collections.abc import Callable
from typing import Any

import nacl.bindings as sodium
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mnemonic import Mnemonic

from protocol.errors import Reject
from protocol.identity import (
    SEAL_BYTES,
    Persona,
    box_key,
    decrypt,
    did,
    encrypt,
    key_of,
    persona,
    persona_root,
    personas_of,
    recovery,
    recovery_hash,
    recovery_root,
    seal,
    unseal,
    verify,
)

Bytes = bytes.fromhex
NETWORKS = (bytes(range(32)), bytes(range(32, 64)))
# Words and seed without a passphrase: the first is published widely; all follow from BIP-39's own entropy vectors.
WORDS = {
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about": (
        "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1"
        "9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4"
    ),
    "legal winner thank year wave sausage worth useful legal winner thank yellow": "",
    "lava include region explain simple omit dog slot melt reflect copy reward": "",
}
# BIP-39's published vectors have the passphrase TREZOR; they anchor the library that makes our seeds.
TREZOR = [
    (
        "00000000000000000000000000000000",
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
        "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e5349553"
        "1f09a6987599d18264c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04",
    ),
    (
        "7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
        "legal winner thank year wave sausage worth useful legal winner thank yellow",
        "2e8905819b8723fe2c1d161860e5ee1830318dbf49a83bd451cfb8440c28bd6f"
        "a457fe1296106559a3c80937a1c1069be3a3a5bd381ee6260e8d9739fce1f607",
    ),
    (
        "ffffffffffffffffffffffffffffffff",
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong",
        "ac27495480225222079d7be181583751e86f571027b0497b5b5d11218e0a8a13"
        "332572917f0f8e5a589620c6f15b11c61dee327651a14c34e18231052e48c069",
    ),
]
# RFC 8032, 7.1: secret, public, message, signature
RFC8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
# The twelve cases of Chalkias, Garillot and Nikolaenko, "Taming the many EdDSAs" (2020): what they probe, whether
# IDN-4 accepts, key, signature, message.
EDGES = [
    (
        "small order A and R, S = 0",
        False,
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
        "0000000000000000000000000000000000000000000000000000000000000000",
        "8c93255d71dcab10e8f379c26200f3c7bd5f09d9bc3068d3ef4edeb4853022b6",
    ),
    (
        "small order A, mixed order R",
        False,
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43"
        "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
    ),
    (
        "mixed order A, small order R",
        False,
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"
        "8c4bd45aecaca5b24fb97bc10ac27ac8751a7dfe1baff8b953ec9f5833ca260e",
        "aebf3f2601a0c8c5d39cc7d8911642f740b78168218da8471772b35f9d35b9ab",
    ),
    (
        "mixed order A and R, cofactorless equation holds",
        True,
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "9046a64750444938de19f227bb80485e92b83fdb4b6506c160484c016cc1852f"
        "87909e14428a7a1d62e9f22f3d3ad7802db02eb2e688b6c52fcd6648a98bd009",
        "9bd9f44f4dcc75bd531b56b2cd280b0bb38fc1cd6d1230e14861d861de092e79",
    ),
    (
        "only the equation with the cofactor holds",
        False,
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512"
        "5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09",
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
    ),
    (
        "only the equation with the cofactor holds, unless k is multiplied by 8 first",
        False,
        "cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d",
        "21122a84e0b5fca4052f5b1235c80a537878b38f3142356b2c2384ebad4668b7"
        "e40bc836dac0f71076f9abe3a53f9c03c1ceeeddb658d0030494ace586687405",
        "e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c",
    ),
    (
        "S above L",
        False,
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "e96f66be976d82e60150baecff9906684aebb1ef181f67a7189ac78ea23b6c0e"
        "547f7690a0e2ddcd04d87dbc3490dc19b3b3052f7ff0538cb68afb369ba3a514",
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
    ),
    (
        "S far above L",
        False,
        "442aad9f089ad9e14647b1ef9099a1ff4798d78589e66f28eca69c11f582a623",
        "8ce5b96c8f26d0ab6c47958c9e68b937104cd36e13c33566acd2fe8d38aa1942"
        "7e71f98a473474f2f13f06f97c20d58cc3f54b8bd0d272f42b695dd7e89a8c22",
        "85e241a07d148b41e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec40",
    ),
    (
        "R not canonical and of small order, reduced before hashing",
        False,
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "03be9678ac102edcd92b0210bb34d7428d12ffc5df5f37e359941266a4e35f0f",
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
    ),
    (
        "R not canonical and of small order, hashed as it is",
        False,
        "f7badec5b8abeaf699583992219b7b223f1df3fbbea919844e3f7c554a43dd43",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "ca8c5b64cd208982aa38d4936621a4775aa233aa0505711d8fdcfdaa943d4908",
        "9bedc267423725d473888631ebf45988bad3db83851ee85c85e241a07d148b41",
    ),
    (
        "A not canonical and of small order, reduced before hashing",
        False,
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc"
        "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        "e96b7021eb39c1a163b6da4e3093dcd3f21387da4cc4572be588fafae23c155b",
    ),
    (
        "A not canonical and of small order, hashed as it is",
        False,
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "a9d55260f765261eb9b84e106f665e00b867287a761990d7135963ee0a7d59dc"
        "a5bb704786be79fc476f91d3f3f89b03984d8068dcf1bb7dfc6637b45450ac04",
        "39a591f5321bbe07fd5a23dc2f39d025d74526615746727ceefd6e82ae65c06f",
    ),
]
# RFC 7748, 6.1: secret and public key of Alice and Bob
RFC7748 = [
    (
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    ),
    (
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    ),
]
# W3C did:key, section 8 (examples of Ed25519): the name and the key
NAMES = [
    (
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        "2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6",
    ),
    (
        "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
        "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29",
    ),
]
GOOD_NAME = NAMES[0][0]
BAD_NAMES = [
    ("nothing", ""),
    ("only the method", "did:key:z"),
    ("no multibase letter", GOOD_NAME.replace("key:z", "key:")),
    ("another multibase", GOOD_NAME.replace("key:z", "key:f")),
    ("another method", GOOD_NAME.replace("key", "web")),
    ("a letter outside base58", GOOD_NAME[:-1] + "0"),
    ("a letter outside ASCII", GOOD_NAME[:-1] + "ä"),
    ("a letter too few", GOOD_NAME[:-1]),
    ("a letter too many", GOOD_NAME + "1"),
    ("a leading zero digit", GOOD_NAME.replace("key:z", "key:z1")),
    ("an X25519 key", "did:key:z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc"),
    ("a space after it", GOOD_NAME + " "),
    ("a fragment after it", GOOD_NAME + "#" + GOOD_NAME[8:]),
    ("very long", GOOD_NAME + "2" * 1000),
]
SMALL_ORDER = [  # X25519 points on which no secret can be agreed (RFC 7748, 6.1; the list of libsodium)
    "00" * 32,
    "01" + "00" * 31,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
SEED = bytes(range(100, 132))
CONTENT, CONTEXT, ONE_TIME_KEY = b"a quotation", b"deal/1", bytes(range(200, 232))


def drawn(data: bytes) -> Callable[[int], bytes]:
    """An entropy source that gives these bytes."""
    return lambda count: data[:count]


def altered(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _case(name: str, clause: str, given: dict[str, Any], output: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "clause": clause, "input": given} | ({"output": output} if output else {"reject": clause})


def _derived() -> list[dict[str, Any]]:
    cases = []
    for words in WORDS:
        master = Mnemonic.to_seed(words, "")
        root, spare = persona_root(master), recovery_root(master)
        output = {"master": master.hex(), "persona_root": root.hex(), "recovery_root": spare.hex()}
        cases.append(_case("the words " + words[:20], "IDN-1", {"words": words}, output))
        for network in NETWORKS:
            for number in (0, 1, 2**32 - 1):
                one, other = persona(root, network, number), recovery(spare, number)
                output = {
                    "seed": one.seed.hex(),
                    "key": one.key.hex(),
                    "did": did(one.key),
                    "recovery_seed": other.seed.hex(),
                    "recovery_key": other.key.hex(),
                    "recovery": recovery_hash(one.key, other.key).hex(),
                }
                where = {"words": words, "network": network.hex(), "number": number}
                cases.append(_case(f"persona {number} of {words[:20]}", "IDN-2", where, output))
    return cases


def _signatures() -> list[dict[str, Any]]:
    cases = []
    for number, (secret, key, message, signature) in enumerate(RFC8032, 1):
        given = {"seed": secret, "message": message}
        cases.append(_case(f"RFC 8032 test {number}", "IDN-4", given, {"key": key, "signature": signature}))
    for name, good, key, signature, message in EDGES + _forged():
        given = {"key": key, "signature": signature, "message": message}
        cases.append(_case(name, "IDN-4", given, {"verifies": True} if good else None))
    return cases


def _forged() -> list[tuple[str, bool, str, str, str]]:
    _, key, message, signature = RFC8032[1]
    high = Bytes(signature)
    order = 2**252 + 27742317777372353535851937790883648493
    plus = (int.from_bytes(high[32:], "little") + order).to_bytes(32, "little")
    return [
        ("RFC 8032 test 2 as it is", True, key, signature, message),
        ("S + L instead of S", False, key, (high[:32] + plus).hex(), message),
        ("another message", False, key, signature, "73"),
        ("another key", False, RFC8032[0][1], signature, message),
        ("R altered", False, key, altered(high, 0).hex(), message),
        ("S altered", False, key, altered(high, 32).hex(), message),
        ("a signature of zeros", False, key, "00" * 64, message),
        ("a key that is no point", False, "02" + "00" * 31, signature, message),
        ("a signature of 63 bytes", False, key, signature[:-2], message),
        ("a key of 31 bytes", False, key[:-2], signature, message),
    ]


def _sealed() -> list[dict[str, Any]]:
    one = Persona.from_seed(SEED)
    secret = one.box_seed(CONTEXT)
    point, ephemeral = box_key(secret), bytes(range(1, 33))
    box = seal(CONTENT, point, drawn(ephemeral))
    output = {"box_seed": secret.hex(), "box_key": point.hex()}
    cases = [_case("a box key", "IDN-5", {"seed": SEED.hex(), "context": CONTEXT.hex()}, output)]
    for number, (private, public) in enumerate(RFC7748):
        cases.append(_case(f"RFC 7748 key {number}", "IDN-5", {"box_seed": private}, {"box_key": public}))
    given = {"content": CONTENT.hex(), "box_key": point.hex(), "ephemeral": ephemeral.hex()}
    cases.append(_case("a sealed box", "IDN-8", given, {"sealed": box.hex()}))
    cases.append(
        _case("opened", "IDN-8", {"sealed": box.hex(), "box_seed": secret.hex()}, {"content": CONTENT.hex()}),
    )
    bad = {"shorter than 48 bytes": box[:47], "empty": b"", "tag altered": altered(box, 32)}
    bad |= {"cipher altered": altered(box, 50), "key altered": altered(box, 0), "cut": box[:-1]}
    bad |= {f"key of small order {point[:8]}": Bytes(point) + box[32:] for point in SMALL_ORDER}
    cases += [_case(name, "IDN-8", {"sealed": data.hex(), "box_seed": secret.hex()}) for name, data in bad.items()]
    cipher = encrypt(CONTENT, ONE_TIME_KEY, CONTEXT)
    good = {"content": CONTENT.hex(), "key": ONE_TIME_KEY.hex(), "context": CONTEXT.hex()}
    cases.append(_case("one-time encryption", "IDN-9", good, {"cipher": cipher.hex()}))
    wrong = {
        "tag altered": (altered(cipher, len(cipher) - 1), ONE_TIME_KEY, CONTEXT),
        "cipher altered": (altered(cipher, 0), ONE_TIME_KEY, CONTEXT),
        "another key": (cipher, altered(ONE_TIME_KEY, 0), CONTEXT),
        "another context": (cipher, ONE_TIME_KEY, b"deal/2"),
        "cut to less than a tag": (cipher[:15], ONE_TIME_KEY, CONTEXT),
        "empty": (b"", ONE_TIME_KEY, CONTEXT),
    }
    for name, (data, key, context) in wrong.items():
        given = {"cipher": data.hex(), "key": key.hex(), "context": context.hex()}
        cases.append(_case(f"one-time: {name}", "IDN-9", given))
    return cases


def vectors() -> dict[str, Any]:
    """spec/vectors/identity.json."""
    names = [_case("a did:key", "IDN-7", {"did": name}, {"key": key}) for name, key in NAMES]
    names += [_case(f"did: {why}", "IDN-7", {"did": name}) for why, name in BAD_NAMES]
    return {"name": "identity", "spec": "02-identity", "cases": _derived() + _signatures() + names + _sealed()}


def test_words_to_seed() -> None:
    """IDN-1: the library that makes the seed gives BIP-39's published ones."""
    for entropy, words, seed in TREZOR:
        assert Mnemonic("english").to_mnemonic(Bytes(entropy)) == words
        assert Mnemonic.to_seed(words, "TREZOR").hex() == seed
    for words, seed in WORDS.items():
        assert Mnemonic("english").check(words)
        assert not seed or Mnemonic.to_seed(words, "").hex() == seed


def test_personas_share_nothing() -> None:
    """IDN-2, IDN-10: every root, network and number gives another key."""
    master = Mnemonic.to_seed(next(iter(WORDS)), "")
    roots = persona_root(master), recovery_root(master)
    keys = {persona(root, network, number).key for root in roots for network in NETWORKS for number in range(5)}
    assert len(keys) == 20
    one, other = (persona(roots[0], network, 0).key for network in NETWORKS)
    assert recovery_hash(one, recovery(roots[1], 0).key) != recovery_hash(other, recovery(roots[1], 0).key)


def test_restore_finds_personas_across_gaps() -> None:
    """IDN-3: 19 unknown numbers in a row do not end the scan, 20 do."""
    root, network = bytes(32), NETWORKS[0]

    def found(*used: int) -> list[int]:
        keys = {persona(root, network, number).key for number in used}
        return personas_of(root, network, keys.__contains__)

    assert found() == []
    assert found(0, 1, 2) == [0, 1, 2]
    assert found(19, 39) == [19, 39]
    assert found(0, 21) == [0]
    assert found(20) == []


@pytest.mark.parametrize(("secret", "key", "message", "signature"), RFC8032)
def test_rfc_8032(secret: str, key: str, message: str, signature: str) -> None:
    """IDN-2, IDN-4."""
    one = Persona.from_seed(Bytes(secret))
    assert one.key.hex() == key
    assert one.sign(Bytes(message)).hex() == signature
    assert verify(one.key, Bytes(signature), Bytes(message))


@pytest.mark.parametrize(("name", "good", "key", "signature", "message"), EDGES + _forged())
def test_edges_of_the_signature_rule(name: str, good: bool, key: str, signature: str, message: str) -> None:
    """IDN-4: what this libsodium decides is what the clause says."""
    assert verify(Bytes(key), Bytes(signature), Bytes(message)) is good


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=80))
def test_any_signature_is_decided(key: bytes, signature: bytes, message: bytes) -> None:
    """IDN-4: whatever the lengths, the answer is no and not an exception."""
    assert verify(key, signature, message) is False


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 63))
def test_a_signature_is_for_one_message(seed: bytes, message: bytes, at: int) -> None:
    """IDN-4."""
    one = Persona.from_seed(seed)
    signature = one.sign(message)
    assert verify(one.key, signature, message)
    assert not verify(one.key, signature, message + b"\0")
    assert not verify(one.key, altered(signature, at), message)


@pytest.mark.parametrize(("name", "key"), NAMES)
def test_names(name: str, key: str) -> None:
    assert did(Bytes(key)) == name
    assert key_of(name) == Bytes(key)


@pytest.mark.parametrize(("why", "name"), BAD_NAMES)
def test_bad_names(why: str, name: str) -> None:
    with pytest.raises(Reject) as caught:
        key_of(name)
    assert caught.value.code == "IDN-7"


@given(st.binary(min_size=32, max_size=32))
def test_name_round_trip(key: bytes) -> None:
    """IDN-7."""
    assert key_of(did(key)) == key


@given(st.text())
def test_any_text_is_a_name_or_refused(name: str) -> None:
    """IDN-7."""
    for text in (name, "did:key:z" + name, "did:key:z6Mk" + name):
        try:
            key = key_of(text)
        except Reject:
            continue
        assert did(key) == text


def test_box_keys() -> None:
    """IDN-5: RFC 7748, and another key for each context and persona."""
    for secret, key in RFC7748:
        assert box_key(Bytes(secret)).hex() == key
    seeds = {Persona.from_seed(bytes([n]) * 32).box_seed(context) for n in range(3) for context in (b"", b"a", b"b")}
    assert len(seeds) == 9


@given(st.binary(max_size=300), st.binary(min_size=32, max_size=32), st.integers(0, 10**6))
def test_sealed_box(content: bytes, secret: bytes, at: int) -> None:
    """IDN-8: libsodium opens ours, we open libsodium's, and no altered byte passes."""
    key = box_key(secret)
    box = seal(content, key, drawn(bytes(range(32))))
    assert len(box) == len(content) + SEAL_BYTES
    assert unseal(box, secret) == content
    assert unseal(sodium.crypto_box_seal(content, key), secret) == content
    with pytest.raises(Reject) as caught:
        unseal(altered(box, at % (len(box) - 32) + 32), secret)
    assert caught.value.code == "IDN-8"


@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32))
def test_any_bytes_are_a_box_or_refused(sealed: bytes, secret: bytes) -> None:
    """IDN-8."""
    with pytest.raises(Reject):
        unseal(sealed, secret)


@pytest.mark.parametrize("point", SMALL_ORDER)
def test_no_box_for_a_point_of_small_order(point: str) -> None:
    """IDN-8: neither sealed to it nor opened from it."""
    with pytest.raises(Reject) as caught:
        seal(CONTENT, Bytes(point), drawn(bytes(range(32))))
    assert caught.value.code == "IDN-8"
    with pytest.raises(Reject):
        unseal(Bytes(point) + bytes(40), SEED)


@given(st.binary(max_size=300), st.binary(max_size=40), st.integers(0, 10**6))
def test_one_time_encryption(content: bytes, context: bytes, at: int) -> None:
    """IDN-9."""
    cipher = encrypt(content, ONE_TIME_KEY, context)
    assert decrypt(cipher, ONE_TIME_KEY, context) == content
    changed = altered(cipher, at % len(cipher))
    for data, key, where in (
        (changed, ONE_TIME_KEY, context),
        (cipher, SEED, context),
        (cipher, ONE_TIME_KEY, b"x" * 41),
    ):
        with pytest.raises(Reject) as caught:
            decrypt(data, key, where)
        assert caught.value.code == "IDN-9"


REFUSED = [case for case in _sealed() if "reject" in case]


@pytest.mark.parametrize("case", REFUSED, ids=[case["name"] for case in REFUSED])
def test_bad_cases_are_refused(case: dict[str, Any]) -> None:
    """IDN-8, IDN-9: what the vectors call rejected."""
    given = [Bytes(value) for value in case["input"].values()]
    with pytest.raises(Reject) as caught:
        (unseal if len(given) == 2 else decrypt)(*given)
    assert caught.value.code == case["reject"]
