"""Planes in; out come files that are whole or absent, with their provenance."""
