"""Excel and CSV files as tables of rows with a stable key column."""
