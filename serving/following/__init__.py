"""The registry's champion serves, its challenger is scored beside it: what is journalled, and who asks."""
