"""Land Mail Partner's suppression list as dated, typed, complete Parquet partitions."""

__version__ = "0.1.0"
