"""The client against a server that misbehaves."""

from typing import Any

import pytest

from oracle.client import BackendClient
from oracle.errors import BackendAnswerInvalid, BackendRefused, BackendUnavailable
from tests.vectors.world import first_reading, signed_reading


class FakeClock:
    """Does not wait; remembers how long it would have."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.stopped = False

    def unix_s(self) -> int:
        return int(sum(self.slept))

    def monotonic(self) -> float:
        return sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_busy_backend_is_asked_again_with_growing_pauses(backend: Any, clock: FakeClock) -> None:
    backend.faults[:] = [(503, {}), (0, {}), (502, {})]
    with BackendClient(backend.url, clock) as client:
        assert client.network().chain_id == 31_337
    assert clock.slept == [0.25, 0.5, 1.0]


def test_retry_after_is_respected_within_reason(backend: Any, clock: FakeClock) -> None:
    backend.faults[:] = [(503, {"Retry-After": "7"}), (503, {"Retry-After": "86400"}), (429, {"Retry-After": "soon"})]
    with BackendClient(backend.url, clock) as client:
        client.network()
    assert clock.slept == [7.0, 60.0, 1.0]


def test_tries_are_bounded(backend: Any, clock: FakeClock) -> None:
    backend.faults[:] = [(503, {})] * 20
    with BackendClient(backend.url, clock, tries=3) as client, pytest.raises(BackendUnavailable, match="in 3 tries"):
        client.network()
    assert len(backend.faults) == 17


def test_a_backend_that_is_not_there_is_named(clock: FakeClock) -> None:
    asked = pytest.raises(BackendUnavailable, match=r"http://127\.0\.0\.1:9/v1/network did not answer")
    with BackendClient("http://127.0.0.1:9", clock, tries=2) as client, asked:
        client.network()


def test_a_stopped_oracle_does_not_try_again(backend: Any, clock: FakeClock) -> None:
    clock.stopped = True
    backend.faults[:] = [(503, {})] * 20
    with BackendClient(backend.url, clock) as client, pytest.raises(BackendUnavailable):
        client.network()
    assert clock.slept == []


def test_a_refusal_carries_the_problems_detail_and_is_not_repeated(backend: Any, clock: FakeClock) -> None:
    backend.faults[:] = [(409, {})]
    with BackendClient(backend.url, clock) as client, pytest.raises(BackendRefused) as refused:
        client.post_statement("{}")
    assert (refused.value.status, refused.value.problem, refused.value.detail) == (409, "fault", "a fault")
    assert clock.slept == []


def test_redirects_are_not_followed(backend: Any, clock: FakeClock) -> None:
    backend.faults[:] = [(307, {"Location": backend.url + "/v1/network"})]
    with BackendClient(backend.url, clock) as client, pytest.raises(BackendRefused, match="307"):
        client.network()
    assert not backend.requests


@pytest.mark.parametrize("answer", [{}, {"chain_id": "1", "contracts": {}}, {"chain_id": 1, "contracts": {}}])
def test_answers_that_say_nothing_are_refused(
    backend: Any, clock: FakeClock, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "answer", lambda *_: (200, answer))
    with BackendClient(backend.url, clock) as client, pytest.raises(BackendAnswerInvalid):
        client.network()


def test_pages_that_never_end_are_given_up(backend: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "answer", lambda *_: (200, {"items": [], "next": 5}))
    with BackendClient(backend.url, clock) as client, pytest.raises(BackendAnswerInvalid, match="do not end"):
        client.tariffs()


@pytest.mark.parametrize(
    "answer",
    [
        {"accepted": 0, "duplicate": 0, "refused": []},
        {"accepted": 0, "duplicate": 0, "refused": [{"kind": "meter", "index": 1, "type": "x", "detail": "y"}]},
        {"accepted": 0, "duplicate": 0, "refused": [{"kind": "other", "index": 0, "type": "x", "detail": "y"}]},
        {"accepted": True, "duplicate": 0, "refused": []},
    ],
)
def test_a_batch_answer_that_does_not_add_up_acknowledges_nothing(
    backend: Any, clock: FakeClock, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "answer", lambda *_: (200, answer))
    with BackendClient(backend.url, clock) as client, pytest.raises(BackendAnswerInvalid):
        client.post_readings(meter=[signed_reading(first_reading())])


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://"])
def test_a_url_that_is_none_is_refused(clock: FakeClock, url: str) -> None:
    with pytest.raises(BackendAnswerInvalid, match="starts with http"):
        BackendClient(url, clock)
