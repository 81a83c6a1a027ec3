"""Shapes of bodies, and the table of kinds in the spec (01-record, REC-11).

`python -m tests.test_schema` writes that table anew.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.encoding import Value, decode, encode
from protocol.errors import Reject
from protocol.record.kinds import KINDS
from protocol.record.schema import Rule, array, ascending, data, fields, integer, one_of, slug, table, text
from tests.notation import read, written

Shape = tuple[Any, ...]
SPEC = Path(__file__).resolve().parents[1] / "spec" / "01-record.md"
BEGIN, END = "<!-- kinds: written by `python -m tests.test_schema` -->\n", "<!-- end of kinds -->"
NAME_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_"

PAIR = fields({"a": integer(0, 9)}, {"b": text(3)})
# rule, good values, bad values
RULES: list[tuple[Rule, list[Value], list[Value]]] = [
    (integer(-1, 5), [-1, 0, 5], [-2, 6, True, "0", b"\0", []]),
    (data(2), [b"ab"], [b"a", b"abc", "ab", 2]),
    (data(0, 2), [b"", b"ab"], [b"abc", ""]),
    (text(4), ["", "a\nb", "éé", "\x80", "\u202e"], ["ééa", "a\tb", "\0", "\x7f", "\r", b"a", 1]),
    (text(4, 1), ["a"], [""]),
    (slug(3), ["a", "0", "-", "_", "a-0"], ["", "abcd", "A", "é", "a b", "a\n", "a.b", b"a", 1]),
    (one_of("", "x"), ["", "x"], ["y", "X", b"x", 0, ["x"]]),
    (array(integer(0, 9), 2, 1), [[0], [9, 0], [1, 1]], [[], [1, 2, 3], [10], ["1"], {"0": 1}, "12", b"1"]),
    (ascending(data(1), 3), [[], [b"a"], [b"a", b"c"]], [[b"b", b"a"], [b"a", b"a"], [b"ab"], [b"a"] * 4]),
    (ascending(slug(), 3), [["a", "aa", "b"]], [["aa", "a"], ["b", "aa"]]),
    (table(slug(2), integer(0, 1), 2), [{}, {"a": 0}, {"a": 0, "b": 1}], [{"A": 0}, {"a": 2}, {"abc": 0}, [], 1]),
    (table(slug(2), integer(0, 1), 1), [{"a": 0}], [{"a": 0, "b": 1}]),
    (PAIR, [{"a": 1}, {"a": 1, "b": ""}], [{}, {"b": ""}, {"a": 1, "c": 1}, {"a": 10}, {"a": 1, "b": "long"}, [], "a"]),
    (array(PAIR, 2), [[], [{"a": 1}]], [[{"a": 1}, {}], [{"a": "1"}]]),
]


def least(shape: Shape, at: int = 0) -> Value:
    """The smallest value of a shape; other values of the same shape for at = 1, 2, … in ascending order."""
    match shape:
        case ("integer", low, _):
            return low + at
        case ("bytes", low, high):
            return at.to_bytes(min(max(low, 1), 4), "big").ljust(low, b"\0") if high else b""
        case ("text", low, _):
            return NAME_LETTERS[at] * max(low, 1)
        case ("name", _, _):
            return NAME_LETTERS[at]
        case ("code", *codes):
            return sorted(codes)[at]
        case ("array", low, _, item):
            return [least(item) for _ in range(low)]
        case ("set", low, _, item):
            return [least(item, n) for n in range(low)]
        case ("pair", first, second):
            return [least(first, at), least(second)]
        case ("table", *_):
            return {}
        case ("fields", required, _):
            return {name: least(item) for name, item in required.items()}
    raise AssertionError(shape)


def spoiled(shape: Shape, path: str) -> Iterator[tuple[str, Value]]:
    """Values one step outside a shape, each with the path to the step."""
    match shape:
        case ("integer", low, high):
            yield from ((f"{path} below", low - 1), (f"{path} a text", "1"), (f"{path} a boolean", True))
            if high < 2**53 - 1:
                yield f"{path} above", high + 1
        case ("bytes", low, high):
            yield f"{path} a text", "a" * low
            if low:
                yield f"{path} short", bytes(low - 1)
            if high < 1000:
                yield f"{path} long", bytes(high + 1)
        case ("text", low, high):
            yield from ((f"{path} bytes", b"a"), (f"{path} control", "\t" * max(low, 1)), (f"{path} long", "é" * high))
        case ("name", _, high):
            yield from ((f"{path} capital", "A"), (f"{path} empty", ""), (f"{path} long", "a" * (high + 1)))
        case ("code", *_):
            yield from ((f"{path} unknown", "unknown-code"), (f"{path} bytes", b"other"))
        case ("array" | "set" as sort, low, high, item):
            yield f"{path} no array", 1
            if low:
                yield f"{path} too few", [least(item, n) for n in range(low - 1)]
            if high <= 16 and item[0] != "code":
                yield f"{path} too many", [least(item, n if sort == "set" else 0) for n in range(high + 1)]
            if sort == "set":
                yield f"{path} twice", [least(item)] * max(2, low)
            yield from ((where, [value]) for where, value in spoiled(item, f"{path}[0]"))
        case ("pair", first, second):
            yield from ((f"{path} no array", 1), (f"{path} alone", [least(first)]))
            yield f"{path} three", [least(first), least(second), least(second)]
            yield from ((where, [value, least(second)]) for where, value in spoiled(first, f"{path}[0]"))
            yield from ((where, [least(first), value]) for where, value in spoiled(second, f"{path}[1]"))
        case ("table", _, high, key, item):
            yield from ((f"{path} no map", []), (f"{path} too many", {NAME_LETTERS[n]: 1 for n in range(high + 1)}))
            yield from ((where, {least(key): value}) for where, value in spoiled(item, f"{path}.value"))
        case ("fields", required, optional):
            whole = least(shape)
            yield from ((f"{path} no map", []), (f"{path} one more", whole | {"zzz": 1}))
            for name in required:
                yield f"{path}.{name} missing", {key: value for key, value in whole.items() if key != name}
            for name, item in (required | optional).items():
                yield from ((where, whole | {name: value}) for where, value in spoiled(item, f"{path}.{name}"))


def fitting(shape: Shape) -> st.SearchStrategy[Value]:
    """Any value of a shape, small."""
    match shape:
        case ("integer", low, high):
            return st.integers(low, high)
        case ("bytes", low, high):
            return st.binary(min_size=low, max_size=min(high, low + 40))
        case ("text", low, high):
            return st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20).filter(
                lambda value: low <= len(value.encode()) <= high
            )
        case ("name", _, high):
            return st.text(NAME_LETTERS, min_size=1, max_size=high)
        case ("code", *codes):
            return st.sampled_from(codes)
        case ("array", low, high, item):
            return st.lists(fitting(item), min_size=low, max_size=min(high, low + 3))
        case ("set", low, high, item):
            return st.lists(fitting(item), min_size=low, max_size=min(high, low + 3), unique=True).map(sorted)
        case ("pair", first, second):
            return st.tuples(fitting(first), fitting(second)).map(list)
        case ("table", _, high, key, item):
            return st.dictionaries(fitting(key), fitting(item), max_size=min(high, 3))
        case ("fields", required, optional):
            one, other = ({name: fitting(item) for name, item in rules.items()} for rules in (required, optional))
            return st.fixed_dictionaries(one, optional=other)
    raise AssertionError(shape)


def notation(shape: Shape, indent: str) -> str:
    """A shape as the spec writes it; fields stand on lines of their own."""
    match shape:
        case ("bytes", 32, 32):
            return "id"
        case ("bytes", low, high) if low == high:
            return f"bytes {low}"
        case ("code", *codes):
            return "code " + ", ".join(code or '""' for code in codes)
        case ("array" | "set" as sort, low, high, item):
            return f"{sort} {low}..{high} of {notation(item, indent)}"
        case ("pair", first, second):
            return f"pair of {notation(first, indent)} and {notation(second, indent)}"
        case ("table", low, high, key, item):
            return f"table {low}..{high} of {notation(key, indent)} to {notation(item, indent)}"
        case ("fields", required, optional):
            deeper = indent + "    "
            names = [(name, name, item) for name, item in required.items()]
            names += [(name, name + "?", item) for name, item in optional.items()]
            lines = [f"\n{deeper}{label}: {notation(item, deeper)}" for _, label, item in sorted(names)]
            return "{" + "".join(lines) + " }"
        case (sort, low, high):
            return f"{sort} {low}..{high}"
    raise AssertionError(shape)


def kinds_table() -> str:
    """The table of kinds for 01-record."""
    entries = (
        f"{name}  {kind.mode}  {', '.join(kind.families)}  {notation(kind.body.shape, '')}\n"
        for name, kind in sorted(KINDS.items())
    )
    return BEGIN + "```\n" + "".join(entries) + "```\n" + END


def _kind_cases() -> Iterator[dict[str, Any]]:
    for name, kind in sorted(KINDS.items()):
        good = least(kind.body.shape)
        size = len(encode(good))
        given = {"kind": name, "body": encode(good).hex()}
        yield {"name": f"{name} at its least", "clause": "REC-11", "input": given, "output": {"body": written(good)}}
        for why, bad in spoiled(kind.body.shape, "body"):
            given = {"kind": name, "body": encode(bad).hex()}
            if len(encode(bad)) < size + 300:  # the longer ones are tested and not printed
                yield {"name": f"{name}: {why}", "clause": "REC-11", "input": given, "reject": "REC-11"}


def _rule_cases() -> Iterator[dict[str, Any]]:
    for rule, goods, bads in RULES:
        for value in [*goods, *bads]:
            case = {"name": f"{rule.shape[0]} {value!r}"[:60], "clause": "REC-11"}
            case["input"] = {"shape": rule.shape, "value": written(value)}  # type: ignore[assignment]
            yield case | ({"reject": "REC-11"} if value in bads else {"output": {"fits": True}})


def vectors() -> dict[str, Any]:
    """spec/vectors/schema.json: the table of kinds for machines, and cases."""
    kinds = {
        name: {"mode": kind.mode, "families": kind.families, "body": kind.body.shape}
        for name, kind in sorted(KINDS.items())
    }
    return {"name": "schema", "spec": "01-record", "kinds": kinds, "cases": [*_rule_cases(), *_kind_cases()]}


@pytest.mark.parametrize(("rule", "goods", "bads"), RULES, ids=[str(rule.shape)[:40] for rule, _, _ in RULES])
def test_rule(rule: Rule, goods: list[Value], bads: list[Value]) -> None:
    """REC-11: what fits passes, what does not is rejected with the path in the sentence."""
    for value in goods:
        rule(value, "field")
        assert read(written(value)) == value
    for value in bads:
        with pytest.raises(Reject) as caught:
            rule(value, "field")
        assert caught.value.code == "REC-11"
        assert caught.value.message.startswith("field")


def test_the_sentence_names_the_field() -> None:
    """REC-11; and what a stranger wrote comes out quoted, on one line."""
    rule = fields({"list": array(PAIR, 2), "map": table(slug(), integer(0, 1), 2)})
    for value, sentence in (
        ({"list": [{"a": 1}, {"a": 11}], "map": {}}, "body.list[1].a: must be an integer from 0 to 9"),
        ({"list": [{}], "map": {}}, "body.list[0].a: is missing"),
        ({"list": [], "map": {"x": 2}}, "body.map.x: must be an integer from 0 to 1"),
        (
            {"list": [], "map": {}, "\n\x1b[2J" + "a" * 99: 1},
            "body: '\\n\\x1b[2J" + "a" * 35 + "' is not a field of this kind",
        ),
    ):
        with pytest.raises(Reject) as caught:
            rule(value, "body")
        assert caught.value.message == sentence


@pytest.mark.parametrize("name", sorted(KINDS))
def test_kind(name: str) -> None:
    """REC-11: each kind takes its least body and refuses every body one step outside its shape."""
    body = KINDS[name].body
    body(least(body.shape), "body")
    steps = list(spoiled(body.shape, "body"))
    assert len(steps) >= 3
    for why, bad in steps:
        with pytest.raises(Reject) as caught:
            body(bad, "body")
        assert caught.value.code == "REC-11", why


@given(st.sampled_from(sorted(KINDS)).flatmap(lambda name: st.tuples(st.just(name), fitting(KINDS[name].body.shape))))
def test_what_fits_passes(case: tuple[str, Value]) -> None:
    """REC-11: the shape as data says the same as the shape as code, and every body of a kind can be encoded."""
    name, body = case
    KINDS[name].body(body, "body")
    KINDS[name].body.check(decode(encode(body)))


@given(
    st.recursive(
        st.integers() | st.text() | st.binary() | st.booleans(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_value_is_decided(value: Value) -> None:
    """REC-11: a rule never raises anything but Reject."""
    for rule in [*(kind.body for kind in KINDS.values()), *(rule for rule, _, _ in RULES)]:
        try:
            rule(value, "body")
        except Reject as reject:
            assert reject.code == "REC-11"  # noqa: PT017


def test_every_kind_stands_in_the_spec() -> None:
    """REC-11: the table of 01-record is the one that the code holds; `python -m tests.test_schema` writes it."""
    assert kinds_table() in SPEC.read_text(encoding="utf-8")


if __name__ == "__main__":
    before, _, rest = SPEC.read_text(encoding="utf-8").partition(BEGIN)
    SPEC.write_text(before + kinds_table() + rest.partition(END)[2], encoding="utf-8")
