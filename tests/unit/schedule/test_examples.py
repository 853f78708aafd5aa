"""The examples in the docstrings of the schedule's modules are true."""

import doctest
import importlib
import pkgutil

import pytest

import domain.schedule

MODULES = [f"domain.schedule.{found.name}" for found in pkgutil.iter_modules(domain.schedule.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_some_modules_have_examples() -> None:
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in MODULES) >= 8
