"""ragdiag for LangChain."""
