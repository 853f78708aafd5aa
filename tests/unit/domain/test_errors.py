"""The public tree of errors, pinned: a new or moved error shows here."""

import inspect
from typing import Any

import pytest

from domain import errors
from domain.errors import OutOfRange, WattledgerError

TREE = {
    "WattledgerError": "Exception",
    "Malformed": "WattledgerError",
    "OutOfRange": "Malformed",
    "InvalidCid": "Malformed",
    "BadSignature": "WattledgerError",
    "HighS": "BadSignature",
    "WrongSigner": "BadSignature",
    "KeyNoLongerValid": "BadSignature",
    "NotFound": "WattledgerError",
    "UnknownStation": "NotFound",
    "UnknownAccount": "NotFound",
    "UnknownTariff": "NotFound",
    "UnknownSession": "NotFound",
    "EvidenceMissing": "NotFound",
    "ReadingRefused": "WattledgerError",
    "AnotherStation": "ReadingRefused",
    "SequenceGap": "ReadingRefused",
    "SequenceReused": "ReadingRefused",
    "RegisterWentBack": "ReadingRefused",
    "MoreThanRated": "ReadingRefused",
    "TimeWentBack": "ReadingRefused",
    "FromTheFuture": "ReadingRefused",
    "ExportNotPossible": "ReadingRefused",
    "SpansIntervals": "ReadingRefused",
    "AuthorisationRefused": "Malformed",
    "NotAuthorised": "WattledgerError",
    "NeedRefused": "Malformed",
    "NeedOutdated": "WattledgerError",
    "StatementRefused": "WattledgerError",
    "StationIsSuspended": "WattledgerError",
    "RowsDoNotSum": "StatementRefused",
    "RowsDiffer": "StatementRefused",
    "TelemetryRootDiffers": "StatementRefused",
    "TariffNotValid": "StatementRefused",
    "NoTariff": "StatementRefused",
    "OffMarket": "StatementRefused",
    "NothingToSettle": "WattledgerError",
    "EvidenceAltered": "WattledgerError",
    "OrderRefused": "Malformed",
    "OffTick": "OrderRefused",
    "ExpiresBeforeGate": "OrderRefused",
    "OtherAuction": "OrderRefused",
    "NonceTaken": "OrderRefused",
    "BackstopPastLimit": "OrderRefused",
    "BookRefused": "Malformed",
    "QuantitiesDiffer": "WattledgerError",
    "ClearingRefused": "WattledgerError",
    "OtherBook": "ClearingRefused",
    "ForcedLinesDiffer": "ClearingRefused",
    "PriceNotPossible": "ClearingRefused",
    "PriceDoesNotClear": "ClearingRefused",
    "VolumeDiffers": "ClearingRefused",
    "PriceIntervalTooShort": "ClearingRefused",
    "RationingDiffers": "ClearingRefused",
    "FillsDiffer": "ClearingRefused",
    "BackstopFilledPastLimit": "ClearingRefused",
    "OrdersCross": "ClearingRefused",
    "PlanNotFound": "WattledgerError",
}
CLASSES: dict[str, type[WattledgerError]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and value.__module__ == errors.__name__ and issubclass(value, WattledgerError)
}
CARRIERS = {name: cls for name, cls in CLASSES.items() if "__init__" in vars(cls)}
VALUES: dict[Any, object] = {int: 7, float: 0.5, str: "text", bytes: bytes(20)}


def example(cls: type[WattledgerError]) -> tuple[WattledgerError, dict[str, object]]:
    names = list(inspect.signature(cls).parameters.values())
    values = {parameter.name: VALUES[parameter.annotation] for parameter in names}
    return cls(**values), values


def test_tree_of_errors_is_the_published_one() -> None:
    assert {name: cls.__mro__[1].__name__ for name, cls in CLASSES.items()} == TREE


@pytest.mark.parametrize("name", CARRIERS)
def test_error_says_something_and_shows_no_representation_of_bytes(name: str) -> None:
    error, _ = example(CARRIERS[name])
    assert len(str(error)) > 10
    assert "\\x" not in str(error)


@pytest.mark.parametrize("name", sorted(set(CARRIERS) - {"InvalidCid"}))
def test_error_carries_its_values(name: str) -> None:
    error, values = example(CARRIERS[name])
    assert {key: getattr(error, key) for key in values} == values


def test_every_class_in_the_file_is_an_error_of_the_project() -> None:
    classes = {name for name, value in vars(errors).items() if getattr(value, "__module__", "") == errors.__name__}
    assert classes == set(CLASSES)


@pytest.mark.parametrize("name", CLASSES)
def test_error_carries_values_or_says_what_it_stands_for(name: str) -> None:
    assert name in CARRIERS or CLASSES[name].__doc__


def test_number_too_long_to_show_is_described() -> None:
    assert "16610-bit integer" in str(OutOfRange("energy", 10**5_000, 0, 1))
    assert "energy is -5" in str(OutOfRange("energy", -5, 0, 1))
