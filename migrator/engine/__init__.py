"""The engine: pure decisions, and the thin parts that carry them out."""
