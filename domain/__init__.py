"""The way of a kWh as pure functions and values: no I/O, no clock, no framework."""
