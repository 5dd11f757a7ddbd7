"""The config in; out come samples, settings and resources. Snakemake's own process: no numpy."""
