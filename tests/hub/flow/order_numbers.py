"""Mappings by which issues and rows with one order number are one task."""

from __future__ import annotations

ISSUE = """
mapping: issue
extends: github-issue
connection: github
match: {by: custom.order_no, likely: [title]}
fields:
  custom.order_no:
    {from: $.body, as: [{regex: "Order ([A-Za-z0-9-]+)"}], direction: in, default: ""}
"""
ROW = """
mapping: row
extends: spreadsheet-row
connection: tracker
match: {by: custom.order_no, likely: [title]}
fields:
  custom.order_no: $.Notes
  description: null
"""
FILES = {"mappings/issue.yaml": ISSUE, "mappings/row.yaml": ROW}
