"""Programs of others that a benchmark runs beside ours, each in an environment of its own."""
