"""Limits on weighted sums stand in for those on phasors: whoever keeps to them breaks none of the network's."""

import numpy as np

from bench.peers.acnportal_arms import VOLTAGE_V, Limit, Network
from bench.schedule_caltech import circuits_of
from domain.bidding.stay import WHOLE_BP

GARAGE = Network(
    stations=("ab", "ab-pod", "bc", "ca"),
    phase_degrees=(30.0, 30.0, -90.0, 150.0),
    limits=(
        Limit(name="pod", limit_a=80, coefficients=(0, 1, 0, 0)),
        Limit(name="secondary", limit_a=139, coefficients=(1, 1, 0, -1)),
        Limit(name="primary", limit_a=60, coefficients=(0.25, 0.25, 0.25, -0.5)),
    ),
)
PLENTY_W = 10**6


def test_loads_at_the_edge_of_the_circuits_break_no_limit_of_the_network() -> None:
    circuits = circuits_of(GARAGE, PLENTY_W)
    limits_w = np.array(circuits.limits_w)
    parts = np.array([circuits.parts_bp[station] for station in GARAGE.stations]).T / WHOLE_BP
    shares = np.random.default_rng(4).dirichlet(np.full(4, 0.5), 5_000).T
    loads_w = shares / (parts @ shares / limits_w[:, None]).max(axis=0)
    excess_a = GARAGE.excess_a(loads_w / VOLTAGE_V).max(axis=0)
    assert excess_a.max() <= 0.05
    assert excess_a.min() > -0.12 * 139


def test_limits_are_exact_where_one_group_draws_alone() -> None:
    circuits = circuits_of(GARAGE, PLENTY_W)
    most_w = [
        min(w * WHOLE_BP / part for w, part in zip(circuits.limits_w, circuits.parts_bp[station], strict=True) if part)
        for station in GARAGE.stations
    ]
    assert np.allclose(most_w, np.array([139, 80, 240, 120]) * VOLTAGE_V, rtol=1e-3)


def test_limit_that_the_transformer_implies_is_left_out() -> None:
    assert circuits_of(GARAGE, 79 * VOLTAGE_V).limits_w == ()
