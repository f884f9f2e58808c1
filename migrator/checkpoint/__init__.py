"""The checkpoint of a batch: one SQLite file, written by one thread, safe to kill at any moment."""
