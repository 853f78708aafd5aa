"""The benchmarks of records run: audit, ingest, settlement."""

import pytest

from tests.integration.figures import figures_of

pytestmark = pytest.mark.timeout(200)


def test_audit_of_a_small_record_names_every_tampering_and_nothing_else() -> None:
    sizes = ("--readings", "2000", "--runs", "1", "--tamperings", "20")
    found = figures_of("bench.audit", *sizes)
    assert (found["tamperings_named"], found["false_alarms"]) == (20, 0)
    assert found["readings"] >= 2_000
    for name in ("readings_per_s", "raw_limit_per_s", "ratio_to_raw_limit", "readings_per_s_all_cores", "memory_mb"):
        assert found[name] > 0, name


def test_ingest_of_a_few_deliveries_keeps_every_reading() -> None:
    sizes = ("--stations", "20", "--deliveries", "3", "--json-deliveries", "2", "--singles", "200", "--runs", "1")
    found = figures_of("bench.ingest", *sizes)
    assert found["readings"] == 3 * 1_000 + 2 * 1_000 + 200
    assert (found["stations"], found["runs"]) == (20, 1)
    for name in ("verified_durable_readings_per_s", "signature_limit_per_s", "json_readings_per_s"):
        assert found[name] > 0, name
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert 0 < found["ratio_to_signature_limit"] < 2


def test_settlement_of_a_few_statements_leaves_none_behind() -> None:
    # As many as are settled at once: fewer would wait for more.
    found = figures_of("bench.settle", "--stations", "8", "--statements", "4", "--rows", "2", "--runs", "1")
    assert (found["statements"], found["sessions"], found["left_behind"]) == (32, 64, 0)
    assert found["batches"] >= 1
    assert found["sessions_per_s"] > 0
    assert found["chain_limit_sessions_per_s"] > 0
