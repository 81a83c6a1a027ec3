"""Hostile rating files: numbers at the edge of what a float holds (10-reputation)."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from node.ratings import score_files


@pytest.mark.parametrize("weight", ["1e-320", "1e-310", "1e-300", "0.5"])
def test_the_least_trust_there_is_leads_on_as_any_other(weight: str, tmp_path: Path) -> None:
    """REP-9, REP-17: the only one whom one trusts is heard, however little that is; no number overflows."""
    ratings, pairs = tmp_path / "r.csv", tmp_path / "p.csv"
    ratings.write_text(f"source,target,weight,timestamp\na,b,{weight},1\nb,c,-10,1\n")
    pairs.write_text("observer,subject\na,c\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (row,) = score_files(ratings, pairs).rows
    ratings.write_text("source,target,weight,timestamp\na,b,10,1\nb,c,-10,1\n")
    (sure,) = score_files(ratings, pairs).rows
    assert row[3] == pytest.approx(sure[3], abs=1e-9)
    assert row[3] < 0.5
