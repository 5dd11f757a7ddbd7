"""A file's series in; out come its description and, in one pass, its projection."""
