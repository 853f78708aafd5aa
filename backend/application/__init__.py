"""Use cases, one file each, over ports."""
