"""Milvus as a store."""
