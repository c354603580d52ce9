"""The `pointsman` command: documents checked, compared and applied; an instance started and looked at."""
