"""Templates: what is well formed, what is refused, and that speed changes durations only."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.template import FOLDER, categories, load, load_file
from protocol.coop.template import from_attributes, minor_digits, money, parse, pooled_value, scaled, subject_of
from protocol.encoding import decode, encode
from protocol.errors import CommandError, Reject

VECTORS = Path(__file__).resolve().parents[1] / "spec" / "vectors" / "template.json"
Change = Callable[[dict[str, Any]], object]


def good() -> dict[str, Any]:
    """A fresh plain template that may be broken at will."""
    value: dict[str, Any] = load("electricity").to_mapping()
    return value


BAD: list[tuple[str, str, Change]] = [
    ("a field too many", "TPL-1", lambda value: value.update(colour="red")),
    ("a field missing", "TPL-1", lambda value: value.pop("currency")),
    ("no periods", "TPL-1", lambda value: value.update(periods=0)),
    ("a price basis of its own", "TPL-1", lambda value: value.update(price_basis="gros")),
    ("a pack of 49", "TPL-1", lambda value: value.update(pack=49)),
    ("33 attributes", "TPL-1", lambda value: value.update(attributes=value["attributes"][:1] * 33)),
    ("truth as a number", "TPL-1", lambda value: value.update(version=True)),
    ("a tax of its own", "TPL-1", lambda value: value.update(tax_category="VAT")),
    ("nine charges", "TPL-1", lambda value: value.update(charges=value["charges"][:1] * 9)),
    ("seven typical values", "TPL-1", lambda value: value["attributes"][0].update(typical=[1, 2, 3, 4, 5, 6, 7])),
    ("a unit nobody knows", "TPL-2", lambda value: value.update(unit="KWX")),
    ("a unit in lower case", "TPL-2", lambda value: value.update(unit="kwh")),
    ("an attribute's unit in words", "TPL-2", lambda value: value["attributes"][1].update(unit="%%")),
    ("a currency sign", "TPL-3", lambda value: value.update(currency="gbp")),
    ("a name twice", "TPL-4", lambda value: value["attributes"].append(value["attributes"][0])),
    ("two prices", "TPL-4", lambda value: value["attributes"][1].update(price_minor=1)),
    ("a scale of 20", "TPL-4", lambda value: value["attributes"][1].update(scale=20)),
    ("bounds that cross", "TPL-4", lambda value: value["attributes"][1].update(least=11)),
    ("group sizes that cross", "TPL-5", lambda value: value.update(least=41)),
    ("a cut-off after the next epoch", "TPL-6", lambda value: value.update(cutoff_ms=86_400_000)),
    ("a lower rate without a rate", "TPL-10", lambda value: value.update(tax_hundredths=0)),
    ("exempt from tax at five percent", "TPL-10", lambda value: value.update(tax_category="E")),
    ("as invoiced at five percent", "TPL-10", lambda value: value.update(tax_category="as-invoiced")),
    (
        "net with a tax that differs",
        "TPL-10",
        lambda value: value.update(tax_category="as-invoiced", tax_hundredths=0, price_basis="net"),
    ),
    ("a charge twice", "TPL-11", lambda value: value["charges"].append(value["charges"][0])),
    ("a charge called as an attribute", "TPL-11", lambda value: value["charges"][0].update(name="well_known")),
    ("a charge that nobody may leave out", "TPL-11", lambda value: value["charges"][0].update(least_minor=1)),
    ("one typical value", "TPL-13", lambda value: value["attributes"][0].update(typical=[180])),
    ("typical values that fall", "TPL-13", lambda value: value["attributes"][0].update(typical=[220, 180])),
    ("a typical value out of bounds", "TPL-13", lambda value: value["attributes"][2].update(typical=[50, 101])),
]
COSTS: list[tuple[str, str, int, int, int, dict[str, int]]] = [
    ("no charge", "electricity", 220, 300, 10, {}),
    ("every month and once", "electricity", 220, 300, 10, {"standing_charge": 1_800, "welcome_credit": -5_000}),
    ("an installation", "broadband", 2_700, 10, 10, {"installation": 6_000, "cash_back": -2_500}),
    ("one delivery each", "heating-oil", 6_200, 50, 4, {"delivery": 1_500}),
    ("a delivery every month", "bulk-food", 180, 50, 5, {"delivery": 300}),
]
SUBJECTS = [
    ("GTIN 4012345678901", "gtin-4012345678901"),
    ("  Brompton  C-Line (Explore) ", "brompton-c-line-explore"),
    ("Küchenmaschine", "kuchenmaschine"),
    ("x" * 48, "x" * 48),
]
NO_SUBJECTS = ["", "  ", "–", "日本", "x" * 49]
SPEEDS = (1, 60, 1440, 10**9)


def broken(change: Change) -> dict[str, Any]:
    value = good()
    change(value)
    return value


def vectors() -> dict[str, Any]:
    """spec/vectors/template.json."""
    cases: list[dict[str, Any]] = []
    for category in categories():
        template = load(category)
        cases.append(
            {
                "name": category,
                "clause": "TPL-7",
                "input": template.to_mapping(),
                "output": {"encoding": encode(template.to_mapping()).hex(), "hash": template.hash.hex()},
            }
        )
    for speed in SPEEDS:
        faster = scaled(load("electricity"), speed)
        cases.append(
            {
                "name": f"{speed} times faster",
                "clause": "TPL-8",
                "input": {"template": good(), "speed": speed},
                "output": {"epoch_ms": faster.epoch_ms, "cutoff_ms": faster.cutoff_ms, "hash": faster.hash.hex()},
            }
        )
    cases += [
        {
            "name": f"{members} at 3,500 a period",
            "clause": "TPL-9",
            "input": {"spends_minor": [3500] * members, "periods": 60},
            "output": pooled_value([3500] * members, 60),
        }
        for members in (1, 10, 100, 1000)
    ]
    cases += [
        {
            "name": name,
            "clause": "TPL-12",
            "input": {
                "template": load(category).to_mapping(),
                "unit_price_minor": price,
                "quantity": quantity,
                "members": members,
                "charges": charges,
            },
            "output": load(category).cost(price, quantity, members, charges),
        }
        for name, category, price, quantity, members, charges in COSTS
    ]
    cases += [
        {"name": f"subject {number}", "clause": "TPL-15", "input": {"words": words}, "output": subject}
        for number, (words, subject) in enumerate(SUBJECTS)
    ]
    cases += [
        {"name": f"no subject {number}", "clause": "TPL-15", "input": {"words": words}, "reject": "TPL-15"}
        for number, words in enumerate(NO_SUBJECTS)
    ]
    cases += [{"name": name, "clause": code, "input": broken(change), "reject": code} for name, code, change in BAD]
    return {"name": "template", "spec": "04-template", "cases": cases}


def test_the_vectors_are_committed() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == json.loads(json.dumps(vectors()))


@pytest.mark.parametrize(("code", "change"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_template_is_refused_with_its_clause(code: str, change: Change) -> None:
    """TPL-1 to TPL-6."""
    with pytest.raises(Reject) as error:
        parse(broken(change))
    assert error.value.code == code
    assert error.value.message.startswith("template")


@pytest.mark.parametrize("category", categories())
def test_every_category_survives_the_wire(category: str) -> None:
    """TPL-7: the hash is of the value, not of the file it was read from."""
    template = load(category)
    again = parse(decode(encode(template.to_mapping())))
    assert again == template
    assert again.hash == template.hash
    assert template.category == category
    assert template.price is not None
    assert template.price not in template.compared
    assert set(template.priors) == {row.name for row in template.attributes}


@given(st.integers(1, 10**12))
def test_speed_changes_durations_only(speed: int) -> None:
    """TPL-8."""
    template = load("bulk-food")
    faster = scaled(template, speed)
    assert 0 < faster.cutoff_ms < faster.epoch_ms <= template.epoch_ms
    assert parse(faster.to_mapping()) == faster
    assert faster.attributes == template.attributes
    assert (faster.hash == template.hash) == (speed == 1)


@pytest.mark.parametrize(("members", "pooled"), [(1, 210_000), (10, 2_100_000), (100, 21_000_000), (1000, 210_000_000)])
def test_pooled_value(members: int, pooled: int) -> None:
    """TPL-9: £35 a month over 60 months."""
    assert pooled_value([3500] * members, 60) == pooled
    assert pooled_value([2**53 - 1] * members, 60) == 2**53 - 1


@pytest.mark.parametrize(
    ("quantity", "members", "charges", "cost"),
    [
        (300, 10, {}, 220 * 300 * 60),
        (300, 10, {"standing_charge": 1_800}, 220 * 300 * 60 + 10 * 1_800 * 60),
        (300, 10, {"welcome_credit": -5_000}, 220 * 300 * 60 - 10 * 5_000),
        (0, 0, {"standing_charge": 1_800}, 0),
    ],
)
def test_what_a_deal_costs(quantity: int, members: int, charges: dict[str, int], cost: int) -> None:
    """TPL-12: by hand, over five years of electricity."""
    assert load("electricity").cost(220, quantity, members, charges) == cost


@pytest.mark.parametrize(("words", "subject"), SUBJECTS)
def test_a_subject_out_of_words(words: str, subject: str) -> None:
    """TPL-15: spelling does not part those who mean the same."""
    assert subject_of(words) == subject
    assert subject_of(subject) == subject


@pytest.mark.parametrize("words", NO_SUBJECTS)
def test_what_is_no_subject(words: str) -> None:
    """TPL-15."""
    with pytest.raises(Reject) as error:
        subject_of(words)
    assert error.value.code == "TPL-15"


def test_only_what_has_a_name_has_a_subject() -> None:
    """TPL-15."""
    named = [category for category in categories() if load(category).subject == "named"]
    assert named == ["anything"]
    assert [load("anything").compares(one) for one in ("", "bike")] == [False, True]
    assert [load("mobile").compares(one) for one in ("", "bike")] == [True, False]


@given(st.lists(st.text(max_size=50), max_size=32))
def test_any_columns_make_a_template(names: list[str]) -> None:
    """TPL-4: names differ whatever the columns are called."""
    template = from_attributes(names)
    assert len(template.attributes) == len(names)
    assert parse(template.to_mapping()) == template


def test_columns_keep_their_order_and_one_is_the_price() -> None:
    template = from_attributes(["Local", "Price (c/kWh)", "local ", "unit cost"])
    assert [row.name for row in template.attributes] == ["local", "price__c_kwh", "local_2", "unit_cost"]
    assert template.price == template.attributes[1]
    assert from_attributes(["a", "b"], price="b").price == from_attributes(["a", "b"], price="b").attributes[1]
    assert from_attributes(["enterprise", "costume"]).price is None
    with pytest.raises(Reject) as error:
        from_attributes([str(number) for number in range(33)])
    assert error.value.code == "TPL-1"


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        (b"category = ", "TPL-1", "is not TOML"),
        (b"\xff\xfe", "TPL-1", "is not UTF-8"),
        (b"#" * 70_000, "TPL-1", "more than 65536 bytes"),
        (b"a = " + b"[" * 30_000, "TPL-1", "t.toml: is"),
        (b"periods = 1.5", "TPL-1", "template.category: is missing"),
        (b"", "TPL-1", "template.category: is missing"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence(tmp_path: Path, content: bytes, code: str, says: str) -> None:
    path = tmp_path / "t.toml"
    path.write_bytes(content)
    with pytest.raises(CommandError, match=says) as error:
        load_file(path)
    assert error.value.code == code


def test_numbers_with_a_point_have_no_place(tmp_path: Path) -> None:
    path = tmp_path / "t.toml"
    text = (FOLDER / "electricity.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("periods = 60", "periods = 60.0"), encoding="utf-8")
    with pytest.raises(CommandError, match=r"t\.toml: template\.periods: must be an integer"):
        load_file(path)


def test_no_file_and_no_category(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        load_file(tmp_path / "none.toml")
    for name in ("../config", "steam", ""):
        with pytest.raises(CommandError, match="broadband, bulk-food, electricity"):
            load(name)


def test_money_in_words() -> None:
    assert money(123_450, "GBP") == "GBP 1,234.50"
    assert money(-5, "GBP") == "GBP -0.05"
    assert money(1234, "JPY") == "JPY 1,234"
    assert minor_digits("KWD") == 3
