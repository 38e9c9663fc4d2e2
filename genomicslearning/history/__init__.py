"""ClinVar through time: whole releases, and splits of a training set by what was known when."""
