"""`wltm record inspect`: the fields of whatever bytes, and the verdict on them (01-record; 13-node, CLI-9)."""

import base64
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.inspect import inspect, render
from protocol.encoding import encode
from protocol.identity import did
from protocol.params import CLOCK_AHEAD_MS_MAX, RECORD_BYTES_MAX
from protocol.record.record import Record
from tests.test_record import (
    ANNA,
    BAD,
    CREATED,
    EXPIRES,
    GOOD,
    GOOD_RAW,
    IGNORED,
    NETWORK,
    OTHER_NETWORK,
    PROFILE,
    forged,
)

BALLOT = Record.parse(GOOD_RAW, NETWORK)


@pytest.mark.parametrize(
    "data",
    [
        GOOD_RAW,
        GOOD_RAW.hex().encode(),
        GOOD_RAW.hex().upper().encode() + b"\n",
        b"\n".join(GOOD_RAW.hex().encode()[at : at + 64] for at in range(0, 2000, 64)),
        base64.b64encode(GOOD_RAW),
        base64.encodebytes(GOOD_RAW),
        base64.urlsafe_b64encode(GOOD_RAW).rstrip(b"="),
    ],
    ids=["raw", "hex", "HEX", "hex in lines", "base64", "base64 in lines", "base64url"],
)
def test_any_spelling(data: bytes) -> None:
    """REC-4: raw, hex and base64 say the same."""
    result = inspect(data, NETWORK, CREATED)
    assert result["verdict"] == "accepted"
    assert (result["code"], result["what"], result["own_network"], result["notes"]) == ("", "record", True, [])
    assert (result["id"], result["author"], result["did"]) == (BALLOT.id.hex(), ANNA.key.hex(), did(ANNA.key))
    assert (result["kind"], result["scope"], result["slot"]) == ("ballot.1", BALLOT.scope, ["once", "ballot", 0])
    assert (result["created"], result["expires"], result["bytes"]) == (CREATED, EXPIRES, len(GOOD_RAW))
    assert result["body"] == {
        "cipher": bytes(range(56)).hex(),
        "roster": bytes(range(32)).hex(),
        "shares": [["00" * 80, "01" * 32]],
    }
    json.dumps(result)
    assert "2027-01-15 08:00:00 UTC" in render(result)


CASES = [(*case, "rejected") for case in BAD] + [(*case, "ignored") for case in IGNORED]
CASES += [(name, "", raw, "accepted") for name, clause, raw in GOOD if clause != "REC-8"]  # those expire on a board
CASES = [case for case in CASES if case[0] not in ("another network", "two parts")]  # see below


@pytest.mark.parametrize(("name", "code", "raw", "verdict"), CASES, ids=[case[0] for case in CASES])
def test_the_verdict_is_that_of_the_record(name: str, code: str, raw: bytes, verdict: str) -> None:
    """REC-1 to REC-3."""
    result = inspect(raw, NETWORK, CREATED)
    assert (result["verdict"], result["code"]) == (verdict, code)
    assert render(result).splitlines()[0].endswith(f"[{code}]" if code else "record accepted")


def test_what_can_be_read_of_a_bad_record_is_shown() -> None:
    """REC-6: a record with a bad signature still shows who is said to have said what."""
    raw = next(raw for name, _, raw in BAD if name == "signature of zeros")
    result = inspect(raw, None, CREATED)
    assert (result["verdict"], result["kind"], result["signature"]) == ("rejected", "ballot.1", "00" * 64)
    assert "id" not in result  # only a verified record has one
    assert "own_network" not in result


def test_header_proof() -> None:
    """REC-15: a header without its body is evidence by itself."""
    result = inspect(BALLOT.header.proof(), NETWORK, CREATED)
    assert (result["verdict"], result["what"], result["id"]) == ("accepted", "header proof", BALLOT.id.hex())
    assert "body" not in result
    assert inspect(BALLOT.header.proof()[:-1], NETWORK, CREATED)["verdict"] == "rejected"


def test_notes_and_clock() -> None:
    """REC-5, REC-12, REC-13."""
    unknown = inspect(forged({}, kind="talk.7", slot=[]), NETWORK, CREATED)
    assert (unknown["verdict"], len(unknown["notes"])) == ("accepted", 1)
    assert "REC-12" in unknown["notes"][0]
    foreign = inspect(forged(network=OTHER_NETWORK), NETWORK, CREATED)
    assert (foreign["verdict"], foreign["own_network"]) == ("accepted", False)
    assert "REC-5" in foreign["notes"][0]
    early = inspect(GOOD_RAW, NETWORK, CREATED - CLOCK_AHEAD_MS_MAX - 1)
    assert (early["verdict"], early["code"]) == ("ignored", "REC-13")
    now = time.time_ns() // 10**6
    fresh = Record.sign(
        ANNA, NETWORK, "talk.1", "coop/a", {}, created=now + 2 * CLOCK_AHEAD_MS_MAX, expires=now + 10**8
    )
    assert inspect(fresh.raw, NETWORK)["code"] == "REC-13"  # this machine's clock


def test_no_field_can_write_lines() -> None:
    """REC-11: a text of a stranger comes out on one line, and no escape reaches the terminal."""
    profile = {"label": "x\nrecord accepted", "terms": []}
    raw = forged(PROFILE | profile, kind="profile.1", scope="board/a/b", slot=["latest", "self", 1])
    lines = render(inspect(raw, NETWORK, CREATED)).splitlines()
    assert [line for line in lines if line.startswith("record")] == ["record accepted"]
    hostile = forged({"\x1b[2J\n": "\u202e\x07"}, kind="talk.7", slot=[])
    shown = render(inspect(hostile, NETWORK, CREATED))
    assert all(letter.isprintable() or letter == "\n" for letter in shown)
    bad = forged(kind="a\nb", scope="x\r")
    assert (
        len(render(inspect(bad, NETWORK, CREATED)).splitlines())
        == len(render(inspect(GOOD_RAW, NETWORK, CREATED)).splitlines()) - 1
    )


@pytest.mark.parametrize(
    "data", [b"", b" \n", b"hello", b"zz", b"abc", b"\xff" * 100, bytes(RECORD_BYTES_MAX + 1), b"a" * 10**6]
)
def test_what_is_no_record(data: bytes) -> None:
    """REC-4: one sentence with a clause."""
    result = inspect(data, NETWORK, CREATED)
    assert result["verdict"] == "rejected"
    assert result["code"]
    assert len(render(result).splitlines()[0]) < 200


json_values = st.recursive(
    st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.binary(max_size=70),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=300), st.lists(json_values, min_size=9, max_size=11), json_values)
def test_any_bytes(data: bytes, header: list[Any], body: Any) -> None:
    """REC-1: whatever comes, it is shown and judged."""
    for raw in (
        data,
        encode([encode(header), data, encode(body)]),
        encode([encode(header), data]),
        encode(header),
        forged(body),
    ):
        result = inspect(raw, NETWORK, CREATED)
        json.dumps(result)
        assert result["verdict"] in ("accepted", "rejected", "ignored")
        assert all(letter.isprintable() or letter == "\n" for letter in render(result))
