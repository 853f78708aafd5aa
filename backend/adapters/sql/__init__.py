"""The store in SQL: SQLite embedded."""
