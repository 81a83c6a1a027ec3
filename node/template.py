"""Category templates as TOML files, and what they say in words.

Decides where templates are found and says what is wrong with one; what a template may say is protocol.coop.template's.
Spec: 04-template, TPL-1 to TPL-15.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from protocol.coop.template import AS_INVOICED, Attribute, Charge, Template, money, parse
from protocol.coop.units import PERIODS, UNITS
from protocol.errors import CommandError, Reject

FOLDER = Path(__file__).parent / "templates"
_FILE_BYTES_MAX = 64 * 1024
_TAXES = {"S": "standard rate", "AA": "lower rate", "Z": "zero rated", "E": "exempt", AS_INVOICED: "as invoiced"}


def categories() -> tuple[str, ...]:
    """The categories that come with the node, in alphabetical order."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(category: str) -> Template:
    """The template that comes with the node. Raises CommandError TPL-1 for a category without one."""
    if category not in categories():
        raise CommandError("TPL-1", f"category {category[:40]!r}: no template; there are {', '.join(categories())}")
    return load_file(FOLDER / f"{category}.toml")


def load_file(path: Path) -> Template:
    """The template in a TOML file. Raises CommandError with the clause, naming the file and the field."""
    try:
        with path.open("rb") as file:
            content = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CommandError("TPL-1", f"{path.name}: cannot be read: {error.strerror}") from None
    if len(content) > _FILE_BYTES_MAX:
        raise CommandError("TPL-1", f"{path.name}: more than {_FILE_BYTES_MAX} bytes")
    try:
        return parse(tomllib.loads(content.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise CommandError("TPL-1", f"{path.name}: is not UTF-8 text") from None
    except ValueError as error:  # of TOML, or a number of thousands of digits
        raise CommandError("TPL-1", f"{path.name}: is not TOML: {error}") from None
    except RecursionError:
        raise CommandError("TPL-1", f"{path.name}: is nested too deep") from None
    except Reject as error:
        raise CommandError(error.code, f"{path.name}: {error.message}") from None


def in_home(home: Path) -> dict[str, Template]:
    """Category -> template: those that come with the node, and those in the home's folder `templates`, which win."""
    own = sorted((home / "templates").glob("*.toml"))
    found = [load(category) for category in categories()] + [load_file(path) for path in own]
    return {template.category: template for template in found}


def tell(template: Template) -> str:
    """A template for people: what is counted, what it costs, what is compared and how (CLI-50)."""
    once = template.periods == 1
    horizon = "one purchase" if once else f"{template.periods} {PERIODS[template.period]}s"
    unit = f"{template.unit_quantity:,} {UNITS[template.unit]}"
    unit = "one piece" if unit == "1 pieces" else unit
    each = "bought once" if once else f"a {PERIODS[template.period]}"
    tax = _TAXES[template.tax_category]
    rate = f" at {template.tax_hundredths / 100:g} %" if template.tax_hundredths else ""
    lines = [
        f"{template.category}, version {template.version}: {template.title}",
        f"  One unit is {unit}{', ' if once else ' '}{each}; offers are compared over {horizon}.",
        f"  Prices are in {template.currency}, {template.price_basis} of taxes ({tax}{rate}).",
    ]
    if template.pack > 1:
        lines.append(f"  A supplier may deliver in packs of up to {template.pack} units.")
    if template.subject == "named":
        lines.append("  An intent names its subject; only those of one subject compare.")
    if template.price is not None:
        step = money(template.price.price_minor, template.currency)
        lines.append(f"  People read the price in {template.price.label}; one more of it is {step} more a unit.")
    lines += [f"  Besides: {_charge(one, template)}." for one in template.charges]
    lines.append("  Each quotation states:")
    lines += [f"    {_attribute(one)}" for one in template.compared]
    weighed = [one.label for one in template.compared if one.ranking == "weighed"]
    counted = f"; what members' weights make of {', '.join(weighed)} counts as money" if weighed else ""
    lines.append(f"  Ranked by what all who are served pay over {horizon}, charges included{counted}.")
    lines.append(f"  Groups have {template.least} to {template.most} members.")
    lines.append(f"  Hash: {template.hash.hex()}")
    return "\n".join(lines)


def _charge(charge: Charge, template: Template) -> str:
    least, most = (money(one, template.currency) for one in (charge.least_minor, charge.most_minor))
    each = "once" if charge.per == "once" else f"every {PERIODS[template.period]}"
    return f"{charge.label}, {each}, from {least} to {most} a member"


def _attribute(attribute: Attribute) -> str:
    least, most = (f"{one / attribute.scale:g}" for one in (attribute.least, attribute.most))
    yes_or_no = (attribute.unit, least, most) == ("C62", "0", "1")
    values = "no or yes" if yes_or_no else f"{least} to {most} {UNITS[attribute.unit]}"
    better = {"more": ", more is better", "less": ", less is better", "none": ""}[attribute.better]
    only = "" if attribute.ranking == "weighed" else "; does not count in the ranking"
    return f"{attribute.label} ({attribute.name}): {values}{better}{only}"
