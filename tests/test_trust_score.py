"""`wltm trust score`: any history of ratings, hostile files, and the guarantees as a judge would try them."""

import csv
import json
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest

from node import ratings as reading
from node.cli import wltm
from node.cli.shell import run
from node.ratings import score_files
from protocol.errors import CommandError
from protocol.params import DAY_MS
from protocol.trust.ratings import Ratings, tallies
from protocol.trust.reputation import Evidence, tally

DAY_S = DAY_MS // 1000
NOW_S = 1_700_000_000.0
Row = tuple[str, str, float, float]
RATINGS = "source,target,weight,timestamp"
BOUND = 0.1 * 0.7 / 0.3


def write(folder: Path, name: str, header: str, rows: Iterable[Sequence[object]]) -> Path:
    path = folder / name
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows), ""]), encoding="utf-8")
    return path


@pytest.fixture
def score(tmp_path: Path) -> Callable[..., list[tuple[float, float]]]:
    """Ratings and pairs to (standing, expectation) of each pair, through files."""

    def scored(rows: Iterable[Row], pairs: Iterable[tuple[str, str]]) -> list[tuple[float, float]]:
        ratings = write(tmp_path, "ratings.csv", RATINGS, rows)
        asked = write(tmp_path, "pairs.csv", "observer,subject", pairs)
        table = list(csv.DictReader(score_files(ratings, asked).as_csv().splitlines()))
        return [(float(row["standing"]), float(row["expectation"])) for row in table]

    return scored


def town(seed: int, size: int = 40, degree: int = 6) -> list[Row]:
    """Everybody has dealt well with some others."""
    rng = random.Random(seed)
    return [
        (f"p{one}", f"p{two}", float(rng.randint(3, 10)), float(NOW_S - rng.randrange(300) * DAY_S))
        for one in range(size)
        for two in rng.sample(range(size), degree)
        if one != two
    ] + [("clock", "clock", 0.0, NOW_S)]  # so that "now" stays


SYBILS = [f"s{number}" for number in range(50)]


def ring(shape: str, count: int, leader: str) -> list[Row]:
    names = SYBILS[:count]
    pairs = {
        "path": list(zip([leader, *names], names, strict=False)),
        "cycle": list(zip([leader, *names], [*names, leader], strict=True)),
        "star": [pair for one in names for pair in ((leader, one), (one, leader))],
        "clique": [(one, two) for one in [leader, *names] for two in [leader, *names] if one != two],
    }[shape]
    return [(one, two, 10.0, NOW_S - 30 * DAY_S * month) for one, two in pairs for month in range(6)]


def test_own_ratings_and_own_names_change_nothing(score: Callable[..., list[tuple[float, float]]]) -> None:
    """REP-8, REP-9: ratio 1 within 1e-9, whatever a subject says and whoever it makes up; a friend's word is the
    control.
    """
    honest = town(1)
    pairs = [(f"p{one}", "p7") for one in range(0, 40, 3)]
    before = score(honest, pairs)
    busy = [("p7", f"p{two}", 10.0, NOW_S) for two in range(20) if two != 7]
    for more in (busy, ring("clique", 10, "p7"), ring("cycle", 50, "p7"), [*busy, *ring("star", 50, "p7")]):
        for then, now in zip(before, score([*honest, *more], pairs), strict=True):
            assert now[0] == pytest.approx(then[0], rel=1e-9)
            assert now[1] == pytest.approx(then[1], rel=1e-7)
    helped = score([*honest, ("p3", "p7", 10.0, NOW_S)], pairs)
    assert any(now[0] > 1.01 * then[0] for then, now in zip(before, helped, strict=True))


@pytest.mark.parametrize("shape", ["path", "cycle", "star", "clique"])
@pytest.mark.parametrize("count", [1, 10, 50])
def test_a_ring_gains_little(score: Callable[..., list[tuple[float, float]]], shape: str, count: int) -> None:
    """REP-8: all names behind one identity, together, at most 0.2333 of it."""
    rows = [*town(2), *ring(shape, count, "p5")]
    for observer in ("p0", "p1", "p11"):
        leader, *gained = [one[0] for one in score(rows, [(observer, "p5"), *((observer, one) for one in SYBILS)])]
        assert 0 < sum(gained) <= BOUND * leader


def test_strangers_slander_in_vain(score: Callable[..., list[tuple[float, float]]]) -> None:
    """REP-16: not a digit changes, in standing or expectation; the same slander by one who is trusted: control."""
    honest = town(3)
    pairs = [(f"p{one}", f"p{two}") for one in range(0, 40, 5) for two in range(1, 40, 7)]
    before = score(honest, pairs)
    lies = [(f"x{one}", f"p{two}", -10.0, NOW_S) for one in range(30) for two in range(40)]
    among = [(f"x{one}", f"x{(one + 1) % 30}", 10.0, NOW_S) for one in range(30)]
    assert score([*honest, *lies, *among], pairs) == before
    heeded = score([*honest, *(("p2", f"p{two}", -10.0, NOW_S) for two in range(40) if two != 2)], pairs)
    assert sum(now[1] < then[1] for then, now in zip(before, heeded, strict=True)) > len(pairs) / 2


def test_a_newcomer_never_beats_a_veteran(score: Callable[..., list[tuple[float, float]]]) -> None:
    """REP-8, REP-14: nor does a name known to be bad."""
    rows = [*town(4), *(("p1", "bad", -10.0, NOW_S - DAY_S * n) for n in range(3))]
    found = dict(zip("vbn", score(rows, [("p0", "p9"), ("p0", "bad"), ("p0", "nobody")]), strict=True))
    assert found["v"][0] > found["n"][0] == found["b"][0] == 0
    assert found["v"][1] >= found["n"][1] > found["b"][1]


def test_decay(score: Callable[..., list[tuple[float, float]]]) -> None:
    """REP-3, REP-15: two years of monthly deals, the last a month ago; half a year, two years later; one broken."""
    monthly = [("a", "b", 10.0, NOW_S - 30 * DAY_S * n) for n in range(1, 25)]
    for later, edge in ((0, 0.718), (180, 0.561), (730, 0.133)):
        ((standing, _),) = score([*monthly, ("c", "d", 1.0, NOW_S + later * DAY_S)], [("a", "b")])
        assert standing == pytest.approx(0.7 * edge, abs=0.001)
    broken = [("a", "b", -10.0, NOW_S - 30 * DAY_S), ("c", "d", 1.0, NOW_S)]
    assert score([*monthly, *broken], [("a", "b")])[0][0] < 0.7 * 0.718


@pytest.mark.parametrize("scale", [1, DAY_S])
def test_a_rating_is_a_deal(scale: int) -> None:
    """REP-2, REP-15: the same sums as of evidence, over repeats, windows and signs."""
    rng = random.Random(scale)
    weights = [-10, -3, 0, 10]
    rows = [
        (rng.randrange(4), rng.randrange(4), rng.choice(weights), 1e9 + rng.randrange(900) * scale) for _ in range(200)
    ]
    columns = [np.array(one) for one in zip(*rows, strict=True)]
    found = tallies(Ratings(4, *columns))
    now_ms = int(max(row[3] for row in rows)) * 1000
    kept = {-10: "broken", 10: "kept"}
    for source, target, good, bad in zip(found.source, found.target, found.good, found.bad, strict=True):
        items = [
            Evidence(b"a", b"b", "", kept[w], str(at).encode(), int(t) * 1000, int(t) * 1000)
            for at, (s, v, w, t) in enumerate(rows)
            if (s, v) == (source, target) and w in kept
        ]
        threes = [t for s, v, w, t in rows if (s, v) == (source, target) and w == -3]
        plain = tally(items, now_ms)
        more = sum(0.3 * 0.5 ** ((now_ms / 1000 - t) / DAY_S / 360) for t in threes)
        assert (good, bad) == pytest.approx((plain.good, plain.bad + more))


HISTORIES: dict[str, list[Row]] = {
    "empty": [],
    "all positive": [(f"p{n}", f"p{n + 1}", 5.0, n) for n in range(9)],
    "all negative": [(f"p{n}", f"p{n + 1}", -5.0, n) for n in range(9)],
    "self-loops": [("p1", "p1", 10.0, 1.0), ("p2", "p2", -10.0, 2.0)],
    "weights of nothing": [("p0", "p1", 0.0, 1.0), ("p1", "p2", 0.0, 1.0)],
    "one moment": [("p0", "p1", 4.0, 7.0)] * 300,
    "before 1970": [("p0", "p1", 4.0, -1e9), ("p1", "p2", 4.0, -1.5)],
    "ages ago": [("p0", "p1", 4.0, -1e11), ("p1", "p2", -4.0, 1e11)],
}


@pytest.mark.parametrize("name", HISTORIES)
def test_any_history_is_scored(score: Callable[..., list[tuple[float, float]]], name: str) -> None:
    """REP-15, REP-16: whatever is in it, numbers are finite and in range; names that stand nowhere are newcomers."""
    pairs = [("p0", "p1"), ("p0", "p2"), ("p1", "p1"), ("who", "p1"), ("p0", "who"), ("who", "who else")]
    found = score(HISTORIES[name], [*pairs, *pairs])
    assert len(found) == 12
    assert found[:6] == found[6:]
    assert all(0 <= standing <= 1 and -1 <= likely <= 1 for standing, likely in found)
    assert [found[at][0] for at in (2, 3, 4, 5)] == [1, 0, 0, 0]


def test_dressed_differently(tmp_path: Path) -> None:
    """REP-17: byte order mark, CRLF, quotes, spaces, columns in another order and besides."""
    plain = write(tmp_path, "a.csv", RATINGS, [("Ann", "Ben", 5, 10), ("Ben", "Cat", 7, 11.5)])
    other = tmp_path / "b.csv"
    rows = ['5,"Ann",10.0,x,Ben', "", " 7.0 , Ben,1.15e1,y,Cat"]
    other.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(["weight,Source,timestamp,note,target", *rows]).encode())
    pairs = write(tmp_path, "p.csv", "observer,subject", [("Ann", "Cat"), ("Ann", "Ben")])
    assert score_files(plain, pairs) == score_files(other, pairs)


BAD: list[tuple[str, bytes, str]] = [
    ("no bytes", b"", "line 1: the header must name"),
    ("no header", b"1,2,3,4\n", "line 1: the header must name"),
    ("a column twice", b"source,target,weight,timestamp,weight\n", "line 1: the header must name"),
    ("a field less", b"source,target,weight,timestamp\na,b,1\n", "line 2: 3 fields where the header has 4"),
    ("a word", b"source,target,weight,timestamp\na,b,many,1\n", "line 2: weight: must be a number"),
    ("not a number", b"source,target,weight,timestamp\na,b,nan,1\n", "line 2: weight: must be a number"),
    ("too much", b"source,target,weight,timestamp\na,b,10.1,1\n", "line 2: weight: must be a number"),
    ("infinite", b"source,target,weight,timestamp\na,b,1,1e999\n", "line 2: timestamp: must be a number"),
    ("milliseconds", b"source,target,weight,timestamp\na,b,1,1700000000000\n", "line 2: timestamp: must be"),
    ("underscores", b"source,target,weight,timestamp\na,b,1_0,1\n", "line 2: weight: must be a number"),
    ("nobody", b"source,target,weight,timestamp\n,b,1,1\n", "line 2: source: must be 1 to 100"),
    ("a long name", b"source,target,weight,timestamp\n" + b"a" * 101 + b",b,1,1\n", "line 2: source: must be 1 to 100"),
    ("a long line", b"source,target,weight,timestamp\n" + b"a" * 20_000, "line 2: longer than 16384 bytes"),
    ("no text", b"source,target,weight,timestamp\n\xff,b,1,1\n", "line 2: is not UTF-8"),
    ("an open quote", b'source,target,weight,timestamp\n"a,b,1,1\n', "line 2: is not CSV"),
    ("NUL", b"source,target,weight,timestamp\na\0,b,1\n", "line 2: "),
]


@pytest.mark.parametrize(("data", "sentence"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_files_are_refused_by_line_and_column(tmp_path: Path, data: bytes, sentence: str) -> None:
    """REP-17."""
    path = tmp_path / "bad.csv"
    path.write_bytes(data)
    pairs = write(tmp_path, "pairs.csv", "observer,subject", [("a", "b")])
    with pytest.raises(CommandError) as error:
        score_files(path, pairs)
    assert error.value.code == "REP-17"
    assert error.value.message.startswith(f"bad.csv: {sentence}")


def test_rows_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """REP-17."""
    ratings = write(tmp_path, "r.csv", RATINGS, [("a", "b", 1, n) for n in range(5)])
    pairs = write(tmp_path, "p.csv", "observer,subject", [("a", "b")] * 5)
    monkeypatch.setattr(reading, "ROWS_MAX", 4)
    with pytest.raises(CommandError, match=r"r\.csv: line 6: more than 4 rows"):
        score_files(ratings, pairs)
    monkeypatch.setattr(reading, "ROWS_MAX", 5)
    monkeypatch.setattr(reading, "PAIRS_MAX", 4)
    with pytest.raises(CommandError, match=r"p\.csv: line 6: more than 4 rows"):
        score_files(ratings, pairs)
    with pytest.raises(CommandError, match=r"none\.csv: cannot be read"):
        score_files(tmp_path / "none.csv", pairs)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CLI-80: CSV or JSON on standard output, a sentence and exit code 2 for a bad file."""
    ratings = write(tmp_path, "r.csv", RATINGS, [("a", "b", 10, 1), ("b", "c\x1b[2J", 10, 1)])
    pairs = write(tmp_path, "p.csv", "observer,subject", [("a", "c\x1b[2J"), ("a", "new")])
    command = ["trust", "score", "--ratings", str(ratings), "--pairs", str(pairs)]
    assert run(wltm, command) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head == "observer,subject,standing,expectation"
    assert first.endswith(",0.0030625,1")
    assert second == "a,new,0,1"
    assert "\x1b" not in first
    assert run(wltm, [*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["scores"]
    assert rows[0] == {"observer": "a", "subject": "c\x1b[2J", "standing": pytest.approx(0.0030625), "expectation": 1}
    assert run(wltm, ["trust", "score", "--ratings", str(pairs), "--pairs", str(pairs)]) == 2
    assert "p.csv: line 1: the header must name" in capsys.readouterr().err


def auc(scores: Sequence[float], good: Sequence[bool]) -> float:
    """The chance that a good one is scored above a bad one, ties being half."""
    order = np.argsort(scores, kind="stable")
    _, place, count = np.unique(np.array(scores)[order], return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    kept = np.array(good)[order]
    return float((ranks[kept].sum() - kept.sum() * (kept.sum() + 1) / 2) / (kept.sum() * (~kept).sum()))


def test_real_ratings_are_foreseen(shared: Path, score: Callable[..., list[tuple[float, float]]]) -> None:
    """REP-9: a fifth of the ratings of real traders from the other four; the bench compares with other rules."""
    rows = list(csv.reader((shared / "bitcoin-otc.csv").open()))[1:]
    rng = random.Random(5)
    rng.shuffle(rows)
    cut = len(rows) * 4 // 5
    history = [(row[0], row[1], float(row[2]), float(row[3])) for row in rows[:cut]]
    unseen = rows[cut : cut + 700]
    found = score(history, [(row[0], row[1]) for row in unseen])
    assert auc([one[1] for one in found], [float(row[2]) > 0 for row in unseen]) > 0.88
