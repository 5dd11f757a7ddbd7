"""Planes and tables in; out comes what a person looks at."""
