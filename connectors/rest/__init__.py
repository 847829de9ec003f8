"""Any JSON API from a description in YAML: pull, push, webhooks and a sandbox."""
