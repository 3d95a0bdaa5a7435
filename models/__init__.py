"""How strange is this, how sure are we, and why."""
