"""Runs beside stations and vehicles: takes what they measure, signs it, keeps it, sends it."""
