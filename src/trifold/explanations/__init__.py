"""Which words of a text decided on its label."""
