"""DuckDB as a store."""
