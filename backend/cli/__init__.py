"""The command `wattledger`: one file for each of its commands."""
