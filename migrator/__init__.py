"""migrator moves a whole video catalogue from S3 into the Pixop platform, once, and proves it."""

__version__ = "0.1.0"
