"""The alert rules and the dashboard use metrics that exist, with labels that they have."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from support.house.pages import ROOT
from tamias.console.exporting.families import Families
from tamias.launcher.metrics.families import FAMILIES

FOLDER = ROOT / "docs/monitoring"
OF_THE_PAGE = {family.name for family in Families.of([])}
BY_SCRAPING = {"agent", "instance", "job"}


def rules() -> list[dict[str, Any]]:
    content = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    panels = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [*shown, *(rule["expr"] for rule in rules())]


@pytest.mark.parametrize("expression", expressions())
def test_each_metric_exists(expression: str) -> None:
    names = re.findall(r"tamias_\w+", expression)
    assert names
    for name in names:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        family = FAMILIES.get(name) or FAMILIES.get(base)
        if family is None:
            assert name in OF_THE_PAGE
        elif family.type == "histogram":
            assert name != base, "a histogram is shown by its buckets, sum and count"
        elif family.type == "counter":
            assert re.search(rf"(rate|increase)\({name}", expression), "a counter only grows"


@pytest.mark.parametrize("expression", expressions())
def test_each_label_exists(expression: str) -> None:
    labels = set(BY_SCRAPING) | {"le"}
    for name in re.findall(r"tamias_\w+", expression):
        family = FAMILIES.get(name) or FAMILIES.get(re.sub(r"_(bucket|sum|count)$", "", name))
        labels.update(family.labels if family is not None else ())
    used = re.findall(r"(?:by|on|without) \(([^)]*)\)", expression)
    assert {label.strip() for group in used for label in group.split(",")} <= labels


def test_texts_of_alerts_use_labels_that_are_left() -> None:
    for rule in rules():
        text = " ".join(rule["annotations"].values())
        used = set(re.findall(r"\$labels\.(\w+)", text))
        names = re.findall(r"tamias_\w+", rule["expr"])
        left = {label for name in names if name in FAMILIES for label in FAMILIES[name].labels}
        assert used <= {*left, *BY_SCRAPING}, rule["alert"]
        assert {"summary", "description"} <= rule["annotations"].keys()
