"""Planes in, planes out; no files."""
