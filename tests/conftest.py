"""For all tests."""

import gc


def pytest_collection_finish() -> None:
    """What is there by now stays to the end. To look it through for garbage again and again would take seconds."""
    gc.freeze()
