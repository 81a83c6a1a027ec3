"""Groups out of a choice file: what the file may hold, and how well a group's weights predict choices not seen."""

import json
from math import log
from pathlib import Path
from random import Random
from typing import Any

import pytest

from node.groups import CELLS_MAX, LINE_BYTES_MAX, ROWS_MAX, Choices, find_groups, groups, load_choices
from protocol.coop.preference import Task
from protocol.errors import CommandError
from protocol.params import ALTERNATIVES_MAX, TASKS_MAX

HEADER = "person,task,alternative,chosen,price,green\n"
TASK = "a,1,x,1,7,0\na,1,y,0,9,1\n"


def write(folder: Path, text: str | bytes, name: str = "choices.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def market(
    people: int, tasks: int = 9, width: int = 5, segments: int = 4, noise: float = 1.0, seed: int = 1
) -> Choices:
    """An invented market: segments of people, each person near its segment's taste, choosing with this much noise."""
    rng = Random(seed)
    tastes = [[rng.gauss(0, 2) for _ in range(width)] for _ in range(segments)]
    found = {}
    for number in range(people):
        taste = [w + rng.gauss(0, 0.4) for w in rng.choice(tastes)]
        answered = []
        for _ in range(tasks):
            rows = tuple(tuple(rng.gauss(0, 1) for _ in range(width)) for _ in range(4))
            utilities = [sum(w * x for w, x in zip(taste, row, strict=True)) + noise * gumbel(rng) for row in rows]
            answered.append(Task(rows, utilities.index(max(utilities))))
        found[f"p{number}"] = tuple(answered)
    return Choices(tuple(f"a{k}" for k in range(width)), found)


def gumbel(rng: Random) -> float:
    return -log(rng.expovariate(1))


def predicted(weights: tuple[float, ...], task: Task) -> bool:
    utilities = [sum(w * x for w, x in zip(weights, row, strict=True)) for row in task.rows]
    return utilities.index(max(utilities)) == task.chosen


def held_out(choices: Choices, share: int, seed: int, least: int = 8, most: int = 40) -> tuple[float, float]:
    """Shares of unseen choices predicted by the own group's weights, and by one rule for all."""
    rng, known, unseen = Random(seed), {}, {}
    for person, tasks in choices.people.items():
        hidden = rng.sample(range(len(tasks)), max(1, len(tasks) // share))
        unseen[person] = [tasks[at] for at in hidden]
        known[person] = tuple(task for at, task in enumerate(tasks) if at not in hidden)
    found = find_groups(Choices(choices.attributes, known), least, most)
    weights = {person: one.weights for one in found.groups for person in one.members}
    assert len(weights) == len(choices.people)
    assert all(least <= len(one.members) <= most for one in found.groups)
    common = tuple(sum(column) / len(weights) for column in zip(*weights.values(), strict=True))
    hits = [predicted(weights[person], task) for person, tasks in unseen.items() for task in tasks]
    plain = [predicted(common, task) for tasks in unseen.values() for task in tasks]
    return sum(hits) / len(hits), sum(plain) / len(plain)


def test_groups_predict_what_real_households_would_choose(shared: Path) -> None:
    """PRF-11 on stated choices between electricity suppliers; one rule for all is the control."""
    choices = load_choices(shared / "electricity-choices.csv")
    scores = [held_out(choices, 3, seed) for seed in range(3)]
    assert sum(group for group, _ in scores) / 3 > 0.64
    assert sum(common for _, common in scores) / 3 < 0.52


@pytest.mark.parametrize(
    ("gain", "shape", "sizes"),
    [
        (0.12, {"people": 300}, (8, 40)),
        (0.12, {"people": 300}, (3, 12)),
        (0.04, {"people": 200, "noise": 3.0}, (8, 40)),
        (0.08, {"people": 200, "tasks": 4}, (8, 40)),
        (0.08, {"people": 200, "width": 2}, (8, 40)),
        (0.12, {"people": 300, "width": 14}, (8, 40)),
    ],
)
def test_groups_beat_one_rule_for_all_on_markets_of_many_shapes(
    gain: float, shape: dict[str, Any], sizes: tuple[int, int]
) -> None:
    """PRF-11: with segments to be found, they are."""
    by_group, by_all = held_out(market(**shape), 3, 1, *sizes)
    assert by_group > by_all + gain


def test_nothing_is_found_where_nothing_is(shared: Path) -> None:
    """Negative control: choices shuffled among the alternatives predict no better than chance."""
    rng, choices = Random(2), load_choices(shared / "electricity-choices.csv")
    noise = {
        person: tuple(Task(task.rows, rng.randrange(len(task.rows))) for task in tasks)
        for person, tasks in choices.people.items()
    }
    assert held_out(Choices(choices.attributes, noise), 3, 1)[0] < 0.31


def test_units_change_weights_and_not_groups() -> None:
    """PRF-3, PRF-11: a price in thousandths gives the same groups, and a weight a thousand times smaller."""
    choices = market(120)
    thousand = {
        person: tuple(Task(tuple((row[0] * 1000, *row[1:]) for row in task.rows), task.chosen) for task in tasks)
        for person, tasks in choices.people.items()
    }
    one, other = find_groups(choices), find_groups(Choices(choices.attributes, thousand))
    assert [group.members for group in one.groups] == [group.members for group in other.groups]
    assert other.groups[0].weights[0] == pytest.approx(one.groups[0].weights[0] / 1000, rel=1e-5)


@pytest.mark.parametrize(("people", "placed"), [(1, 0), (7, 0), (8, 8), (16, 16), (41, 41)])
def test_few_people(people: int, placed: int) -> None:
    """FRM-2: fewer than a group stay unplaced; one group of exactly the least is a group."""
    found = find_groups(market(people))
    assert sum(len(one.members) for one in found.groups) == placed
    assert len(found.unplaced) == people - placed
    assert f"{placed} people placed, {people - placed} left over" in found.in_words()


def test_the_result_is_a_plain_mapping(tmp_path: Path) -> None:
    """PRF-12; ids stay texts, in the file's order, and survive a BOM, CRLF, blank lines and tasks that interleave."""
    rows = [
        f"{person},{task},{alt},{int(alt == task % 3)},{alt},{task}"
        for task in range(3)
        for person in ("007", "b c")
        for alt in range(3)
    ]
    text = "\ufeff" + HEADER + "\n\n".join(rows)
    result = groups(write(tmp_path, text.replace("\n", "\r\n")), 2, 4)
    assert list(result) == ["groups", "unplaced"]
    assert [one["members"] for one in result["groups"]] == [["007", "b c"]]
    assert list(result["groups"][0]["weights"]) == ["price", "green"]
    assert json.loads(json.dumps(result)) == result
    assert result == groups(write(tmp_path, text), 2, 4)


def test_columns_may_stand_in_any_order_and_ids_may_be_any_text(tmp_path: Path) -> None:
    """PRF-10."""
    text = (
        'green,chosen,"alternative",task,person,price\n1,TRUE,"x, y",t,"Zoë ""Z""",-7e-1\n0,false,-,t,"Zoë ""Z""", 9 \n'
    )
    choices = load_choices(write(tmp_path, text))
    assert choices.attributes == ("green", "price")
    assert choices.people == {'Zoë "Z"': (Task(((1.0, -0.7), (0.0, 9.0)), 0),)}


def test_words_for_a_terminal_carry_no_control_characters(tmp_path: Path) -> None:
    """A file may not write to the terminal on its own account."""
    text = HEADER + TASK.replace("a,", "\x1b[2J,") + TASK.replace("a,", "b\u202e,")
    told = find_groups(load_choices(write(tmp_path, text)), 2, 4).in_words()
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "?[2J, b?" in told


BAD: list[tuple[str, str | bytes, int, str]] = [
    ("an empty file", "", 1, "is empty"),
    ("a column missing", "person,task,alternative,price\n1,1,1,1\n", 1, "'chosen' is missing"),
    ("semicolons", HEADER.replace(",", ";") + TASK, 1, "separated by commas"),
    ("no attributes", "person,task,alternative,chosen\na,1,x,1\n", 1, "attribute columns"),
    ("33 attributes", HEADER.strip() + "".join(f",b{n}" for n in range(31)) + "\n", 1, "attribute columns"),
    ("a column twice", "person,task,alternative,chosen,price,price\n", 1, "name of its own"),
    ("a column without a name", "person,task,alternative,chosen,price,\n", 1, "name of its own"),
    ("a column with an endless name", HEADER.replace("green", "g" * 101), 1, "longer than"),
    ("no rows", HEADER, 1, "no rows"),
    ("a row too short", HEADER + TASK + "a,2,x,1,7\n", 4, "5 fields"),
    ("a row too long", HEADER + "a,2,x,1,7,0,0\n", 2, "7 fields"),
    ("a text for a number", HEADER + TASK + "a,2,x,1,cheap,0\n", 4, "price: must be a number"),
    ("nothing for a number", HEADER + "a,2,x,1,7,\n", 2, "green: must be a number"),
    ("not a number", HEADER + "a,2,x,1,nan,0\n", 2, "price"),
    ("infinity", HEADER + "a,2,x,1,7,-inf\n", 2, "green"),
    ("beyond all bounds", HEADER + "a,2,x,1,1e13,0\n", 2, "price"),
    ("a number as Python writes it", HEADER + "a,2,x,1,1_0,0\n", 2, "price"),
    ("a decimal comma", HEADER + 'a,2,x,1,"7,5",0\n', 2, "price"),
    ("chosen neither 0 nor 1", HEADER + "a,2,x,2,7,0\n", 2, "chosen: must be 0 or 1"),
    ("a person without a name", HEADER + ",2,x,1,7,0\n", 2, "person"),
    ("a task with an endless name", HEADER + f"a,{'t' * 101},x,1,7,0\n", 2, "task"),
    ("none chosen", HEADER + TASK + "a,2,x,0,7,0\na,2,y,0,9,0\n", 4, "none is chosen"),
    ("two chosen", HEADER + TASK + "a,2,x,1,7,0\na,2,y,1,9,0\n", 5, "second one is chosen"),
    ("an alternative twice", HEADER + TASK + "a,1,x,0,7,0\n", 4, "stands twice"),
    ("one alternative", HEADER + TASK + "b,1,x,1,7,0\n", 4, "has only one"),
    (
        "too many alternatives",
        HEADER + "".join(f"a,1,{n},0,1,1\n" for n in range(ALTERNATIVES_MAX + 1)),
        66,
        "more than",
    ),
    (
        "too many tasks",
        HEADER + "".join(f"a,{n},x,1,1,1\na,{n},y,0,1,1\n" for n in range(TASKS_MAX + 1)),
        402,
        "more than",
    ),
    ("a quote that never ends", HEADER + 'a,1,"x,1,7,0\n' + "a,1,y,0,9,1\n" * 20_000, 2, "is not CSV"),
    ("a quote in the middle", HEADER + 'a,1,"x"y,1,7,0\n', 2, "is not CSV"),
    ("a huge field", HEADER + "a,1," + "x" * LINE_BYTES_MAX + ",1,7,0\n", 2, "longer than"),
    ("not UTF-8", HEADER.encode() + TASK.encode() + b"a,2,\xff\xfe,1,7,0\n", 4, "UTF-8"),
    ("a picture", b"\x89PNG\r\n\x1a\n\x00\x00\x00", 1, "UTF-8"),
]


@pytest.mark.parametrize(("name", "text", "line", "words"), BAD, ids=[row[0] for row in BAD])
def test_a_bad_file_is_refused_in_one_sentence(
    name: str, text: str | bytes, line: int, words: str, tmp_path: Path
) -> None:
    """PRF-10."""
    with pytest.raises(CommandError) as caught:
        load_choices(write(tmp_path, text))
    assert caught.value.code == "PRF-10"
    assert f"choices.csv: line {line}: " in caught.value.message or name == "a quote that never ends"
    assert words in caught.value.message
    assert len(caught.value.message) < 300
    assert "\n" not in caught.value.message


def test_numbers_that_are_not_there(tmp_path: Path) -> None:
    """PRF-18: refused with a hint, or by wish as its task's mean; without any number in the task as 0."""
    path = write(tmp_path, HEADER + "a,1,x,1,7,\na,1,y,0,NA,\na,1,z,0,10,nan\n")
    with pytest.raises(CommandError, match=r"green: .* not '' \(--missing makes do without\)"):
        load_choices(path)
    (task,) = load_choices(path, missing=True).people["a"]
    assert task.rows == ((7.0, 0.0), (8.5, 0.0), (10.0, 0.0))
    with pytest.raises(CommandError, match="price: must be a number"):
        load_choices(write(tmp_path, HEADER + "a,1,x,1,none,0\n"), missing=True)


def odd_market(path: Path, people: int = 60, sharp: bool = False, gaps: float = 0.0) -> None:
    """Two to six alternatives; an ordinal, a 0/1 and a wide column, and one that never changes; every second person
    answers as the one before; `sharp`: without any noise; `gaps`: so many numbers are not there.
    """
    lines = ["person,task,alternative,chosen,stars,pickup,metres,always"]
    for number in range(people):
        rng = Random(number // 2)
        taste = [rng.gauss(0, 1), rng.gauss(0, 2), rng.gauss(0, 0.002)]
        for task in range(7):
            rows = [(rng.randint(1, 5), rng.randint(0, 1), rng.randint(0, 2000)) for _ in range(rng.randint(2, 6))]
            noise = [0.0 if sharp else gumbel(rng) for _ in rows]
            utilities = [
                sum(w * x for w, x in zip(taste, row, strict=True)) + n for row, n in zip(rows, noise, strict=True)
            ]
            for place, row in enumerate(rows):
                cells = ["" if rng.random() < gaps else str(value) for value in row]
                chosen = int(place == utilities.index(max(utilities)))
                lines.append(f"p{number},{task},{place},{chosen},{','.join(cells)},1")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(("sharp", "gaps"), [(False, 0.0), (True, 0.0), (False, 0.1), (True, 0.5)])
def test_odd_markets_make_groups(tmp_path: Path, sharp: bool, gaps: float) -> None:
    """PRF-4, PRF-11: whoever can be told apart perfectly has finite weights, a constant says nothing, and twins who
    answered alike are together.
    """
    path = tmp_path / "odd.csv"
    odd_market(path, sharp=sharp, gaps=gaps)
    result = find_groups(load_choices(path, missing=True))
    members = [name for one in result.groups for name in one.members]
    assert sorted([*members, *result.unplaced]) == sorted(f"p{number}" for number in range(60))
    assert all(abs(weight) < 1e4 for one in result.groups for weight in one.weights)
    assert all(one.weights[3] == 0 for one in result.groups)
    twins = sum(1 for one in result.groups for name in one.members if f"p{int(name[1:]) ^ 1}" in one.members)
    assert twins >= 0.8 * len(members)


@pytest.mark.long
def test_a_hundred_thousand_rows(tmp_path: Path) -> None:
    """PRF-10: within the time that a person waits."""
    path = tmp_path / "many.csv"
    odd_market(path, people=3_700)
    assert sum(1 for _ in path.open(encoding="utf-8")) > 100_000
    result = find_groups(load_choices(path))
    assert sum(len(one.members) for one in result.groups) + len(result.unplaced) == 3_700


def test_a_good_file_is_not_refused(tmp_path: Path) -> None:
    """Negative control of the list above."""
    assert load_choices(write(tmp_path, HEADER + TASK)).people == {"a": (Task(((7.0, 0.0), (9.0, 1.0)), 0),)}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """PRF-10."""
    for path in (tmp_path / "nothing.csv", tmp_path):
        with pytest.raises(CommandError, match="cannot be read"):
            load_choices(path)


def test_a_million_rows_are_refused_before_they_are_held(tmp_path: Path) -> None:
    """PRF-10: rows, and rows times attributes, have bounds."""
    path = tmp_path / "million.csv"
    with path.open("w") as file:
        file.write("person,task,alternative,chosen,price\n")
        for task in range(250_000):
            file.writelines(
                f"{task // 9},{task % 9},{alternative},{int(alternative == 0)},1\n" for alternative in range(4)
            )
    with pytest.raises(CommandError, match=f"line {ROWS_MAX + 2}: too many rows"):
        load_choices(path)
    wide = "person,task,alternative,chosen," + ",".join(f"b{n}" for n in range(32))
    with path.open("w") as file:
        file.write(wide + "\n")
        for task in range(CELLS_MAX // 32 // 2 + 1):
            file.writelines(f"{task // 9},{task % 9},{mark},{mark},{','.join('1' * 32)}\n" for mark in "01")
    with pytest.raises(CommandError, match="too many rows"):
        load_choices(path)


@pytest.mark.parametrize(("least", "most"), [(1, 4), (9, 8), (2, 10_001)])
def test_sizes_that_cannot_be(least: int, most: int) -> None:
    """FRM-2."""
    with pytest.raises(CommandError, match="--min and --max"):
        find_groups(market(4), least, most)
