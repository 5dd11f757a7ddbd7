"""The workflow's scripts; Snakemake's own process imports `scripts.clearfield` from here."""
