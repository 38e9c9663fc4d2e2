"""A run: one folder that holds everything one pass through the notebooks reads, makes and says."""
