"""The chain: reading it, and one writer per key."""
