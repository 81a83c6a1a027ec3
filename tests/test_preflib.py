"""Files of ranked ballots: what is in them, or why nothing is; what `wltm tally` makes of them (ELE-11 to ELE-16)."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import preflib
from node.preflib import Election, parse
from node.tally import ballots_from, render, tally
from protocol.errors import CommandError
from tests.test_election import BURLINGTON, some_ballots

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "preflib.json"
HEAD = "# TITLE: fruit\n# NUMBER ALTERNATIVES: 3\n# NUMBER VOTERS: 6\n# ALTERNATIVE NAME 1: Apple\n"
OLD = "3\n1,Apple\n2,Pear, ripe\n3,Plum\n6,6,2\n"

GOOD: list[tuple[str, str, str]] = [
    ("all kinds of ranking", "ELE-13", HEAD + "3: 2,1,3\n1: {1,3},2\n1: {1,2,3}\n1: 3\n"),
    ("ballot without preference", "ELE-13", HEAD + "5: 1\n1:\n"),
    ("empty tie", "ELE-13", HEAD + "6: {},{2},{},1\n"),
    ("spaces, blank lines, comments", "ELE-11", "\n#\n# a: b\n" + HEAD + "\n  4 : 1 , { 2 , 3 } \n\t2:3,1\n#end\n"),
    ("line ends of two kinds", "ELE-11", HEAD.replace("\n", "\r\n") + "6: 1,2\r"),
    ("byte order mark", "ELE-11", "\ufeff" + HEAD + "6: 1,2\n"),
    ("one ranking on two lines", "ELE-13", HEAD + "4: 1,2\n2: 1,2\n"),
    ("number of voters not given", "ELE-12", "# NUMBER ALTERNATIVES: 2\n# NUMBER VOTERS:\n9: 2,1\n"),
    ("no ballots", "ELE-14", "# NUMBER ALTERNATIVES: 2\n# NUMBER VOTERS: 0\n"),
    ("ballots before the head", "ELE-12", "6: 3,2\n" + HEAD),
    ("older format", "ELE-15", OLD + "5,2,{1,3}\n1,1\n"),
]
BAD: list[tuple[str, str, str, str]] = [
    ("empty file", "ELE-12", "", "NUMBER ALTERNATIVES"),
    ("something else", "ELE-12", "person,task,alternative,chosen\n1,2,3,4\n", "PrefLib"),
    ("no alternatives", "ELE-12", "# NUMBER ALTERNATIVES: 0\n", "line 1"),
    ("too many alternatives", "ELE-12", "# NUMBER ALTERNATIVES: 2001\n", "line 1"),
    ("number in words", "ELE-12", "# NUMBER ALTERNATIVES: three\n", "'three'"),
    ("number in other digits", "ELE-12", "# NUMBER ALTERNATIVES: ３\n", "line 1"),
    ("head line twice", "ELE-12", HEAD + "# NUMBER VOTERS: 6\n6: 1\n", "line 5"),
    ("name of no alternative", "ELE-12", HEAD + "# ALTERNATIVE NAME 4: Fig\n6: 1\n", "line 5"),
    ("line without a count", "ELE-13", HEAD + "1,2,3\n", "line 5"),
    ("old separator in a new file", "ELE-13", HEAD + "6,1,2\n", "line 5"),
    ("count is no number", "ELE-13", HEAD + "x: 1,2\n", "line 5: count is 'x'"),
    ("count is negative", "ELE-13", HEAD + "-6: 1,2\n", "line 5"),
    ("count is zero", "ELE-13", HEAD + "0: 1,2\n", "line 5"),
    ("count has a fraction", "ELE-13", HEAD + "6.0: 1,2\n", "line 5"),
    ("count without end", "ELE-13", HEAD + "9" * 400 + ": 1,2\n", "line 5"),
    ("alternative unknown", "ELE-13", HEAD + "5: 1\n1: 2,4\n", "line 6: alternative is '4'"),
    ("alternative zero", "ELE-13", HEAD + "6: 0\n", "line 5"),
    ("alternative by name", "ELE-13", HEAD + "6: Apple\n", "'Apple'"),
    ("alternative twice", "ELE-13", HEAD + "6: 1,2,1\n", "line 5: ranks 1 twice"),
    ("alternative twice in a tie", "ELE-13", HEAD + "6: {2,2}\n", "line 5: ranks 2 twice"),
    ("trailing comma", "ELE-13", HEAD + "6: 1,2,\n", "line 5"),
    ("space for a comma", "ELE-13", HEAD + "6: 1 2\n", "line 5"),
    ("comma inside a tie missing", "ELE-13", HEAD + "6: {1 2},3\n", "line 5"),
    ("brace left open", "ELE-13", HEAD + "6: {1,2\n", "line 5: braces"),
    ("brace closed twice", "ELE-13", HEAD + "6: {1,2}},3\n", "line 5: braces"),
    ("brace in a brace", "ELE-13", HEAD + "6: {1,{2,3}}\n", "line 5: braces"),
    ("ties without a comma between", "ELE-13", HEAD + "6: {1}{2}\n", "line 5"),
    ("voters do not add up", "ELE-14", HEAD + "5: 1,2\n", "head says 6"),
    ("more voters than can be counted", "ELE-14", "# NUMBER ALTERNATIVES: 2\n" + 2 * "9007199254740991: 1\n", "voters"),
    ("older: head cut off", "ELE-15", "3\n1,Apple\n2,Pear\n", "line 3"),
    ("older: names out of order", "ELE-15", OLD.replace("2,P", "3,P") + "6,1\n", "line 3"),
    ("older: totals are two", "ELE-15", OLD.replace("6,6,2", "6,6") + "6,1\n", "line 5"),
    ("older: totals do not add up", "ELE-14", OLD + "5,1\n", "head says 6"),
    ("older: alternative unknown", "ELE-13", OLD + "6,4\n", "line 6"),
]


def written(ballots: list[tuple[int, Any]], alternatives: int) -> str:
    """The ballots as a file of today's format."""
    text = f"# NUMBER ALTERNATIVES: {alternatives}\n# NUMBER VOTERS: {sum(times for times, _ in ballots)}\n"
    for times, ranking in ballots:
        tiers = (",".join(map(str, tier)) for tier in ranking)
        text += f"{times}: {','.join('{' + tier + '}' if ',' in tier else tier for tier in tiers)}\n"
    return text


@pytest.mark.parametrize(("name", "clause", "text"), GOOD, ids=[case[0] for case in GOOD])
def test_good_files_are_read(name: str, clause: str, text: str) -> None:
    election = parse(text.encode())
    stated = next((line for line in text.splitlines() if "NUMBER VOTERS: " in line), "# NUMBER VOTERS: ?").split()[-1]
    assert str(sum(count for count, _ in election.ballots)) == stated or stated in ("?", "VOTERS:")


def test_a_file_means_what_it_says() -> None:
    """ELE-12, ELE-13, ELE-15"""
    election = parse(GOOD[0][2].encode())
    assert election.names == ("Apple", "2", "3")
    assert election.ballots == ((3, ((2,), (1,), (3,))), (1, ((1, 3), (2,))), (1, ((1, 2, 3),)), (1, ((3,),)))
    old = parse(GOOD[-1][2].encode())
    assert old == Election(("Apple", "Pear, ripe", "Plum"), ((5, ((2,), (1, 3))), (1, ((1,),))))


@pytest.mark.parametrize(("name", "clause", "text", "words"), BAD, ids=[case[0] for case in BAD])
def test_bad_files_are_refused_in_one_sentence(name: str, clause: str, text: str, words: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(text.encode())
    assert words in caught.value.message
    assert len(caught.value.message) < 200
    assert caught.value.code == clause


@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda tail: (HEAD + tail).encode("utf-8", "replace")))
def test_any_bytes_are_an_election_or_refused(data: bytes) -> None:
    """ELE-11 to ELE-15: never another exception."""
    try:
        election = parse(data)
    except CommandError:
        return
    tally(election)


@given(st.text(alphabet="0123456789,{}: \n#", max_size=80))
def test_any_ballot_lines_are_read_or_refused(tail: str) -> None:
    """ELE-13"""
    for head in ("# NUMBER ALTERNATIVES: 3\n", "2\n1,a\n2,b\n1,1,1\n", ""):
        try:
            election = parse((head + tail).encode())
        except CommandError:
            continue
        assert all(count > 0 and all(ranking) for count, ranking in election.ballots)


@given(st.randoms(use_true_random=False), st.integers(1, 12), st.integers(0, 20))
def test_what_is_written_is_read(rng: random.Random, alternatives: int, count: int) -> None:
    """ELE-13"""
    ballots = some_ballots(rng, alternatives, count)
    assert parse(written(ballots, alternatives).encode()).ballots == tuple(ballots)


def test_a_file_too_long_is_refused() -> None:
    """ELE-11: by its bytes or by its lines."""
    for data in (bytes(preflib.FILE_BYTES_MAX + 1), HEAD.encode() + b"\n" * preflib.LINES_MAX):
        with pytest.raises(CommandError) as caught:
            parse(data)
        assert caught.value.code == "ELE-11"


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """ELE-11"""
    for path in (tmp_path / "absent.soi", tmp_path):
        with pytest.raises(CommandError) as caught:
            ballots_from(path)
        assert caught.value.code == "ELE-11"
        assert path.name in caught.value.message


def test_tally_of_a_file(tmp_path: Path) -> None:
    """ELE-16, on the election of Burlington's mayor in 2009 with its published counts."""
    path = tmp_path / "burlington.soi"
    names = "".join(
        f"# ALTERNATIVE NAME {at}: {name}\n" for at, name in ((1, "Montroll"), (2, "Ki\x1b[31mss"), (3, "Wright"))
    )
    path.write_text(names + written(BURLINGTON, 3))
    election = ballots_from(path)
    result = tally(election)
    assert result == {"order": [[1], [2], [3]], "pairwise": [[0, 4067, 4597], [3477, 0, 4314], [3668, 4064, 0]]}
    assert json.loads(json.dumps(result)) == result
    shown = render(election, result)
    assert "1.    1  Montroll" in shown
    assert "4067" in shown
    assert "\x1b" not in shown


def test_ties_stay_ties_when_shown() -> None:
    """ELE-8"""
    election = parse(b"# NUMBER ALTERNATIVES: 3\n1: 1,2\n1: 2,1\n")
    assert [line[:8] for line in render(election, tally(election)).splitlines()[1:4]] == [
        "   1=   ",
        "   1=   ",
        "   3.   ",
    ]


def vectors() -> dict[str, Any]:
    """Every file with the ballots in it, or the clause it breaks."""
    cases: list[dict[str, Any]] = []
    for name, clause, text in GOOD:
        cases.append({"name": name, "clause": clause, "input": {"file": text}})
        election = parse(text.encode())
        cases[-1]["output"] = {"names": election.names, "ballots": election.ballots}
    cases += [
        {"name": name, "clause": clause, "input": {"file": text}, "reject": clause} for name, clause, text, _ in BAD
    ]
    found: dict[str, Any] = json.loads(json.dumps({"name": "preflib", "spec": "07-election", "cases": cases}))
    return found


def test_vectors_are_what_the_code_makes() -> None:
    assert json.loads(VECTORS.read_text()) == vectors()
