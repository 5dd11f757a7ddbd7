"""Images of a run in; out come the light that fell on them, and images without its unevenness."""
