"""Planes before and after in; out come sizes, metrics, verdicts and the table."""
