"""Reading documents once: passages, the segment loop, snapshots and named memories."""
