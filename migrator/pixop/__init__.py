"""The platform's API: one call and what is known after it."""
