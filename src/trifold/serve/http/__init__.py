"""Answers over HTTP: endpoints in families, what guards them, and the page. What a model says is asked of `serve`."""
