"""Benchmarks: one module each, all with --json."""
