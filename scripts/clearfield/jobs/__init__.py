"""A script and its values in; out comes a process that ends with one sentence at most."""
