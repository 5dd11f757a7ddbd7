"""One file for each family of metrics: its columns, how they are computed, and what is flagged."""
