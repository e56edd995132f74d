"""Statistics, tables, plots and pages of evidence, all from the JSON files in bench/results."""
