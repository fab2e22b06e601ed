"""docs/metrics.md lists all series, as the code has them."""

from __future__ import annotations

import re

from support.house.pages import ROOT
from tamias.launcher.metrics.families import FAMILIES

PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")


def cells(first: str) -> list[list[str]]:
    """The rows of the table whose first column has this head."""
    table = PAGE.partition(f"| {first} |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.split("\n")[2:]]


def test_each_series_has_its_row_with_type_labels_and_meaning() -> None:
    assert cells("name") == [
        [f"`{each.name}`", each.type, ", ".join(f"`{label}`" for label in each.labels), each.help]
        for each in FAMILIES.values()
    ]


def test_each_label_is_explained() -> None:
    labels = {label for family in FAMILIES.values() for label in family.labels}
    assert {row[0].strip("`") for row in cells("label")} == labels


def test_names_that_the_text_uses_exist() -> None:
    assert set(re.findall(r"tamias_\w+", PAGE)) <= set(FAMILIES)


def test_names_follow_the_rules_of_prometheus() -> None:
    for family in FAMILIES.values():
        assert re.fullmatch(r"tamias_[a-z]+(_[a-z]+)*", family.name)
        assert family.name.endswith("_total") == (family.type == "counter")
        assert not family.unit or family.unit in family.name
