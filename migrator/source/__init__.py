"""The customer's S3: list, head, credentials."""
