"""Databases, chain, evidence stores and the clock behind the ports."""
