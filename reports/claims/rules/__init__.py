"""The rules that decide claims: every module here is imported, and registers its own."""
