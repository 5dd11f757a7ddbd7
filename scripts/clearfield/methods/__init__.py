"""A projected plane in; out come its background and the plane without it."""
