"""Google Sheets: rows of a spreadsheet by a key column, pulled, written and watched."""
