"""Units of measure by their codes, and what people call them.

Decides which codes a template may use, so that a slip of the pen is no unit; never converts between units.
Spec: 04-template, TPL-2.
"""

from __future__ import annotations

from collections.abc import Mapping

UNITS: Mapping[str, str] = {  # UN/CEFACT Recommendation 20: code -> the word after a number
    "4L": "MB",
    "ANN": "years",
    "C62": "pieces",
    "CEL": "°C",
    "CMT": "cm",
    "D30": "TJ",
    "DAY": "days",
    "DZN": "dozen",
    "E20": "Mbit/s",
    "E34": "GB",
    "GRM": "g",
    "GV": "GJ",
    "HAR": "ha",
    "HLT": "hl",
    "HUR": "hours",
    "KGM": "kg",
    "KMT": "km",
    "KWH": "kWh",
    "KWT": "kW",
    "LTR": "litres",
    "MBR": "millibar",
    "MIN": "minutes",
    "MLT": "ml",
    "MMT": "mm",
    "MON": "months",
    "MTK": "m²",
    "MTQ": "m³",
    "MTR": "m",
    "MWH": "MWh",
    "P1": "%",
    "PR": "pairs",
    "SEC": "seconds",
    "SET": "sets",
    "STL": "standard litres",
    "TNE": "tonnes",
    "WEE": "weeks",
    "WTT": "W",
}
PERIODS: Mapping[str, str] = {"DAY": "day", "WEE": "week", "MON": "month", "ANN": "year"}
