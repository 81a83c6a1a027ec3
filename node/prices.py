"""A supplier's price list: what the rows of a spreadsheet offer, what is wrong with them, and what they would change.

Decides what a row means and names every row, column and value that it cannot read; never signs, never keeps. The file
is hostile. Spec: 16-supplier, SUP-1 to SUP-8.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise

from node.sheet import CELL_SHOWN_MAX, EXPONENT, Layout, Row, Unread, bare, decimal_sign, layout_of, normal, rows, value
from protocol.coop.template import Template, minor_digits, subject_of
from protocol.deal.offer import Offer
from protocol.errors import CommandError, Reject
from protocol.params import PACK_MAX, RUNGS_MAX, SKU_MAX

FILE_BYTES_MAX = 64 << 20
ROWS_MAX = 1_000_000
OFFERS_MAX = 100_000
COMPLAINTS_MAX = 10_000  # told in full; beyond it they are counted
_CACHE_MAX = 20_000
_MONEY_MAX = 10**12
_QUANTITY_MAX = 10**9
_SIGNS = {"": "", "comma": ",", "point": "."}
_COUNTS = ("min_qty", "capacity", "pack", "stock")
_UNITS = {
    "KMT": ("km",),
    "KGM": ("kg",),
    "KWH": ("kwh",),
    "LTR": ("l", "ltr"),
    "DAY": ("d", "day", "days", "tage", "jours"),
    "MON": ("month", "months", "monate", "mois"),
    "ANN": ("year", "years", "jahre", "ans"),
}
_BASE = {
    "sku": "sku, article, article number, article no, item, item number, item no, part number, product code, code, ean,"
    " gtin, artikel, artikelnummer, artikel nr, art nr, bestellnummer, référence, réf, code article, codigo,"
    " referencia, artikelnr, codice, codice articolo, kod",
    "min_qty": "min_qty, minimum, minimum quantity, from quantity, quantity from, moq, quantity break, ab menge, menge"
    " ab, mindestmenge, staffel, staffelmenge, quantité minimale, quantité min, cantidad mínima, minimum aantal, vanaf,"
    " staffel vanaf, quantità minima",
    "unit_price": "unit_price, price, list price, preis, einzelpreis, stückpreis, prix, prix unitaire, precio, precio"
    " unitario, prijs, stukprijs, eenheidsprijs, prezzo, prezzo unitario, cena",
    "capacity": "capacity, available, availability, max qty, maximum quantity, max quantity, verfügbar, verfügbare"
    " menge, kapazität, disponible, quantité disponible, capacité, cantidad disponible, capacidad, beschikbaar,"
    " capaciteit, disponibile, capacità",
    "pack": "pack, pack size, case size, box size, ve, verpackungseinheit, gebinde, gebindegröße, conditionnement,"
    " colisage, embalaje, verpakkingseenheid, confezione",
    "stock": "stock, in stock, stock on hand, inventory, bestand, lagerbestand, en stock, existencias, voorraad,"
    " giacenza",
    "floor": "floor, floor price, lowest price, min price, mindestpreis, preisuntergrenze, prix plancher, prix minimum,"
    " precio mínimo, minimumprijs, prezzo minimo",
    "cost": "cost, unit cost, purchase price, einstandspreis, ek, ek preis, einkaufspreis, coût, prix d'achat, prix de"
    " revient, coste, inkoopprijs, kostprijs, costo",
    "subject": "subject, model, norm, standard, gegenstand, modell, modèle, modelo",
    "tax": "tax, vat, vat rate, mwst, ust, steuersatz, tva, iva, btw",
    "category": "category, kategorie, warengruppe, catégorie, categoría, categorie, categoria",
}
_BASIS = {
    "net": "net price, price net, unit price net, nettopreis, preis netto, netto, prix ht, pu ht, precio neto",
    "gross": "gross price, price gross, price incl vat, bruttopreis, preis brutto, brutto, prix ttc, precio con iva",
}
_OPTIONAL = ("min_qty", "pack", "stock", "floor", "cost", "category", "tax", "subject")
_MARKS = {"GBP": ("£",), "EUR": ("€", "euro"), "USD": ("$", "us$"), "CHF": ("fr", "sfr"), "JPY": ("¥",), "PLN": ("zł",)}
_CROWNS = ("DKK", "NOK", "SEK", "CZK")
_YES = dict.fromkeys("yes y ja j oui o sí si s true wahr vrai x".split(), 1)
_WORDS = _YES | dict.fromkeys("no n nein non nee false falsch faux".split(), 0)
_RISKY = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the supplier said of its file: headings by column, columns with one value for all rows, text encoding, and
    "comma" or "point" where the decimal sign does not show; "" leaves it to the file."""

    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    encoding: str = ""
    decimal: str = ""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with one cell, or with a row (`column` ""): its line in the file, a sentence, its clause."""

    line: int
    column: str
    value: str
    message: str
    clause: str


@dataclass(frozen=True, slots=True)
class PriceList:
    """A file as it was read: its good articles, what is wrong with others (at most COMPLAINTS_MAX told of `wrong`), the
    articles that a complaint touches; `whole`: no row was so bad that its article is unknown."""

    offers: tuple[Offer, ...]
    complaints: tuple[Complaint, ...]
    wrong: int
    spoilt: frozenset[str]
    whole: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a list would change, articles in the order of the file; `gone` are taken away."""

    new: tuple[Offer, ...]
    changed: tuple[Offer, ...]
    same: int
    gone: tuple[str, ...]


def read(data: bytes, template: Template, reading: Reading | None = None) -> PriceList:
    """The articles of this category in a file. Raises CommandError SUP-1 to SUP-3 or SUP-5 for what is no list."""
    reading = reading or Reading()
    if len(data) > FILE_BYTES_MAX:
        raise CommandError("SUP-5", f"price list: more than {FILE_BYTES_MAX} bytes")
    if reading.decimal not in _SIGNS:
        raise CommandError("SUP-3", "decimal: comma or point")
    names = _names(template)
    layout = layout_of(data, names, reading.columns, reading.encoding)
    if not layout.columns:
        columns = ", ".join(names)[:300]
        raise CommandError("SUP-2", f"price list: no line names its columns; the first should: {columns}")
    known = {*layout.columns, *reading.constants}
    optional = {*_OPTIONAL, *(one.name for one in template.charges)} - {one.name for one in template.compared}
    for name in names:
        if name not in known and name not in optional:
            basis = f" (prices in this category are {template.price_basis})" if name == "unit_price" else ""
            raise CommandError("SUP-2", f"price list: there is no column {name}{basis}; name it by --column {name}=…")
    if template.subject == "named" and "subject" not in known:
        raise CommandError("SUP-2", "price list: there is no column subject; name it by --column subject=…")
    if strange := [name for name in reading.constants if name not in names]:
        raise CommandError("SUP-2", f"value {strange[0][:40]!r}: there is no column of this name")
    sign, notes = _decimal(data, layout, _SIGNS[reading.decimal])
    reader = _Reader(template, sign, bool(reading.decimal), dict(reading.constants))
    return reader.read(rows(data, layout), (*layout.notes, *notes))


def changes(before: Mapping[str, Offer], found: PriceList, whole: bool) -> Changes:
    """What differs from what is offered now. `whole`: the file is the whole list, and what it does not have is gone; an
    article that a complaint touches stays as it was (SUP-7)."""
    new = tuple(one for one in found.offers if one.sku not in before)
    changed = tuple(one for one in found.offers if one.sku in before and replace(before[one.sku], line=one.line) != one)
    named = {one.sku for one in found.offers} | found.spoilt
    gone = tuple(sku for sku in before if sku not in named) if whole and found.whole else ()
    return Changes(new, changed, len(found.offers) - len(new) - len(changed), gone)


def complaints_csv(complaints: Iterable[Complaint]) -> str:
    """The complaints as a file that a spreadsheet opens without running what stands in it (SUP-8)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["row", "column", "value", "problem", "clause"])
    for one in complaints:
        writer.writerow([one.line, safe(one.column), safe(one.value), safe(one.message), one.clause])
    return out.getvalue()


def safe(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula (SUP-8)."""
    return "'" + cell if cell.startswith(_RISKY) else cell


def _names(template: Template) -> dict[str, list[str]]:
    """Column -> headings: the template's own come first, so that its words win."""
    names = {one.name: [one.name, one.label] for one in template.compared}
    names |= {one.name: [one.name, one.label] for one in template.charges}
    taken = {normal(heading) for headings in names.values() for heading in headings}
    base = _BASE | {"unit_price": f"{_BASE['unit_price']}, {_BASIS[template.price_basis]}"}
    for name in (name for name in base if name not in names):
        words = base[name]
        if name in ("unit_price", "floor", "cost"):
            words += "".join(f", {word} {how}{template.currency}" for word in words.split(", ") for how in ("", "in "))
        names[name] = [word for word in words.split(", ") if normal(word) not in taken]
    return names


def _decimal(data: bytes, layout: Layout, told: str) -> tuple[str, tuple[str, ...]]:
    """The decimal sign of the whole file, from every cell that can be read in one way only; "" where none shows it, or
    both occur (SUP-3)."""
    if told:
        return told, ()
    seen: dict[str, tuple[int, str]] = {}
    for row in rows(data, layout):
        for name, cell in row.cells.items():
            if name not in ("sku", "category") and cell and not cell.isdecimal() and len(cell) <= CELL_SHOWN_MAX:
                number = cell.strip("+-£€$ ").rstrip("-")
                sign = decimal_sign(number) if number[:1].isdecimal() or number[:1] in ",." else ""
                if sign and sign not in seen and number[-1:].isdecimal():
                    seen[sign] = row.line, cell
        if len(seen) == 2:
            return "", ("Both decimal signs occur; a number that can be read in two ways is refused.",)
    for sign, (line, cell) in seen.items():
        return sign, (f"The decimal sign is {'a comma' if sign == ',' else 'a point'} (line {line}: {cell}).",)
    return "", ()


class _Reader:
    """One pass over the rows; thrown away afterwards."""

    def __init__(self, template: Template, sign: str, told: bool, constants: dict[str, str]) -> None:
        self._template, self._sign, self._told, self._constants = template, sign, told, constants
        code = template.currency
        self._currency = (code.casefold(), *_MARKS.get(code, ("kr", "kr.", "kč") if code in _CROWNS else ()))
        self._priced = {"unit_price", "floor", "cost", *(one.name for one in template.charges)}
        self._beside = {one.name: ("%", *_UNITS.get(one.unit, ())) for one in template.compared} | {"tax": ("%",)}
        self._beside |= dict.fromkeys(self._priced, self._currency)
        self._complaints: list[Complaint] = []
        self._wrong, self._complete, self._bad_row = 0, True, False
        self._found: dict[str, Offer] = {}
        self._spoilt: dict[str, None] = {}
        self._cache: dict[tuple[str, int, tuple[str, ...]], int] = {}

    def read(self, lines: Iterator[Row], notes: tuple[str, ...]) -> PriceList:
        repeated = 0
        for number, row in enumerate(lines):
            if number == ROWS_MAX:
                raise CommandError("SUP-5", f"price list line {row.line}: more than {ROWS_MAX} rows")
            repeated += self._row(row)
        for sku, offer in list(self._found.items()):
            self._check_ladder(offer)
            if sku in self._spoilt:
                del self._found[sku]
        if not self._found and not self._wrong:
            raise CommandError("SUP-2", f"price list: no row in category {self._template.category!r}")
        if repeated:
            notes = (*notes, f"{repeated} rows say again what another row says; they count once.")
        told = tuple(self._complaints)
        return PriceList(tuple(self._found.values()), told, self._wrong, frozenset(self._spoilt), self._complete, notes)

    def _complain(self, line: int, column: str, cell: str, message: str, clause: str, sku: str) -> None:
        self._bad_row = True
        self._wrong += 1
        if sku:
            self._spoilt[sku] = None
        else:
            self._complete = False
        if len(self._complaints) < COMPLAINTS_MAX:
            self._complaints.append(Complaint(line, column, cell[:CELL_SHOWN_MAX], message, clause))

    def _row(self, row: Row) -> bool:
        """Takes one row; whether it repeats another word for word."""
        if row.trouble:
            self._complain(row.line, "", "", row.trouble, "SUP-2", "")
            return False
        category = row.cells.get("category", "")
        if category and normal(category) != normal(self._template.category):
            return False
        self._bad_row = False
        cells = self._constants | {name: cell for name, cell in row.cells.items() if cell}
        sku = cells.get("sku", "")
        if not 1 <= len(sku.encode()) <= SKU_MAX or not sku.isprintable():
            self._complain(row.line, "sku", sku, f"must be 1 to {SKU_MAX} bytes of printable text", "SUP-4", "")
            return False
        if EXPONENT.fullmatch(sku):
            self._complain(row.line, "sku", sku, "is rounded by a spreadsheet; format the column as text", "SUP-4", "")
            return False
        offer = self._offer(row.line, sku, cells)
        return offer is not None and not self._bad_row and self._merge(offer)

    def _offer(self, line: int, sku: str, cells: Mapping[str, str]) -> Offer | None:
        def take(name: str, scale: int, least: int, most: int, default: int | None = None) -> int:
            return self._number(line, sku, name, cells.get(name, ""), scale, least, most, default)

        money = 10 ** minor_digits(self._template.currency)
        template = self._template
        charges = tuple(take(one.name, money, one.least_minor, one.most_minor, 0) for one in template.charges)
        return Offer(
            sku=sku,
            line=line,
            ladder=((take("min_qty", 1, 1, _QUANTITY_MAX, 1), take("unit_price", money, 1, _MONEY_MAX)),),
            capacity=take("capacity", 1, 1, _QUANTITY_MAX),
            pack=take("pack", 1, 1, min(PACK_MAX, template.pack), 1),
            attributes=tuple(take(one.name, one.scale, one.least, one.most) for one in template.compared),
            charges=charges if any(charges) else (),
            subject=self._subject(line, sku, cells.get("subject", "")),
            tax_hundredths=take("tax", 100, 0, 10_000, 0),
            floor_minor=take("floor", money, 0, _MONEY_MAX, 0),
            cost_minor=take("cost", money, 0, _MONEY_MAX, 0),
            stock=take("stock", 1, 0, _QUANTITY_MAX, -1),
        )

    def _subject(self, line: int, sku: str, cell: str) -> str:
        if self._template.subject != "named":
            return ""
        try:
            return subject_of(cell)
        except Reject as error:
            self._complain(line, "subject", cell, error.message, error.code, sku)
            return ""

    def _number(
        self, line: int, sku: str, name: str, cell: str, scale: int, least: int, most: int, default: int | None
    ) -> int:
        """A cell times its scale; complains and returns `least` when it is none, or out of bounds."""
        if not cell and default is not None and (default < least or least <= default <= most):
            return default
        try:
            found = self._whole(cell, scale, scale == 1 and (least, most) == (0, 1), name)
        except Unread as error:
            self._complain(line, name, cell, error.message if cell else "is empty", error.clause, sku)
            return least
        if not least <= found <= most:
            digits = len(str(scale)) - 1
            low, high = (f"{Decimal(one) / scale:.{digits}f}" for one in (least, most))
            self._complain(line, name, cell, f"must be from {low} to {high}", "SUP-4", sku)
        return found

    def _whole(self, cell: str, scale: int, yes_or_no: bool, name: str) -> int:
        if yes_or_no and cell.casefold() in _WORDS:
            return _WORDS[cell.casefold()]
        signs = self._beside.get(name, ())
        key = cell, scale, signs or _COUNTS
        if key in self._cache:
            return self._cache[key]
        number = bare(cell, signs)
        if name in _COUNTS and not self._told:
            self._unmistakable(number)
        found = value(number, self._sign) * scale
        if found != int(found):
            raise Unread("has more decimals than count here" if scale > 1 else "is not a whole number")
        if len(self._cache) == _CACHE_MAX:
            self._cache.clear()
        self._cache[key] = int(found)
        return int(found)

    def _unmistakable(self, number: str) -> None:
        """25.000 is 25 to one program and 25,000 to another, whatever the prices beside it look like (SUP-3)."""
        if decimal_sign(number) == "" and self._sign and number.count(self._sign) == 1:
            raise Unread("can be read in two ways; say --decimal comma or --decimal point")

    def _merge(self, row: Offer) -> bool:
        """Adds a rung to its article (SUP-4)."""
        known = self._found.get(row.sku)
        if known is None:
            if len(self._found) == OFFERS_MAX:
                raise CommandError("SUP-5", f"price list line {row.line}: more than {OFFERS_MAX} articles")
            self._found[row.sku] = row
            return False
        if replace(known, ladder=row.ladder, line=row.line) != row:
            message = f"stands in line {known.line} with other values than quantity and price"
            self._complain(row.line, "sku", row.sku, message, "SUP-4", row.sku)
        elif row.ladder[0] in known.ladder:
            return True
        elif any(minimum == row.ladder[0][0] for minimum, _ in known.ladder):
            message = f"{row.sku!r} has two prices from {row.ladder[0][0]} on"
            self._complain(row.line, "min_qty", str(row.ladder[0][0]), message, "SUP-4", row.sku)
        elif len(known.ladder) == RUNGS_MAX:
            self._complain(row.line, "sku", row.sku, f"has more than {RUNGS_MAX} rows", "SUP-4", row.sku)
        else:
            self._found[row.sku] = replace(known, ladder=tuple(sorted((*known.ladder, *row.ladder))))
        return False

    def _check_ladder(self, offer: Offer) -> None:
        """What no quotation could say is said now (NEG-2, NEG-3)."""
        for (minimum, price), (next_minimum, next_price) in pairwise(offer.ladder):
            if next_price > price:
                message = f"{offer.sku!r} costs more per unit from {next_minimum} on than from {minimum}"
                self._complain(offer.line, "unit_price", str(next_price), message, "SUP-4", offer.sku)
        if offer.capacity < max(offer.ladder[0][0], offer.pack):
            message = "is below the first minimum quantity or below one pack"
            self._complain(offer.line, "capacity", str(offer.capacity), message, "SUP-4", offer.sku)


def by_sku(offers: Sequence[Offer]) -> dict[str, Offer]:
    """The same, to be looked up."""
    return {one.sku: one for one in offers}
