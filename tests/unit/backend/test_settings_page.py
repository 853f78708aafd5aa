"""The page of settings names those that there are, and no others."""

import re

from scripts.anvil import ROOT


def test_each_setting_is_on_the_page() -> None:
    read = set(re.findall(r'source\.value\(\s*"([A-Z_]+)"', (ROOT / "backend/config.py").read_text()))
    table = re.findall(r"^\| (`.+?) \|", (ROOT / "docs/reference/settings.md").read_text(), re.MULTILINE)
    assert {name for cell in table for name in re.findall("`([A-Z_]+)`", cell)} == read
